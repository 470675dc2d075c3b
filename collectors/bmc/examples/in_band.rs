//! What the node's own BMC says through the kernel's device: `cargo run -p bmc --example in_band [/dev/ipmi0 [TURNS]]`.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use bmc::ipmi::{InBand, Ipmi, observe};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut words = std::env::args().skip(1);
    let path = words.next().unwrap_or_else(|| "/dev/ipmi0".to_owned());
    let turns: u32 = words.next().map_or(2, |turns| turns.parse().unwrap());
    let ipmi = Ipmi::in_band(InBand::new(path));
    match observe::device(&ipmi).await {
        Ok(device) => println!("{device:?}"),
        Err(error) => println!("{}", error.whole()),
    }
    for turn in 0..turns {
        let began = Instant::now();
        match observe::refresh(&ipmi).await {
            Ok(refresh) => {
                let (sensors, took) = (refresh.readings.len(), began.elapsed());
                println!(
                    "turn {turn}: {} messages for {sensors} sensors in {took:?}",
                    refresh.sent
                );
                for (sensor, reading) in refresh.sensors().filter(|_| turn == 0) {
                    let name = sensor.name.as_deref().unwrap_or("(no name)");
                    println!(
                        "  {name:<20} {:?} {} {:?}",
                        reading.value,
                        sensor.unit.words(),
                        reading.states
                    );
                }
                println!(
                    "  power {:?}\n  log {:?}\n  doubts {:?}",
                    refresh.power, refresh.log, refresh.doubts
                );
            }
            Err(error) => println!("turn {turn}: {}", error.whole()),
        }
        println!("  {:?}", ipmi.packets());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
