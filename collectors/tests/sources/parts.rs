//! Drives, NICs, GPUs, power zones, sensors and times, as a kernel shows them.

use std::fs;

use facts::power::{HostMeter, SensorKind, SensorState};
use facts::{Bytes, NoData, NumaNodeId, Power, Reading};

use crate::tree::Tree;
use crate::{down, read};

fn with_drives(tree: &Tree) {
    let nvme = tree.pci("0000:3b:00.0", "0x010802", ("0x144d", "0xa80a"), "1");
    let controller = format!("{nvme}/nvme/nvme0");
    let identity = [
        ("model", "SAMSUNG MZQL2  "),
        ("serial", "S64GNE0R1"),
        ("firmware_rev", "GDC5602Q"),
        ("transport", "pcie"),
    ];
    tree.files(&controller, &identity);
    let disk = format!("{controller}/nvme0n1");
    let attributes = [
        ("size", "7501476528\n"),
        ("removable", "0"),
        ("queue/rotational", "0"),
        ("wwid", "eui.36344730"),
        ("hidden", "0"),
    ];
    tree.files(&disk, &attributes)
        .link(&format!("{disk}/device"), &controller);
    tree.link("sys/class/block/nvme0n1", &disk);
    tree.files(
        &format!("{disk}/nvme0n1p1"),
        &[("partition", "1"), ("size", "2048")],
    );
    tree.link("sys/class/block/nvme0n1p1", &format!("{disk}/nvme0n1p1"));

    let ahci = tree.pci("0000:00:17.0", "0x010601", ("0x8086", "0xa182"), "-1");
    let scsi = format!("{ahci}/ata1/host0/target0:0:0/0:0:0:0");
    tree.files(
        &scsi,
        &[
            ("vendor", "ATA     "),
            ("model", "ST4000NM000A-2HZ"),
            ("rev", "TN02"),
            ("wwid", "naa.5000c500"),
            ("type", "0"),
        ],
    );
    tree.write(
        &format!("{scsi}/vpd_pg80"),
        b"\0\x80\0\x08WS20AB\xff \0junk behind",
    );
    let disk = format!("{scsi}/block/sda");
    tree.files(
        &disk,
        &[
            ("size", "7814037168"),
            ("removable", "0"),
            ("queue/rotational", "1"),
        ],
    );
    tree.link(&format!("{disk}/device"), &scsi)
        .link("sys/class/block/sda", &disk);

    let disc = format!("{ahci}/ata2/host1/target1:0:0/1:0:0:0");
    tree.files(&disc, &[("type", "5"), ("model", "DVD-ROM")])
        .files(&format!("{disc}/block/sr0"), &[("size", "0")]);
    tree.link(&format!("{disc}/block/sr0/device"), &disc)
        .link("sys/class/block/sr0", &format!("{disc}/block/sr0"));
    for name in ["loop0", "ram0", "zram0", "dm-0", "md0"] {
        tree.files(&format!("sys/devices/virtual/block/{name}"), &[("size", "1024")]);
        tree.link(
            &format!("sys/class/block/{name}"),
            &format!("sys/devices/virtual/block/{name}"),
        );
    }
}

