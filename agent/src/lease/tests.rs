//! Leases against time, order, crashes and journals that lack something, case by case.
#![allow(clippy::unwrap_used, clippy::panic)]

use agent_api::v1::{Head, Lease, LeaseEnd};
use facts::Power;

use super::{Here, Leases, Moves, Next, Refusal};

mod random;
mod sense;

fn watts(watts: u64) -> Power {
    Power::from_watts(watts).unwrap()
}

fn head(sequence: u64, chain: &str) -> Head {
    Head {
        sequence,
        chain: chain.to_owned(),
    }
}

/// 300 W, 200 W after one loss and 100 W after two, heard at 1,000 and valid for 5 s.
fn lease(sequence: u64) -> Lease {
    Lease {
        rack: "r1".to_owned(),
        sequence,
        boot_id: "boot-1".to_owned(),
        heard_millis: 1_000,
        valid_millis: 5_000,
        cap_watts: watts(300),
        levels: vec![watts(200), watts(100)],
        level: 0,
        head: head(10, "aa"),
    }
}

fn here(now: u64) -> Here<'static> {
    Here {
        boot_id: "boot-1",
        now,
        cap: None,
    }
}

fn end(sequence: u64) -> LeaseEnd {
    LeaseEnd {
        rack: "r1".to_owned(),
        sequence,
        boot_id: "boot-1".to_owned(),
    }
}

fn after(leases: &Leases, lease: &Lease, now: u64) -> Next {
    leases.take(lease, &here(now)).unwrap()
}

fn word(leases: &Leases, lease: &Lease, now: u64) -> &'static str {
    leases.take(lease, &here(now)).unwrap_err().word()
}

fn held() -> Leases {
    after(&Leases::default(), &lease(7), 1_100).leases
}

fn kinds(next: &Next) -> Vec<&str> {
    next.told.iter().map(|(kind, _)| *kind).collect()
}

#[test]
fn a_lease_is_taken_moved_renewed_and_ended() {
    let first = after(&Leases::default(), &lease(7), 1_100);
    assert_eq!((first.moves, kinds(&first)), (Moves::Down, vec!["lease_taken"]));
    assert_eq!(first.leases.target(), Some(watts(300)));
    let lost = Lease { level: 2, ..lease(8) };
    let lost = after(&first.leases, &lost, 1_200);
    assert_eq!((lost.moves, kinds(&lost)), (Moves::Down, vec!["lease_level"]));
    assert_eq!(lost.leases.target(), Some(watts(100)));
    let back = after(&lost.leases, &lease(9), 1_300);
    assert_eq!((back.moves, back.leases.target()), (Moves::Up, Some(watts(300))));
    let again = Lease {
        heard_millis: 2_000,
        ..lease(9)
    };
    let again = after(&back.leases, &again, 2_100);
    assert_eq!((again.moves, kinds(&again)), (Moves::Nothing, vec![]));
    assert_eq!(again.leases.held.as_ref().unwrap().expires_millis, 7_000);
    // An armed cap that rises is a raise, though what is in force stays.
    let armed = Lease {
        levels: vec![watts(250)],
        ..lease(10)
    };
    assert_eq!(after(&again.leases, &armed, 2_200).moves, Moves::Up);
    assert_eq!(again.leases.end(&end(8), &here(2_300)).unwrap_err().word(), "old");
    let ended = again.leases.end(&end(9), &here(2_300)).unwrap().unwrap();
    assert_eq!((ended.moves, kinds(&ended)), (Moves::Up, vec!["lease_released"]));
    assert_eq!(ended.leases.target(), None);
    assert_eq!(
        ended.leases.end(&end(9), &here(2_300)).unwrap(),
        None,
        "twice is once"
    );
    // What was on its way when it was ended comes too late.
    assert_eq!(word(&ended.leases, &lease(9), 2_400), "old");
    let stranger = Lease {
        rack: "r2".to_owned(),
        ..lease(1)
    };
    assert_eq!(
        after(&ended.leases, &stranger, 2_400).leases.held.unwrap().rack,
        "r2"
    );
}

#[test]
fn nobody_renews_and_level_1_is_in_force_and_never_less_than_that() {
    let held = held();
    assert_eq!(held.expire(5_999), None);
    let ended = held.expire(6_000).unwrap();
    assert_eq!(kinds(&ended), ["lease_expired"]);
    assert_eq!(ended.leases.target(), Some(watts(200)));
    assert_eq!(ended.leases.expire(60_000), None, "once");
    // What was lower stays lower.
    let low = after(&held, &Lease { level: 2, ..lease(8) }, 1_200).leases;
    assert_eq!(low.expire(6_000).unwrap().leases.target(), Some(watts(100)));
    // A renewal of the same number that comes in time ends it, and that is a raise.
    let renewal = Lease {
        heard_millis: 7_000,
        ..lease(7)
    };
    let renewed = after(&ended.leases, &renewal, 7_100);
    assert_eq!(
        (renewed.moves, kinds(&renewed)),
        (Moves::Up, vec!["lease_renewed_after_expiry"])
    );
    assert_eq!(renewed.leases.target(), Some(watts(300)));
}

