//! The rack drawn for people: headers, supplies as a row of bays, sums as a bar.

use std::collections::BTreeMap;
use std::fmt::Write;

use facts::Power;
use rack_api::v1::{BayLife, BayView, DomainState, DomainView, RackView};

use crate::paint::{Paint, Tone};

/// Width of the bar of watts, in characters: fits beside its legend in 80 columns.
const BAR_WIDTH: u64 = 48;

/// Which rack, which mode: the line that stands above everything.
pub fn header(view: &RackView, paint: Paint) -> String {
    let simulated = if view.simulated { " (simulated)" } else { "" };
    let mode = format!("mode {}{simulated}", view.mode);
    format!(
        "{}  {}\n",
        paint.tone(Tone::Strong, &view.rack),
        paint.tone(Tone::Faint, &mode)
    )
}

/// All power domains.
pub fn power(view: &RackView, paint: Paint) -> String {
    let mut text = header(view, paint);
    if view.domains.is_empty() {
        text.push_str("no power domain is configured: add a [[domain]] to rack.toml\n");
    }
    for domain in &view.domains {
        text.push('\n');
        text.push_str(&one_domain(view, domain, paint));
    }
    text.push_str(&doubts(view, paint));
    for pause in &view.pauses {
        let line = crate::doubts::paused(pause);
        let _ = writeln!(text, "{}", paint.tone(Tone::Warn, &line));
    }
    text
}

/// One domain: the claim of its BMC beside what is computed, the sums, the bays, the bar.
pub fn one_domain(view: &RackView, domain: &DomainView, paint: Paint) -> String {
    let mut text = String::new();
    let state = paint.tone(state_tone(domain.state), domain.state.word());
    let name = paint.tone(Tone::Strong, &domain.name);
    let _ = write!(
        text,
        "{name}  {} computed{}  {state}",
        domain.redundancy,
        claimed(view, domain)
    );
    text.push('\n');
    let _ = write!(
        text,
        "installed {}  surviving {}  firm held {}  headroom {}",
        domain.installed_watts.to_kilowatt_text(),
        domain.surviving_watts.to_kilowatt_text(),
        domain.held_watts.to_kilowatt_text(),
        domain.headroom_watts.to_kilowatt_text(),
    );
    if !domain.deficit_watts.is_zero() {
        let deficit = format!("  deficit {}", domain.deficit_watts.to_kilowatt_text());
        text.push_str(&paint.tone(Tone::Bad, &deficit));
    }
    text.push('\n');
    text.push_str(&revocable(domain, paint));
    if let Some(lent) = domain.lent_watts {
        let _ = writeln!(
            text,
            "of firm watts that are not used, {} are lent",
            lent.to_kilowatt_text()
        );
    }
    text.push_str(&bays(domain, paint));
    text.push_str(&bar(domain, paint));
    for bay in domain.bays.iter().filter(|bay| bay.reason.is_some()) {
        let reason = bay.reason.as_deref().unwrap_or_default();
        let _ = writeln!(text, "  {} ({}): {reason}", bay.label, bay.place);
    }
    text
}

/// What is sold beside firm watts: only where somebody sells or asks for it.
fn revocable(domain: &DomainView, paint: Paint) -> String {
    let (asked, given) = (domain.revocable_asked_watts, domain.revocable_watts);
    match (domain.total_watts, &domain.revocable_reason) {
        (Some(total), _) if domain.source == "shelf" || domain.source == "chassis" || !asked.is_zero() => {
            format!(
                "revocable given {} of {} asked  firm and revocable at most {}\n",
                given.to_kilowatt_text(),
                asked.to_kilowatt_text(),
                total.to_kilowatt_text()
            )
        }
        (None, Some(reason)) if !asked.is_zero() => {
            let line = format!(
                "revocable: none of {} asked, because {reason}",
                asked.to_kilowatt_text()
            );
            format!("{}\n", paint.tone(Tone::Warn, &line))
        }
        (_, _) => String::new(),
    }
}

