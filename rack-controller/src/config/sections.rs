//! What each table of rack.toml may say.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use facts::Power;
use intent::{Actuator, Actuators, Mode};

use super::access::{access, address, check_access};
use super::lend::lend;
use super::power_off::{self, RawPowerOff};
use super::section::{Placed, Section};
use super::{BmcTrust, FeedConfig, LendConfig, PPM, Redundancy, TlsFiles, words};
use crate::journal::{LEAST_KEEP, USUAL_KEEP};

/// Where the API listens where nothing else is said.
const USUAL_ADDRESS: &str = "127.0.0.1:9712";
/// Where the journal stands where nothing else is said.
const USUAL_STATE_DIR: &str = "/var/lib/busbar/rack";
/// Kept back of what survives where nothing else is said: 3 %.
const USUAL_MARGIN_PPM: u32 = 30_000;
const USUAL_SETTLE: Duration = Duration::from_secs(1);
const USUAL_PROBATION: Duration = Duration::from_secs(4);
/// What supplies can be overloaded by where nothing else is said: 1.2, for 1 s.
const USUAL_OVERLOAD_PPM: u32 = 1_200_000;
const USUAL_OVERLOAD_FOR: Duration = Duration::from_secs(1);
/// The share of a breaker that may be drawn continuously where nothing else is said.
const USUAL_DERATING_PPM: u32 = 800_000;

/// `[rack]` and `[actuators]`.
pub(super) struct Whole {
    pub name: String,
    pub actuators: Actuators,
    pub listen: Placed<SocketAddr>,
    pub controller_host: Option<Placed<String>>,
    pub state_dir: PathBuf,
    pub keep_events: u64,
    pub simulated: bool,
    pub tls: Option<TlsFiles>,
    pub token_file: Option<PathBuf>,
}

fn keep_events(section: &Section<'_>) -> u64 {
    let expected = "how many events the journal keeps at least, as in 1000000";
    section
        .number("keep_events", LEAST_KEEP..u32::MAX, expected)
        .map_or(USUAL_KEEP, u64::from)
}

