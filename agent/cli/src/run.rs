//! `busbar run`: a command on CPUs and memory of its own, on this machine.
//!
//! The agent makes the cgroups for the process that asks, and the command is born there as its child; where that cannot be, this
//! process is moved in, and the command is born beside it. No process ever names another one to be placed.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use agent_api::client::AgentClient;
use agent_api::v1::{Ask, Exclusivity, Offer, RunRequest, StopRequest, Workload};
use anyhow::Context;
use intent::WorkloadId;

use crate::args::{Cli, Output, RunArgs};
use crate::child::{Child, Ready, code};
use crate::oci::Container;
use crate::vm::{self, Monitor};

/// A busy machine may need long to place a workload; giving up early would leave one behind that nobody waits for.
const PLACED_WITHIN: Duration = Duration::from_secs(60);
/// What a shell answers for a command that is not there.
const NOT_FOUND: u8 = 127;
/// What a shell answers for a command that may not be executed.
const NOT_EXECUTABLE: u8 = 126;
/// The agent's word for a workload that is not there (any more).
const NOT_FOUND_WORD: &str = "not_found";
/// Owner only: what a command writes may be secret.
const LOG_MODE: u32 = 0o600;

/// Asks the agent, runs the command, ends the workload, passes the exit status on.
pub async fn run(cli: &Cli, args: &RunArgs) -> anyhow::Result<ExitCode> {
    let agent = AgentClient::unix(&cli.agent).with_deadline(PLACED_WITHIN);
    let ask = args.ask.ask();
    if args.dry_run {
        return offer(cli, &agent, &ask).await;
    }
    let what = What::of(args)?;
    let request = RunRequest {
        ask,
        command: what.word(),
        enters: what.can_be_born(),
    };
    // Before anything is placed: a log that cannot be written is a mistake, and nothing of it is left behind.
    let log = args.log.as_deref().map(open_log).transpose()?;
    let workload = match agent.start(&request).await {
        // An agent of before births knows no such wish, and says the same of a wrong ask: then it says so again.
        Err(error) if request.enters && error.code() == Some("bad_request") => {
            let enters = false;
            agent.start(&RunRequest { enters, ..request }).await?
        }
        answered => answered?,
    };
    if !args.quiet && !workload.awaits {
        announce(cli, &workload);
    }
    let ended = what.run(cli, args, &agent, workload.clone(), log).await;
    // The command's own answer counts, whatever becomes of the clean-up: the agent ends an empty workload by itself.
    match agent.end(&workload.id).await {
        Ok(_) => {}
        // It was empty from the command's end on, and the agent came first.
        Err(error) if error.code() == Some(NOT_FOUND_WORD) => {}
        Err(error) => eprintln!(
            "busbar: {} is over, but its agent did not undo it yet: {error}",
            workload.id
        ),
    }
    ended
}

/// What is run.
enum What<'a> {
    Command(&'a OsString, &'a [OsString]),
    Container(Box<Container>),
    Vm(&'a OsString, &'a [OsString]),
}

