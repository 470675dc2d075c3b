//! What must hold at every moment, asked of the world and of the machines, not of the controller's sums. Each sentence begins with
//! what it judges by: a rule of the power pool's design, `books` (what the controller counts a node with), or `dark`.

use std::collections::BTreeMap;

use rack_api::v1::PowerAsk;
use rack_controller::claim::{Claim, ClaimId};
use rack_controller::pools::power::plan;

use crate::controller::moment;
use crate::day::Day;
use crate::node::State;
use crate::scene::{Kind, TENANTS};
use crate::site::Site;

/// How long after a loss sums may be broken: the overload time of the supplies.
pub const RIDES_MS: u64 = 1_000;
/// Two requests fit into the time after which an agent is silent; then the books must have it.
const NOTICED_MS: u64 = 4_000;
/// A BMC that was silent is read again within this.
const READ_AGAIN_MS: u64 = 6_000;

/// For how long revocable watts stay without sight (rule 11).
const GRACE_MS: u64 = 10_000;

/// Claims in force.
pub type Claims = BTreeMap<ClaimId, Claim>;

/// What was known at the last check.
#[derive(Default)]
pub struct Judge {
    /// Whether every node has had its first lease.
    settled: bool,
    /// When each node answered last.
    answered: Vec<u64>,
}

/// Caps of a site's nodes: those in force, and those that they fall to.
#[derive(Clone, Copy, Default)]
struct Caps {
    now: u64,
    next: u64,
    uncapped: bool,
}

impl Judge {
    pub fn check(&mut self, day: &Day) {
        day.nodes.iter().for_each(|node| node.keeps_its_oath(day.now));
        for site in &day.sites {
            assert!(
                !site.world.is_dark() || site.uncovered,
                "dark: {} at {} ms; its last loss was at {:?}",
                site.name,
                day.now,
                site.last_loss
            );
        }
        self.books(day);
        self.settled |= day.nodes.iter().all(|node| node.leases.held.is_some());
        if !self.settled || day.sites.iter().any(|site| site.world.is_dark()) {
            return;
        }
        let mut caps = vec![Caps::default(); day.sites.len()];
        for node in &day.nodes {
            let (site, world) = (&mut caps[node.site], &day.sites[node.site].world);
            site.now += node.cap(world);
            // An agent that is gone when a loss comes is the risk that accept_silence names.
            site.next += if day.scene.accepts {
                node.armed(world)
            } else {
                node.next(world)
            };
            site.uncapped |= node.is_uncapped(world);
        }
        for (site, caps) in day.sites.iter().zip(&caps) {
            // A node that comes up uncapped is not asked: what it draws is beyond all promises until its agent is there.
            if !site.uncovered && !caps.uncapped {
                sums(day, site, *caps);
            }
        }
        if !caps.iter().any(|caps| caps.uncapped) {
            let whole: u64 = caps.iter().map(|caps| caps.now).sum();
            for (what, most) in day.scene.limits_over_all() {
                assert!(whole <= most, "rule 1: {whole} > {most} of {what} at {}", day.now);
            }
        }
        day.revocable_is_redundant();
        day.shed_is_by_rank();
        day.only_lendable_watts_are_lent();
    }

    /// A node never counts with less than what may be in force there.
    fn books(&mut self, day: &Day) {
        self.answered.resize(day.nodes.len(), 0);
        let Some(controller) = &day.controller else {
            return;
        };
        for (node, answered) in day.nodes.iter().zip(&mut self.answered) {
            let world = &day.sites[node.site].world;
            // What is dark draws nothing, and its nodes have forgotten their caps.
            if world.is_dark() {
                continue;
            }
            if node.answers(day.now) {
                *answered = day.now;
            }
            // One that has started again takes as long to notice who is silent; before that it renews what stands.
            if day.controller_since > 0 && day.now < day.controller_since + NOTICED_MS {
                continue;
            }
            let config = day.config.node(&node.name).expect("it is configured");
            let counted = plan::counted(&controller.rack, config, moment(day.now));
            assert!(
                node.cap(world) <= counted.cap.milliwatts(),
                "books: {} counts with {} ({:?}), and {} mW may be drawn there at {}",
                node.name,
                counted.cap,
                counted.reason,
                node.cap(world),
                day.now
            );
            let is_noticed = day.now >= *answered + NOTICED_MS;
            assert!(
                node.next(world) <= counted.next.milliwatts() || (node.state != State::Up && !is_noticed),
                "books: {} counts with {} after a loss ({:?}), and {} mW may be drawn there then, at {}",
                node.name,
                counted.next,
                counted.reason,
                node.next(world),
                day.now
            );
        }
    }
}

