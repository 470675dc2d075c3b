//! The ladder: which act, about whom, until when, and what follows where it did not help.
#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm)]

use intent::Priority;

use super::*;

fn minute(minute: u64) -> Moment {
    Moment::from_millis(minute * 60_000)
}

fn suspect(id: &str, priority: u64, resource: Resource) -> Suspect {
    Suspect {
        id: id.parse().unwrap(),
        resource,
        score: 0.5,
        standing: Standing::Actable,
        priority: Priority::new(priority).unwrap(),
        evidence: Vec::new(),
    }
}

fn finding(suspects: Vec<Suspect>) -> Finding {
    Finding {
        victim: "web".parse().unwrap(),
        signal: Signal::Pressure,
        value: 0.5,
        threshold: 0.1,
        is_fresh: true,
        suspects,
    }
}

fn samples(ids: &[&str]) -> Vec<Sample> {
    let sample = |id: &&str| Sample {
        id: id.parse().unwrap(),
        since: Moment::EPOCH,
        standing: Standing::Actable,
        priority: Priority::default(),
        cpu: 1.0,
        bandwidth: None,
        signals: BTreeMap::new(),
    };
    ids.iter().map(sample).collect()
}

fn ladder(mode: InterferenceMode) -> Ladder {
    Ladder::new(mode, Allowed::default(), &Thresholds::published())
}

fn act(news: &[News]) -> Deed {
    let acts = news.iter().filter_map(|one| match one {
        News::Act(deed) => Some(deed.clone()),
        _ => None,
    });
    let acts: Vec<Deed> = acts.collect();
    assert_eq!(acts.len(), 1, "{news:?}");
    acts.into_iter().next().unwrap()
}

#[test]
fn the_least_protected_is_held_back_for_a_time_and_again_where_that_helped() {
    let mut ladder = ladder(InterferenceMode::Act);
    let all = samples(&["web", "a", "b"]);
    let suffers = [finding(vec![
        suspect("a", 5, Resource::CpuTime),
        suspect("b", 9, Resource::CpuTime),
    ])];
    let first = act(&ladder.step(minute(0), &suffers, &all));
    assert_eq!(
        (first.antagonist.as_str(), first.grade, first.is_done),
        ("b", Grade::CpuMax, true)
    );
    assert_eq!(first.until, minute(5));
    assert_eq!(ladder.step(minute(1), &suffers, &all), [], "one at a time");
    assert_eq!(
        ladder.step(minute(2), &[], &all),
        [News::Over(first.victim.clone())]
    );
    assert_eq!(ladder.step(minute(5), &[], &all), [News::Undo(first, true)]);
    assert_eq!(act(&ladder.step(minute(9), &suffers, &all)).grade, Grade::CpuMax);
}

#[test]
fn what_did_not_help_is_followed_by_the_next_grade_as_advice() {
    let mut ladder = ladder(InterferenceMode::Act);
    let all = samples(&["web", "a"]);
    let suffers = [finding(vec![suspect("a", 5, Resource::MemoryBandwidth)])];
    let first = act(&ladder.step(minute(0), &suffers, &all));
    assert_eq!((first.grade, first.is_done), (Grade::CpuMax, true));
    for (at, grade) in [(5, Grade::Move), (10, Grade::Freeze), (15, Grade::Freeze)] {
        let next = act(&ladder.step(minute(at), &suffers, &all));
        assert_eq!((next.grade, next.is_done), (grade, false));
    }
    // An hour later it is forgotten.
    ladder.step(minute(20), &[], &all);
    assert_eq!(act(&ladder.step(minute(81), &suffers, &all)).grade, Grade::CpuMax);
}

#[test]
fn advice_is_never_done_and_begins_with_cache_where_traffic_is_seen() {
    let mut ladder = ladder(InterferenceMode::Advise);
    let all = samples(&["web", "a"]);
    let suffers = [finding(vec![suspect("a", 5, Resource::MemoryBandwidth)])];
    let first = act(&ladder.step(minute(0), &suffers, &all));
    assert_eq!((first.grade, first.is_done), (Grade::Cache, false));
    let second = act(&ladder.step(minute(5), &suffers, &all));
    assert_eq!((second.grade, second.is_done), (Grade::CpuMax, false));
}

#[test]
fn the_protected_are_named_and_left_alone_and_who_is_gone_is_let_go() {
    let mut ladder = ladder(InterferenceMode::Act);
    let mut other = suspect("a", 1, Resource::CpuTime);
    other.standing = Standing::Protected;
    let news = ladder.step(minute(0), &[finding(vec![other])], &samples(&["web", "a"]));
    assert!(matches!(news.as_slice(), [News::Named(_)]), "{news:?}");
    let suffers = [finding(vec![suspect("b", 5, Resource::CpuTime)])];
    let deed = act(&ladder.step(minute(1), &suffers, &samples(&["web", "b"])));
    let news = ladder.step(minute(2), &[], &samples(&["b"]));
    assert!(news.contains(&News::Undo(deed, true)), "{news:?}");
}

