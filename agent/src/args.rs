//! The command line of `busbar-agent`.

use std::net::SocketAddr;
use std::path::PathBuf;

use agent::config::{DEFAULT_SOCKET, DEFAULT_STATE_DIR, Overrides};
use agent::doctor::DoctorArgs;
use agent::facts::{FactsArgs, Output};
use agent::record::RecordArgs;
use clap::{Args, Parser, Subcommand};

const AFTER_HELP: &str = "\
First steps:
  busbar-agent facts                        what this machine is, as a tree
  busbar-agent facts --output json          the same for programs
  busbar-agent doctor                       what is missing here, and what would give it
  busbar-agent run                          serve it: metrics and facts on 127.0.0.1:9711, nothing is changed
  curl http://127.0.0.1:9711/metrics        what Prometheus sees
  busbar-agent check-config agent.toml      every fault of a configuration, with its line
  busbar-agent plan                         what the agent would change now

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 refused, 4 unreachable.";

const RUN_HELP: &str = "\
Without a configuration the agent observes: it reads, serves what it read on loopback, and writes nothing.
It says `ready busbar-agent URL` on standard output when it serves; its log goes to standard error (RUST_LOG=debug for more).
SIGTERM stops it; workloads are left running, and the next run knows them.

Examples:
  busbar-agent run
  busbar-agent run --config /etc/busbar/agent.toml
  busbar-agent run --listen 127.0.0.1:0 --socket /tmp/agent.sock --state-dir /tmp/agent";

const DOCTOR_HELP: &str = "\
Nothing is changed; it says what could be. It exits with 0 whatever is missing, with --strict with 1.

Examples:
  busbar-agent doctor
  sudo busbar-agent doctor --output json | jq '.missing[].remedy'
  busbar-agent doctor --root ./recorded-machine";

const RECORD_HELP: &str = "\
What is in it is shown before anything is written; on a terminal it asks first. Secrets are never in it: no command lines,
environments, keys or logs. The same serial number is replaced by the same word everywhere.

Examples:
  busbar-agent record                                    shows what is in it, asks, writes busbar-record.tar
  sudo busbar-agent record --yes --output n01.tar
  tar -xf n01.tar && busbar-agent facts --root busbar-record";

/// One node: reads its hardware, shows it, and places workloads on cores of their own.
#[derive(Debug, Parser)]
#[command(name = "busbar-agent", version, about, after_help = AFTER_HELP, max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print what this machine is, or a recorded one
    Facts(FactsArgs),
    /// Say what is missing on this node and what would give it, who else has a hand on it, and what is not proven on its hardware
    #[command(after_help = DOCTOR_HELP)]
    Doctor(DoctorArgs),
    /// Take a picture of this machine for a bug report or a test, without its serial numbers, addresses and names
    #[command(after_help = RECORD_HELP)]
    Record(RecordArgs),
    /// Serve facts and metrics, and take orders over the Unix socket
    #[command(after_help = RUN_HELP)]
    Run(RunArgs),
    /// Print the steps that are outstanding: what the agent would change now, or changes next
    Plan(PlanArgs),
    /// Check a configuration and the files that it names; every fault with its line
    CheckConfig {
        /// The configuration, as in /etc/busbar/agent.toml
        file: PathBuf,
    },
    /// List everything that Busbar placed on this host
    Footprint(PlaceArgs),
    /// Move what still runs back to where it came from, and remove every cgroup that Busbar made
    Leave(LeaveArgs),
    /// Print the topology of a recorded machine (called by the agent itself)
    #[command(hide = true)]
    TopologyOf {
        /// The directory that holds its sys/ and proc/
        directory: PathBuf,
    },
    /// Print the manual page
    #[command(hide = true)]
    Man,
    /// Print completions for a shell
    #[command(hide = true)]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// What `run` is told.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The configuration [default: /etc/busbar/agent.toml, where there is one]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What stands over the configuration.
    #[command(flatten)]
    pub overrides: OverrideArgs,
    /// Serve a recorded machine (only in mode observe)
    #[arg(long, value_name = "DIR", hide = true)]
    pub root: Option<PathBuf>,
    /// Act on the files of the recorded machine as the configuration says, so that tests see a whole agent act
    #[arg(long, hide = true, requires = "root")]
    pub rehearse: bool,
    /// The name of our own cgroup, so that tests and a real agent do not share one [default: busbar]
    #[arg(long, value_name = "NAME", hide = true)]
    pub cgroup: Option<String>,
}

/// What stands over the configuration.
#[derive(Debug, Args)]
pub struct OverrideArgs {
    /// Where HTTP is served; port 0 takes a free one [default: 127.0.0.1:9711]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Where the Unix socket stands [default: /run/busbar/agent.sock]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Where the ledger is kept [default: /var/lib/busbar/agent]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

impl From<OverrideArgs> for Overrides {
    fn from(args: OverrideArgs) -> Overrides {
        let OverrideArgs {
            listen,
            socket,
            state_dir,
        } = args;
        Overrides {
            listen,
            socket,
            state_dir,
        }
    }
}

/// What `plan` is told.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The agent's Unix socket
    #[arg(long, env = "BUSBAR_AGENT", value_name = "PATH", default_value = DEFAULT_SOCKET)]
    pub socket: PathBuf,
    /// Lines for people, or JSON
    #[arg(long, value_enum, default_value = "text")]
    pub output: Output,
}

/// What `footprint` and `leave` are told.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    /// Where the ledger is kept
    #[arg(long, value_name = "DIR", default_value = DEFAULT_STATE_DIR)]
    pub state_dir: PathBuf,
    /// Lines for people, or JSON
    #[arg(long, value_enum, default_value = "text")]
    pub output: Output,
}

/// What `leave` is told.
#[derive(Debug, Args)]
pub struct LeaveArgs {
    /// Which ledger, and how it is said.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Leave although a rack holds this node's lease of power: its limits are put back, and the rack counts the node as uncapped; and
    /// although somebody has a pooled drive: it is taken from him, and what is on it stays
    #[arg(long)]
    pub force: bool,
}
