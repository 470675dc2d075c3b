//! The controller's own counters and histograms: what happened in this process and stands in no view.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
};

use super::drive_meter::DriveMeter;
use super::family::{Family, Kind};
use crate::rack::Event;

/// From one event in memory to a slow BMC, in seconds.
pub(super) const BUCKETS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0,
];

/// The counters and histograms. Cheap to count in; gathered at each scrape.
#[derive(Clone, Debug)]
pub struct Own {
    reads: IntCounterVec,
    hints: IntCounterVec,
    read_seconds: HistogramVec,
    actions: IntCounterVec,
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    sd_requests: IntCounterVec,
    sd_targets: IntGaugeVec,
    streams: IntGauge,
    inputs: IntCounter,
    busy: IntCounter,
    append_seconds: Histogram,
    journal_writable: IntGauge,
    journal_missing: IntGauge,
    hints_folded: IntCounterVec,
    resubscriptions: IntCounterVec,
    drives: DriveMeter,
}

impl Own {
    /// All at zero.
    ///
    /// # Errors
    /// A family's name or label is not one; the names are constants, so a test finds it.
    pub fn new() -> prometheus::Result<Own> {
        let counter = |name: &str, labels: &[&str]| IntCounterVec::new(Opts::new(name, name), labels);
        let buckets = |name: &str| HistogramOpts::new(name, name).buckets(BUCKETS.to_vec());
        let journal_writable = IntGauge::new("busbar_rack_journal_writable", "writable")?;
        journal_writable.set(1);
        Ok(Own {
            drives: DriveMeter::new()?,
            journal_writable,
            journal_missing: IntGauge::new("busbar_rack_journal_missing_events", "missing")?,
            hints_folded: counter("busbar_rack_bmc_hints_folded_total", &["bmc"])?,
            resubscriptions: counter("busbar_rack_bmc_resubscriptions_total", &["bmc", "reason"])?,
            reads: counter("busbar_rack_bmc_reads_total", &["bmc", "outcome"])?,
            hints: counter("busbar_rack_bmc_hints_total", &["bmc"])?,
            read_seconds: HistogramVec::new(buckets("busbar_rack_bmc_read_seconds"), &["operation"])?,
            actions: counter("busbar_rack_actions_total", &["action", "outcome"])?,
            requests: counter("busbar_rack_api_requests_total", &["route", "method", "code"])?,
            request_seconds: HistogramVec::new(buckets("busbar_rack_api_request_seconds"), &["route"])?,
            sd_requests: counter("busbar_rack_sd_requests_total", &["role"])?,
            sd_targets: IntGaugeVec::new(Opts::new("busbar_rack_sd_targets", "targets"), &["role"])?,
            streams: IntGauge::new("busbar_rack_event_streams", "streams")?,
            inputs: IntCounter::new("busbar_rack_inputs_total", "inputs")?,
            busy: IntCounter::new("busbar_rack_busy_total", "busy")?,
            append_seconds: Histogram::with_opts(buckets("busbar_rack_journal_append_seconds"))?,
        })
    }

    pub(super) fn gather(&self) -> Vec<MetricFamily> {
        let all: [&dyn Collector; 16] = [
            &self.journal_writable,
            &self.journal_missing,
            &self.hints_folded,
            &self.resubscriptions,
            &self.reads,
            &self.hints,
            &self.read_seconds,
            &self.actions,
            &self.requests,
            &self.request_seconds,
            &self.sd_requests,
            &self.sd_targets,
            &self.streams,
            &self.inputs,
            &self.busy,
            &self.append_seconds,
        ];
        let drives = self.drives.gather();
        let all = all.into_iter().flat_map(Collector::collect);
        all.chain(drives).collect()
    }

    /// An event happened.
    pub fn happened(&self, event: &Event) {
        self.drives.happened(event);
    }

    /// A whole read of a BMC.
    pub fn read(&self, bmc: &str, operation: &str, outcome: &str, took: Duration) {
        self.reads.with_label_values(&[bmc, outcome]).inc();
        self.read_seconds
            .with_label_values(&[operation])
            .observe(took.as_secs_f64());
    }

    /// A BMC's event.
    pub fn hint(&self, bmc: &str) {
        self.hints.with_label_values(&[bmc]).inc();
    }

