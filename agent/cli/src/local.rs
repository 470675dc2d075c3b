//! Orders to this machine's own agent beside `busbar run`: a workload stands still and goes on, the packages' power is capped.

use std::process::ExitCode;

use agent_api::AgentClient;
use agent_api::v1::CapRequest;
use intent::WorkloadId;
use serde::Serialize;

use crate::args::{CapArgs, Cli, Output};

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

/// Caps the power of this machine's CPU packages, or puts back what was found before.
pub async fn cap(cli: &Cli, args: &CapArgs) -> anyhow::Result<ExitCode> {
    let agent = AgentClient::unix(&cli.agent);
    let came = match args.watts {
        Some(watts) => agent.cap(CapRequest { watts }).await?,
        None => agent.uncap().await?,
    };
    let state = came.watts.map_or_else(
        || "the CPU packages have the power limits that were found".to_owned(),
        |watts| format!("the CPU packages draw at most {watts} together"),
    );
    print(cli, &came, &came.done, &state)
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