#[test]
fn what_came_late_extends_nothing_and_lowers_still() {
    let held = held();
    // It waited in a queue: valid until 6,000, and the lease of the same number was renewed meanwhile.
    let kept = after(
        &held,
        &Lease {
            heard_millis: 5_500,
            ..lease(7)
        },
        5_600,
    )
    .leases;
    assert_eq!(word(&kept, &lease(7), 6_500), "stale");
    assert_eq!(
        word(
            &kept,
            &Lease {
                cap_watts: watts(400),
                ..lease(8)
            },
            6_500
        ),
        "stale"
    );
    let overtaken = after(&kept, &lease(7), 5_900).leases;
    assert_eq!(
        overtaken.held.unwrap().expires_millis,
        10_500,
        "an older renewal takes no time away"
    );
    // Late, and lower: obeyed for what it lowers, level by level.
    let late = Lease {
        cap_watts: watts(250),
        levels: vec![watts(220)],
        ..lease(8)
    };
    let late = after(&kept, &late, 6_500);
    let now = late.leases.held.clone().unwrap();
    assert_eq!(
        (late.moves, now.target, now.expires_millis),
        (Moves::Down, watts(250), 10_500)
    );
    assert_eq!(now.holds().levels, [watts(200), watts(100)], "no armed cap rises");
    assert_eq!(
        late.leases.expire(10_500).unwrap().leases.target(),
        Some(watts(200))
    );
    // In time, the same number gives all that it granted.
    let in_time = Lease {
        heard_millis: 6_600,
        cap_watts: watts(250),
        levels: vec![watts(220)],
        ..lease(8)
    };
    let in_time = after(&late.leases, &in_time, 6_700);
    assert_eq!(in_time.moves, Moves::Up);
    assert_eq!(in_time.leases.held.unwrap().holds().levels, [watts(220)]);
    assert_eq!(
        word(&Leases::default(), &lease(7), 6_500),
        "stale",
        "nothing to lower"
    );
}

#[test]
fn strangers_older_ones_and_other_boots_change_nothing() {
    let held = held();
    let cases = [
        (
            Lease {
                boot_id: "boot-2".to_owned(),
                ..lease(8)
            },
            "other_boot",
        ),
        (
            Lease {
                rack: "r2".to_owned(),
                ..lease(8)
            },
            "other_rack",
        ),
        (lease(6), "old"),
        (Lease { level: 1, ..lease(7) }, "changed"),
        (
            Lease {
                heard_millis: 1_201,
                ..lease(8)
            },
            "ahead",
        ),
    ];
    for (lease, says) in cases {
        assert_eq!(word(&held, &lease, 1_200), says);
    }
    let error = held.take(
        &Lease {
            rack: "r2".to_owned(),
            ..lease(8)
        },
        &here(1_200),
    );
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("rack \"r1\" holds this node's lease")
    );
}

#[test]
fn a_journal_that_lacks_something_may_lower_and_renew_and_raises_nothing() {
    let held = held();
    let behind = |lease: Lease| Lease {
        head: head(9, "99"),
        ..lease
    };
    let forked = |lease: Lease| Lease {
        head: head(10, "bb"),
        ..lease
    };
    let more = Lease {
        cap_watts: watts(400),
        ..lease(8)
    };
    for lease in [behind(more.clone()), forked(more.clone())] {
        let error = held.take(&lease, &here(1_200)).unwrap_err();
        assert!(matches!(error, Refusal::Behind { .. }), "{error}");
        assert!(error.to_string().contains("has seen entry 10 (aa)"), "{error}");
    }
    assert_eq!(after(&held, &behind(lease(8)), 1_200).moves, Moves::Nothing);
    let less = behind(Lease { level: 1, ..lease(8) });
    assert_eq!(after(&held, &less, 1_200).leases.target(), Some(watts(200)));
    // Lower now, higher when it ends: the lower half is obeyed, for as long as it says.
    let both = behind(Lease {
        cap_watts: watts(250),
        levels: vec![watts(240)],
        ..lease(8)
    });
    let both = after(
        &held,
        &Lease {
            heard_millis: 1_150,
            ..both
        },
        1_200,
    )
    .leases
    .held
    .unwrap();
    assert_eq!((both.target, both.expires_millis), (watts(250), 6_150));
    assert_eq!(both.holds().at(1), watts(200));
    // What ended is not ended by a journal that lacks something, where that would raise.
    let ended = held.expire(6_000).unwrap().leases;
    assert_eq!(
        word(
            &ended,
            &behind(Lease {
                heard_millis: 6_000,
                ..lease(8)
            }),
            6_100
        ),
        "behind"
    );
    let ahead = Lease {
        head: head(11, "cc"),
        ..more
    };
    let ahead = after(&held, &ahead, 1_200).leases;
    assert_eq!(ahead.seen.unwrap().head, head(11, "cc"));
}

#[test]
fn a_persons_cap_is_taken_over_and_a_boot_begins_at_level_1() {
    let capped = |cap| Here {
        cap: Some(watts(cap)),
        ..here(1_100)
    };
    let over = |cap| Leases::default().take(&lease(7), &capped(cap)).unwrap().moves;
    assert_eq!((over(250), over(350)), (Moves::Up, Moves::Down));
    let again = held().after_boot();
    let held = again.held.clone().unwrap();
    assert_eq!(
        (held.target, held.expired, held.expires_millis),
        (watts(200), true, 0)
    );
    assert_eq!(again.seen.unwrap().head, head(10, "aa"));
}

#[test]
fn of_two_memories_the_later_counts() {
    let (older, later) = (held(), after(&held(), &lease(8), 1_200).leases);
    assert_eq!(older.clone().or_later(later.clone()), later);
    assert_eq!(later.clone().or_later(older.clone()), later);
    assert_eq!(Leases::default().or_later(older.clone()), older);
    let ended = older.end(&end(7), &here(1_200)).unwrap().unwrap().leases;
    assert_eq!(
        ended.clone().or_later(older),
        ended,
        "what was ended does not come back"
    );
}
