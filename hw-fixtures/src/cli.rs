//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::quantity::{Milliwatts, typed_watts};
use crate::world::{Answer, DriveManner, Verb};

const ABOUT: &str = "The outside world: one simulated rack behind real interfaces";

const LONG_ABOUT: &str = "\
The outside world that Busbar is tested against: one simulated rack behind real interfaces.

`serve` raises a power shelf and nodes, each with its own BMC: HTTPS Redfish on loopback,
with sessions, ETags, server-sent events, and PATCH that acts. `do` is the hand that pulls
supplies and cuts feeds.

  hw-fixtures serve racks/demo.toml         six 3 kW supplies, two feeds, four nodes
  hw-fixtures do status                     look at the rack
  hw-fixtures do pull shelf/psu-3           take a supply out
  hw-fixtures do insert shelf/psu-3         put it back
  hw-fixtures do feed-loss A                cut a feed
  hw-fixtures do bmc shelf answer never     let a BMC hang
  hw-fixtures do pull jbof/bay-3            take a drive out of a JBOF (racks/first.toml has one)
  hw-fixtures serve --tree RECORDED         serve a recorded Redfish tree";

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused (the world does not allow it now),
4 unreachable.

Keys, credentials, addresses.json and world.json stand in the state folder: --state-dir, else
$BUSBAR_WORLD, else busbar/world below $XDG_STATE_HOME or ~/.local/state.";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "hw-fixtures", version, about = ABOUT, long_about = LONG_ABOUT, after_long_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Raise a world and serve it until a signal ends it
    #[command(after_long_help = SERVE_HELP)]
    Serve(ServeArgs),
    /// Do something to a served world, or look at it
    #[command(after_long_help = DO_HELP)]
    Do(DoArgs),
    /// Play a scenario: deeds at their moments
    Play(PlayArgs),
}

const SERVE_HELP: &str = "\
When everything listens, one line says so on stdout:
  ready hw-fixtures http://127.0.0.1:PORT
and addresses.json in the state folder names every BMC with URL, credential file and
certificate fingerprint. What a hand changed (a pulled supply, a lost feed, a limit) is
remembered in world.json and still holds after a restart. Ports of the last run are taken
again when they are free.";

const DO_HELP: &str = "\
Places are named SHELF/BAY, such as shelf/psu-3. A refused deed changes nothing, exit code 3.";

/// `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The rack file, looked for as given and then below hw-fixtures; racks/demo.toml by default
    pub world: Option<PathBuf>,
    /// A recorded Redfish tree to serve as one more BMC (alone: no rack is raised)
    #[arg(long = "tree", value_name = "DIR")]
    pub trees: Vec<PathBuf>,
    /// Where keys, credentials, memory and addresses are kept
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Port of the control face; the BMCs take the following ones. 0: any
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub base_port: u16,
    /// Forget what a hand changed earlier
    #[arg(long)]
    pub fresh: bool,
}

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// `do`.
#[derive(Debug, Args)]
pub struct DoArgs {
    /// Where the served world keeps its addresses.json
    #[arg(long, value_name = "DIR", global = true)]
    pub state_dir: Option<PathBuf>,
    /// How to print the answer
    #[arg(long, value_enum, default_value = "text", global = true)]
    pub output: Output,
    /// The deed.
    #[command(subcommand)]
    pub deed: Deed,
}

/// `play`.
#[derive(Debug, Args)]
pub struct PlayArgs {
    /// The scenario file, looked for as given and then below hw-fixtures
    pub scenario: PathBuf,
    /// Where the served world keeps its addresses.json
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// How to print what was done
    #[arg(long, value_enum, default_value = "text")]
    pub output: Output,
}

