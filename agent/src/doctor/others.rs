//! Who else has a hand on this machine: daemons by their names in /proc, exporters by the ports that they listen on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use collectors::Root;
use isolators::Host;
use isolators::cgroup::{Layout, conflicting_owner};
use serde::Serialize;

/// The most processes that are looked at: `pid_max` of a large machine is four million, and names are all we want.
const MOST_PROCESSES: usize = 65_536;
/// The kernel cuts a process's name (`/proc/PID/comm`) after so many bytes.
const COMM_LENGTH: usize = 15;
/// The state of a listening socket in /proc/net/tcp.
const LISTEN: &str = "0A";
const TCP: [&str; 2] = ["proc/net/tcp", "proc/net/tcp6"];
const OWN_CGROUP: &str = "busbar";

/// Daemons: the process's name, what it holds, and what would make it yield or keeps both at peace.
const DAEMONS: [(&str, &str, &str); 26] = [
    (
        "kubelet",
        "cgroups and cpusets of pods",
        "cpuManagerPolicy: none, or reservedSystemCPUs for what Busbar lends",
    ),
    ("slurmd", "cpusets of jobs", "ConstrainCores=no in cgroup.conf"),
    (
        "irqbalance",
        "which CPUs take interrupts",
        "IRQBALANCE_BANNED_CPULIST= for lent CPUs",
    ),
    (
        "tuned",
        "governors, limits and kernel settings",
        "a profile without cpu and sysctl sections",
    ),
    (
        "thermald",
        "power limits (powercap)",
        "systemctl disable --now thermald before power_cap is enforced",
    ),
    (
        "power-profiles-daemon",
        "governors and energy preference",
        "systemctl disable --now power-profiles-daemon",
    ),
    ("tlp", "governors and power limits", "systemctl disable --now tlp"),
    (
        "auto-cpufreq",
        "governors",
        "systemctl disable --now auto-cpufreq",
    ),
    (
        "numad",
        "which NUMA node a process runs on",
        "numad -x PID, or systemctl disable --now numad",
    ),
    (
        "nv-hostengine",
        "GPU counters and power limits (DCGM)",
        "nothing for reading; one of both sets limits",
    ),
    (
        "nvidia-persistenced",
        "keeps the NVIDIA driver loaded",
        "nothing: it is welcome",
    ),
    (
        "dcgm-exporter",
        "GPU metrics",
        "nothing: metrics.exclude = [\"busbar_gpu_*\"] where one is enough",
    ),
    (
        "node_exporter",
        "the kernel's metrics",
        "nothing: the profile beside-node-exporter leaves out what it has",
    ),
    (
        "prometheus-node-exporter",
        "the kernel's metrics",
        "nothing: the profile beside-node-exporter leaves out what it has",
    ),
    (
        "ipmi_exporter",
        "asks the BMC",
        "[bmc] device = \"none\": two who ask make a BMC slow",
    ),
    (
        "prometheus-ipmi-exporter",
        "asks the BMC",
        "[bmc] device = \"none\": two who ask make a BMC slow",
    ),
    (
        "ipmievd",
        "reads the BMC's event log",
        "nothing: reading does not empty it",
    ),
    (
        "bmc-watchdog",
        "the BMC's watchdog",
        "nothing: Busbar leaves the watchdog alone",
    ),
    (
        "smartd",
        "SMART of drives",
        "nothing for reading; both leave sleeping disks alone",
    ),
    (
        "containerd",
        "cgroups of its containers",
        "nothing: [nri] names its socket, and containers ask by annotation (docs/nri.md)",
    ),
    (
        "crio",
        "cgroups of its containers",
        "nothing: [nri] names its socket, and containers ask by annotation (docs/nri.md)",
    ),
    ("cadvisor", "metrics of containers", "nothing"),
    ("telegraf", "metrics", "nothing"),
    ("collectd", "metrics", "nothing"),
    (
        "turbostat",
        "MSRs and counters of the PMU",
        "counters are shared by time: busbar_cpu_perf_time_ratio shows it",
    ),
    (
        "perf",
        "counters of the PMU",
        "counters are shared by time: busbar_cpu_perf_time_ratio shows it",
    ),
];
/// Ports on which exporters usually listen; what listens there may be another program.
const PORTS: [(u16, &str); 10] = [
    (9100, "node_exporter"),
    (9400, "dcgm-exporter"),
    (9290, "ipmi_exporter"),
    (9633, "smartctl_exporter"),
    (9835, "nvidia_gpu_exporter"),
    (9256, "process-exporter"),
    (8080, "cadvisor or another"),
    (10250, "kubelet"),
    (9711, "busbar-agent"),
    (9712, "busbar-rack"),
];

