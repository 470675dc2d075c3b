//! What is missing on this node, what it costs, and what would give it: one function a part of the machine.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use collectors::Root;
use isolators::Host;
use isolators::cgroup::{CgroupMode, Layout, cannot};
use serde::Serialize;

use super::kernel::Options;
use super::seek::{found, is_there};

/// One thing that is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The part of the machine, as in `bmc`.
    pub part: &'static str,
    /// What is missing.
    pub what: String,
    /// What cannot be shown or done without it.
    pub costs: &'static str,
    /// Families of metrics that are absent for it, as patterns.
    pub families: &'static [&'static str],
    /// The command or setting that would give it.
    pub remedy: String,
}

/// Kernel options: name, what is lost without it, families.
const OPTIONS: [(&str, &str, &[&str]); 9] = [
    ("CONFIG_NUMA", "memory by NUMA node", &["busbar_numa_*"]),
    (
        "CONFIG_PSI",
        "pressure: how long tasks wait",
        &["busbar_pressure_*", "busbar_workload_waits_total"],
    ),
    (
        "CONFIG_PERF_EVENTS",
        "counters of the PMU, CPI",
        &["busbar_cpu_cycles_total", "busbar_cpu_instructions_total"],
    ),
    (
        "CONFIG_POWERCAP",
        "energy and power limits of CPUs",
        &["busbar_cpu_energy_*", "busbar_cpu_power_*"],
    ),
    (
        "CONFIG_HWMON",
        "temperatures, fans, voltages",
        &["busbar_temperature_*", "busbar_fan_*", "busbar_voltage_*"],
    ),
    ("CONFIG_EDAC", "errors of memory", &["busbar_memory_errors_total"]),
    (
        "CONFIG_CPUSETS",
        "CPUs of their own for workloads",
        &["busbar_workload_*"],
    ),
    (
        "CONFIG_CPU_FREQ",
        "frequency of CPUs",
        &["busbar_cpu_frequency_*"],
    ),
    (
        "CONFIG_X86_CPU_RESCTRL",
        "cache and bandwidth by workload (RDT, QoS)",
        &["busbar_memory_bandwidth_*"],
    ),
];

/// Files that only root (or a group) may read: the file, the part, what it costs, families.
const ROOT_FILES: [(&str, &str, &str, &[&str]); 5] = [
    (
        "/sys/class/powercap/*/energy_uj",
        "power",
        "energy of CPUs",
        &["busbar_cpu_energy_joules_total"],
    ),
    (
        "/sys/class/dmi/id/product_serial",
        "machine",
        "the machine's serial number",
        &[],
    ),
    (
        "/sys/class/dmi/id/product_uuid",
        "machine",
        "the UUID by which a node and its BMC are known as one",
        &[],
    ),
    (
        "/dev/ipmi0",
        "bmc",
        "the node's own BMC: sensors, supplies, power",
        &["busbar_host_power_watts", "busbar_bmc_*"],
    ),
    (
        "/dev/nvme[0-9]*",
        "drives",
        "SMART of drives",
        &["busbar_disk_temperature_celsius", "busbar_disk_wear_ratio"],
    ),
];
/// The unit file gives these rights; by hand it is root who has them.
const AS_ROOT: &str = "run it as root, or through the packaged unit busbar-agent.service";

/// Our own cgroup.
const OWN_CGROUP: &str = "busbar";
/// What a line of its own tells already.
const PARTITION: &str = "partition";
const PARANOID: &str = "proc/sys/kernel/perf_event_paranoid";
const CPUINFO: &str = "proc/cpuinfo";
/// `CAP_PERFMON` (38) and `CAP_SYS_ADMIN` (21) as bits of `CapEff`.
const MAY_COUNT: u64 = 1 << 38 | 1 << 21;

/// Everything that is missing.
pub fn missing(root: &Root) -> Vec<Missing> {
    let options = Options::read(root);
    let is_virtual = is_virtual(root);
    let mut all = Vec::new();
    all.extend(rights(root));
    all.extend(perf(root, &options));
    all.extend(counters(root, is_virtual));
    all.extend(power(root, is_virtual));
    all.extend(bmc(root));
    all.extend(gpus(root));
    all.extend(cgroups(root));
    all.extend(kernel_options(root, &options));
    all
}

/// Whether the CPUs are a virtual machine's: much that is missing cannot be had there.
pub fn is_virtual(root: &Root) -> bool {
    cpu_flags(root).any(|flag| flag == "hypervisor")
}

fn cpu_flags(root: &Root) -> impl Iterator<Item = String> {
    let text = root.read(CPUINFO).unwrap_or_default();
    let line = text
        .lines()
        .find(|line| line.starts_with("flags"))
        .unwrap_or_default();
    let (_, flags) = line.split_once(':').unwrap_or_default();
    flags
        .split_whitespace()
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .into_iter()
}

