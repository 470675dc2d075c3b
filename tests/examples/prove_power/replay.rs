//! A journal of a million events: opened, verified and replayed as at a controller's start.

use std::time::{Duration, Instant};

use anyhow::ensure;
use facts::{Moment, Power};
use house_tests::raise::Scratch;
use rack_controller::config::RackConfig;
use rack_controller::journal::{self, Journal, Telling};
use rack_controller::rack::{Event, NodeOrder, Order, What};

use crate::sample::told;

const EVENTS: u64 = 1_000_000;
/// Events of one transaction while it is written.
const BATCH: u64 = 20_000;

/// Made of what a busy rack journals most: orders of one node's cap, and notes of nodes that come and go.
pub fn million() -> anyhow::Result<()> {
    let folder = Scratch::new("million")?;
    let state = folder.join("rack");
    let began = Instant::now();
    write(&state)?;
    told("journal.written_seconds", began.elapsed().as_secs_f64(), "");
    let text = "[rack]\nname = \"r\"\nmode = \"observe\"\nstate_dir = \"/nowhere\"\n[[domain]]\nname = \"b\"\nsource = \"budget\"\n\
                budget_watts = 20000\nredundancy = \"n\"\nmargin = 0.0\nfixed_load_watts = 0\noverload_factor = 1.2\noverload_for = \"1s\"\n";
    let config = RackConfig::from_text(text, folder.path())?;
    let began = Instant::now();
    let recalled = journal::recall(&state, &config)?;
    let whole = began.elapsed();
    ensure!(
        (recalled.snapshot, recalled.rack.kept.sequence) == (0, EVENTS),
        "{} events came back, after a snapshot of event {}",
        recalled.rack.kept.sequence,
        recalled.snapshot
    );
    drop(recalled);
    let began = Instant::now();
    let quiet = journal::replay(&state, 0, Telling::Quiet, &mut std::io::sink())?;
    ensure!(quiet.events == EVENTS && quiet.damage.is_none(), "{quiet:?}");
    let note = format!(
        "busbar-rack replay --quiet takes {:.1} s",
        began.elapsed().as_secs_f64()
    );
    told("journal.replayed", whole.as_secs_f64() * 1_000.0, &note);
    Ok(())
}

fn write(state: &std::path::Path) -> anyhow::Result<()> {
    let mut journal = Journal::open(state)?;
    for batch in 0..EVENTS / BATCH {
        let events: Vec<Event> = (0..BATCH).map(|number| one(batch * BATCH + number)).collect();
        journal.append(&events)?;
    }
    Ok(())
}

fn one(number: u64) -> Event {
    let node = format!("n{:02}", number % 64);
    let cap = Power::from_milliwatts(200_000 + number % 50_000);
    let at = Moment::EPOCH.after(Duration::from_millis(number));
    let order = Order {
        number: number / 64 + 1,
        at,
        cap,
        levels: vec![cap],
        may: cap,
        may_levels: vec![cap],
    };
    let what = match number % 4 {
        0 => What::NodeReady { node },
        1 => What::NodeUnreachable {
            node,
            reason: "it did not answer within 5 s".to_owned(),
        },
        _ => What::CapsOrdered {
            orders: vec![NodeOrder { node, order }],
            granted: Vec::new(),
            shed: Vec::new(),
            given: Power::ZERO,
            taken: Power::ZERO,
        },
    };
    Event::new(at, what)
}
