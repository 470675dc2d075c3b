//! A rack that lost all its power comes back: nodes that boot uncapped, one by one, beside one that booted by itself and one that nobody sees.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, ensure};
use house_tests::http;
use house_tests::raise::{Fleet, FleetPlan, Shape, Site};
use house_tests::wait;
use serde_json::{Value, json};

use crate::stand::PATIENCE;

/// What each node can draw, and wants: all six together are more than a shelf of 18 kW rides even for a moment.
const MOST: u64 = 4_000;
/// What each has: five of them leave room for a sixth that boots, four and one that nobody sees leave none for another one.
const FIRM: u64 = 2_200;
const NODES: usize = 6;
/// The node whose BMC brings it back by itself.
const BY_ITSELF: usize = 0;
/// The node that has to wait as long as nobody sees the last one.
const WAITS: usize = 4;
/// The node whose BMC does not answer.
const UNSEEN: usize = 5;
/// From the moment when a machine is switched on until its agent runs.
const BOOTS: Duration = Duration::from_millis(1_500);
/// Longer than a controller needs to call an agent silent that it has never heard, and to do what it then thinks right.
const LONG: Duration = Duration::from_secs(5);

const SHAPE: Shape = Shape {
    packages: 1,
    package_watts: MOST - 200,
    rest_watts: 200,
    floor_watts: 500,
    idle_watts: 300,
};

/// What the story's witness sees in the world.
#[derive(Default)]
struct Seen {
    on: Vec<bool>,
    /// The nodes that were on and uncapped at once, where that were more than one.
    together: Option<Vec<usize>>,
    overloads: u64,
    dark: bool,
}

