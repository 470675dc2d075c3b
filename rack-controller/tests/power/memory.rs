//! A lessor whose agent knows more of the journal than the journal: it sends nothing that would make the agent forget that.

use std::time::Duration;

use agent_api::v1::{Head, LeaseInForce, LeaseView};
use facts::{Moment, Power};
use rack_controller::pools::power::act::lessor::machine::{Answer, Machine, Request};
use rack_controller::rack::{LeaseSight, Order};

fn head(sequence: u64, chain: &str) -> Head {
    Head {
        sequence,
        chain: chain.to_owned(),
    }
}

fn at(millis: u64) -> Moment {
    Moment::EPOCH.after(Duration::from_millis(millis))
}

/// What an agent answers that was leased to by a rack under this head.
fn view(rack: &str, seen: &Head) -> LeaseView {
    let watts = Power::from_milliwatts(1);
    LeaseView {
        boot_id: "b".to_owned(),
        node: None,
        now_millis: 1,
        lease: Some(LeaseInForce {
            rack: rack.to_owned(),
            sequence: 1,
            cap_watts: watts,
            levels: vec![watts],
            level: 0,
            expired: false,
            expires_millis: 5,
            in_force_watts: Some(watts),
            applied: true,
            why_not: None,
        }),
        head: Some(seen.clone()),
        not_capped: Vec::new(),
    }
}

/// A lessor of a journal that had come to event 150 when its controller started.
struct Told {
    machine: Machine,
    now: u64,
}

impl Told {
    fn new() -> Told {
        let mut machine = Machine::new("r", Power::ZERO, at(0)).since(head(150, "cc"));
        let order = Order {
            number: 1,
            at: at(0),
            cap: Power::from_milliwatts(1),
            levels: vec![Power::from_milliwatts(1)],
            may: Power::ZERO,
            may_levels: vec![Power::ZERO],
        };
        machine.order(&order, at(0));
        Told { machine, now: 0 }
    }

    /// One request, answered so; the head that it carried, and what the turn is told.
    fn step(&mut self, now_at: &Head, rack: &str, seen: &Head) -> (Option<Head>, Option<LeaseSight>) {
        self.now += 2_000;
        let sent = match self.machine.send(at(self.now), now_at).unwrap() {
            Request::Ask => None,
            Request::Put(lease) => Some(lease.head),
        };
        let answer = Answer::View(Box::new(view(rack, seen)));
        (sent, self.machine.heard(answer, now_at, at(self.now)))
    }
}

#[test]
fn what_an_agent_knows_beyond_the_journal_is_never_written_over() {
    let mut told = Told::new();
    assert_eq!(told.step(&head(151, "dd"), "r", &head(160, "aa")).0, None);
    let (sent, sight) = told.step(&head(152, "ee"), "r", &head(160, "aa"));
    assert_eq!(sent.unwrap().sequence, 159, "below what it knows");
    assert_eq!(sight.unwrap().ahead, Some(160));
    // Also when ours has become the longer one.
    let (sent, sight) = told.step(&head(170, "ff"), "r", &head(160, "aa"));
    assert_eq!((sent.unwrap().sequence, sight.unwrap().ahead), (159, Some(160)));
}

#[test]
fn an_older_head_is_looked_up_before_it_may_be_replaced() {
    for is_there in [true, false] {
        let mut told = Told::new();
        let theirs = head(140, "aa");
        told.step(&head(151, "dd"), "r", &theirs);
        assert_eq!(told.machine.older(), Some(theirs.clone()));
        assert_eq!(told.machine.older(), None, "once");
        let (sent, _) = told.step(&head(151, "dd"), "r", &theirs);
        assert_eq!(sent.unwrap().sequence, 139, "until that is known");
        told.machine.looked_up(&theirs, is_there);
        let (sent, sight) = told.step(&head(151, "dd"), "r", &theirs);
        let expected = if is_there { (151, None) } else { (139, Some(140)) };
        assert_eq!((sent.unwrap().sequence, sight.unwrap().ahead), expected);
    }
}

#[test]
fn another_racks_head_says_nothing_of_ours() {
    let mut told = Told::new();
    told.step(&head(151, "dd"), "other", &head(5_000, "aa"));
    assert_eq!(told.machine.older(), None);
    let (sent, sight) = told.step(&head(151, "dd"), "r", &head(151, "dd"));
    assert_eq!((sent.unwrap().sequence, sight.unwrap().ahead), (151, None));
}

#[test]
fn a_lease_of_ours_whose_answer_was_lost_is_not_taken_for_one_from_before() {
    let mut told = Told::new();
    // Nobody leased to it before.
    told.now += 2_000;
    let fresh = LeaseView {
        lease: None,
        head: None,
        ..view("r", &head(0, ""))
    };
    let asked = told.machine.send(at(told.now), &head(151, "dd"));
    assert!(matches!(asked, Some(Request::Ask)), "{asked:?}");
    let answer = Answer::View(Box::new(fresh));
    told.machine.heard(answer, &head(151, "dd"), at(told.now));
    // It takes our lease, and we never hear of that.
    told.now += 2_000;
    let put = told.machine.send(at(told.now), &head(175, "ee"));
    assert!(matches!(put, Some(Request::Put(_))), "{put:?}");
    let lost = Answer::Silent("no answer in time".to_owned());
    told.machine.heard(lost, &head(175, "ee"), at(told.now));
    let (sent, _) = told.step(&head(176, "ff"), "r", &head(175, "ee"));
    assert_eq!(sent, None, "a question first");
    let (sent, sight) = told.step(&head(176, "ff"), "r", &head(176, "ff"));
    assert_eq!((sent.unwrap().sequence, sight.unwrap().ahead), (176, None));
}
