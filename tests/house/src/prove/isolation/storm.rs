//! A storm: workloads come and go at random, agents and their clients are killed at any moment, and the kernel is watched.

use std::path::Path;
use std::process::{Child, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::super::figure::Figure;
use super::dice::Dice;
use super::masks::Masks;
use super::stand::{Stand, end_members, terminate};
use super::watch::{EXCLUSIVE, Seen, Watcher};
use crate::Wrong;

/// Operations on a kernel with partitions (the issue's own number), and on one without, where there is less to break.
const OPERATIONS: usize = 10_000;
const OPERATIONS_WITHOUT: usize = 1_000;
/// How many workloads live at once at most.
const MOST: usize = 12;
/// After so many operations agent and kernel must say the same.
const AGREE_EVERY: usize = 250;
/// Of a hundred operations, how many end an agent by kill -9, and how many a client.
const KILLS: usize = 8;
const CLIENTS: usize = 4;
/// A kill comes at any time within this from the beginning of an operation, in microseconds: an answer takes less.
const MOMENT: usize = 8_000;
/// A client that neither runs its command nor gives up by then hangs.
const OVER_WITHIN: Duration = Duration::from_secs(30);

const SEED: u64 = 0x2026_1122;

struct Live {
    name: String,
    client: Child,
}

struct Storm<'s> {
    stand: &'s mut Stand,
    dice: Dice,
    live: Vec<Live>,
    count: usize,
    kills: usize,
    agreed: usize,
    watcher: Watcher,
    hears: Hears,
}

/// Hears after how many operations agent and kernel said the same, how many kills there were, and what the watcher has seen.
type Hears = fn(usize, usize, [usize; 2]);

/// `house prove-storm COUNT [SEED]`, in a guest of the lab: so many operations by the programs beside this one, and a line for each check.
pub fn storm(words: &[String]) -> Result<ExitCode, Wrong> {
    let (most, seed) = asked(words).ok_or_else(|| {
        Wrong::Usage("house prove-storm COUNT [SEED]: two numbers, neither of them 0".to_owned())
    })?;
    let program = std::env::current_exe()
        .map_err(|err| Wrong::Failed(format!("cannot find out where this program lies: {err}")))?;
    let binaries = program.parent().unwrap_or(Path::new("/"));
    let folder = std::env::temp_dir().join("prove-storm");
    std::fs::create_dir_all(&folder)
        .map_err(|err| Wrong::Failed(format!("cannot make {}: {err}", folder.display())))?;
    let before = Masks::read();
    let mut stand = Stand::raise_in(folder, binaries)?;
    let begun = Instant::now();
    println!("{most} operations of seed {seed}");
    let mut figures = blown(&mut stand, most, seed, |done, kills, [moments, shared]| {
        println!(
            "after {done} operations, {kills} kill -9 of the agent, agent and kernel say the same; {shared} of {moments} moments with two holders"
        );
    });
    let took = begun.elapsed().as_secs();
    figures.push(before.figure());
    for figure in &figures {
        let (word, is, what) = (
            if figure.holds() { "ok" } else { "FAIL" },
            &figure.value,
            &figure.what,
        );
        println!("MEASURED {what}: {is}");
        println!(
            "CHECK {word} {what}{}",
            if figure.holds() {
                String::new()
            } else {
                format!(": {is}")
            }
        );
    }
    println!("MEASURED all of that took: {took} s");
    stand.lower()?;
    Ok(ExitCode::SUCCESS)
}

fn asked(words: &[String]) -> Option<(usize, u64)> {
    let (most, seed) = match words {
        [most] => (most, None),
        [most, seed] => (most, Some(seed)),
        _ => return None,
    };
    let most = most.parse().ok().filter(|most| *most > 0)?;
    let seed = seed.map_or(Some(SEED), |seed| seed.parse().ok().filter(|seed| *seed > 0))?;
    Some((most, seed))
}

/// Does as many as this kernel deserves; what was seen.
pub fn operations(stand: &mut Stand) -> Vec<Figure> {
    let most = if stand.has_partitions() {
        OPERATIONS
    } else {
        OPERATIONS_WITHOUT
    };
    blown(stand, most, SEED, |_, _, _| ())
}

/// Does them all; what was seen.
fn blown(stand: &mut Stand, most: usize, seed: u64, hears: Hears) -> Vec<Figure> {
    let watcher = Watcher::start(stand.roots());
    let mut storm = Storm {
        stand,
        dice: Dice::new(seed),
        live: Vec::new(),
        count: 0,
        kills: 0,
        agreed: 0,
        watcher,
        hears,
    };
    let went = storm.blow(most);
    let ended = went.and_then(|()| storm.end());
    let (kills, agreed) = (storm.kills, storm.agreed);
    let seen = storm.watcher.stop();
    figures(most, kills, agreed, &seen, ended)
}

