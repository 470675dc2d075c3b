//! Erasures of drives that lie, refuse, stop and lose their power: what is called done is done.

#![allow(clippy::unwrap_used)]

mod drive;

use drive::{Dice, Drive, ESTIMATE, HELD, Ways};

use super::*;

fn record(methods: &[Method]) -> Record {
    Record {
        drive: DriveIdentity::new("S1", None, None).unwrap(),
        was_lent: true,
        methods: methods.to_vec(),
        began: Moment::from_millis(1_000),
        taken: false,
        refused: Vec::new(),
        samples: Vec::new(),
        outcome: None,
    }
}

fn samples(count: usize) -> Vec<Sample> {
    let before = super::super::sample::fingerprint(HELD);
    let places = (0_u64..).take(count);
    places
        .map(|at| Sample {
            at,
            before: before.clone(),
        })
        .collect()
}

/// Runs one to its end; `cut` says after which orders the power goes, and the drive with it or not. What is on disk is what a new one takes
/// up. Gives how it ended, and what was ordered.
fn run(drive: &mut Drive, methods: &[Method], mut cut: impl FnMut(&Order) -> bool) -> (Erasing, Vec<Order>) {
    let mut machine = Machine::begin(record(methods));
    let mut disk: Option<Record> = None;
    let mut orders = Vec::new();
    let mut now = 2_000;
    // Who the drive is was asked since the last start of ours, with nothing between that and the order that destroys.
    let mut is_known = false;
    for _ in 0..100_000 {
        let order = machine.next();
        orders.push(order.clone());
        now += 1_000;
        drive.pass();
        if order == Order::Rest {
            return (machine.erasing(), orders);
        }
        if matches!(order, Order::Start(_)) {
            assert!(is_known, "{orders:?}");
            assert_eq!(
                disk.as_ref().map(|disk| disk.methods[0]),
                Some(machine.method()),
                "{orders:?}"
            );
            assert!(disk.as_ref().is_some_and(|disk| disk.samples.len() >= FEWEST));
        }
        is_known = order == Order::Know;
        let answer = match &order {
            Order::Fingerprint => Answer::Fingerprinted(samples(FEWEST)),
            Order::Note => {
                disk = Some(machine.record().clone());
                Answer::Noted
            }
            Order::Know => Answer::Known,
            Order::Start(method) => drive.start(*method),
            Order::Look(method) => drive.look(*method),
            Order::LeaveFailureMode => {
                assert_eq!(drive.status, 3);
                Answer::Left
            }
            Order::ReadBack(method) => drive.read_back(machine.record(), *method),
            Order::Rest => Answer::Noted,
        };
        if cut(&order) {
            drive.left = None;
            is_known = false;
            machine = disk
                .clone()
                .map_or_else(|| Machine::begin(record(methods)), Machine::resume);
            continue;
        }
        machine.take(answer, Moment::from_millis(now));
    }
    unreachable!("it never ends: {:?}", &orders[orders.len() - 20..]);
}

fn dirty(erasing: &Erasing) -> Option<u32> {
    match erasing.state {
        State::Done { dirty, .. } => Some(dirty),
        State::Running { .. } | State::Failed { .. } => None,
    }
}

fn why(erasing: &Erasing) -> &str {
    match &erasing.state {
        State::Failed { why } => why,
        State::Running { .. } | State::Done { .. } => "",
    }
}

#[test]
fn a_drive_that_does_as_it_should_is_erased_by_the_first_method() {
    let methods = [Method::SanitizeCrypto, Method::SanitizeBlock];
    let mut drive = Drive::new(Ways::default(), None);
    let (ended, orders) = run(&mut drive, &methods, |_| false);
    assert_eq!(
        (dirty(&ended), ended.method, ended.refused.len()),
        (Some(0), Method::SanitizeCrypto, 0)
    );
    let State::Done {
        log_page, ended: at, ..
    } = &ended.state
    else {
        unreachable!()
    };
    assert!(log_page.as_ref().is_some_and(|page| page.len() == 64) && *at > ended.began);
    let first: Vec<Order> = orders.iter().take(5).cloned().collect();
    let start = Order::Start(Method::SanitizeCrypto);
    assert_eq!(
        first,
        [Order::Fingerprint, Order::Note, Order::Know, start, Order::Note]
    );
}

