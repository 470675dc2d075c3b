//! One row of the table of families: its name, what it means, and how its series are made.

use prometheus::proto::MetricFamily;
use rack_api::v1::{DrivesView, RackView};

use super::sheet::Series;
use crate::eyes::ipmi::Standing;
use crate::pools::power::act::Would;

/// What a family is, in Prometheus' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A value that goes up and down.
    Gauge,
    /// A value that only grows; its name ends in `_total`.
    Counter,
    /// A distribution.
    Histogram,
    /// Always 1; the labels say it. Its name ends in `_info`.
    Info,
}

impl Kind {
    /// The word of the text format (where an info is a gauge).
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
            Kind::Info => "info",
        }
    }
}

/// What a scrape is made from.
pub struct Source<'a> {
    /// The latest view.
    pub view: &'a RackView,
    /// The pool of drives; without enclosures where none is configured.
    pub drives: &'a DrivesView,
    /// What would be done if the modes let us.
    pub would: &'a [Would],
    /// Our own counters and histograms.
    pub gathered: &'a [MetricFamily],
    /// BMCs that are read over IPMI: what they cost, and how they stand.
    pub ipmi: &'a [(String, Standing)],
}

/// One family.
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// The names of its labels, in the order in which `fill` gives their values.
    pub labels: &'static [&'static str],
    /// What it means, in one sentence without a full stop.
    pub help: &'static str,
    /// Gives its series.
    pub fill: fn(&Source<'_>, &mut Series<'_>),
}
