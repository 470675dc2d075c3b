//! The pool drawn for people: each enclosure as its front, a cell a bay; below it what there is to say, and who claims what.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::IsTerminal;

use facts::Moment;
use rack_api::v1::{
    BayLife, DriveBay, DriveClaim, DriveStage, DriveTenancy, DriveView, DrivesView, EnclosureView,
};

use super::decimal;
use super::why::hold;
use crate::paint::{Paint, Tone};
use crate::tables;

/// How wide a picture is where no terminal says how wide it is: a page of a ticket, or of a mail.
const PAGE: usize = 100;
/// The longest that a cell tells of who has a drive; the whole name stands in the table of claims.
const LONGEST_WHO: usize = 24;

/// The whole pool, as wide as the terminal.
pub fn pool(view: &DrivesView, paint: Paint) -> String {
    let known = std::io::stdout().is_terminal();
    let size = known
        .then(ratatui::crossterm::terminal::size)
        .and_then(Result::ok);
    let width = size.map_or(PAGE, |(columns, _)| usize::from(columns));
    drawn(view, paint, width)
}

/// The whole pool, at a width.
fn drawn(view: &DrivesView, paint: Paint, width: usize) -> String {
    let mut text = String::new();
    if view.enclosures.is_empty() {
        text.push_str("no drive is pooled: add an [[enclosure]] to rack.toml\n");
    }
    for enclosure in &view.enclosures {
        text.push_str(&one_enclosure(enclosure, view.at, paint, width));
    }
    let bays: Vec<&DriveBay> = view.bays().collect();
    text.push_str(&legend(&bays, paint));
    for drive in &view.away {
        let line = format!("{} is in no bay: {}", drive.serial, hold(drive));
        let _ = writeln!(text, "{}", paint.tone(Tone::Warn, &line));
    }
    if !view.claims.is_empty() {
        let _ = writeln!(text, "\n{}", paint.tone(Tone::Strong, "claims of drives"));
        text.push_str(&claims(&view.claims));
    }
    text
}

/// `jbof  on n07: 3 claimed, 2 free, 1 empty`, its cells, and what there is to say of each.
fn one_enclosure(enclosure: &EnclosureView, now: Moment, paint: Paint, width: usize) -> String {
    let mut text = String::new();
    let name = paint.tone(Tone::Strong, &enclosure.name);
    let _ = writeln!(text, "{name}  on {}: {}", enclosure.agent, counted(enclosure));
    if !enclosure.seen {
        let since = enclosure
            .last_seen
            .map_or_else(String::new, |seen| format!(" since {seen}"));
        let line = format!("it does not answer{since}: what stands here is from before");
        let _ = writeln!(text, "{}", paint.tone(Tone::Warn, &line));
    }
    if let Some(reason) = &enclosure.reason {
        let _ = writeln!(text, "{}", paint.tone(Tone::Warn, reason));
    }
    text.push_str(&cells(enclosure, now, paint, width));
    for bay in &enclosure.bays {
        for line in said(bay) {
            let _ = writeln!(text, "  {}: {line}", bay.place);
        }
    }
    text
}

