//! The wall's clock is set while the controller is away: what has a time to live keeps it.

use facts::Moment;
use rack_api::v1::PowerAsk;
use rack_controller::decide::Input;
use rack_controller::rack::{Rack, evolve};

use super::bench::{Bench, ask, config};

const HOUR: u64 = 3_600_000;

/// A controller that was told how long ago its machine booted, with a claim that stands for ten minutes.
fn begun() -> Bench {
    let mut bench = Bench::new(&config("n+1", "0", ""));
    told(&mut bench, "boot-1", 1_000_000);
    let ask = PowerAsk {
        ttl_seconds: Some(600),
        ..ask("web", 800)
    };
    bench.run(&Input::ClaimPower { ask, key: None }).unwrap();
    bench
}

/// What the kernel tells.
fn told(bench: &mut Bench, boot: &str, boot_millis: u64) {
    let boot_id = boot.to_owned();
    bench.run(&Input::ClockFound { boot_id, boot_millis }).unwrap();
}

/// A controller starts.
fn found(bench: &mut Bench, boot: &str, boot_millis: u64) {
    told(bench, boot, boot_millis);
    let version = "0".to_owned();
    bench.run(&Input::Started { version }).unwrap();
}

/// The controller is away for 60 s, while the wall's clock goes by so much.
fn away(bench: &mut Bench, wall_millis: i64) {
    let now = bench.now.millis().checked_add_signed(wall_millis).unwrap();
    bench.now = Moment::from_millis(now);
}

fn left(bench: &Bench) -> Option<u64> {
    let claim = bench.rack.claim_named("web")?;
    Some(claim.until?.millis().saturating_sub(bench.now.millis()))
}

#[test]
fn within_a_boot_only_the_time_that_passed_counts() {
    for wall in [60_000, 60_000 + HOUR.cast_signed(), 60_000 - 90_000] {
        let mut bench = begun();
        away(&mut bench, wall);
        found(&mut bench, "boot-1", 1_060_000);
        assert_eq!(left(&bench), Some(540_000), "the wall's clock went by {wall} ms");
        let mut told = bench.events.iter().rev();
        let told = told.find(|event| event.kind() == "clock_found").unwrap();
        let set = told.message().contains("was set");
        assert_eq!(set, wall != 60_000);
        // The journal gives the same rack.
        let mut again = Rack::new(&bench.rack.config);
        for event in bench.events.iter().filter(|event| event.is_journaled()) {
            evolve(&mut again, event);
        }
        assert_eq!(again.kept.claims, bench.rack.kept.claims);
        // And the next start goes by what stands now.
        away(&mut bench, 540_000);
        found(&mut bench, "boot-1", 1_600_000);
        assert_eq!(left(&bench), None, "its time is over");
    }
}

#[test]
fn after_a_boot_the_walls_clock_is_believed_and_that_is_told() {
    let mut bench = begun();
    away(&mut bench, HOUR.cast_signed());
    found(&mut bench, "boot-2", 20_000);
    assert_eq!(left(&bench), None);
    let told: Vec<String> = bench
        .events
        .iter()
        .filter(|event| event.kind() == "clock_found")
        .map(rack_controller::rack::Event::message)
        .collect();
    assert_eq!(
        told.last().unwrap(),
        "the controller's machine has booted: how long it was away is told by the wall's clock alone"
    );
}
