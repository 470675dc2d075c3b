//! `cargo prove NAME`: measurements against their targets, a line a figure, made in one run on this machine.

mod ask;
mod beside;
mod bighost;
mod drives;
mod encode;
mod exporter;
mod facts;
mod figure;
mod isolation;
mod page;
mod power;
mod raised;
mod scrape;
mod sick;
mod view;

use std::process::ExitCode;

use crate::Wrong;
use crate::place::Place;
use crate::progress::Screen;
use crate::up;

use figure::Figure;
pub use isolation::{burn, measure, storm, turns};

const HELP: &str = "\
cargo prove NAME: measures, and compares with the targets

  cargo prove NAME [--write] [--no-build]

  house      facts, first scrape, a pulled supply, recovery after kill -9, the length of `cargo verify`
  facts      the agent beside node_exporter: CPU time, memory and latency of a scrape; sick sources; a BMC's page and packets;
             how fast a page is written
  isolation  decisions about places; an agent that enforces on this machine: start of a workload beside systemd-run and crun (in an
             emulated machine too, where systemd is the first process), many who share, a noisy neighbour, random operations with
             kill -9. It needs root, and makes cgroups of its own, which it removes
  power      64 real agents whose packages are files, the controller, the simulated shelf: losses, claims, the interlock, kill -9; 1,000
             simulated agents on one controller; decisions; a journal of a million events; the worked example; random days. It needs root
  drives     claims of pooled drives, 256 drives and 64 nodes: decided, and journaled; random operations; attach, fence and pull in
             an emulated machine (the story `pooled` of the lab)

Builds optimised binaries, prints `what | value | target | pass` a line, the load average before and
after, and exits 1 where a figure misses its target. On a busy machine the figures are worth little.

  --write      also rewrite its table in docs/performance.md
  --no-build   measure the binaries that are there
";

/// What can be proved today; other names come with their issues.
const KNOWN: [&str; 5] = ["house", "facts", "isolation", "power", "drives"];

/// Runs `cargo prove`.
pub fn prove(words: &[String]) -> Result<ExitCode, Wrong> {
    let (mut name, mut write, mut build) = (None, false, true);
    for word in words {
        match word.as_str() {
            "--write" => write = true,
            "--no-build" => build = false,
            "--help" | "-h" => {
                print!("{HELP}");
                return Ok(ExitCode::SUCCESS);
            }
            other if !other.starts_with('-') && name.is_none() => name = Some(other),
            other => {
                return Err(Wrong::Usage(format!(
                    "cargo prove: unknown word {other:?}\n\n{HELP}"
                )));
            }
        }
    }
    let known = KNOWN.join(", ");
    let name = match name {
        Some(name) if KNOWN.contains(&name) => name,
        Some(other) => {
            return Err(Wrong::Usage(format!(
                "cargo prove {other}: nothing of that name can be proved yet; known: {known}. Each further one comes with its issue."
            )));
        }
        None => {
            return Err(Wrong::Usage(format!(
                "cargo prove: which one? known: {known}\n\n{HELP}"
            )));
        }
    };
    let place = Place::find()?;
    let screen = Screen::new();
    if build {
        up::build(&place, &screen, true)?;
        if name == "facts" {
            sick::build(&place, &screen)?;
        }
        if name == "power" {
            power::build(&place, &screen)?;
        }
        if name == "drives" {
            drives::build(&place, &screen)?;
        }
    }
    let before = figure::load();
    screen.line(&format!("load average before: {before}"));
    let figures = measured(name, &place, &screen)?;
    let after = figure::load();
    screen.line(&format!("load average after: {after}"));
    if write {
        page::write(name, &place, &figures, &before, &after)?;
        screen.line("docs/performance.md: the table is rewritten");
    }
    let missed = figures.iter().filter(|figure| !figure.holds()).count();
    screen.line(&format!("{} figures, {missed} missed", figures.len()));
    Ok(if missed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn measured(name: &str, place: &Place, screen: &Screen) -> Result<Vec<Figure>, Wrong> {
    let mut figures = Vec::new();
    let mut add = |more: Vec<Figure>| {
        for figure in more {
            screen.line(&figure.line());
            figures.push(figure);
        }
    };
    if name == "facts" {
        add(beside::node_exporter(place, screen)?);
        add(sick::node(place)?);
        add(view::bmc(place, screen)?);
        add(encode::page(place)?);
        return Ok(figures);
    }
    if name == "isolation" {
        isolation::node(place, screen, add)?;
        return Ok(figures);
    }
    if name == "power" {
        power::rack(place, screen, add)?;
        return Ok(figures);
    }
    if name == "drives" {
        drives::pool(place, screen, add)?;
        return Ok(figures);
    }
    add(facts::cold(place)?);
    add(facts::first_scrape(place)?);
    add(raised::house(place)?);
    add(vec![figure::verify(place)]);
    Ok(figures)
}
