//! The journal is an older one, with a good chain and a head that fits: only the agents know that there was more.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use house_tests::raise::{Fleet, may_unshare};
use house_tests::wait;

use crate::budget::rack;
use crate::stand::{
    FLOOR, LARGE, PATIENCE, claim, claimed, health, installed, is_told, is_well, lease, limit_becomes, plan,
    refused, says, stands,
};

/// Longer than a lease, and than several looks at the shelf: what would be raised is raised by then.
const A_WHILE: Duration = Duration::from_secs(8);
/// What everybody says of it.
const WORDS: [&str; 3] = ["the journal is missing events", "n01", "busbar-rack recover"];

fn copied(from: &Path, to: &Path) -> anyhow::Result<()> {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// Until the agents keep what the journal has come to.
fn agents_know(fleet: &Fleet) -> anyhow::Result<u64> {
    wait::until("the agents to keep the journal's head", PATIENCE, || {
        let written = fleet.view()?["journal_sequence"].as_u64().context("a number")?;
        for node in &fleet.nodes {
            let view = lease(fleet, &node.name)?;
            ensure!(
                view["head"]["sequence"].as_u64() == Some(written),
                "{written}: {view}"
            );
        }
        Ok(Some(written))
    })
}

/// Nothing rises, nothing is promised, and everybody says why: also to who asks before the agents were heard.
fn is_held(fleet: &Fleet) -> anyhow::Result<()> {
    let hasty = [
        "claim", "power", "--for", "hasty", "--domain", "contract", "--watts", "1",
    ];
    says(&refused(fleet, &hasty)?, &WORDS)?;
    wait::until("/healthz to say that events are missing", PATIENCE, || {
        says(&health(fleet)?, &WORDS).map(Some)
    })?;
    is_told(
        fleet,
        &WORDS,
        &[
            ("busbar_rack_journal_writable", 1.0),
            ("busbar_rack_doubts{kind=\"journal\"}", 1.0),
        ],
    )?;
    installed(fleet, 18_000)?;
    for words in [
        &[
            "claim", "power", "--for", "tardy", "--domain", "shelf", "--watts", "1",
        ][..],
        &[
            "claim",
            "power",
            "--for",
            "tardy",
            "--domain",
            "shelf",
            "--watts",
            "1",
            "--dry-run",
        ][..],
        &["drain", "shelf/psu-3"][..],
    ] {
        let said = refused(fleet, words)?;
        says(&said, &["nothing was done"])?;
        says(&said, &WORDS)?;
    }
    std::thread::sleep(A_WHILE);
    let limit = fleet.nodes[3].limit();
    ensure!(
        limit == FLOOR,
        "raised to {limit} W for a claim that was released"
    );
    Ok(())
}

#[test]
fn a_journal_that_agents_know_more_than_promises_and_raises_nothing() -> anyhow::Result<()> {
    if !may_unshare() {
        println!("skipped: this needs root, for mount namespaces");
        return Ok(());
    }
    let mut fleet = Fleet::raise("behind", &plan())?;
    fleet.start_rack()?;
    let mut had = claimed(&fleet)?;
    agents_know(&fleet)?;
    fleet.kill_rack();
    let (state, copy) = (fleet.state_dir(), fleet.folder.join("older"));
    copied(&state, &copy)?;
    fleet.start_rack()?;
    installed(&fleet, 18_000)?;
    // What the older one does not know: a claim was released, others were made.
    fleet.busbar(&["release", "cache"])?;
    limit_becomes(&fleet, 3, FLOOR, "its floor without its claim")?;
    for number in 0..20 {
        claim(
            &fleet,
            &mut BTreeSet::new(),
            &format!("forgotten-{number}"),
            &["--domain", "shelf", "--watts", "100"],
        )?;
    }
    let known = agents_know(&fleet)?;
    fleet.kill_rack();
    copied(&copy, &state)?;

    fleet.start_rack()?;
    is_held(&fleet)?;
    goes_on_beyond(&mut fleet, known)?;
    is_held(&fleet)?;
    recovered(&mut fleet, &mut had)
}

/// It writes on, past what the agents knew, and is started anew: that its number is the higher one now makes it no better.
fn goes_on_beyond(fleet: &mut Fleet, known: u64) -> anyhow::Result<()> {
    let mut spares = 0;
    wait::until("the journal to be longer than the agents' one", PATIENCE, || {
        // Another part each time: none of them is a loose contact, which would settle for longer and longer.
        spares += 1;
        let (place, serial) = (format!("shelf/psu-{}", spares % 6), format!("SPARE-{spares}"));
        fleet.world.act(&["pull", &place])?;
        installed(fleet, 15_000)?;
        fleet
            .world
            .act(&["insert", &place, "--serial", &serial, "--watts", "3000"])?;
        installed(fleet, 18_000)?;
        let written = fleet.view()?["journal_sequence"].as_u64().context("a number")?;
        ensure!(written > known, "{written} of {known}");
        Ok(Some(()))
    })?;
    ensure!(!health(fleet)?.is_empty(), "it grew, and is believed again");
    // The agents have kept what they knew, so the next controller hears of it, too.
    fleet.kill_rack();
    fleet.start_rack()
}

fn recovered(fleet: &mut Fleet, had: &mut BTreeSet<String>) -> anyhow::Result<()> {
    let (state, config) = (
        fleet.state_dir().display().to_string(),
        fleet.config().display().to_string(),
    );
    let words = ["recover", &state, "--config", &config];
    let (is_whole, said) = rack(&fleet.binaries, &words)?;
    ensure!(!is_whole, "{said}");
    says(&said, &["the agent of n01", "missing: ", "to go on:", "--yes"])?;
    fleet.kill_rack();
    let (is_done, said) = rack(
        &fleet.binaries,
        &["recover", &state, "--config", &config, "--yes"],
    )?;
    ensure!(is_done, "{said}");
    fleet.start_rack()?;
    installed(fleet, 18_000)?;
    limit_becomes(fleet, 3, LARGE, "what the journal that was kept has for it")?;
    is_well(fleet)?;
    stands(fleet, had)?;
    claim(fleet, had, "after", &["--domain", "shelf", "--watts", "1"])?;
    stands(fleet, had)
}
