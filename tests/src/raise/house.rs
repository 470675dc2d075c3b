//! A whole house for one story: world, agent and rack in a folder of their own, and the command line pointed at them.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;

use super::agent::{Agent, AgentPlan};
use super::binaries::Binaries;
use super::daemon::Group;
use super::rack::{Rack, RackPlan};
use super::scratch::Scratch;
use super::turn::Turn;
use super::world::World;
use crate::wait;

/// From the first look at the shelf until its supplies are counted: debounce, probation and a loaded machine.
const COUNTED_WITHIN: Duration = Duration::from_secs(60);

/// What a command said.
#[derive(Debug)]
pub struct Said {
    /// Its exit code; -1 where a signal ended it.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Said {
        Said {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// A raised house. Fields are dropped in their order: daemons first, then the folder, then the turn.
#[derive(Debug)]
pub struct House {
    /// The rack controller; `None` while it is down.
    pub rack: Option<Rack>,
    /// This machine's agent; `None` while it is down.
    pub agent: Option<Agent>,
    /// The simulated rack.
    pub world: World,
    /// Where everything lies.
    pub folder: Scratch,
    /// The binaries.
    pub binaries: Binaries,
    rack_config: PathBuf,
    agent_plan: AgentPlan,
    rack_url: String,
    left: bool,
    _turn: Turn,
}

impl House {
    /// Raises a house in which agent and rack have this mode.
    ///
    /// # Errors
    /// A daemon does not come up.
    pub fn raise(name: &str, mode: &str) -> anyhow::Result<House> {
        let turn = Turn::wait()?;
        let binaries = Binaries::find()?;
        let folder = Scratch::new(name)?;
        let group = Group::Starters;
        let world = World::start(
            &binaries,
            &folder.join("world"),
            &folder.join("world.log"),
            group,
            &[],
        )?;
        let agent_plan = AgentPlan::in_folder(folder.path(), "n01", mode);
        let agent = Agent::start(
            &binaries,
            agent_plan.clone(),
            &folder.join("agent.toml"),
            &folder.join("agent.log"),
            group,
        )?;
        let rack_plan = RackPlan::in_folder(folder.path(), mode, Some(agent.daemon.url()));
        let rack_config = folder.join("rack.toml");
        let rack = Rack::start(
            &binaries,
            &rack_plan,
            &world.addresses,
            &rack_config,
            &folder.join("rack.log"),
            group,
        )?;
        Ok(House {
            rack_url: rack.daemon.url().to_owned(),
            rack: Some(rack),
            agent: Some(agent),
            world,
            folder,
            binaries,
            rack_config,
            agent_plan,
            left: false,
            _turn: turn,
        })
    }

    /// Starts the rack controller again, with the same configuration.
    ///
    /// # Errors
    /// It does not come up.
    pub fn start_rack(&mut self) -> anyhow::Result<()> {
        let log = self.folder.join("rack.log");
        let rack = Rack::start_again(&self.binaries, &self.rack_config, &log, Group::Starters)?;
        rack.daemon.url().clone_into(&mut self.rack_url);
        self.rack = Some(rack);
        Ok(())
    }

    /// Starts the agent again, with the same state, on the port where the rack looks for it.
    ///
    /// # Errors
    /// It does not come up.
    pub fn start_agent(&mut self, listen_address: &str) -> anyhow::Result<()> {
        let mut plan = self.agent_plan.clone();
        listen_address.clone_into(&mut plan.listen_address);
        let (config, log) = (self.folder.join("agent.toml"), self.folder.join("agent.log"));
        self.agent = Some(Agent::start(
            &self.binaries,
            plan,
            &config,
            &log,
            Group::Starters,
        )?);
        Ok(())
    }

    /// The running rack controller.
    ///
    /// # Errors
    /// It is down.
    pub fn rack(&self) -> anyhow::Result<&Rack> {
        self.rack.as_ref().context("the rack controller is down")
    }

    /// The running agent.
    ///
    /// # Errors
    /// It is down.
    pub fn agent(&self) -> anyhow::Result<&Agent> {
        self.agent.as_ref().context("the agent is down")
    }

    /// The `busbar` command, pointed at this house.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.binaries.path(Binaries::CLI));
        command
            .args(words)
            .env("BUSBAR_RACK", &self.rack_url)
            .env("BUSBAR_AGENT", &self.agent_plan.socket)
            .env("BUSBAR_WORLD", self.folder.join("world"))
            .env("NO_COLOR", "1");
        command
    }

    /// What `busbar WORDS` says.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn busbar(&self, words: &[&str]) -> anyhow::Result<Said> {
        let output = self.command(words).output().context("cannot start busbar")?;
        Ok(output.into())
    }

    /// What `busbar WORDS` prints where it must go well.
    ///
    /// # Errors
    /// It does not go well.
    pub fn busbar_ok(&self, words: &[&str]) -> anyhow::Result<String> {
        let said = self.busbar(words)?;
        ensure!(said.code == 0, "busbar {}: {said:?}", words.join(" "));
        Ok(said.out)
    }

    /// The shelf as the rack shows it.
    ///
    /// # Errors
    /// The controller does not answer or shows none.
    pub fn shelf(&self) -> anyhow::Result<Value> {
        let view = self.rack()?.view()?;
        let domains = view["domains"].as_array().context("no domains")?;
        let shelf = domains.iter().find(|domain| domain["name"] == "shelf");
        shelf
            .cloned()
            .with_context(|| format!("no domain called shelf: {view}"))
    }

    /// Waits until the shelf shows what `wanted` takes.
    ///
    /// # Errors
    /// It does not in time; the error shows the shelf as it is.
    pub fn shelf_until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        wait::until(what, COUNTED_WITHIN, || {
            let shelf = self.shelf()?;
            ensure!(wanted(&shelf), "the shelf is {shelf}");
            Ok(Some(shelf))
        })
    }

    /// Waits until all six supplies are counted.
    ///
    /// # Errors
    /// They are not in time.
    pub fn all_counted(&self) -> anyhow::Result<Value> {
        self.shelf_until("six supplies in service", |shelf| {
            shelf["installed_watts"].as_f64() == Some(18_000.0)
        })
    }

    /// Stops everything in order and undoes what the agent did.
    ///
    /// # Errors
    /// A daemon does not stop well, or something is left.
    pub fn take_down(mut self) -> anyhow::Result<String> {
        if let Some(rack) = self.rack.take() {
            rack.daemon.stop()?;
        }
        if let Some(agent) = self.agent.take() {
            agent.daemon.stop()?;
        }
        self.left = true;
        Agent::leave(&self.binaries, &self.agent_plan.state_dir)
    }
}

impl Drop for House {
    /// A story that failed leaves no cgroup behind either.
    fn drop(&mut self) {
        if !self.left {
            self.rack = None;
            self.agent = None;
            if let Err(error) = Agent::leave(&self.binaries, &self.agent_plan.state_dir) {
                eprintln!("{error:#}");
            }
        }
    }
}
