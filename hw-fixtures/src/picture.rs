//! `hw-fixtures do status`: the rack as a picture.

use serde_json::Value;

/// Cells of a bar.
const BAR: u64 = 20;

/// How a line is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tone {
    Good,
    Warn,
    Bad,
    Faint,
}

struct Painter(bool);

impl Painter {
    fn paint(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => "32",
            Tone::Warn => "33",
            Tone::Bad => "31",
            Tone::Faint => "2",
        };
        if self.0 {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Draws the world from its status.
#[must_use]
pub fn draw(status: &Value, colours: bool) -> String {
    let painter = Painter(colours);
    let mut out = head(status, &painter);
    let supplies = list(status, "supplies");
    for feed in list(status, "feeds") {
        let name = text(feed, "name");
        let live = flag(feed, "live");
        let wire = if live {
            painter.paint(Tone::Good, "live")
        } else {
            painter.paint(Tone::Bad, "DEAD")
        };
        out.push_str(&format!("  feed {name}  {wire}\n"));
        let own: Vec<&&Value> = supplies
            .iter()
            .filter(|supply| text(supply, "feed") == name)
            .collect();
        for (index, supply) in own.iter().enumerate() {
            let branch = if index + 1 == own.len() {
                "└─"
            } else {
                "├─"
            };
            out.push_str(&format!("   {branch} {}\n", supply_line(supply, &painter)));
        }
    }
    let nodes = list(status, "nodes");
    if !nodes.is_empty() {
        out.push_str("  busbar\n");
    }
    for (index, node) in nodes.iter().enumerate() {
        let branch = if index + 1 == nodes.len() {
            "└─"
        } else {
            "├─"
        };
        out.push_str(&format!("   {branch} {}\n", node_line(node, &painter)));
    }
    let bays = list(status, "drive_bays");
    for (index, bay) in bays.iter().enumerate() {
        let branch = if index + 1 == bays.len() {
            "└─"
        } else {
            "├─"
        };
        if index == 0 {
            out.push_str("  drives\n");
        }
        out.push_str(&format!("   {branch} {}\n", drive_line(bay, &painter)));
    }
    out.push_str(&bmc_lines(&list(status, "bmcs"), &painter));
    out
}

fn head(status: &Value, painter: &Painter) -> String {
    let (draw, available) = (milli(status, "draw_watts"), milli(status, "available_watts"));
    let state = if list(status, "supplies").is_empty() {
        painter.paint(Tone::Faint, "no shelf")
    } else if flag(status, "dark") {
        painter.paint(Tone::Bad, "DARK")
    } else if draw > available {
        let ms = status.get("overloaded_ms").and_then(Value::as_u64).unwrap_or(0);
        painter.paint(Tone::Bad, &format!("OVERLOADED for {ms} ms"))
    } else {
        painter.paint(Tone::Good, "lit")
    };
    let sums = format!("{} of {} available", kilowatts(draw), kilowatts(available));
    format!(
        "rack {}  {state}  {sums}  {}\n",
        text(status, "world"),
        bar(draw, available)
    )
}

fn supply_line(supply: &Value, painter: &Painter) -> String {
    let state = text(supply, "state");
    let (lamp, tone, word) = match state {
        "running" => ("●", Tone::Good, "running"),
        "starting" => ("◐", Tone::Warn, "starting"),
        "hold_up" => ("◑", Tone::Warn, "on hold-up"),
        "no_input" => ("○", Tone::Bad, "no input"),
        "tripped" => ("✗", Tone::Bad, "tripped"),
        "failed" => ("✗", Tone::Bad, "broken"),
        "absent" => ("·", Tone::Faint, "empty bay"),
        other => ("?", Tone::Warn, other),
    };
    let place = format!("{:<14}", text(supply, "place"));
    let (output, rated) = (milli(supply, "output_watts"), milli(supply, "rated_watts"));
    let mut line = format!(
        "{} {place} {}",
        painter.paint(tone, lamp),
        painter.paint(tone, &format!("{word:<10}"))
    );
    if state != "absent" {
        let sums = format!("{:>9} of {:>8}", kilowatts(output), kilowatts(rated));
        let serial = painter.paint(Tone::Faint, text(supply, "serial"));
        line.push_str(&format!(" {} {sums}  {serial}", bar(output, rated)));
    }
    if flag(supply, "locate") {
        line.push_str("  * locate");
    }
    line.trim_end().to_owned()
}

fn node_line(node: &Value, painter: &Painter) -> String {
    let on = flag(node, "on");
    let (lamp, tone, word) = if on {
        ("●", Tone::Good, "on")
    } else {
        ("○", Tone::Faint, "off")
    };
    let (draw, max) = (milli(node, "draw_watts"), milli(node, "max_watts"));
    let limit = match node.get("limit_watts") {
        Some(Value::Number(_)) => format!("limit {}", kilowatts(milli(node, "limit_watts"))),
        _ => "no limit".to_owned(),
    };
    let wants = format!("wants {}", kilowatts(milli(node, "demand_watts")));
    let name = format!("{:<14}", text(node, "name"));
    let sums = format!("{:>9} of {:>8}", kilowatts(draw), kilowatts(max));
    let lamp = painter.paint(tone, lamp);
    let word = painter.paint(tone, &format!("{word:<10}"));
    let mut line = format!("{lamp} {name} {word} {} {sums}  {wants}, {limit}", bar(draw, max));
    if flag(node, "locate") {
        line.push_str("  * locate");
    }
    line
}

fn drive_line(bay: &Value, painter: &Painter) -> String {
    let place = format!("{:<14}", text(bay, "place"));
    let bytes = bay.get("bytes").and_then(Value::as_u64);
    let mut line = match bytes {
        None => painter.paint(Tone::Faint, &format!("· {place} empty bay")),
        Some(bytes) => {
            let (lamp, tone) = if flag(bay, "predicts_failure") {
                ("◑", Tone::Warn)
            } else {
                ("●", Tone::Good)
            };
            let gigabytes = bytes / 1_000_000_000;
            let serial = painter.paint(Tone::Faint, text(bay, "serial"));
            format!(
                "{} {place} {gigabytes:>6} GB  {serial}",
                painter.paint(tone, lamp)
            )
        }
    };
    if flag(bay, "locate") {
        line.push_str("  * locate");
    }
    line
}

/// Only BMCs that were told to misbehave are worth a line.
fn bmc_lines(bmcs: &[&Value], painter: &Painter) -> String {
    let odd = bmcs.iter().filter(|bmc| text(bmc, "answers") != "ok");
    let lines = odd.map(|bmc| {
        let line = format!("BMC of {} answers {}", text(bmc, "name"), text(bmc, "answers"));
        format!("  {}\n", painter.paint(Tone::Warn, &line))
    });
    lines.collect()
}

fn list<'a>(value: &'a Value, key: &str) -> Vec<&'a Value> {
    value
        .get(key)
        .and_then(Value::as_array)
        .map(|list| list.iter().collect())
        .unwrap_or_default()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or("")
}