fn claimed(view: &RackView, domain: &DomainView) -> String {
    let doubts = view
        .doubts
        .iter()
        .filter(|doubt| doubt.doubt.kind == "redundancy")
        .count();
    let claims: Vec<String> = domain
        .claimed
        .iter()
        .filter_map(|claim| Some(format!("{} of {} needed", claim.min_needed?, claim.members)))
        .collect();
    match (claims.is_empty(), doubts) {
        (true, _) => String::new(),
        (false, 0) => format!(" (BMC says {})", claims.join(", ")),
        (false, n) => format!(
            " (BMC says {}: {n} doubt{})",
            claims.join(", "),
            if n == 1 { "" } else { "s" }
        ),
    }
}

const fn state_tone(state: DomainState) -> Tone {
    match state {
        DomainState::Redundant => Tone::Good,
        DomainState::Exposed | DomainState::Blind => Tone::Warn,
        DomainState::Deficit => Tone::Bad,
    }
}

/// The bays in rows, one a feed: `A [PSU 1 ok][PSU 2 ok]`.
fn bays(domain: &DomainView, paint: Paint) -> String {
    let mut feeds: BTreeMap<&str, Vec<&BayView>> = BTreeMap::new();
    for bay in &domain.bays {
        feeds
            .entry(bay.feed.as_deref().unwrap_or("?"))
            .or_default()
            .push(bay);
    }
    let mut text = String::new();
    for (index, (feed, bays)) in feeds.iter().enumerate() {
        let gap = if index == 0 { "" } else { "   " };
        let row: String = bays.iter().map(|bay| one_bay(bay, paint)).collect();
        let _ = write!(text, "{gap}{feed} {row}");
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

fn one_bay(bay: &BayView, paint: Paint) -> String {
    let led = if bay.led == Some(true) { " *" } else { "" };
    let (word, tone) = bay_word(bay);
    let label: String = bay.label.split_whitespace().collect();
    format!("[{label} {}{led}]", paint.tone(tone, word))
}

fn bay_word(bay: &BayView) -> (&'static str, Tone) {
    if !bay.seen {
        return ("unseen", Tone::Warn);
    }
    match bay.life {
        BayLife::InService => ("ok", Tone::Good),
        BayLife::Unseen => ("unseen", Tone::Warn),
        BayLife::Empty => ("empty", Tone::Faint),
        BayLife::Settling => ("settling", Tone::Warn),
        BayLife::Probation => ("probation", Tone::Warn),
        BayLife::Draining => ("draining", Tone::Warn),
        BayLife::ReadyToPull => ("pull me", Tone::Strong),
        BayLife::Faulted => ("faulted", Tone::Bad),
        BayLife::Condemned => ("condemned", Tone::Bad),
    }
}

/// `[########....|////]`: held, free, and the share that only covers losses.
fn bar(domain: &DomainView, paint: Paint) -> String {
    let whole = domain.installed_watts.milliwatts();
    if whole == 0 {
        return String::new();
    }
    let cells = |power: Power| {
        let share = u128::from(power.milliwatts()) * u128::from(BAR_WIDTH) / u128::from(whole);
        usize::try_from(share.min(u128::from(BAR_WIDTH))).unwrap_or(0)
    };
    let held = cells(domain.held_watts);
    let free = cells(domain.held_watts.saturating_add(domain.headroom_watts)).saturating_sub(held);
    let rest = cells(domain.installed_watts).saturating_sub(held + free);
    let held_tone = if domain.deficit_watts.is_zero() {
        Tone::Good
    } else {
        Tone::Bad
    };
    format!(
        "[{}{}{}] # held  . free  / covers losses\n",
        paint.tone(held_tone, &"#".repeat(held)),
        ".".repeat(free),
        paint.tone(Tone::Faint, &"/".repeat(rest)),
    )
}

/// What BMCs say and cannot be believed.
pub fn doubts(view: &RackView, paint: Paint) -> String {
    let mut text = String::new();
    for (index, doubt) in view.doubts.iter().enumerate() {
        let heading = format!("doubt {}", index + 1);
        let tone = if doubt.acknowledged.is_some() {
            Tone::Faint
        } else {
            Tone::Warn
        };
        let _ = writeln!(
            text,
            "{}: {} ({})",
            paint.tone(tone, &heading),
            doubt.doubt.message,
            doubt.doubt.resource
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use facts::supply::{Doubt, RedundancyClaim};
    use facts::{Identity, Moment};
    use rack_api::v1::DoubtView;

    use super::*;

    fn kilowatts(tenths: u64) -> Power {
        Power::from_milliwatts(tenths * 100_000)
    }

    fn bay(number: u32, life: BayLife) -> BayView {
        BayView {
            place: format!("shelf/psu-{}", number - 1),
            label: format!("PSU {number}"),
            feed: Some(if number <= 3 { "A" } else { "B" }.to_owned()),
            life,
            since: Moment::EPOCH,
            until: None,
            reason: None,
            part: Some(Identity::default()),
            rated_watts: Some(kilowatts(30)),
            output_watts: None,
            led: Some(number == 4),
            seen: true,
            lost: false,
        }
    }

    fn view() -> RackView {
        let claim = RedundancyClaim {
            min_needed: Some(4),
            members: 6,
            ..RedundancyClaim::default()
        };
        let domain = DomainView {
            name: "shelf".to_owned(),
            source: "shelf".to_owned(),
            redundancy: "n+1".to_owned(),
            bmc: Some("shelf".to_owned()),
            claimed: vec![claim],
            installed_watts: kilowatts(180),
            surviving_watts: kilowatts(150),
            margin_ppm: 0,
            fixed_load_watts: Power::ZERO,
            firm_watts: kilowatts(150),
            held_watts: kilowatts(124),
            headroom_watts: kilowatts(26),
            deficit_watts: Power::ZERO,
            total_watts: None,
            revocable_asked_watts: Power::ZERO,
            revocable_watts: Power::ZERO,
            revocable_reason: Some("sell_revocable is false".to_owned()),
            lent_watts: None,
            drawn_watts: None,
            state: DomainState::Redundant,
            since: Moment::EPOCH,
            bays: (1..=6).map(|number| bay(number, BayLife::InService)).collect(),
        };
        let doubt = Doubt {
            kind: "redundancy".to_owned(),
            message: "the BMC says 4 of 6 are needed; 5 are".to_owned(),
            resource: "/redfish/v1/Chassis/shelf/PowerSubsystem".to_owned(),
        };
        RackView {
            rack: "r-demo".to_owned(),
            mode: "enforce".to_owned(),
            simulated: true,
            at: Moment::EPOCH,
            journal_sequence: 1,
            domains: vec![domain],
            nodes: vec![],
            claims: vec![],
            preempted: vec![],
            preemptions: 0,
            doubts: vec![DoubtView {
                id: "1f2e3d4c".to_owned(),
                doubt,
                acknowledged: None,
            }],
            swaps: vec![],
            pauses: vec![],
            bmcs: vec![],
        }
    }

    #[test]
    fn power_is_drawn_as_the_operators_page_shows_it() {
        let text = power(&view(), Paint::plain());
        for line in [
            "r-demo  mode enforce (simulated)",
            "shelf  n+1 computed (BMC says 4 of 6 needed: 1 doubt)  redundant",
            "installed 18.0 kW  surviving 15.0 kW  firm held 12.4 kW  headroom 2.6 kW",
            "A [PSU1 ok][PSU2 ok][PSU3 ok]   B [PSU4 ok *][PSU5 ok][PSU6 ok]",
        ] {
            assert!(
                text.lines().any(|drawn| drawn == line),
                "{line:?} is not in:\n{text}"
            );
        }
        let bar = text
            .lines()
            .find(|line| line.starts_with("[#"))
            .unwrap_or_default();
        assert_eq!(bar.chars().take_while(|c| *c != ']').count(), 49, "{bar}");
    }

    #[test]
    fn a_bay_that_cannot_be_seen_is_not_shown_as_well() {
        let mut view = view();
        view.domains[0].bays[0].seen = false;
        view.domains[0].bays[1].life = BayLife::Empty;
        let text = power(&view, Paint::plain());
        assert!(text.contains("[PSU1 unseen][PSU2 empty]"), "{text}");
    }

    #[test]
    fn the_bar_survives_any_numbers() {
        let mut view = view();
        for (installed, held, headroom) in [(0, 5, 5), (1, u64::MAX, u64::MAX), (u64::MAX, 0, u64::MAX)] {
            let domain = &mut view.domains[0];
            domain.installed_watts = Power::from_milliwatts(installed);
            domain.held_watts = Power::from_milliwatts(held);
            domain.headroom_watts = Power::from_milliwatts(headroom);
            assert!(bar(domain, Paint::plain()).len() < 200);
        }
    }
}
