//! A frame as lines of text with styles: the same lines go to a terminal and, without styles, to a pipe.

use facts::Bytes;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::frame::{Cell, Frame, Row, SourceRow, Table, Unit};

/// How wide the name of a row is.
const NAME_WIDTH: usize = 16;
/// How wide a cell is.
const CELL_WIDTH: usize = 12;
/// How wide a bar is.
const BAR_WIDTH: usize = 10;
/// Shares from which a bar warns, and from which it alarms.
const WARM: f64 = 0.7;
const HOT: f64 = 0.9;
/// How many doubts are shown; more are counted.
const MOST_DOUBTS: usize = 3;

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const FAINT: Style = Style::new().add_modifier(Modifier::DIM);
const WARNING: Style = Style::new().fg(Color::Yellow);
const BAD: Style = Style::new().fg(Color::Red);
const GOOD: Style = Style::new().fg(Color::Green);

/// The whole frame; `silence` says why the agent did not answer this time, where it did not.
pub fn lines(frame: &Frame, silence: Option<&str>) -> Vec<Line<'static>> {
    let mut all = vec![heading(frame)];
    if let Some(silence) = silence {
        all.push(Line::styled(format!("no answer: {silence}"), BAD));
    }
    for table in &frame.tables {
        all.push(Line::raw(""));
        all.extend(of_table(table));
    }
    all.push(Line::raw(""));
    all.push(Line::styled(
        format!("{:<NAME_WIDTH$}{:<12}{:>8}  why", "sources", "state", "age"),
        BOLD,
    ));
    all.extend(frame.sources.iter().map(of_source));
    if !frame.doubts.is_empty() {
        all.push(Line::raw(""));
        all.push(Line::styled(format!("doubts ({})", frame.doubts.len()), BOLD));
        let shown = frame.doubts.iter().take(MOST_DOUBTS);
        all.extend(shown.map(|doubt| Line::styled(format!("  {doubt}"), WARNING)));
    }
    if frame.broken_lines > 0 {
        let text = format!(
            "{} lines of the metrics page could not be read",
            frame.broken_lines
        );
        all.push(Line::styled(text, WARNING));
    }
    all
}

fn heading(frame: &Frame) -> Line<'static> {
    let mut spans = vec![
        Span::styled(frame.node.clone(), BOLD),
        Span::raw(format!("  {}  ", frame.machine)),
    ];
    spans.push(Span::raw("CPUs "));
    spans.extend(cell(&frame.busy, Unit::Share));
    Line::from(spans)
}

fn of_table(table: &Table) -> Vec<Line<'static>> {
    let mut head = format!("{:<NAME_WIDTH$}", table.name);
    for (name, unit) in &table.columns {
        let width = match unit {
            Unit::Share => CELL_WIDTH + BAR_WIDTH + 1,
            Unit::Bytes | Unit::Watts | Unit::Celsius | Unit::Number => CELL_WIDTH,
        };
        head.push_str(&format!("{name:>width$}"));
    }
    let mut lines = vec![Line::styled(head, BOLD)];
    if let Some(why) = &table.why {
        lines.push(Line::styled(format!("  -  {why}"), FAINT));
    }
    lines.extend(table.rows.iter().map(|row| of_row(row, table)));
    lines
}

fn of_row(row: &Row, table: &Table) -> Line<'static> {
    let mut spans = vec![Span::raw(format!(
        "{:<NAME_WIDTH$}",
        cut(&row.name, NAME_WIDTH - 1)
    ))];
    for (one, (_, unit)) in row.cells.iter().zip(&table.columns) {
        spans.extend(cell(one, *unit));
    }
    // The first reason stands for the row: its cells are usually silent together.
    let why = row.cells.iter().find_map(|cell| cell.why.clone());
    let about = match why {
        Some(why) if row.about.is_empty() => why,
        Some(why) => format!("{}  (-: {why})", row.about),
        None => row.about.clone(),
    };
    spans.push(Span::styled(format!("  {about}"), FAINT));
    Line::from(spans)
}

/// A cell of its column's width: a bar before a share, `-` where there is no value.
fn cell(cell: &Cell, unit: Unit) -> Vec<Span<'static>> {
    let Some(value) = cell.value else {
        let width = match unit {
            Unit::Share => CELL_WIDTH + BAR_WIDTH + 1,
            Unit::Bytes | Unit::Watts | Unit::Celsius | Unit::Number => CELL_WIDTH,
        };
        return vec![Span::styled(format!("{:>width$}", "-"), FAINT)];
    };
    match unit {
        Unit::Share => {
            let style = if value >= HOT {
                BAD
            } else if value >= WARM {
                WARNING
            } else {
                GOOD
            };
            let text = format!("{:>CELL_WIDTH$}", format!("{:.1} %", value * 100.0));
            vec![Span::raw(text), Span::raw(" "), Span::styled(bar(value), style)]
        }
        Unit::Bytes => right(bytes(value)),
        Unit::Watts => right(format!("{value:.1} W")),
        Unit::Celsius => right(format!("{value:.0} °C")),
        Unit::Number => right(format!("{value:.0}")),
    }
}

fn right(text: String) -> Vec<Span<'static>> {
    vec![Span::raw(format!("{text:>CELL_WIDTH$}"))]
}

/// Bytes of a float, which comes from a whole number of them.
fn bytes(value: f64) -> String {
    format!("{:.0}", value.max(0.0)).parse::<u64>().map_or_else(
        |_| format!("{value:.3e} B"),
        |whole| Bytes::new(whole).to_string(),
    )
}

fn bar(share: f64) -> String {
    let mut text = String::new();
    for step in 0..BAR_WIDTH {
        let threshold = f64::from(u32::try_from(step).unwrap_or(u32::MAX)) + 0.5;
        let full = share * f64::from(u32::try_from(BAR_WIDTH).unwrap_or(1)) >= threshold;
        text.push(if full { '█' } else { '░' });
    }
    text
}

fn of_source(source: &SourceRow) -> Line<'static> {
    let style = match source.state.as_str() {
        "ok" => GOOD,
        "absent" | "unsupported" | "off" | "pending" => FAINT,
        _ => WARNING,
    };
    let age = source
        .age_seconds
        .map_or("-".to_owned(), |age| format!("{age:.0} s"));
    Line::from(vec![
        Span::raw(format!("{:<NAME_WIDTH$}", cut(&source.name, NAME_WIDTH - 1))),
        Span::styled(format!("{:<12}", source.state), style),
        Span::raw(format!("{age:>8}  ")),
        Span::styled(source.message.clone(), FAINT),
    ])
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// The frame as plain text.
pub fn text(frame: &Frame) -> String {
    let mut out = String::new();
    for line in lines(frame, None) {
        let plain: String = line.spans.iter().map(|span| span.content.as_ref()).collect();
        out.push_str(plain.trim_end());
        out.push('\n');
    }
    out
}
