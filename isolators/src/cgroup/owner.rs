//! Who else has a hand on this host's cpusets: found before anything is written, named with the setting that would yield.

use std::path::{Path, PathBuf};

use facts::CpuSet;

use super::layout::Layout;
use super::mount::{Controller, Place, Version};
use super::process::members;
use crate::host::Host;
use crate::isolator::IsolateError;

/// The kubelet's own record of the CPUs that it gave out.
const CPU_MANAGER_STATE: &str = "/var/lib/kubelet/cpu_manager_state";
/// The policy with which the kubelet writes cpusets.
const STATIC_POLICY: &str = "\"policyName\":\"static\"";
/// Cgroups of slurmd: in v1 at the top, in v2 below `system.slice`.
const SLURM: [&str; 3] = [
    "slurm",
    "system.slice/slurmstepd.scope",
    "system.slice/slurmd.service",
];
/// What systemd writes for `AllowedCPUs=`.
const CPUSET_CPUS: &str = "cpuset.cpus";
/// The CPUs that a cgroup's processes may use: v2 shows it apart from what was asked for.
const CPUSET_CPUS_EFFECTIVE: &str = "cpuset.cpus.effective";
/// How many processes a message names.
const MOST_NAMED: usize = 4;

/// Who would be in our way if these CPUs were taken exclusively (empty: any write at all). A sentence, or nothing.
pub fn conflicting_owner(host: &Host, layout: &Layout, exclusive: &CpuSet) -> Option<String> {
    let place = layout.cgroups.places.get(&Controller::Cpuset)?;
    kubelet(host)
        .or_else(|| slurm(host, place))
        .or_else(|| systemd(host, place, exclusive))
}

fn kubelet(host: &Host) -> Option<String> {
    let text = host.read(Path::new(CPU_MANAGER_STATE)).ok().flatten()?;
    let dense: String = text.split_whitespace().collect();
    dense.contains(STATIC_POLICY).then(|| {
        format!(
            "the kubelet's CPU manager gives out the CPUs of this node ({CPU_MANAGER_STATE} says policy static); \
             it yields with cpuManagerPolicy: none"
        )
    })
}

fn slurm(host: &Host, place: &Place) -> Option<String> {
    let dir = SLURM
        .iter()
        .map(|name| place.mount.join(name))
        .find(|dir| host.is_dir(dir))?;
    Some(format!(
        "slurmd gives out the CPUs of this node ({} is there); it yields with ConstrainCores=no in cgroup.conf",
        dir.display()
    ))
}

fn systemd(host: &Host, place: &Place, exclusive: &CpuSet) -> Option<String> {
    if place.version == Version::V1 || exclusive.is_empty() {
        return None;
    }
    let units = host.directories(&place.mount).ok()?;
    let units = units
        .iter()
        .filter(|name| name.ends_with(".slice") || name.ends_with(".scope"));
    units.filter_map(|unit| {
        let text = host.read(&place.mount.join(unit).join(CPUSET_CPUS)).ok().flatten()?;
        let cpus: CpuSet = text.parse().ok()?;
        let both = cpus.intersection(exclusive);
        (!both.is_empty()).then(|| {
            format!("systemd lets {unit} run on CPUs {both} (AllowedCPUs={cpus}); it yields with AllowedCPUs= without them")
        })
    })
    .next()
}

/// Our own cgroups' directories that are there and hold processes: none of them ours, as long as we have no workload.
/// A sentence, or nothing.
///
/// # Errors
/// When the host cannot be read.
pub fn strangers(host: &Host, layout: &Layout) -> Result<Option<String>, IsolateError> {
    for place in layout.all_hierarchies() {
        for own in layout.own(place) {
            let pids = members(host, &own)?;
            if pids.is_empty() {
                continue;
            }
            let named: Vec<String> = pids
                .iter()
                .take(MOST_NAMED)
                .map(|pid| named(host, *pid))
                .collect();
            let more = if pids.len() > MOST_NAMED { ", …" } else { "" };
            return Ok(Some(format!(
                "{} was not made by this agent and holds {} process{} ({}{more}); end them or move them away, \
                 or, if another agent made it, let that one leave first",
                own.display(),
                pids.len(),
                if pids.len() == 1 { "" } else { "es" },
                named.join(", ")
            )));
        }
    }
    Ok(None)
}

