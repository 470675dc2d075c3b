//! The grammar of `busbar`: `busbar VERB PLACE`.

use std::path::PathBuf;

use agent_api::v1::{LONGEST_GRACE, LONGEST_WATCH, SHORTEST_WATCH};
use clap::{Args, Parser, Subcommand, ValueEnum};
use facts::Power;
use intent::WorkloadId;

use crate::ask::{AskArgs, RUN_HELP};
use crate::top::TopArgs;

/// The rack's address where none is given.
pub const DEFAULT_RACK: &str = "http://127.0.0.1:9712";
/// The agent's socket where none is given.
pub const DEFAULT_AGENT: &str = "/run/busbar/agent.sock";

const AFTER_HELP: &str = "\
First steps:
  busbar show                                  the rack as one machine
  busbar show power                            supplies, sums, headroom
  busbar claim power --watts 800 --for web     hold firm watts; they survive the loss of a supply
  busbar drain shelf/psu-3 --dry-run           may this supply be pulled?
  busbar run --cpus 1 --exclusive -- CMD       run CMD on a core of its own, on this machine
  busbar verify web-1                          was nobody else on its CPUs?
  busbar top                                   watch this machine; busbar top http://n01:9711 another one
  busbar events -f                             follow the journal

Exit codes: 0 done, 1 failed, 2 wrong usage or a bad ask, 3 refused (the sentence says what would help), 4 unreachable.
`busbar run` passes the command's own exit status on.";

const TOP_HELP: &str = "\
Keys: q quits, j and k or the arrows scroll, r reads at once. `-` is no zero: beside it stands why there is no value.

Examples:
  busbar top                                   the local agent, over its socket
  busbar top http://n01:9711 --interval 5      another node
  busbar top --once                            one frame, as text
  busbar top --output json | jq '.tables[0]'   one frame, for programs";

const VERIFY_HELP: &str = "\
Exit codes: 0 proven (or the workload shares its CPUs), 3 not proven; the lines say who else was there and what would help.

Examples:
  busbar verify web-1                          watch for 5 seconds
  busbar verify web-1 --for 30s --output json  longer, for programs";

