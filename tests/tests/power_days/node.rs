//! A server of the simulated rack: its agent's own lease machine, its clock, and the file from which the world learns a limit.

use agent::lease::{Held, Here, Leases};
use agent_api::v1::{Lease, LeaseInForce, LeaseView};
use facts::Power;
use hw_fixtures::world::{Verb, World};

use crate::oath::Oath;

/// What of a node its agent's caps do not cover.
pub const REST: Power = Power::from_milliwatts(40_000);

/// How a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its agent runs.
    Up,
    /// Its agent was killed, or is stopped, until then: the hardware keeps the limit.
    NoAgent(u64),
    /// It boots until then, and knows no limit.
    Booting {
        until: u64,
        /// Its load is there some seconds before its agent is.
        agent_late: bool,
    },
    /// It has booted, its load is there, and its agent is not, until then: nothing limits it.
    Uncapped(u64),
    /// It is switched off.
    Off,
    /// It was switched on by the controller: its load is there, nothing limits it, and its agent runs from then on.
    ComesOn(u64),
}

/// One server.
pub struct Node {
    pub name: String,
    pub state: State,
    /// What the ledger has: a kill leaves it, and so does a boot.
    pub leases: Leases,
    boot: u64,
    booted_ms: u64,
    /// Nothing goes through between it and the controller until then.
    pub cut_off_until: u64,
    /// Which busbar it hangs on.
    pub site: usize,
    oath: Oath,
}

/// Why an agent says no; the words do not matter here.
#[derive(Clone, Debug)]
pub struct Refused;

impl Node {
    pub fn new(name: &str, site: usize) -> Node {
        Node {
            name: name.to_owned(),
            state: State::Up,
            leases: Leases::default(),
            boot: 1,
            booted_ms: 0,
            cut_off_until: 0,
            site,
            oath: Oath::default(),
        }
    }

    fn boot_id(&self) -> String {
        format!("{}-{}", self.name, self.boot)
    }

    fn clock(&self, now_ms: u64) -> u64 {
        now_ms - self.booted_ms
    }

    /// The agent's answer to a lease.
    pub fn take(&mut self, lease: &Lease, now_ms: u64, world: &mut World) -> Result<LeaseView, Refused> {
        let boot_id = self.boot_id();
        let here = Here {
            boot_id: &boot_id,
            now: self.clock(now_ms),
            cap: None,
        };
        let before = self.leases.target();
        let next = self.leases.take(lease, &here).map_err(|_| Refused)?;
        self.leases = next.leases;
        let after = self.leases.target().expect("it said yes");
        self.oath.took(lease, self.clock(now_ms), before, after);
        self.write(now_ms, world);
        Ok(self.view(now_ms))
    }

    /// Writes what is in force to the hardware: the only way in which the world learns it.
    fn write(&self, now_ms: u64, world: &mut World) {
        self.oath.holds(self.clock(now_ms), self.leases.target());
        if let Some(target) = self.leases.target() {
            let whole = target.saturating_add(REST).milliwatts();
            if world.node(&self.name).and_then(|node| node.limit()) != Some(whole) {
                assert!(world.set_limit(&self.name, Some(whole)), "{}", self.name);
            }
        }
    }

    pub fn view(&self, now_ms: u64) -> LeaseView {
        LeaseView {
            boot_id: self.boot_id(),
            node: None,
            now_millis: self.clock(now_ms),
            lease: self.leases.held.as_ref().map(|held| LeaseInForce {
                rack: held.rack.clone(),
                sequence: held.sequence,
                cap_watts: held.holds().cap_watts,
                levels: held.holds().levels.clone(),
                level: held.holds().level,
                expired: held.expired,
                expires_millis: held.expires_millis,
                in_force_watts: Some(held.target),
                applied: true,
                why_not: None,
            }),
            head: self.leases.seen.as_ref().map(|seen| seen.head.clone()),
            not_capped: Vec::new(),
        }
    }

