//! What supplies, feeds and contacts do. Only losses that the policy covers are made, but for one: a feed below an `n+1` shelf.

use rack_api::v1::DomainState;

use crate::day::{Day, Mail};
use crate::node::{Node, State};
use crate::scene::Kind;

/// A feed that fails takes its supplies one by one, within this time.
const FEED_FAILS_MS: u64 = 8_000;
/// After so long, whoever was silent has answered and holds what is due.
const SETTLED_MS: u64 = 4_000;
/// No node comes up uncapped within this time of a loss: for as long as a feed needs to fail.
const SOON_MS: u64 = FEED_FAILS_MS + 4_000;

impl Day {
    /// One supply goes, or what is not as it was sold is set right.
    pub fn one_supply(&mut self) {
        if self.busy_until > self.now {
            return;
        }
        let site = self.some_site();
        let gone = self.sites[site].world.supplies().iter();
        if let Some(bay) = gone.clone().position(|supply| supply.part().is_none()) {
            self.put_back(site, bay);
            return;
        }
        let dead = (0..gone.len()).find(|bay| !self.sites[site].world.feed_live(&format!("inlet-{bay}")));
        if let Some(bay) = dead {
            self.inlet(site, bay, true);
            return;
        }
        if self.sites[site].weaker && self.may_lose(site, false) {
            // The weaker part goes, and the right one comes with the next turn.
            let weaker = |bay: &usize| {
                let supply = &self.sites[site].world.supplies()[*bay];
                supply
                    .part()
                    .is_some_and(|part| part.serial.starts_with("weaker"))
            };
            if let Some(bay) = (0..gone.len()).find(weaker) {
                self.contact(site, bay, false);
                self.counted.count("weaker_swapped");
            }
            return;
        }
        if self.may_lose(site, true) {
            let bay = self.dice.below(self.sites[site].world.supplies().len() as u64) as usize;
            self.contact(site, bay, false);
            self.counted.count("supply_lost");
        }
    }

    /// The part comes back, or a weaker one in its place.
    fn put_back(&mut self, site: usize, bay: usize) {
        let rated = self.sites[site].world.plan().shelf.supplies[bay].rated.0;
        let weaker = self.dice.one_in(5) && !self.sites[site].weaker;
        if weaker {
            let part = (format!("weaker-{}", self.now), rated * 3 / 4);
            self.sites[site].insert(bay, Some(part), self.now);
            self.sites[site].weaker = true;
            self.counted.count("weaker_put_in");
        } else {
            self.contact(site, bay, true);
            self.counted.count("supply_back");
        }
    }

    /// Whether a loss there is one that the policy covers, and that nobody has excluded by name.
    fn may_lose(&self, site: usize, redundant: bool) -> bool {
        let here = &self.sites[site];
        let state = self.controller.as_ref().map(|controller| {
            let domains = &controller.rack.kept.domains;
            domains.get(&here.name).map(|standing| standing.state)
        });
        // What settles counts for the controller only when it has proven itself, and in the world at once: a loss meanwhile costs promises,
        // by rank, and no light.
        let covered = state.flatten() == Some(DomainState::Redundant) || !here.weaker || !redundant;
        let calm = self.everybody_answers();
        // A node that comes up uncapped is more than firm promises leave room for; that is said in docs/power.md.
        let stays_capped = |node: &Node| match node.state {
            State::Booting { until, .. } => until > self.now + SOON_MS,
            State::Up | State::NoAgent(_) | State::Uncapped(_) => !node.is_uncapped(&here.world),
            // There is room for all that it can draw, also after a loss.
            State::Off | State::ComesOn(_) => true,
        };
        let mut mine = self.nodes.iter().filter(|node| node.site == site);
        let capped = mine.all(stays_capped);
        let is_free = self.busy_until <= self.now && here.silent_until <= self.now;
        here.is_whole() && covered && capped && is_free && (calm || !self.scene.accepts)
    }

    /// Whether nobody is silent, and nobody was a moment ago.
    fn everybody_answers(&self) -> bool {
        // What boots draws nothing, and whoever is silent for longer counts with all that it can draw.
        let is_there = |node: &Node| match node.state {
            State::Up => node.cut_off_until + SETTLED_MS <= self.now,
            State::Booting { .. } | State::Off | State::ComesOn(_) => true,
            State::NoAgent(_) | State::Uncapped(_) => false,
        };
        let since = self.last_trouble.max(self.controller_since);
        self.controller.is_some() && since + SETTLED_MS <= self.now && self.nodes.iter().all(is_there)
    }

