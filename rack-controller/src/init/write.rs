//! The configuration as text: what a BMC said as values, what it could not know as `# unknown:` lines for a person to fill.

use std::fmt::Write as _;

use bmc::NodeFacts;
use bmc::redundancy::{Redundancy, claim_word};
use facts::supply::{Supply, SupplyDomain};
use facts::{Power, Reading};

use super::survey::Survey;

/// Doubts that are written for one BMC; the rest is in `busbar-rack inspect`.
const MAX_DOUBTS: usize = 12;

/// The whole file.
pub(super) fn rack_toml(name: &str, surveys: &[Survey]) -> String {
    let mut text = format!(
        "# rack.toml, written by `busbar-rack init` from what the BMCs said. Nothing was changed.\n\
         # Lines with `# unknown:` wait for you. `busbar-rack check-config rack.toml` prints the sums.\n\n\
         [rack]\n\
         name = {}\n\
         mode = \"observe\"                   # observe | advise | enforce: observe reads and writes nothing\n\
         listen_address = \"127.0.0.1:9712\"\n\
         # unknown: controller_host? The node that this controller runs on, never powered off by us.\n\
         # controller_host = \"n01\"\n\n\
         # unknown: feeds? A BMC does not know them. One table for each PDU branch:\n\
         # [[feed]]\n\
         # name = \"A\"\n\
         # volts = 230\n\
         # phases = 3\n\
         # breaker_amperes = 32\n\
         # derating = 0.8\n",
        quoted(name)
    );
    for survey in surveys {
        text.push('\n');
        match &survey.found {
            Ok((supplies, node)) => {
                text.push_str(&bmc_table(survey, ""));
                for doubt in supplies.doubts.iter().take(MAX_DOUBTS) {
                    let _ = writeln!(
                        text,
                        "# doubt ({}): {}",
                        one_line(&doubt.kind),
                        one_line(&doubt.message)
                    );
                }
                for domain in &supplies.domains {
                    text.push_str(&domain_tables(
                        survey,
                        domain,
                        supplies.domains.len() > 1,
                        node.is_some(),
                    ));
                }
                if let Some(node) = node {
                    text.push_str(&node_table(survey, node, &supplies.domains));
                }
            }
            Err(why) => {
                let _ = writeln!(
                    text,
                    "# {} did not say anything: {}",
                    survey.line.name,
                    one_line(why)
                );
                text.push_str(&bmc_table(survey, "# "));
            }
        }
    }
    text
}

fn bmc_table(survey: &Survey, before: &str) -> String {
    let line = &survey.line;
    let mut rows = vec!["[[bmc]]".to_owned(), format!("name = {}", quoted(&line.name))];
    rows.push(format!("url = {}", quoted(&line.url)));
    if let Some(file) = &line.access.credentials {
        rows.push(format!(
            "credentials_file = {}",
            quoted(&file.display().to_string())
        ));
    }
    match (&line.access.ca, &line.access.fingerprint) {
        (Some(ca), _) => rows.push(format!("ca_file = {}", quoted(&ca.display().to_string()))),
        (None, Some(print)) => rows.push(format!("fingerprint = {}", quoted(print))),
        (None, None) if line.access.insecure => {
            rows.push("insecure = true".to_owned());
            if let Some(print) = &survey.fingerprint {
                rows.push(format!(
                    "# better, once compared with the BMC's own page: fingerprint = {}",
                    quoted(print)
                ));
            }
        }
        (None, None) => {}
    }
    rows.push("poll_interval = \"5s\"".to_owned());
    rows.iter()
        .fold(String::new(), |text, row| text + before + row + "\n")
}

fn domain_tables(survey: &Survey, domain: &SupplyDomain, several: bool, has_node: bool) -> String {
    let computed = Redundancy::of(domain);
    let name = domain_name(survey, domain, several);
    let watts = |reading: Reading<Power>| match reading {
        Reading::Value(power) => power.to_string(),
        Reading::None { no_data } => format!("unknown ({no_data})"),
    };
    let mut text = format!(
        "\n# {}: {} usable of {} bays ({} fillers, {} empty, {} out); installed {}, load {}: {} computed\n",
        one_line(&domain.name),
        computed.usable,
        computed.bays,
        computed.fillers,
        computed.absent,
        computed.out,
        watts(computed.installed_watts),
        watts(computed.load_watts),
        computed.word()
    );
    for claim in &domain.claimed {
        let _ = writeln!(
            text,
            "# the BMC claims {} for {}",
            claim_word(claim),
            one_line(&claim.group)
        );
    }
    let source = if has_node { "chassis" } else { "shelf" };
    let _ = write!(
        text,
        "[[domain]]\nname = {}\nsource = \"{source}\"\nbmc = {}\n\
         redundancy = \"n+1\"                 # unknown: which loss must be survived? n | n+1 | n+2 | n+n\n\
         # unknown: fixed_load_watts? Fans, switches, conversion loss.\nsell_revocable = false\n",
        quoted(&name),
        quoted(&survey.line.name)
    );
    for supply in domain.supplies.iter().filter(|supply| !supply.is_filler) {
        text.push_str(&bay_table(&name, supply));
    }
    for filler in domain.supplies.iter().filter(|supply| supply.is_filler) {
        let _ = writeln!(
            text,
            "\n# bay {} holds a filler, no supply",
            one_line(&filler.bay)
        );
    }
    text
}

