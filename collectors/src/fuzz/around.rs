//! The machine around the file that is fed, and the files of the sources that have several.

/// What stands around the file that is fed, so that the sources look at it.
pub(super) const AROUND: [(&str, &str); 31] = [
    (
        "proc/stat",
        "cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\nctxt 1\nbtime 2\nprocesses 3\n",
    ),
    (
        "proc/meminfo",
        "MemTotal: 1000 kB\nMemFree: 500 kB\nMemAvailable: 600 kB\n",
    ),
    ("proc/net/netstat", "TcpExt: A B\nTcpExt: 1 2\n"),
    ("proc/vmstat", "pgfault 12\n"),
    ("sys/devices/system/cpu/online", "0"),
    ("sys/devices/system/cpu/cpu0/topology/physical_package_id", "0"),
    ("sys/devices/system/cpu/cpu0/topology/core_id", "0"),
    ("sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "2500000"),
    ("sys/devices/system/cpu/cpu0/cache/index3/id", "0"),
    ("sys/devices/system/cpu/cpu0/cache/index3/level", "3"),
    ("sys/devices/system/node/online", "0"),
    ("sys/devices/system/node/node0/cpulist", "0"),
    (
        "sys/devices/system/node/node0/meminfo",
        "Node 0 MemTotal: 1000 kB\nNode 0 MemFree: 500 kB\n",
    ),
    ("sys/class/powercap/intel-rapl:0/name", "package-0"),
    (
        "sys/class/powercap/intel-rapl:0/max_energy_range_uj",
        "262143328850",
    ),
    ("sys/class/hwmon/hwmon0/name", "k10temp"),
    ("sys/class/block/sda/size", "1000"),
    ("sys/class/block/sda/device/type", "0"),
    ("sys/class/net/eth0/device/vendor", "0x8086"),
    ("sys/bus/pci/devices/0000:18:00.0/class", "0x010802"),
    (
        "sys/bus/pci/devices/0000:18:00.0/max_link_speed",
        "16.0 GT/s PCIe",
    ),
    ("sys/class/nvme/nvme0/model", "Fast"),
    ("sys/class/nvme/nvme0/transport", "pcie"),
    ("sys/class/thermal/thermal_zone0/type", "x86_pkg_temp"),
    ("sys/class/hwmon/hwmon0/temp1_label", "Tctl"),
    ("sys/class/hwmon/hwmon0/temp1_crit", "95000"),
    ("sys/class/powercap/intel-rapl:0/constraint_0_name", "long_term"),
    ("sys/bus/pci/devices/0000:19:00.0/class", "0x030200"),
    ("sys/bus/pci/devices/0000:19:00.0/vendor", "0x10de"),
    (
        "proc/driver/nvidia/gpus/0000:19:00.0/information",
        "Model: Large GPU\n",
    ),
    ("proc/sys/kernel/osrelease", "6.1.0-21-amd64"),
];

/// What names the machine.
pub(super) const MACHINE: [&str; 7] = [
    "sys/firmware/dmi/tables/DMI",
    "sys/class/dmi/id/product_uuid",
    "sys/class/dmi/id/product_serial",
    "sys/class/dmi/id/board_name",
    "proc/hwloc-nofile-info",
    "proc/device-tree/model",
    "proc/sys/kernel/osrelease",
];

/// What names and sizes a drive.
pub(super) const BLOCK: [&str; 7] = [
    "sys/class/block/sda/device/wwid",
    "sys/class/block/sda/size",
    "sys/class/block/sda/device/type",
    "sys/class/block/sda/device/model",
    "sys/class/block/sda/queue/rotational",
    "sys/class/nvme/nvme0/serial",
    "sys/class/nvme/nvme0/model",
];

/// A PCI function.
pub(super) const PCI: [&str; 6] = [
    "sys/bus/pci/devices/0000:18:00.0/current_link_speed",
    "sys/bus/pci/devices/0000:18:00.0/current_link_width",
    "sys/bus/pci/devices/0000:18:00.0/max_link_width",
    "sys/bus/pci/devices/0000:18:00.0/class",
    "sys/bus/pci/devices/0000:18:00.0/numa_node",
    "sys/bus/pci/devices/0000:18:00.0/sriov_numvfs",
];

/// A GPU as PCI and NVIDIA's driver show it.
pub(super) const GPU: [&str; 4] = [
    "proc/driver/nvidia/gpus/0000:19:00.0/information",
    "sys/bus/pci/devices/0000:19:00.0/class",
    "sys/bus/pci/devices/0000:19:00.0/mem_info_vram_total",
    "sys/bus/pci/devices/0000:19:00.0/numa_node",
];

/// A zone of powercap.
pub(super) const POWERCAP: [&str; 5] = [
    "sys/class/powercap/intel-rapl:0/energy_uj",
    "sys/class/powercap/intel-rapl:0/max_energy_range_uj",
    "sys/class/powercap/intel-rapl:0/name",
    "sys/class/powercap/intel-rapl:0/constraint_0_power_limit_uw",
    "sys/class/powercap/intel-rapl:0/constraint_0_max_power_uw",
];

/// Sensors.
pub(super) const HWMON: [&str; 8] = [
    "sys/class/hwmon/hwmon0/temp1_input",
    "sys/class/hwmon/hwmon0/temp1_crit",
    "sys/class/hwmon/hwmon0/temp1_label",
    "sys/class/hwmon/hwmon0/fan1_input",
    "sys/class/hwmon/hwmon0/power1_average",
    "sys/class/hwmon/hwmon0/in0_input",
    "sys/class/hwmon/hwmon0/name",
    "sys/class/thermal/thermal_zone0/temp",
];

/// What node_exporter's names are made of, besides those that have a target of their own.
pub(super) const NODE: [&str; 11] = [
    "proc/net/snmp",
    "proc/net/snmp6",
    "proc/net/sockstat",
    "proc/net/sockstat6",
    "proc/net/arp",
    "proc/loadavg",
    "proc/uptime",
    "proc/sys/fs/file-nr",
    "proc/sys/kernel/random/entropy_avail",
    "proc/sys/net/netfilter/nf_conntrack_count",
    "sys/devices/system/clocksource/clocksource0/available_clocksource",
];

/// Parts that drivers answer for.
pub(super) const NODE_PARTS: [&str; 9] = [
    "sys/class/net/eth0/speed",
    "sys/class/net/eth0/mtu",
    "sys/class/net/eth0/flags",
    "sys/class/net/eth0/ifindex",
    "sys/class/net/eth0/operstate",
    "sys/class/nvme/nvme0/serial",
    "sys/class/powercap/intel-rapl:0/energy_uj",
    "proc/net/udp",
    "proc/net/udp6",
];
