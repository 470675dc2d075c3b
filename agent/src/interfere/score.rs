//! How well a neighbour's use goes with a victim's signal, as CPI² counts it (section 4.2 there).

use super::float;

/// The fewest windows with a signal that a score is made of.
const LEAST_WINDOWS: usize = 4;
/// The fewest windows that were no outliers: without them nobody can be told from anybody who was there all the time.
const LEAST_USUAL: usize = 2;

/// -1 to 1: each window in which the signal was above the threshold counts for a neighbour by its use there, each below it
/// against. `None` where there is too little to compare.
pub fn score(windows: &[(Option<f64>, f64)], threshold: f64) -> Option<f64> {
    let told: Vec<(f64, f64)> = windows
        .iter()
        .filter_map(|(signal, used)| Some(((*signal)?, used.max(0.0))))
        .collect();
    let usual = told.iter().filter(|(signal, _)| *signal <= threshold).count();
    let total: f64 = told.iter().map(|(_, used)| used).sum();
    if told.len() < LEAST_WINDOWS || usual < LEAST_USUAL || threshold <= 0.0 || total <= 0.0 {
        return None;
    }
    let each = told.iter().map(|(signal, used)| {
        let part = used / total;
        if *signal > threshold {
            part * (1.0 - threshold / signal)
        } else {
            part * (signal.max(0.0) / threshold - 1.0)
        }
    });
    Some(each.sum())
}

/// Whether a neighbour used clearly more in the outlying windows than in the others: `least` times as much. Beyond CPI², which
/// blames a neighbour of even use where the victim's outliers are strong enough.
pub fn rises(windows: &[(Option<f64>, f64)], threshold: f64, least: f64) -> bool {
    let mean = |is_outlier: bool| {
        let of = windows
            .iter()
            .filter(|(signal, _)| signal.is_some_and(|signal| (signal > threshold) == is_outlier));
        let used: Vec<f64> = of.map(|(_, used)| *used).collect();
        (!used.is_empty()).then(|| used.iter().sum::<f64>() / float(used.len()))
    };
    match (mean(true), mean(false)) {
        (Some(outlying), Some(usual)) => outlying > usual * least,
        (None, _) | (_, None) => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn who_works_when_it_hurts_is_told_from_who_works_always_and_who_works_else() {
        let signal = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 3.0, 3.0, 3.0];
        let of = |used: [f64; 10]| -> Vec<(Option<f64>, f64)> {
            signal.iter().map(|one| Some(*one)).zip(used).collect()
        };
        let guilty = of([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 4.0, 4.0, 4.0]);
        let even = of([2.0; 10]);
        let other = of([4.0, 4.0, 4.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        let scores = [&guilty, &even, &other].map(|windows| score(windows, 1.2).unwrap());
        assert!((scores[0] - 0.6).abs() < 1e-9, "{scores:?}");
        assert!(
            scores[0] > 0.35 && scores[1] < 0.35 && scores[2] < 0.0,
            "{scores:?}"
        );
        assert!(rises(&guilty, 1.2, 1.5) && !rises(&even, 1.2, 1.5) && !rises(&other, 1.2, 1.5));
    }

    #[test]
    fn without_a_comparison_there_is_no_score() {
        assert_eq!(score(&[(Some(3.0), 1.0); 10], 1.2), None, "nothing usual");
        assert_eq!(score(&[(None, 1.0); 10], 1.2), None);
        assert_eq!(score(&[(Some(1.0), 0.0); 10], 1.2), None, "it did nothing");
        assert_eq!(score(&[(Some(1.0), 1.0); 10], 0.0), None);
        assert!(!rises(&[], 1.0, 1.5));
    }

    proptest! {
        #[test]
        fn a_score_has_its_bounds(
            windows in proptest::collection::vec((proptest::option::of(0.0_f64..1e6), 0.0_f64..1e6), 0..20),
            threshold in 0.0_f64..10.0,
        ) {
            if let Some(score) = score(&windows, threshold) {
                prop_assert!((-1.0 - 1e-9..=1.0 + 1e-9).contains(&score), "{}", score);
            }
        }
    }
}
