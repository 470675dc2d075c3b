//! Verbs that only look: show, why, parts, events.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use rack_api::client::RackClient;
use rack_api::v1::{DrivesView, EventView, NodeLease, NodeView, RackView};

use crate::args::{Cli, Output, Side};
use crate::paint::{Paint, Tone};
use crate::{draw, drives};
use crate::{tables, why_claim};

/// Between two tries to follow the journal again: soon enough for a person, no burden for a controller that starts.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);

/// `busbar show`.
pub async fn show(cli: &Cli, rack: &RackClient, side: Option<Side>) -> anyhow::Result<ExitCode> {
    let view = rack.rack().await?;
    let pool = match side {
        None | Some(Side::Drives | Side::Claims) => drives::of_rack(rack).await?,
        Some(Side::Power | Side::Nodes) => None,
    };
    if cli.output == Output::Json {
        let json = match side {
            None => serde_json::to_string_pretty(&view)?,
            Some(Side::Power) => serde_json::to_string_pretty(&view.domains)?,
            Some(Side::Nodes) => serde_json::to_string_pretty(&view.nodes)?,
            Some(Side::Claims) => serde_json::to_string_pretty(&view.claims)?,
            Some(Side::Drives) => {
                serde_json::to_string_pretty(&serde_json::json!({"pool": pool, "nodes": view.nodes}))?
            }
        };
        println!("{json}");
        return Ok(ExitCode::SUCCESS);
    }
    let paint = Paint::stdout();
    let text = match side {
        None => whole(&view, pool.as_ref(), paint),
        Some(Side::Power) => draw::power(&view, paint),
        Some(Side::Nodes) => draw::header(&view, paint) + &tables::nodes(&view),
        Some(Side::Claims) => draw::header(&view, paint) + &claims(&view, pool.as_ref()),
        Some(Side::Drives) => {
            let pooled = pool
                .as_ref()
                .map_or_else(String::new, |pool| drives::pool(pool, paint));
            let heading = paint.tone(Tone::Strong, "drives of nodes");
            let table = tables::drive_table(&view);
            format!("{}{pooled}\n{heading}\n{table}", draw::header(&view, paint))
        }
    };
    print!("{text}");
    Ok(ExitCode::SUCCESS)
}

/// Claims of watts, and of drives where there are some.
fn claims(view: &RackView, pool: Option<&DrivesView>) -> String {
    let mut text = tables::claims(&view.claims);
    if let Some(pool) = pool.filter(|pool| !pool.claims.is_empty()) {
        text.push_str(&format!("\n{}", drives::claims(&pool.claims)));
    }
    text
}

fn whole(view: &RackView, pool: Option<&DrivesView>, paint: Paint) -> String {
    let mut text = draw::power(view, paint);
    if let Some(pool) = pool.filter(|pool| !pool.enclosures.is_empty()) {
        text.push_str(&format!("\n{}", drives::pool(pool, paint)));
    }
    for (heading, part) in [
        ("nodes", tables::nodes(view)),
        ("claims", tables::claims(&view.claims)),
    ] {
        text.push_str(&format!("\n{}\n{part}", paint.tone(Tone::Strong, heading)));
    }
    for bmc in view.bmcs.iter().filter(|bmc| !bmc.up) {
        let reason = bmc.reason.as_deref().unwrap_or("it has not answered yet");
        text.push_str(&format!(
            "{} {}: {reason}\n",
            paint.tone(Tone::Warn, "BMC"),
            bmc.name
        ));
    }
    text
}

