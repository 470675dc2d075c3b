//! Whole drives from the ask to the rules of devices, and who is refused one.

use agent::reconcile::Keeper;
use agent_api::v1::{Ask, RunRequest, Workload};
use facts::drive::Drive;
use facts::{Identity, Inventory};

use crate::fixture::{Fixture, NOW, machine};

fn with_drives() -> Inventory {
    let drive = |number: u32| Drive {
        identity: Identity {
            serial: Some(format!("SN-{number}")),
            ..Identity::default()
        },
        wwid: Some(format!("eui.{number}")),
        device: format!("nvme{number}n1"),
        ..Drive::default()
    };
    Inventory {
        drives: vec![drive(0), drive(1)],
        ..machine(8)
    }
}

fn on(fixture: &Fixture) {
    for number in 0..2 {
        let dir = format!("sys/class/block/nvme{number}n1");
        fixture.write(&format!("{dir}/dev"), &format!("259:{number}\n"));
        fixture.write(&format!("{dir}/wwid"), &format!("eui.{number}\n"));
    }
}

fn ask(name: &str, drives: &[&str]) -> Ask {
    Ask {
        cpus: 1,
        name: Some(name.parse().unwrap()),
        drives: drives.iter().map(|drive| (*drive).to_owned()).collect(),
        ..Ask::default()
    }
}

fn start(keeper: &mut Keeper, name: &str, pid: u32, drives: &[&str]) -> Result<Workload, String> {
    let request = RunRequest {
        ask: ask(name, drives),
        command: "sleep".to_owned(),
        enters: false,
    };
    let started = keeper.start(request, pid, 1_000, &with_drives(), NOW);
    started.map_err(|error| error.to_string())
}

#[test]
fn a_drive_is_lent_once_by_whatever_name_and_never_one_that_is_in_use() {
    let fixture = Fixture::v2();
    on(&fixture);
    let mut keeper = fixture.open();
    let db = start(&mut keeper, "db", 7, &["SN-0"]).unwrap();
    assert!(
        db.steps.iter().any(|step| step.contains("allow b 259:0")),
        "{:?}",
        db.steps
    );
    for name in ["nvme0n1", "SN-0", "eui.0"] {
        let said = start(&mut keeper, "web", 8, &[name]).unwrap_err();
        assert!(said.contains("is held by db"), "{said}");
    }
    let said = start(&mut keeper, "web", 8, &["nvme1n1", "SN-1"]).unwrap_err();
    assert!(said.contains("asked twice under two names"), "{said}");
    let said = start(&mut keeper, "web", 8, &["sdq"]).unwrap_err();
    assert!(said.contains("it has nvme0n1, nvme1n1"), "{said}");
    fixture.write("proc/swaps", "Filename Type\n/dev/nvme1n1 partition 1 0 -2\n");
    let said = start(&mut keeper, "web", 8, &["nvme1n1"]).unwrap_err();
    assert!(said.contains("swaps to /dev/nvme1n1; swapoff it first"), "{said}");
    let offer = keeper.offer(&ask("web", &["nvme1n1"]), &with_drives()).unwrap();
    assert!(
        offer.because.iter().any(|line| line.contains("swaps to")),
        "{offer:?}"
    );
    fixture.write("proc/swaps", "Filename Type\n");
    start(&mut keeper, "web", 8, &["nvme1n1"]).unwrap();
    // A restart still knows who has what, and the end gives it back.
    drop(keeper);
    let mut keeper = fixture.open();
    let said = start(&mut keeper, "late", 9, &["nvme0n1"]).unwrap_err();
    assert!(said.contains("is held by db"), "{said}");
    keeper.end(&db.id, NOW).unwrap();
    start(&mut keeper, "late", 9, &["nvme0n1"]).unwrap();
}

#[test]
fn hosts_that_cannot_keep_others_off_refuse() {
    let fixture = Fixture::v1();
    on(&fixture);
    let said = start(&mut fixture.open(), "db", 7, &["nvme0n1"]).unwrap_err();
    assert!(
        said.contains("drives cannot be kept from other workloads here"),
        "{said}"
    );
}