#[test]
fn drives_are_what_holds_data_by_itself() {
    let tree = Tree::empty();
    with_drives(&tree);
    let seen = read(&tree);
    assert_eq!(down(&seen, "block"), None);
    let names: Vec<&str> = seen.drives.iter().map(|drive| drive.device.as_str()).collect();
    assert_eq!(names, ["nvme0n1", "sda"]);
    let [nvme, sata] = seen.drives.as_slice() else {
        panic!()
    };
    assert_eq!(nvme.identity.model.as_deref(), Some("SAMSUNG MZQL2"));
    assert_eq!(nvme.identity.serial.as_deref(), Some("S64GNE0R1"));
    assert_eq!(nvme.transport.as_deref(), Some("nvme"));
    assert_eq!(nvme.pci.unwrap().to_string(), "0000:3b:00.0");
    assert_eq!(nvme.numa_node, Some(NumaNodeId(1)));
    assert_eq!(nvme.size_bytes, Bytes::new(7_501_476_528 * 512));
    assert_eq!((nvme.rotational, nvme.removable), (Some(false), false));
    assert_eq!(nvme.wwid.as_deref(), Some("eui.36344730"));
    assert_eq!(sata.identity.maker, None, "ATA is a protocol");
    assert_eq!(sata.identity.serial.as_deref(), Some("WS20AB\u{fffd}"));
    assert_eq!(sata.firmware.as_deref(), Some("TN02"));
    assert_eq!(sata.transport.as_deref(), Some("sata"));
    assert_eq!((sata.rotational, sata.numa_node), (Some(true), None));
    assert_eq!(sata.wwid.as_deref(), Some("naa.5000c500"));
}

#[test]
fn a_controller_without_a_namespace_is_a_drive_once_it_says_who_it_is() {
    let seen_as = |state: &str, serial: &str| {
        let tree = Tree::empty();
        let pci = tree.pci("0000:5e:00.0", "0x010802", ("0x144d", "0xa80a"), "0");
        let controller = format!("{pci}/nvme/nvme0");
        tree.files(
            &controller,
            &[("state", state), ("serial", serial), ("model", serial)],
        );
        tree.link("sys/class/nvme/nvme0", &controller);
        fs::create_dir_all(tree.at("sys/class/block")).unwrap();
        let drives = read(&tree).drives;
        drives.first().map(|drive| drive.identity.serial.clone())
    };
    // While it connects the kernel has nothing to show and prints so; while it goes, it is its namespaces that went first.
    for (state, serial, expected) in [
        ("live", "S64", Some(Some("S64"))),
        ("resetting", "S64", Some(Some("S64"))),
        ("dead", "(efault)", Some(None)),
        ("connecting", "(efault)", None),
        ("new", "", None),
        ("deleting", "S64", None),
        ("deleting (no IO)", "S64", None),
    ] {
        let seen = seen_as(&format!("{state}\n"), &format!("{serial}\n"));
        assert_eq!(
            seen,
            expected.map(|serial| serial.map(str::to_owned)),
            "{state} {serial}"
        );
    }
}

#[test]
fn a_drive_with_several_ways_to_it_is_one_drive() {
    let tree = Tree::empty();
    let pci = tree.pci("0000:5e:00.0", "0x010802", ("0x144d", "0xa80a"), "0");
    let controller = format!("{pci}/nvme/nvme0");
    tree.files(&controller, &[("transport", "pcie")]);
    tree.files(
        &format!("{controller}/nvme0c0n1"),
        &[("hidden", "1"), ("size", "8")],
    );
    tree.link(&format!("{controller}/nvme0c0n1/device"), &controller);
    tree.link("sys/class/block/nvme0c0n1", &format!("{controller}/nvme0c0n1"));
    let subsystem = "sys/devices/virtual/nvme-subsystem/nvme-subsys0";
    tree.files(subsystem, &[("model", "TWOWAYS"), ("serial", "1")]);
    tree.link(&format!("{subsystem}/nvme0"), &controller);
    tree.files(&format!("{subsystem}/nvme0n1"), &[("size", "8"), ("hidden", "0")]);
    tree.link(&format!("{subsystem}/nvme0n1/device"), subsystem);
    tree.link("sys/class/block/nvme0n1", &format!("{subsystem}/nvme0n1"));
    let seen = read(&tree);
    let [drive] = seen.drives.as_slice() else {
        panic!("{:?}", seen.drives)
    };
    assert_eq!(drive.identity.model.as_deref(), Some("TWOWAYS"));
    assert_eq!(drive.pci.unwrap().to_string(), "0000:5e:00.0");
}

