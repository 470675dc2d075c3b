//! The journal's file or its log was cut or changed anywhere while no controller ran.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, ensure};
use house_tests::raise::{Binaries, Scratch};

use crate::budget::{claim, claims, config, rack, start};

/// Claims of the journal that is spoilt.
const CLAIMS: usize = 60;
/// How often it is spoilt; `BUSBAR_DAMAGES=N` says so often.
const DAMAGES: u64 = 24;

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// xorshift64: the same numbers from the same seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// A journal with claims in a folder: closed in order, or as a kill leaves it, with all of it in SQLite's log.
fn written(binaries: &Binaries, folder: &Path, is_killed: bool) -> anyhow::Result<BTreeSet<String>> {
    std::fs::create_dir(folder)?;
    let mut daemon = start(binaries, folder)?;
    for number in 0..CLAIMS {
        claim(&daemon, &format!("w-{number}"))?;
    }
    let had = claims(&daemon)?;
    if is_killed {
        daemon.kill9();
    } else {
        daemon.stop()?;
    }
    Ok(had)
}

/// A copy of a journal, with one cut or one bit changed in it; what was done.
fn spoilt(from: &Path, to: &Path, name: &str, dice: &mut Dice) -> anyhow::Result<String> {
    std::fs::create_dir_all(to.join("rack"))?;
    for entry in std::fs::read_dir(from.join("rack"))? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join("rack").join(entry.file_name()))?;
    }
    let path = to.join("rack").join(name);
    let mut bytes = std::fs::read(&path)?;
    let at = usize::try_from(dice.next() % u64::try_from(bytes.len())?)?;
    let bit = dice.next() % 8;
    let done = if dice.next().is_multiple_of(2) {
        bytes.truncate(at);
        format!("{name} was cut to {at} bytes")
    } else {
        *bytes.get_mut(at).context("a byte")? ^= 1 << bit;
        format!("bit {bit} of byte {at} of {name} was changed")
    };
    std::fs::write(path, bytes)?;
    Ok(done)
}

#[test]
fn no_damage_of_file_or_log_loses_a_claim_in_silence() -> anyhow::Result<()> {
    let (scratch, binaries) = (Scratch::new("damage")?, Binaries::find()?);
    let seed = number("BUSBAR_SEED").unwrap_or_else(|| u64::from(std::process::id())) | 1;
    println!("BUSBAR_SEED={seed}");
    let mut dice = Dice(seed);
    let (closed, killed) = (scratch.join("closed"), scratch.join("killed"));
    let had = [
        (&closed, "rack.sqlite", written(&binaries, &closed, false)?),
        (&killed, "rack.sqlite-wal", written(&binaries, &killed, true)?),
    ];
    let damages = number("BUSBAR_DAMAGES").unwrap_or(DAMAGES);
    let (mut whole, mut refused) = (0_u64, 0_u64);
    for round in 0..damages {
        let (from, name, had) = &had[usize::try_from(round % 2)?];
        let folder = scratch.join(&format!("round-{round}"));
        let done = spoilt(from, &folder, name, &mut dice)?;
        let was_refused = one(&binaries, &folder, had).with_context(|| format!("round {round}: {done}"))?;
        *(if was_refused { &mut refused } else { &mut whole }) += 1;
        std::fs::remove_dir_all(folder)?;
    }
    println!("{damages} damages: {refused} refused with what is missing, {whole} harmless");
    ensure!(refused > 0, "no damage was found");
    Ok(())
}

/// Whether the damage was refused; an error where a claim is lost and nobody says so.
fn one(binaries: &Binaries, folder: &Path, had: &BTreeSet<String>) -> anyhow::Result<bool> {
    let file = config(folder)?;
    let (file, state) = (
        file.display().to_string(),
        folder.join("rack").display().to_string(),
    );
    match start(binaries, folder) {
        Ok(daemon) => {
            let there = claims(&daemon)?;
            let lost: Vec<&String> = had.difference(&there).collect();
            ensure!(there == *had, "in silence: {lost:?} are lost of {there:?}");
            daemon.stop()?;
            return Ok(false);
        }
        Err(error) => {
            let said = format!("{error:#}");
            ensure!(
                said.contains("is damaged") && said.contains("busbar-rack recover"),
                "{said}"
            );
        }
    }
    let (is_whole, said) = rack(binaries, &["recover", &state, "--config", &file])?;
    ensure!(!is_whole, "refused, and nothing to recover: {said}");
    for part in ["damaged", "missing: ", "to go on:", "--yes"] {
        ensure!(said.contains(part), "no {part:?} in {said}");
    }
    let (is_done, said) = rack(binaries, &["recover", &state, "--yes"])?;
    ensure!(is_done && said.contains("the damaged files are in"), "{said}");
    let daemon = start(binaries, folder)?;
    let there = claims(&daemon)?;
    ensure!(there.is_subset(had), "claims that nobody made: {there:?}");
    claim(&daemon, "after")?;
    daemon.stop()?;
    Ok(true)
}
