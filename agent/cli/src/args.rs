//! The grammar of `busbar`: `busbar VERB PLACE`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use intent::WorkloadId;

use crate::adopt::{ADOPT_HELP, AdoptArgs};
use crate::amount::{parse_duration, parse_grace};
use crate::ask::{AskArgs, RUN_HELP};
use crate::commission::{COMMISSION_HELP, CommissionArgs};
use crate::doubts::{DoubtVerb, PauseWhere};
use crate::drives::{DRIVES_HELP, DriveVerb};
use crate::help::{AFTER_HELP, DEFRAG_HELP, PLACE_HELP, TOP_HELP, VERIFY_HELP};
use crate::local::CapArgs;
use crate::on::PowerVerb;
use crate::place::{DefragArgs, PlaceArgs};
use crate::power::Resource;
use crate::swap::{SWAP_HELP, SwapArgs};
use crate::top::TopArgs;
use crate::verify::VerifyArgs;

/// The rack's address where none is given.
pub const DEFAULT_RACK: &str = "http://127.0.0.1:9712";

/// The verb that starts a command.
const RUN: &str = "run";

/// The agent's socket where none is given.
pub const DEFAULT_AGENT: &str = "/run/busbar/agent.sock";

/// A rack is one computer: show it, claim its watts, swap its parts, run on its cores.
#[derive(Debug, Parser)]
#[command(name = "busbar", version, about, after_help = AFTER_HELP, max_term_width = 110)]
pub struct Words<V: Subcommand> {
    /// The rack controller's address.
    #[arg(long, global = true, env = "BUSBAR_RACK", default_value = DEFAULT_RACK, value_name = "URL")]
    pub rack: String,
    /// CA certificate (PEM) that the rack controller's certificate must come from.
    #[arg(long, global = true, env = "BUSBAR_RACK_CA", value_name = "FILE")]
    pub rack_ca: Option<PathBuf>,
    /// File with the bearer token for the rack controller (mode 0600).
    #[arg(long, global = true, env = "BUSBAR_RACK_TOKEN_FILE", value_name = "FILE")]
    pub rack_token_file: Option<PathBuf>,
    /// The local agent's socket.
    #[arg(long, global = true, env = "BUSBAR_AGENT", default_value = DEFAULT_AGENT, value_name = "SOCKET")]
    pub agent: PathBuf,
    /// How to print.
    #[arg(long, short, global = true, value_enum, default_value_t = Output::Text)]
    pub output: Output,
    /// What to do.
    #[command(subcommand)]
    pub verb: V,
}

/// What `busbar` is told.
pub type Cli = Words<Verb>;

/// `busbar run` and no other verb: a command waits for its start, and to build the grammar of all verbs takes longer than everything
/// else that this program does before it asks the agent.
#[derive(Debug, Subcommand)]
enum RunAlone {
    /// As [`Verb::Run`].
    Run(Box<RunArgs>),
}

impl Cli {
    /// What this process was told. Where that is help, the version, or makes no sense, it is printed and the process ends.
    pub fn of_this_process() -> Cli {
        let is_run = std::env::args_os().nth(1).is_some_and(|word| word == RUN);
        // Whatever it does not understand, the whole grammar says so.
        match is_run.then(Words::<RunAlone>::try_parse) {
            Some(Ok(cli)) => cli.whole(),
            Some(Err(_)) | None => Cli::parse(),
        }
    }
}