#[test]
fn what_is_refused_or_fails_leaves_a_sentence_and_the_next_takes_its_turn() {
    let methods = [Method::SanitizeCrypto, Method::SanitizeBlock, Method::Overwrite];
    let ways = Ways {
        refuses: 1,
        fails: true,
        ..Ways::default()
    };
    let mut drive = Drive::new(ways, None);
    let (ended, orders) = run(&mut drive, &methods, |_| false);
    assert_eq!((dirty(&ended), ended.method), (Some(0), Method::Overwrite));
    assert!(
        ended.refused[0].contains("crypto erase): it does not know"),
        "{ended:?}"
    );
    assert!(
        ended.refused[1].contains("block erase): the drive says that it failed"),
        "{ended:?}"
    );
    assert!(orders.contains(&Order::LeaveFailureMode));
    // And nothing falls back to none.
    let mut drive = Drive::new(
        Ways {
            refuses: 9,
            ..Ways::default()
        },
        None,
    );
    let (ended, _) = run(&mut drive, &methods, |_| false);
    assert!(
        why(&ended).starts_with("no method did: ") && drive.holds == HELD,
        "{ended:?}"
    );
}

#[test]
fn a_drive_that_says_done_and_has_done_nothing_is_found_out() {
    for method in [
        Method::SanitizeCrypto,
        Method::SanitizeBlock,
        Method::FormatBlock,
        Method::Overwrite,
    ] {
        let mut drive = Drive::new(
            Ways {
                lies: true,
                ..Ways::default()
            },
            None,
        );
        let (ended, _) = run(&mut drive, &[method], |_| false);
        assert_eq!(dirty(&ended), u32::try_from(FEWEST).ok(), "{method:?}: {ended:?}");
    }
    let mut drive = Drive::new(
        Ways {
            forgets: true,
            ..Ways::default()
        },
        None,
    );
    let (ended, _) = run(&mut drive, &[Method::SanitizeBlock], |_| false);
    assert!(why(&ended).contains("knows nothing of it"), "{ended:?}");
}

#[test]
fn a_sanitize_that_stops_is_given_up_after_some_times_its_own_estimate() {
    let mut drive = Drive::new(
        Ways {
            stops: true,
            ..Ways::default()
        },
        None,
    );
    let (ended, orders) = run(&mut drive, &[Method::SanitizeBlock], |_| false);
    assert!(why(&ended).starts_with("it stopped at 99."), "{ended:?}");
    assert!(
        why(&ended).contains("it expects 100 s for the whole"),
        "{ended:?}"
    );
    let looks = orders
        .iter()
        .filter(|order| matches!(order, Order::Look(_)))
        .count();
    let most = usize::try_from(STALLS_AFTER * ESTIMATE).unwrap();
    assert!((most..most + 20).contains(&looks), "{looks} looks, a second each");
}

#[test]
fn a_drive_without_samples_is_not_erased() {
    let mut machine = Machine::begin(record(&[Method::Overwrite]));
    machine.take(Answer::Fingerprinted(samples(FEWEST - 1)), Moment::from_millis(2));
    machine.take(Answer::Noted, Moment::from_millis(3));
    assert!(
        why(&machine.erasing()).contains("as large as it says"),
        "{machine:?}"
    );
    assert_eq!(machine.next(), Order::Rest);
}

