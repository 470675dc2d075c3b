//! Several asks at once, and moves that make room for a refused one.

use agent::place::{
    DEFAULT_RATE, Machine, Refusal, Taken, advice, place, place_all, propose, roomiest, why_it_stays,
};
use agent_api::v1::{Ask, TopologyRule};
use facts::Bytes;
use intent::Generation;

use crate::made::{machine, with_distances};

fn ask(cpus: u32) -> Ask {
    Ask {
        cpus,
        exclusive: true,
        ..Ask::default()
    }
}

fn narrow(cpus: u32) -> Ask {
    Ask {
        topology: TopologyRule::SingleNumaNode,
        ..ask(cpus)
    }
}

fn taken(machine: &Machine, asks: &[Ask]) -> Vec<Taken> {
    let mut taken = Vec::new();
    for (number, ask) in asks.iter().enumerate() {
        let offer = place(ask, machine, &taken, Generation(1)).unwrap();
        taken.push(Taken::of(format!("w{number}").parse().unwrap(), ask, &offer));
    }
    taken
}

#[test]
fn a_batch_places_the_difficult_first() {
    // Two NUMA nodes with 4 CPUs each; the host keeps one.
    let two = Machine::of(&with_distances(machine([2, 1, 1, 4, 1])), None);
    let asks = [ask(1), ask(2), narrow(4)];
    // One by one, as they come, fits too here; the other way round it must not be luck.
    let batch = place_all(&asks, &two, &[], Generation(1), true).unwrap();
    assert_eq!(batch.order, [2, 1, 0]);
    let offers: Vec<_> = batch
        .answers
        .iter()
        .map(|answer| &answer.as_ref().unwrap().cpus)
        .collect();
    assert!(
        offers[0].is_disjoint(offers[1])
            && offers[0].is_disjoint(offers[2])
            && offers[1].is_disjoint(offers[2])
    );
    let too_many = [ask(3), ask(3), narrow(4)];
    let Err(Refusal::Shortfall(text)) = place_all(&too_many, &two, &[], Generation(1), true) else {
        panic!("10 CPUs of 7")
    };
    assert!(
        text.starts_with("2 of 3 asks fit together, and all were wanted; ask number 2"),
        "{text}"
    );
    let each = place_all(&too_many, &two, &[], Generation(1), false).unwrap();
    assert_eq!(each.answers.iter().filter(|answer| answer.is_ok()).count(), 2);
    assert!(
        place_all(&[], &two, &[], Generation(1), true)
            .unwrap()
            .answers
            .is_empty()
    );
}

#[test]
fn moves_make_room_and_are_costed() {
    let two = Machine::of(&with_distances(machine([2, 1, 1, 4, 1])), None);
    let small = Ask {
        memory_bytes: Some(Bytes::new(3 << 30)),
        ..ask(1)
    };
    // One workload of one CPU on each NUMA node, so that no NUMA node has 4 free.
    let mut taken = taken(&two, &[ask(3), small]);
    let moved = taken[1].clone();
    assert_eq!(moved.cpus.to_string(), "4");
    taken.remove(0);
    assert!(place(&narrow(4), &two, &taken, Generation(1)).is_err());
    let proposal = propose(&narrow(4), &two, &taken, DEFAULT_RATE).unwrap();
    assert_eq!(proposal.offer.cpus.to_string(), "4-7");
    let [one] = proposal.moves.as_slice() else {
        panic!("{proposal:?}")
    };
    assert_eq!(
        (one.cpus_changed, one.memory_moved, one.milliseconds),
        (1, Bytes::new(3 << 30), 3_000)
    );
    assert_eq!(
        one.to_string(),
        "w1 from CPUs 4 to 1 (1 of its CPUs change, 3 GiB of memory move to NUMA node 0, about 3.0 s)"
    );
    let ways = advice(&narrow(4), &two, &taken);
    assert_eq!(ways[0], "ask for 3 CPUs");
    assert_eq!(ways[1], "end w1");
    assert!(
        ways[2].starts_with("move w1 from CPUs 4 to 1") && ways[2].ends_with("at 1 GiB a second"),
        "{ways:?}"
    );
    taken[0].immovable = true;
    assert_eq!(propose(&narrow(4), &two, &taken, DEFAULT_RATE), None);
    taken[0].immovable = false;
    taken[0].ask = None;
    assert_eq!(
        propose(&narrow(4), &two, &taken, DEFAULT_RATE),
        None,
        "nobody knows where else it would fit"
    );
}

#[test]
fn no_moves_are_proposed_where_none_help() {
    let two = Machine::of(&machine([2, 1, 1, 4, 1]), None);
    let held = taken(&two, &[ask(4), ask(3)]);
    assert_eq!(propose(&ask(1), &two, &held, DEFAULT_RATE), None);
    assert_eq!(
        propose(&ask(1), &two, &[], DEFAULT_RATE),
        None,
        "it fits as it is"
    );
    assert_eq!(advice(&ask(1), &two, &held), ["end w1 or w0"]);
}