    /// The contacts of one bay open or close.
    pub fn contact(&mut self, site: usize, bay: usize, is_in: bool) {
        let now = self.now;
        let here = &mut self.sites[site];
        let is_there = here.world.supplies()[bay].part().is_some();
        let fits = here.world.supplies()[bay]
            .part()
            .is_none_or(|part| !part.serial.starts_with("weaker"));
        if is_in && is_there && !fits {
            here.pull(bay, now);
            here.insert(bay, None, now);
            here.weaker = false;
            here.last_loss = Some(now);
            self.last_loss = Some(now);
        } else if is_in && !is_there {
            here.insert(bay, None, now);
            here.weaker &= here.world.supplies().iter().any(|supply| {
                supply
                    .part()
                    .is_some_and(|part| part.serial.starts_with("weaker"))
            });
        } else if !is_in && is_there {
            here.pull(bay, now);
            here.last_loss = Some(now);
            self.last_loss = Some(now);
        }
    }

    /// An inlet loses its power, or has it again.
    pub fn inlet(&mut self, site: usize, bay: usize, live: bool) {
        let now = self.now;
        if self.sites[site].world.feed_live(&format!("inlet-{bay}")) == live {
            return;
        }
        self.sites[site].inlet(bay, live, now);
        if !live {
            self.sites[site].last_loss = Some(now);
            self.last_loss = Some(now);
        }
    }

    /// A contact that does not hold: the same loss again and again within seconds.
    pub fn contacts_flap(&mut self) {
        let site = self.some_site();
        if !self.may_lose(site, true) {
            return;
        }
        let bay = self.dice.below(self.sites[site].world.supplies().len() as u64) as usize;
        let mut at = self.now;
        for _ in 0..2 + self.dice.below(4) {
            self.mail.push((at, Mail::Contact(site, bay, false)));
            at += 20 + self.dice.below(600);
            self.mail.push((at, Mail::Contact(site, bay, true)));
            at += 20 + self.dice.below(1_500);
        }
        self.busy_until = at + 1_000;
        self.counted.count("contacts_flapped");
    }

    /// A feed goes, supply by supply; it comes back later. Below an `n+1` shelf that is more than the policy covers.
    pub fn feed_fails(&mut self) {
        let all = 0..self.sites.len();
        if self.busy_until > self.now || !all.clone().all(|site| self.may_lose(site, true)) {
            return;
        }
        let uncovered = matches!(self.scene.kind, Kind::Shelf | Kind::Floors);
        if uncovered && !self.dice.one_in(2) {
            return;
        }
        let feed = *self.dice.pick(&["A", "B"]);
        let takes = 1 + self.dice.below(FEED_FAILS_MS);
        let back = self.now + takes + 3_000 + self.dice.below(10_000);
        for site in all {
            let bays = self.sites[site].world.supplies().len();
            for bay in (0..bays).filter(|bay| self.scene.feed_of(*bay) == feed) {
                let at = self.now + self.dice.below(takes);
                self.mail.push((at, Mail::Inlet(site, bay, false)));
                let again = back + self.dice.below(2_000);
                self.mail.push((again, Mail::Inlet(site, bay, true)));
            }
            self.sites[site].uncovered |= uncovered;
        }
        self.busy_until = back + 3_000;
        let kind = if uncovered {
            "feed_failed_uncovered"
        } else {
            "feed_failed"
        };
        self.counted.count(kind);
    }

    /// The whole rack falls silent for longer than leases last, and then a supply goes: whatever was revocable has ended by itself.
    pub fn silence_and_then_a_loss(&mut self) {
        let site = self.some_site();
        let agent_runs = |node: &Node| matches!(node.state, State::Up | State::Booting { .. });
        let all_up = self.nodes.iter().all(agent_runs);
        if !all_up || !self.may_lose(site, true) {
            return;
        }
        for node in &mut self.nodes {
            node.cut_off_until = self.now + 12_000;
        }
        self.trouble();
        // The last lease ends, and its limit bites.
        self.pass(5_300);
        if self.sites[site].is_whole() {
            let bay = self.dice.below(self.sites[site].world.supplies().len() as u64) as usize;
            self.contact(site, bay, false);
            self.counted.count("silence_and_a_loss");
        }
        self.pass(4_000);
    }
}
