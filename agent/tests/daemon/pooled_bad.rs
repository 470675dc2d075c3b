//! Drives that say what cannot be, and drives that somebody else has: each is told as it is, and none of them is lent.

use std::fs;

use agent_api::v1::{DriveOrder, PooledDrive};
use facts::Bytes;

use crate::pooled_stand::{
    A, FOREIGN, NVMET, admit, machine, names, obeyed, plug, pull, refused, start, view,
};
use crate::rehearsal::Machine;

fn drive(machine: &Machine, device: &str) -> PooledDrive {
    let drives = view(machine).drives;
    drives.into_iter().find(|drive| drive.device == device).unwrap()
}

/// An order about what a drive says of itself, to let A in.
fn admit_as_told(drive: &PooledDrive) -> DriveOrder {
    let mut order = admit(drive.arrival, 1, A);
    if let DriveOrder::Admit { drive: who, .. } = &mut order {
        *who = drive.identity.clone();
    }
    order
}

#[test]
fn a_serial_of_spaces_and_a_drive_of_no_bytes_are_told_and_lent_to_nobody() {
    let machine = machine("enforce", "");
    plug(&machine, "nvme2n1", "    ", 15);
    plug(&machine, "nvme3n1", "S3", 16);
    machine.write("sys/class/block/nvme3n1/size", "0\n");
    let _agent = start(&machine);
    let nameless = drive(&machine, "nvme2n1");
    let says = nameless.identity.serial.as_deref().unwrap_or_default();
    assert_eq!(says.trim(), "", "{nameless:?}");
    let (code, why) = refused(&machine, &admit_as_told(&nameless));
    assert!(code == "not_found" && why.contains("no drive"), "{code}: {why}");
    let erase = DriveOrder::Erase {
        drive: nameless.identity,
        arrival: nameless.arrival,
        generation: 0,
        asked_by: "a test".to_owned(),
        overwrite: true,
    };
    assert_eq!(refused(&machine, &erase).0, "not_found");

    let empty = drive(&machine, "nvme3n1");
    assert_eq!(empty.size, Bytes::ZERO);
    let (code, why) = refused(&machine, &admit_as_told(&empty));
    assert!(code == "conflict" && why.contains("0 bytes"), "{code}: {why}");
    assert_eq!(names(&machine, "subsystems"), [FOREIGN]);
    // The others are lent all the same.
    assert_eq!(obeyed(&machine, &admit(1, 1, A)).access.hosts, [A]);
}

#[test]
fn a_drive_that_somebody_uses_or_offers_is_lent_when_that_has_ended() {
    let machine = machine("enforce", "");
    let _agent = start(&machine);
    let mounts = "proc/1/mountinfo";
    machine.write(mounts, "40 30 259:11 / /srv rw - ext4 /dev/nvme0n1 rw\n");
    let (code, why) = refused(&machine, &admit(1, 1, A));
    assert!(code == "conflict" && why.contains("/srv"), "{code}: {why}");
    let theirs = format!("{NVMET}/subsystems/{FOREIGN}/namespaces/1");
    machine.write(&format!("{theirs}/device_path"), "/dev/nvme0n1\n");
    machine.write(&format!("{theirs}/enable"), "1\n");
    machine.write(mounts, "");
    let (code, why) = refused(&machine, &admit(1, 1, A));
    assert!(code == "conflict" && why.contains(FOREIGN), "{code}: {why}");
    assert_eq!(
        drive(&machine, "nvme0n1").access.nqn.as_deref(),
        Some(FOREIGN),
        "and so it is shown"
    );
    assert_eq!(names(&machine, "subsystems"), [FOREIGN]);
    fs::remove_dir_all(machine.home.path("machine").join(theirs)).unwrap();
    assert_eq!(obeyed(&machine, &admit(1, 1, A)).access.hosts, [A]);
    pull(&machine, "nvme0n1");
    assert_eq!(refused(&machine, &admit(1, 2, A)).0, "not_found");
}