pub(super) fn rack(section: Section<'_>, actuators: Option<Section<'_>>) -> Option<Whole> {
    let name = section.needed("name", "the rack's name, as in \"r12\"");
    let mode = section
        .parsed::<Mode>("mode", "\"observe\", \"advise\" or \"enforce\"")
        .map_or(Mode::Observe, |mode| mode.value);
    let expected = "an address and a port, as in \"127.0.0.1:9712\"";
    let listen = if section.has("listen_address") {
        section.text("listen_address", expected).and_then(|text| {
            let address = text.value.parse().ok();
            if address.is_none() {
                let message = format!(
                    "listen_address in [rack]: found {:?}; expected {expected}",
                    text.value
                );
                section.errors.at_line(text.line, message);
            }
            address.map(|value| Placed {
                line: text.line,
                value,
            })
        })
    } else {
        let value = USUAL_ADDRESS.parse().ok()?;
        Some(Placed {
            line: section.line,
            value,
        })
    };
    let certificate = section.path("tls_certificate_file");
    let key = section.path("tls_key_file");
    let tls = match (certificate, key) {
        (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
        (None, None) => None,
        (Some(_), None) => {
            section.missing("tls_key_file", "the key of tls_certificate_file");
            None
        }
        (None, Some(_)) => {
            section.missing("tls_certificate_file", "the certificate of tls_key_file");
            None
        }
    };
    let whole = (
        section.text("controller_host", "a node's name"),
        section
            .path("state_dir")
            .unwrap_or_else(|| PathBuf::from(USUAL_STATE_DIR)),
        keep_events(&section),
        section.flag("simulated").unwrap_or(false),
        section.path("token_file"),
    );
    section.finish();
    let actuators = modes(mode, actuators);
    let (controller_host, state_dir, keep_events, simulated, token_file) = whole;
    Some(Whole {
        name: name?.value,
        actuators,
        listen: listen?,
        controller_host,
        state_dir,
        keep_events,
        simulated,
        tls,
        token_file,
    })
}

fn modes(mode: Mode, section: Option<Section<'_>>) -> Actuators {
    let mut stricter = BTreeMap::new();
    if let Some(section) = section {
        for actuator in Actuator::ALL {
            let Some(asked) =
                section.parsed::<Mode>(actuator.word(), "\"observe\", \"advise\" or \"enforce\"")
            else {
                continue;
            };
            if let Err(lax) = Actuators::new(mode, BTreeMap::from([(actuator, asked.value)])) {
                let message = format!("{lax}; expected \"{mode}\" or stricter");
                section.errors.at_line(asked.line, message);
            } else {
                stricter.insert(actuator, asked.value);
            }
        }
        section.finish();
    }
    Actuators { mode, stricter }
}

pub(super) fn feed(section: Section<'_>) -> Option<Placed<FeedConfig>> {
    let line = section.line;
    let name = section.needed("name", "the feed's name, as in \"A\"");
    let volts = section.thousandths("volts", "volts between phase and neutral, as in 230");
    let phases = section.number("phases", 1..4, "1, 2 or 3 phases");
    let amperes = section.thousandths("breaker_amperes", "the breaker's amperes, as in 32");
    let derating = section.ratio(
        "derating",
        1..PPM.saturating_add(1),
        "a share above 0 and up to 1, as in 0.8",
    );
    for (key, expected) in [
        ("volts", "volts between phase and neutral, as in 230"),
        ("breaker_amperes", "the breaker's amperes, as in 32"),
    ] {
        if !section.has(key) {
            section.missing(key, expected);
        }
    }
    section.finish();
    Some(Placed {
        line,
        value: FeedConfig {
            name: name?.value,
            millivolts: volts?,
            phases: phases.unwrap_or(1),
            breaker_milliamperes: amperes?,
            derating_ppm: derating.unwrap_or(USUAL_DERATING_PPM),
        },
    })
}

/// `[[domain]]`, references not looked up yet.
pub(super) struct RawDomain {
    pub name: String,
    pub source: Placed<String>,
    pub redundancy: Placed<Redundancy>,
    pub margin_ppm: u32,
    pub fixed_load: Power,
    pub bmc: Option<Placed<String>>,
    pub feed: Option<Placed<String>>,
    pub budget: Option<Power>,
    pub within: Vec<Placed<String>>,
    pub settle: Duration,
    pub probation: Duration,
    pub sell_revocable: bool,
    pub overload_factor_ppm: u32,
    pub overload_for: Duration,
    pub detect_within: Option<Duration>,
    pub accept_silence: bool,
    pub preempt: bool,
    pub lend: LendConfig,
}

pub(super) fn domain(section: Section<'_>) -> Option<Placed<RawDomain>> {
    let line = section.line;
    let name = section.needed("name", "the domain's name, as in \"shelf\"");
    let source = section.needed("source", "\"shelf\", \"chassis\", \"feed\" or \"budget\"");
    let has_policy = section.has("redundancy");
    let policy = section.parsed::<Redundancy>("redundancy", "\"n\", \"n+1\" or \"n+n\"");
    let raw = RawDomain {
        name: String::new(),
        source: Placed {
            line,
            value: String::new(),
        },
        redundancy: policy.clone().unwrap_or(Placed {
            line,
            value: Redundancy::N,
        }),
        margin_ppm: section
            .ratio("margin", 0..PPM, "a share from 0 to below 1, as in 0.03")
            .unwrap_or(USUAL_MARGIN_PPM),
        fixed_load: section.watts("fixed_load_watts", 0).unwrap_or(Power::ZERO),
        bmc: section.text("bmc", "the name of a [[bmc]]"),
        feed: section.text("feed", "the name of a [[feed]]"),
        budget: section.watts("budget_watts", 1),
        within: section.texts("within", "the name of a [[domain]], or a list of names"),
        settle: section.duration("settle", Duration::ZERO).unwrap_or(USUAL_SETTLE),
        probation: section
            .duration("probation", Duration::ZERO)
            .unwrap_or(USUAL_PROBATION),
        sell_revocable: section.flag("sell_revocable").unwrap_or(false),
        overload_factor_ppm: section
            .ratio(
                "overload_factor",
                PPM..PPM.saturating_mul(4),
                "a factor from 1 to below 4, as in 1.2",
            )
            .unwrap_or(USUAL_OVERLOAD_PPM),
        overload_for: section
            .duration("overload_for", Duration::ZERO)
            .unwrap_or(USUAL_OVERLOAD_FOR),
        detect_within: section.duration("detect_within", Duration::ZERO),
        accept_silence: section.flag("accept_silence").unwrap_or(false),
        preempt: section.flag("preempt").unwrap_or(false),
        lend: lend(&section),
    };
    let (name, source) = (name?, source?);
    if !has_policy && matches!(source.value.as_str(), "shelf" | "chassis") {
        section.missing("redundancy", "\"n\", \"n+1\" (or another number) or \"n+n\"");
    }
    section.finish();
    Some(Placed {
        line,
        value: RawDomain {
            name: name.value,
            source,
            ..raw
        },
    })
}

/// Address, credentials and trust of a BMC; also of one that a node names by URL.
pub(super) struct RawBmc {
    pub name: String,
    pub url: Option<Placed<String>>,
    pub credentials_file: Option<PathBuf>,
    pub trust: BmcTrust,
    pub poll_interval: Duration,
    pub reconcile_interval: Duration,
}

pub(super) fn bmc(section: Section<'_>) -> Option<Placed<RawBmc>> {
    let line = section.line;
    let name = section.needed("name", "the BMC's name, as in \"shelf\"");
    let url = address(&section);
    let raw = access(&section);
    if let Some(url) = &url {
        check_access(section.errors, url, "url in [[bmc]]", &raw);
    }
    section.finish();
    Some(Placed {
        line,
        value: RawBmc {
            name: name?.value,
            url: Some(url?),
            ..raw
        },
    })
}

/// `[[bay]]`, references not looked up yet.
pub(super) struct RawBay {
    pub place: Placed<String>,
    pub label: Option<Placed<String>>,
    pub feed: Option<Placed<String>>,
    pub domain: Option<Placed<String>>,
    pub bmc: Option<Placed<String>>,
    pub supply: Option<String>,
    pub rated: Option<Power>,
}

pub(super) fn bay(section: Section<'_>) -> Option<Placed<RawBay>> {
    let line = section.line;
    let place = section.needed("place", "the bay's place, as in \"shelf/psu-3\"");
    let raw = (
        section.text("label", "the printed label, as in \"PSU 4\""),
        section.text("feed", "the name of a [[feed]]"),
        section.text("domain", "the name of a [[domain]]"),
        section.text("bmc", "the name of a [[bmc]]"),
        section.text("supply", "the BMC's Id of the supply, as in \"psu-3\""),
        section.watts("rated_watts", 1),
    );
    section.finish();
    let (label, feed, domain, bmc, supply, rated) = raw;
    Some(Placed {
        line,
        value: RawBay {
            place: place?,
            label,
            feed,
            domain,
            bmc,
            supply: supply.map(|supply| supply.value),
            rated,
        },
    })
}

/// `[[node]]`, references not looked up yet.
pub(super) struct RawNode {
    pub name: String,
    pub unit: Option<u32>,
    pub domain: Placed<String>,
    pub bmc: Option<Placed<String>>,
    pub access: RawBmc,
    pub agent: Option<Placed<String>>,
    pub agent_token_file: Option<PathBuf>,
    pub agent_ca_file: Option<PathBuf>,
    pub max_draw: Power,
    pub floor: Power,
    pub rest: Option<Placed<Power>>,
    pub power_off: RawPowerOff,
}

pub(super) fn node(section: Section<'_>) -> Option<Placed<RawNode>> {
    let line = section.line;
    let name = section.needed("name", "the node's name, as in \"n01\"");
    let unit = section.number("unit", 1..101, "a height unit from 1 to 100");
    let domain = section.needed("domain", "the name of the [[domain]] that it draws from");
    let bmc = section.text(
        "bmc",
        "the name of a [[bmc]], or an address as in \"https://192.0.2.17\"",
    );
    let access = access(&section);
    let agent = section.text("agent", "its agent's address, as in \"https://n01:9711\"");
    if let Some(agent) = &agent
        && let Some(wrong) = words::wrong_url(&agent.value)
    {
        section
            .errors
            .at_line(agent.line, format!("agent in [[node]]: {wrong}"));
    }
    let agent_token_file = section.path("agent_token_file");
    let agent_ca_file = section.path("agent_ca_file");
    if !section.has("max_draw_watts") {
        section.missing("max_draw_watts", "the most watts that it can draw, as in 1100");
    }
    let max_draw = section.watts("max_draw_watts", 1);
    let floor = section.watts("floor_watts", 0).unwrap_or(Power::ZERO);
    let rest = section.placed_watts("rest_watts", 0);
    let power_off = power_off::read(&section);
    let section_line = section.line;
    if max_draw.is_some_and(|max| floor > max) {
        let message = format!("floor_watts in [[node]]: found {floor}; expected at most max_draw_watts");
        section.errors.at_line(section_line, message);
    }
    section.finish();
    Some(Placed {
        line,
        value: RawNode {
            name: name?.value,
            unit,
            domain: domain?,
            bmc,
            access,
            agent,
            agent_token_file,
            agent_ca_file,
            max_draw: max_draw?,
            floor,
            rest,
            power_off,
        },
    })
}
