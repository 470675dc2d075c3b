//! A node: what its workload wants, the limit its BMC was told, and what it therefore draws.

use serde::{Deserialize, Serialize};

use super::meter;
use crate::plan::{Limiter, NodePlan, Restore};

/// A value on its way from one level to another in a straight line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Ramp {
    from: u64,
    to: u64,
    since_ms: u64,
    takes_ms: u64,
}

impl Ramp {
    fn still(at: u64) -> Self {
        Self {
            from: at,
            to: at,
            since_ms: 0,
            takes_ms: 0,
        }
    }

    fn value(&self, now_ms: u64) -> u64 {
        let gone = now_ms.saturating_sub(self.since_ms);
        if gone >= self.takes_ms {
            return self.to;
        }
        let way = self.from.abs_diff(self.to).saturating_mul(gone) / self.takes_ms;
        if self.to >= self.from {
            self.from.saturating_add(way)
        } else {
            self.from.saturating_sub(way)
        }
    }

    fn turn(&mut self, from: u64, to: u64, now_ms: u64, takes_ms: u64) {
        *self = Self {
            from,
            to,
            since_ms: now_ms,
            takes_ms,
        };
    }
}

/// A node of the rack.
#[derive(Debug, Clone)]
pub struct Node {
    name: String,
    uuid: String,
    idle: u64,
    max_draw: u64,
    limit_lag_ms: u64,
    demand_lag_ms: u64,
    pub(super) demand: u64,
    pub(super) limit: Option<u64>,
    /// What its package files limit it to, its rest included.
    cap: Option<u64>,
    /// Whether the node shall run when there is power.
    pub(super) on: bool,
    /// Whether there is power for it.
    pub(super) fed: bool,
    pub(super) locate: bool,
    pub(super) restore: Restore,
    holds: bool,
    /// For how long more than the BMC's limit is borne before the BMC switches the node off, in milliseconds; `None` where it does not.
    pub(super) off_after_ms: Option<u64>,
    /// For how long more has been drawn by now.
    over_ms: u64,
    work: Ramp,
    ceiling: Ramp,
}

impl Node {
    pub(super) fn new(plan: &NodePlan, seed: u64) -> Self {
        let name = plan.name.get_ref().clone();
        let (idle, max_draw) = (plan.idle.0, plan.max_draw.0);
        let demand = plan.demand.map_or(idle, |wanted| wanted.0);
        Self {
            uuid: plan
                .uuid
                .clone()
                .unwrap_or_else(|| meter::uuid(seed, &name, b"node")),
            name,
            idle,
            max_draw,
            limit_lag_ms: plan.limit_lag.0,
            demand_lag_ms: plan.demand_lag.0,
            demand,
            limit: None,
            cap: None,
            on: true,
            fed: true,
            locate: false,
            restore: plan.restore.unwrap_or_default(),
            holds: plan.limiter == Limiter::Holds,
            off_after_ms: None,
            over_ms: 0,
            work: Ramp::still(demand.clamp(idle, max_draw)),
            ceiling: Ramp::still(max_draw),
        }
    }

    /// The node's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its SMBIOS UUID.
    #[must_use]
    pub fn uuid(&self) -> &str {
        &self.uuid
    }

    /// What it draws with nothing to do, in milliwatts; no limit goes below.
    #[must_use]
    pub fn idle(&self) -> u64 {
        self.idle
    }

    /// What it can draw with no limit, in milliwatts.
    #[must_use]
    pub fn max_draw(&self) -> u64 {
        self.max_draw
    }

    /// What its workload wants, in milliwatts.
    #[must_use]
    pub fn demand(&self) -> u64 {
        self.demand
    }

    /// The limit its BMC was told, in milliwatts.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// What its package files limit it to with its rest, in milliwatts; `None` where it has none.
    #[must_use]
    pub fn cap(&self) -> Option<u64> {
        self.cap
    }

    /// The tightest limit, as the draw can follow it.
    fn tightest(&self) -> u64 {
        let limit = self.limit.filter(|_| self.holds).unwrap_or(self.max_draw);
        let cap = self.cap.unwrap_or(self.max_draw);
        limit.min(cap).clamp(self.idle, self.max_draw)
    }

