//! The small subcommands: plan, footprint, leave.

use std::process::ExitCode;

use agent::facts::Output;
use agent::reconcile::{self, Footprint, KeeperError};
use agent_api::v1::{Plan, Status};
use agent_api::{AgentClient, ClientError};
use anyhow::Context;
use collectors::Root;
use intent::{Actuator, Mode};
use serde::Serialize;

use crate::args::{LeaveArgs, PlaceArgs, PlanArgs};
use crate::{FAILED, REFUSED, failed};

const UNREACHABLE: u8 = 4;

/// Prints the outstanding steps of a running agent.
pub fn plan(args: &PlanArgs) -> Result<ExitCode, ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime
        .context("cannot start")
        .map_err(|error| failed(FAILED, &error))?;
    let client = AgentClient::unix(&args.socket);
    let asked: Result<(Status, Plan), ClientError> =
        runtime.block_on(async { Ok((client.status().await?, client.plan().await?)) });
    let (status, plan) = asked.map_err(|error| {
        let code = match &error {
            error if error.is_unreachable() => UNREACHABLE,
            error if error.is_refused() => REFUSED,
            _ => FAILED,
        };
        failed(code, &error.into())
    })?;
    match args.output {
        Output::Json => print_json(&plan),
        Output::Text => {
            print!("{}", drawn(&status, &plan));
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn drawn(status: &Status, plan: &Plan) -> String {
    let generation = plan.generation;
    if plan.steps.is_empty() {
        return format!("generation {generation}: converged, no step outstanding\n");
    }
    let cpu = status.actuators.of(Actuator::Cpu);
    let remark = if cpu == Mode::Enforce {
        "the agent takes them at its next turn".to_owned()
    } else {
        format!("a dry run: actuator cpu is in {cpu}, nothing is done")
    };
    let plural = if plan.steps.len() == 1 { "" } else { "s" };
    let mut text = format!(
        "generation {generation}: {} step{plural} outstanding; {remark}\n",
        plan.steps.len()
    );
    for step in &plan.steps {
        text.push_str(&format!("  {:<8} {}\n", step.phase, step.text));
    }
    text
}

/// Lists everything that Busbar placed here.
pub fn footprint(args: &PlaceArgs) -> Result<ExitCode, ExitCode> {
    let placed = reconcile::footprint(&Root::host(), &args.state_dir).map_err(refused)?;
    if args.output == Output::Json {
        return print_json(&placed);
    }
    for workload in &placed.workloads {
        println!("workload {workload}");
    }
    for cgroup in &placed.cgroups {
        println!("cgroup   {}", cgroup.display());
    }
    for (file, before) in &placed.changed {
        println!("changed  {} (said {before:?})", file.display());
    }
    for drive in &placed.drives {
        println!("drive    {drive}");
    }
    for file in &placed.files {
        println!("file     {}", file.display());
    }
    if placed == Footprint::default() {
        println!("nothing of Busbar is on this host");
    }
    Ok(ExitCode::SUCCESS)
}

/// Undoes everything that Busbar did here.
pub fn leave(args: &LeaveArgs) -> Result<ExitCode, ExitCode> {
    let LeaveArgs { place: args, force } = args;
    let leave = if *force {
        reconcile::leave_leased
    } else {
        reconcile::leave
    };
    let left = leave(&Root::host(), &args.state_dir).map_err(refused)?;
    let code = if left.kept.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    };
    if args.output == Output::Json {
        print_json(&left)?;
    } else {
        println!("{left}");
    }
    Ok(code)
}

fn refused(error: KeeperError) -> ExitCode {
    let code = match &error {
        KeeperError::Refused(_) | KeeperError::Conflict(_) | KeeperError::Shortfall(_) => REFUSED,
        KeeperError::BadAsk(_) | KeeperError::NotFound(_) | KeeperError::Failed(_) => FAILED,
    };
    failed(code, &error.into())
}

fn print_json<T: Serialize>(value: &T) -> Result<ExitCode, ExitCode> {
    let text = serde_json::to_string_pretty(value).context("cannot print the answer");
    println!("{}", text.map_err(|error| failed(FAILED, &error))?);
    Ok(ExitCode::SUCCESS)
}
