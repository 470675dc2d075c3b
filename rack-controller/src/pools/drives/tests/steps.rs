//! Single steps, and what refuses them.

use std::collections::BTreeSet;
use std::time::Duration;

use facts::{Bytes, Identity, Moment};

use super::super::*;
use crate::claim::ClaimId;

/// The number of the first grant: the erasure before it was the first.
const GRANT: u64 = 2;
const DAY: Duration = Duration::from_secs(86_400);

fn at(seconds: u64) -> Moment {
    Moment::from_millis(seconds * 1_000)
}

fn id(serial: &str) -> DriveId {
    let identity = Identity {
        maker: None,
        model: Some("M1".to_owned()),
        serial: Some(serial.to_owned()),
    };
    DriveId::of(&identity).unwrap()
}

fn seat(place: &str, arrival: u64) -> Seat {
    Seat {
        place: place.to_owned(),
        arrival,
    }
}

fn foreign() -> Drive {
    Drive::found(
        id("S1"),
        Bytes::new(4_000_000_000_000),
        seat("jbof/bay-1", 1),
        at(0),
    )
}

fn proof(serial: &str, began: u64) -> Proof {
    Proof {
        drive: id(serial),
        method: EraseMethod::SanitizeCrypto,
        began: at(began),
        ended: at(began + 2),
        log_page: Some("0100".to_owned()),
        samples: FEWEST_SAMPLES,
        dirty: 0,
        written: Some(7),
        asked_by: "ada".to_owned(),
    }
}

fn free() -> Drive {
    let wiping = foreign().enrol("S1", &Vec::new(), "ada", at(1)).unwrap();
    wiping.erased(proof("S1", 2), at(5)).unwrap()
}

fn holder(claim: u64, purpose: &str, node: &str) -> Holder {
    Holder {
        claim: ClaimId(claim),
        purpose: purpose.to_owned(),
        tenant: Some("team".to_owned()),
        node: node.to_owned(),
    }
}

fn open_to(nodes: &[&str], granted: u64, closed: u64) -> AccessSeen {
    AccessSeen {
        arrival: 1,
        nodes: nodes
            .iter()
            .map(|node| (*node).to_owned())
            .collect::<BTreeSet<_>>(),
        granted,
        closed,
        written: Some(7),
    }
}

fn attached() -> Drive {
    let lent = free().lend(holder(1, "db", "n1"), at(10)).unwrap();
    let admitted = lent.admitted(&open_to(&["n1"], GRANT, 0), at(11)).unwrap();
    admitted.attached(&id("S1"), GRANT, at(12)).unwrap()
}

#[test]
fn a_drive_goes_around_once() {
    let drive = attached();
    assert_eq!(drive.wish(None), None);
    let ended = drive.end(Ending::Released { erase_after: DAY }, at(20)).unwrap();
    assert!(matches!(
        ended.wish(None),
        Some(Wish::Shut {
            generation: GRANT,
            ..
        })
    ));
    let held = ended.shut(&open_to(&[], GRANT, GRANT), at(21)).unwrap();
    assert_eq!(held.pass_time(at(22)), None, "second thoughts have a day");
    let wiping = held.pass_time(at(21 + 86_400)).unwrap();
    let shut = open_to(&[], GRANT, GRANT);
    assert!(matches!(wiping.wish(Some(&shut)), Some(Wish::Erase { .. })));
    let free = wiping.erased(proof("S1", 86_500), at(86_510)).unwrap();
    assert!(free.may_be_lent());
    assert_eq!(
        free.lend(holder(2, "web", "n2"), at(86_600)).unwrap().generation,
        GRANT + 2
    );
}

#[test]
fn nothing_is_erased_on_a_slip_or_with_something_on_it() {
    let found = vec!["partition 1 is mounted at /data".to_owned()];
    let refused = foreign().enrol("S1", &found, "ada", at(1)).unwrap_err();
    assert!(refused.to_string().contains("mounted at /data"), "{refused}");
    let refused = foreign().enrol("S2", &Vec::new(), "ada", at(1)).unwrap_err();
    assert!(refused.to_string().contains("nothing is erased"), "{refused}");
    assert!(
        foreign().lend(holder(1, "db", "n1"), at(1)).is_err(),
        "foreign is not free"
    );
}

