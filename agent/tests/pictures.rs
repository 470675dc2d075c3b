//! `record` and `doctor`, the program itself: pictures of recorded machines replay to the same facts, with nothing left that
//! names the machine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    clippy::indexing_slicing
)]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use facts::Inventory;
use serde_json::Value;

/// Machines with drives, NICs, sparse numbers, other architectures, core kinds.
const MACHINES: [&str; 5] = [
    "32em64t-2n8c+dax+nvme+mic+dimms",
    "48amd64-4pa2n6c-sparse",
    "nvidia-dgx-gb10",
    "20s390-2g6s4c",
    "256ppc-8n8s4t",
];

fn agent(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_busbar-agent");
    Command::new(program).args(arguments).output().unwrap()
}

fn succeeded(arguments: &[&str]) -> String {
    let output = agent(arguments);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

fn shared() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let folder = std::env::var_os("BUSBAR_SHARED").map_or_else(beside, PathBuf::from);
    if folder.join("machines").is_dir() {
        return Some(folder);
    }
    println!("skipped: no shared folder at {}", folder.display());
    None
}

fn unpack(archive: &Path, keep: &Path) {
    let ran = Command::new("tar")
        .arg("-xf")
        .arg(archive)
        .arg("-C")
        .arg(keep)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

fn picture(of: Option<&Path>, keep: &Path, more: &[&str]) -> (PathBuf, String) {
    let file = keep.join("picture.tar");
    let mut arguments = vec!["record", "--output", file.to_str().unwrap()];
    arguments.extend(more);
    if let Some(of) = of {
        arguments.extend(["--root", of.to_str().unwrap()]);
    }
    let said = succeeded(&arguments);
    unpack(&file, keep);
    (keep.join("busbar-record"), said)
}

fn facts(root: &Path) -> Inventory {
    serde_json::from_str(&succeeded(&[
        "facts",
        "--output",
        "json",
        "--root",
        root.to_str().unwrap(),
    ]))
    .unwrap()
}

/// What a replay must give back: everything that computes, and parts without their identities.
fn essence(seen: &Inventory) -> Value {
    let json = serde_json::to_value(seen).unwrap();
    let mut kept = serde_json::Map::new();
    for list in [
        "packages",
        "numa_nodes",
        "caches",
        "cores",
        "cpus",
        "core_kinds",
        "offline_cpus",
        "memory",
        "pci",
    ] {
        kept.insert(list.to_owned(), json[list].clone());
    }
    for (list, key) in [
        ("drives", "device"),
        ("nics", "device"),
        ("gpus", "pci"),
        ("power_zones", "name"),
    ] {
        let members = json[list].as_array().unwrap();
        let names: Vec<Value> = members.iter().map(|member| member[key].clone()).collect();
        kept.insert(list.to_owned(), Value::Array(names));
    }
    // Without serial numbers, which are other words in the copy.
    let modules = seen.memory_modules.iter();
    let modules: Vec<Value> = modules
        .map(|module| {
            Value::from(format!(
                "{} {:?} {:?}",
                module.locator, module.size_bytes, module.identity.model
            ))
        })
        .collect();
    kept.insert("memory_modules".to_owned(), Value::Array(modules));
    Value::Object(kept)
}

#[test]
fn a_picture_of_a_recorded_machine_replays_to_the_same_facts() {
    let Some(shared) = shared() else { return };
    for name in MACHINES {
        let keep = tempfile::tempdir().unwrap();
        unpack(&shared.join(format!("machines/{name}.tar.bz2")), keep.path());
        let original = std::fs::read_dir(keep.path())
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        let (copy, said) = picture(Some(&original), keep.path(), &[]);
        assert!(said.contains("in all") && said.contains("replaced:"), "{said}");
        let (before, after) = (facts(&original), facts(&copy));
        assert_eq!(essence(&before), essence(&after), "{name}");
        let left = text_of(&copy);
        let secrets = [
            &before.machine.hostname,
            &before.machine.serial,
            &before.machine.uuid,
        ];
        let macs = before.nics.iter().filter_map(|nic| nic.mac.clone());
        let serials = before
            .drives
            .iter()
            .filter_map(|drive| drive.identity.serial.clone());
        let modules = before
            .memory_modules
            .iter()
            .filter_map(|module| module.identity.serial.clone());
        let secrets = secrets.into_iter().flatten().cloned();
        let secrets = secrets.chain(macs).chain(serials).chain(modules);
        for secret in secrets.filter(|secret| secret.len() > 5 && !secret.starts_with("00:00:00:00")) {
            assert!(!left.contains(&secret.to_lowercase()), "{name}: {secret} is left");
        }
    }
}

/// Every name and every byte below a folder, in lower case.
fn text_of(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        text.push_str(&entry.file_name().to_string_lossy());
        text.push('\n');
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            text.push_str(&text_of(&entry.path()));
        } else if kind.is_symlink() {
            text.push_str(&std::fs::read_link(entry.path()).unwrap().to_string_lossy());
        } else {
            text.push_str(&String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()));
        }
    }
    text.to_lowercase()
}