fn flag(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or(false)
}

fn milli(value: &Value, key: &str) -> u64 {
    value
        .get(key)
        .and_then(crate::quantity::milliwatts_from_json)
        .unwrap_or(0)
}

fn kilowatts(milliwatts: u64) -> String {
    if milliwatts < 1_000_000 {
        return format!("{} W", milliwatts / 1_000);
    }
    format!("{}.{:02} kW", milliwatts / 1_000_000, milliwatts / 10_000 % 100)
}

fn bar(part: u64, whole: u64) -> String {
    let filled = part.saturating_mul(BAR).checked_div(whole).unwrap_or(0).min(BAR);
    let filled = usize::try_from(filled).unwrap_or(0);
    let width = usize::try_from(BAR).unwrap_or(0);
    format!(
        "[{}{}]",
        "█".repeat(filled),
        "░".repeat(width.saturating_sub(filled))
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_picture_shows_what_matters_and_colours_only_when_asked() {
        let status = json!({
            "world": "demo", "dark": false, "draw_watts": 1600, "available_watts": 15000,
            "feeds": [{ "name": "A", "live": true }],
            "supplies": [
                { "place": "shelf/psu-0", "feed": "A", "state": "running", "output_watts": 1600, "rated_watts": 3000,
                  "serial": "X1", "locate": true },
                { "place": "shelf/psu-1", "feed": "A", "state": "absent", "output_watts": 0, "rated_watts": 0 },
            ],
            "nodes": [{ "name": "n01", "on": true, "draw_watts": 400, "max_watts": 4000, "demand_watts": 400,
                        "limit_watts": null }],
            "bmcs": [{ "name": "shelf", "answers": "never" }, { "name": "n01", "answers": "ok" }],
        });
        let drawn = draw(&status, false);
        assert!(!drawn.contains('\u{1b}'));
        for part in [
            "1.60 kW of 15.00 kW",
            "shelf/psu-0",
            "* locate",
            "empty bay",
            "no limit",
            "answers never",
        ] {
            assert!(drawn.contains(part), "{part} is missing in\n{drawn}");
        }
        assert!(!drawn.contains("n01 answers"));
        assert!(draw(&status, true).contains('\u{1b}'));
    }
}