    /// Time goes by: leases end, agents and machines come back.
    pub fn pass(&mut self, now_ms: u64, world: &mut World) {
        match self.state {
            State::Up => self.expire(now_ms, world),
            State::NoAgent(until) if until <= now_ms => {
                self.state = State::Up;
                self.expire(now_ms, world);
            }
            State::Booting { until, agent_late } if until <= now_ms => {
                self.boots(now_ms);
                if agent_late {
                    self.state = State::Uncapped(now_ms + 4_000);
                } else {
                    self.state = State::Up;
                    self.write(now_ms, world);
                }
                let node = self.name.clone();
                world.act(&Verb::Power { node, on: true }).expect("it was off");
            }
            State::Uncapped(until) | State::ComesOn(until) if until <= now_ms => {
                self.state = State::Up;
                self.write(now_ms, world);
            }
            State::NoAgent(_)
            | State::Booting { .. }
            | State::Uncapped(_)
            | State::Off
            | State::ComesOn(_) => {}
        }
    }

    fn boots(&mut self, now_ms: u64) {
        self.boot += 1;
        self.booted_ms = now_ms;
        self.leases = self.leases.after_boot();
        self.oath.booted();
    }

    /// Its BMC switched it off, whatever it was at.
    pub fn goes_off(&mut self, world: &mut World) {
        if self.state == State::Off {
            return;
        }
        world.set_limit(&self.name, None);
        if !matches!(self.state, State::Booting { .. }) {
            let (node, on) = (self.name.clone(), false);
            world.act(&Verb::Power { node, on }).expect("it was on");
        }
        self.state = State::Off;
    }

    /// Its BMC switched it on: it draws what its load wants until its agent is there.
    pub fn comes_on(&mut self, now_ms: u64, agent_at: u64, world: &mut World) {
        if self.state != State::Off {
            return;
        }
        self.boots(now_ms);
        self.state = State::ComesOn(agent_at);
        let (node, on) = (self.name.clone(), true);
        world.act(&Verb::Power { node, on }).expect("it was off");
    }

    fn expire(&mut self, now_ms: u64, world: &mut World) {
        if let Some(next) = self.leases.expire(self.clock(now_ms)) {
            self.leases = next.leases;
            self.write(now_ms, world);
        }
    }

    /// Whether its agent keeps what it said yes to.
    pub fn keeps_its_oath(&self, now_ms: u64) {
        if self.state == State::Up {
            self.oath.holds(self.clock(now_ms), self.leases.target());
        }
    }

    /// Whether its load is there and nothing limits it.
    pub fn is_uncapped(&self, world: &World) -> bool {
        let unlimited = world.node(&self.name).is_none_or(|node| node.limit().is_none());
        // Whoever comes on by the controller's hand counts with all that it can draw, and is judged so.
        let is_counted = matches!(self.state, State::Booting { .. } | State::Off | State::ComesOn(_));
        unlimited && !is_counted
    }

    /// Whether it hears and answers.
    pub fn answers(&self, now_ms: u64) -> bool {
        self.state == State::Up && self.cut_off_until <= now_ms
    }

    /// The cap that the world knows; what it can draw where it knows none.
    pub fn cap(&self, world: &World) -> u64 {
        if matches!(self.state, State::Booting { .. } | State::Off) {
            return 0;
        }
        let node = world.node(&self.name).expect("it is in the world");
        node.limit().unwrap_or_else(|| node.max_draw())
    }

    /// What it falls to without anybody's help, where its agent is there to obey; else what it has.
    pub fn next(&self, world: &World) -> u64 {
        if self.state == State::Up {
            self.armed(world)
        } else {
            self.cap(world)
        }
    }

    /// What it falls to once its agent obeys.
    pub fn armed(&self, world: &World) -> u64 {
        let cap = self.cap(world);
        if let State::ComesOn(_) = self.state {
            return cap;
        }
        let level_1 = |held: &Held| held.holds().at(1).saturating_add(REST).milliwatts();
        self.leases
            .held
            .as_ref()
            .map_or(cap, |held| cap.min(level_1(held)))
    }
}