fn bay_table(domain: &str, supply: &Supply) -> String {
    let place = format!("{domain}/{}", slug(&supply.bay));
    let mut text = format!("\n[[bay]]\nplace = {}\n", quoted(&place));
    match &supply.label {
        Some(label) => {
            let _ = writeln!(text, "label = {}", quoted(label));
        }
        None => text.push_str("# unknown: label? What is printed beside the bay.\n# label = \"PSU 1\"\n"),
    }
    text.push_str("# unknown: feed?\n# feed = \"A\"\n");
    let _ = writeln!(text, "supply = {}", quoted(&supply.bay));
    match supply.rated_watts {
        Reading::Value(watts) => {
            let _ = writeln!(text, "# rated {watts} by its BMC");
        }
        Reading::None { no_data } => {
            let _ = writeln!(
                text,
                "# unknown: rated_watts? The BMC says nothing ({no_data}).\n# rated_watts = 3000"
            );
        }
    }
    text
}

fn node_table(survey: &Survey, node: &NodeFacts, domains: &[SupplyDomain]) -> String {
    let limit = node.limit.as_ref().and_then(|limit| limit.max_watts);
    let own: Option<Power> = match domains {
        [domain] => Redundancy::of(domain).installed_watts.value(),
        _ => None,
    };
    let (max_draw, source) = match (limit, own) {
        (Some(watts), _) => (Some(watts), "the most that its BMC takes as a limit"),
        (None, Some(watts)) => (Some(watts), "all that its own supplies can deliver"),
        (None, None) => (None, ""),
    };
    // Without a domain or a draw the table cannot hold; it stands as a comment then.
    let domain = match domains {
        [domain] => Some(domain_name(survey, domain, false)),
        _ => None,
    };
    let before = if max_draw.is_some() && domain.is_some() {
        ""
    } else {
        "# "
    };
    let who: Vec<&str> = [&node.maker, &node.model]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    let mut text = format!(
        "\n# {}{}\n",
        one_line(&who.join(" ")),
        node.uuid
            .as_ref()
            .map(|uuid| format!(", uuid {}", one_line(uuid)))
            .unwrap_or_default()
    );
    let mut row = |words: String| {
        let _ = writeln!(text, "{before}{words}");
    };
    row("[[node]]".to_owned());
    row(format!("name = {}", quoted(&survey.line.name)));
    match &domain {
        Some(domain) => row(format!("domain = {}", quoted(domain))),
        None => {
            row("domain = \"shelf\"                  # unknown: which domain does it draw from?".to_owned())
        }
    }
    row(format!("bmc = {}", quoted(&survey.line.name)));
    match max_draw {
        Some(watts) => row(format!(
            "max_draw_watts = {}   # {source}; a nameplate or a measurement is better",
            toml_watts(watts)
        )),
        None => row("max_draw_watts = 1100               # unknown: the most that it can draw?".to_owned()),
    }
    row("# unknown: unit? agent?".to_owned());
    text
}

/// Whole watts, rounded up: a most that is cut would be none.
fn toml_watts(watts: Power) -> u64 {
    watts.milliwatts().div_ceil(1000)
}

fn domain_name(survey: &Survey, domain: &SupplyDomain, several: bool) -> String {
    match several {
        true => slug(&format!("{}-{}", survey.line.name, domain.name)),
        false => slug(&survey.line.name),
    }
}

/// A part of a place: letters, digits, `-`, `_` and `.`.
fn slug(text: &str) -> String {
    let clean: String = text
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '-'
            }
        })
        .collect();
    if clean.is_empty() {
        "unnamed".to_owned()
    } else {
        clean
    }
}

/// A TOML string. What a BMC wrote is never trusted to be one.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// For a comment: a line break in a BMC's words would end it and begin TOML.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