impl What<'_> {
    fn of(args: &RunArgs) -> anyhow::Result<What<'_>> {
        if let Some(dir) = &args.oci {
            return Ok(What::Container(Box::new(Container::find(
                dir,
                args.ask.exclusive,
            )?)));
        }
        let (program, arguments) = args.command.split_first().context("no command was given")?;
        if args.vm {
            vm::check(arguments, args.ask.exclusive)?;
            return Ok(What::Vm(program, arguments));
        }
        Ok(What::Command(program, arguments))
    }

    /// The first word of what is run.
    fn word(&self) -> String {
        match self {
            What::Command(program, _) | What::Vm(program, _) => program.to_string_lossy().into_owned(),
            What::Container(container) => container.command().to_owned(),
        }
    }

    /// Whether it can be born in the workload's cgroups. A container cannot: its preparation puts this process into a cgroup below them.
    fn can_be_born(&self) -> bool {
        match self {
            What::Command(..) | What::Vm(..) => true,
            What::Container(_) => false,
        }
    }

    /// Runs it to its end.
    async fn run(
        &self,
        cli: &Cli,
        args: &RunArgs,
        agent: &AgentClient,
        mut workload: Workload,
        log: Option<(File, File)>,
    ) -> anyhow::Result<ExitCode> {
        // Its copy of the bundle's configuration lasts as long as the container.
        let mut prepared = None;
        let mut monitor = None;
        let command = match self {
            What::Command(program, arguments) => {
                let mut command = tokio::process::Command::new(program);
                command.args(*arguments);
                command
            }
            What::Vm(program, arguments) => {
                let made = Monitor::prepare(&workload.id, &cli.agent, arguments)?;
                let mut command = tokio::process::Command::new(program);
                command
                    .args(*arguments)
                    .args(made.words(arguments, workload.cpus.len()));
                monitor = Some(made);
                command
            }
            What::Container(container) => {
                let made = prepared.insert(container.prepare(&workload, &cli.agent)?);
                for sentence in made.changed.iter().filter(|_| !args.quiet) {
                    eprintln!("busbar: {}: {sentence}", workload.id);
                }
                let mut forget = tokio::process::Command::new(&made.program);
                forget.args(&made.forget).stdin(Stdio::null());
                // Fails where there is nothing to forget.
                let _ = forget.stdout(Stdio::null()).stderr(Stdio::null()).status().await;
                let mut command = tokio::process::Command::new(&made.program);
                command.args(&made.arguments);
                command
            }
        };
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        let awaited = workload.awaits;
        let ready = Ready::of(agent, &mut workload, command, log).await?;
        if !args.quiet && awaited {
            announce(cli, &workload);
        }
        match ready.go() {
            Ok((mut child, ear)) => {
                if let Some(monitor) = &monitor {
                    pinned(cli, args, agent, &workload, monitor, &mut child).await?;
                }
                Ok(code(child.watch(ear).await?))
            }
            Err(error) => {
                eprintln!("busbar: cannot start {program}: {error}");
                let missing = error.kind() == std::io::ErrorKind::NotFound;
                Ok(ExitCode::from(if missing { NOT_FOUND } else { NOT_EXECUTABLE }))
            }
        }
    }
}

/// Has the virtual CPUs pinned; where that is refused, QEMU ends before its guest has begun.
async fn pinned(
    cli: &Cli,
    args: &RunArgs,
    agent: &AgentClient,
    workload: &Workload,
    monitor: &Monitor,
    child: &mut Child,
) -> anyhow::Result<()> {
    let program = args
        .command
        .first()
        .map(|word| word.to_string_lossy().into_owned());
    let came = monitor
        .pin(agent, &workload.id, &program.unwrap_or_default(), child)
        .await;
    let workload = match came {
        Ok(workload) => workload,
        Err(error) => {
            child.kill().await.context("cannot end QEMU")?;
            return Err(error);
        }
    };
    if let Some(vm) = workload
        .vm
        .as_ref()
        .filter(|_| !args.quiet && cli.output == Output::Text)
    {
        eprintln!("busbar: {}: {}", workload.id, vm::told(vm));
    }
    Ok(())
}

/// The same file twice: for the output and for the errors. Appended, so that two runs never write over each other.
fn open_log(path: &Path) -> anyhow::Result<(File, File)> {
    let opened = File::options()
        .create(true)
        .append(true)
        .mode(LOG_MODE)
        .open(path);
    let opened = opened.and_then(|file| Ok((file.try_clone()?, file)));
    opened.with_context(|| format!("cannot open the log {}", path.display()))
}

