//! A noisy week before the alert rules: contacts bounce, BMCs restart, agents stall for seconds, supplies are swapped; and a dozen things
//! go wrong that somebody must know. The real core lives it by a virtual clock, its page of metrics is taken each minute, and promtool
//! evaluates the rules and what silences what over all of it. Causes are told, and nobody is told of what was drained.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm
)]

mod judge;
mod pages;
mod rack;
mod script;
mod silence;

use std::collections::BTreeMap;

use script::{Script, Telling};

/// The seed of the week in docs/metrics.md; `BUSBAR_SEED=N` lives another one.
const SEED: u64 = 12;

fn seed() -> u64 {
    let said = std::env::var("BUSBAR_SEED").ok();
    said.and_then(|said| said.parse().ok()).unwrap_or(SEED)
}

#[test]
fn a_noisy_week_is_told_in_few_alerts() {
    let Some(promtool) = judge::promtool() else {
        return;
    };
    let began = std::time::Instant::now();
    let script = Script::new(seed());
    let mut pages = pages::Pages::new(&judge::rules());
    let happened = rack::live(&script, &mut pages);
    println!("seed {}: {happened:?}, lived in {:.0?}", seed(), began.elapsed());
    assert!(
        happened.values().sum::<usize>() > 300,
        "that is no noisy week: {happened:?}"
    );

    let folder = tempfile::tempdir().unwrap();
    let counted = judge::week(&promtool, folder.path(), &pages);
    println!("fired: {:?}\ntold: {:?}", counted.fired, counted.told);
    let mut expected: BTreeMap<String, usize> = BTreeMap::new();
    for cause in &script.causes {
        if let Telling::Alert(alert) = cause.telling {
            *expected.entry(alert.to_owned()).or_default() += 1;
        }
    }
    let causes: usize = expected.values().sum();
    assert_eq!(
        counted.told,
        expected,
        "seed {}: causes, and nothing else",
        seed()
    );
    // What is held back has fired: that nothing is told is the work of the inhibitions, and not of rules that see nothing.
    for alert in [
        "BusbarSupplyPulledUnasked",
        "BusbarRedundancyLost",
        "BusbarSupplyFaulted",
        "BusbarBmcSilent",
        "BusbarNodeUnreachable",
    ] {
        let (fired, told) = (counted.fired[alert], expected.get(alert).copied().unwrap_or(0));
        assert!(
            fired > told,
            "{alert} fired {fired} times and was told {told} times"
        );
    }
    let page = std::fs::read_to_string(judge::house().join("docs/metrics.md")).unwrap();
    if seed() == SEED {
        let sentence = format!(
            "{} alerts for {} causes",
            counted.told.values().sum::<usize>(),
            causes
        );
        assert!(
            page.contains(&sentence),
            "docs/metrics.md does not say: {sentence}"
        );
    }
}