#[test]
fn two_moves_where_one_is_not_enough() {
    // Three NUMA nodes of 4 CPUs; the host keeps CPU 0. Two workloads of one CPU each on NUMA nodes 1 and 2.
    let three = Machine::of(&with_distances(machine([3, 1, 1, 4, 1])), None);
    let one = |number: usize| Taken {
        ask: Some(ask(1)),
        ..Taken::new(
            format!("w{number}").parse().unwrap(),
            number.to_string().parse().unwrap(),
        )
    };
    let mut held: Vec<Taken> = [4, 5, 8, 9].map(one).into();
    let proposal = propose(&narrow(4), &three, &held, DEFAULT_RATE).unwrap();
    let moved: Vec<String> = proposal
        .moves
        .iter()
        .map(|one| one.workload.to_string())
        .collect();
    assert_eq!(
        (moved, proposal.cost().1),
        (vec!["w4".to_owned(), "w5".to_owned()], 2)
    );
    let rest = held
        .iter()
        .filter(|one| !proposal.moves.iter().any(|moved| moved.workload == one.workload));
    let all = rest
        .map(|one| &one.cpus)
        .chain(proposal.moves.iter().map(|moved| &moved.to.cpus));
    let mut seen = proposal.offer.cpus.clone();
    for cpus in all {
        assert!(cpus.is_disjoint(&seen), "{cpus} twice");
        seen.add(cpus);
    }
    held[0].immovable = true;
    held[2].immovable = true;
    assert_eq!(propose(&narrow(4), &three, &held, DEFAULT_RATE), None);
}

#[test]
fn a_refused_ask_of_a_batch_is_told_whom_to_leave_out_and_never_to_move_who_is_not_there_yet() {
    let two = Machine::of(&with_distances(machine([2, 1, 1, 4, 1])), None);
    let named = |name: &str, ask: Ask, priority| Ask {
        name: Some(name.parse().unwrap()),
        priority: Some(intent::Priority::new(priority).unwrap()),
        ..ask
    };
    let asks = [
        named("first", ask(3), 1),
        named("second", ask(3), 5),
        named("whole", narrow(4), 5),
    ];
    let batch = place_all(&asks, &two, &[], Generation(1), false).unwrap();
    assert_eq!(batch.placed(), 2);
    let refused = batch.answers.iter().position(Result::is_err).unwrap();
    let ways = batch.ways(refused, &asks, &two, &[]);
    let others: Vec<&str> = ["first", "second", "whole"]
        .into_iter()
        .enumerate()
        .filter_map(|(at, name)| (at != refused).then_some(name))
        .collect();
    assert!(
        ways.iter()
            .any(|way| others.iter().any(|name| *way == format!("leave {name} out"))),
        "{ways:?}"
    );
    assert!(
        ways.iter()
            .all(|way| !way.starts_with("move") && !way.starts_with("end")),
        "{ways:?}"
    );
    let fits = (0..asks.len()).find(|at| *at != refused).unwrap();
    assert!(
        batch.ways(fits, &asks, &two, &[]).is_empty(),
        "who fits needs no way out"
    );
    assert!(batch.ways(99, &asks, &two, &[]).is_empty());
    // Too large for the machine, whoever is left out.
    let huge = [named("huge", ask(99), 5), named("one", ask(1), 5)];
    let batch = place_all(&huge, &two, &[], Generation(1), false).unwrap();
    let ways = batch.ways(0, &huge, &two, &[]);
    assert!(ways.iter().all(|way| !way.starts_with("leave")), "{ways:?}");
}

#[test]
fn what_moving_would_give_is_found_where_nobody_says_for_whom() {
    let two = Machine::of(&with_distances(machine([2, 1, 1, 4, 1])), None);
    assert_eq!(roomiest(&two, &[], DEFAULT_RATE).now, 4);
    assert_eq!(
        roomiest(&two, &[], DEFAULT_RATE).more,
        None,
        "nothing stands in the way"
    );
    // One CPU in the middle of each NUMA node is taken.
    let holder = |name: &str, cpus: &str| Taken {
        ask: Some(ask(1)),
        ..Taken::new(name.parse().unwrap(), cpus.parse().unwrap())
    };
    let mut taken = vec![holder("a", "2"), holder("b", "6")];
    let room = roomiest(&two, &taken, DEFAULT_RATE);
    assert_eq!(room.now, 3);
    let (ask, proposal) = room.more.unwrap();
    assert_eq!((ask.cpus, ask.topology), (4, TopologyRule::SingleNumaNode));
    assert_eq!(proposal.moves.len(), 1, "{proposal:?}");
    assert_eq!(proposal.offer.cpus.to_string(), "4-7");
    taken.iter_mut().for_each(|one| one.immovable = true);
    assert_eq!(roomiest(&two, &taken, DEFAULT_RATE).more, None);
    assert_eq!(why_it_stays(&taken[0]), Some("it asked never to be moved"));
    assert!(why_it_stays(&Taken::new("x".parse().unwrap(), "1".parse().unwrap())).is_some());
}
