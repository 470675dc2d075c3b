//! A recorded host's initiator: which device is the drive, and what a key shows of itself.

#![allow(clippy::unwrap_used)]
use std::fs;

use tempfile::TempDir;

use super::*;

const DRIVE: &str = "nqn.2026-11.dev.busbar:drive:S1:1";

fn host() -> (TempDir, Host) {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::at(dir.path());
    (dir, host)
}

fn write(dir: &TempDir, file: &str, text: &str) {
    let file = dir.path().join(file);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

fn controller(dir: &TempDir, name: &str, nqn: &str) {
    for (file, text) in [
        ("subsysnqn", nqn),
        ("state", "live"),
        ("serial", "S1"),
        ("model", "M"),
    ] {
        write(
            dir,
            &format!("sys/class/nvme/{name}/{file}"),
            &format!("{text}\n"),
        );
    }
}

fn make(dir: &TempDir, folder: &str) {
    fs::create_dir_all(dir.path().join(folder)).unwrap();
}

#[test]
fn the_head_of_a_drive_with_several_paths_is_its_device_and_a_path_is_never_one() {
    let (dir, host) = host();
    controller(&dir, "nvme3", DRIVE);
    let device = || attached(&host).unwrap().remove(0).device;
    // Only a path: it has no device file, and who wrote to that name would make a plain file.
    make(&dir, "sys/class/nvme/nvme3/nvme2c3n1");
    assert_eq!(device(), None);
    // The subsystem's number is not the controller's, and another subsystem stands before it.
    write(
        &dir,
        "sys/class/nvme-subsystem/nvme-subsys0/subsysnqn",
        "nqn.2020-01.org.other:x\n",
    );
    make(&dir, "sys/class/nvme-subsystem/nvme-subsys0/nvme0n1");
    write(
        &dir,
        "sys/class/nvme-subsystem/nvme-subsys2/subsysnqn",
        &format!("{DRIVE}\n"),
    );
    make(&dir, "sys/class/nvme-subsystem/nvme-subsys2/nvme3");
    make(&dir, "sys/class/nvme-subsystem/nvme-subsys2/nvme2c3n1");
    assert_eq!(device(), None, "not yet there");
    make(&dir, "sys/class/nvme-subsystem/nvme-subsys2/nvme2n1");
    assert_eq!(device().as_deref(), Some("nvme2n1"));
    // A kernel without several paths has it below the controller.
    fs::remove_dir_all(dir.path().join("sys/class/nvme-subsystem")).unwrap();
    make(&dir, "sys/class/nvme/nvme3/nvme3n1");
    assert_eq!(device().as_deref(), Some("nvme3n1"));
}

#[test]
fn a_connection_with_a_key_is_planned_and_shown_without_it() {
    let (dir, host) = host();
    write(
        &dir,
        "dev/nvme-fabrics",
        "instance=-1,cntlid=-1,dhchap_secret=%s\n",
    );
    assert!(
        !super::super::keys::can_prove(&host),
        "the option alone says nothing"
    );
    make(&dir, "sys/module/nvme_auth/holders/nvme_core");
    assert!(super::super::keys::can_prove(&host));
    let key = DriveKey::of(&[7; 32]);
    let wanted = Attachment {
        nqn: DRIVE.parse().unwrap(),
        peer: Peer {
            address: "10.0.0.1:4420".parse().unwrap(),
            host: "nqn.2014-08.org.nvmexpress:uuid:a".parse().unwrap(),
            host_id: "aaaaaaaa-0000-4000-8000-000000000001"
                .to_owned()
                .try_into()
                .unwrap(),
        },
        drive: DriveIdentity::new("S1", None, None).unwrap(),
        key: Some(key.clone()),
    };
    let planned = steps(&host, &[wanted]).unwrap();
    let [(_, step @ Step::Fabric(FabricStep::Connect(connect)))] = planned.as_slice() else {
        unreachable!("{planned:?}");
    };
    assert_eq!(connect.key.as_ref(), Some(&key));
    let shown = format!("{step} {step:?} {}", serde_json::to_string(step).unwrap());
    assert!(!shown.contains(key.as_str()), "{shown}");
}
