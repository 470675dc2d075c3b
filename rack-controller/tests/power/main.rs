//! Sums, offers and the interlock on a whole rack: the worked example of docs/power.md, and what people are answered.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions
)]

mod asks;
mod bad;
mod bench;
mod clock;
mod dark;
mod drills;
mod house_of_64;
mod leases;
mod lend;
mod memory;
mod preempt;
mod stuck;
mod switch;
mod terms;
mod together;

use std::path::Path;

use facts::supply::{Supplies, SupplyState};
use facts::{Moment, NoData, Power};
use rack_api::v1::{BayLife, DomainState, DrainRequest, Interlock};
use rack_controller::decide::{Input, Refusal, decide, drain_answer, seen_again};
use rack_controller::pools::power::plan;
use rack_controller::rack::{AgentFacts, NodeSide, Rack, evolve};
use rack_controller::view::view;

use bench::{Bench, config, drain_of, kinds, watts};

/// The table of docs/power.md; `BUSBAR_BLESS=1` writes it anew.
#[test]
fn the_worked_example_is_the_one_in_the_docs() {
    let mut table = String::from(
        "| supplies | policy | margin | installed | surviving | firm | of installed | total | of installed |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for (supplies, policy, margin) in [
        (6, "n", "0"),
        (6, "n+1", "0"),
        (6, "n+1", "0.03"),
        (4, "n+1", "0"),
        (6, "n+2", "0"),
        (6, "n+n", "0"),
    ] {
        let mut bench = Bench::new(&config(policy, margin, ""));
        for bay in supplies..6 {
            bench.shelf[bay] = None;
        }
        bench.look();
        let sums = bench.sums();
        let percent = |part: Power| {
            let tenths =
                (part.milliwatts() * 2_000 + sums.installed.milliwatts()) / (2 * sums.installed.milliwatts());
            format!("{}.{} %", tenths / 10, tenths % 10)
        };
        let domain = bench.rack.config.domain("shelf").unwrap();
        let total = plan::ride_limit(&sums, domain.overload_factor_ppm).share(1_000_000 - domain.margin_ppm);
        table.push_str(&format!(
            "| {supplies} × 3 kW | {policy} | {margin} | {} | {} | {} | {} | {} | {} |\n",
            sums.installed.to_kilowatt_text(),
            sums.surviving.to_kilowatt_text(),
            sums.firm.to_kilowatt_text(),
            percent(sums.firm),
            total.to_kilowatt_text(),
            percent(total),
        ));
    }
    for expected in [
        "15.0 kW | 83.3 % | 18.0 kW | 100.0 %",
        "80.8 % | 17.5 kW | 97.0 %",
        "75.0 % | 10.8 kW | 90.0 %",
        "50.0 % | 10.8 kW | 60.0 %",
    ] {
        assert!(table.contains(expected), "{table}\nhas no {expected}");
    }
    println!("{table}");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/power.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let (start, end) = (
        "<!-- worked example: made by a test -->\n",
        "<!-- end of the worked example -->",
    );
    let (before, rest) = text.split_once(start).unwrap();
    let (old, after) = rest.split_once(end).unwrap();
    if std::env::var_os("BUSBAR_BLESS").is_some() {
        std::fs::write(&page, format!("{before}{start}{table}{end}{after}")).unwrap();
    } else {
        assert_eq!(
            old, table,
            "docs/power.md is stale; BUSBAR_BLESS=1 writes it anew"
        );
    }
}

/// What is seen again as it was takes a shorter way: it must come to the same rack.
#[test]
fn an_agent_that_says_the_same_again_is_as_good_as_decided() {
    let config = config("n+1", "0", "");
    let mut bench = Bench::new(&config);
    bench.look();
    let seen = |machine: &str| {
        let uuid = Some(machine.to_owned());
        let facts = AgentFacts {
            uuid,
            ..AgentFacts::default()
        };
        Input::AgentSeen {
            node: "n01".to_owned(),
            facts: Box::new(facts),
        }
    };
    assert_eq!(seen_again(&bench.rack, &seen("a"), bench.now), None, "it is new");
    bench.run(&seen("a")).unwrap();
    bench.now = bench.now.after(std::time::Duration::from_millis(10));
    assert_eq!(
        seen_again(&bench.rack, &seen("b"), bench.now),
        None,
        "it is another one"
    );
    let again = seen_again(&bench.rack, &seen("a"), bench.now).unwrap();
    let mut short = bench.rack.clone();
    evolve(&mut short, &again);
    let mut long = bench.rack.clone();
    for event in decide(&long.clone(), &seen("a"), bench.now).unwrap() {
        evolve(&mut long, &event);
    }
    assert_eq!(short, long);
    bench
        .run(&Input::NodeSilent {
            node: "n01".to_owned(),
            side: NodeSide::Agent,
            reason: "gone".to_owned(),
        })
        .unwrap();
    assert_eq!(seen_again(&bench.rack, &seen("a"), bench.now), None, "it is back");
}