#[test]
fn a_sanitize_of_another_day_is_no_proof_of_ours() {
    // The power goes between the record and the order: the log says that just such a sanitize is done.
    let mut drive = Drive::new(Ways::default(), Some(Method::SanitizeBlock));
    let mut cuts = 0;
    let (ended, orders) = run(&mut drive, &[Method::SanitizeBlock], |order| {
        let is_first = *order == Order::Know && cuts == 0;
        cuts += u32::from(is_first);
        is_first
    });
    let starts = orders
        .iter()
        .filter(|order| matches!(order, Order::Start(_)))
        .count();
    assert_eq!((cuts, starts, dirty(&ended)), (1, 1, Some(0)), "{orders:?}");
    // It was taken, and then the drive was elsewhere: sanitized, and written to.
    let mut drive = Drive::new(Ways::default(), Some(Method::SanitizeBlock));
    let mut taken = record(&[Method::SanitizeBlock]);
    (taken.taken, taken.samples) = (true, samples(FEWEST));
    let mut machine = Machine::resume(taken);
    machine.take(Answer::Known, Moment::from_millis(2));
    machine.take(drive.look(Method::SanitizeBlock), Moment::from_millis(3));
    assert_eq!(machine.next(), Order::Know, "{machine:?}");
    machine.take(Answer::Known, Moment::from_millis(4));
    assert_eq!(machine.next(), Order::Start(Method::SanitizeBlock), "{machine:?}");
}

#[test]
fn a_controller_that_is_reset_is_asked_again_and_a_silent_one_is_given_up() {
    let mut machine = Machine::begin(record(&[Method::SanitizeBlock]));
    let mut drive = Drive::new(Ways::default(), None);
    let mut troubles = 0;
    while machine.next() != Order::Rest {
        let answer = match machine.next() {
            Order::Look(_) => {
                troubles += 1;
                Answer::Trouble("no answer".to_owned())
            }
            Order::Fingerprint => Answer::Fingerprinted(samples(FEWEST)),
            Order::Start(method) => drive.start(method),
            Order::Know => Answer::Known,
            Order::Note | Order::LeaveFailureMode | Order::ReadBack(_) | Order::Rest => Answer::Noted,
        };
        machine.take(answer, Moment::from_millis(2));
    }
    assert_eq!(troubles, MOST_TROUBLES);
    assert!(
        why(&machine.erasing()).contains("does not say how far"),
        "{machine:?}"
    );
}

#[test]
fn over_losses_of_power_at_any_step_what_is_called_done_is_done() {
    let all = [
        Method::SanitizeCrypto,
        Method::SanitizeBlock,
        Method::FormatCrypto,
        Method::FormatBlock,
        Method::AtaEnhanced,
        Method::Ata,
        Method::Overwrite,
    ];
    let (mut done, mut failed, mut cuts) = (0, 0, 0);
    for seed in 0..20_000 {
        let mut dice = Dice(seed);
        let ways = Ways {
            refuses: u32::try_from(dice.below(4)).unwrap(),
            fails: dice.once_in(4),
            lies: dice.once_in(8),
            stops: dice.once_in(8),
            forgets: dice.once_in(8),
        };
        let methods: Vec<Method> = all.into_iter().filter(|_| dice.once_in(2)).collect();
        let methods = if methods.is_empty() {
            vec![Method::Overwrite]
        } else {
            methods
        };
        let before = dice.once_in(2).then(|| methods[0]);
        let mut drive = Drive::new(ways, before);
        let mut left = dice.below(6);
        let (ended, orders) = run(&mut drive, &methods, |_| {
            let goes = left > 0 && dice.once_in(6);
            left -= u64::from(goes);
            cuts += u64::from(goes);
            goes
        });
        match dirty(&ended) {
            Some(0) => {
                done += 1;
                assert_ne!(drive.holds, HELD, "seed {seed}: {ways:?} {ended:?} {orders:?}");
                assert!(methods.contains(&ended.method));
            }
            Some(_) => assert!(drive.holds == HELD, "seed {seed}: {ways:?} {ended:?}"),
            None => {
                failed += 1;
                assert!(!why(&ended).is_empty(), "seed {seed}");
            }
        }
    }
    assert!(
        done > 5_000 && failed > 500 && cuts > 20_000,
        "{done} done, {failed} failed, {cuts} losses"
    );
}
