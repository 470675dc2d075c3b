//! What one decision costs: 256 drives in 8 enclosures, 64 nodes. Printed, never judged: a time is the machine's.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use facts::Moment;
use nix::time::{ClockId, clock_gettime};
use rack_controller::config::RackConfig;
use rack_controller::decide::{DrivesInput, Input, decide};
use rack_controller::rack::{Rack, evolve};

use crate::bench::{Bench, CONFIG, ask};
use crate::world::{Part, World};

fn house() -> Bench {
    let mut config = CONFIG
        .split("[[node]]")
        .next()
        .unwrap()
        .replace("3000", "300000")
        .replace("drives = 3\n", "");
    let mut world = World::default();
    for number in 0..64 {
        let name = format!("n{number:02}");
        writeln!(
            config,
            "[[node]]\nname = \"{name}\"\ndomain = \"shelf\"\nmax_draw_watts = 800\nagent = \"http://127.0.0.1:1\""
        )
        .unwrap();
        world.node(&name, (number < 8).then(|| "127.0.0.1:4420".parse().unwrap()));
    }
    for number in 0..8 {
        let agent = format!("n{number:02}");
        writeln!(
            config,
            "[[enclosure]]\nname = \"jbof-{number}\"\nagent = \"{agent}\"\nbays = 32"
        )
        .unwrap();
        for bay in 1..=32 {
            world.put(
                &agent,
                &bay.to_string(),
                Part::new(&format!("S{number}-{bay:02}")),
            );
        }
    }
    let config = RackConfig::from_text(&config, Path::new("rack.toml")).unwrap();
    let mut bench = Bench {
        rack: Rack::new(&config),
        world,
        now: Moment::from_millis(1_800_000_000_000),
        events: Vec::new(),
    };
    bench.look();
    let serials: Vec<String> = bench
        .rack
        .kept
        .drives
        .all()
        .map(|drive| drive.id.serial().to_owned())
        .collect();
    assert_eq!(serials.len(), 256);
    for serial in &serials {
        bench.enrol(serial).unwrap();
    }
    bench.settle();
    bench
}

/// CPU time of this thread: what else runs on this machine is no part of a decision.
fn cpu_time() -> Duration {
    Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap())
}

fn p99(mut took: Vec<Duration>) -> Duration {
    took.sort();
    took[took.len() * 99 / 100]
}

#[test]
fn a_rack_of_256_drives_and_64_nodes_decides_and_fills_up() {
    let mut bench = house();
    let mut claims = Vec::new();
    let mut looks = Vec::new();
    for number in 0..128 {
        let mut wanted = ask(&format!("job {number}"), &format!("n{:02}", number % 64), "web");
        wanted.count = 2;
        wanted.spread = true;
        let input = Input::Drives(DrivesInput::Claim {
            ask: Box::new(wanted),
            key: None,
        });
        let began = cpu_time();
        let events = decide(&bench.rack, &input, bench.now).unwrap();
        claims.push(cpu_time() - began);
        for event in events {
            evolve(&mut bench.rack, &event);
            bench.events.push(event);
        }
        let node = format!("n{:02}", number % 8);
        bench.world.part(&format!("S{}-01", number % 8)).worn = 4 + u8::try_from(number / 8).unwrap();
        let view = Arc::new(bench.world.view(&node));
        let began = cpu_time();
        bench
            .run(&Input::Drives(DrivesInput::Seen { node, view }))
            .unwrap();
        looks.push(cpu_time() - began);
    }
    let full = bench.claim(&ask("one more", "n00", "web")).unwrap_err();
    assert!(full.to_string().contains("256 lent"), "{full}");
    println!(
        "MEASURED claim_decision_p99 {:?}, look_decision_p99 {:?}",
        p99(claims),
        p99(looks)
    );
}
