//! Previews of many asks at once and of moves, from what the keeper knows; watts from what caps the node. Nothing is written.

use agent_api::v1::{Ask, BatchRequest, DefragRequest, TopologyRule};
use facts::power::{PowerLimit, PowerZone};
use facts::{Bytes, Inventory, NoData, NumaNodeId, Power, Reading};
use intent::Mode;

use agent::reconcile::{Keeper, KeeperError};

use crate::fixture::{Fixture, NOW, machine, request, start};

fn ask(name: &str, cpus: u32, exclusive: bool) -> Ask {
    Ask {
        name: Some(name.parse().unwrap()),
        cpus,
        exclusive,
        ..Ask::default()
    }
}

fn batch(asks: Vec<Ask>) -> BatchRequest {
    BatchRequest {
        asks,
        all_or_nothing: false,
    }
}

/// The eight cores in two NUMA nodes of four.
fn divided() -> Inventory {
    let mut inventory = machine(8);
    let mut second = inventory.numa_nodes[0].clone();
    inventory.numa_nodes[0].cpus = "0-3".parse().unwrap();
    inventory.numa_nodes[0].distances = vec![10, 20];
    (second.id, second.cpus, second.distances) = (NumaNodeId(1), "4-7".parse().unwrap(), vec![20, 10]);
    inventory.numa_nodes.push(second);
    inventory
}

/// One package that is held to so many watts.
fn capped(mut inventory: Inventory, watts: u64) -> Inventory {
    inventory.power_zones = vec![PowerZone {
        device: "intel-rapl:0".to_owned(),
        name: "package-0".to_owned(),
        energy_microjoules: Reading::none(NoData::Refused),
        wraps_at_microjoules: None,
        limits: vec![PowerLimit {
            name: "long_term".to_owned(),
            limit_watts: Reading::Value(Power::from_watts(watts).unwrap()),
            max_watts: Reading::default(),
        }],
    }];
    inventory
}

#[test]
fn many_asks_get_places_that_do_not_overlap_or_the_reason_and_the_host_stays_as_it_is() {
    let fixture = Fixture::v2();
    let mut keeper = fixture.open();
    start(&mut keeper, "web", 2, true, 7);
    let before = fixture.all("");
    let asks = vec![
        ask("one", 2, true),
        ask("large", 6, true),
        ask("two", 3, true),
        ask("web", 1, true),
        ask("two", 1, true),
        ask("easy", 1, false),
    ];
    let offer = keeper.preview(&machine(8)).offers(&batch(asks.clone())).unwrap();
    assert_eq!(fixture.all(""), before);
    assert_eq!(offer.generation, keeper.generation());
    let cpus = |at: usize| offer.answers[at].offer.as_ref().map(|offer| offer.cpus.clone());
    let (one, two) = (cpus(0).unwrap(), cpus(2).unwrap());
    assert!(one.is_disjoint(&two) && one.len() == 2 && two.len() == 3);
    assert!(one.is_disjoint(&keeper.workloads()[0].cpus));
    let refused = |at: usize| offer.answers[at].refused.clone().unwrap();
    let large = refused(1);
    assert_eq!(large.code, "shortfall");
    assert!(large.why.contains("asked 6 exclusive CPUs"), "{large:?}");
    let way = "end web, and leave others out";
    assert!(large.would_fit.iter().any(|one| one == way), "{large:?}");
    assert_eq!(refused(3).code, "conflict");
    assert!(refused(3).why.contains("web is here already"));
    assert!(refused(4).why.contains("two stands twice"));
    assert!(cpus(5).is_some());
    assert_eq!(offer.placed, 3);
    let whole = |asks: Vec<Ask>| {
        let request = BatchRequest {
            asks,
            all_or_nothing: true,
        };
        keeper.preview(&machine(8)).offers(&request)
    };
    assert!(matches!(whole(asks.clone()), Err(KeeperError::Conflict(_))));
    assert!(matches!(
        whole(asks[..3].to_vec()),
        Err(KeeperError::Shortfall(_))
    ));
    assert_eq!(whole(vec![asks[0].clone(), asks[2].clone()]).unwrap().placed, 2);
}

#[test]
fn nonsense_in_a_batch_is_refused_and_spoils_nobody_elses_answer() {
    let fixture = Fixture::v2();
    let keeper = fixture.open();
    let preview = keeper.preview(&machine(8));
    assert!(matches!(
        preview.offers(&batch(Vec::new())),
        Err(KeeperError::BadAsk(_))
    ));
    let many = vec![
        Ask {
            cpus: 1,
            ..Ask::default()
        };
        1_001
    ];
    assert!(matches!(
        preview.offers(&batch(many)),
        Err(KeeperError::BadAsk(_))
    ));
    let offer = preview
        .offers(&batch(vec![
            ask("none", 0, true),
            ask("some", 1, true),
            Ask {
                cpus: 1,
                ..Ask::default()
            },
        ]))
        .unwrap();
    assert_eq!(offer.answers[0].refused.as_ref().unwrap().code, "bad_request");
    assert!(offer.answers[1].offer.is_some());
    assert_eq!(offer.answers[2].name.as_str(), "ask-3");
    let blank = keeper.preview(&Inventory::default());
    let offer = blank.offers(&batch(vec![ask("some", 1, true)])).unwrap();
    assert_eq!(offer.answers[0].refused.as_ref().unwrap().code, "refused");
    assert!(matches!(
        blank.defrag(&DefragRequest::default()),
        Err(KeeperError::Refused(_))
    ));
    let still = DefragRequest {
        bytes_per_second: Some(Bytes::ZERO),
        ..DefragRequest::default()
    };
    assert!(matches!(preview.defrag(&still), Err(KeeperError::BadAsk(_))));
}