/// A rack is one computer: show it, claim its watts, swap its parts, run on its cores.
#[derive(Debug, Parser)]
#[command(name = "busbar", version, about, after_help = AFTER_HELP, max_term_width = 110)]
pub struct Cli {
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
    pub verb: Verb,
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
    /// Claim a resource.
    Claim {
        /// Which resource.
        #[command(subcommand)]
        resource: Resource,
    },
    /// Give a claim back.
    Release {
        /// The claim's name or id.
        claim: String,
        /// Only say what would happen.
        #[arg(long)]
        dry_run: bool,
    },
    /// Say why a claim or a node is as it is, or why a workload on this machine suffers.
    Why(crate::why::WhyArgs),
    /// Empty a bay so that its part can be pulled: answers yes, `yes, exposed`, or no, with the numbers. Without a bay: this
    /// machine takes no new workloads, and those that run go on.
    Drain {
        /// The bay, as in shelf/psu-3 (its printed label does too, as in "PSU 4").
        place: Option<String>,
        /// Go on although no further loss is covered meanwhile.
        #[arg(long, requires = "place")]
        exposed: bool,
        /// Go on although promises are broken (smoke does not wait); needs --reason.
        #[arg(long, requires_all = ["reason", "place"])]
        force: bool,
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
    /// Cap the power of this machine's CPU packages, or put back the limits that were found before the first cap.
    Cap(CapArgs),
    /// Watch one node: NUMA nodes, CPUs, GPUs, power, drives, whether its sources speak.
    #[command(after_help = TOP_HELP)]
    Top(TopArgs),
    /// Run a command on this machine, on CPUs and memory of its own.
    #[command(after_help = RUN_HELP)]
    Run(Box<RunArgs>),
    /// End everything that runs in a workload: SIGTERM, and SIGKILL after the grace.
    Stop {
        /// The workload.
        workload: WorkloadId,
        /// How long it may take to end by itself (at most 10m).
        #[arg(long, default_value = "10s", value_parser = parse_grace, value_name = "TIME")]
        grace: u32,
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
    /// Drives of the rack's nodes.
    Drives,
}

/// What can be claimed.
#[derive(Debug, Subcommand)]
pub enum Resource {
    /// Firm watts: kept through the losses that the domain's policy covers.
    Power {
        /// How many watts, as in 800 or 0.5.
        #[arg(long, value_parser = parse_watts)]
        watts: Power,
        /// What for; also the claim's name.
        #[arg(long = "for", value_name = "NAME")]
        purpose: String,
        /// The node that may draw them; without it the claim is a reservation and grants no cap.
        #[arg(long)]
        node: Option<String>,
        /// The power domain; needed only where the rack has several.
        #[arg(long)]
        domain: Option<String>,
        /// 1 is kept longest, 9 is shed first.
        #[arg(long, value_parser = clap::value_parser!(u8).range(1..=9))]
        priority: Option<u8>,
        /// Repeat-safe: the same key gives the same answer, never a second claim.
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
        /// Only say whether it would be admitted.
        #[arg(long)]
        dry_run: bool,
    },
}

/// What every change of a bay has.
#[derive(Debug, Args)]
pub struct Change {
    /// Only say what would happen.
    #[arg(long)]
    pub dry_run: bool,
    /// Why; goes into the journal.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// `busbar cap`.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct CapArgs {
    /// The most that all packages together may draw, as in 300; it stands until another cap or its release.
    #[arg(long, value_parser = parse_watts)]
    pub watts: Option<Power>,
    /// Put back what was found before the first cap.
    #[arg(long)]
    pub release: bool,
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
    /// The command and its arguments.
    #[arg(required = true, last = true, value_name = "CMD")]
    pub command: Vec<std::ffi::OsString>,
}

/// `busbar verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The workload.
    pub workload: WorkloadId,
    /// How long to watch, as in 500ms, 5s or 1m (at most 1m).
    #[arg(long = "for", default_value = "5s", value_parser = parse_watch, value_name = "TIME")]
    pub for_milliseconds: u32,
}

fn parse_grace(text: &str) -> Result<u32, String> {
    let milliseconds = parse_duration(text)?.checked_mul(1_000);
    milliseconds
        .filter(|grace| *grace <= LONGEST_GRACE)
        .ok_or_else(|| format!("{text:?} is too long a grace; expected at most 10m"))
}

fn parse_watch(text: &str) -> Result<u32, String> {
    let expected =
        || format!("{text:?} is no time to watch; expected {SHORTEST_WATCH}ms to 1m, as in 500ms, 5s or 1m");
    let milliseconds = match text.strip_suffix("ms") {
        Some(digits) => digits.parse().map_err(|_| expected())?,
        None => parse_duration(text)
            .ok()
            .and_then(|seconds| seconds.checked_mul(1_000))
            .ok_or_else(expected)?,
    };
    if (SHORTEST_WATCH..=LONGEST_WATCH).contains(&milliseconds) {
        Ok(milliseconds)
    } else {
        Err(expected())
    }
}

/// Watts, exactly.
pub fn parse_watts(text: &str) -> Result<Power, String> {
    let expected = || {
        format!("{text:?} is no number of watts; expected one as in 800 or 0.5, at most 18446744073709551")
    };
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    if decimals.is_empty() || decimals.len() > 3 || !decimals.bytes().all(|b| b.is_ascii_digit()) {
        return Err(expected());
    }
    let watts: u64 = whole.parse().map_err(|_| expected())?;
    let milliwatts: u64 = format!("{decimals:0<3}").parse().map_err(|_| expected())?;
    let power =
        Power::from_watts(watts).and_then(|power| power.checked_add(Power::from_milliwatts(milliwatts)));
    power.ok_or_else(expected)
}

fn parse_duration(text: &str) -> Result<u32, String> {
    let expected = || format!("{text:?} is no duration; expected one as in 30s, 10m or 1h");
    let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_end);
    let number: u32 = digits.parse().map_err(|_| expected())?;
    let each = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err(expected()),
    };
    number.checked_mul(each).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_grammar_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_cap_is_set_or_released_and_never_both_or_neither() {
        let taken = |words: &str| Cli::try_parse_from(words.split_whitespace()).is_ok();
        assert!(taken("busbar cap --watts 300") && taken("busbar cap --release"));
        assert!(!taken("busbar cap") && !taken("busbar cap --watts 300 --release"));
        assert!(
            taken("busbar drain") && taken("busbar undrain") && taken("busbar drain shelf/psu-3 --exposed")
        );
        assert!(!taken("busbar drain --exposed") && !taken("busbar drain --force --reason smoke"));
        assert!(taken("busbar freeze web") && !taken("busbar freeze ../web"));
    }

    #[test]
    fn watts_are_exact() {
        assert_eq!(parse_watts("800").unwrap(), Power::from_milliwatts(800_000));
        assert_eq!(parse_watts("0.5").unwrap(), Power::from_milliwatts(500));
        assert_eq!(parse_watts("0").unwrap(), Power::ZERO);
        for bad in [
            "",
            "-1",
            "1e3",
            "1.",
            "1.2345",
            "0x10",
            "99999999999999999999",
            "18446744073709552",
            "NaN",
        ] {
            assert!(parse_watts(bad).is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn a_time_to_watch_is_bounded() {
        assert_eq!(parse_watch("500ms"), Ok(500));
        assert_eq!(parse_watch("1m"), Ok(60_000));
        for bad in ["", "0s", "99ms", "61s", "2m", "5", "-1s", "ms", "99999999999s"] {
            assert!(parse_watch(bad).is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(parse_duration("10m").unwrap(), 600);
        for bad in ["", "10", "m", "10d", "-1s", "99999999h"] {
            assert!(parse_duration(bad).is_err(), "{bad} was taken");
        }
    }
}