fn figures(most: usize, kills: usize, agreed: usize, seen: &Seen, ended: Result<(), String>) -> Vec<Figure> {
    let first = seen.first.as_deref().unwrap_or("none");
    vec![
        Figure {
            what: format!(
                "{most} random operations, {kills} kill -9 of the agent among them: moments at which a CPU had two holders"
            ),
            value: format!(
                "{} of {} looked at; the first: {first}",
                seen.shared, seen.moments
            ),
            target: "0".to_owned(),
            verdict: Some(seen.shared == 0 && seen.moments > 0),
        },
        Figure {
            what: format!(
                "ledger and kernel say the same, every {AGREE_EVERY} operations, and nothing is left at the end"
            ),
            value: match &ended {
                Ok(()) => format!("{agreed} times; nothing left"),
                Err(why) => format!("{agreed} times, then: {why}"),
            },
            target: "always".to_owned(),
            verdict: Some(ended.is_ok()),
        },
    ]
}

impl Storm<'_> {
    fn blow(&mut self, most: usize) -> Result<(), String> {
        for done in 1..=most {
            self.live.retain_mut(|live| !is_over(&mut live.client));
            let is_full = self.live.len() >= MOST;
            if !is_full && (self.live.is_empty() || self.dice.percent(55)) {
                self.begin()?;
            } else {
                self.finish()?;
            }
            if self.dice.percent(KILLS) {
                self.kill_agent()?;
            }
            if done % AGREE_EVERY == 0 {
                self.settle()?;
                (self.hears)(done, self.kills, self.watcher.so_far());
            }
        }
        Ok(())
    }

    /// A workload, exclusive or not; whether it is granted does not matter here.
    fn begin(&mut self) -> Result<(), String> {
        self.count += 1;
        let is_exclusive = self.dice.percent(50);
        let kind = if is_exclusive { EXCLUSIVE } else { "s-" };
        let name = format!("{kind}{}", self.count);
        let cpus = (1 + self.dice.below(3)).to_string();
        let mut words = vec!["--cpus", &cpus, "--name", &name];
        if is_exclusive {
            words.push("--exclusive");
        }
        let client = self
            .stand
            .run(&words, &["sleep", "1000"])
            .stdout(Stdio::null())
            .spawn()
            .map_err(|err| format!("busbar run: {err}"))?;
        self.live.push(Live { name, client });
        self.pause();
        Ok(())
    }

    /// One of them is asked to end, or its client is killed and what it ran goes on until it is ended like an orphan.
    fn finish(&mut self) -> Result<(), String> {
        let chosen = self.dice.below(self.live.len());
        let mut live = self.live.swap_remove(chosen);
        if self.dice.percent(CLIENTS) {
            // Gone already where it was refused.
            let _ = live.client.kill();
            let _ = live.client.wait();
            self.end_orphans(&live.name);
            return Ok(());
        }
        terminate(&live.client);
        over(&mut live)
    }

    /// Ends what still runs in a workload.
    fn end_orphans(&self, name: &str) {
        for root in self.stand.roots() {
            end_members(&root.join(name));
        }
    }

    fn pause(&mut self) {
        let micros = u64::try_from(self.dice.below(MOMENT)).unwrap_or(0);
        thread::sleep(Duration::from_micros(micros));
    }

    fn kill_agent(&mut self) -> Result<(), String> {
        self.kills += 1;
        self.stand.kill();
        self.stand.start().map_err(said)
    }

    /// Nothing is under way: agent and kernel must say the same.
    fn settle(&mut self) -> Result<(), String> {
        // Whoever has been refused, or lost its agent, ends by itself; the others run.
        self.stand.agree()?;
        self.agreed += 1;
        Ok(())
    }

    /// Everything ends.
    fn end(&mut self) -> Result<(), String> {
        for mut live in std::mem::take(&mut self.live) {
            terminate(&live.client);
            over(&mut live)?;
        }
        // What clients left behind that were killed runs on, as it should.
        for orphaned in self.stand.kernel().into_keys() {
            self.end_orphans(&orphaned);
        }
        self.stand.gone()?;
        match self.stand.agree()? {
            0 => Ok(()),
            left => Err(format!("{left} workloads are left")),
        }
    }
}

fn said(wrong: Wrong) -> String {
    match wrong {
        Wrong::Usage(text) | Wrong::Failed(text) => text,
    }
}

fn is_over(client: &mut Child) -> bool {
    !matches!(client.try_wait(), Ok(None))
}

/// Waits for a client that was asked to end. One that was asked before its command ran is asked again.
fn over(live: &mut Live) -> Result<(), String> {
    let begun = Instant::now();
    let mut asked = Instant::now();
    while !is_over(&mut live.client) {
        if begun.elapsed() > OVER_WITHIN {
            let _ = live.client.kill();
            return Err(format!("{} does not end", live.name));
        }
        if asked.elapsed() > Duration::from_millis(200) {
            asked = Instant::now();
            terminate(&live.client);
        }
        thread::sleep(Duration::from_micros(200));
    }
    Ok(())
}
