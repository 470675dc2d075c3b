//! A rack of capped nodes: the simulated shelf, so many real agents, the real controller.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;

use super::binaries::Binaries;
use super::capped::{CappedNode, Shape, classes};
use super::daemon::{Daemon, Group};
use super::rack::Rack;
use super::scratch::Scratch;
use super::site::Site;
use super::world::World;
use crate::http;

/// What a fleet is raised with.
#[derive(Clone, Debug)]
pub struct FleetPlan {
    /// How many nodes.
    pub nodes: usize,
    /// What each is.
    pub shape: Shape,
    /// The redundancy policy, as in `n+1`.
    pub policy: String,
    /// What fans and switches draw, in the world and for the controller.
    pub fixed_load_watts: u64,
    /// Whether each node has a BMC that the controller reads too.
    pub node_bmcs: bool,
    /// Further lines of the `[[domain]]`: what revocable watts need.
    pub domain: String,
    /// How often the shelf's BMC is read where no event calls.
    pub poll_interval: String,
    /// How long a supply bears more than its rating, in the world and for the controller.
    pub overload_for: String,
    /// Whether the agents keep what they write in memory, so that they do not share the disk of the controller's journal: in a rack each
    /// has a disk of its own.
    pub agents_in_memory: bool,
}

/// What is kept in memory and looks like a folder (tmpfs(5)).
const MEMORY: &str = "/dev/shm";

/// A raised fleet. Fields are dropped in their order: daemons first, then the folder. Its agents write to nothing but files of their own, so that
/// fleets need not wait for each other.
#[derive(Debug)]
pub struct Fleet {
    /// The controller; `None` while it is down.
    pub rack: Option<Rack>,
    /// The nodes.
    pub nodes: Vec<CappedNode>,
    /// The simulated rack.
    pub world: World,
    /// Where everything lies.
    pub folder: Scratch,
    /// Where the agents lie, where they do not lie there.
    _agents: Option<Scratch>,
    /// The binaries.
    pub binaries: Binaries,
    /// What the controller logs, as `RUST_LOG` says it; its own default where it is empty.
    pub log_filter: String,
    site: Site,
    url: String,
}

impl Fleet {
    /// Raises world and agents on the usual shelf. The controller's configuration is written, and it is not started.
    ///
    /// # Errors
    /// A daemon does not come up.
    pub fn raise(name: &str, plan: &FleetPlan) -> anyhow::Result<Fleet> {
        Fleet::raise_at(name, plan, Site::default())
    }

    /// The same on another shelf.
    ///
    /// # Errors
    /// A daemon does not come up.
    pub fn raise_at(name: &str, plan: &FleetPlan, site: Site) -> anyhow::Result<Fleet> {
        let (binaries, folder) = (Binaries::find()?, Scratch::new(name)?);
        let agents = match plan.agents_in_memory {
            true => Some(Scratch::below(Path::new(MEMORY), name)?),
            false => None,
        };
        let theirs = agents.as_ref().unwrap_or(&folder).path();
        let classes = classes(folder.path())?;
        let mut nodes = Vec::new();
        for number in 1..=plan.nodes {
            let name = format!("n{number:02}");
            let mut node = CappedNode::new(&name, plan.shape, theirs, &classes)?;
            node.environment.clone_from(&site.environment);
            nodes.push(node);
        }
        let file = folder.join("world.toml");
        std::fs::write(&file, world_file(plan, &site, &nodes))?;
        let (state, log) = (folder.join("world"), folder.join("world.log"));
        let world = World::serve(&binaries, &file, &state, &log, Group::Starters, &[])?;
        for node in &mut nodes {
            node.start(&binaries)?;
        }
        let fleet = Fleet {
            rack: None,
            nodes,
            world,
            folder,
            _agents: agents,
            binaries,
            log_filter: String::new(),
            site,
            url: String::new(),
        };
        std::fs::write(fleet.config(), fleet.rack_file(plan))?;
        Ok(fleet)
    }

    /// The controller's configuration.
    pub fn config(&self) -> PathBuf {
        self.folder.join("rack.toml")
    }

    /// Where the controller keeps its journal.
    pub fn state_dir(&self) -> PathBuf {
        self.folder.join("rack")
    }

    /// What the controller logs.
    pub fn log(&self) -> PathBuf {
        self.folder.join("rack.log")
    }

    /// Starts the controller, or starts it again.
    ///
    /// # Errors
    /// It does not come up.
    pub fn start_rack(&mut self) -> anyhow::Result<()> {
        self.start_rack_within(Command::new(self.binaries.path(Binaries::RACK)))
    }

    /// The same by a command that executes the words that follow it: the controller itself, or whatever puts it into a world of its own.
    ///
    /// # Errors
    /// It does not come up.
    pub fn start_rack_within(&mut self, mut command: Command) -> anyhow::Result<()> {
        command.args(["serve", "--config"]).arg(self.config());
        if !self.log_filter.is_empty() {
            command.env("RUST_LOG", &self.log_filter);
        }
        self.site.surround(&mut command);
        let daemon = Daemon::start("busbar-rack", command, &self.log(), Group::Starters)?;
        daemon.url().clone_into(&mut self.url);
        self.rack = Some(Rack { daemon });
        Ok(())
    }

    /// Ends the controller as a crash would.
    pub fn kill_rack(&mut self) {
        if let Some(mut rack) = self.rack.take() {
            rack.daemon.kill9();
        }
    }