impl Words<RunAlone> {
    fn whole(self) -> Cli {
        let RunAlone::Run(args) = self.verb;
        Cli {
            rack: self.rack,
            rack_ca: self.rack_ca,
            rack_token_file: self.rack_token_file,
            agent: self.agent,
            output: self.output,
            verb: Verb::Run(args),
        }
    }
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show the rack as one machine, or one side of it.
    Show {
        /// Which side.
        #[arg(value_enum)]
        side: Option<Side>,
    },
    /// Claim a resource: watts, drives.
    Claim {
        /// Which resource.
        #[command(subcommand)]
        resource: Box<Resource>,
    },
    /// Turn a reservation into a claim: its node may draw its watts.
    Apply {
        /// The claim's name or id.
        claim: String,
        #[command(flatten)]
        change: Change,
    },
    /// Let a claim with a time to live stand for that time again.
    Renew {
        /// The claim's name or id.
        claim: String,
        #[command(flatten)]
        change: Change,
    },
    /// Show in a drill that a node's cap bites: its load draws what it wants, then the cap is ordered, and its BMC must tell.
    Calibrate {
        /// The node.
        node: String,
        #[command(flatten)]
        change: Change,
    },
    /// Switch nodes on, one after the other: each when all that it can draw fits, and the one before it is up.
    Power {
        /// What to do.
        #[command(subcommand)]
        verb: PowerVerb,
    },
    /// Give a claim back. Its drives are fenced at once, held for a while, and erased then.
    Release {
        /// The claim's name or id.
        claim: String,
        /// Drives: how long they are held before they are erased, as in 1h; 0s for what nobody will miss. Without it, as the claim says.
        #[arg(long, value_name = "TIME", value_parser = parse_duration)]
        erase_after: Option<u32>,
        #[command(flatten)]
        change: Change,
    },
    /// Pooled drives, by serial number: have one erased so that it joins the pool, or what it holds given up; see the proof of it.
    #[command(after_help = DRIVES_HELP)]
    Drives {
        /// What to do.
        #[command(subcommand)]
        verb: DriveVerb,
    },
    /// Say why a claim, a node, a drive or a bay is as it is, or why a workload on this machine suffers.
    Why(crate::why::WhyArgs),
    /// Empty a bay so that its part can be pulled: yes, `yes, exposed`, or no. Without a bay: this machine takes no new workloads.
    Drain {
        /// The bay, as in shelf/psu-3 (its printed label does too, as in "PSU 4").
        place: Option<String>,
        /// Go on although no further loss is covered meanwhile.
        #[arg(long, requires = "place")]
        exposed: bool,
        /// Go on although promises are broken (smoke does not wait); needs --reason.
        #[arg(long, requires_all = ["reason", "place"])]
        force: bool,
        /// What for. A supply is switched off or updated by other tools; this is their permit, for one supply at a time.
        #[arg(long = "for", value_enum, default_value_t = Purpose::Pull)]
        purpose: Purpose,
        /// How long such a permit holds (at most 30m; 10m where nothing is said); then the supply is tried again by itself.
        #[arg(long, value_name = "TIME", value_parser = parse_duration)]
        within: Option<u32>,
        #[command(flatten)]
        change: Change,
    },
    /// Take a drain back: the bay returns to service, or without a bay this machine takes workloads again.
    Undrain {
        /// The bay.
        place: Option<String>,
        #[command(flatten)]
        change: Change,
    },
    /// Swap a part step by step: the interlock, the bay's light, pull, put in, trial, back in service.
    #[command(after_help = SWAP_HELP)]
    Swap(Box<SwapArgs>),
    /// Map a shelf: each bay is lit, and you say which printed label, height unit and feed it is. Writes a proposal.
    #[command(after_help = COMMISSION_HELP)]
    Commission(CommissionArgs),
    /// List what BMCs say and cannot be believed, with what it means; or say that you know of one.
    Doubts {
        /// What to do; without it they are listed.
        #[command(subcommand)]
        verb: Option<DoubtVerb>,
    },
    /// The controller does nothing new for a while: no cap rises, no LED is set. Leases stay, and lowering for safety goes on.
    Pause {
        /// For how long (at most 24h); it ends by itself.
        #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = parse_duration)]
        for_seconds: u32,
        #[command(flatten)]
        place: PauseWhere,
    },
    /// End a pause before its time.
    Resume {
        #[command(flatten)]
        place: PauseWhere,
    },
    /// Light a bay's locate LED.
    Locate {
        /// The bay.
        place: String,
        /// For how long; it goes out by itself (at most 30m).
        #[arg(long = "for", default_value = "10m", value_parser = parse_duration)]
        for_seconds: u32,
        /// Put it out instead.
        #[arg(long)]
        off: bool,
    },
    /// List parts, or find one by its serial number.
    Parts {
        /// The serial number.
        serial: Option<String>,
    },
    /// Show the journal of the rack.
    Events {
        /// Stay and show what comes.
        #[arg(long, short)]
        follow: bool,
        /// Only events after this number.
        #[arg(long, default_value_t = 0, value_name = "N")]
        after: u64,
    },
    /// Stop all processes of a workload on this machine where they are; what it holds it keeps.
    Freeze {
        /// Its name.
        workload: WorkloadId,
    },
    /// Let the processes of a frozen workload go on.
    Thaw {
        /// Its name.
        workload: WorkloadId,
    },
    /// Cap the power of this machine's CPU packages and GPUs, or put back the limits that were found before the first cap.
    Cap(CapArgs),
    /// Watch one node: NUMA nodes, CPUs, GPUs, power, drives, whether its sources speak.
    #[command(after_help = TOP_HELP)]
    Top(TopArgs),
    /// Run a command on this machine, on CPUs and memory of its own.
    #[command(after_help = RUN_HELP)]
    Run(Box<RunArgs>),
    /// Say where many asks at once would go on this machine, who does not fit and what would make it fit. Changes nothing.
    #[command(after_help = PLACE_HELP)]
    Place(PlaceArgs),
    /// Say which workloads of this machine would have to move where to make room, and what that costs. Moves nothing.
    #[command(after_help = DEFRAG_HELP)]
    Defrag(Box<DefragArgs>),
    /// End everything that runs in a workload: SIGTERM, and SIGKILL after the grace.
    Stop {
        /// The workload.
        workload: WorkloadId,
        /// How long it may take to end by itself (at most 10m).
        #[arg(long, default_value = "10s", value_parser = parse_grace, value_name = "TIME")]
        grace: u32,
    },
    /// Make a workload of what somebody else started: a process with all whom it started, a systemd unit, a container. Root only.
    #[command(after_help = ADOPT_HELP)]
    Adopt(Box<AdoptArgs>),
    /// Put an adopted workload's processes back where they came from; they run on.
    Unadopt {
        /// The workload.
        workload: WorkloadId,
    },
    /// Move a running workload to other CPUs of this machine, and its memory with it.
    Migrate {
        /// The workload.
        workload: WorkloadId,
        /// Only say where it would go.
        #[arg(long)]
        dry_run: bool,
    },
    /// Prove that a workload's CPUs are its alone: read every controller back, watch who really runs there, name who else does.
    #[command(after_help = VERIFY_HELP)]
    Verify(VerifyArgs),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    #[command(hide = true)]
    Man,
}

