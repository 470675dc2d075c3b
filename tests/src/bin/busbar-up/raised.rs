//! What was raised: world, agent, rack, Prometheus; in this order up, and in the other one down.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use house_tests::raise::{
    Agent, AgentPlan, Daemon, Group, Prometheus, Rack, RackPlan, World, find_prometheus, tail,
};

use crate::args::Args;
use crate::end::Endings;
use crate::ports;
use crate::state::State;

/// Prometheus scrapes this often, so that a pulled supply shows within a second.
const SCRAPE_INTERVAL: &str = "500ms";

/// Everything that runs.
#[derive(Default)]
pub struct Raised {
    pub world: Option<World>,
    pub agent: Option<Agent>,
    pub rack: Option<Rack>,
    pub prometheus: Option<Prometheus>,
    /// Why there is no Prometheus.
    pub no_prometheus: Option<String>,
}

impl Raised {
    /// Raises everything. What stood before a failure stays in here, to be taken down.
    pub fn raise(&mut self, args: &Args, state: &State, endings: &Endings) -> anyhow::Result<()> {
        let group = Group::Own;
        let log = |name: &str| state.join(&format!("{name}.log"));
        let address = |port: u16| format!("127.0.0.1:{port}");

        let world = timed("world", || {
            let more: &[&str] = if args.fresh { &["--fresh"] } else { &[] };
            World::start(&state.binaries, &state.join("world"), &log("world"), group, more)
        })?;
        let addresses = world.addresses.clone();
        self.world = Some(world);
        self.note(state, endings)?;

        let mut plan = AgentPlan::in_folder(state.folder(), "n01", "enforce");
        plan.listen_address = address(ports::wanted(args.port_base, "the agent"));
        let config = state.join("agent.toml");
        let agent = timed("agent", || {
            Agent::start(&state.binaries, plan, &config, &log("agent"), group)
        })?;
        let agent_url = agent.daemon.url().to_owned();
        self.agent = Some(agent);
        self.note(state, endings)?;

        let mut plan = RackPlan::in_folder(state.folder(), "enforce", Some(&agent_url));
        plan.listen_address = address(ports::wanted(args.port_base + 1, "the rack"));
        let config = state.join("rack.toml");
        let rack = timed("rack", || {
            Rack::start(&state.binaries, &plan, &addresses, &config, &log("rack"), group)
        })?;
        let rack_url = rack.daemon.url().to_owned();
        self.rack = Some(rack);
        self.note(state, endings)?;

        self.raise_prometheus(args, state, &rack_url);
        self.note(state, endings)
    }

    /// A rack without Prometheus is still a rack: what goes wrong here is said and goes no further.
    fn raise_prometheus(&mut self, args: &Args, state: &State, rack_url: &str) {
        let found = args
            .prometheus
            .clone()
            .or_else(|| find_prometheus(state.binaries.target()));
        let Some(program) = found else {
            self.no_prometheus = Some("not found".to_owned());
            return;
        };
        let port = ports::wanted(args.port_base + 2, "Prometheus");
        let (folder, log) = (state.join("prometheus"), state.join("prometheus.log"));
        let raised = timed("prometheus", || {
            Prometheus::start(
                &program,
                &folder,
                rack_url,
                port,
                SCRAPE_INTERVAL,
                &log,
                Group::Own,
            )
        });
        match raised {
            Ok(prometheus) => self.prometheus = Some(prometheus),
            Err(error) => self.no_prometheus = Some(format!("{error:#}")),
        }
    }

    /// Every running daemon.
    fn daemons(&self) -> impl Iterator<Item = &Daemon> {
        let world = self.world.as_ref().map(|world| &world.daemon);
        let agent = self.agent.as_ref().map(|agent| &agent.daemon);
        let rack = self.rack.as_ref().map(|rack| &rack.daemon);
        let prometheus = self.prometheus.as_ref().map(|prometheus| &prometheus.daemon);
        [world, agent, rack, prometheus].into_iter().flatten()
    }

    /// Writes down what runs, and goes no further where the end was asked for meanwhile.
    fn note(&self, state: &State, endings: &Endings) -> anyhow::Result<()> {
        state.remember(self.daemons())?;
        ensure!(!endings.is_asked(), "stopped while raising");
        Ok(())
    }

    /// The rack's address.
    pub fn rack_url(&self) -> anyhow::Result<&str> {
        let rack = self.rack.as_ref().context("the rack controller is down")?;
        Ok(rack.daemon.url())
    }

    /// Reports each daemon that has died, once; fails when none is left.
    pub fn look_after(&mut self) -> anyhow::Result<()> {
        lost(&mut self.world, |world| &mut world.daemon)?;
        lost(&mut self.agent, |agent| &mut agent.daemon)?;
        lost(&mut self.rack, |rack| &mut rack.daemon)?;
        lost(&mut self.prometheus, |prometheus| &mut prometheus.daemon)?;
        ensure!(self.daemons().next().is_some(), "every daemon has died");
        Ok(())
    }

    /// Stops everything, the last raised first. Answers how many processes were ended.
    pub fn take_down(self, endings: &Endings) -> u32 {
        let daemons = [
            self.prometheus.map(|prometheus| prometheus.daemon),
            self.rack.map(|rack| rack.daemon),
            self.agent.map(|agent| agent.daemon),
            self.world.map(|world| world.daemon),
        ];
        let mut ended = 0;
        for mut daemon in daemons.into_iter().flatten() {
            ended += 1;
            if endings.at_once() {
                daemon.kill9();
                continue;
            }
            if let Err(error) = daemon.stop() {
                println!("{error:#}");
            }
        }
        ended
    }
}

/// Says once that a daemon has died, how, and what it said last; then it is no longer looked after.
fn lost<T>(place: &mut Option<T>, daemon: impl Fn(&mut T) -> &mut Daemon) -> anyhow::Result<()> {
    let Some(running) = place.as_mut().map(daemon) else {
        return Ok(());
    };
    if let Some(status) = running.ended()? {
        println!(
            "{} has died ({status}); its log {} ends with:\n{}",
            running.name(),
            running.log().display(),
            tail(running.log())
        );
        *place = None;
    }
    Ok(())
}

/// Says how long a daemon took to serve.
fn timed<T>(name: &str, start: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let begun = Instant::now();
    let started = start()?;
    println!("{name:12} ok   {:>8}", seconds(begun.elapsed()));
    Ok(started)
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

/// The path of a file as a person types it: relative to where they stand, where that is shorter.
pub fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}