#[test]
fn a_thousand_asks_are_answered_and_few_of_the_refused_are_searched_for() {
    let fixture = Fixture::v2();
    let keeper = fixture.open();
    let asks = (0..1_000)
        .map(|number| ask(&format!("w{number}"), 1, true))
        .collect();
    let offer = keeper.preview(&machine(8)).offers(&batch(asks)).unwrap();
    assert_eq!(offer.placed, 7, "one CPU stays with the host");
    let advised = offer.answers.iter().filter_map(|answer| answer.refused.as_ref());
    let advised = advised.filter(|refused| !refused.would_fit.is_empty()).count();
    assert!((1..=16).contains(&advised), "{advised}");
}

#[test]
fn moves_are_proposed_with_their_cost_and_not_made() {
    let fixture = Fixture::v2();
    let mut keeper = fixture.open();
    let mut place = |name: &str, cpus, pid| {
        keeper
            .start(request(name, cpus, true), pid, 0, &divided(), NOW)
            .unwrap()
    };
    place("a", 3, 7);
    place("b", 2, 8);
    let mut stuck = request("c", 1, true);
    stuck.ask.immovable = true;
    keeper.start(stuck, 9, 0, &divided(), NOW).unwrap();
    keeper.end(&"a".parse().unwrap(), NOW).unwrap();
    let before = fixture.all("");
    let preview = keeper.preview(&divided());
    let found = preview.defrag(&DefragRequest::default()).unwrap();
    assert_eq!(fixture.all(""), before);
    let stays: Vec<&str> = found.stays.iter().map(|one| one.workload.as_str()).collect();
    assert_eq!(stays, ["c"], "{found:?}");
    let now = found.largest_now.unwrap();
    let fitting = Ask {
        topology: TopologyRule::SingleNumaNode,
        ..ask("new", now, true)
    };
    let fits = |ask: Ask| {
        let request = DefragRequest {
            ask: Some(ask),
            bytes_per_second: None,
        };
        preview.defrag(&request)
    };
    let as_it_is = fits(fitting.clone()).unwrap();
    assert!(as_it_is.fits && as_it_is.moves.is_empty() && as_it_is.offer.is_some());
    let never = fits(ask("new", 8, true)).unwrap();
    assert!(
        !never.fits && never.offer.is_none() && never.why.contains("no moves were found"),
        "{never:?}"
    );
    assert!(matches!(fits(ask("new", 0, true)), Err(KeeperError::BadAsk(_))));
}

#[test]
fn a_move_shows_where_from_and_where_to_and_what_memory_goes() {
    let fixture = Fixture::v2();
    let mut keeper = fixture.open();
    // b fills half of the second NUMA node, as three CPUs of the first are taken when it comes.
    for (name, cpus, pid) in [("a", 3, 7), ("b", 2, 8)] {
        keeper
            .start(request(name, cpus, true), pid, 0, &divided(), NOW)
            .unwrap();
    }
    keeper.end(&"a".parse().unwrap(), NOW).unwrap();
    let found = keeper
        .preview(&divided())
        .defrag(&DefragRequest::default())
        .unwrap();
    assert_eq!(found.largest_now, Some(3), "{found:?}");
    let [only] = found.moves.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(only.workload.as_str(), "b");
    assert!(only.from.is_subset(&"4-7".parse().unwrap()) && only.to.is_subset(&"1-3".parse().unwrap()));
    assert_eq!((only.cpus_changed, only.memory_bytes), (2, Bytes::new(256 << 20)));
    assert_eq!(only.milliseconds, 250, "256 MiB at 1 GiB a second");
    assert_eq!(
        (found.memory_bytes, found.milliseconds),
        (only.memory_bytes, only.milliseconds)
    );
    assert_eq!(found.offer.unwrap().cpus.to_string(), "4-7");
}

#[test]
fn watts_are_promised_once_of_what_caps_the_node_and_refused_where_nothing_does() {
    let fixture = Fixture::v2();
    let keeper = Keeper::open(fixture.config(Mode::Enforce)).unwrap();
    let wants = |watts| Ask {
        watts: Power::from_watts(watts),
        ..ask(&format!("w{watts}"), 1, true)
    };
    let said = keeper.offer(&wants(100), &machine(8)).unwrap_err().to_string();
    assert!(
        said.contains("nothing that can be read caps the power of this node"),
        "{said}"
    );
    let inventory = capped(machine(8), 250);
    let offer = keeper.offer(&wants(100), &inventory).unwrap();
    assert_eq!(offer.watts, Power::from_watts(100));
    let why = "100 W of 250 W (the power limits in force of 1 CPU package)";
    assert!(
        offer.because.iter().any(|line| line == why),
        "{:?}",
        offer.because
    );
    let said = keeper.offer(&wants(251), &inventory).unwrap_err().to_string();
    assert!(
        said.contains("this node has 250 W in all (the power limits in force of 1 CPU package)"),
        "{said}"
    );
    let two = keeper
        .preview(&inventory)
        .offers(&batch(vec![wants(200), wants(100)]))
        .unwrap();
    assert_eq!(two.placed, 1);
    let refused = two
        .answers
        .iter()
        .find_map(|answer| answer.refused.clone())
        .unwrap();
    assert!(
        refused.why.contains("is promised to nobody") && refused.why.contains("has 200 W"),
        "{refused:?}"
    );
    // A lower cap counts at once: `busbar cap` changes the limit that the next look reads.
    let lowered = capped(machine(8), 80);
    let said = keeper.offer(&wants(100), &lowered).unwrap_err().to_string();
    assert!(said.contains("80 W in all"), "{said}");
}
