//! A rack without much in it, and the events of a long day in which everything occurs that a rack keeps.

use std::path::Path;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use facts::{Moment, Power};
use rack_api::v1::{DomainState, PowerAsk};
use rack_controller::bay::{Bay, Life};
use rack_controller::claim::{Claim, ClaimId};
use rack_controller::config::RackConfig;
use rack_controller::journal::{self, Batch, FILE, Telling};
use rack_controller::rack::event::{BayChange, ClockFound, LendingChange, LendingTurn, Preemption};
use rack_controller::rack::switch::{SwitchChange, SwitchTurn};
use rack_controller::rack::{Cause, Event, NodeOrder, Order, Rack, What, evolve};

/// Held for writing while a child is started: until its program runs, it holds every lock of this process, those of journals too.
pub static STARTS: RwLock<()> = RwLock::new(());

/// No child is started meanwhile.
pub fn quiet() -> RwLockReadGuard<'static, ()> {
    STARTS.read().unwrap_or_else(PoisonError::into_inner)
}

pub fn config(more: &str) -> RackConfig {
    let mut text =
        format!("[rack]\nname = \"r\"\n{more}\n[[bmc]]\nname = \"shelf\"\nurl = \"https://192.0.2.5\"\n");
    text.push_str("[[domain]]\nname = \"shelf\"\nsource = \"shelf\"\nredundancy = \"n+1\"\n");
    for bay in 0..3 {
        text.push_str(&format!(
            "[[bay]]\nplace = \"shelf/psu-{bay}\"\nlabel = \"PSU {bay}\"\n"
        ));
    }
    for node in 1..=2 {
        text.push_str(&format!(
            "[[node]]\nname = \"n{node:02}\"\ndomain = \"shelf\"\nmax_draw_watts = 4000\n"
        ));
    }
    RackConfig::from_text(&text, Path::new("rack.toml")).unwrap()
}

fn claim(number: u64) -> Claim {
    Claim {
        id: ClaimId(number),
        purpose: format!("web {number}"),
        watts: Power::from_milliwatts(1_000 + number),
        revocable: Power::from_milliwatts(number),
        domain: "shelf".to_owned(),
        node: Some("n01".to_owned()),
        priority: 5,
        tenant: Some("t".to_owned()),
        reserved: number.is_multiple_of(3),
        ttl_seconds: Some(60),
        since: Moment::from_millis(1_795_311_618_000),
        until: Some(Moment::from_millis(1_795_311_678_000)),
        took: if number.is_multiple_of(5) {
            vec![claim(number + 1).taken()]
        } else {
            Vec::new()
        },
        lendable: number.is_multiple_of(2),
    }
}

fn caps(number: u64) -> What {
    let power = Power::from_milliwatts(number);
    What::CapsOrdered {
        orders: vec![NodeOrder {
            node: "n01".to_owned(),
            order: Order {
                number,
                at: Moment::from_millis(number),
                cap: power,
                levels: vec![power],
                may: power,
                may_levels: vec![power],
            },
        }],
        granted: vec![ClaimId(number)],
        shed: vec![ClaimId(number + 1)],
        given: power,
        taken: power,
    }
}

fn lending(number: u64) -> LendingTurn {
    let power = Power::from_milliwatts(number);
    match number % 3 {
        0 => LendingTurn::Lent {
            watts: power,
            keeps: power,
            peak: power,
        },
        1 => LendingTurn::Recalled {
            watts: power,
            reason: "it draws".to_owned(),
        },
        _ => LendingTurn::Returned { took_millis: number },
    }
}

fn bay(number: u64) -> What {
    let power = Power::from_milliwatts(number);
    What::BayChanged(Box::new(BayChange {
        place: format!("shelf/psu-{}", number % 4),
        label: "PSU".to_owned(),
        feed: None,
        cause: Cause::Passed,
        bay: Bay {
            life: Life::InService,
            rated: Some(power),
            ..Bay::unseen()
        },
        effect: None,
    }))
}

/// A node's switching goes on, each time in another way.
fn switch(number: u64) -> What {
    let power = Power::from_milliwatts(number);
    let turn = match (number / 22) % 7 {
        0 => SwitchTurn::Shed {
            domain: "shelf".to_owned(),
            missing: power,
            frees: power,
        },
        1 => SwitchTurn::IsOff,
        2 => SwitchTurn::Asked,
        3 => SwitchTurn::GoesOn { max_draw: power },
        4 => SwitchTurn::IsUp {
            how: format!("its agent holds its cap of {power}"),
        },
        5 => SwitchTurn::GivenUp {
            why: "it did not come up".to_owned(),
        },
        _ => SwitchTurn::Spared,
    };
    // Two nodes, so that one always stands as it was switched.
    let node = format!("n{:02}", 1 + (number / 154) % 2);
    What::SwitchChanged(Box::new(SwitchChange { node, turn }))
}