    /// What its BMC does with it when the power is back.
    #[must_use]
    pub fn restore(&self) -> Restore {
        self.restore
    }

    /// For how long more than the BMC's limit is borne before the BMC switches the node off, in milliseconds; `None` where it does not.
    #[must_use]
    pub fn off_after_ms(&self) -> Option<u64> {
        self.off_after_ms
    }

    /// Whether it runs.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.on && self.fed
    }

    /// Whether there is power for it and for its BMC.
    #[must_use]
    pub fn is_fed(&self) -> bool {
        self.fed
    }

    /// Whether its locate light is on.
    #[must_use]
    pub fn locate(&self) -> bool {
        self.locate
    }

    /// What it draws at a moment, in milliwatts.
    #[must_use]
    pub fn draw(&self, now_ms: u64) -> u64 {
        if !self.is_on() {
            return 0;
        }
        self.work
            .value(now_ms)
            .min(self.ceiling.value(now_ms).max(self.idle))
    }

    pub(super) fn set_demand(&mut self, demand: u64, now_ms: u64) {
        self.demand = demand;
        let from = self.work.value(now_ms);
        self.work.turn(
            from,
            demand.clamp(self.idle, self.max_draw),
            now_ms,
            self.demand_lag_ms,
        );
    }

    pub(super) fn set_limit(&mut self, limit: Option<u64>, now_ms: u64) {
        self.limit = limit;
        self.limited(now_ms);
    }

    pub(super) fn set_cap(&mut self, cap: Option<u64>, now_ms: u64) {
        if self.cap != cap {
            self.cap = cap;
            self.limited(now_ms);
        }
    }

    fn limited(&mut self, now_ms: u64) {
        let to = self.tightest();
        let ceiling = self.ceiling.value(now_ms);
        // A limiter starts from what the node draws: the way down from an unused ceiling takes no time.
        let from = if to < ceiling {
            ceiling.min(self.draw(now_ms).max(to))
        } else {
            ceiling
        };
        self.ceiling.turn(from, to, now_ms, self.limit_lag_ms);
    }

    /// Puts the limit in force without lag; a restored world has had its time.
    pub(super) fn restore_limit(&mut self, limit: Option<u64>) {
        self.limit = limit;
        self.ceiling = Ramp::still(self.tightest());
    }

    pub(super) fn restore_demand(&mut self, demand: u64) {
        self.demand = demand;
        self.work = Ramp::still(demand.clamp(self.idle, self.max_draw));
    }

    /// Begins to run: the draw rises from nothing.
    pub(super) fn boot(&mut self, now_ms: u64) {
        self.work.turn(
            0,
            self.demand.clamp(self.idle, self.max_draw),
            now_ms,
            self.demand_lag_ms,
        );
    }

    /// Time went by. Answers whether the BMC switched the node off, because more than its limit was drawn for too long.
    pub(super) fn breaks_its_limit(&mut self, now_ms: u64, dt_ms: u64) -> bool {
        let is_over = self.is_on() && self.limit.is_some_and(|limit| self.draw(now_ms) > limit);
        self.over_ms = if is_over {
            self.over_ms.saturating_add(dt_ms)
        } else {
            0
        };
        let goes = self.off_after_ms.is_some_and(|after| self.over_ms > after);
        if goes {
            self.on = false;
            self.over_ms = 0;
        }
        goes
    }

    /// The power is back, and the BMC does what it was told to do then.
    pub(super) fn power_returns(&mut self, now_ms: u64) {
        self.fed = true;
        match self.restore {
            Restore::AlwaysOff => self.on = false,
            Restore::LastState => {}
            Restore::AlwaysOn => self.on = true,
        }
        if self.on {
            self.boot(now_ms);
        }
    }

    /// The busbar died: node and BMC lost their power, and with it the BMC's limit. Its package files are whoever keeps them's.
    pub(super) fn lose_power(&mut self) {
        self.fed = false;
        self.restore_limit(None);
    }
}
