//! An inspection drawn for people: one block a domain, one line a bay, then the doubts with their sources.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use bmc::NodeFacts;
use bmc::redundancy::Redundancy;
use facts::supply::{Supply, SupplyState};
use facts::{Power, Reading};

use super::report::{Computed, Report};

/// Losses whose remainder is shown: more than three at once is no plan.
const SHOWN_LOSSES: usize = 3;

/// Whether to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Paint(bool);

impl Paint {
    /// Colours only on a terminal, and not where NO_COLOR is set.
    pub(super) fn of_stdout() -> Paint {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Paint(std::io::stdout().is_terminal() && !refused)
    }

    #[cfg(test)]
    pub(super) fn none() -> Paint {
        Paint(false)
    }

    fn dress(self, code: &str, text: &str) -> String {
        match self.0 {
            true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        }
    }

    fn strong(self, text: &str) -> String {
        self.dress("1", text)
    }

    fn faint(self, text: &str) -> String {
        self.dress("2", text)
    }

    fn warn(self, text: &str) -> String {
        self.dress("33", text)
    }
}

/// The whole picture.
pub(super) fn text(report: &Report, paint: Paint) -> String {
    let mut text = header(report, paint);
    for computed in &report.redundancy.computed {
        text.push('\n');
        text.push_str(&domain(report, computed, paint));
    }
    if report.domains.is_empty() {
        text.push_str("\nno supplies are listed\n");
    }
    text.push_str(&doubts(report, paint));
    let _ = writeln!(
        text,
        "\n{}",
        paint.strong(&format!(
            "{} writes made{}",
            report.writes_made,
            match report.session_requests {
                0 => String::new(),
                requests => format!(" (and {requests} to log in and out)"),
            }
        ))
    );
    match &report.saved {
        Some(folder) => {
            let _ = writeln!(text, "saved: masked recording {}", folder.display());
        }
        None if report.ipmi.is_some() => {
            text.push_str("not saved; `busbar-rack record` keeps a masked recording\n");
        }
        None => text.push_str("not saved; --save FOLDER keeps a masked recording\n"),
    }
    text
}

fn header(report: &Report, paint: Paint) -> String {
    let mut text = paint.strong(&report.source);
    let words = [&report.vendor, &report.product];
    for word in words.into_iter().flatten() {
        let _ = write!(text, "  {word}");
    }
    if let Some(version) = &report.redfish_version {
        let _ = write!(text, "  Redfish {version}");
    }
    if let Some(version) = &report.ipmi {
        let _ = write!(text, "  IPMI {version}");
    }
    text.push('\n');
    if let Some(print) = &report.fingerprint {
        let _ = writeln!(text, "{}", paint.faint(&format!("certificate {print}")));
    }
    if let Some(node) = &report.node {
        text.push_str(&one_node(node));
    }
    text
}

fn one_node(node: &NodeFacts) -> String {
    let mut words: Vec<String> = [&node.maker, &node.model]
        .into_iter()
        .flatten()
        .cloned()
        .collect();
    words.extend(node.serial.as_ref().map(|serial| format!("serial {serial}")));
    words.extend(node.power_state.as_ref().map(|state| state.to_lowercase()));
    words.extend(node.packages.map(|packages| format!("{packages} packages")));
    words.extend(node.cores.map(|cores| format!("{cores} cores")));
    words.extend(node.memory_bytes.map(|bytes| bytes.to_string()));
    words.extend(node.drives.map(|drives| format!("{drives} drives")));
    words.extend(
        node.drawn_watts
            .value()
            .map(|watts| format!("draws {:.0} W", watts.as_watts_f64())),
    );
    if let Some(limit) = node.limit.as_ref().and_then(|limit| limit.set_point_watts) {
        words.push(format!("limit {limit}"));
    }
    let uuid = node
        .uuid
        .as_ref()
        .map(|uuid| format!("uuid {uuid}\n"))
        .unwrap_or_default();
    format!("node  {}\n      {uuid}", words.join(", "))
        .trim_end()
        .to_owned()
        + "\n"
}