/// `busbar why CLAIM|NODE|DRIVE|BAY`.
pub async fn why(cli: &Cli, rack: &RackClient, what: &str) -> anyhow::Result<ExitCode> {
    let view = rack.rack().await?;
    if let Some(claim) = view
        .claims
        .iter()
        .find(|claim| claim.purpose == what || claim.id == what)
    {
        let mut lines = why_claim::lines(&view, claim);
        let pool = drives::of_rack(rack).await?;
        let claims = pool.iter().flat_map(|pool| &pool.claims);
        for drives in claims.filter(|drives| drives.id == claim.id) {
            lines.extend(drives::of_claim(drives));
        }
        return explain(cli, claim, &lines);
    }
    if let Some(node) = view.nodes.iter().find(|node| node.name == what) {
        return explain(cli, node, &node_lines(&view, node));
    }
    if let Some(lost) = view
        .preempted
        .iter()
        .rev()
        .find(|lost| lost.claim.purpose == what || lost.claim.id == what)
    {
        return explain(cli, lost, &[why_claim::lost_line(lost)]);
    }
    let Some(pool) = drives::of_rack(rack).await? else {
        bail!("no claim and no node is called {what:?}; see: busbar show")
    };
    if let Some(claim) = pool
        .claims
        .iter()
        .find(|claim| claim.purpose == what || claim.id == what)
    {
        return explain(cli, claim, &drives::of_claim(claim));
    }
    if let Some(bay) = pool.bays().find(|bay| bay.place == what) {
        return explain(cli, bay, &drives::of_bay(bay));
    }
    let found: Vec<_> = pool.drives().filter(|drive| drive.serial == what).collect();
    if !found.is_empty() {
        let lines: Vec<String> = found.iter().flat_map(|drive| drives::of_drive(drive)).collect();
        return explain(cli, &found, &lines);
    }
    bail!("no claim, node, drive or bay for drives is called {what:?}; see: busbar show")
}

fn explain<T: serde::Serialize>(cli: &Cli, what: &T, lines: &[String]) -> anyhow::Result<ExitCode> {
    match cli.output {
        Output::Json => println!(
            "{}",
            serde_json::to_string_pretty(&serde_json::json!({"of": what, "why": lines}))?
        ),
        Output::Text => lines.iter().for_each(|line| println!("{line}")),
    }
    Ok(ExitCode::SUCCESS)
}

/// How a node stands to the caps that its agent holds.
fn lease_lines(lease: &NodeLease) -> Vec<String> {
    let next = lease.levels.first().map_or(lease.cap_watts, |level| *level);
    let in_force = match lease.in_force_watts {
        Some(watts) if lease.applied => format!("{watts} read back"),
        Some(watts) => format!("{watts} read back, not yet as ordered"),
        None => "nothing read back".to_owned(),
    };
    let proven = match lease.proven_watts {
        Some(watts) => format!("a drill has shown that {watts} bite"),
        None => "no drill has shown that it bites".to_owned(),
    };
    let mut lines = vec![format!(
        "its agent shall hold {}, and {next} after the next loss: {in_force}; {proven}",
        lease.cap_watts
    )];
    if let Some(reason) = &lease.reason {
        lines.push(format!("it counts with {}: {reason}", lease.counted_watts));
    }
    lines
}

fn node_lines(view: &RackView, node: &NodeView) -> Vec<String> {
    let mut lines = vec![format!(
        "{} is {}; facts from: {}",
        node.name, node.state, node.facts_from
    )];
    lines.extend(node.reason.clone());
    lines.push(format!(
        "it may draw {} uncapped; claims on it hold {}",
        node.max_draw_watts.to_kilowatt_text(),
        node.held_watts.to_kilowatt_text()
    ));
    lines.push(match node.cap_watts {
        Some(cap) => format!("its BMC limits it to {cap} (read back)"),
        None if node.lease.is_some() => "its agent holds its caps".to_owned(),
        None => "no limit of ours is in force at its BMC".to_owned(),
    });
    for claim in view
        .claims
        .iter()
        .filter(|claim| claim.node.as_deref() == Some(&node.name))
    {
        lines.push(format!(
            "claim {}: {}",
            claim.purpose,
            crate::power::watts_of(claim)
        ));
    }
    if let Some(lease) = &node.lease {
        lines.extend(lease_lines(lease));
    }
    for workload in &node.workloads {
        let alone = if workload.exclusive { " alone" } else { "" };
        lines.push(format!(
            "workload {} ({}) on CPU {}{alone}",
            workload.id, workload.command, workload.cpus
        ));
    }
    lines
}

