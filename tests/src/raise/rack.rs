//! The rack controller: a configuration made from the world's addresses, and its process.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use serde_json::Value;

use super::binaries::Binaries;
use super::daemon::{Daemon, Group};
use super::world::Addresses;
use crate::http;

/// The shelf's bays: the BMC's name of each, its printed label, its feed.
const BAYS: [(&str, &str, &str); 6] = [
    ("psu-0", "PSU 1", "A"),
    ("psu-1", "PSU 2", "A"),
    ("psu-2", "PSU 3", "A"),
    ("psu-3", "PSU 4", "B"),
    ("psu-4", "PSU 5", "B"),
    ("psu-5", "PSU 6", "B"),
];

/// What each demonstration node can pull uncapped, as the world's rack file says. Their BMCs cap them, so that they count with all of it.
const MAX_DRAW_WATTS: [u32; 4] = [4000, 2500, 3100, 2000];

/// Bays of the demonstration's JBOF, as the world's rack file says.
const JBOF_BAYS: u32 = 12;

/// The height unit of the first node.
const FIRST_UNIT: usize = 11;

/// Claims that a new demonstration begins with. With what nodes can draw uncapped it makes 12.4 kW of 15.0, so that one supply can just not be spared.
const DEMONSTRATION: [(&str, u32, Option<&str>); 5] = [
    ("web-1", 3000, Some("n01")),
    ("web-2", 2500, Some("n02")),
    ("db", 3100, Some("n03")),
    ("cache", 2000, Some("n04")),
    ("batch", 800, None),
];

/// What a rack controller is raised with.
#[derive(Clone, Debug)]
pub struct RackPlan {
    /// `observe`, `advise` or `enforce`.
    pub mode: String,
    /// Where it listens.
    pub listen_address: String,
    /// Its journal.
    pub state_dir: PathBuf,
    /// The agent of the first node, where one is raised.
    pub agent_url: Option<String>,
    /// How often a BMC is read where no event calls, as in `5s`.
    pub poll_interval: String,
}

impl RackPlan {
    /// A rack on a free port with its journal in `folder`.
    pub fn in_folder(folder: &Path, mode: &str, agent_url: Option<&str>) -> RackPlan {
        RackPlan {
            mode: mode.to_owned(),
            listen_address: "127.0.0.1:0".to_owned(),
            state_dir: folder.join("rack"),
            agent_url: agent_url.map(str::to_owned),
            poll_interval: "5s".to_owned(),
        }
    }

    /// The configuration file's text for this world.
    pub fn toml(&self, world: &Addresses) -> String {
        let mut text = format!(
            "# Written by the program that raised this rack, from the world's addresses.\n\
             [rack]\nname = \"r-demo\"\nmode = {:?}\nsimulated = true\nlisten_address = {:?}\nstate_dir = {:?}\n\
             controller_host = \"n01\"\n",
            self.mode, self.listen_address, self.state_dir
        );
        for feed in ["A", "B"] {
            // fmt::Write into a String cannot fail, here and below.
            let _ = write!(
                text,
                "\n[[feed]]\nname = {feed:?}\nvolts = 230\nphases = 3\nbreaker_amperes = 32\nderating = 0.8\n"
            );
        }
        text.push_str(
            "\n[[domain]]\nname = \"shelf\"\nsource = \"shelf\"\nredundancy = \"n+1\"\nmargin = 0.0\n\
             fixed_load_watts = 0\nsell_revocable = false\noverload_factor = 1.2\noverload_for = \"1s\"\n",
        );
        for bmc in world.bmcs.iter().filter(|bmc| bmc.kind != "tree") {
            let _ = write!(
                text,
                "\n[[bmc]]\nname = {:?}\nurl = {:?}\ncredentials_file = {:?}\nca_file = {:?}\npoll_interval = {:?}\n",
                bmc.name, bmc.url, bmc.credentials_file, world.ca_file, self.poll_interval
            );
        }
        for jbof in world.bmcs.iter().filter(|bmc| bmc.kind == "jbof") {
            let _ = write!(
                text,
                "\n[[enclosure]]\nname = {:?}\nbmc = {:?}\nbays = {JBOF_BAYS}\n",
                jbof.name, jbof.name
            );
        }
        for (supply, label, feed) in BAYS {
            let _ = write!(
                text,
                "\n[[bay]]\nplace = \"shelf/{supply}\"\nlabel = {label:?}\nfeed = {feed:?}\n"
            );
        }
        let nodes = world.bmcs.iter().filter(|bmc| bmc.kind == "node");
        for (index, node) in nodes.enumerate() {
            let _ = write!(
                text,
                "\n[[node]]\nname = {:?}\nunit = {}\ndomain = \"shelf\"\nbmc = {:?}\nmax_draw_watts = {}\n",
                node.name,
                FIRST_UNIT + index,
                node.name,
                MAX_DRAW_WATTS[index % MAX_DRAW_WATTS.len()]
            );
            if let Some(agent) = self.agent_url.as_ref().filter(|_| index == 0) {
                let _ = writeln!(text, "agent = {agent:?}");
            }
        }
        text
    }
}

/// A running rack controller.
#[derive(Debug)]
pub struct Rack {
    /// Its process.
    pub daemon: Daemon,
}

impl Rack {
    /// Writes the configuration and starts the controller.
    ///
    /// # Errors
    /// It does not come up.
    pub fn start(
        binaries: &Binaries,
        plan: &RackPlan,
        world: &Addresses,
        config: &Path,
        log: &Path,
        group: Group,
    ) -> anyhow::Result<Rack> {
        std::fs::write(config, plan.toml(world))
            .with_context(|| format!("cannot write {}", config.display()))?;
        Rack::start_again(binaries, config, log, group)
    }

    /// Starts the controller with a configuration that is there already.
    ///
    /// # Errors
    /// It does not come up.
    pub fn start_again(binaries: &Binaries, config: &Path, log: &Path, group: Group) -> anyhow::Result<Rack> {
        let mut command = Command::new(binaries.path(Binaries::RACK));
        command.args(["serve", "--config"]).arg(config);
        Ok(Rack {
            daemon: Daemon::start("busbar-rack", command, log, group)?,
        })
    }

    /// The rack as it is shown.
    ///
    /// # Errors
    /// The controller does not answer.
    pub fn view(&self) -> anyhow::Result<Value> {
        http::get(self.daemon.url(), "/v1/rack")
    }
}

/// The claims of a new demonstration, as `busbar claim power` takes them: watts, name, node.
pub fn demonstration() -> impl Iterator<Item = (&'static str, u32, Option<&'static str>)> {
    DEMONSTRATION.into_iter()
}
