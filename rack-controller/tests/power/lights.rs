//! How long a bay's light burns, on a clock in the test's hands.

use facts::supply::SupplyState;
use rack_api::v1::BayLife;

use super::bench::{Bench, config};

const MINUTE: u64 = 60_000;

#[test]
fn the_light_over_an_empty_bay_goes_out_by_itself_after_half_an_hour() {
    let mut bench = Bench::new(&config("n+1", "0", ""));
    bench.drain(|_| {}).2.unwrap();
    bench.pass(1_000);
    assert_eq!((bench.life(3), bench.led[3]), (BayLife::ReadyToPull, true));
    bench.pass(5 * MINUTE);
    bench.shelf[3] = None;
    bench.look();
    bench.pass(1_000);
    assert_eq!(
        (bench.life(3), bench.led[3]),
        (BayLife::Empty, true),
        "whoever brings the part sees where"
    );
    bench.pass(24 * MINUTE + 50_000);
    assert!(bench.led[3], "half an hour from the drain is not over");
    bench.pass(MINUTE);
    assert!(!bench.led[3], "it would burn until somebody comes");
    // And it does not come on again by itself.
    bench.pass(60 * MINUTE);
    assert!(!bench.led[3]);
    bench.shelf[3] = Some(SupplyState::Ok);
    bench.look();
    for _ in 0..10 {
        bench.pass(1_000);
    }
    assert_eq!((bench.life(3), bench.led[3]), (BayLife::InService, false));
}
