//! A workload's own history of one signal: its specification.

use std::collections::VecDeque;

use agent_api::v1::Signal;

use super::float;
use super::thresholds::Thresholds;

/// What is usual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usual {
    /// Mean of the history.
    pub mean: f64,
    /// Standard deviation, never less than noise.
    pub deviation: f64,
    /// Above this a window is an outlier.
    pub threshold: f64,
}

/// The values of the last windows, and which of the very last were outliers.
#[derive(Clone, Debug)]
pub struct History {
    signal: Signal,
    values: VecDeque<f64>,
    sum: f64,
    squares: f64,
    until_anew: usize,
    outliers: VecDeque<bool>,
    suffers: bool,
}

impl History {
    /// An empty one.
    pub fn new(signal: Signal) -> History {
        History {
            signal,
            values: VecDeque::new(),
            sum: 0.0,
            squares: 0.0,
            until_anew: Thresholds::LONGEST_HISTORY,
            outliers: VecDeque::new(),
            suffers: false,
        }
    }

    /// One that was known before: its windows, the oldest first. Whether it suffers is not part of that.
    pub fn known(signal: Signal, values: &[f64]) -> History {
        let mut history = History::new(signal);
        for value in values.iter().filter(|value| value.is_finite()) {
            history.add(*value);
        }
        history
    }

    /// Its windows, the oldest first.
    pub fn values(&self) -> Vec<f64> {
        self.values.iter().copied().collect()
    }

    /// How many windows it holds.
    pub fn windows(&self) -> usize {
        self.values.len()
    }

    /// How many of the last windows were outliers.
    pub fn outliers(&self) -> usize {
        self.outliers.iter().filter(|is_outlier| **is_outlier).count()
    }

    /// Whether it suffers: from many outliers on, until there is none left.
    pub fn suffers(&self) -> bool {
        self.suffers
    }

    /// What is usual; `None` as long as too little is known.
    pub fn usual(&self, thresholds: &Thresholds) -> Option<Usual> {
        (self.values.len() >= Thresholds::LEAST_HISTORY).then(|| self.measured(thresholds))
    }

    /// The same, however little is known.
    pub fn measured(&self, thresholds: &Thresholds) -> Usual {
        let count = float(self.values.len()).max(1.0);
        let mean = self.sum / count;
        let variance = (self.squares / count - mean * mean).max(0.0);
        let deviation = variance
            .sqrt()
            .max(Thresholds::least_deviation(self.signal, mean));
        Usual {
            mean,
            deviation,
            threshold: mean + thresholds.sigmas * deviation,
        }
    }

    /// Takes one window; `None` is a window that says nothing: it is no outlier, and leaves the history as it is.
    pub fn take(&mut self, value: Option<f64>, thresholds: &Thresholds) {
        let usual = self.usual(thresholds);
        let is_outlier = value
            .zip(usual)
            .is_some_and(|(value, usual)| value > usual.threshold);
        self.outliers.push_back(is_outlier);
        while self.outliers.len() > thresholds.of {
            self.outliers.pop_front();
        }
        let count = self.outliers();
        self.suffers = count >= thresholds.outliers || (self.suffers && count > 0);
        if let Some(value) = value.filter(|value| value.is_finite()) {
            // An outlier counts as the most that is usual: suffering does not become usual at once, and a workload that is
            // another one since its last release does become so in the end.
            self.add(usual.map_or(value, |usual| value.min(usual.threshold)));
        }
    }

    fn add(&mut self, value: f64) {
        if self.values.len() >= Thresholds::LONGEST_HISTORY
            && let Some(oldest) = self.values.pop_front()
        {
            self.sum -= oldest;
            self.squares -= oldest * oldest;
        }
        self.values.push_back(value);
        self.sum += value;
        self.squares += value * value;
        self.until_anew = self.until_anew.saturating_sub(1);
        if self.until_anew == 0 {
            // Running sums drift by rounding: once a history they are made anew.
            self.until_anew = Thresholds::LONGEST_HISTORY;
            self.sum = self.values.iter().sum();
            self.squares = self.values.iter().map(|value| value * value).sum();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const T: Thresholds = Thresholds::published();

    fn filled() -> History {
        let mut history = History::new(Signal::CyclesPerInstruction);
        for window in 0..100 {
            history.take(Some(if window % 2 == 0 { 0.9 } else { 1.1 }), &T);
        }
        history
    }

    #[test]
    fn a_short_history_judges_nobody() {
        let mut history = History::new(Signal::Pressure);
        for _ in 0..Thresholds::LEAST_HISTORY - 1 {
            history.take(Some(0.1), &T);
            assert_eq!(history.usual(&T), None);
        }
        history.take(Some(0.9), &T);
        assert!(!history.suffers() && history.outliers() == 0);
        assert!(history.usual(&T).is_some());
    }

    #[test]
    fn three_of_five_are_suffering_and_none_of_five_is_its_end() {
        let mut history = filled();
        let usual = history.usual(&T).unwrap();
        assert!((usual.mean - 1.0).abs() < 1e-9 && (usual.threshold - 1.2).abs() < 1e-9);
        for (value, suffers) in [
            (1.3, false),
            (1.0, false),
            (1.3, false),
            (1.3, true),
            (1.0, true),
            (1.0, true),
            (1.0, true),
            (1.0, true),
            (1.0, false),
        ] {
            history.take(Some(value), &T);
            assert_eq!(history.suffers(), suffers);
        }
    }

    #[test]
    fn what_was_known_before_judges_at_once() {
        let before = filled();
        let mut history = History::known(Signal::CyclesPerInstruction, &before.values());
        let (usual, then) = (history.usual(&T).unwrap(), before.usual(&T).unwrap());
        assert!((usual.threshold - then.threshold).abs() < 1e-9 && history.windows() == 100);
        for _ in 0..3 {
            assert!(!history.suffers());
            history.take(Some(1.3), &T);
        }
        assert!(history.suffers());
        let longer = vec![1.0; Thresholds::LONGEST_HISTORY + 1];
        let history = History::known(Signal::Pressure, &longer);
        assert_eq!(history.windows(), Thresholds::LONGEST_HISTORY);
    }

    #[test]
    fn suffering_becomes_usual_slowly_and_nothing_is_no_outlier() {
        let mut history = filled();
        let before = history.usual(&T).unwrap();
        for _ in 0..10 {
            history.take(Some(100.0), &T);
        }
        let after = history.usual(&T).unwrap();
        assert!(
            history.suffers() && after.threshold < before.threshold * 1.1,
            "{after:?}"
        );
        let windows = history.windows();
        for _ in 0..5 {
            history.take(None, &T);
        }
        assert!(!history.suffers() && history.windows() == windows);
        history.take(Some(f64::NAN), &T);
        assert!(history.usual(&T).unwrap().mean.is_finite());
    }

    #[test]
    fn the_oldest_is_forgotten_and_sums_stay_right() {
        let mut history = filled();
        for _ in 0..3 * Thresholds::LONGEST_HISTORY {
            history.take(Some(2.0), &T);
        }
        assert_eq!(history.windows(), Thresholds::LONGEST_HISTORY);
        assert!((history.usual(&T).unwrap().mean - 2.0).abs() < 1e-9);
    }
}
