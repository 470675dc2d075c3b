//! `busbar adopt`, `unadopt` and `migrate`: what somebody else started becomes a workload, and workloads move.

use std::fs;
use std::process::ExitCode;

use agent_api::client::AgentClient;
use agent_api::v1::{AdoptRequest, Adopted, Adoptee, MigrateRequest};
use anyhow::Context;
use clap::Args;
use intent::WorkloadId;

use crate::args::{Cli, Output};
use crate::ask::AskArgs;

pub const ADOPT_HELP: &str = "\
The process is moved into a cgroup of Busbar's with everybody whom it started; `busbar unadopt` and `busbar-agent leave` put them
back where they came from. What systemd, Docker, Podman, the kubelet or slurmd rules stays theirs: the refusal names what gives it
the same CPUs there. With --through-owner systemd (for a unit) or Podman (for a container) is asked to do that, and again when it
is changed, until busbar unadopt.

Examples:
  busbar adopt --pid 4711 --cpus 2 --exclusive --name db --dry-run
  busbar adopt --unit import.scope --cpus 1 --exclusive --through-owner
  busbar adopt --container 3f1c0b9a7d2e --cpus 2 --exclusive";

/// Field 22 of `/proc/PID/stat`, counted from the field after the name in brackets, which is the third.
const START_TIME: usize = 22 - 3;

/// `busbar adopt`.
#[derive(Debug, Args)]
pub struct AdoptArgs {
    /// Whom.
    #[command(flatten)]
    pub whom: Whom,
    /// What it shall have.
    #[command(flatten)]
    pub ask: AskArgs,
    /// Only say who would come along and what would be done.
    #[arg(long)]
    pub dry_run: bool,
    /// Leave it in its cgroup and have its owner write there: systemd for a unit, Podman for a container.
    #[arg(long)]
    pub through_owner: bool,
}

/// Whom to adopt: one of them.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Whom {
    /// A process, and whom it started.
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,
    /// The processes of a systemd unit, as in import.scope.
    #[arg(long, value_name = "NAME")]
    pub unit: Option<String>,
    /// The processes of a container, by its id or the first 12 characters of it.
    #[arg(long, value_name = "ID")]
    pub container: Option<String>,
}

impl Whom {
    fn adoptee(&self) -> anyhow::Result<Adoptee> {
        if let Some(unit) = &self.unit {
            return Ok(Adoptee::Unit(unit.clone()));
        }
        if let Some(container) = &self.container {
            return Ok(Adoptee::Container(container.clone()));
        }
        let pid = self.pid.context("nobody was named")?;
        // Seen here, so that the agent knows whom we meant when it comes to it.
        let file = format!("/proc/{pid}/stat");
        let text = fs::read_to_string(&file)
            .with_context(|| format!("there is no process {pid}: cannot read {file}"))?;
        let started = started(&text).with_context(|| format!("{file} is not as the kernel writes it"))?;
        Ok(Adoptee::Process { pid, started })
    }
}

fn started(text: &str) -> Option<u64> {
    let (_, fields) = text.rsplit_once(')')?;
    fields.split_whitespace().nth(START_TIME)?.parse().ok()
}

/// Asks the agent to adopt, and prints who came along.
pub async fn adopt(cli: &Cli, args: &AdoptArgs) -> anyhow::Result<ExitCode> {
    let request = AdoptRequest {
        adoptee: args.whom.adoptee()?,
        ask: args.ask.ask(),
        dry_run: args.dry_run,
        through_owner: args.through_owner,
    };
    let adopted = AgentClient::unix(&cli.agent).adopt(&request).await?;
    match cli.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&adopted)?),
        Output::Text => print!("{}", told(&adopted)),
    }
    Ok(ExitCode::SUCCESS)
}

fn told(adopted: &Adopted) -> String {
    let pids: Vec<String> = adopted.processes.iter().map(u32::to_string).collect();
    let pids = pids.join(", ");
    let mut text = match &adopted.workload {
        Some(workload) => format!(
            "adopted: {} on CPUs {}: processes {pids}\n",
            workload.id, workload.cpus
        ),
        None => format!("would adopt processes {pids}\n"),
    };
    for step in &adopted.would {
        text.push_str(&format!("  {}: {}\n", step.phase, step.text));
    }
    for sentence in &adopted.not_followed {
        text.push_str(&format!("  {sentence}\n"));
    }
    text
}

/// Puts everybody back.
pub async fn unadopt(cli: &Cli, id: &WorkloadId) -> anyhow::Result<ExitCode> {
    let agent = AgentClient::unix(&cli.agent);
    let all = agent.workloads().await?;
    // One that was run here has its own `busbar` beside it, which ends it.
    if let Some(workload) = all.iter().find(|workload| workload.id == *id) {
        anyhow::ensure!(
            workload.adopted,
            "workload {id} was not adopted but run; busbar stop {id} ends it"
        );
    }
    let ended = agent.end(id).await?;
    match cli.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&ended)?),
        Output::Text => {
            println!("{id} is a workload no more; what ran in it runs on where it came from");
            ended.undone.iter().for_each(|step| println!("  {step}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Moves a workload, or says where it would go.
pub async fn migrate(cli: &Cli, id: &WorkloadId, dry_run: bool) -> anyhow::Result<ExitCode> {
    let moved = AgentClient::unix(&cli.agent)
        .migrate(id, MigrateRequest { dry_run })
        .await?;
    if cli.output == Output::Json {
        println!("{}", serde_json::to_string_pretty(&moved)?);
        return Ok(ExitCode::SUCCESS);
    }
    let verb = if dry_run { "would move" } else { "moved" };
    println!("{id} {verb} from CPUs {} to {}", moved.from, moved.to);
    if moved.memory_from != moved.memory_to {
        println!(
            "  its memory from NUMA nodes {} to {}",
            moved.memory_from, moved.memory_to
        );
    }
    for line in moved.because.iter().chain(&moved.steps) {
        println!("  {line}");
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser;

    use super::*;

    #[test]
    fn exactly_one_is_named() {
        let taken = |words: &str| Cli::try_parse_from(words.split_whitespace()).is_ok();
        assert!(taken("busbar adopt --pid 7 --cpus 2 --exclusive --name db"));
        assert!(
            taken("busbar adopt --unit a.scope --dry-run") && taken("busbar adopt --container 3f1c0b9a7d2e")
        );
        assert!(
            !taken("busbar adopt")
                && !taken("busbar adopt --pid 7 --unit a.scope")
                && !taken("busbar adopt --pid -1")
        );
        assert!(
            taken("busbar migrate db --dry-run")
                && taken("busbar unadopt db")
                && !taken("busbar migrate ../db")
        );
    }

    #[test]
    fn the_start_time_is_the_kernels() {
        let text = fs::read_to_string("/proc/self/stat").unwrap();
        assert!(started(&text).unwrap() > 0);
        assert_eq!(started("7 (x"), None);
    }
}