#[test]
fn nics_are_what_has_hardware_behind_it() {
    let tree = Tree::empty();
    let pci = tree.pci("0000:17:00.0", "0x020000", ("0x15b3", "0x1021"), "0");
    tree.files(&pci, &[("sriov_totalvfs", "64"), ("sriov_numvfs", "8")]);
    tree.link(&format!("{pci}/driver"), "sys/bus/pci/drivers/mlx5_core");
    std::fs::create_dir_all(tree.at("sys/bus/pci/drivers/mlx5_core")).unwrap();
    for (name, speed, state) in [("eth0", "400000", "up"), ("eth1", "-1", "down")] {
        let net = format!("{pci}/net/{name}");
        tree.files(
            &net,
            &[
                ("speed", speed),
                ("operstate", state),
                ("address", "b8:ce:f6:00:00:01\n"),
            ],
        );
        tree.link(&format!("{net}/device"), &pci)
            .link(&format!("sys/class/net/{name}"), &net);
    }
    tree.files("sys/devices/virtual/net/lo", &[("operstate", "unknown")]);
    tree.link("sys/class/net/lo", "sys/devices/virtual/net/lo");
    let seen = read(&tree);
    let [eth0, eth1] = seen.nics.as_slice() else {
        panic!("{:?}", seen.nics)
    };
    assert_eq!((eth0.speed_megabits, eth1.speed_megabits), (Some(400_000), None));
    assert_eq!((eth0.state.as_str(), eth1.state.as_str()), ("up", "down"));
    assert_eq!(eth0.driver.as_deref(), Some("mlx5_core"));
    assert_eq!(eth0.virtual_functions, Some((8, 64)));
    assert_eq!(eth0.pci_id.as_deref(), Some("15b3:1021"));
    assert_eq!(eth0.mac.as_deref(), Some("b8:ce:f6:00:00:01"));
    assert_eq!(eth0.numa_node, Some(NumaNodeId(0)));
}

#[test]
fn gpus_are_no_consoles() {
    let tree = Tree::empty();
    tree.pci("0000:18:00.0", "0x030200", ("0x10de", "0x2330"), "0");
    tree.pci("0000:65:00.0", "0x120000", ("0x1002", "0x74a1"), "1");
    tree.pci("0000:02:00.0", "0x030000", ("0x1a03", "0x2000"), "-1");
    tree.pci("0000:03:00.0", "junk", ("0x10de", "0x2330"), "0");
    tree.write(
        "proc/driver/nvidia/gpus/0000:18:00.0/information",
        "Model: \t\t NVIDIA H100 80GB HBM3\nGPU UUID: \t GPU-5f2c\nBus Location: \t 0000:18:00.0\n",
    );
    let seen = read(&tree);
    let [h100, mi300] = seen.gpus.as_slice() else {
        panic!("{:?}", seen.gpus)
    };
    assert_eq!(h100.identity.model.as_deref(), Some("NVIDIA H100 80GB HBM3"));
    assert_eq!(h100.uuid.as_deref(), Some("GPU-5f2c"));
    assert_eq!(mi300.identity.maker.as_deref(), Some("AMD"));
    assert_eq!(mi300.numa_node, Some(NumaNodeId(1)));
}

