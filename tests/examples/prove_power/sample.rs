//! Times, and what is said of them.

use std::time::Duration;

/// Says one figure.
pub fn told(key: &str, number: f64, note: &str) {
    println!("figure {key} {number:.3} {note}");
}

/// Times of one thing, in milliseconds.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    all: Vec<f64>,
}

impl Sample {
    pub fn add(&mut self, took: Duration) {
        self.all.push(took.as_secs_f64() * 1_000.0);
    }

    pub fn add_millis(&mut self, millis: f64) {
        self.all.push(millis);
    }

    /// The value that so many of a hundred are at most; of fewer than a hundred p99 is the largest.
    pub fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.all.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (sorted.len() * percent).div_ceil(100).max(1) - 1;
        sorted.get(rank).copied().unwrap_or(f64::NAN)
    }

    pub fn max(&self) -> f64 {
        self.percentile(100)
    }

    /// Says p99 as the figure, and the rest beside it.
    pub fn tell(&self, key: &str) {
        let note = format!(
            "of {}: p50 {:.1}, longest {:.1}",
            self.all.len(),
            self.percentile(50),
            self.max()
        );
        told(key, self.percentile(99), &note);
    }
}