/// Rules 1, 2, 3 and 6 of one site.
fn sums(day: &Day, site: &Site, caps: Caps) {
    let (now, installed) = (day.now, site.installed());
    // Where a weaker part is in, the promises may need all that is installed; then no loss is covered.
    let covered = site.after_a_loss(&day.scene).filter(|_| !site.weaker);
    let surviving = covered.unwrap_or(installed);
    let answered = site.last_loss.is_none_or(|loss| now >= loss + RIDES_MS);
    let fits = |sum: u64, most: u64| sum <= most || !answered;
    let Caps { now: caps, next, .. } = caps;
    assert!(fits(caps, installed), "rule 1: {caps} > {installed} at {now}");
    assert!(
        caps <= surviving + surviving / 5,
        "rule 3: {caps} > 1.2 x {surviving} at {now}"
    );
    assert!(fits(next, surviving), "rule 2: {next} > {surviving} at {now}");
    if !day.scene.accepts && covered.is_some() && site.is_whole() {
        assert!(fits(caps, surviving), "rule 6: {caps} > {surviving} at {now}");
    }
}

impl Day {
    /// Firm milliwatts that are promised on each site: of each node its claims or its floor, whichever is more.
    fn promised(&self) -> Vec<u64> {
        let mut by_node: BTreeMap<&str, u64> = BTreeMap::new();
        let controller = self.controller.as_ref().expect("it runs");
        for claim in controller.rack.kept.claims.values() {
            let node = claim.node.as_deref().expect("all claims of these days have one");
            *by_node.entry(node).or_default() += claim.watts.milliwatts();
        }
        let mut promised = vec![0; self.sites.len()];
        for node in &self.nodes {
            let claimed = by_node.get(node.name.as_str()).copied().unwrap_or_default();
            // Whoever is off keeps what is claimed there, and draws nothing.
            let floor = if node.state == State::Off {
                0
            } else {
                self.scene.floor * 1_000
            };
            promised[node.site] += claimed.max(floor);
        }
        promised
    }

    /// What of so many milliwatts may be promised.
    fn less_margin(&self, sum: u64) -> u64 {
        sum - sum / 1_000 * self.scene.margin_ppm / 1_000
    }

    /// A claim was admitted just now: all that is promised fits what survives, on its site and above it.
    pub fn nothing_is_oversold(&self) {
        let promised = self.promised();
        for (site, promised) in self.sites.iter().zip(&promised) {
            let is_seen = site.silent_until <= self.now && self.now >= site.changed + RIDES_MS;
            let survives = site.after_a_loss(&self.scene);
            if let Some(survives) = survives.filter(|_| is_seen && !site.weaker && !site.uncovered) {
                let most = self.less_margin(survives);
                assert!(
                    *promised <= most,
                    "firm: {promised} promised > {most} of {} at {}",
                    site.name,
                    self.now
                );
            }
        }
        let whole: u64 = promised.iter().sum();
        for (what, most) in self.scene.limits_over_all() {
            let most = self.less_margin(most);
            assert!(
                whole <= most,
                "firm: {whole} promised > {most} of {what} at {}",
                self.now
            );
        }
    }

    /// Somebody asked: who ended by that comes later by priority, and nobody ended for an ask that was refused or did not say so.
    pub fn only_the_weaker_ended(&mut self, before: &Claims, ask: &PowerAsk, is_admitted: bool) {
        let controller = self.controller.as_ref().expect("it runs");
        let now = self.now;
        let stands = &controller.rack.kept.claims;
        // One whose time is over ends whoever asks.
        let gone = before
            .values()
            .filter(|claim| !stands.contains_key(&claim.id))
            .filter(|claim| claim.until.is_none_or(|until| until > moment(now)));
        let mut ended = 0;
        for claim in gone {
            ended += 1;
            assert!(
                is_admitted && ask.preempt && Some(claim.priority) > ask.priority,
                "claims: {claim:?} ended for {ask:?} at {now}"
            );
        }
        for _ in 0..ended {
            self.counted.count("preempted");
        }
    }