#[test]
fn a_rack_is_blind_then_on_probation_then_in_service() {
    let config = config("n+1", "0", "");
    let mut bench = Bench {
        rack: Rack::new(&config),
        now: Moment::from_millis(1_000),
        shelf: vec![Some(SupplyState::Ok); 6],
        led: vec![false; 6],
        events: Vec::new(),
    };
    bench
        .run(&Input::Started {
            version: "0".to_owned(),
        })
        .unwrap();
    bench.off();
    assert_eq!(bench.rack.kept.domains["shelf"].state, DomainState::Blind);
    let Err(Refusal::Shortfall { shortfall, .. }) = bench.claim("web", 1) else {
        panic!("a blind rack promises nothing");
    };
    assert_eq!(
        shortfall.would_fit,
        ["wait until the BMC shelf shows the supplies of shelf"]
    );
    bench.look();
    assert_eq!(bench.life(0), BayLife::Probation);
    assert!(bench.claim("web", 1).is_err());
    bench.pass(4_000);
    assert_eq!(bench.life(0), BayLife::InService);
    assert_eq!(bench.sums().headroom, watts(15_000));
}

#[test]
fn the_interlock_has_three_answers() {
    let mut bench = Bench::new(&config("n+1", "0", ""));
    bench.demo();
    let (answer, sentence, done) = bench.drain(|request| request.dry_run = true);
    assert_eq!(answer, Interlock::YesExposed);
    let exposed = "yes, exposed: 12.4 kW firm fits 15.0 kW that remain, but 12.0 kW would survive one more loss; \
release \"batch\" (0.8 kW) to keep redundancy, or say --exposed";
    assert_eq!(sentence, exposed);
    assert!(done.unwrap().is_empty());
    let (_, _, refused) = bench.drain(|_| {});
    let Err(Refusal::Interlock(answer)) = refused else {
        panic!("it must not begin without a word");
    };
    assert_eq!(answer.would_help, ["batch", "cache", "db", "web"]);

    bench.claim("big", 2_600).unwrap();
    bench.shelf[0] = None;
    bench.look();
    assert_eq!(bench.sums().state, DomainState::Exposed);
    let (answer, sentence, _) = bench.drain(|_| {});
    assert_eq!(answer, Interlock::No);
    assert_eq!(
        sentence,
        "no: 15.0 kW firm > 12.0 kW after the pull; release \"db\" (3.6 kW) or wait"
    );
}

#[test]
fn the_first_minutes_of_the_demonstration() {
    let mut bench = Bench::new(&config("n+1", "0", ""));
    bench.demo();
    assert_eq!(bench.sums().headroom, watts(2_600));
    bench
        .run(&Input::ReleaseClaim {
            claim: "batch".to_owned(),
        })
        .unwrap();
    let (answer, sentence, done) = bench.drain(|_| {});
    assert_eq!(
        (answer, sentence.as_str()),
        (Interlock::Yes, "yes: PSU 4, feed B")
    );
    assert_eq!(kinds(&done.unwrap()), ["drain_begun"]);
    assert_eq!(bench.life(3), BayLife::Draining);
    let events = bench.pass(10);
    assert_eq!(kinds(&events), ["led_lit", "ready_to_pull"]);
    assert!(bench.led[3]);
    bench.shelf[3] = None;
    let events = bench.look();
    assert_eq!(kinds(&events), ["supply_pulled"]);
    bench.pass(10);
    assert!(bench.led[3], "the light stays over the empty bay");
    bench.shelf[3] = Some(SupplyState::Ok);
    let mut events = bench.look();
    events.extend(bench.pass(1_000));
    events.extend(bench.pass(4_000));
    assert_eq!(
        kinds(&events),
        [
            "supply_inserted",
            "led_out",
            "supply_on_probation",
            "supply_in_service"
        ],
    );
    assert!(!bench.led[3]);
    assert_eq!(bench.sums().installed, watts(18_000));
}