fn domain(report: &Report, computed: &Computed, paint: Paint) -> String {
    let redundancy = &computed.redundancy;
    let name = &redundancy.domain;
    let claims: Vec<&str> = report
        .redundancy
        .claimed
        .iter()
        .filter(|claimed| claimed.domain == *name)
        .map(|claimed| claimed.word.as_str())
        .collect();
    let says = match claims.is_empty() {
        true => "the BMC claims nothing".to_owned(),
        false => format!("the BMC claims {}", claims.join(", ")),
    };
    let mut text = format!("{}  {} computed; {says}\n", paint.strong(name), computed.word);
    text.push_str(&sums(report, redundancy));
    let rows: Vec<&Supply> = report
        .supplies
        .iter()
        .filter(|row| row.domain == *name)
        .map(|row| &row.supply)
        .collect();
    text.push_str(&table(&rows, paint));
    text
}

fn sums(report: &Report, redundancy: &Redundancy) -> String {
    let watts = |reading: Reading<Power>| match reading {
        Reading::Value(power) => power.to_kilowatt_text(),
        Reading::None { no_data } => format!("unknown ({no_data})"),
    };
    let mut text = format!(
        "installed {}  load {}",
        watts(redundancy.installed_watts),
        watts(redundancy.load_watts)
    );
    for (index, left) in redundancy.surviving_watts.iter().take(SHOWN_LOSSES).enumerate() {
        let _ = write!(text, "  after {} lost {}", index + 1, left.to_kilowatt_text());
    }
    text.push('\n');
    let claimed = report
        .domains
        .iter()
        .find(|domain| domain.name == redundancy.domain)
        .and_then(|domain| domain.capacity_claimed_watts);
    let _ = write!(
        text,
        "{} bays: {} usable, {} fillers, {} empty, {} out",
        redundancy.bays, redundancy.usable, redundancy.fillers, redundancy.absent, redundancy.out
    );
    if let Some(claimed) = claimed {
        let _ = write!(text, "; capacity claimed {}", claimed.to_kilowatt_text());
    }
    let halves = match redundancy.n_plus_n {
        Some(true) => "; half may be lost",
        Some(false) => "; half may not be lost",
        None => "",
    };
    text.push_str(halves);
    text.push('\n');
    text
}

fn table(supplies: &[&Supply], paint: Paint) -> String {
    let head = [
        "bay", "label", "state", "rated", "delivers", "draws", "model", "serial",
    ];
    let mut lines: Vec<[String; 8]> = vec![head.map(str::to_owned)];
    for supply in supplies {
        let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let watts = |reading: &Reading<Power>| match reading {
            // A meter's milliwatts are noise to a reader.
            Reading::Value(power) => format!("{:.0} W", power.as_watts_f64()),
            Reading::None { .. } => "-".to_owned(),
        };
        lines.push([
            supply.bay.clone(),
            word(&supply.label),
            state(supply).to_owned(),
            watts(&supply.rated_watts),
            watts(&supply.output_watts),
            watts(&supply.input_watts),
            word(&supply.identity.model),
            word(&supply.identity.serial),
        ]);
    }
    let mut widths = [0_usize; 8];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        let cells: Vec<String> = line
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        let plain = format!("  {}", cells.join("  "));
        let plain = plain.trim_end();
        let counts = number == 0
            || supplies
                .get(number - 1)
                .is_some_and(|s| bmc::redundancy::is_usable(s));
        let shown = match (number, counts) {
            (0, _) => paint.faint(plain),
            (_, true) => plain.to_owned(),
            (_, false) => paint.warn(plain),
        };
        text.push_str(&shown);
        text.push('\n');
    }
    text
}

fn state(supply: &Supply) -> &'static str {
    if supply.is_filler {
        return "filler";
    }
    match supply.state {
        SupplyState::Ok => "ok",
        SupplyState::Absent => "empty",
        SupplyState::Faulted => "faulted",
        SupplyState::InputLost => "input lost",
        SupplyState::Off => "off",
        SupplyState::Unknown => "not said",
    }
}

fn doubts(report: &Report, paint: Paint) -> String {
    if report.doubts.is_empty() {
        return "\nno doubts\n".to_owned();
    }
    let mut text = format!("\n{}\n", paint.strong("doubts"));
    for (index, doubt) in report.doubts.iter().enumerate() {
        let kind = paint.warn(&doubt.kind);
        let _ = writeln!(text, "{:>3}  {kind}: {}", index + 1, doubt.message);
        let _ = writeln!(text, "     {}", paint.faint(&doubt.resource));
    }
    text
}
