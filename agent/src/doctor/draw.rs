//! The report as lines for people: grouped, short, the remedy last.

use std::fmt::Write as _;

use super::{Expected, Report};
use crate::facts::style::Style;

/// How many families of a silent source are named.
const MOST_NAMED: usize = 4;

/// The whole report.
pub(super) fn text(report: &Report, colours: bool) -> String {
    let style = Style { colours };
    let mut out = String::new();
    let node = report.node.as_deref().unwrap_or("a machine without a name");
    let kind = if report.is_virtual {
        "a virtual machine"
    } else {
        "a machine of its own"
    };
    let _ = writeln!(out, "{}  {kind}", style.name(node));
    missing(&mut out, report, style);
    silent(&mut out, report, style);
    others(&mut out, report, style);
    unproven(&mut out, report, style);
    doubts(&mut out, report, style);
    out
}

fn heading(out: &mut String, style: Style, number: usize, text: &str) {
    let _ = writeln!(out, "\n{}", style.name(&format!("{text} ({number})")));
}

fn missing(out: &mut String, report: &Report, style: Style) {
    heading(out, style, report.missing.len(), "missing here");
    if report.missing.is_empty() {
        let _ = writeln!(out, "  nothing");
    }
    for one in &report.missing {
        let _ = writeln!(
            out,
            "  {}  {}",
            style.notice(&format!("{:<8}", one.part)),
            one.what
        );
        let families = match one.families {
            [] => String::new(),
            families => format!(" ({})", families.join(", ")),
        };
        let _ = writeln!(out, "            costs  {}{}", one.costs, style.aside(&families));
        let _ = writeln!(out, "            give   {}", style.quantity(&one.remedy));
    }
}

fn silent(out: &mut String, report: &Report, style: Style) {
    let (up, down): (Vec<&Expected>, Vec<&Expected>) = report.expected.iter().partition(|one| one.up);
    let shown: usize = up.iter().map(|one| one.families.len()).sum();
    heading(out, style, report.expected.len(), "sources");
    let names: Vec<&str> = up.iter().map(|one| one.source.as_str()).collect();
    let _ = writeln!(
        out,
        "  speak   {}  {}",
        names.join(", "),
        style.aside(&format!("{shown} families"))
    );
    for one in down {
        let reason = one.reason.as_deref().unwrap_or_default();
        let _ = writeln!(
            out,
            "  {}  {}  {reason}",
            style.notice("silent"),
            style.name(&one.source)
        );
        if !one.families.is_empty() {
            let named: Vec<&str> = one.families.iter().copied().take(MOST_NAMED).collect();
            let more = one.families.len().saturating_sub(MOST_NAMED);
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            let _ = writeln!(
                out,
                "          {}",
                style.aside(&format!("without {}{more}", named.join(", ")))
            );
        }
    }
}

fn others(out: &mut String, report: &Report, style: Style) {
    heading(out, style, report.others.len(), "who else has a hand on it");
    if report.others.is_empty() {
        let _ = writeln!(out, "  nobody that we know by name, process or port");
    }
    for other in &report.others {
        let _ = writeln!(
            out,
            "  {}  {}  {}",
            style.name(&other.who),
            style.aside(&other.found),
            other.holds
        );
        if !other.yields.is_empty() {
            let _ = writeln!(out, "          yields: {}", other.yields);
        }
    }
    if report.is_systemd {
        let _ = writeln!(
            out,
            "  {}",
            style.aside("systemd keeps slices here: AllowedCPUs= of a unit keeps CPUs from others")
        );
    }
}

fn unproven(out: &mut String, report: &Report, style: Style) {
    heading(
        out,
        style,
        report.unproven.len(),
        "here, and not proven on real hardware",
    );
    for kind in &report.unproven {
        let _ = writeln!(
            out,
            "  {}  {}  {}",
            style.name(&format!("{:<13}", kind.kind)),
            style.notice(&format!("{:<9}", kind.proof.word())),
            kind.what
        );
        let _ = writeln!(out, "                            check  {}", kind.check);
    }
    if report.unproven.is_empty() {
        let _ = writeln!(out, "  nothing");
    } else {
        let _ = writeln!(
            out,
            "  {}",
            style.aside("tell us what the check said: docs/hardware.md")
        );
    }
}

fn doubts(out: &mut String, report: &Report, style: Style) {
    if report.doubts.is_empty() {
        return;
    }
    heading(out, style, report.doubts.len(), "doubts");
    for doubt in &report.doubts {
        let _ = writeln!(
            out,
            "  {}  {}: {}",
            style.notice(&doubt.code),
            doubt.about,
            doubt.message
        );
    }
}