fn rights(root: &Root) -> Vec<Missing> {
    if !root.is_host() {
        return Vec::new();
    }
    let refused =
        |(pattern, part, costs, families): &(&str, &'static str, &'static str, &'static [&'static str])| {
            let pattern = pattern.replace("[0-9]*", "0");
            let file = found(root, &pattern)
                .into_iter()
                .find(|file| is_refused(&root.path(file)))?;
            Some(Missing {
                part,
                what: format!("/{file} cannot be read by this user"),
                costs,
                families,
                remedy: AS_ROOT.to_owned(),
            })
        };
    ROOT_FILES.iter().filter_map(refused).collect()
}

fn is_refused(path: &Path) -> bool {
    File::open(path).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

fn perf(root: &Root, options: &Options) -> Vec<Missing> {
    const FAMILIES: &[&str] = &[
        "busbar_cpu_cycles_total",
        "busbar_cpu_instructions_total",
        "busbar_cpu_llc_*",
    ];
    let mut all = Vec::new();
    let has_pmu = [
        "/sys/bus/event_source/devices/cpu",
        "/sys/bus/event_source/devices/cpu_*",
        "/sys/bus/event_source/devices/armv8_*",
    ]
    .iter()
    .any(|path| is_there(root, path));
    if !has_pmu && root.has("sys/bus/event_source/devices") {
        all.push(Missing {
            part: "perf",
            what: "no PMU: the kernel shows no hardware counters".to_owned(),
            costs: "cycles, instructions, cache and branch misses, CPI",
            families: FAMILIES,
            remedy: if is_virtual(root) {
                "give the virtual machine a PMU (QEMU: -cpu host,pmu=on)".to_owned()
            } else {
                "switch it on in the firmware; look at dmesg | grep -i pmu".to_owned()
            },
        });
    }
    let paranoid: Option<i32> = root.read(PARANOID).ok().and_then(|text| text.parse().ok());
    if let Some(level) = paranoid.filter(|level| *level > 0)
        && root.is_host()
        && !may_count(root)
    {
        all.push(Missing {
            part: "perf",
            what: format!("kernel.perf_event_paranoid is {level}, and this user has no CAP_PERFMON"),
            costs: "counters of whole CPUs and of cgroups",
            families: FAMILIES,
            remedy: format!("{AS_ROOT}; or sysctl kernel.perf_event_paranoid=0"),
        });
    }
    if !root.has("proc/sys/kernel/perf_event_paranoid") && options.file.is_some() && root.is_host() {
        all.push(Missing {
            part: "perf",
            what: "the kernel has no perf events".to_owned(),
            costs: "all counters of the PMU",
            families: FAMILIES,
            remedy: "a kernel with CONFIG_PERF_EVENTS".to_owned(),
        });
    }
    all
}

fn may_count(root: &Root) -> bool {
    let status = root.read("proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .is_some_and(|capabilities| capabilities & MAY_COUNT != 0)
}

fn counters(root: &Root, is_virtual: bool) -> Vec<Missing> {
    let mut all = Vec::new();
    let has_rdt = cpu_flags(root).any(|flag| flag == "cqm_mbm_total" || flag == "cat_l3" || flag == "mba");
    if has_rdt && !root.has("sys/fs/resctrl/info") {
        all.push(Missing {
            part: "resctrl",
            what: "the CPUs can count memory bandwidth, and resctrl is not mounted".to_owned(),
            costs: "memory bandwidth and cache occupancy",
            families: &["busbar_memory_bandwidth_bytes_total"],
            remedy: "mount -t resctrl resctrl /sys/fs/resctrl".to_owned(),
        });
    }
    if !is_virtual && !is_there(root, "/sys/devices/system/edac/mc/mc*") {
        all.push(Missing {
            part: "edac",
            what: "no driver of a memory controller is loaded".to_owned(),
            costs: "errors of memory, corrected or not",
            families: &["busbar_memory_errors_total"],
            remedy: "modprobe amd64_edac, skx_edac, i10nm_edac or ie31200_edac (memory must have ECC)"
                .to_owned(),
        });
    }
    if !is_virtual && !is_there(root, "/dev/cpu/0/msr") && root.is_host() && is_x86(root) {
        all.push(Missing {
            part: "msr",
            what: "/dev/cpu/0/msr is not there".to_owned(),
            costs: "nothing of ours; turbostat, with which our watts are checked, needs it",
            families: &[],
            remedy: "modprobe msr".to_owned(),
        });
    }
    all
}

fn is_x86(root: &Root) -> bool {
    root.read(CPUINFO)
        .is_ok_and(|text| text.contains("GenuineIntel") || text.contains("AuthenticAMD"))
}

fn power(root: &Root, is_virtual: bool) -> Vec<Missing> {
    let mut all = Vec::new();
    if !is_virtual && is_x86(root) && !is_there(root, "/sys/class/powercap/intel-rapl*") {
        all.push(Missing {
            part: "power",
            what: "no RAPL zone under /sys/class/powercap".to_owned(),
            costs: "energy and power limits of CPUs, watts per workload",
            families: &["busbar_cpu_energy_joules_total", "busbar_cpu_power_limit_watts"],
            remedy: "modprobe intel_rapl_msr (AMD too, from Linux 5.11 on)".to_owned(),
        });
    }
    if !is_virtual && !is_there(root, "/sys/class/hwmon/hwmon*") {
        all.push(Missing {
            part: "sensors",
            what: "no sensor under /sys/class/hwmon".to_owned(),
            costs: "temperatures, fans, voltages",
            families: &[
                "busbar_temperature_celsius",
                "busbar_fan_speed_rpm",
                "busbar_voltage_volts",
            ],
            remedy: "modprobe coretemp or k10temp; sensors-detect finds the board's".to_owned(),
        });
    }
    all
}

fn bmc(root: &Root) -> Vec<Missing> {
    // SMBIOS type 38: the board has an IPMI device.
    let has_bmc = is_there(root, "/sys/firmware/dmi/entries/38-*")
        || is_there(root, "/sys/bus/platform/devices/dmi-ipmi*");
    if !has_bmc || root.has("dev/ipmi0") || !root.is_host() {
        return Vec::new();
    }
    vec![Missing {
        part: "bmc",
        what: "SMBIOS names a BMC, and there is no /dev/ipmi0".to_owned(),
        costs: "the BMC's sensors, supplies, event log, and the power of the whole host",
        families: &["busbar_host_power_watts", "busbar_bmc_*"],
        remedy: "modprobe ipmi_si ipmi_devintf".to_owned(),
    }]
}

fn gpus(root: &Root) -> Vec<Missing> {
    let is_nvidia = |function: &String| {
        let read = |file: &str| root.read(&format!("{function}/{file}")).unwrap_or_default();
        read("vendor") == "0x10de" && read("class").starts_with("0x03")
    };
    let Some(gpu) = found(root, "/sys/bus/pci/devices/*").into_iter().find(is_nvidia) else {
        return Vec::new();
    };
    if root.has("dev/nvidiactl") || root.has("proc/driver/nvidia/version") || !root.is_host() {
        return Vec::new();
    }
    let place = gpu.rsplit('/').next().unwrap_or_default();
    vec![Missing {
        part: "gpu",
        what: format!("an NVIDIA GPU is at {place}, and no NVIDIA driver is loaded"),
        costs: "everything of the GPU but its place",
        families: &["busbar_gpu_*"],
        remedy: "install the NVIDIA driver; modprobe nvidia".to_owned(),
    }]
}

fn cgroups(root: &Root) -> Vec<Missing> {
    let layout = Layout::find(&Host::at(root.directory()), OWN_CGROUP);
    if layout.cgroups.mode == CgroupMode::Unified {
        return Vec::new();
    }
    let mode = layout.cgroups.mode.word();
    let partitions = Missing {
        part: "cgroups",
        what: format!("cgroups are in mode {mode}: cpuset is not in v2"),
        costs: "CPUs that the kernel keeps every other task off (partitions); waits of workloads that the kernel tells by itself (PSI)",
        families: &["busbar_workload_waits_total"],
        remedy: "boot with systemd.unified_cgroup_hierarchy=1 cgroup_no_v1=all".to_owned(),
    };
    // What v1 lacks is only worth a line where v1 is in use.
    let old = layout.cgroups.mode != CgroupMode::None;
    let limits = cannot(&layout)
        .into_iter()
        .filter(|one| old && one.what != PARTITION);
    let limits = limits.map(|one| Missing {
        part: "cgroups",
        what: format!("{}: {}", one.what, one.why),
        costs: "this limit of a workload",
        families: &[],
        remedy: one.gives,
    });
    [partitions].into_iter().chain(limits).collect()
}

fn kernel_options(root: &Root, options: &Options) -> Vec<Missing> {
    let file = options.file.clone().unwrap_or_default();
    let off = OPTIONS.iter().filter(|(option, ..)| options.is_off(option));
    let fits = off.filter(|(option, ..)| is_x86(root) || !option.contains("X86"));
    fits.map(|(option, costs, families)| Missing {
        part: "kernel",
        what: format!("{option} is off in /{file}"),
        costs,
        families,
        remedy: format!("a kernel with {option}=y"),
    })
    .collect()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
