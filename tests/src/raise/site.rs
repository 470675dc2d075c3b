//! What a fleet stands on: its shelf's supplies, the feeds that they hang from, and what its daemons find in their environment.

use std::fmt::Write;
use std::process::Command;

/// Supplies of the usual shelf.
const SUPPLIES: usize = 6;

/// The shelf of a fleet, and the surroundings of its daemons. The default is six supplies, half of them on feed A.
#[derive(Clone, Debug)]
pub struct Site {
    /// Supplies of the shelf; each is rated 3 kW.
    pub supplies: usize,
    /// How many of them hang on feed A; the others hang on feed B.
    pub on_feed_a: usize,
    /// Whether each supply has a branch of its feed for itself in the world (`A-0`, `A-1` …), which fails alone. The controller is told the
    /// feeds only.
    pub has_branches: bool,
    /// What each node's BMC does when its power is back, from the first node on: a `restore` of the world's file. Those beyond the list
    /// tell nothing.
    pub restores: Vec<&'static str>,
    /// What the daemons find in their environment beside this program's own.
    pub environment: Vec<(String, String)>,
}

impl Default for Site {
    fn default() -> Site {
        Site {
            supplies: SUPPLIES,
            on_feed_a: SUPPLIES / 2,
            has_branches: false,
            restores: Vec::new(),
            environment: Vec::new(),
        }
    }
}

impl Site {
    /// The feed of a bay, as the controller is told.
    pub fn feed(&self, bay: usize) -> &'static str {
        if bay < self.on_feed_a { "A" } else { "B" }
    }

    /// What a bay hangs from in the world.
    pub fn inlet(&self, bay: usize) -> String {
        if self.has_branches {
            format!("{}-{bay}", self.feed(bay))
        } else {
            self.feed(bay).to_owned()
        }
    }

    /// Puts the environment on a command.
    pub fn surround(&self, command: &mut Command) {
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
    }

    /// The feeds of the world's file.
    pub(super) fn world_feeds(&self) -> String {
        let mut names: Vec<String> = (0..self.supplies).map(|bay| self.inlet(bay)).collect();
        names.dedup();
        let mut text = String::new();
        for name in names {
            // fmt::Write into a String cannot fail.
            let _ = writeln!(text, "[[feed]]\nname = {name:?}");
        }
        text
    }
}
