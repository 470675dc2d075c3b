//! The node that lends drives starts anew, and so does the whole rack: claims stand, and nobody is let in to what may not be theirs.

use rack_api::v1::VouchDrive;
use rack_controller::decide::{DrivesInput, Input};
use rack_controller::rack::Rack;

use crate::bench::{Bench, CONFIG, ask};

/// A claim whose drive is attached, and whose holder does nothing, or writes all the time.
fn lent(works: bool) -> Bench {
    let mut bench = Bench::with_pool(&["S1", "S2"]);
    if works {
        bench.world.works_for.insert("n01".to_owned(), "db".to_owned());
    }
    bench.claim(&ask("db", "n01", "web")).unwrap();
    bench.settle();
    assert_eq!(bench.word("S1"), "attached");
    bench
}

fn vouch(bench: &mut Bench, serial: &str) {
    let request = VouchDrive {
        serial: serial.to_owned(),
        model: None,
    };
    let serial = serial.to_owned();
    let input = Input::Drives(DrivesInput::Vouch { serial, request });
    bench.run(&input).unwrap();
}

fn grant(bench: &Bench, serial: &str) -> (u64, u64) {
    let grant = bench.drive(serial).tenancy.grant().unwrap();
    (grant.generation, grant.arrival)
}

#[test]
fn a_drive_that_nobody_wrote_to_meanwhile_is_attached_again_under_the_same_grant() {
    let mut bench = lent(false);
    let (generation, arrival) = grant(&bench, "S1");
    let events = bench.events.len();
    bench.world.reboot("box");
    bench.settle();
    assert_eq!(bench.word("S1"), "attached");
    let (same, later) = grant(&bench, "S1");
    assert!(same == generation && later > arrival);
    assert!(bench.rack.kept.drives.claim("db").unwrap().lost.is_empty());
    assert_eq!(bench.word("S2"), "free", "what nobody had is what it was");
    assert!(
        !bench.kinds(events).contains(&"drive_pulled"),
        "nobody pulled anything"
    );
    bench.replays();
}

#[test]
fn a_drive_that_was_written_to_is_kept_for_its_holder_and_let_in_when_somebody_vouches() {
    let mut bench = lent(true);
    bench.pass(3);
    // What was written after the counter was read last tells the same as what somebody wrote in the dark.
    bench.world.part("S1").written += 2;
    bench.world.reboot("box");
    bench.settle();
    assert_eq!(bench.word("S1"), "admitting");
    assert!(bench.world.reach("S1").is_empty(), "nobody is let in");
    let why = bench.drive("S1").unsealed.clone().unwrap();
    assert!(why.contains("started anew"), "{why}");
    assert!(bench.rack.kept.drives.claim("db").unwrap().lost.is_empty());
    vouch(&mut bench, "S1");
    bench.settle();
    assert_eq!(bench.word("S1"), "attached");
    bench.replays();
}

#[test]
fn where_nobody_touches_what_is_dark_the_holders_last_writes_are_believed_and_a_counter_that_went_back_is_not()
 {
    let mut bench = lent(true).on(&CONFIG.replace("bays = 8", "bays = 8\nbelieve_restarts = true"));
    bench.world.part("S1").written += 2;
    bench.world.part("S2").written += 2;
    bench.world.reboot("box");
    bench.settle();
    assert_eq!(bench.word("S1"), "attached");
    assert_eq!(
        bench.word("S2"),
        "foreign",
        "nobody had it, so these were nobody's last writes"
    );
    bench.world.part("S1").written = 0;
    bench.world.reboot("box");
    bench.settle();
    assert_eq!(bench.word("S1"), "admitting");
    assert!(bench.drive("S1").unsealed.is_some());
}

#[test]
fn drives_that_are_found_one_by_one_after_a_start_were_not_pulled() {
    let mut bench = lent(false);
    bench.world.reboot("box");
    let part = bench.world.pull("box", "1");
    bench.pass(20);
    assert_eq!(bench.word("S1"), "attached", "as it was: nobody saw it leave");
    bench.world.put("box", "1", part.clone());
    bench.settle();
    assert_eq!(bench.word("S1"), "attached");
    assert!(bench.world.reach("S1").contains("n01"));
    // One that is not there after that time is gone.
    bench.world.reboot("box");
    bench.world.pull("box", "1");
    bench.pass(90);
    assert_eq!(bench.word("S1"), "releasing");
    assert_eq!(bench.drive("S1").seat, None);
    bench.world.put("box", "1", part);
    bench.settle();
    assert_eq!(bench.word("S1"), "held");
    bench.replays();
}

#[test]
fn after_a_dark_start_of_the_whole_rack_each_claim_is_there_and_attaches_by_itself() {
    let mut bench = lent(false);
    bench.claim(&ask("web", "n02", "web")).unwrap();
    bench.settle();
    // All of it loses its power: the controller has what is in its journal.
    let config = (*bench.rack.config).clone();
    let kept = serde_json::to_string(&bench.rack.kept).unwrap();
    for node in ["box", "n01", "n02"] {
        bench.world.reboot(node);
    }
    bench.now = bench.now.after(std::time::Duration::from_secs(36_000));
    bench.rack = Rack::restored(&config, serde_json::from_str(&kept).unwrap());
    let version = "1".to_owned();
    bench.run(&Input::Started { version }).unwrap();
    bench.settle();
    for (serial, node) in [("S1", "n01"), ("S2", "n02")] {
        assert_eq!(bench.word(serial), "attached");
        assert!(bench.world.reach(serial).contains(node));
    }
    assert_eq!(bench.rack.kept.drives.claims.len(), 2);
}

#[test]
fn what_was_given_back_in_the_dark_is_let_in_nowhere() {
    let mut bench = lent(false);
    bench.world.nodes.get_mut("box").unwrap().is_silent = true;
    bench.pass(2);
    bench.release("db", Some(3_600)).unwrap();
    bench.world.reboot("box");
    bench.world.nodes.get_mut("box").unwrap().is_silent = false;
    bench.settle();
    assert_eq!(bench.word("S1"), "held");
    assert!(bench.world.reach("S1").is_empty());
    bench.replays();
}

#[test]
fn an_agent_that_lost_its_state_and_counts_anew_hides_no_restart() {
    let mut bench = lent(false);
    let arrival = bench.world.arrival("S1");
    bench.world.forget();
    bench.world.reboot("box");
    assert_eq!(
        bench.world.arrival("S1"),
        arrival,
        "the same number for another stay"
    );
    bench.world.part("S1").written += 1;
    bench.settle();
    assert!(bench.drive("S1").unsealed.is_some());
    assert!(bench.world.reach("S1").is_empty());
}