/// One side of the rack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Side {
    /// Supplies, sums and headroom of each power domain.
    Power,
    /// Nodes: cores, memory, drives, watts, who runs there.
    Nodes,
    /// Claims in force.
    Claims,
    /// Pooled drives by enclosure and bay, whose they are, and the drives of the rack's nodes.
    Drives,
}

/// What a supply leaves service for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Purpose {
    /// To be pulled; its bay is lit.
    Pull,
    /// To be switched off.
    SwitchOff,
    /// To have its firmware updated.
    Firmware,
}

/// What every change has.
#[derive(Debug, Args)]
pub struct Change {
    /// Only say what would happen.
    #[arg(long)]
    pub dry_run: bool,
    /// Why; goes into the journal.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// `busbar run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// What it asks for.
    #[command(flatten)]
    pub ask: AskArgs,
    /// Only say which CPUs it would get, and why.
    #[arg(long)]
    pub dry_run: bool,
    /// Append the command's output and errors to this file, made with mode 0600; it goes on without this terminal.
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Say nothing about the placement.
    #[arg(long, short)]
    pub quiet: bool,
    /// Run the container of this OCI bundle (a directory with config.json) through crun or runc; the bundle is not changed.
    #[arg(long, value_name = "BUNDLE", conflicts_with = "command")]
    pub oci: Option<PathBuf>,
    /// The command is a QEMU: each of its virtual CPUs is pinned to a CPU of its own; needs --exclusive.
    #[arg(long, conflicts_with = "oci")]
    pub vm: bool,
    /// The command and its arguments.
    #[arg(required_unless_present = "oci", last = true, value_name = "CMD")]
    pub command: Vec<std::ffi::OsString>,
}

#[cfg(test)]
mod tests;