    /// A BMC's event that had come before.
    pub fn folded(&self, bmc: &str) {
        self.hints_folded.with_label_values(&[bmc]).inc();
    }

    /// A BMC's stream of events was opened again, or all was read again because of it (`ended`, `dropped`, `gap`).
    pub fn resubscribed(&self, bmc: &str, reason: &str) {
        self.resubscriptions.with_label_values(&[bmc, reason]).inc();
    }

    /// Whether the journal takes what it is given.
    pub fn journal(&self, is_writable: bool) {
        self.journal_writable.set(i64::from(is_writable));
    }

    /// How many events the journal lacks at least that agents know of.
    pub fn missing(&self, events: u64) {
        self.journal_missing
            .set(i64::try_from(events).unwrap_or(i64::MAX));
    }

    /// An action and what came of it.
    pub fn action(&self, action: &str, outcome: &str) {
        self.actions.with_label_values(&[action, outcome]).inc();
    }

    /// A request over HTTP.
    pub fn request(&self, route: &str, method: &str, code: u16, took: Duration) {
        self.requests
            .with_label_values(&[route, method, &code.to_string()])
            .inc();
        self.request_seconds
            .with_label_values(&[route])
            .observe(took.as_secs_f64());
    }

    /// A request for targets.
    pub fn discovery(&self, role: &str, targets: Option<usize>) {
        self.sd_requests.with_label_values(&[role]).inc();
        if let Some(targets) = targets {
            let shown = i64::try_from(targets).unwrap_or(i64::MAX);
            self.sd_targets.with_label_values(&[role]).set(shown);
        }
    }

    /// A stream of events began (+1) or ended (-1).
    pub fn stream(&self, change: i64) {
        self.streams.add(change);
    }

    /// An input reached the turn.
    pub fn input(&self) {
        self.inputs.inc();
    }

    /// The turn's channel was full.
    pub fn busy(&self) {
        self.busy.inc();
    }

    /// Events were made durable.
    pub fn append(&self, took: Duration) {
        self.append_seconds.observe(took.as_secs_f64());
    }
}

macro_rules! own {
    ($name:literal, $kind:ident, $labels:expr, $help:literal) => {
        Family {
            name: $name,
            kind: Kind::$kind,
            labels: &$labels,
            help: $help,
            fill: |source, series| series.put_gathered(source.gathered),
        }
    };
}

/// The families that stand in no other room.
pub(super) static FAMILIES: &[Family] = &[
    own!(
        "busbar_rack_inputs_total",
        Counter,
        [],
        "Inputs that the turn took: observations, asks, results of actions, ticks"
    ),
    own!(
        "busbar_rack_busy_total",
        Counter,
        [],
        "Asks that were refused because too many were waiting"
    ),
    own!(
        "busbar_rack_journal_writable",
        Gauge,
        [],
        "1 while the journal takes what it is given, 0 while nothing new is promised because it does not"
    ),
    own!(
        "busbar_rack_journal_missing_events",
        Gauge,
        [],
        "Events at least that agents were leased to under and that the journal has not; 0 where it has all of them"
    ),
    own!(
        "busbar_rack_journal_append_seconds",
        Histogram,
        [],
        "How long it took to make events durable"
    ),
    own!(
        "busbar_rack_drive_erasures_total",
        Counter,
        ["method", "outcome"],
        "Erasures of pooled drives that ended in this process; one that failed names no method"
    ),
    own!(
        "busbar_rack_drive_attach_seconds",
        Histogram,
        ["enclosure"],
        "How long it took from a drive's grant until its node had seen the very drive"
    ),
    own!(
        "busbar_rack_api_requests_total",
        Counter,
        ["route", "method", "code"],
        "Requests to the API by route and answer"
    ),
    own!(
        "busbar_rack_api_request_seconds",
        Histogram,
        ["route"],
        "How long requests to the API took; a stream of events counts until it began"
    ),
    own!(
        "busbar_rack_event_streams",
        Gauge,
        [],
        "Streams of events that are open"
    ),
    own!(
        "busbar_rack_sd_requests_total",
        Counter,
        ["role"],
        "Requests for Prometheus targets"
    ),
    own!(
        "busbar_rack_sd_targets",
        Gauge,
        ["role"],
        "Targets in the last answer"
    ),
];
