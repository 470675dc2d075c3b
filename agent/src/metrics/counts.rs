//! What the daemon counts of itself while it answers: kept by the `prometheus` crate, written on the same page.

use std::time::Duration;

use facts::sheet::Number;
use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts};

use super::draft::Draft;
use super::family::{Family, REQUEST_SECONDS, REQUESTS};
use super::layout::{COUNT, SUM};

/// Upper ends of the buckets, in seconds: a page of cached facts takes less than one millisecond, a start of a workload some
/// hundred, and what takes longer than the last is a fault.
const BUCKETS: [f64; 9] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5];

/// The same as the page names them.
const NAMES: [&str; 9] = [
    "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.1", "0.5", "2.5",
];

/// The bucket that holds everything.
const ALL: &str = "+Inf";

/// The daemon's own counters. Clones count together.
#[derive(Clone, Debug)]
pub struct Counts {
    seconds: HistogramVec,
    requests: IntCounterVec,
}

impl Counts {
    /// Counters at zero.
    ///
    /// # Errors
    /// When the crate refuses a name of our table.
    pub fn new() -> Result<Counts, prometheus::Error> {
        let Family {
            name, help, labels, ..
        } = &REQUEST_SECONDS;
        let of_seconds = HistogramOpts::new(*name, *help).buckets(BUCKETS.to_vec());
        let of_requests = Opts::new(REQUESTS.name, REQUESTS.help);
        Ok(Counts {
            seconds: HistogramVec::new(of_seconds, labels)?,
            requests: IntCounterVec::new(of_requests, REQUESTS.labels)?,
        })
    }

    /// Counts an answer. `route` is the pattern of the path, one of a handful, never what was asked.
    pub fn answered(&self, route: &str, status: u16, took: Duration) {
        let class = match status {
            0..=199 => "1xx",
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            500.. => "5xx",
        };
        if let Ok(requests) = self.requests.get_metric_with_label_values(&[route, class]) {
            requests.inc();
        }
        if let Ok(seconds) = self.seconds.get_metric_with_label_values(&[route]) {
            seconds.observe(took.as_secs_f64());
        }
    }

    pub(super) fn write(&self, draft: &mut Draft<'_>) {
        let mut rows = draft.family(&REQUEST_SECONDS);
        for (labels, metric) in sorted(&self.seconds.collect(), &REQUEST_SECONDS) {
            let histogram = metric.get_histogram();
            let mut with = labels.clone();
            let mut add = |part: &'static str, number: Number| {
                with.truncate(labels.len());
                with.push(part);
                rows.add(&with, Some(number));
            };
            let count = Number::Whole(histogram.get_sample_count());
            for (name, bucket) in NAMES.iter().zip(histogram.get_bucket()) {
                add(name, Number::Whole(bucket.cumulative_count()));
            }
            add(ALL, count);
            add(SUM, Number::Float(histogram.get_sample_sum()));
            add(COUNT, count);
        }
        let mut rows = draft.family(&REQUESTS);
        for (labels, metric) in sorted(&self.requests.collect(), &REQUESTS) {
            rows.add(&labels, Some(metric.get_counter().get_value()));
        }
    }
}

/// Metrics with the values of their labels in the family's order; the crate gives them in no order.
fn sorted<'m>(
    families: &'m [MetricFamily],
    family: &Family,
) -> Vec<(Vec<&'m str>, &'m prometheus::proto::Metric)> {
    let value = |metric: &'m prometheus::proto::Metric, name: &str| {
        let mut labels = metric.get_label().iter();
        labels
            .find(|label| label.name() == name)
            .map_or("", |label| label.value())
    };
    let mut metrics: Vec<_> = families
        .iter()
        .flat_map(|family| family.get_metric())
        .map(|metric| {
            let labels: Vec<&str> = family.labels.iter().map(|name| value(metric, name)).collect();
            (labels, metric)
        })
        .collect();
    metrics.sort_by(|(one, _), (other, _)| one.cmp(other));
    metrics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_named_by_its_end() {
        assert_eq!(BUCKETS.map(|most| most.to_string()), NAMES.map(str::to_owned));
    }
}
