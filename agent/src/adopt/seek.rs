//! Processes of a systemd unit, by their cgroup's path; of a container, by what its runtime wrote below `/run`.

use std::path::{Path, PathBuf};

use isolators::Host;
use isolators::cgroup::Holder;
use serde_json::Value;

/// The longest name of a unit (`UNIT_NAME_MAX`) or of a container.
const LONGEST_NAME: usize = 255;
/// The shortest beginning of a container's name that is taken for it, as Docker and Podman show it.
const SHORTEST_ID: usize = 12;
/// Where containerd keeps a directory a namespace, with one a container in it.
const CONTAINERD: &str = "/run/containerd/io.containerd.runtime.v2.task";
/// Where runc and crun keep a directory a container when nobody tells them otherwise.
const RUNC: &str = "/run/runc";
const CRUN: &str = "/run/crun";
/// The file with the number of a container's first process, a runtime each.
const INIT_PID: &str = "init.pid";
const STATE_JSON: &str = "state.json";
const STATUS: &str = "status";
/// The keys of that number in JSON: runc's and crun's.
const PID_KEYS: [&str; 2] = ["init_process_pid", "pid"];

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The processes by which it was found.
    pub pids: Vec<u32>,
    /// Who rules it, where its runtime is somebody's.
    pub holder: Option<Holder>,
}

/// Why nothing was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// No such name can be.
    #[error(
        "{0:?} is no name of a unit or a container; expected letters, digits and .-_:@+\\, at most {LONGEST_NAME} of them"
    )]
    NoName(String),
    /// Nobody runs there.
    #[error("no process is in a cgroup of {0}; systemctl status {0} shows whether it runs")]
    NoUnit(String),
    /// No runtime knows it.
    #[error(
        "no container {0} is known below {CONTAINERD}, {RUNC} and {CRUN}, and no cgroup has its name; expected its whole id, or \
         {SHORTEST_ID} characters of it at least"
    )]
    NoContainer(String),
    /// A beginning that several have.
    #[error("{0} containers begin with {1}; expected more of its id")]
    Several(usize, String),
}

/// Whether a name can be one of a unit or a container, and leads nowhere.
pub(super) fn is_name(name: &str) -> bool {
    let right = |c: char| c.is_ascii_alphanumeric() || ".-_:@+\\".contains(c);
    !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(right) && !name.starts_with('.')
}

/// The processes of a unit, its cgroups' included.
///
/// # Errors
/// When the name is none, or nobody is there.
pub fn unit(host: &Host, name: &str) -> Result<Found, NotFound> {
    if !is_name(name) {
        return Err(NotFound::NoName(name.chars().take(LONGEST_NAME).collect()));
    }
    let pids = by_cgroup(host, &|part| part == name);
    if pids.is_empty() {
        return Err(NotFound::NoUnit(name.to_owned()));
    }
    Ok(Found { pids, holder: None })
}

/// The first process of a container; all others are its children.
///
/// # Errors
/// When the name is none, nobody knows it, or several begin so.
pub fn container(host: &Host, id: &str) -> Result<Found, NotFound> {
    if !is_name(id) {
        return Err(NotFound::NoName(id.chars().take(LONGEST_NAME).collect()));
    }
    let namespaces = host.directories(Path::new(CONTAINERD)).unwrap_or_default();
    let namespaces = namespaces
        .iter()
        .map(|name| (Path::new(CONTAINERD).join(name), INIT_PID, Some(name)));
    let plain = [(RUNC, STATE_JSON), (CRUN, STATUS)].map(|(dir, file)| (PathBuf::from(dir), file, None));
    let mut found = Vec::new();
    for (dir, file, namespace) in namespaces.chain(plain) {
        for name in host.directories(&dir).unwrap_or_default() {
            if !is_meant(&name, id) {
                continue;
            }
            let text = host.read(&dir.join(&name).join(file)).ok().flatten();
            if let Some(pid) = text.as_deref().and_then(pid_of) {
                found.push((pid, namespace.map(|namespace| of_namespace(namespace, &name))));
            }
        }
    }
    found.sort_by_key(|(pid, holder)| (*pid, holder.is_none()));
    found.dedup_by_key(|(pid, _)| *pid);
    match found.as_slice() {
        [(pid, holder)] => Ok(Found {
            pids: vec![*pid],
            holder: holder.clone(),
        }),
        [] => match by_cgroup(host, &|part| has_id(part, id)) {
            pids if pids.is_empty() => Err(NotFound::NoContainer(id.to_owned())),
            pids => Ok(Found { pids, holder: None }),
        },
        several => Err(NotFound::Several(several.len(), id.to_owned())),
    }
}

fn is_meant(name: &str, id: &str) -> bool {
    name == id || (id.len() >= SHORTEST_ID && name.starts_with(id))
}

