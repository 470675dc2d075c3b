//! /metrics: made from the view when it is asked for, never stored; what is not seen is absent, not zero.

mod actions;
mod bmc;
mod domain;
mod drive_meter;
mod drives;
mod family;
mod lease;
mod node;
mod own;
mod people;
mod process;
mod promise;
mod sheet;

use rack_api::v1::{DrivesView, RackView};

use crate::eyes::ipmi::Standing;

pub use family::{Family, Kind, Source};
pub use own::Own;
pub use sheet::Format;

/// All families, in the order of a scrape: one plain array.
pub fn families() -> impl Iterator<Item = &'static Family> {
    [
        process::FAMILIES,
        domain::FAMILIES,
        promise::FAMILIES,
        people::FAMILIES,
        drives::FAMILIES,
        lease::FAMILIES,
        node::FAMILIES,
        bmc::FAMILIES,
        actions::FAMILIES,
        own::FAMILIES,
    ]
    .into_iter()
    .flatten()
}

/// One scrape.
pub fn render(
    view: &RackView,
    pool: &DrivesView,
    would: &[crate::pools::power::act::Would],
    own: &Own,
    ipmi: &[(String, Standing)],
    format: Format,
) -> String {
    let gathered = own.gather();
    let source = Source {
        view,
        drives: pool,
        would,
        gathered: &gathered,
        ipmi,
    };
    let mut sheet = sheet::Sheet::new(format);
    for family in families() {
        sheet.family(family, &source);
    }
    sheet.finish()
}

/// docs/metrics-rack.md, as it should be.
pub fn document() -> String {
    let mut text = String::from(
        "# Metrics of the rack controller\n\n\
         Made from the table of families in `rack-controller/src/metrics`; a test fails when this page is stale\n\
         (`BUSBAR_WRITE_DOCS=1 cargo test -p rack-controller --lib metrics` writes it again).\n\n\
         What is not seen is absent from the next scrape, never a zero. The rack's own name is a target label from service\n\
         discovery (`/sd/prometheus`), on no series here. Both `text/plain; version=0.0.4` and OpenMetrics 1.0.0 are served.\n\n\
         | family | type | labels | meaning |\n|---|---|---|---|\n",
    );
    for family in families() {
        text.push_str(&format!(
            "| `{}` | {} | {} | {} |\n",
            family.name,
            family.kind.word(),
            family.labels.join(", "),
            family.help
        ));
    }
    text
}

#[cfg(test)]
mod tests;
