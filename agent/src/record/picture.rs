//! Which files make a picture of a machine: an allow-list. What is not named here never leaves it.

mod files;

use files::{OF_BLOCKS, OF_DEVICES, OF_NETS};

/// What is recorded below one pattern.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Folders or files below the root; `*` stands for any text in one name.
    pub path: &'static str,
    /// How many folders deep files are taken; 0 for a file itself.
    pub depth: usize,
    /// The names of files that are taken, with stars; empty for all.
    pub files: &'static [&'static str],
}

const fn whole(path: &'static str, depth: usize) -> Part {
    Part {
        path,
        depth,
        files: &[],
    }
}

const fn file(path: &'static str) -> Part {
    Part {
        path,
        depth: 0,
        files: &[],
    }
}

/// The picture. docs/facts.md tells what each is for.
pub const PICTURE: &[Part] = &[
    file("proc/cpuinfo"),
    file("proc/meminfo"),
    file("proc/stat"),
    file("proc/vmstat"),
    file("proc/loadavg"),
    file("proc/uptime"),
    file("proc/diskstats"),
    file("proc/net/dev"),
    file("proc/net/netstat"),
    file("proc/net/snmp"),
    file("proc/net/sockstat"),
    file("proc/schedstat"),
    file("proc/buddyinfo"),
    file("proc/sysinfo"),
    file("proc/hwloc-nofile-info"),
    file("proc/config.gz"),
    whole("proc/pressure", 1),
    whole("proc/powerpc", 1),
    whole("proc/device-tree/cpus", 2),
    file("proc/device-tree/model"),
    file("proc/device-tree/compatible"),
    file("proc/driver/nvidia/version"),
    whole("proc/driver/nvidia/gpus", 2),
    file("proc/sys/kernel/hostname"),
    file("proc/sys/kernel/osrelease"),
    file("proc/sys/kernel/ostype"),
    file("proc/sys/kernel/version"),
    file("proc/sys/kernel/arch"),
    file("proc/sys/kernel/perf_event_paranoid"),
    file("proc/sys/kernel/random/boot_id"),
    file("proc/sys/fs/file-nr"),
    Part {
        path: "sys/devices/system/cpu",
        depth: 6,
        files: &[],
    },
    Part {
        path: "sys/devices/system/node",
        depth: 3,
        files: &[],
    },
    Part {
        path: "sys/devices/system/edac",
        depth: 5,
        files: &[],
    },
    Part {
        path: "sys/devices/system/memory",
        depth: 1,
        files: &[],
    },
    Part {
        path: "sys/devices/virtual/memory_tiering",
        depth: 2,
        files: &[],
    },
    Part {
        path: "sys/devices/virtual/powercap",
        depth: 5,
        files: &[],
    },
    Part {
        path: "sys/devices/virtual/thermal",
        depth: 2,
        files: &[
            "type",
            "temp",
            "mode",
            "policy",
            "trip_point_*",
            "cur_state",
            "max_state",
        ],
    },
    Part {
        path: "sys/devices/virtual/dmi/id",
        depth: 1,
        files: &[],
    },
    Part {
        path: "sys/bus/event_source/devices/*",
        depth: 2,
        files: &[],
    },
    Part {
        path: "sys/bus/pci/devices/*",
        depth: 1,
        files: OF_DEVICES,
    },
    Part {
        path: "sys/bus/pci/slots/*",
        depth: 1,
        files: &["address", "power", "adapter", "*_speed"],
    },
    Part {
        path: "sys/bus/node/devices/*",
        depth: 1,
        files: &[],
    },
    Part {
        path: "sys/bus/cxl/devices/*",
        depth: 1,
        files: &[],
    },
    Part {
        path: "sys/bus/dax/devices/*",
        depth: 1,
        files: &[],
    },
    Part {
        path: "sys/class/dmi/id",
        depth: 1,
        files: &[],
    },
    Part {
        path: "sys/class/powercap/*",
        depth: 1,
        files: &[],
    },
    Part {
        path: "sys/class/hwmon/*",
        depth: 1,
        files: &[
            "name",
            "temp*",
            "fan*",
            "in[0-9]*",
            "in*",
            "curr*",
            "power*",
            "energy*",
            "humidity*",
            "pwm*",
        ],
    },
    Part {
        path: "sys/class/thermal/*",
        depth: 1,
        files: &[
            "type",
            "temp",
            "mode",
            "policy",
            "trip_point_*",
            "cur_state",
            "max_state",
        ],
    },
    Part {
        path: "sys/class/net/*",
        depth: 1,
        files: OF_NETS,
    },
    Part {
        path: "sys/class/net/*/statistics",
        depth: 1,
        files: OF_NETS,
    },
    Part {
        path: "sys/class/net/*/device",
        depth: 1,
        files: OF_DEVICES,
    },
    Part {
        path: "sys/class/infiniband/*",
        depth: 3,
        files: &[
            "node_guid",
            "node_type",
            "fw_ver",
            "hca_type",
            "sys_image_guid",
            "state",
            "rate",
            "phys_state",
            "lid",
            "link_layer",
        ],
    },
    Part {
        path: "sys/class/block/*",
        depth: 1,
        files: OF_BLOCKS,
    },
    Part {
        path: "sys/class/block/*/queue",
        depth: 1,
        files: OF_BLOCKS,
    },
    Part {
        path: "sys/class/block/*/device",
        depth: 1,
        files: OF_BLOCKS,
    },
    Part {
        path: "sys/class/nvme/*",
        depth: 1,
        files: OF_BLOCKS,
    },
    Part {
        path: "sys/class/nvme/*/device",
        depth: 1,
        files: OF_DEVICES,
    },
    Part {
        path: "sys/class/drm/*",
        depth: 1,
        files: &["dev", "status", "enabled"],
    },
    Part {
        path: "sys/class/drm/*/device",
        depth: 1,
        files: OF_DEVICES,
    },
    Part {
        path: "sys/class/power_supply/*",
        depth: 1,
        files: &[
            "type",
            "status",
            "online",
            "power_now",
            "voltage_now",
            "current_now",
            "energy_*",
            "charge_*",
            "capacity",
        ],
    },
    Part {
        path: "sys/class/ipmi/*",
        depth: 1,
        files: &["dev"],
    },
    Part {
        path: "sys/kernel/mm/hugepages",
        depth: 2,
        files: &[],
    },
    Part {
        path: "sys/fs/resctrl/info",
        depth: 2,
        files: &[],
    },
    Part {
        path: "sys/fs/resctrl/mon_data",
        depth: 2,
        files: &[],
    },
    file("sys/fs/resctrl/schemata"),
    Part {
        path: "sys/fs/cgroup",
        depth: 1,
        files: &[
            "cgroup.controllers",
            "cpuset.cpus.effective",
            "cpuset.mems.effective",
            "cpu.pressure",
            "memory.pressure",
            "io.pressure",
        ],
    },
];