/// `docker-ID.scope`, `libpod-ID`, `ID`.
fn has_id(part: &str, id: &str) -> bool {
    let bare = part.strip_suffix(".scope").unwrap_or(part);
    let last = bare.rsplit('-').next().unwrap_or(bare);
    is_meant(bare, id) || is_meant(last, id)
}

/// The number in a file of a runtime: plain, or in JSON.
pub(super) fn pid_of(text: &str) -> Option<u32> {
    if let Ok(pid) = text.trim().parse() {
        return Some(pid);
    }
    let value: Value = serde_json::from_str(text).ok()?;
    let number = PID_KEYS.iter().find_map(|key| value.get(key)?.as_u64())?;
    u32::try_from(number).ok().filter(|pid| *pid > 0)
}

/// Docker's containers are in containerd's namespace `moby`, those of Kubernetes in `k8s.io`.
fn of_namespace(namespace: &str, id: &str) -> Holder {
    let (who, setting) = match namespace {
        "moby" => (
            "Docker".to_owned(),
            format!("docker update --cpuset-cpus=CPUS {id}"),
        ),
        "k8s.io" => (
            "the kubelet".to_owned(),
            "let the pod ask for whole CPUs under cpuManagerPolicy: static".to_owned(),
        ),
        other => (
            format!("containerd (namespace {other})"),
            format!("nerdctl --namespace {other} update --cpuset-cpus=CPUS {id}"),
        ),
    };
    Holder {
        who: format!("{who} (container {id})"),
        setting,
        door: None,
    }
}

/// Processes with such a part in the path of one of their cgroups.
fn by_cgroup(host: &Host, is_meant: &dyn Fn(&str) -> bool) -> Vec<u32> {
    let names = host.directories(Path::new("/proc")).unwrap_or_default();
    let pids = names.iter().filter_map(|name| name.parse::<u32>().ok());
    let meant = pids.filter(|pid| {
        let text = host
            .read(Path::new(&format!("/proc/{pid}/cgroup")))
            .ok()
            .flatten();
        let text = text.unwrap_or_default();
        let mut paths = text.lines().filter_map(|line| line.splitn(3, ':').nth(2));
        paths.any(|path| path.split('/').any(is_meant))
    });
    let mut pids: Vec<u32> = meant.collect();
    pids.sort_unstable();
    pids
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    const ID: &str = "3f1c0b9a7d2e4f6a8b0c1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f6a7b8c9d0e1f2a";

    fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
        let dir = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let host = Host::at(dir.path());
        (dir, host)
    }

    #[test]
    fn containers_are_found_by_what_their_runtime_wrote() {
        let docker = format!("run/containerd/io.containerd.runtime.v2.task/moby/{ID}/init.pid");
        let (_dir, host) = host(&[
            (&docker, "4711"),
            (
                "run/runc/web/state.json",
                "{\"id\":\"web\",\"init_process_pid\":12}",
            ),
            ("run/crun/db/status", "{\"pid\":13,\"cgroup-path\":\"/db\"}"),
            (
                "proc/99/cgroup",
                "0::/machine.slice/libpod-aaaabbbbccccdddd.scope\n",
            ),
        ]);
        let found = container(&host, &ID[..12]).unwrap();
        assert_eq!(found.pids, [4711]);
        assert!(found.holder.unwrap().setting.contains("docker update"));
        assert_eq!(
            container(&host, "web").unwrap(),
            Found {
                pids: vec![12],
                holder: None
            }
        );
        assert_eq!(container(&host, "db").unwrap().pids, [13]);
        assert_eq!(container(&host, "aaaabbbbcccc").unwrap().pids, [99]);
        for bad in ["we", "../../etc", "", "a/b", &"x".repeat(300)] {
            assert!(container(&host, bad).is_err(), "{bad}");
        }
        let twice = format!("{ID}b");
        let other = format!("run/crun/{twice}/status");
        let path = host.real(Path::new("/").join(&other).as_path());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "{\"pid\":14}").unwrap();
        let error = container(&host, &ID[..12]).unwrap_err();
        assert!(error.to_string().contains("2 containers begin with"), "{error}");
    }

    #[test]
    fn a_units_processes_are_those_of_all_its_cgroups() {
        let (_dir, host) = host(&[
            ("proc/7/cgroup", "0::/system.slice/web.service\n"),
            (
                "proc/8/cgroup",
                "4:memory:/\n1:name=systemd:/system.slice/web.service/worker\n",
            ),
            ("proc/9/cgroup", "0::/system.slice/webby.service\n"),
        ]);
        assert_eq!(unit(&host, "web.service").unwrap().pids, [7, 8]);
        assert!(
            unit(&host, "none.service")
                .unwrap_err()
                .to_string()
                .contains("systemctl status")
        );
    }
}
