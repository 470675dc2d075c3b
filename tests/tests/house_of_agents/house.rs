//! The house of losses: six nodes on a shelf of eight supplies, half of them on each feed; all that a policy lets be sold is sold.

use std::time::Duration;

use anyhow::{Context, ensure};
use house_tests::http;
use house_tests::raise::{Fleet, FleetPlan, Shape, Site};
use house_tests::wait;
use serde_json::{Value, json};

use crate::proofs;
use crate::stand::PATIENCE;
use crate::watch::Watch;

/// What each node can draw, and wants.
pub const MOST: u64 = 4_000;
/// What a node keeps whose firm watts cannot be served.
pub const FLOOR: u64 = 500;
/// Fans and switches.
pub const FIXED: u64 = 600;
/// All supplies together.
pub const INSTALLED: u64 = 24_000;
/// What one supply is rated.
pub const SUPPLY: u64 = 3_000;
/// The nodes; the first has the best claim.
pub const NODES: usize = 6;

const SUPPLIES: usize = 8;
/// Longer than all stories of one house take, and shorter than the hour by which the wall's clock jumps.
const LAST_CLAIM_STANDS: u32 = 2_400;

const SHAPE: Shape = Shape {
    packages: 1,
    package_watts: MOST - 200,
    rest_watts: 200,
    floor_watts: FLOOR,
    idle_watts: 300,
};

/// What a house has promised, and to what.
#[derive(Clone, Copy)]
pub struct Policy {
    /// As in rack.toml.
    pub redundancy: &'static str,
    /// Whether a silent rack may draw what is only ridden for a while.
    pub accept_silence: bool,
    /// What each node has firm: a sixth of what survives, less what is fixed.
    pub firm: u64,
    /// What each has in all: a sixth of what is ridden, or of what survives where silence is not accepted.
    pub whole: u64,
}

/// A raised house with all its claims.
pub struct House {
    pub fleet: Fleet,
    pub watch: Watch,
    pub policy: Policy,
}

impl House {
    pub fn raise(name: &str, policy: Policy, environment: Vec<(String, String)>) -> anyhow::Result<House> {
        let plan = FleetPlan {
            nodes: NODES,
            shape: SHAPE,
            policy: policy.redundancy.to_owned(),
            node_bmcs: false,
            fixed_load_watts: FIXED,
            domain: format!(
                "sell_revocable = true\ndetect_within = \"1s\"\naccept_silence = {}\n",
                policy.accept_silence
            ),
            poll_interval: "1s".to_owned(),
            // How long a loss takes here is the test machine's; what is asked is order.
            overload_for: "600s".to_owned(),
            agents_in_memory: false,
        };
        let site = Site {
            supplies: SUPPLIES,
            on_feed_a: SUPPLIES / 2,
            has_branches: true,
            environment,
            ..Site::default()
        };
        let mut fleet = Fleet::raise_at(name, &plan, site)?;
        let names: Vec<String> = fleet.nodes.iter().map(|node| node.name.clone()).collect();
        proofs::journal(&fleet.state_dir(), &names, policy.firm, MOST)?;
        fleet.start_rack()?;
        let watch = Watch::start(&fleet.nodes);
        let house = House { fleet, watch, policy };
        house.claimed(&names)?;
        Ok(house)
    }

    fn claimed(&self, names: &[String]) -> anyhow::Result<()> {
        self.installed_becomes(INSTALLED)?;
        self.all_become(FLOOR, "the floor")?;
        let Policy { firm, whole, .. } = self.policy;
        for (index, name) in names.iter().enumerate() {
            let mut ask = json!({
                "for": format!("w-{name}"), "node": name, "watts": firm, "revocable_watts": whole - firm, "priority": index + 1,
            });
            if index + 1 == NODES {
                ask["ttl_seconds"] = json!(LAST_CLAIM_STANDS);
            }
            self.fleet.claim(&ask)?;
        }
        self.all_become(whole, "what is firm and what is revocable")?;
        self.fleet.demand(MOST)
    }

    pub fn limits(&self) -> Vec<u64> {
        self.fleet.nodes.iter().map(|node| node.limit()).collect()
    }

    /// Until the nodes' files say so, each its own.
    pub fn become_these(&self, wanted: &[u64], why: &str) -> anyhow::Result<()> {
        wait::until(why, PATIENCE, || {
            let limits = self.limits();
            ensure!(limits == wanted, "{limits:?}, expected {wanted:?}");
            Ok(Some(()))
        })
    }

    pub fn all_become(&self, watts: u64, why: &str) -> anyhow::Result<()> {
        self.become_these(&[watts; NODES], why)
    }