/// Files that are never taken, wherever they stand: they hold secrets, they do something when they are read, or they are raw
/// tables in which nobody could replace a serial number.
pub const NEVER: &[&str] = &[
    "environ",
    "cmdline",
    "auxv",
    "maps",
    "mem",
    "kcore",
    "kmsg",
    "key*",
    "*secret*",
    "*password*",
    "*token*",
    "uevent",
    "rom",
    "vpd",
    "resource*",
    "reset",
    "remove",
    "rescan",
    "reload",
    "*_autosuspend*",
    "autosuspend*",
    "wakeup*",
    "runtime_*",
    "dmi_table*",
    "raw",
    "edid",
    "pools",
    "serial_dump",
    "crash_notes*",
    "*asset_tag",
    "vpd_*",
];

/// Whether a file of this name may be taken below a part.
pub fn takes(part: &Part, name: &str) -> bool {
    let fits = |patterns: &[&str]| patterns.iter().any(|pattern| crate::doctor::fits(name, pattern));
    (part.files.is_empty() || fits(part.files)) && !fits(NEVER)
}

/// What a picture never holds, for the list that is shown first.
pub const LEFT_OUT: &str = "not in it: command lines, environments, keys, logs, file contents, users, mounts, firmware tables \
                            but for memory modules; not masked: names that a maker gave to sensors of the BMC, where they look like no serial number, address or host";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_levers_are_never_taken() {
        for part in PICTURE {
            assert!(
                !part.path.starts_with('/') && !part.path.contains(".."),
                "{}",
                part.path
            );
            for name in [
                "environ",
                "cmdline",
                "remove",
                "rescan",
                "vpd",
                "resource0",
                "rom",
                "raw",
                "uevent",
            ] {
                assert!(!takes(part, name), "{name} below {}", part.path);
            }
        }
        assert!(
            !PICTURE
                .iter()
                .any(|part| part.path.starts_with("proc/*") || part.path == "proc")
        );
    }
}