/// `busbar parts [SERIAL]`.
pub async fn parts(cli: &Cli, rack: &RackClient, serial: Option<&str>) -> anyhow::Result<ExitCode> {
    let view = rack.rack().await?;
    let bays = view.domains.iter().flat_map(|domain| &domain.bays);
    let found: Vec<_> = bays
        .filter(|bay| {
            let own = bay.part.as_ref().and_then(|part| part.serial.as_deref());
            bay.part.is_some() && serial.is_none_or(|serial| own == Some(serial))
        })
        .collect();
    let pool = drives::of_rack(rack).await?;
    let pooled: Vec<_> = pool
        .iter()
        .flat_map(DrivesView::drives)
        .filter(|drive| serial.is_none_or(|serial| drive.serial == serial))
        .collect();
    if let Some(serial) = serial
        && found.is_empty()
        && pooled.is_empty()
    {
        bail!("no part in this rack has the serial number {serial:?}; see: busbar parts");
    }
    if cli.output == Output::Json {
        let supplies = found.iter().map(serde_json::to_value);
        let drives = pooled.iter().map(serde_json::to_value);
        let all: Vec<serde_json::Value> = supplies.chain(drives).collect::<Result<_, _>>()?;
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = tables::table(&["serial", "maker", "model", "where", "label", "life"]);
    for bay in found {
        let part = bay.part.clone().unwrap_or_default();
        let known = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        table.add_row([
            known(part.serial),
            known(part.maker),
            known(part.model),
            bay.place.clone(),
            bay.label.clone(),
            bay.life.word().to_owned(),
        ]);
    }
    for drive in pooled {
        table.add_row([
            drive.serial.clone(),
            "-".to_owned(),
            drive.model.clone().unwrap_or_else(|| "-".to_owned()),
            drive.place.clone().unwrap_or_else(|| "in no bay".to_owned()),
            "-".to_owned(),
            drive.tenancy.word().to_owned(),
        ]);
    }
    println!("{table}");
    Ok(ExitCode::SUCCESS)
}

/// `busbar events [-f]`.
pub async fn events(cli: &Cli, rack: &RackClient, after: u64, follow: bool) -> anyhow::Result<ExitCode> {
    if !follow {
        let mut last = after;
        loop {
            let page = rack.events(last).await?;
            let Some(end) = page.last() else {
                return Ok(ExitCode::SUCCESS);
            };
            last = end.sequence;
            for event in &page {
                print_event(cli, event)?;
            }
        }
    }
    follow_events(cli, rack, after).await
}

/// Follows the journal, also over a restart of the controller: a stream that ends is asked for again.
async fn follow_events(cli: &Cli, rack: &RackClient, after: u64) -> anyhow::Result<ExitCode> {
    let mut last = after;
    // The first connection may fail for good: a wrong address shall be told, not tried for ever.
    let mut stream = rack.event_stream(last).await?;
    loop {
        match stream.next().await {
            Ok(Some(event)) => {
                last = event.sequence;
                print_event(cli, &event)?;
                continue;
            }
            Ok(None) => eprintln!("busbar: the controller ended the stream; asking again"),
            Err(error) => eprintln!("busbar: {error}; asking again"),
        }
        stream = loop {
            tokio::time::sleep(RECONNECT_AFTER).await;
            if let Ok(again) = rack.event_stream(last).await {
                break again;
            }
        };
    }
}

fn print_event(cli: &Cli, event: &EventView) -> anyhow::Result<()> {
    match cli.output {
        Output::Json => println!("{}", serde_json::to_string(event)?),
        Output::Text => println!(
            "{:>6}  {}  {}{}",
            event.sequence,
            event.at,
            event.message,
            crate::doubts::by(event.asked.as_ref())
        ),
    }
    Ok(())
}
