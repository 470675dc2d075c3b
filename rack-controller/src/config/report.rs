//! What `check-config` prints: the sums of each domain, as far as they are known before anything was looked at.

use std::fmt::Write;

use facts::Power;

use super::{DomainConfig, DomainSource, RackConfig, fit};
use crate::pools::power::plan;

/// The sums per domain. Pure: the same text for the same configuration.
pub fn check_config_report(config: &RackConfig) -> String {
    let mut text = String::new();
    // Writing to a text cannot fail.
    let _ = writeln!(
        text,
        "rack {}: mode {}{}, {} domains, {} bays, {} nodes, {} BMCs, {} feeds",
        config.name,
        config.actuators.mode,
        if config.simulated { " (simulated)" } else { "" },
        config.domains.len(),
        config.bays.len(),
        config.nodes.len(),
        config.bmcs.len(),
        config.feeds.len(),
    );
    for domain in &config.domains {
        domain_report(&mut text, config, domain);
    }
    for enclosure in &config.enclosures {
        let overwrite = if enclosure.overwrite_allowed {
            ", overwritten where nothing better is there"
        } else {
            ""
        };
        let spares = match enclosure.spares {
            0 => String::new(),
            spares => format!(", {spares} free ones are spares"),
        };
        let _ = writeln!(
            text,
            "{} (enclosure of {}): {} bays; what is given back is erased after {} h{overwrite}{spares}",
            enclosure.name,
            enclosure.agent,
            enclosure.bays.len(),
            thousandths(enclosure.erase_after.as_secs().saturating_mul(1_000) / 3_600),
        );
    }
    text
}

fn domain_report(text: &mut String, config: &RackConfig, domain: &DomainConfig) {
    let percent = percent(u64::from(domain.margin_ppm), u64::from(super::PPM));
    let within = if domain.within.is_empty() {
        String::new()
    } else {
        format!(", within {}", domain.within.join(" and "))
    };
    let _ = writeln!(
        text,
        "{} ({}, {}, margin {percent}, fixed load {}{within})",
        domain.name,
        domain.source.word(),
        domain.redundancy,
        domain.fixed_load,
    );
    if let DomainSource::Feed(feed) = &domain.source
        && let Some(feed) = config.feed(feed)
    {
        let _ = writeln!(
            text,
            "  feed {}: {} V \u{d7} {} A \u{d7} {} phases \u{d7} {} = {}",
            feed.name,
            thousandths(feed.millivolts),
            thousandths(feed.breaker_milliamperes),
            feed.phases,
            thousandths(u64::from(feed.derating_ppm / 1_000)),
            feed.capacity()
        );
    }
    match fit::filled(config, domain) {
        Some(sums) => sums_report(text, domain, &sums, fit::whole_draws(config, domain)),
        None => {
            let unknown: Vec<&str> = config
                .bays
                .iter()
                .filter(|bay| bay.domain == domain.name && bay.rated.is_none())
                .map(|bay| bay.label.as_str())
                .collect();
            let _ = if unknown.is_empty() {
                writeln!(text, "  no bays: nothing is installed, nothing can be promised")
            } else {
                writeln!(
                    text,
                    "  rated: unknown until seen ({}); rated_watts can say it where the BMC does not",
                    unknown.join(", ")
                )
            };
        }
    }
    let uncapped = fit::uncapped(config, domain);
    if !uncapped.is_zero() {
        let _ = writeln!(text, "  nodes uncapped draw at most {}", kilowatts(uncapped));
    }
    if let Some(sum) = fit::refusal_to_enforce(config, domain) {
        let _ = writeln!(text, "  REFUSED FOR ENFORCE: {sum}");
    }
}

fn sums_report(text: &mut String, domain: &DomainConfig, sums: &plan::Sums, whole: Power) {
    let ride = plan::ride_limit(sums, domain.overload_factor_ppm);
    let total = kept_of(domain, ride);
    let of = |part: Power| percent(part.milliwatts(), sums.installed.milliwatts());
    let full = if domain.source.has_bays() {
        "every bay filled"
    } else {
        "capacity"
    };
    let _ = writeln!(
        text,
        "  {full}: installed {}, surviving {}, firm {} ({})",
        kilowatts(sums.installed),
        kilowatts(sums.survives),
        kilowatts(sums.firm_full),
        of(sums.firm_full),
    );
    if domain.source.has_bays() {
        let _ = writeln!(
            text,
            "  rides {} for {} ms; firm and revocable together at most {} ({})",
            kilowatts(ride),
            domain.overload_for.as_millis(),
            kilowatts(total),
            of(total),
        );
    }
    let floors = sums.held.saturating_sub(whole);
    if !floors.is_zero() {
        let _ = writeln!(text, "  floors of nodes: {}", kilowatts(floors));
    }
    if !whole.is_zero() {
        let _ = writeln!(
            text,
            "  nodes whose caps no agent holds: {}, all that they can draw",
            kilowatts(whole)
        );
    }
}

fn kept_of(domain: &DomainConfig, sum: Power) -> Power {
    sum.share(super::PPM.saturating_sub(domain.margin_ppm))
        .saturating_sub(domain.fixed_load)
}

fn kilowatts(power: Power) -> String {
    power.to_kilowatt_text()
}

/// A part of a whole in percent with one decimal, rounded half up.
fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "0 %".to_owned();
    }
    let (part, whole) = (u128::from(part), u128::from(whole));
    let tenths = (part.saturating_mul(2_000).saturating_add(whole)) / whole.saturating_mul(2);
    match tenths % 10 {
        0 => format!("{} %", tenths / 10),
        rest => format!("{}.{rest} %", tenths / 10),
    }
}

/// Thousandths as a number with as many decimals as it needs.
fn thousandths(number: u64) -> String {
    let decimals = format!("{:03}", number % 1_000);
    match decimals.trim_end_matches('0') {
        "" => (number / 1_000).to_string(),
        rest => format!("{}.{rest}", number / 1_000),
    }
}