#[test]
fn what_ran_out_or_was_lost_is_kept_until_somebody_says_so() {
    for ending in [
        Ending::Expired,
        Ending::NodeLost,
        Ending::WrongDrive,
        Ending::Failing,
    ] {
        let held = attached().end(ending, at(20)).unwrap();
        let held = held.shut(&open_to(&[], GRANT, GRANT), at(21)).unwrap();
        assert_eq!(held.pass_time(at(1_000_000_000)), None, "{ending:?}");
        let refused = held.lend(holder(2, "web", "n2"), at(22)).unwrap_err();
        assert!(refused.to_string().contains("only the same tenant"), "{refused}");
        assert!(
            held.lend(holder(3, "db", "n2"), at(22)).is_ok(),
            "its own data comes back to it"
        );
        assert!(held.give_up("S1", "ada", at(22)).is_ok());
    }
}

#[test]
fn access_is_over_when_the_target_says_so_and_not_before() {
    let ended = attached().end(Ending::Expired, at(20)).unwrap();
    assert!(matches!(
        ended.shut(&open_to(&["n1"], GRANT, GRANT), at(21)),
        Err(Denied::StillReached { .. })
    ));
    // It let nobody in when it was read, but an order to admit may still be on its way.
    assert!(matches!(
        ended.shut(&open_to(&[], GRANT, 0), at(21)),
        Err(Denied::Late { .. })
    ));
    let other = AccessSeen {
        arrival: 2,
        ..open_to(&[], GRANT, GRANT)
    };
    assert!(matches!(ended.shut(&other, at(21)), Err(Denied::OtherStay(_))));
}

#[test]
fn a_node_that_sees_another_drive_loses_it() {
    let lent = free().lend(holder(1, "db", "n1"), at(10)).unwrap();
    let more = lent
        .admitted(&open_to(&["n1", "n9"], GRANT, 0), at(11))
        .unwrap_err();
    assert!(more.to_string().starts_with("n9 can still reach"), "{more}");
    let admitted = lent.admitted(&open_to(&["n1"], GRANT, 0), at(11)).unwrap();
    let wrong = admitted.attached(&id("S9"), GRANT, at(12)).unwrap();
    assert!(matches!(
        wrong.tenancy,
        Tenancy::Releasing {
            ending: Ending::WrongDrive,
            ..
        }
    ));
}

#[test]
fn a_proof_shows_something_or_the_drive_stays_out() {
    let wiping = || foreign().enrol("S1", &Vec::new(), "ada", at(10)).unwrap();
    let good = || proof("S1", 11);
    let bad = [
        proof("S2", 11),
        proof("S1", 9),
        Proof { dirty: 1, ..good() },
        Proof { samples: 3, ..good() },
        Proof {
            log_page: None,
            ..good()
        },
        Proof {
            ended: at(10),
            ..good()
        },
    ];
    for proof in bad {
        assert!(wiping().erased(proof.clone(), at(20)).is_err(), "{proof:?}");
    }
    let mut drive = wiping();
    for _ in 0..MOST_TRIES {
        drive = drive.not_erased("the sanitize stopped at 99 %", at(30)).unwrap();
    }
    assert_eq!(drive.tenancy.word(), "failed");
    assert!(!drive.may_be_lent());
    assert!(
        drive.enrol("S1", &Vec::new(), "ada", at(40)).is_ok(),
        "somebody looked at it"
    );
    let by_word = wiping().stays_out("a BMC says so", at(30)).unwrap();
    assert!(by_word.tenancy.word() == "failed" && !by_word.may_be_lent());
    assert!(
        by_word.generation > wiping().generation,
        "what comes of that try is about another time"
    );
    assert!(free().stays_out("a BMC says so", at(30)).is_err());
}

#[test]
fn a_free_drive_that_was_away_is_free_only_where_nothing_was_written_to_it() {
    let out = free().pulled(at(50));
    assert!(!out.may_be_lent());
    assert!(out.returned(seat("jbof/bay-2", 2), Some(7), at(60)).may_be_lent());
    for written in [Some(8), None] {
        let back = out.returned(seat("jbof/bay-1", 2), written, at(60));
        assert_eq!(back.tenancy.word(), "foreign", "{written:?}");
    }
}