/// `busbar stop`.
pub async fn stop(cli: &Cli, workload: &WorkloadId, grace_milliseconds: u32) -> anyhow::Result<ExitCode> {
    let deadline = Duration::from_millis(grace_milliseconds.into()) + PLACED_WITHIN;
    let agent = AgentClient::unix(&cli.agent).with_deadline(deadline);
    let stopped = agent.stop(workload, StopRequest { grace_milliseconds }).await?;
    match cli.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&stopped)?),
        Output::Text if stopped.powered_down && stopped.killed == 0 => {
            println!("stopped: {workload}; its guest powered down by itself");
        }
        Output::Text if stopped.powered_down => {
            println!("stopped: {workload}; its guest did not power down in time, and QEMU was ended")
        }
        Output::Text if stopped.killed > 0 => println!(
            "stopped: {workload}; {} processes did not end in time and were killed",
            stopped.killed
        ),
        Output::Text => println!(
            "stopped: {workload}; {} processes ended by themselves",
            stopped.asked
        ),
    }
    Ok(ExitCode::SUCCESS)
}

async fn offer(cli: &Cli, agent: &AgentClient, ask: &Ask) -> anyhow::Result<ExitCode> {
    let offer: Offer = agent.offer(ask).await?;
    match cli.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&offer)?),
        Output::Text => {
            println!(
                "would run on CPUs {}, memory of NUMA nodes {}",
                offer.cpus, offer.numa_nodes
            );
            for reason in &offer.because {
                println!("  {reason}");
            }
            print!("{}", parts(&offer));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What an offer holds beside CPUs: memory, huge pages, GPUs, caches, watts, and how near it all is.
fn parts(offer: &Offer) -> String {
    let mut lines = Vec::new();
    for share in &offer.memory {
        lines.push(format!(
            "memory: {} of NUMA node {}",
            share.bytes, share.numa_node
        ));
    }
    for share in &offer.hugepages {
        let (bytes, page, node) = (share.bytes, share.page_bytes, share.numa_node);
        lines.push(format!(
            "huge pages: {bytes} in pages of {page} of NUMA node {node}"
        ));
    }
    for gpu in &offer.gpus {
        let near = gpu
            .numa_node
            .map_or_else(String::new, |node| format!(", at NUMA node {node}"));
        lines.push(format!("GPU {}: {}{near}", gpu.index, gpu.device.name()));
    }
    for drive in &offer.drives {
        let near = drive
            .numa_node
            .map_or_else(String::new, |node| format!(", at NUMA node {node}"));
        let name = drive.device.device.as_deref().unwrap_or_default();
        lines.push(format!("drive {name}: {}{near}", drive.device.name()));
    }
    for share in &offer.cache {
        let l3 = share
            .l3_share
            .map_or_else(String::new, |share| format!(" {share} of the cache"));
        let bandwidth = share.memory_bandwidth_share;
        let bandwidth =
            bandwidth.map_or_else(String::new, |share| format!(" {share} of the memory bandwidth"));
        lines.push(format!(
            "L3 cache {} (CPUs {}):{l3}{bandwidth}",
            share.cache, share.cpus
        ));
    }
    lines.extend(offer.watts.map(|watts| format!("power: {watts}")));
    if let Some(hint) = &offer.topology_hint {
        let aligned = if hint.aligned { "aligned" } else { "not aligned" };
        lines.push(format!("topology: {aligned}: {}", hint.why));
    }
    lines.into_iter().map(|line| format!("  {line}\n")).collect()
}

/// One line on standard error, so that the command's own output stays clean.
fn announce(cli: &Cli, workload: &Workload) {
    if cli.output == Output::Json {
        match serde_json::to_string(workload) {
            Ok(line) => eprintln!("{line}"),
            Err(error) => eprintln!("busbar: {error}"),
        }
        return;
    }
    let alone = match (workload.exclusive, workload.exclusivity) {
        (false, _) | (true, Exclusivity::None) => "",
        (true, Exclusivity::Partition) => " alone (a kernel partition)",
        (true, Exclusivity::AmongBusbar) => {
            " alone among Busbar's workloads (host processes may still run there)"
        }
    };
    let memory = workload
        .memory_bytes
        .map_or_else(String::new, |bytes| format!(", at most {bytes}"));
    eprintln!(
        "busbar: {} runs on CPU {}{alone}{memory}",
        workload.id, workload.cpus
    );
}