/// Cgroups of the host, the top and those in it, whose processes may run on these CPUs: with partitions there is none. Ours are
/// left out. Reads, and writes nothing.
pub fn host_cgroups_on(host: &Host, layout: &Layout, cpus: &CpuSet) -> Vec<(PathBuf, CpuSet)> {
    let Some(place) = layout.cgroups.places.get(&Controller::Cpuset) else {
        return Vec::new();
    };
    let file = match place.version {
        Version::V1 => CPUSET_CPUS,
        Version::V2 => CPUSET_CPUS_EFFECTIVE,
    };
    let own = layout.own(place);
    let below = host.directories(&place.mount).unwrap_or_default();
    let below = below.iter().map(|name| place.mount.join(name));
    let all = [place.mount.clone()].into_iter().chain(below);
    all.filter(|dir| !own.contains(dir))
        .filter_map(|dir| {
            let text = host.read(&dir.join(file)).ok().flatten()?;
            let here = text.parse::<CpuSet>().ok()?.intersection(cpus);
            (!here.is_empty()).then_some((dir, here))
        })
        .collect()
}

/// `4711 sleep`.
fn named(host: &Host, pid: u32) -> String {
    let name = host
        .read(Path::new(&format!("/proc/{pid}/comm")))
        .ok()
        .flatten()
        .unwrap_or_default();
    format!("{pid} {name}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::at(dir.path());
        let v2 = [
            (
                "/proc/self/mountinfo",
                "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
            ),
            ("/sys/fs/cgroup/cgroup.controllers", "cpuset\n"),
        ];
        for (file, text) in v2.iter().chain(files) {
            let real = host.real(Path::new(file));
            fs::create_dir_all(real.parent().unwrap()).unwrap();
            fs::write(real, text).unwrap();
        }
        (dir, host)
    }

    fn owner(files: &[(&str, &str)]) -> Option<String> {
        let (_dir, host) = host(files);
        conflicting_owner(&host, &Layout::find(&host, "busbar"), &"2-3".parse().unwrap())
    }

    #[test]
    fn each_owner_is_named_with_what_would_yield_it() {
        assert_eq!(owner(&[]), None);
        let kubelet = owner(&[(
            CPU_MANAGER_STATE,
            "{\"policyName\": \"static\", \"defaultCpuSet\": \"0\"}",
        )]);
        assert!(kubelet.unwrap().contains("cpuManagerPolicy"));
        assert_eq!(owner(&[(CPU_MANAGER_STATE, "{\"policyName\":\"none\"}")]), None);
        let slurm = owner(&[("/sys/fs/cgroup/system.slice/slurmstepd.scope/cgroup.procs", "")]);
        assert!(slurm.unwrap().contains("ConstrainCores"));
        let systemd = owner(&[("/sys/fs/cgroup/user.slice/cpuset.cpus", "0-2\n")]);
        assert!(systemd.unwrap().contains("CPUs 2 (AllowedCPUs=0-2)"));
        assert_eq!(owner(&[("/sys/fs/cgroup/user.slice/cpuset.cpus", "0-1\n")]), None);
    }

    #[test]
    fn processes_in_a_cgroup_of_our_name_are_strangers() {
        let (_dir, host) = host(&[
            ("/sys/fs/cgroup/busbar/web/cgroup.procs", "7\n"),
            ("/proc/7/comm", "nginx\n"),
        ]);
        let said = strangers(&host, &Layout::find(&host, "busbar")).unwrap().unwrap();
        assert!(
            said.contains("/sys/fs/cgroup/busbar was not made by this agent"),
            "{said}"
        );
        assert!(said.contains("1 process (7 nginx)"), "{said}");
        assert_eq!(strangers(&host, &Layout::find(&host, "other")).unwrap(), None);
    }
}