#[test]
fn what_was_pulled_stays_pulled() {
    let out = attached().pulled(at(50));
    assert!(matches!(
        out.tenancy,
        Tenancy::Releasing {
            ending: Ending::Pulled,
            ..
        }
    ));
    let back = out.returned(seat("jbof/bay-1", 2), Some(9), at(60));
    // Its claim does not slide back onto it; the new stay has to be read before it is anybody's.
    let seen = AccessSeen {
        arrival: 2,
        ..AccessSeen::default()
    };
    let held = back.shut(&seen, at(61)).unwrap();
    assert_eq!(held.pass_time(at(1_000_000_000)), None);
    let refused = held.lend(holder(2, "db", "n1"), at(62)).unwrap_err();
    assert!(refused.to_string().contains("vouch for it"), "{refused}");
    assert!(
        held.vouched()
            .unwrap()
            .lend(holder(2, "db", "n1"), at(62))
            .is_ok()
    );
}

#[test]
fn what_waits_to_be_erased_is_erased_after_an_absence_only_where_nothing_was_written() {
    let wiping = free().lend(holder(1, "db", "n1"), at(10)).unwrap();
    let ended = wiping
        .end(
            Ending::Released {
                erase_after: Duration::ZERO,
            },
            at(11),
        )
        .unwrap();
    let wiping = ended
        .shut(&open_to(&[], GRANT, GRANT), at(12))
        .unwrap()
        .pass_time(at(12))
        .unwrap();
    let out = wiping.pulled(at(20));
    assert_eq!(
        out.returned(seat("jbof/bay-1", 2), Some(8), at(30))
            .tenancy
            .word(),
        "foreign"
    );
    let back = out.returned(seat("jbof/bay-1", 2), Some(7), at(30));
    assert_eq!(back.tenancy.word(), "wiping");
    assert!(
        back.erased(proof("S1", 15), at(40)).is_err(),
        "what was done before it was pulled"
    );
    assert!(back.erased(proof("S1", 31), at(40)).is_ok());
}

#[test]
fn what_was_given_back_and_then_written_to_elsewhere_is_not_erased_by_itself() {
    let ended = attached()
        .end(Ending::Released { erase_after: DAY }, at(20))
        .unwrap();
    let back = ended
        .pulled(at(21))
        .returned(seat("jbof/bay-1", 2), Some(8), at(30));
    let seen = AccessSeen {
        arrival: 2,
        ..AccessSeen::default()
    };
    let held = back.shut(&seen, at(31)).unwrap();
    assert_eq!(held.pass_time(at(1_000_000_000)), None);
    assert!(held.give_up("S1", "ada", at(32)).is_ok(), "somebody named it");
}

#[test]
fn an_ask_gets_its_own_drives_again_and_else_the_least_that_suffice() {
    let drive = |serial: &str, terabytes: u64, place: &str, worn: u8| {
        let mut drive = free();
        drive.id = id(serial);
        drive.size = Bytes::new(terabytes * 1_000_000_000_000);
        drive.seat = Some(seat(place, 1));
        drive.wear.percent_used = Some(worn);
        drive
    };
    let mut own = drive("S5", 8, "b/bay-5", 90);
    own.tenancy = Tenancy::Held {
        holder: holder(1, "db", "n1"),
        until: None,
        ending: Ending::Expired,
    };
    let stock = [
        drive("S1", 8, "a/bay-1", 1),
        drive("S2", 4, "a/bay-2", 3),
        drive("S3", 4, "a/bay-3", 2),
        drive("S4", 1, "b/bay-4", 2),
        own,
    ];
    let ask = DriveAsk {
        count: 2,
        at_least: Bytes::new(3_000_000_000_000),
        model: None,
        most_worn: None,
        spread: false,
        purpose: "web".to_owned(),
        tenant: Some("team".to_owned()),
    };
    let picked = |ask: &DriveAsk| -> Result<Vec<String>, DriveShortfall> {
        let picked = pick(stock.iter(), ask)?;
        Ok(picked.iter().map(|drive| drive.id.serial().to_owned()).collect())
    };
    assert_eq!(picked(&ask).unwrap(), ["S3", "S2"]);
    let db = DriveAsk {
        purpose: "db".to_owned(),
        ..ask.clone()
    };
    assert_eq!(picked(&db).unwrap(), ["S5", "S3"]);
    let spread = DriveAsk { spread: true, ..ask };
    let short = picked(&spread).unwrap_err().to_string();
    assert_eq!(
        short,
        "2 drives are asked for and 1 fit; 1 held for who had them; 1 too small; 2 in an enclosure that is used already"
    );
    let other = DriveAsk { tenant: None, ..db };
    assert!(
        !picked(&other).unwrap().contains(&"S5".to_owned()),
        "another tenant's data"
    );
}