/// How many bays are how, in words.
fn counted(enclosure: &EnclosureView) -> String {
    let mut counts: BTreeMap<(usize, &'static str), usize> = BTreeMap::new();
    for bay in &enclosure.bays {
        let place = match &bay.drive {
            Some(drive) => DriveTenancy::ALL.iter().position(|one| *one == drive.tenancy),
            None => None,
        };
        let word = match (&bay.drive, bay.life) {
            (Some(drive), _) => drive.tenancy.word(),
            (None, BayLife::Empty) => "empty",
            (None, _) => "unknown",
        };
        let count = counts.entry((place.unwrap_or(usize::MAX), word)).or_default();
        *count = count.saturating_add(1);
    }
    let words: Vec<String> = counts
        .into_iter()
        .map(|((_, word), count)| format!("{count} {word}"))
        .collect();
    if words.is_empty() {
        "no bays".to_owned()
    } else {
        words.join(", ")
    }
}

/// The front: as many cells a row as fit, all of one width, so that they stand below each other as the bays do.
fn cells(enclosure: &EnclosureView, now: Moment, paint: Paint, width: usize) -> String {
    let cells: Vec<Cell> = enclosure
        .bays
        .iter()
        .map(|bay| Cell::of(bay, enclosure.seen, now))
        .collect();
    let widest = cells.iter().map(Cell::width).max().unwrap_or(0);
    let each = widest.saturating_add(2);
    let a_row = width.checked_div(each).unwrap_or(1).max(1);
    let mut text = String::new();
    for row in cells.chunks(a_row) {
        for cell in row {
            let room = " ".repeat(widest.saturating_sub(cell.width()));
            let word = paint.tone(cell.tone, &cell.word);
            let _ = write!(text, "[{} {word}{}{room}]", cell.label, cell.rest);
        }
        text.push('\n');
    }
    text
}

/// One bay in the picture.
struct Cell {
    label: String,
    word: String,
    tone: Tone,
    rest: String,
}

impl Cell {
    fn of(bay: &DriveBay, seen: bool, now: Moment) -> Cell {
        let (word, tone) = word(bay, now);
        let mut rest = bay.drive.as_ref().map_or_else(String::new, who);
        if bay.drive.as_ref().is_some_and(|drive| drive.predicts_failure) {
            rest.push_str(" !");
        }
        if bay.led == Some(true) {
            rest.push_str(" *");
        }
        let (word, tone) = if seen {
            (word, tone)
        } else {
            (word + "?", Tone::Warn)
        };
        Cell {
            label: bay.label.split_whitespace().collect(),
            word,
            tone,
            rest,
        }
    }

    fn width(&self) -> usize {
        let count = |text: &str| text.chars().count();
        count(&self.label)
            .saturating_add(count(&self.word))
            .saturating_add(count(&self.rest))
            .saturating_add(1)
    }
}

/// How a bay is, in as few words as a cell has room for. What hands shall do stands before whose the drive is.
fn word(bay: &DriveBay, now: Moment) -> (String, Tone) {
    let plain = |word: &str, tone| (word.to_owned(), tone);
    match bay.life {
        BayLife::Unseen => return plain("unseen", Tone::Warn),
        BayLife::Empty => return plain("empty", Tone::Faint),
        BayLife::Settling => return plain("settling", Tone::Warn),
        BayLife::Probation => return plain("probation", Tone::Warn),
        BayLife::Draining => return plain("draining", Tone::Warn),
        BayLife::ReadyToPull => return plain("pull me", Tone::Strong),
        BayLife::Faulted => return plain("faulted", Tone::Bad),
        BayLife::Condemned => return plain("condemned", Tone::Bad),
        BayLife::InService => {}
    }
    let Some(drive) = &bay.drive else {
        return plain("nameless", Tone::Bad);
    };
    if drive.is_hung {
        return plain("hung", Tone::Bad);
    }
    match drive.tenancy {
        DriveTenancy::Foreign => plain("foreign", Tone::Faint),
        DriveTenancy::Free => plain("free", Tone::Good),
        DriveTenancy::Claimed => match drive.stage {
            Some(DriveStage::Attached) | None => plain("claimed", Tone::Good),
            Some(stage) => plain(stage.word(), Tone::Warn),
        },
        DriveTenancy::Releasing => plain("releasing", Tone::Warn),
        DriveTenancy::Held => match drive.held_until {
            Some(until) => (format!("held {}", left(until, now)), Tone::Warn),
            None => plain("held", Tone::Warn),
        },
        DriveTenancy::Wiping => {
            let permille = drive.erasing.as_ref().and_then(|erasing| erasing.permille);
            let how_far = permille.map_or_else(String::new, |permille| format!(" {}%", permille / 10));
            (format!("wiping{how_far}"), Tone::Warn)
        }
        DriveTenancy::Failed => plain("failed", Tone::Bad),
    }
}

/// ` db@n01`, or how large it is where nobody has it.
fn who(drive: &DriveView) -> String {
    let text = match (&drive.holder, drive.tenancy) {
        (Some(holder), DriveTenancy::Held) => holder.purpose.clone(),
        (Some(holder), _) => format!("{}@{}", holder.purpose, holder.node),
        (None, DriveTenancy::Free | DriveTenancy::Foreign) => decimal(drive.size_bytes),
        (None, _) => return String::new(),
    };
    if text.chars().count() <= LONGEST_WHO {
        return format!(" {text}");
    }
    let cut: String = text.chars().take(LONGEST_WHO.saturating_sub(2)).collect();
    format!(" {cut}..")
}

/// The time that is left, in the largest unit of which there is at least one.
fn left(until: Moment, now: Moment) -> String {
    let seconds = until.since(now).as_secs();
    match seconds {
        0 => "0s".to_owned(),
        1..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// What the picture has no room for.
fn said(bay: &DriveBay) -> Vec<String> {
    let mut lines: Vec<String> = bay.reason.iter().cloned().collect();
    let Some(drive) = &bay.drive else { return lines };
    let named = |text: &String| format!("{}: {text}", drive.serial);
    let reasons = drive.why.iter().chain(&drive.unsealed).chain(&drive.doubts);
    lines.extend(reasons.map(named));
    if drive.predicts_failure {
        lines.push(format!("{}: it says of itself that it will fail", drive.serial));
    }
    lines
}

/// What the marks mean, where there are some.
fn legend(bays: &[&DriveBay], paint: Paint) -> String {
    let lit = bays.iter().any(|bay| bay.led == Some(true));
    let failing = |bay: &&DriveBay| bay.drive.as_ref().is_some_and(|drive| drive.predicts_failure);
    let marks = [
        (lit, "* its LED is lit"),
        (bays.iter().any(failing), "! it predicts its failure"),
    ];
    let marks: Vec<&str> = marks
        .into_iter()
        .filter_map(|(is, what)| is.then_some(what))
        .collect();
    if marks.is_empty() {
        return String::new();
    }
    format!("{}\n", paint.tone(Tone::Faint, &marks.join("  ")))
}

/// Claims of drives, a line a drive.
pub fn claims(claims: &[DriveClaim]) -> String {
    let mut table = tables::table(&[
        "for", "node", "serial", "where", "size", "how", "device", "until", "id",
    ]);
    let dash = || "-".to_owned();
    for claim in claims {
        let until = claim.until.map_or_else(dash, |until| until.to_string());
        for drive in &claim.drives {
            table.add_row([
                claim.purpose.clone(),
                claim.node.clone(),
                drive.serial.clone(),
                drive.place.clone().unwrap_or_else(|| "in no bay".to_owned()),
                decimal(drive.size_bytes),
                drive.stage.word().to_owned(),
                drive.device.clone().unwrap_or_else(dash),
                until.clone(),
                claim.id.clone(),
            ]);
        }
        for lost in &claim.lost {
            table.add_row([
                claim.purpose.clone(),
                claim.node.clone(),
                lost.serial.clone(),
                dash(),
                dash(),
                format!("lost: {}", lost.ending.words()),
                dash(),
                until.clone(),
                claim.id.clone(),
            ]);
        }
    }
    format!("{table}\n")
}

#[cfg(test)]
mod tests;
