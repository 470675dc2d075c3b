//! Counts of an event that shared its counter: scaled by the time it was wanted over the time it ran, turn by turn.
//!
//! Scaling the whole count anew at each reading (value * enabled / running) makes counters run backwards whenever the share
//! changes. Here each turn's step is scaled by that turn's own share, so the total only grows.

/// What the kernel says of one event (perf_event_open(2), `PERF_FORMAT_TOTAL_TIME_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// How often it happened while the counter ran.
    pub value: u64,
    /// Nanoseconds in which it should have been counted.
    pub enabled: u64,
    /// Nanoseconds in which it was.
    pub running: u64,
}

/// What happened between two samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Occurrences; an estimate where the counter did not run all the time; `None` where it did not run at all.
    pub count: Option<u64>,
    /// Nanoseconds in which it should have been counted.
    pub enabled: u64,
    /// Nanoseconds in which it was.
    pub running: u64,
}

impl Step {
    /// From one sample to the next. One that runs backwards is a counter that began anew.
    pub fn between(before: Sample, after: Sample) -> Step {
        let is_anew =
            after.value < before.value || after.enabled < before.enabled || after.running < before.running;
        let before = if is_anew { Sample::default() } else { before };
        let enabled = after.enabled - before.enabled;
        // The kernel updates the two clocks one after the other; more than all of the time is no share.
        let running = (after.running - before.running).min(enabled);
        Step {
            count: scaled(after.value - before.value, enabled, running),
            enabled,
            running,
        }
    }
}

/// `value * enabled / running`, rounded to the nearest; `None` where the counter was wanted and never ran.
pub fn scaled(value: u64, enabled: u64, running: u64) -> Option<u64> {
    if running == enabled {
        return Some(value);
    }
    if running == 0 {
        return None;
    }
    let (value, enabled, running) = (u128::from(value), u128::from(enabled), u128::from(running));
    let count = (value * enabled + running / 2) / running;
    Some(u64::try_from(count).unwrap_or(u64::MAX))
}

/// The share of time in which counters ran; `None` where none was wanted.
pub fn share(running: u64, enabled: u64) -> Option<f64> {
    (enabled > 0).then(|| crate::columns::float(running.min(enabled)) / crate::columns::float(enabled))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn sample(value: u64, enabled: u64, running: u64) -> Sample {
        Sample {
            value,
            enabled,
            running,
        }
    }

    #[test]
    fn a_counter_that_ran_a_quarter_of_the_time_is_taken_four_times() {
        let step = Step::between(sample(100, 1_000, 1_000), sample(350, 5_000, 2_000));
        assert_eq!(
            (step.count, step.enabled, step.running),
            (Some(1_000), 4_000, 1_000)
        );
        assert_eq!(share(step.running, step.enabled), Some(0.25));
    }

    #[test]
    fn a_counter_that_never_ran_counted_nothing_and_not_zero() {
        let step = Step::between(sample(7, 10, 10), sample(7, 90, 10));
        assert_eq!(step.count, None);
        assert_eq!(share(step.running, step.enabled), Some(0.0));
        assert_eq!(Step::between(sample(7, 10, 10), sample(7, 10, 10)).count, Some(0));
        assert_eq!(share(0, 0), None);
    }

    #[test]
    fn the_whole_count_scaled_anew_would_run_backwards_and_steps_do_not() {
        let samples = [sample(100, 1_000, 500), sample(110, 2_000, 1_400)];
        let naive: Vec<u64> = samples
            .iter()
            .map(|one| scaled(one.value, one.enabled, one.running).unwrap())
            .collect();
        assert!(naive.last() < naive.first(), "{naive:?}");
        let first = Step::between(Sample::default(), *samples.first().unwrap());
        let second = Step::between(*samples.first().unwrap(), *samples.last().unwrap());
        assert_eq!((first.count, second.count), (Some(200), Some(11)));
    }

    #[test]
    fn a_counter_that_began_anew_counts_from_there() {
        let step = Step::between(sample(1_000, 9_000, 9_000), sample(5, 10, 10));
        assert_eq!((step.count, step.enabled), (Some(5), 10));
    }

    proptest! {
        #[test]
        fn any_two_samples_are_a_step(a: (u64, u64, u64), b: (u64, u64, u64)) {
            let step = Step::between(sample(a.0, a.1, a.2), sample(b.0, b.1, b.2));
            prop_assert!(step.running <= step.enabled);
            if let Some(ratio) = share(step.running, step.enabled) {
                prop_assert!((0.0..=1.0).contains(&ratio));
            }
        }

        #[test]
        fn what_is_scaled_is_never_less_than_what_was_counted(value: u64, enabled in 1_u64.., running in 1_u64..) {
            let running = running.min(enabled);
            prop_assert!(scaled(value, enabled, running).unwrap() >= value);
        }
    }
}