/// One deed as it is typed.
#[derive(Debug, Clone, Subcommand)]
pub enum Deed {
    /// Draw the world: feeds, supplies, nodes, dark or not
    Status,
    /// Take a supply or a drive out of its bay
    Pull {
        /// The bay, such as shelf/psu-3
        place: String,
    },
    /// Put a supply or a drive into an empty bay
    Insert {
        /// The bay, such as shelf/psu-3
        place: String,
        /// Maker of another supply than the one that stood there first
        #[arg(long)]
        maker: Option<String>,
        /// Its model
        #[arg(long)]
        model: Option<String>,
        /// Serial number of another supply than the one that stood there first
        #[arg(long)]
        serial: Option<String>,
        /// Rating of another supply than the one that stood there first
        #[arg(long, value_parser = typed_watts)]
        watts: Option<Milliwatts>,
        /// Size of another drive than the one that stood there first, in bytes
        #[arg(long)]
        bytes: Option<u64>,
    },
    /// Break a supply; let a drive say that it will fail
    Fail {
        /// The bay, such as shelf/psu-3
        place: String,
    },
    /// Make a broken or tripped supply, or a drive, whole
    Repair {
        /// The bay, such as shelf/psu-3
        place: String,
    },
    /// Reset all supplies that tripped: how a dark rack comes back
    Restart,
    /// Take the power from a feed
    FeedLoss {
        /// The feed, such as A
        feed: String,
    },
    /// Give a feed its power back
    FeedRestore {
        /// The feed, such as A
        feed: String,
    },
    /// Set what a node's workload wants
    Demand {
        /// The node, such as n01
        node: String,
        /// Watts: 900, "900 W" or "1.5 kW"
        #[arg(value_parser = typed_watts)]
        watts: Milliwatts,
    },
    /// Set how a BMC behaves
    Bmc {
        /// The BMC, such as shelf or n01
        bmc: String,
        /// What about it.
        #[command(subcommand)]
        what: BmcDeed,
    },
    /// Set how a bay of drives, its drive or its erasure behaves
    Drive {
        /// The bay, such as jbof/bay-3
        place: String,
        /// How, from now on; proper ends all others
        manner: DriveManner,
    },
    /// Switch a node on or off
    Power {
        /// The node, such as n01
        node: String,
        /// On or off
        state: Switch,
    },
}

/// What can be done to a BMC.
#[derive(Debug, Clone, Subcommand)]
pub enum BmcDeed {
    /// How it answers from now on
    Answer {
        /// ok, 401, 404, half (half a body, then cut), never (takes the connection and stays silent), forgetful (open streams of
        /// events are forgotten), doubled (events come twice) or lossy (every second event never comes)
        answer: Answer,
    },
    /// Start it anew: its Redfish sessions and subscriptions are gone, open event streams end
    Reboot,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

impl Deed {
    /// The deed as the world takes it; `None` for looking only.
    #[must_use]
    pub fn verb(self) -> Option<Verb> {
        Some(match self {
            Self::Status => return None,
            Self::Pull { place } => Verb::Pull { place },
            Self::Insert {
                place,
                maker,
                model,
                serial,
                watts,
                bytes,
            } => Verb::Insert {
                place,
                maker,
                model,
                serial,
                milliwatts: watts.map(|watts| watts.0),
                bytes,
            },
            Self::Fail { place } => Verb::Fail { place },
            Self::Repair { place } => Verb::Repair { place },
            Self::Restart => Verb::Restart,
            Self::FeedLoss { feed } => Verb::FeedLoss { feed },
            Self::FeedRestore { feed } => Verb::FeedRestore { feed },
            Self::Demand { node, watts } => Verb::Demand {
                node,
                milliwatts: watts.0,
            },
            Self::Bmc {
                bmc,
                what: BmcDeed::Answer { answer },
            } => Verb::Bmc { bmc, answer },
            Self::Bmc {
                bmc,
                what: BmcDeed::Reboot,
            } => Verb::Reboot { bmc },
            Self::Drive { place, manner } => Verb::Drive { place, manner },
            Self::Power { node, state } => Verb::Power {
                node,
                on: state == Switch::On,
            },
        })
    }
}
