//! What stands of a lease when the disk takes nothing, the agent is killed, or the machine starts again.

use std::fs;

use agent::reconcile::{Keeper, KeeperError};
use agent_api::v1::Lease;
use intent::Mode;

use crate::acts::{LIMITS, watts};
use crate::fixture::{Fixture, NOW};
use crate::leased::{BOOT, LEDGER, lease, limits, stands, sum, take, with_two};
use crate::power::kinds;

const NEXT: &str = "state/ledger.json.next";

/// The ledger's next file is a directory: nothing can be written there, not by root either.
fn break_ledger(fixture: &Fixture) {
    let _ = fs::remove_file(fixture.path(NEXT));
    fs::create_dir(fixture.path(NEXT)).unwrap();
}

fn mend_ledger(fixture: &Fixture) {
    fs::remove_dir(fixture.path(NEXT)).unwrap();
}

#[test]
fn a_renewal_writes_neither_hardware_nor_ledger_and_stands_after_a_kill() {
    let fixture = with_two();
    let mut keeper = fixture.open();
    take(&mut keeper, &lease(7), 1_100);
    let ledger = fixture.read(LEDGER);
    break_ledger(&fixture);
    assert_eq!(
        take(
            &mut keeper,
            &Lease {
                heard_millis: 4_000,
                ..lease(7)
            },
            4_100
        ),
        []
    );
    assert_eq!(
        (stands(&keeper).expires_millis, fixture.read(LEDGER)),
        (9_000, ledger)
    );
    // Killed: the next agent knows of the renewal, though no disk was asked.
    mend_ledger(&fixture);
    drop(keeper);
    let mut keeper = fixture.open();
    assert_eq!(keeper.expire_lease(NOW, 8_999), []);
    assert_eq!((sum(&fixture), keeper.lease_ends()), (300, Some(9_000)));
    assert_eq!(keeper.sweep(NOW), []);
    drop(keeper);
    // The next one is late: level 1 before anything else.
    let mut keeper = fixture.open();
    assert_eq!(kinds(&keeper.expire_lease(NOW, 9_000)), ["lease_expired"]);
    assert_eq!(sum(&fixture), 200);
    let again = Lease {
        heard_millis: 9_500,
        ..lease(7)
    };
    assert_eq!(
        kinds(&take(&mut keeper, &again, 9_600)),
        ["lease_renewed_after_expiry"]
    );
    assert_eq!(sum(&fixture), 300);
    // Where what was noted is cut, the ledger counts.
    drop(keeper);
    fixture.write("state/lease.json", "{\"boot_id\":\"boo");
    let keeper = fixture.open();
    assert_eq!(keeper.lease_ends(), Some(14_500));
}

#[test]
fn a_disk_that_takes_nothing_stops_no_lowering_and_every_raise() {
    let fixture = with_two();
    let mut keeper = fixture.open();
    take(&mut keeper, &lease(7), 1_100);
    break_ledger(&fixture);
    let told = take(&mut keeper, &Lease { level: 1, ..lease(8) }, 1_200);
    assert_eq!(kinds(&told), ["lease_level", "lease_unwritten"]);
    assert_eq!((sum(&fixture), keeper.leased(1_300).unwritten), (200, true));
    assert_eq!(keeper.sweep(NOW), [], "it is told once");
    for raise in [
        lease(9),
        Lease {
            level: 1,
            levels: vec![watts(250)],
            ..lease(9)
        },
    ] {
        let error = keeper.take_lease(&raise, NOW, 1_300).unwrap_err();
        assert!(matches!(error, KeeperError::Failed(_)), "{error}");
        assert_eq!((sum(&fixture), stands(&keeper).sequence), (200, 8));
    }
    assert_eq!(keeper.leased(1_300).refused["internal"], 2);
    // It ends meanwhile, and falls no deeper for that.
    keeper.expire_lease(NOW, 6_000);
    assert_eq!(sum(&fixture), 200);
    // Killed before the disk takes anything: what the hardware says bounds the older ledger.
    fs::remove_file(fixture.path("state/lease.json")).unwrap();
    drop(keeper);
    let mut keeper = fixture.open();
    assert!(
        keeper
            .found()
            .iter()
            .any(|line| line.contains("200 W is in force")),
        "{:?}",
        keeper.found()
    );
    keeper.sweep(NOW);
    assert_eq!(
        (sum(&fixture), stands(&keeper).sequence),
        (200, 7),
        "the older lease raised nothing"
    );
    mend_ledger(&fixture);
    take(
        &mut keeper,
        &Lease {
            heard_millis: 6_500,
            ..lease(9)
        },
        6_600,
    );
    assert_eq!((sum(&fixture), keeper.leased(6_600).unwritten), (300, false));
}

#[test]
fn the_first_lease_needs_a_disk_for_what_was_found() {
    let fixture = with_two();
    let mut keeper = fixture.open();
    // On a recorded tree the record stands below its root.
    let inside = fixture.path("state/originals.json").display().to_string();
    let record = inside.trim_start_matches('/');
    fs::create_dir_all(fixture.path(record)).unwrap();
    let error = keeper.take_lease(&lease(7), NOW, 1_100).unwrap_err();
    assert_eq!(
        (error.code(), limits(&fixture), keeper.power_cap()),
        ("internal", vec![200, 200], None),
        "{error}"
    );
    fs::remove_dir(fixture.path(record)).unwrap();
    // A lease above all that the parts draw changes nothing and notes what was found: later lowering waits for no disk.
    take(
        &mut keeper,
        &Lease {
            cap_watts: watts(500),
            ..lease(7)
        },
        1_100,
    );
    assert_eq!(limits(&fixture), [200, 200]);
    break_ledger(&fixture);
    let originals = fixture.read(record);
    assert!(originals.contains("intel-rapl:1"), "{originals}");
    take(&mut keeper, &Lease { level: 1, ..lease(8) }, 1_200);
    assert_eq!((sum(&fixture), fixture.read(record)), (200, originals));
}

#[test]
fn another_boot_begins_at_level_1_and_keeps_the_journals_head() {
    let fixture = with_two();
    let mut keeper = fixture.open();
    take(&mut keeper, &lease(7), 1_100);
    drop(keeper);
    // The hardware forgot its limits with the boot.
    fixture.write(BOOT, "boot-2\n");
    LIMITS
        .iter()
        .for_each(|limit| fixture.write(limit, "200000000\n"));
    let mut config = fixture.config(Mode::Enforce);
    config.boot_id = "boot-2".to_owned();
    let mut keeper = Keeper::open(config).unwrap();
    keeper.sweep(NOW);
    let now = stands(&keeper);
    assert_eq!((sum(&fixture), now.expired, now.applied), (200, true, true));
    let view = keeper.lease_view(50);
    assert_eq!(
        (view.boot_id.as_str(), view.head.unwrap().sequence),
        ("boot-2", 10)
    );
    let error = keeper.take_lease(&lease(8), NOW, 2_000).unwrap_err();
    assert!(error.to_string().contains("\"boot-2\""), "{error}");
    let granted = Lease {
        boot_id: "boot-2".to_owned(),
        heard_millis: 50,
        ..lease(8)
    };
    take(&mut keeper, &granted, 100);
    assert_eq!((sum(&fixture), stands(&keeper).expired), (300, false));
    assert_eq!(keeper.leased(200).refused["other_boot"], 1);
}
