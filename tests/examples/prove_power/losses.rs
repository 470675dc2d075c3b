//! Supplies that are pulled while every node draws all that it may: how soon the last agent has lowered, and how soon the rack draws no
//! more than what is left.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use facts::Moment;
use house_tests::raise::{Fleet, bay};
use house_tests::{http, wait};
use serde_json::{Value, json};

use crate::rack::{FIRM, WHOLE, all_become};
use crate::sample::{Sample, told};

/// So many losses are made.
pub const LOSSES: usize = 30;
const PATIENCE: Duration = Duration::from_secs(60);

pub fn measured(fleet: &Fleet, losses: usize) -> anyhow::Result<()> {
    let (mut seen, mut lowered) = (Sample::default(), Sample::default());
    let (mut first, mut ridden) = (Sample::default(), Sample::default());
    let mut sequence = last_sequence(fleet)?;
    for number in 0..losses {
        let before = fleet.world.status()?;
        let offset = std::fs::metadata(fleet.log())?.len();
        let pulled = Instant::now();
        act(fleet, &json!({ "verb": "pull", "place": bay(number) }))?;
        let wall = now_millis();
        all_become(fleet, FIRM)?;
        let (lost, next) = lost_at(fleet, sequence)?;
        seen.add_millis(lost - wall);
        let answered = answers(fleet, offset)?;
        let from = |millis: f64| (millis - lost).max(0.0);
        lowered.add_millis(from(answered.iter().copied().fold(0.0, f64::max)));
        first.add_millis(from(answered.iter().copied().fold(f64::MAX, f64::min)));
        ridden.add_millis(rode(fleet, &before)?);
        ensure!(
            pulled.elapsed() < PATIENCE,
            "a loss that takes minutes is no loss"
        );
        let serial = format!("SPARE-{number}");
        act(
            fleet,
            &json!({ "verb": "insert", "place": bay(number), "serial": serial, "milliwatts": null }),
        )?;
        all_become(fleet, WHOLE)?;
        sequence = next;
    }
    seen.tell("loss.seen");
    first.tell("loss.first_agent");
    lowered.tell("loss.last_agent");
    ridden.tell("loss.ridden");
    told("loss.ridden_longest", ridden.max(), "");
    Ok(())
}

fn act(fleet: &Fleet, verb: &Value) -> anyhow::Result<()> {
    let reply = http::ask("POST", &fleet.world.addresses.control, "/do", Some(verb))?;
    ensure!(reply.status == 200, "{verb}: {} {}", reply.status, reply.body);
    Ok(())
}

fn now_millis() -> f64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64() * 1_000.0)
}

fn events(fleet: &Fleet, after: u64) -> anyhow::Result<Vec<Value>> {
    let events = http::get(fleet.url(), &format!("/v1/events?after={after}"))?;
    events.as_array().cloned().context("a list of events")
}

fn last_sequence(fleet: &Fleet) -> anyhow::Result<u64> {
    let view = fleet.view()?;
    view["journal_sequence"].as_u64().context("journal_sequence")
}

/// When the controller saw the loss, by its own clock, and how far the journal has come. Caps fall before the journal is written, so it
/// is waited for.
fn lost_at(fleet: &Fleet, after: u64) -> anyhow::Result<(f64, u64)> {
    wait::until("the loss in the journal", PATIENCE, || {
        let (mut from, mut lost) = (after, None);
        loop {
            let page = events(fleet, from)?;
            let Some(last) = page.last() else { break };
            let event = page.iter().find(|event| event["kind"] == "supply_lost");
            if let Some(event) = event {
                let at = event["at"].as_str().context("a moment")?;
                lost = Some(millis(at)?);
            }
            from = last["sequence"].as_u64().context("a sequence")?;
        }
        Ok(lost.map(|lost| (lost, from)))
    })
}

fn millis(text: &str) -> anyhow::Result<f64> {
    let moment: Moment = serde_json::from_value(Value::String(text.to_owned()))?;
    Ok(moment.millis() as f64)
}

/// When each agent had answered the order that lowers it, by the controller's log.
fn answers(fleet: &Fleet, offset: u64) -> anyhow::Result<Vec<f64>> {
    wait::until("all answers in the log", PATIENCE, || {
        let log = std::fs::read_to_string(fleet.log())?;
        let log = log.get(usize::try_from(offset)?..).unwrap_or_default();
        let lines = log.lines().filter(|line| line.contains("an order was answered"));
        let mut answered = std::collections::BTreeMap::new();
        for line in lines {
            let node = word(line, "node=").context("a node")?;
            ensure!(line.contains("applied=true"), "{line}");
            answered.insert(node.to_owned(), wall(line)?);
        }
        ensure!(answered.len() == fleet.nodes.len(), "{} answers", answered.len());
        Ok(Some(answered.into_values().collect()))
    })
}

fn word<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.split_once(key)?.1.split_whitespace().next()
}

/// The moment at the start of a line of the log, to the microsecond.
fn wall(line: &str) -> anyhow::Result<f64> {
    let text = line.split_whitespace().next().context("a moment")?;
    let (seconds, fraction) = text.trim_end_matches('Z').split_once('.').context("a fraction")?;
    let whole = millis(&format!("{seconds}.000Z"))?;
    let micros: f64 = format!("{fraction:0<6}")
        .get(..6)
        .context("microseconds")?
        .parse()?;
    Ok(whole + micros / 1_000.0)
}

/// For how long more was drawn than what was left.
fn rode(fleet: &Fleet, before: &Value) -> anyhow::Result<f64> {
    let times = |status: &Value| status["overloads"].as_u64().unwrap_or_default();
    let status = wait::until("the rack to draw no more than what is left", PATIENCE, || {
        let status = fleet.world.status()?;
        ensure!(status["dark"] == false, "the rack went dark");
        let over = status["draw_watts"].as_f64() > status["available_watts"].as_f64();
        Ok((!over).then_some(status))
    })?;
    ensure!(
        times(&status) == times(before) + 1,
        "one loss and {} overloads: {status}",
        times(&status) - times(before)
    );
    status["last_overload_ms"].as_f64().context("last_overload_ms")
}
