//! The rack of these stories: nodes with firm and revocable watts that just fit.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use house_tests::raise::{Fleet, FleetPlan, Shape, bay};
use house_tests::wait;
use nix::sys::signal::Signal;
use serde_json::json;

use crate::proofs;
use crate::watch::Watch;

/// Long enough for a loaded machine; nothing here judges how long a thing takes.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// What each node has firm.
pub const FIRM: u64 = 234;
/// What it has in all where the watts are redundant.
pub const WHOLE: u64 = 267;
/// What survives one loss: six supplies of 3 kW at n+1.
const SURVIVES: u64 = 15_000;
const AGENTS: usize = 8;

const SHAPE: Shape = Shape {
    packages: 1,
    package_watts: 360,
    rest_watts: 40,
    floor_watts: 120,
    idle_watts: 60,
};

/// A raised rack with all its claims.
pub struct Stand {
    pub fleet: Fleet,
    pub watch: Watch,
    /// What fans and switches draw: so much that the nodes' watts are all that is left.
    pub fixed: u64,
    bay: Cell<usize>,
}

fn agents() -> usize {
    let asked = std::env::var("BUSBAR_AGENTS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(AGENTS)
}

impl Stand {
    /// Where the silence is accepted, firm and revocable watts together are what is ridden for a while; else what survives.
    pub fn raise(name: &str, accept_silence: bool) -> anyhow::Result<Stand> {
        let nodes = agents();
        let each = if accept_silence { FIRM } else { WHOLE };
        let fixed = SURVIVES.saturating_sub(each.saturating_mul(u64::try_from(nodes)?));
        let plan = FleetPlan {
            nodes,
            shape: SHAPE,
            policy: "n+1".to_owned(),
            node_bmcs: false,
            fixed_load_watts: fixed,
            domain: format!(
                "sell_revocable = true\ndetect_within = \"1s\"\naccept_silence = {accept_silence}\n"
            ),
            poll_interval: "1s".to_owned(),
            // How long a loss takes here is the test machine's; what is asked is order.
            overload_for: "600s".to_owned(),
            agents_in_memory: false,
        };
        let mut fleet = Fleet::raise(name, &plan)?;
        let names: Vec<String> = fleet.nodes.iter().map(|node| node.name.clone()).collect();
        proofs::journal(&fleet.state_dir(), &names, FIRM, SHAPE.max_draw_watts())?;
        fleet.start_rack()?;
        let watch = Watch::start(&fleet.nodes);
        let stand = Stand {
            fleet,
            watch,
            fixed,
            bay: Cell::new(0),
        };
        stand.claimed(&names)?;
        Ok(stand)
    }

    fn claimed(&self, names: &[String]) -> anyhow::Result<()> {
        self.installed_becomes(18_000)?;
        self.all_become(SHAPE.floor_watts, "the floor")?;
        for name in names {
            let ask = json!({
                "for": format!("w-{name}"), "node": name, "watts": FIRM, "revocable_watts": WHOLE - FIRM,
            });
            self.fleet.claim(&ask)?;
        }
        self.all_become(WHOLE, "what is firm and what is revocable")?;
        self.fleet.demand(SHAPE.max_draw_watts())
    }

    pub fn limits(&self) -> Vec<u64> {
        self.fleet.nodes.iter().map(|node| node.limit()).collect()
    }

    pub fn all_become(&self, watts: u64, why: &str) -> anyhow::Result<()> {
        wait::until(why, PATIENCE, || {
            let limits = self.limits();
            ensure!(limits.iter().all(|limit| *limit == watts), "{limits:?}");
            Ok(Some(()))
        })
    }

    /// Until the controller counts so many watts of supplies in service.
    pub fn installed_becomes(&self, watts: u64) -> anyhow::Result<()> {
        wait::until("the shelf to be counted", PATIENCE, || {
            let view = self.fleet.view()?;
            let shelf = &view["domains"][0];
            ensure!(shelf["installed_watts"] == watts, "{shelf}");
            Ok(Some(()))
        })
    }

    /// How often the simulated rack drew more than was available.
    pub fn overloads(&self) -> anyhow::Result<u64> {
        let status = self.fleet.world.status()?;
        ensure!(status["dark"] == false, "the rack is dark: {status}");
        Ok(status["overloads"].as_u64().unwrap_or_default())
    }

    /// Pulls a supply; each time another one, so that none is taken for a loose contact.
    pub fn pull(&self) -> anyhow::Result<()> {
        self.fleet.world.act(&["pull", &bay(self.bay.get())])?;
        Ok(())
    }

    /// Puts one in where the last one was pulled.
    pub fn put_back(&self, watts: u64) -> anyhow::Result<()> {
        let number = self.bay.get();
        let (serial, rating) = (format!("SPARE-{number}"), watts.to_string());
        let place = bay(number);
        self.fleet
            .world
            .act(&["insert", &place, "--serial", &serial, "--watts", &rating])?;
        self.bay.set(number + 1);
        Ok(())
    }

    pub fn signal_all(&self, signal: Signal) -> anyhow::Result<()> {
        self.fleet.nodes.iter().try_for_each(|node| node.signal(signal))
    }

    pub fn log_of(&self, node: usize) -> PathBuf {
        self.fleet.nodes[node].log()
    }
}