/// Somebody else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Other {
    /// Who, as in `kubelet`.
    pub who: String,
    /// How it was found: a process, a port, a file.
    pub found: String,
    /// What it holds.
    pub holds: String,
    /// What would make it yield.
    pub yields: String,
}

/// Everybody who is found. A recorded machine has no processes: there only files speak.
pub fn others(root: &Root) -> Vec<Other> {
    let mut all = daemons(&processes(root));
    all.extend(listeners(root));
    let host = Host::at(root.directory());
    if let Some(sentence) = conflicting_owner(&host, &Layout::find(&host, OWN_CGROUP), &Default::default()) {
        let (holds, yields) = sentence.split_once("; ").unwrap_or((&sentence, ""));
        all.push(Other {
            who: "owner of cpusets".to_owned(),
            found: "cgroups".to_owned(),
            holds: holds.to_owned(),
            yields: yields.to_owned(),
        });
    }
    all
}

/// Names of processes with their first pid.
fn processes(root: &Root) -> BTreeMap<String, u32> {
    let mut names = BTreeMap::new();
    let pids = root.list("proc").unwrap_or_default();
    let pids = pids.iter().filter_map(|name| name.parse::<u32>().ok());
    for pid in pids.take(MOST_PROCESSES) {
        if let Ok(comm) = root.read(&format!("proc/{pid}/comm")) {
            names.entry(comm).or_insert(pid);
        }
    }
    names
}

fn daemons(processes: &BTreeMap<String, u32>) -> Vec<Other> {
    let found = |(name, holds, yields): &(&str, &str, &str)| {
        let comm = name.get(..COMM_LENGTH).unwrap_or(name);
        let pid = processes.get(comm)?;
        Some(Other {
            who: (*name).to_owned(),
            found: format!("process {pid}"),
            holds: (*holds).to_owned(),
            yields: (*yields).to_owned(),
        })
    };
    DAEMONS.iter().filter_map(found).collect()
}

fn listeners(root: &Root) -> Vec<Other> {
    let open: BTreeSet<u16> = TCP
        .iter()
        .filter_map(|file| root.read(file).ok())
        .flat_map(|text| listening(&text))
        .collect();
    let known = PORTS.iter().filter(|(port, _)| open.contains(port));
    known
        .map(|(port, who)| Other {
            who: (*who).to_owned(),
            found: format!("port {port}"),
            holds: "the port where it usually listens".to_owned(),
            yields: "nothing: Busbar's own ports are 9711 and 9712".to_owned(),
        })
        .collect()
}

/// Ports of listening sockets: `sl local_address rem_address st …`, addresses in hexadecimal.
fn listening(text: &str) -> BTreeSet<u16> {
    let port = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let (_, port) = words.next()?.rsplit_once(':')?;
        (words.nth(1)? == LISTEN).then(|| u16::from_str_radix(port, 16).ok())?
    };
    text.lines().filter_map(port).collect()
}

/// Whether the host's init is systemd: then settings of units are what yields.
pub fn is_systemd(root: &Root) -> bool {
    root.has("run/systemd/system")
        || Path::new("systemd") == Path::new(&root.read("proc/1/comm").unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn daemons_and_ports_are_found_where_the_kernel_shows_them() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("proc/77/comm", "kubelet\n");
        write("proc/78/comm", "prometheus-node\n");
        write("proc/79/comm", "bash\n");
        write(
            "proc/net/tcp",
            "  sl  local_address rem_address   st tx_queue\n   0: 0100007F:238C 00000000:0000 0A 0\n   \
             1: 0100007F:2438 0100007F:1234 01 0\n",
        );
        let all = others(&Root::at(dir.path()).unwrap());
        let who: Vec<(&str, &str)> = all.iter().map(|other| (&*other.who, &*other.found)).collect();
        assert_eq!(
            who,
            [
                ("kubelet", "process 77"),
                ("prometheus-node-exporter", "process 78"),
                ("node_exporter", "port 9100")
            ]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_a_list_of_ports(text in "([ 0-9A-F:]{0,40}\\n|\\PC*){0,5}") {
            let _ = listening(&text);
        }
    }
}