#[test]
fn a_pull_that_nobody_prepared_is_said_with_its_sums() {
    let mut bench = Bench::new(&config("n+1", "0", ""));
    bench.demo();
    bench.shelf[3] = None;
    let events = bench.look();
    let lost = events.iter().find(|event| event.kind() == "supply_lost").unwrap();
    assert_eq!(
        lost.message(),
        "PSU 4 (shelf/psu-3, feed B) was pulled: installed 18.0 → 15.0 kW, firm headroom 2.6 → 0.0 kW"
    );
    assert_eq!(lost.subject(), "shelf/psu-3");
    assert_eq!(kinds(&events), ["supply_lost", "domain_exposed"]);
    let Err(Refusal::Shortfall { message, shortfall }) = bench.claim("more", 500) else {
        panic!("an exposed domain promises nothing");
    };
    assert_eq!(shortfall.short_watts, watts(500));
    assert!(
        message.contains("insert a supply in the empty bay PSU 4 (shelf/psu-3)"),
        "{message}"
    );
    assert!(message.contains("release \"cache\" (2.0 kW)"), "{message}");
    bench.shelf[3] = Some(SupplyState::Ok);
    bench.look();
    let Err(Refusal::Shortfall { shortfall, .. }) = bench.claim("more", 500) else {
        panic!("a settling supply does not count");
    };
    assert!(
        shortfall.would_fit.iter().any(
            |way| way.starts_with("wait for PSU 4 (shelf/psu-3), settling until")
                && way.ends_with("2.6 kW free would be enough")
        ),
        "{shortfall:?}"
    );
}

#[test]
fn an_exposed_drain_goes_back_by_itself_and_a_forced_one_does_not() {
    let mut bench = Bench::new(&config("n+1", "0", ""));
    bench.demo();
    let (_, sentence, done) = bench.drain(|request| request.exposed = true);
    assert!(
        sentence.ends_with("one more loss; back in service after 30 min unless it is pulled"),
        "{sentence}"
    );
    assert_eq!(kinds(&done.unwrap()), ["drain_begun", "domain_exposed"]);
    bench.pass(10);
    bench.pass(1_799_000);
    assert_eq!(bench.life(3), BayLife::ReadyToPull);
    let events = bench.pass(1_000);
    assert_eq!(kinds(&events), ["drain_ended", "domain_redundant", "led_out"]);
    assert_eq!(bench.life(3), BayLife::InService);

    bench.claim("big", 2_600).unwrap();
    bench.shelf[0] = None;
    bench.look();
    let request = DrainRequest {
        force: true,
        ..drain_of("shelf/psu-3")
    };
    assert!(matches!(
        drain_answer(&bench.rack, &request, bench.now),
        Err(Refusal::BadRequest(_))
    ));
    let (answer, _, done) = bench.drain(|request| {
        request.force = true;
        request.reason = Some("smoke".to_owned());
    });
    assert_eq!(answer, Interlock::No);
    let done = done.unwrap();
    assert!(
        done[0].message().contains("forced, \"smoke\""),
        "{}",
        done[0].message()
    );
    assert_eq!(bench.sums().state, DomainState::Deficit);
    bench.pass(7_200_000);
    assert_eq!(bench.life(3), BayLife::ReadyToPull);
    assert!(!bench.led[3], "no light burns longer than 30 min");
    bench.drain(|request| request.cancel = true).2.unwrap();
    assert_eq!(bench.life(3), BayLife::InService);
    assert_eq!(bench.sums().state, DomainState::Exposed);
}

#[test]
fn blindness_takes_no_promise_and_gives_none() {
    let mut bench = Bench::new(&config("n+1", "0", ""));
    bench.demo();
    let silent = Input::BmcSilent {
        bmc: "shelf".to_owned(),
        reason: NoData::Timeout,
        detail: String::new(),
    };
    let events = bench.run(&silent).unwrap();
    assert_eq!(kinds(&events), ["bmc_silent", "domain_blind"]);
    assert!(bench.run(&silent).unwrap().is_empty(), "one silence is one event");
    assert_eq!(bench.sums().held, watts(12_400));
    assert_eq!(bench.life(3), BayLife::InService);
    assert!(bench.claim("more", 100).is_err());
    let (answer, sentence, _) = bench.drain(|_| {});
    assert_eq!(answer, Interlock::No);
    assert!(sentence.contains("cannot be seen"), "{sentence}");
    let seen = view(&bench.rack, bench.now);
    assert_eq!(seen.domains[0].headroom_watts, Power::ZERO);
    assert!(!seen.domains[0].bays[3].seen);
    let events = bench.look();
    assert_eq!(kinds(&events), ["bmc_answered", "domain_redundant"]);
    bench.claim("more", 100).unwrap();
}

#[test]
fn a_bmc_that_lists_nothing_is_blind_and_one_that_omits_a_bay_is_not() {
    let mut bench = Bench::new(&config("n+1", "0", ""));
    let nothing = Input::SuppliesSeen {
        bmc: "shelf".to_owned(),
        supplies: Supplies::default(),
        read_at: bench.now,
    };
    let events = bench.run(&nothing).unwrap();
    assert_eq!(kinds(&events), ["domain_blind"]);
    let mut five = bench.supplies();
    five.domains[0].supplies.remove(3);
    let events = bench
        .run(&Input::SuppliesSeen {
            bmc: "shelf".to_owned(),
            supplies: five,
            read_at: bench.now,
        })
        .unwrap();
    assert_eq!(kinds(&events), ["supply_lost", "domain_redundant"]);
}
