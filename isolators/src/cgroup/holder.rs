//! Whose a cgroup is, by its path: nothing is taken out of the hands of those who would put it back or lose track of it.

use std::path::Path;

use facts::CpuSet;

/// Who rules a cgroup, and what would bring it about in their own way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Who.
    pub who: String,
    /// What to set or say there, with `CPUS` where the list of CPUs belongs.
    pub setting: String,
    /// Where it can be asked itself, over an interface of its own.
    pub door: Option<Door>,
}

/// Who takes orders for one of its cgroups, and what it calls that one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Door {
    /// systemd: a service or a scope.
    Systemd(String),
    /// Podman: a container's id.
    Podman(String),
}

/// Stands in a setting for the CPUs.
const CPUS: &str = "CPUS";
/// The shortest run of hexadecimal digits that is taken for a container's name.
const SHORTEST_ID: usize = 12;
/// What systemd's units with processes end in.
const UNITS: [&str; 2] = [".service", ".scope"];
/// logind's scopes hold what somebody typed; logind only counts them.
const SESSION: &str = "session-";

/// What Podman puts before a container's name.
const PODMAN: &str = "libpod";
/// Container runtimes that put their name before a container's, and the word that changes its CPUs.
const RUNTIMES: [(&str, &str, &str); 4] = [
    ("docker", "Docker", "docker update --cpuset-cpus=CPUS"),
    (PODMAN, "Podman", "podman update --cpuset-cpus=CPUS"),
    (
        "nerdctl",
        "containerd (nerdctl)",
        "nerdctl update --cpuset-cpus=CPUS",
    ),
    ("lxc.payload", "LXC", "lxc-cgroup cpuset.cpus CPUS -n"),
];

impl Holder {
    /// The setting for these CPUs.
    pub fn setting_for(&self, cpus: &CpuSet) -> String {
        self.setting.replace(CPUS, &cpus.to_string())
    }
}

/// Who rules the cgroup with this path, seen from its hierarchy's top; nothing where nobody known does.
pub fn holder(path: &Path) -> Option<Holder> {
    let parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
    let has = |start: &str| parts.iter().find(|part| part.starts_with(start)).copied();
    let held = |who: String, setting: &str| {
        Some(Holder {
            who,
            setting: setting.to_owned(),
            door: None,
        })
    };
    if has("kubepods").is_some() {
        return held(
            format!("the kubelet (cgroup {})", path.display()),
            "let the pod ask for whole CPUs under cpuManagerPolicy: static, or take the work out of the pod and start it with \
             busbar run",
        );
    }
    if has("slurm").is_some() {
        return held(
            format!("slurmd (cgroup {})", path.display()),
            "submit the job with --cpu-bind=map_cpu:CPUS, or set ProctrackType=proctrack/linuxproc and leave task/cgroup out of \
             TaskPlugin",
        );
    }
    if let Some(found) = parts
        .iter()
        .enumerate()
        .find_map(|(at, part)| container(&parts, at, part))
    {
        return Some(found);
    }
    if let Some(machine) = has("machine-qemu") {
        return held(format!("libvirt ({machine})"), "virsh vcpupin DOMAIN VCPU CPUS");
    }
    let unit = parts
        .iter()
        .rev()
        .find(|part| UNITS.iter().any(|end| part.ends_with(end)))?;
    if unit.starts_with(SESSION) {
        return None;
    }
    Some(Holder {
        who: format!("systemd ({unit})"),
        setting: format!("systemctl set-property --runtime {unit} AllowedCPUs=CPUS"),
        door: Some(Door::Systemd((*unit).to_owned())),
    })
}