#[test]
fn power_zones_count_energy_and_tell_what_they_cannot() {
    let tree = Tree::empty();
    let zones = "sys/devices/virtual/powercap/intel-rapl";
    for (number, energy) in [("0", "123456789"), ("1", "99999999999999")] {
        let zone = format!("{zones}/intel-rapl:{number}");
        tree.files(
            &zone,
            &[
                ("name", &format!("package-{number}")),
                ("energy_uj", energy),
                ("max_energy_range_uj", "262143328850"),
            ],
        );
        let long = [
            ("constraint_0_name", "long_term"),
            ("constraint_0_power_limit_uw", "205000000"),
            ("constraint_0_max_power_uw", "205000000"),
        ];
        tree.files(&zone, &long);
        tree.files(
            &zone,
            &[
                ("constraint_1_name", "short_term"),
                ("constraint_1_power_limit_uw", "246500000"),
            ],
        );
        tree.link(&format!("sys/class/powercap/intel-rapl:{number}"), &zone);
    }
    tree.write(&format!("{zones}/enabled"), "1")
        .link("sys/class/powercap/intel-rapl", zones);
    let seen = read(&tree);
    let [first, second] = seen.power_zones.as_slice() else {
        panic!("{:?}", seen.power_zones)
    };
    assert_eq!(
        first.energy_microjoules.value().unwrap().microjoules(),
        123_456_789
    );
    assert_eq!(
        second.energy_microjoules.reason(),
        Some(NoData::Garbled),
        "beyond where it wraps"
    );
    let [long, short] = first.limits.as_slice() else {
        panic!("{first:?}")
    };
    assert_eq!(long.limit_watts, Reading::Value(Power::from_watts(205).unwrap()));
    assert_eq!(short.limit_watts, Reading::Value(Power::from_milliwatts(246_500)));
    assert_eq!(short.max_watts, Reading::none(NoData::Absent));
}

#[test]
fn sensors_may_be_cold_silent_or_named_twice() {
    let tree = Tree::empty();
    let chip = "sys/devices/platform/nct6775.656/hwmon/hwmon2";
    tree.files(
        chip,
        &[
            ("name", "nct6775"),
            ("temp1_input", "-12500"),
            ("temp1_label", "PCH"),
            ("temp2_input", "junk"),
        ],
    );
    tree.files(
        chip,
        &[
            ("fan1_input", "4200"),
            ("in0_input", "1056"),
            ("power1_average", "182000000"),
            ("temp1_max", "80000"),
        ],
    );
    tree.link("sys/class/hwmon/hwmon2", chip);
    tree.files(
        "sys/class/thermal/thermal_zone0",
        &[("type", "x86_pkg_temp"), ("temp", "47000")],
    );
    tree.files(
        "sys/class/thermal/thermal_zone1",
        &[("type", "acpitz"), ("temp", "99000"), ("hwmon5/name", "acpitz")],
    );
    let seen = read(&tree);
    let value = |device: &str| {
        seen.sensors
            .iter()
            .find(|sensor| sensor.device == device)
            .unwrap_or_else(|| panic!("{device}"))
            .value
    };
    assert_eq!(value("hwmon2/temp1"), Reading::Value(-12.5));
    assert_eq!(value("hwmon2/temp2"), Reading::none(NoData::Garbled));
    assert_eq!(value("hwmon2/power1"), Reading::Value(182.0));
    assert_eq!(value("hwmon2/in0"), Reading::Value(1.056));
    assert_eq!(value("thermal_zone0"), Reading::Value(47.0));
    assert_eq!(seen.sensors.len(), 6, "{:?}", seen.sensors);
    assert_eq!(
        seen.sensors
            .iter()
            .filter(|sensor| sensor.kind == SensorKind::FanRpm)
            .count(),
        1
    );
}

#[test]
fn times_and_memory_are_told_by_numa_node() {
    let tree = Tree::empty();
    tree.write("proc/stat", "cpu  1 2 3 4\ncpu0 100 0 0 300 0 0 0 0 0 0\ncpu1 100 0 0 300 0 0 0 0 0 0\ncpu2 50 0 0 0 0 0 0 0 0 0\n");
    for (node, cpus) in [("0", "0-1"), ("1", "2")] {
        let node_dir = format!("sys/devices/system/node/node{node}");
        tree.write(&format!("{node_dir}/cpulist"), cpus);
        tree.write(
            &format!("{node_dir}/meminfo"),
            format!("Node {node} MemTotal: 100 kB\nNode {node} MemFree: 1{node} kB\n"),
        );
    }
    let seen = read(&tree);
    assert_eq!(seen.cpu_times.len(), 2);
    assert_eq!(seen.cpu_times[0].seconds[0], ("user".to_owned(), 2.0));
    assert_eq!(seen.cpu_times[1].numa_node, Some(NumaNodeId(1)));
    assert_eq!(seen.numa_memory[1].free_bytes, Bytes::new(11 << 10));
    assert_eq!(down(&seen, "cpu"), None);
    assert_eq!(down(&seen, "memory/machine").unwrap().0, NoData::Absent);
}

