//! One step of the physics: who draws, who carries, who is overloaded, and when the rack goes dark.
//!
//! The supplies share the load in proportion to their ratings (active current sharing). A supply that
//! carries more than its rating switches itself off after the overload time, and at once beyond the overload
//! factor. When nothing feeds the busbar, the rack is dark.

use super::{Happening, STEP_MS, World};

/// How often and for how long more was drawn than was available, since the world began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ride {
    /// How many times; one that lasts still is counted.
    pub times: u64,
    /// How long the last one that is over lasted, in milliseconds.
    pub last_ms: u64,
    /// How long the longest one that is over lasted, in milliseconds. One that ends in the dark is over then.
    pub longest_ms: u64,
    /// Since when one lasts.
    pub since_ms: Option<u64>,
}

impl Ride {
    fn count(&mut self, over: bool, now_ms: u64) {
        match (over, self.since_ms) {
            (true, None) => {
                self.times = self.times.saturating_add(1);
                // It began within the step that found it.
                self.since_ms = Some(now_ms.saturating_sub(STEP_MS));
            }
            (false, Some(since)) => {
                self.since_ms = None;
                self.last_ms = now_ms.saturating_sub(since);
                self.longest_ms = self.longest_ms.max(self.last_ms);
            }
            (true, Some(_)) | (false, None) => {}
        }
    }
}

impl World {
    /// What the supplies can deliver now, in milliwatts.
    #[must_use]
    pub fn available(&self) -> u64 {
        self.supplies.iter().map(super::Supply::available).sum()
    }

    /// What fans, switches and nodes draw now, in milliwatts; nothing draws in the dark.
    #[must_use]
    pub fn draw(&self) -> u64 {
        if self.dark {
            return 0;
        }
        let nodes: u64 = self.nodes.iter().map(|node| node.draw(self.now_ms)).sum();
        nodes.saturating_add(self.plan.shelf.fixed_load.0)
    }

    /// What a supply takes from its feed to deliver `output`, in milliwatts.
    #[must_use]
    pub fn input_for(&self, output: u64) -> u64 {
        output.saturating_mul(1_000) / self.plan.shelf.efficiency.0.max(1)
    }

    /// For how long some supply has carried more than its rating, in milliseconds.
    #[must_use]
    pub fn overloaded_ms(&self) -> u64 {
        self.supplies
            .iter()
            .map(|supply| supply.overloaded_ms)
            .max()
            .unwrap_or(0)
    }

    pub(super) fn step(&mut self) {
        self.erase_on();
        self.read_inlets();
        let start = self.plan.shelf.start_time.0;
        let mut started = Vec::new();
        for supply in &mut self.supplies {
            if supply.flow(self.now_ms, STEP_MS, start) {
                started.push(Happening::Started {
                    bay: supply.bay().to_owned(),
                });
            }
        }
        for happening in started {
            self.say(happening);
        }
        self.mind_limits(STEP_MS);
        self.settle();
        self.count_overload(STEP_MS);
    }

    /// BMCs whose limit's exception action is a power-off watch their nodes.
    fn mind_limits(&mut self, dt_ms: u64) {
        let now = self.now_ms;
        let broken: Vec<String> = self
            .nodes
            .iter_mut()
            .filter_map(|node| node.breaks_its_limit(now, dt_ms).then(|| node.name().to_owned()))
            .collect();
        for node in broken {
            self.say(Happening::Power { node, on: false });
        }
    }

    /// Shares the load among those that carry, and finds out whether the rack is lit. No time passes.
    pub(super) fn settle(&mut self) {
        self.read_inlets();
        let available = self.available();
        if self.dark && available > 0 {
            self.light_up();
        }
        let draw = self.draw();
        if available == 0 {
            self.go_dark(draw, available);
        }
        self.share(self.draw());
        let bearable = available.saturating_mul(self.plan.shelf.overload_factor.0) / 1_000;
        if self.draw() > bearable {
            self.trip(|_| true);
            self.go_dark(draw, available);
        }
    }

    fn read_inlets(&mut self) {
        let mut said = Vec::new();
        for supply in &mut self.supplies {
            let live = self
                .feeds
                .iter()
                .any(|(name, live)| name == supply.feed() && *live);
            if live == supply.input {
                continue;
            }
            supply.input = live;
            if supply.part.is_some() {
                let bay = supply.bay().to_owned();
                said.push(if live {
                    Happening::InputRestored { bay }
                } else {
                    Happening::InputLost { bay }
                });
            }
        }
        for happening in said {
            self.say(happening);
        }
    }

    /// Splits `draw` so that the parts add up to it exactly: what rounding leaves over goes to the first.
    fn share(&mut self, draw: u64) {
        let available = u128::from(self.available());
        let mut left = draw;
        for supply in &mut self.supplies {
            supply.output = if supply.up && available > 0 {
                let part = u128::from(draw) * u128::from(supply.rated()) / available;
                u64::try_from(part).unwrap_or(u64::MAX)
            } else {
                0
            };
            left = left.saturating_sub(supply.output);
        }
        if let Some(first) = self.supplies.iter_mut().find(|supply| supply.up) {
            first.output = first.output.saturating_add(left);
        }
    }

    fn count_overload(&mut self, dt_ms: u64) {
        let longest = self.plan.shelf.overload_time.0;
        // What rounding added to the first supply is no overload: compare the shares, not the last milliwatt.
        let over = self.draw() > self.available();
        self.ride.count(over, self.now_ms);
        let mut tripping = false;
        for supply in &mut self.supplies {
            if supply.up && over {
                supply.overloaded_ms = supply.overloaded_ms.saturating_add(dt_ms);
                tripping |= supply.overloaded_ms > longest;
            } else {
                supply.overloaded_ms = 0;
            }
        }
        if tripping {
            self.trip(|supply| supply.overloaded_ms > longest);
            self.settle();
        }
    }

    fn trip(&mut self, which: impl Fn(&super::Supply) -> bool) {
        let mut said = Vec::new();
        for supply in &mut self.supplies {
            if supply.up && which(supply) {
                let load_milliwatts = supply.output;
                supply.stop();
                supply.tripped = true;
                said.push(Happening::Tripped {
                    bay: supply.bay().to_owned(),
                    load_milliwatts,
                });
            }
        }
        for happening in said {
            self.say(happening);
        }
    }

    fn go_dark(&mut self, draw_milliwatts: u64, available_milliwatts: u64) {
        if self.dark {
            return;
        }
        self.dark = true;
        for node in &mut self.nodes {
            node.lose_power();
        }
        for supply in &mut self.supplies {
            supply.output = 0;
        }
        self.say(Happening::Dark {
            draw_milliwatts,
            available_milliwatts,
        });
    }

    fn light_up(&mut self) {
        self.dark = false;
        let now = self.now_ms;
        for node in &mut self.nodes {
            node.power_returns(now);
        }
        self.say(Happening::Lit);
    }
}