#[test]
fn a_refused_act_is_followed_by_another_grade() {
    let mut ladder = ladder(InterferenceMode::Act);
    let all = samples(&["web", "a"]);
    let suffers = [finding(vec![suspect("a", 5, Resource::CpuTime)])];
    let first = act(&ladder.step(minute(0), &suffers, &all));
    ladder.refused(&first);
    assert_eq!(act(&ladder.step(minute(1), &suffers, &all)).grade, Grade::Move);
}

fn all_of(allowed: Allowed) -> Ladder {
    Ladder::new(InterferenceMode::Act, allowed, &Thresholds::published())
}

/// The grades that are done about `a`, five minutes each, as long as the victim suffers.
fn climbed(ladder: &mut Ladder, signal: Signal, priority: u64) -> Vec<(Grade, bool)> {
    let all = samples(&["web", "a"]);
    let suffers = [Finding {
        signal,
        ..finding(vec![suspect("a", priority, Resource::CpuTime)])
    }];
    let mut grades = Vec::new();
    for round in 0..6_usize {
        let news = ladder.step(minute(5 * u64::try_from(round).unwrap()), &suffers, &all);
        let acts = news.iter().filter_map(|one| match one {
            News::Act(deed) => Some((deed.grade, deed.is_done)),
            _ => None,
        });
        grades.extend(acts);
        let undone = news
            .iter()
            .filter(|one| matches!(one, News::Undo(_, false)))
            .count();
        assert_eq!(
            undone,
            usize::from(round > 0 && grades.len() >= round && grades[round - 1].1)
        );
    }
    grades
}

#[test]
fn each_grade_comes_where_the_one_before_did_not_help_and_who_stood_still_in_vain_is_acquitted() {
    let done =
        |grades: &[Grade]| -> Vec<(Grade, bool)> { grades.iter().map(|grade| (*grade, true)).collect() };
    let mut ladder = all_of(Allowed::only(&Grade::ALL));
    assert_eq!(
        climbed(&mut ladder, Signal::CyclesPerInstruction, 5),
        done(&Grade::ALL)
    );
    let mut ladder = all_of(Allowed::only(&Grade::ALL));
    assert_eq!(
        climbed(&mut ladder, Signal::Pressure, 5),
        done(&Grade::ALL[1..]),
        "whoever waits for a CPU is not helped by cache"
    );
    let mut ladder = all_of(Allowed::only(&[Grade::Cache, Grade::Freeze]));
    assert_eq!(
        climbed(&mut ladder, Signal::CyclesPerInstruction, 5),
        done(&[Grade::Cache, Grade::Freeze]),
        "what is not allowed is passed over where something else is"
    );
    let mut ladder = all_of(Allowed::only(&[]));
    let advice = climbed(&mut ladder, Signal::CyclesPerInstruction, 5);
    assert!(advice.iter().all(|(_, is_done)| !is_done), "{advice:?}");
    assert_eq!(advice[0].0, Grade::Cache);
}

#[test]
fn a_workload_and_a_priority_have_their_own_grades() {
    let mut allowed = Allowed::only(&[]);
    allowed
        .by_priority
        .insert(Priority::new(9).unwrap(), vec![Grade::Freeze]);
    let mut ladder = all_of(allowed.clone());
    assert_eq!(climbed(&mut ladder, Signal::Pressure, 9), [(Grade::Freeze, true)]);
    let mut ladder = all_of(allowed.clone());
    assert!(!climbed(&mut ladder, Signal::Pressure, 8)[0].1);
    allowed
        .by_workload
        .insert("a".parse().unwrap(), vec![Grade::CpuMax]);
    let mut ladder = all_of(allowed);
    assert_eq!(
        climbed(&mut ladder, Signal::Pressure, 9)[0],
        (Grade::CpuMax, true),
        "the workload's own word is stronger"
    );
}

#[test]
fn who_was_named_stays_named_when_nobody_can_be_told_from_anybody_any_more() {
    let mut ladder = all_of(Allowed::only(&[Grade::CpuMax, Grade::Freeze]));
    let all = samples(&["web", "a"]);
    let named = [finding(vec![suspect("a", 5, Resource::CpuTime)])];
    let nobody = [finding(Vec::new())];
    assert_eq!(ladder.step(minute(0), &nobody, &all), [], "nobody was named yet");
    assert_eq!(act(&ladder.step(minute(1), &named, &all)).grade, Grade::CpuMax);
    assert_eq!(act(&ladder.step(minute(6), &nobody, &all)).grade, Grade::Freeze);
    // Whoever ended is not acted upon, and when it is over it is forgotten who was named.
    assert!(
        !ladder
            .step(minute(12), &nobody, &samples(&["web"]))
            .iter()
            .any(|one| matches!(one, News::Act(_)))
    );
    ladder.step(minute(13), &[], &all);
    assert_eq!(ladder.step(minute(14), &nobody, &all), []);
}