    /// The shelf as the controller counts it.
    pub fn shelf(&self) -> anyhow::Result<Value> {
        Ok(self.fleet.view()?["domains"][0].clone())
    }

    /// Until the controller counts so many watts of supplies in service.
    pub fn installed_becomes(&self, watts: u64) -> anyhow::Result<()> {
        wait::until(&format!("{watts} W to be counted"), PATIENCE, || {
            let shelf = self.shelf()?;
            ensure!(shelf["installed_watts"] == watts, "{shelf}");
            Ok(Some(()))
        })
    }

    /// The last event so far.
    pub fn mark(&self) -> anyhow::Result<u64> {
        self.fleet.view()?["journal_sequence"]
            .as_u64()
            .context("a number")
    }

    /// What was journaled after a mark.
    pub fn events(&self, after: u64) -> anyhow::Result<Vec<Value>> {
        let events = http::get(self.fleet.url(), &format!("/v1/events?after={after}"))?;
        events.as_array().cloned().context("events")
    }

    /// Until so many events of this kind were journaled after a mark.
    pub fn told(&self, after: u64, kind: &str, times: usize) -> anyhow::Result<Vec<Value>> {
        wait::until(&format!("{times} x {kind}"), PATIENCE, || {
            let mut found = self.events(after)?;
            found.retain(|event| event["kind"] == kind);
            Ok((found.len() >= times).then_some(found))
        })
    }

    /// How often the simulated rack drew more than was available. It is an error where it went dark.
    pub fn overloads(&self) -> anyhow::Result<u64> {
        let status = self.fleet.world.status()?;
        ensure!(status["dark"] == false, "the rack is dark: {status}");
        Ok(status["overloads"].as_u64().unwrap_or_default())
    }

    /// Until the simulated rack draws no more than what is available: limits bite a moment after they were written.
    pub fn is_borne(&self) -> anyhow::Result<()> {
        wait::until("the draw to be borne", PATIENCE, || {
            let status = self.fleet.world.status()?;
            ensure!(status["dark"] == false, "the rack is dark: {status}");
            let watts = |name: &str| status[name].as_f64().context("watts");
            ensure!(watts("draw_watts")? <= watts("available_watts")?, "{status}");
            Ok(Some(()))
        })
    }

    pub fn pull(&self, bay: usize) -> anyhow::Result<()> {
        self.fleet.world.act(&["pull", &place(bay)])?;
        Ok(())
    }

    /// Puts another supply in than the one that was pulled, so that it is not taken for a loose contact.
    pub fn put_in(&self, bay: usize) -> anyhow::Result<()> {
        let serial = format!("SPARE-{bay}-{}", self.mark()?);
        self.fleet
            .world
            .act(&["insert", &place(bay), "--serial", &serial])?;
        Ok(())
    }

    /// All supplies are in service, and everybody has all again; no raise on the way took more than what is borne.
    pub fn whole_again(&self) -> anyhow::Result<()> {
        self.installed_becomes(INSTALLED)?;
        self.all_become(self.policy.whole, "all again")?;
        let most = if self.policy.accept_silence {
            INSTALLED
        } else {
            FIXED + self.policy.whole * u64::try_from(NODES)?
        };
        self.watch.nothing_rose_above(FIXED, most)
    }

    /// Everything that was promised stands, and is held against what is there.
    pub fn promises_stand(&self) -> anyhow::Result<()> {
        let view = self.fleet.view()?;
        let held = view["domains"][0]["held_watts"].as_u64();
        let nodes = u64::try_from(NODES)?;
        ensure!(
            held == Some(self.policy.firm * nodes),
            "held: {}",
            view["domains"][0]
        );
        ensure!(
            view["claims"]
                .as_array()
                .is_some_and(|claims| claims.len() == NODES),
            "claims: {}",
            view["claims"]
        );
        Ok(())
    }
}

/// A bay's place.
pub fn place(bay: usize) -> String {
    format!("shelf/psu-{bay}")
}

/// How long the losses of one feed's supplies are apart, where four of them are spread over eight seconds.
pub const APART: Duration = Duration::from_millis(2_667);

/// A feed dies supply by supply: four of them within eight seconds.
pub fn feed_dies(house: &House) -> anyhow::Result<()> {
    for bay in 0..SUPPLIES / 2 {
        if bay > 0 {
            // The time itself is what is told of here.
            std::thread::sleep(APART);
        }
        house.fleet.world.act(&["feed-loss", &format!("A-{bay}")])?;
    }
    Ok(())
}

/// The feed is there again.
pub fn feed_returns(house: &House) -> anyhow::Result<()> {
    (0..SUPPLIES / 2).try_for_each(|bay| {
        house.fleet.world.act(&["feed-restore", &format!("A-{bay}")])?;
        Ok(())
    })
}