    /// The controller's address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The rack as it is shown.
    ///
    /// # Errors
    /// The controller does not answer.
    pub fn view(&self) -> anyhow::Result<Value> {
        http::get(&self.url, "/v1/rack")
    }

    /// What `busbar WORDS` prints where it goes well.
    ///
    /// # Errors
    /// It does not go well.
    pub fn busbar(&self, words: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(self.binaries.path(Binaries::CLI));
        command.args(words);
        command.env("BUSBAR_RACK", &self.url).env("NO_COLOR", "1");
        let done = command.output().context("cannot start busbar")?;
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        let error = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "busbar {}: {error}{said}", words.join(" "));
        Ok(said)
    }

    /// Claims watts; the claim's id.
    ///
    /// # Errors
    /// They are refused.
    pub fn claim(&self, ask: &Value) -> anyhow::Result<String> {
        let reply = http::ask("POST", &self.url, "/v1/claims", Some(ask))?;
        ensure!(reply.status == 201, "{ask}: {} {}", reply.status, reply.body);
        let claim = reply.json()?;
        claim["id"].as_str().map(str::to_owned).context("an id")
    }

    /// What the work of every node wants.
    ///
    /// # Errors
    /// The world refuses.
    pub fn demand(&self, watts: u64) -> anyhow::Result<()> {
        let watts = watts.to_string();
        for node in &self.nodes {
            self.world.act(&["demand", &node.name, &watts])?;
        }
        Ok(())
    }

    fn rack_file(&self, plan: &FleetPlan) -> String {
        let mut text = format!(
            "[rack]\nname = \"r-fleet\"\nmode = \"enforce\"\nsimulated = true\nlisten_address = \"127.0.0.1:0\"\nstate_dir = {:?}\n",
            self.state_dir()
        );
        for feed in ["A", "B"] {
            // fmt::Write into a String cannot fail, here and below.
            let _ = write!(
                text,
                "\n[[feed]]\nname = {feed:?}\nvolts = 230\nphases = 3\nbreaker_amperes = 63\nderating = 0.8\n"
            );
        }
        let _ = write!(
            text,
            "\n[[domain]]\nname = \"shelf\"\nsource = \"shelf\"\nredundancy = {:?}\nmargin = 0.0\nfixed_load_watts = {}\n\
             overload_factor = 1.2\noverload_for = {:?}\n{}",
            plan.policy, plan.fixed_load_watts, plan.overload_for, plan.domain
        );
        let addresses = &self.world.addresses;
        for bmc in &addresses.bmcs {
            if bmc.kind != "shelf" && !plan.node_bmcs {
                continue;
            }
            let _ = write!(
                text,
                "\n[[bmc]]\nname = {:?}\nurl = {:?}\ncredentials_file = {:?}\nca_file = {:?}\npoll_interval = {:?}\n",
                bmc.name, bmc.url, bmc.credentials_file, addresses.ca_file, plan.poll_interval
            );
        }
        for bay in 0..self.site.supplies {
            let _ = write!(
                text,
                "\n[[bay]]\nplace = \"shelf/psu-{bay}\"\nlabel = \"PSU {}\"\nfeed = {:?}\n",
                bay.saturating_add(1),
                self.site.feed(bay)
            );
        }
        for node in &self.nodes {
            let _ = write!(text, "\n[[node]]\nname = {:?}\ndomain = \"shelf\"\n", node.name);
            if plan.node_bmcs {
                let _ = writeln!(text, "bmc = {:?}", node.name);
            }
            text.push_str(&node.section());
        }
        text
    }
}

/// The simulated rack, in the words of hw-fixtures.
fn world_file(plan: &FleetPlan, site: &Site, nodes: &[CappedNode]) -> String {
    let overload = plan.overload_for.trim_end_matches('s');
    let mut text = format!(
        "name = \"fleet\"\nseed = 20261123\n{}\
         [shelf]\nname = \"shelf\"\nmaker = \"Open Rack Works\"\nmodel = \"PS-18K\"\nserial = \"PS18K-0064\"\noverload_time = \"{overload} s\"\n\
         fixed_load = \"{} W\"\n",
        site.world_feeds(),
        plan.fixed_load_watts
    );
    for bay in 0..site.supplies {
        let _ = write!(
            text,
            "[[shelf.supply]]\nbay = \"psu-{bay}\"\nfeed = {:?}\nrated = \"3 kW\"\nmaker = \"Delta Norte\"\nmodel = \"ECD-3000\"\n\
             serial = \"DN26-{bay}\"\n",
            site.inlet(bay)
        );
    }
    for (index, node) in nodes.iter().enumerate() {
        let shape = &node.shape;
        let _ = write!(
            text,
            "[[node]]\nname = {:?}\nmaker = \"Quarry Computing\"\nmodel = \"Q-64\"\nserial = \"Q64-{}\"\nidle = \"{} W\"\n\
             max_draw = \"{} W\"\npackages = {}\ncores_per_package = 32\nmemory = \"256 GiB\"\nlimit_lag = \"200 ms\"\nrest = \"{} W\"\n\
             powercap = {:?}\n",
            node.name,
            node.name,
            shape.idle_watts,
            shape.max_draw_watts(),
            shape.packages,
            shape.rest_watts,
            node.powercap()
        );
        if let Some(restore) = site.restores.get(index) {
            let _ = writeln!(text, "restore = {restore:?}");
        }
    }
    text
}

/// The bay's place on the usual shelf.
pub fn bay(number: usize) -> String {
    format!("shelf/psu-{}", number % Site::default().supplies)
}