#[test]
fn a_picture_of_this_machine_names_nobody() {
    let keep = tempfile::tempdir().unwrap();
    let (copy, said) = picture(None, keep.path(), &["--list"]);
    assert!(
        said.contains("proc/meminfo") && said.contains("not in it: command lines"),
        "{said}"
    );
    let mode = std::fs::metadata(keep.path().join("picture.tar"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let seen: Inventory = serde_json::from_str(&succeeded(&["facts", "--output", "json"])).unwrap();
    let left = text_of(&copy);
    for nic in seen.nics.iter().filter_map(|nic| nic.mac.clone()) {
        assert!(!left.contains(&nic.to_lowercase()), "{nic} is left");
    }
    assert_eq!(facts(&copy).cpus.len(), seen.cpus.len());
    for never in ["environ", "cmdline", "uevent"] {
        assert!(
            !said.lines().any(|line| line.ends_with(&format!("/{never}"))),
            "{never}"
        );
    }
    // What is there already is not written over.
    let file = keep.path().join("picture.tar");
    let again = agent(&["record", "--output", file.to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(1), "{again:?}");
}

#[test]
fn the_doctor_sees_this_machine_and_recorded_ones() {
    let json: Value = serde_json::from_str(&succeeded(&["doctor", "--output", "json"])).unwrap();
    for list in ["missing", "expected", "others", "unproven", "doubts"] {
        assert!(json[list].is_array(), "{list} is missing: {json}");
    }
    let sources: Vec<&str> = json["expected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|source| source["source"].as_str().unwrap())
        .collect();
    assert!(
        sources.contains(&"topology") && sources.contains(&"nvml"),
        "{sources:?}"
    );
    let text = succeeded(&["doctor"]);
    assert!(text.contains("missing here") && !text.contains('\x1b'), "{text}");
    let strict = agent(&["doctor", "--strict"]);
    let is_whole = json["missing"].as_array().unwrap().is_empty();
    assert_eq!(strict.status.success(), is_whole);
    let nowhere = agent(&["doctor", "--root", "/nonexistent/machine"]);
    assert_eq!(nowhere.status.code(), Some(1));
    let Some(shared) = shared() else { return };
    let keep = tempfile::tempdir().unwrap();
    unpack(&shared.join("machines/nvidia-dgx-gb10.tar.bz2"), keep.path());
    let machine = std::fs::read_dir(keep.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let text = succeeded(&["doctor", "--root", machine.to_str().unwrap()]);
    assert!(text.contains("cpu-arm"), "{text}");
}

/// A machine with an NVMe and a SATA drive that told their pages, and with the records of its BMC.
fn with_pages(machine: &Path) {
    let write = |path: &str, bytes: &[u8]| {
        let path = machine.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    // hwloc reads no machine without a CPU.
    for list in ["online", "possible", "present"] {
        write(&format!("sys/devices/system/cpu/{list}"), b"0\n");
    }
    let own = [
        ("core_id", b"0\n"),
        ("physical_package_id", b"0\n"),
        ("thread_siblings", b"1\n"),
        ("core_siblings", b"1\n"),
    ];
    for (file, text) in own {
        write(&format!("sys/devices/system/cpu/cpu0/topology/{file}"), text);
    }
    write("sys/class/nvme/nvme0/model", b"FAST\n");
    write("sys/class/nvme/nvme0/serial", b"S4EWNX0M900123\n");
    let mut log = vec![0_u8; 512];
    log[1..3].copy_from_slice(&323_u16.to_le_bytes());
    log[3..6].copy_from_slice(&[97, 10, 12]);
    write("busbar/drives/nvme0/health_log", &log);
    let mut identify = vec![0_u8; 4096];
    identify[4..24].copy_from_slice(b"S4EWNX0M900123      ");
    identify[266..268].copy_from_slice(&343_u16.to_le_bytes());
    identify[768..796].copy_from_slice(b"nqn.2014-08.x:S4EWNX0M900123");
    write("busbar/drives/nvme0/identify_controller", &identify);
    // Behind an AHCI controller, as sysfs shows it.
    let device = "sys/devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0";
    write(&format!("{device}/vendor"), b"ATA     \n");
    write(&format!("{device}/model"), b"SLOW\n");
    write(&format!("{device}/block/sda/size"), b"1000\n");
    write(&format!("{device}/block/sda/queue/rotational"), b"1\n");
    std::fs::create_dir_all(machine.join("sys/class/block")).unwrap();
    let link = |target: &str, from: &str| std::os::unix::fs::symlink(target, machine.join(from)).unwrap();
    link("../../../0:0:0:0", &format!("{device}/block/sda/device"));
    link(&format!("../../../{device}/block/sda"), "sys/class/block/sda");
    write(
        "busbar/drives/sda/check_power_mode",
        &[
            0x72, 0, 0, 0, 0, 0, 0, 14, 9, 12, 0, 0, 0, 0xff, 0, 0, 0, 0, 0, 0, 0, 0x50,
        ],
    );
    let mut about = vec![0_u8; 512];
    let serial: Vec<u8> = b"WD-WX12345678       "
        .chunks(2)
        .flat_map(|pair| [pair[1], pair[0]])
        .collect();
    about[20..40].copy_from_slice(&serial);
    about[216..224].copy_from_slice(&[0x50, 0x01, 0x4e, 0xe0, 0x12, 0x34, 0x56, 0x78]);
    // SMART is supported and enabled; the sum of all bytes is zero.
    (about[164], about[170], about[510]) = (1, 1, 0xa5);
    about[511] = about.iter().fold(0, |sum, byte| sum.wrapping_sub(*byte));
    write("busbar/drives/sda/identify_device", &about);
    let mut smart = vec![0_u8; 512];
    smart[2..9].copy_from_slice(&[194, 0, 0, 100, 100, 38, 0]);
    smart[400..413].copy_from_slice(b"WD-WX12345678");
    smart[511] = smart.iter().fold(0, |sum, byte| sum.wrapping_sub(*byte));
    write("busbar/drives/sda/smart_data", &smart);
    write("busbar/ipmi/device.hex", b"20010908\n");
    write("busbar/ipmi/sdr.hex", b"010051c00711223353455249\n020051010341\n");
    write("busbar/ipmi/sel.hex", b"0100c10908070653455249414c2d3132\n");
    write("busbar/other", b"not of ours\n");
}

#[test]
fn pages_of_drives_come_back_as_readings_and_name_nobody() {
    let keep = tempfile::tempdir().unwrap();
    let machine = keep.path().join("machine");
    with_pages(&machine);
    let (copy, said) = picture(Some(&machine), keep.path(), &["--list"]);
    for listed in [
        "busbar/drives/nvme0/health_log",
        "busbar/drives/nvme0/identify_controller  masked",
        "busbar/drives/sda/smart_data  masked",
        "busbar/ipmi/sdr.hex",
    ] {
        assert!(
            said.contains(listed),
            "{listed} is not listed before it leaves:\n{said}"
        );
    }
    assert!(!copy.join("busbar/other").exists());
    let (before, after) = (facts(&machine), facts(&copy));
    for whole in [&before, &after] {
        let [sda, nvme] = whole.drives.as_slice() else {
            panic!("{:?}", whole.drives)
        };
        let (sda, nvme) = (sda.health.as_ref().unwrap(), nvme.health.as_ref().unwrap());
        assert_eq!(nvme.temperature_celsius.value(), Some(50));
        assert_eq!(nvme.used_percent.value(), Some(12));
        assert_eq!(nvme.warning_celsius.value(), Some(70));
        assert_eq!(sda.temperature_celsius.value(), Some(38), "{sda:?}");
        assert!(
            !whole.doubts.iter().any(|doubt| doubt.code == "drive_identity"),
            "{:?}",
            whole.doubts
        );
    }
    let left = text_of(&copy);
    for secret in ["s4ewnx0m900123", "wd-wx12345678", "dww-1x", "53455249414c"] {
        assert!(!left.contains(secret), "{secret} is left");
    }
    let serial = after.drives[1].identity.serial.as_deref().unwrap();
    let page = std::fs::read(copy.join("busbar/drives/nvme0/identify_controller")).unwrap();
    let word = String::from_utf8_lossy(&page[4..24]).trim().to_owned();
    assert_eq!(word, serial, "the same word for the same serial number");
    let records = std::fs::read_to_string(copy.join("busbar/ipmi/sdr.hex")).unwrap();
    assert_eq!(
        records, "010051c00711223300000000\n020051010341\n",
        "the maker's own record is emptied"
    );
}

#[test]
fn serials_that_are_kept_stay_in_pages_too() {
    let keep = tempfile::tempdir().unwrap();
    let machine = keep.path().join("machine");
    with_pages(&machine);
    let (copy, _) = picture(Some(&machine), keep.path(), &["--keep-serials"]);
    for page in [
        "drives/nvme0/identify_controller",
        "drives/sda/identify_device",
        "ipmi/sel.hex",
    ] {
        let read = |root: &Path| std::fs::read(root.join("busbar").join(page)).unwrap();
        assert_eq!(read(&machine), read(&copy), "{page}");
    }
}