/// A thread that asks the world, and after that the files of the nodes, all the time. In this order, whoever is capped before the next one
/// is switched on is never seen uncapped beside it.
struct Witness {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Witness {
    fn start(fleet: &Fleet) -> Witness {
        let (seen, stop) = (
            Arc::new(Mutex::new(Seen::default())),
            Arc::new(AtomicBool::new(false)),
        );
        let (into, stopped) = (Arc::clone(&seen), Arc::clone(&stop));
        let world = fleet.world.addresses.control.clone();
        let files: Vec<PathBuf> = fleet.nodes.iter().map(|node| node.first_limit()).collect();
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                if let Ok(status) = http::get(&world, "/status") {
                    let uncapped: Vec<bool> = files.iter().map(is_uncapped).collect();
                    into.lock().unwrap().look(&status, &uncapped);
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        Witness {
            seen,
            stop,
            thread: Some(thread),
        }
    }

    fn on(&self) -> Vec<bool> {
        self.seen.lock().unwrap().on.clone()
    }

    fn judge(&self, overloads: u64) -> anyhow::Result<()> {
        let seen = self.seen.lock().unwrap();
        ensure!(!seen.dark, "the rack went dark again");
        ensure!(
            seen.overloads == overloads,
            "more was drawn than what is there, {} times",
            seen.overloads - overloads
        );
        ensure!(
            seen.together.is_none(),
            "booted uncapped at once: {:?}",
            seen.together
        );
        Ok(())
    }
}

impl Seen {
    fn look(&mut self, status: &Value, uncapped: &[bool]) {
        let nodes = status["nodes"].as_array().cloned().unwrap_or_default();
        self.on = nodes.iter().map(|node| node["on"] == true).collect();
        self.dark |= status["dark"] == true;
        self.overloads = status["overloads"].as_u64().unwrap_or(u64::MAX);
        let both = self.on.iter().zip(uncapped).enumerate();
        let loose: Vec<usize> = both
            .filter_map(|(node, (on, uncapped))| (*on && *uncapped).then_some(node))
            .collect();
        if loose.len() > 1 {
            self.together.get_or_insert(loose);
        }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What is not told counts as uncapped.
fn is_uncapped(file: &PathBuf) -> bool {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let watts = text.trim().parse::<u64>().unwrap_or(u64::MAX) / 1_000_000;
    watts > FIRM
}

pub fn a_rack_comes_back() -> anyhow::Result<()> {
    let mut fleet = raised()?;
    let overloads = loses_all_power(&mut fleet)?;
    let witness = Witness::start(&fleet);
    offers_wait_for_the_hardware(&mut fleet, &witness).context("before the shelf answers")?;
    come_on_one_by_one(&mut fleet, &witness).context("one by one")?;
    a_controller_that_starts_knows_of_nobody(&mut fleet, &witness).context("started anew")?;
    the_unseen_one_is_seen(&mut fleet, &witness).context("the last ones")?;
    witness.judge(overloads)
}

fn raised() -> anyhow::Result<Fleet> {
    let plan = FleetPlan {
        nodes: NODES,
        shape: SHAPE,
        policy: "n+1".to_owned(),
        fixed_load_watts: 0,
        node_bmcs: true,
        domain: String::new(),
        poll_interval: "500ms".to_owned(),
        overload_for: "1s".to_owned(),
        agents_in_memory: false,
    };
    let mut restores = vec!["always-off"; NODES];
    restores[BY_ITSELF] = "last-state";
    let site = Site {
        restores,
        ..Site::default()
    };
    let mut fleet = Fleet::raise_at("dark", &plan, site)?;
    fleet.start_rack()?;
    for (index, name) in names(&fleet).iter().enumerate() {
        let ask = json!({"for": format!("w-{name}"), "node": name, "watts": FIRM, "priority": index + 1});
        wait::until(&format!("the claim on {name}"), PATIENCE, || {
            // The shelf's supplies are on trial at first.
            Ok(fleet.claim(&ask).ok())
        })?;
    }
    for node in &fleet.nodes {
        node.limit_becomes(FIRM, PATIENCE, "what is firm")?;
    }
    fleet.demand(MOST)?;
    Ok(fleet)
}

fn names(fleet: &Fleet) -> Vec<String> {
    fleet.nodes.iter().map(|node| node.name.clone()).collect()
}

/// Both feeds die, and with them every machine and the controller; then they are back. How often the world was overloaded until then.
fn loses_all_power(fleet: &mut Fleet) -> anyhow::Result<u64> {
    fleet.kill_rack();
    // With little drawn one feed bears it until the other one has died too: supplies that tripped would stay down.
    fleet.demand(SHAPE.idle_watts)?;
    std::thread::sleep(Duration::from_secs(1));
    for feed in ["A", "B"] {
        fleet.world.act(&["feed-loss", feed])?;
    }
    wait::until("the dark", PATIENCE, || {
        Ok((fleet.world.status()?["dark"] == true).then_some(()))
    })?;
    for node in &mut fleet.nodes {
        node.loses_power(2)?;
    }
    fleet.demand(MOST)?;
    let unseen = fleet.nodes[UNSEEN].name.clone();
    for bmc in [unseen.as_str(), "shelf"] {
        fleet.world.act(&["bmc", bmc, "answer", "never"])?;
    }
    for feed in ["A", "B"] {
        fleet.world.act(&["feed-restore", feed])?;
    }
    let status = wait::until("the light", PATIENCE, || {
        let status = fleet.world.status()?;
        Ok((status["dark"] == false).then_some(status))
    })?;
    status["overloads"].as_u64().context("a number")
}

/// The shelf does not answer yet: the journal's orders are renewed, and nobody is promised or switched anything.
fn offers_wait_for_the_hardware(fleet: &mut Fleet, witness: &Witness) -> anyhow::Result<()> {
    fleet.start_rack()?;
    boots(fleet, BY_ITSELF)?;
    let name = fleet.nodes[BY_ITSELF].name.clone();
    wait::until("its lease to be renewed", PATIENCE, || {
        let node = fleet.view()?["nodes"][BY_ITSELF].clone();
        Ok((node["lease"]["counted_watts"] == FIRM).then_some(()))
    })
    .with_context(|| format!("{name} booted by itself"))?;
    for node in 1..UNSEEN {
        let name = fleet.nodes[node].name.clone();
        wait::until(&format!("{name} to be seen off"), PATIENCE, || {
            let node = fleet.view()?["nodes"][node].clone();
            Ok((node["state"] == "powered_off").then_some(()))
        })?;
        fleet.busbar(&["power", "on", &name])?;
    }
    let unseen = fleet.nodes[UNSEEN].name.clone();
    let refused = fleet.busbar(&["power", "on", &unseen]);
    ensure!(refused.is_err(), "nobody knows whether it is on: {refused:?}");
    let more = fleet.claim(&json!({"for": "more", "watts": 100}));
    ensure!(more.is_err(), "nobody has seen a supply: {more:?}");
    std::thread::sleep(LONG);
    let mut by_itself = [false; NODES];
    by_itself[BY_ITSELF] = true;
    ensure!(witness.on() == by_itself, "switched blindly: {:?}", witness.on());
    Ok(())
}

/// Now it does. Whoever was asked for comes on when the one before holds its cap, as long as all that it can draw fits beside all that the
/// unseen one may.
fn come_on_one_by_one(fleet: &mut Fleet, witness: &Witness) -> anyhow::Result<()> {
    fleet.world.act(&["bmc", "shelf", "answer", "ok"])?;
    for node in 1..WAITS {
        comes_on(fleet, witness, node)?;
    }
    let last = fleet.view()?["nodes"][UNSEEN].clone();
    ensure!(
        last["lease"]["counted_watts"] == MOST,
        "nobody knows of it: {last}"
    );
    let doubts = fleet.busbar(&["doubts"])?;
    let name = &fleet.nodes[BY_ITSELF].name;
    let told = doubts
        .lines()
        .any(|line| line.contains("restore") && line.contains(name.as_str()));
    ensure!(told, "its BMC would bring it back at any time: {doubts}");
    stays_off(witness, "no room for it")
}

/// Killed in the middle, and started beside a shelf that answers at once: what it has not heard of since may have booted.
fn a_controller_that_starts_knows_of_nobody(fleet: &mut Fleet, witness: &Witness) -> anyhow::Result<()> {
    fleet.kill_rack();
    fleet.start_rack()?;
    stays_off(witness, "no room for it after a new start either")
}

/// Its BMC says that it is off: there is room for the one that waits, and then for it.
fn the_unseen_one_is_seen(fleet: &mut Fleet, witness: &Witness) -> anyhow::Result<()> {
    let name = fleet.nodes[UNSEEN].name.clone();
    fleet.world.act(&["bmc", &name, "answer", "ok"])?;
    comes_on(fleet, witness, WAITS)?;
    fleet.busbar(&["power", "on", &name])?;
    comes_on(fleet, witness, UNSEEN)?;
    let view = fleet.view()?;
    let claims = view["claims"].as_array().map(Vec::len);
    ensure!(
        claims == Some(NODES),
        "promises stand through the dark: {}",
        view["claims"]
    );
    ensure!(
        view["domains"][0]["state"] == "redundant",
        "{}",
        view["domains"][0]
    );
    Ok(())
}

/// Until the world says that a node is on; then it boots, and its cap is in force.
fn comes_on(fleet: &mut Fleet, witness: &Witness, node: usize) -> anyhow::Result<()> {
    let name = fleet.nodes[node].name.clone();
    wait::until(&format!("{name} to be switched on"), PATIENCE, || {
        Ok(witness.on().get(node).copied().unwrap_or_default().then_some(()))
    })?;
    boots(fleet, node)
}

fn boots(fleet: &mut Fleet, node: usize) -> anyhow::Result<()> {
    std::thread::sleep(BOOTS);
    ensure!(fleet.nodes[node].limit() == MOST, "it boots uncapped");
    fleet.nodes[node].start(&fleet.binaries)?;
    fleet.nodes[node].limit_becomes(FIRM, PATIENCE, "what it had before the dark")
}

fn stays_off(witness: &Witness, why: &str) -> anyhow::Result<()> {
    std::thread::sleep(LONG);
    let on = witness.on();
    let expected: Vec<bool> = (0..NODES).map(|node| node < WAITS).collect();
    ensure!(on == expected, "{why}: {on:?}, expected {expected:?}");
    Ok(())
}