/// `docker-ID.scope`, or `docker/ID`.
fn container(parts: &[&str], at: usize, part: &str) -> Option<Holder> {
    let (word, who, setting) = RUNTIMES.iter().find(|(word, ..)| part.starts_with(word))?;
    let rest = part.get(word.len()..).unwrap_or_default();
    let rest = rest.trim_start_matches(['-', '.']).trim_end_matches(".scope");
    let below = parts.get(at + 1).copied().unwrap_or_default();
    let name = if rest.is_empty() { below } else { rest };
    let is_id = name.len() >= SHORTEST_ID && name.chars().all(|c| c.is_ascii_hexdigit());
    if !is_id && *word != "lxc.payload" {
        return None;
    }
    Some(Holder {
        who: format!("{who} (container {name})"),
        setting: format!("{setting} {name}"),
        door: (*word == PODMAN).then(|| Door::Podman(name.to_owned())),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn who_takes_orders_is_known_with_what_it_calls_the_cgroup() {
        let id = "3f1c0b9a7d2e4f6a8b0c1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f6a7b8c9d0e1f2a";
        let door = |path: &str| holder(Path::new(path)).unwrap().door;
        let podman = Some(Door::Podman(id.to_owned()));
        assert_eq!(
            door(&format!("machine.slice/libpod-{id}.scope/container")),
            podman
        );
        assert_eq!(door(&format!("libpod_parent/libpod-{id}")), podman);
        let systemd = Some(Door::Systemd("run-u7.scope".to_owned()));
        assert_eq!(door("system.slice/run-u7.scope"), systemd);
        assert_eq!(door("system.slice/run-u7.scope/below"), systemd);
        for none in [
            format!("docker/{id}"),
            "kubepods/pod1/x".to_owned(),
            "slurm/uid_0".to_owned(),
        ] {
            assert_eq!(door(&none), None, "{none}");
        }
    }

    #[test]
    fn each_is_known_by_its_path_and_nobody_is_made_up() {
        let id = "3f1c0b9a7d2e4f6a8b0c1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f6a7b8c9d0e1f2a";
        for (path, who, setting) in [
            (
                "kubepods.slice/kubepods-pod1.slice/cri-containerd-1.scope",
                "the kubelet",
                "cpuManagerPolicy",
            ),
            ("kubepods/burstable/pod1/x", "the kubelet", "cpuManagerPolicy"),
            (
                "system.slice/slurmstepd.scope/job_1/step_0",
                "slurmd",
                "task/cgroup",
            ),
            ("slurm/uid_0/job_1", "slurmd", "--cpu-bind=map_cpu:2-3"),
            (
                &format!("system.slice/docker-{id}.scope"),
                "Docker",
                &format!("--cpuset-cpus=2-3 {id}"),
            ),
            (&format!("docker/{id}"), "Docker", "docker update"),
            (
                &format!("machine.slice/libpod-{id}.scope/container"),
                "Podman",
                "podman update",
            ),
            (
                "lxc.payload.web",
                "LXC (container web)",
                "lxc-cgroup cpuset.cpus 2-3 -n web",
            ),
            (
                "machine.slice/machine-qemu\\x2d1\\x2ddb.scope",
                "libvirt",
                "virsh vcpupin",
            ),
            (
                "system.slice/nginx.service",
                "systemd (nginx.service)",
                "nginx.service AllowedCPUs=2-3",
            ),
            (
                "user.slice/user-0.slice/user@0.service/app.slice",
                "systemd (user@0.service)",
                "AllowedCPUs",
            ),
            (
                "system.slice/run-u7.scope",
                "systemd (run-u7.scope)",
                "AllowedCPUs=2-3",
            ),
        ] {
            let found = holder(Path::new(path)).unwrap();
            assert!(found.who.starts_with(who), "{path}: {found:?}");
            let said = found.setting_for(&"2-3".parse().unwrap());
            assert!(said.contains(setting), "{path}: {said}");
        }
        for nobodys in [
            "",
            "user.slice/user-0.slice/session-3.scope",
            "mine/batch",
            "docker",
            "dockerfiles/x",
        ] {
            assert_eq!(holder(Path::new(nobodys)), None, "{nobodys}");
        }
    }
}