/// What becomes of the claim before, and what is rarer than all else.
fn third(number: u64) -> What {
    let power = Power::from_milliwatts(number);
    match number {
        _ if number.is_multiple_of(2) => What::ClaimRenewed {
            claim: claim(number - 1),
        },
        _ if number.is_multiple_of(5) => What::ClaimPreempted(Box::new(Preemption {
            claim: claim(number - 1),
            by: ClaimId(number),
            by_for: "urgent".to_owned(),
            by_priority: 1,
            headroom: power,
            drives: if number.is_multiple_of(3) {
                vec!["S1".to_owned()]
            } else {
                Vec::new()
            },
        })),
        _ if number.is_multiple_of(7) => What::ClaimRestored {
            claim: claim(number - 1),
            headroom: power,
        },
        _ if number.is_multiple_of(17) => What::ClockFound(ClockFound {
            boot_id: "boot".to_owned(),
            boot_millis: number,
            set_by_millis: 3_600_000,
            new_boot: false,
        }),
        _ if number.is_multiple_of(13) => What::Lending(Box::new(LendingChange {
            node: "n01".to_owned(),
            turn: lending(number),
        })),
        _ => What::ClaimReleased {
            claim: claim(number - 1),
            headroom: power,
        },
    }
}

/// The nth event.
pub fn event(number: u64) -> Event {
    let node = || "n01".to_owned();
    let power = Power::from_milliwatts(number);
    let what = match number % 11 {
        0 => What::Started {
            version: "1".to_owned(),
        },
        1 | 2 => What::ClaimAdmitted {
            claim: claim(number),
            ask: PowerAsk {
                watts: power,
                purpose: format!("web {number}"),
                ..PowerAsk::default()
            },
            key: Some(format!("key {number}")),
            headroom: power,
        },
        3 => third(number),
        4 => caps(number),
        5 => What::DomainChanged {
            domain: "shelf".to_owned(),
            from: DomainState::Blind,
            to: if number.is_multiple_of(2) {
                DomainState::Redundant
            } else {
                DomainState::Exposed
            },
            installed: power,
            held: power,
            deficit: Power::ZERO,
        },
        6 => bay(number),
        7 => What::LoweringTimed {
            node: node(),
            took_millis: number,
        },
        8 => What::Located {
            place: format!("shelf/psu-{}", number % 3),
            label: "PSU".to_owned(),
            until: Moment::from_millis(number),
        },
        9 => What::ClaimWithdrawn {
            claim: claim(number - 8),
            headroom: power,
        },
        _ if number.is_multiple_of(2) => switch(number),
        _ => What::NodeReady {
            node: format!("n{:02}", number % 5),
        },
    };
    Event::new(Moment::from_millis(1_795_311_618_123 + number), what)
}

/// Writes events as the turn does: in batches, with a snapshot whenever one is due.
pub fn written(directory: &Path, config: &RackConfig, events: std::ops::RangeInclusive<u64>) -> Rack {
    let recalled = journal::recall(directory, config).unwrap();
    let (mut rack, mut journal) = (recalled.rack, recalled.journal);
    let mut due = journal.last().sequence + journal.snapshot_every();
    for number in events {
        let event = event(number);
        evolve(&mut rack, &event);
        let snapshot = (number >= due).then(|| Box::new(rack.kept.clone()));
        if snapshot.is_some() {
            due = number + journal.snapshot_every();
        }
        journal
            .append_all(&[Batch {
                events: vec![event],
                snapshot,
            }])
            .unwrap();
    }
    rack
}

pub fn sql<T: rusqlite::types::FromSql>(directory: &Path, query: &str) -> T {
    let connection = rusqlite::Connection::open(directory.join(FILE)).unwrap();
    connection.query_row(query, [], |row| row.get(0)).unwrap()
}

pub fn told(path: &Path, from: u64, telling: Telling) -> (journal::Replayed, String) {
    let mut out = Vec::new();
    let replayed = journal::replay(path, from, telling, &mut out).unwrap();
    (replayed, String::from_utf8(out).unwrap())
}