    /// A tenant holds no more than its quotas, and one that may not take others' watts was not let to.
    pub fn quotas_hold(&mut self, ask: &PowerAsk, is_admitted: bool) {
        let Some(asks) = ask.tenant.as_deref() else {
            return;
        };
        let controller = self.controller.as_ref().expect("it runs");
        let mut beyond = false;
        for (name, firm, revocable, preempts) in TENANTS {
            let claims = controller.rack.kept.claims.values();
            let mine = claims.filter(|claim| claim.tenant.as_deref() == Some(name));
            let sums = mine.fold((0, 0), |(firm, revocable), claim| {
                (
                    firm + claim.watts.milliwatts(),
                    revocable + claim.revocable.milliwatts(),
                )
            });
            let quotas = (firm * 1_000, revocable * 1_000);
            assert!(
                sums.0 <= quotas.0 && sums.1 <= quotas.1,
                "quotas: {name} holds {sums:?} of {quotas:?} at {}",
                self.now
            );
            assert!(
                name != asks || preempts || !ask.preempt || !is_admitted,
                "quotas: {ask:?} took the watts of others at {}",
                self.now
            );
            beyond |= name == asks && !is_admitted && sums.0 + ask.watts.milliwatts() > quotas.0;
        }
        if beyond {
            self.counted.count("beyond_its_quota");
        }
    }

    /// After a loss, and where the promises need all that is left, nothing is redundant: nobody holds revocable watts.
    fn revocable_is_redundant(&self) {
        let Some(controller) = &self.controller else {
            return;
        };
        if self.now < self.controller_since + RIDES_MS || !self.now.is_multiple_of(500) {
            return;
        }
        let promised = self.promised();
        let granted = &controller.rack.kept.granted;
        for (site, promised) in self.sites.iter().zip(&promised) {
            let mut claims = controller.rack.kept.claims.values();
            let holds = claims.find(|claim| claim.domain == site.name && granted.contains(&claim.id));
            let is_blind = site.silent_until > self.now
                && self.now >= site.silent_since + GRACE_MS + READ_AGAIN_MS
                && self.now >= self.controller_since + GRACE_MS + RIDES_MS;
            assert!(
                !is_blind || holds.is_none(),
                "rule 11: {} was not seen since {}, and {holds:?} holds revocable watts at {}",
                site.name,
                site.silent_since,
                self.now
            );
            let is_seen =
                self.now >= site.silent_until + READ_AGAIN_MS && self.now >= site.changed + 2 * RIDES_MS;
            if site.is_whole()
                || !is_seen
                || *promised <= self.less_margin(site.after_another_loss(&self.scene))
            {
                continue;
            }
            assert!(
                holds.is_none(),
                "rule 2: no further loss of {} is covered at {}, and {holds:?} holds revocable watts",
                site.name,
                self.now
            );
        }
    }

    /// Where not all firm promises can be served, whoever comes later in rank gets nothing before whoever comes first.
    fn shed_is_by_rank(&self) {
        let Some(controller) = self
            .controller
            .as_ref()
            .filter(|_| self.scene.kind == Kind::Shelf)
        else {
            return;
        };
        let kept = &controller.rack.kept;
        let mut claims: Vec<_> = kept.claims.values().collect();
        claims.sort_by_key(|claim| (claim.priority, claim.since, claim.id));
        let floor = self.scene.floor * 1_000;
        let mut served: BTreeMap<&str, u64> = BTreeMap::new();
        let mut first_shed = None;
        for claim in claims {
            if kept.shed.contains(&claim.id) {
                first_shed = first_shed.or(Some(claim.id));
                continue;
            }
            let sum = served
                .entry(claim.node.as_deref().unwrap_or_default())
                .or_default();
            let before = (*sum).max(floor);
            *sum += claim.watts.milliwatts();
            // Whoever does not obey draws what it has, whatever comes before it in rank.
            let seen = claim
                .node
                .as_ref()
                .and_then(|node| controller.rack.sight.nodes.get(node));
            let lease = seen.and_then(|seen| seen.lease.as_ref());
            if lease.is_some_and(|lease| lease.silent_since.is_some() || !lease.applied) {
                continue;
            }
            assert!(
                first_shed.is_none() || (*sum).max(floor) == before,
                "rule 9: {} is served and {first_shed:?}, which comes before it, is not, at {}",
                claim.id,
                self.now
            );
        }
    }
}
