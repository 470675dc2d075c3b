//! Orders to this machine's own agent beside `busbar run`: a workload stands still and goes on, the packages' power is capped.

use std::process::ExitCode;

use agent_api::AgentClient;
use agent_api::v1::{CapRequest, Drained, NodeDrain, NodeDrainRequest};
use clap::Args;
use facts::Power;
use intent::WorkloadId;
use serde::Serialize;

use crate::args::{Change, Cli, Output};
use crate::place::words::parse_watts;

/// `busbar cap`.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct CapArgs {
    /// The most that all packages and GPUs together may draw, as in 1200; workloads that are revocable or shed first are
    /// squeezed first, and GPUs that nobody holds before them; it stands until another cap or its release.
    #[arg(long, value_parser = parse_watts)]
    pub watts: Option<Power>,
    /// Put back what was found before the first cap.
    #[arg(long)]
    pub release: bool,
}

/// Stops all processes of a workload, or lets them go on.
pub async fn freeze(cli: &Cli, workload: &WorkloadId, frozen: bool) -> anyhow::Result<ExitCode> {
    let agent = AgentClient::unix(&cli.agent);
    let came = if frozen {
        agent.freeze(workload).await?
    } else {
        agent.thaw(workload).await?
    };
    let state = if came.frozen {
        "stands still; it keeps its CPUs and its memory until busbar thaw"
    } else {
        "runs"
    };
    print(cli, &came, &came.done, &format!("{workload} {state}"))
}

/// This machine takes no new workloads, or takes them again. A dry run says what runs and what is in force.
pub async fn drain(cli: &Cli, change: &Change, drained: bool) -> anyhow::Result<ExitCode> {
    let agent = AgentClient::unix(&cli.agent);
    let came = if change.dry_run {
        let running = agent.workloads().await?;
        NodeDrain {
            drained: agent.status().await?.drained,
            running: running.into_iter().map(|workload| workload.id).collect(),
        }
    } else if drained {
        let reason = change.reason.clone().unwrap_or_default();
        agent.drain(&NodeDrainRequest { reason }).await?
    } else {
        agent.undrain().await?
    };
    if cli.output == Output::Json {
        println!("{}", serde_json::to_string_pretty(&came)?);
        return Ok(ExitCode::SUCCESS);
    }
    match &came.drained {
        None => println!("this machine takes workloads"),
        Some(Drained { since, reason }) if reason.is_empty() => {
            println!("this machine takes no new workloads since {since}");
        }
        Some(Drained { since, reason }) => {
            println!("this machine takes no new workloads since {since}: {reason}");
        }
    }
    let names: Vec<&str> = came.running.iter().map(WorkloadId::as_str).collect();
    if names.is_empty() {
        println!("nothing runs here");
    } else {
        println!("still running: {}", names.join(", "));
    }
    Ok(ExitCode::SUCCESS)
}

/// Caps the power of this machine's CPU packages and GPUs, or puts back what was found before.
pub async fn cap(cli: &Cli, args: &CapArgs) -> anyhow::Result<ExitCode> {
    let agent = AgentClient::unix(&cli.agent);
    let came = match args.watts {
        Some(watts) => agent.cap(CapRequest { watts }).await?,
        None => agent.uncap().await?,
    };
    let state = came.watts.map_or_else(
        || "CPU packages and GPUs have the power limits that were found".to_owned(),
        |watts| format!("CPU packages and GPUs draw at most {watts} together"),
    );
    print(cli, &came, &came.done, &state)?;
    if cli.output == Output::Text {
        for part in &came.parts {
            let holder = part.holder.as_ref().map(|holder| format!(" (held by {holder})"));
            println!("  {} has {}{}", part.part, part.watts, holder.unwrap_or_default());
        }
        for part in &came.not_capped {
            println!("  not in it: {part}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print(cli: &Cli, came: &impl Serialize, done: &[String], state: &str) -> anyhow::Result<ExitCode> {
    if cli.output == Output::Json {
        println!("{}", serde_json::to_string_pretty(came)?);
        return Ok(ExitCode::SUCCESS);
    }
    let already = if done.is_empty() {
        " (so it was before)"
    } else {
        ""
    };
    println!("{state}{already}");
    for step in done {
        println!("  {step}");
    }
    Ok(ExitCode::SUCCESS)
}