/// A board's chip, ACPI's power meter and a thermal zone, with limits, alarms and what chips write for nothing.
fn board() -> Tree {
    let tree = Tree::empty();
    let chip = "sys/devices/platform/board/hwmon/hwmon0";
    tree.files(
        chip,
        &[
            ("name", "board"),
            ("temp1_input", "91000"),
            ("temp1_max", "85000"),
            ("temp1_crit", "95000"),
            ("temp1_emergency", "65261850"),
            ("temp1_max_alarm", "1"),
            ("temp1_crit_alarm", "0"),
            ("temp2_input", "-128000"),
            ("temp3_input", "127000"),
            ("temp4_input", "40000"),
            ("temp4_fault", "1"),
            ("fan1_input", "65535"),
            ("fan2_input", "0"),
            ("fan2_min", "600"),
            ("fan2_alarm", "1"),
            ("in0_input", "1050"),
            ("in0_min", "900"),
            ("in0_max", "1100"),
        ],
    );
    tree.link("sys/class/hwmon/hwmon0", chip);
    // ACPI's power meter keeps its files in its device.
    let meter = "sys/devices/LNXSYSTM:00/ACPI000D:00";
    tree.files(
        meter,
        &[
            ("hwmon/hwmon1/name", "power_meter"),
            ("power1_average", "412000000"),
            ("power1_cap", "650000000"),
        ],
    );
    tree.link("sys/class/hwmon/hwmon1", &format!("{meter}/hwmon/hwmon1"))
        .link(&format!("{meter}/hwmon/hwmon1/device"), meter);
    tree.files(
        "sys/class/thermal/thermal_zone0",
        &[
            ("type", "soc"),
            ("temp", "47000"),
            ("trip_point_0_type", "active"),
            ("trip_point_0_temp", "50000"),
            ("trip_point_1_type", "critical"),
            ("trip_point_1_temp", "105000"),
        ],
    );
    tree
}

#[test]
fn sensors_have_limits_alarms_and_sentinels() {
    let seen = read(&board());
    let sensor = |device: &str| {
        let found = seen.sensors.iter().find(|sensor| sensor.device == device);
        found.unwrap_or_else(|| panic!("{device}"))
    };
    let limits = |device: &str| -> Vec<(&str, f64)> {
        let limits = sensor(device).limits.iter();
        limits.map(|limit| (limit.kind.word(), limit.value)).collect()
    };
    assert_eq!(limits("hwmon0/temp1"), [("warning", 85.0), ("critical", 95.0)]);
    assert_eq!(sensor("hwmon0/temp1").state, Some(SensorState::Warning));
    for device in ["temp2", "temp3", "temp4", "fan1"] {
        let sensor = sensor(&format!("hwmon0/{device}"));
        assert_eq!(sensor.value.reason(), Some(NoData::Garbled), "{device}");
    }
    assert_eq!(sensor("hwmon0/temp4").state, Some(SensorState::Critical));
    assert_eq!(sensor("hwmon0/fan2").value, Reading::Value(0.0));
    assert_eq!(limits("hwmon0/fan2"), [("lower_warning", 600.0)]);
    assert_eq!(limits("hwmon0/in0"), [("lower_warning", 0.9), ("warning", 1.1)]);
    assert_eq!(sensor("hwmon0/in0").state, None);
    assert_eq!(limits("hwmon1/power1"), [("cap", 650.0)]);
    assert_eq!(limits("thermal_zone0"), [("emergency", 105.0)]);
    let [power] = seen.host_power.as_slice() else {
        panic!("{:?}", seen.host_power)
    };
    assert_eq!(
        (power.source, power.watts),
        (HostMeter::Acpi, Reading::Value(Power::from_watts(412).unwrap()))
    );
}
