//! Enclosures: nodes that lend drives, or BMCs that speak for some, and which of their slots is which bay.

use std::collections::BTreeMap;
use std::time::Duration;

use super::section::{Errors, Placed, Section};

/// How long a drive that was given back waits for second thoughts where nothing else is said.
const USUAL_ERASE_AFTER: Duration = Duration::from_secs(86_400);
/// How long a node's agent may be silent before its drives are taken from it, and the shortest such while: twelve of its lease's five
/// seconds. A node whose agent alone is down still writes, so it is given minutes.
const USUAL_LOST_AFTER: Duration = Duration::from_secs(300);
const SHORTEST_LOST_AFTER: Duration = Duration::from_secs(60);
/// How long a holder keeps a drive that says that it will fail.
const USUAL_NOTICE: Duration = Duration::from_secs(86_400);
/// Bays of one enclosure: the largest JBOF has 108.
const MOST_BAYS: u32 = 256;

/// One enclosure: a JBOF, or a node that lends drives of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnclosureConfig {
    /// Its name: the first part of its bays' places.
    pub name: String,
    /// Who tells of its drives, as what is seen of them is kept by: the node whose agent lends them, or `bmc NAME`.
    pub agent: String,
    /// The BMC that speaks for it. Beside an agent it lights the bays and says which drives will fail.
    pub bmc: Option<String>,
    /// Its bays, in the order of its front.
    pub bays: Vec<DriveBayConfig>,
    /// How long what was given back is held before it is erased, where the ask says nothing.
    pub erase_after: Duration,
    /// How long the agent of a node that uses its drives may be silent before they are taken from it and held.
    pub lost_after: Duration,
    /// How long a holder keeps a drive that says that it will fail.
    pub notice: Duration,
    /// Whether a drive may be erased by writing every block, where it can do nothing better.
    pub overwrite_allowed: bool,
    /// Whether the BMC that speaks for it may be asked to erase drives although nobody sees what is on them.
    pub erase_unseen: bool,
    /// So many of its free drives are kept back from asks, for claims that have theirs replaced.
    pub spares: u32,
    /// Whether somebody says that nobody touches its drives while it is dark: then claims of drives that were being written to when its node
    /// stopped go on by themselves after its start.
    pub believe_restarts: bool,
}

/// One bay for a drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriveBayConfig {
    /// Its place: `jbof/bay-7`.
    pub place: String,
    /// Its printed label: the last part of its place.
    pub label: String,
    /// What the enclosure's agent calls it; of a BMC the label of the place, or the last part of the resource.
    pub slot: String,
}

/// `[[enclosure]]`, before it is held against the nodes.
pub(super) struct RawEnclosure {
    pub config: EnclosureConfig,
    pub agent: Option<Placed<String>>,
    pub bmc: Option<Placed<String>>,
}

/// `[[enclosure]]`.
pub(super) fn enclosure(section: Section<'_>) -> Option<Placed<RawEnclosure>> {
    let line = section.line;
    let name = section.needed("name", "the enclosure's name, as in \"jbof\"");
    if let Some(wrong) = name.as_ref().filter(|name| name.value.contains('/')) {
        let message = format!(
            "name in [[enclosure]]: found {:?}; expected one without \"/\", as in \"jbof\"",
            wrong.value
        );
        section.errors.at_line(wrong.line, message);
    }
    let (agent, bmc) = speaker(&section);
    let bays = bays(&section, name.as_ref(), agent.is_none());
    let erase_after = section.duration("erase_after", Duration::ZERO);
    let lost_after = section.duration("lost_after", SHORTEST_LOST_AFTER);
    let notice = section.duration("notice", Duration::ZERO);
    let overwrite_allowed = section.flag("overwrite_allowed").unwrap_or(false);
    let erase_unseen = section.flag("erase_unseen").unwrap_or(false);
    if erase_unseen && agent.is_some() {
        let message = "erase_unseen in [[enclosure]]: an agent sees what is on its drives; expected it only where bmc stands alone";
        section.errors.at_line(section.line, message.to_owned());
    }
    let spares = section.number(
        "spares",
        0..MOST_BAYS,
        "how many free drives are kept back, as in 1",
    );
    let believe_restarts = section.flag("believe_restarts").unwrap_or(false);
    section.finish();
    let name = name?.value;
    let key = match (&agent, &bmc) {
        (Some(agent), _) => agent.value.clone(),
        (None, Some(bmc)) => of_bmc(&bmc.value),
        (None, None) => return None,
    };
    let config = EnclosureConfig {
        name,
        agent: key,
        bmc: bmc.as_ref().map(|bmc| bmc.value.clone()),
        bays: bays?,
        erase_after: erase_after.unwrap_or(USUAL_ERASE_AFTER),
        lost_after: lost_after.unwrap_or(USUAL_LOST_AFTER),
        notice: notice.unwrap_or(USUAL_NOTICE),
        overwrite_allowed,
        erase_unseen,
        spares: spares.unwrap_or(0),
        believe_restarts,
    };
    let value = RawEnclosure { config, agent, bmc };
    Some(Placed { line, value })
}

/// Who speaks for it: an agent that lends its drives, a BMC, or both: then the BMC lights its bays and says which drives will fail, and
/// everything else is the agent's.
fn speaker(section: &Section<'_>) -> (Option<Placed<String>>, Option<Placed<String>>) {
    let agent = section.text("agent", "the name of the [[node]] whose agent lends its drives");
    let bmc = section.text("bmc", "the name of the [[bmc]] that speaks for it");
    if agent.is_none() && bmc.is_none() {
        section.missing(
            "agent",
            "the name of the [[node]] whose agent lends its drives; or bmc, the name of the [[bmc]] that speaks for it",
        );
    }
    (agent, bmc)
}

/// As what is seen of an enclosure is kept by that a BMC speaks for. No node is called so: names have no spaces.
pub fn of_bmc(bmc: &str) -> String {
    format!("bmc {bmc}")
}

impl EnclosureConfig {
    /// As what its BMC says is kept by; `None` where it has none.
    pub fn of_bmc(&self) -> Option<String> {
        self.bmc.as_deref().map(of_bmc)
    }

    /// Whether nobody but a BMC speaks for it: nothing is lent there.
    pub fn has_only_bmc(&self) -> bool {
        self.of_bmc().as_deref() == Some(&self.agent)
    }

    /// Who lights its bays, as what is seen of them is kept by, and what that one calls a bay.
    pub fn lighter<'a>(&self, bay: &'a DriveBayConfig) -> (String, &'a str) {
        match self.of_bmc() {
            Some(bmc) if bmc == self.agent => (bmc, bay.slot.as_str()),
            // The bays' table says what the agent calls them; printed on the box is what the BMC does.
            Some(bmc) => (bmc, bay.label.as_str()),
            None => (self.agent.clone(), bay.slot.as_str()),
        }
    }

    /// Who lights its bays, in words.
    pub fn lighter_word(&self) -> String {
        match &self.bmc {
            Some(bmc) => format!("the BMC {bmc}"),
            None => format!("the agent of {}", self.agent),
        }
    }
}

/// `bays = 12`, whose slots are `1` to `12`; or a table of the bays' names with what the agent calls their slots.
fn bays(section: &Section<'_>, name: Option<&Placed<String>>, of_bmc: bool) -> Option<Vec<DriveBayConfig>> {
    let expected = "how many there are, as in 12, or a table of their names and slots, as in { bay-1 = \"0000:41:00.0\" }";
    if !section.has("bays") {
        section.missing("bays", expected);
        return None;
    }
    let enclosure = name.map_or("", |name| name.value.as_str());
    let bay = |label: String, slot: String| DriveBayConfig {
        place: format!("{enclosure}/{label}"),
        label,
        slot,
    };
    let Some(named) = section.entries("bays") else {
        let count = section.number("bays", 1..MOST_BAYS.saturating_add(1), expected)?;
        let slot = |number: u32| {
            if of_bmc {
                format!("bay-{number}")
            } else {
                number.to_string()
            }
        };
        let numbered = (1..=count).map(|number| bay(format!("bay-{number}"), slot(number)));
        return Some(numbered.collect());
    };
    let mut slots: BTreeMap<String, usize> = BTreeMap::new();
    let mut bays = Vec::new();
    for (label, slot) in named {
        let Some(slot) = slot else {
            let message = format!(
                "{} in bays of [[enclosure]]: expected the slot as its agent calls it, as in \"0000:41:00.0\"",
                label.value
            );
            section.errors.at_line(label.line, message);
            continue;
        };
        if let Some(before) = slots.insert(slot.clone(), label.line) {
            let message = format!(
                "slot \"{slot}\" stands twice in bays of [[enclosure]], first in line {before}; expected another"
            );
            section.errors.at_line(label.line, message);
        }
        bays.push(bay(label.value, slot));
    }
    Some(bays)
}

/// The enclosures as configured.
pub(super) fn configs(enclosures: Vec<Placed<RawEnclosure>>) -> Vec<EnclosureConfig> {
    enclosures.into_iter().map(|raw| raw.value.config).collect()
}

/// Whether an enclosure's node is there and has an agent, or its BMC is there, and lends in no other enclosure's name.
pub(super) fn check(
    errors: &Errors<'_>,
    enclosures: &[Placed<RawEnclosure>],
    agents: &BTreeMap<String, bool>,
    bmcs: &BTreeMap<String, bool>,
    domains: &[String],
) {
    let mut lends: BTreeMap<&str, &str> = BTreeMap::new();
    let mut speaks: BTreeMap<&str, &str> = BTreeMap::new();
    for Placed { line, value } in enclosures {
        let name = &value.config.name;
        check_bmc(errors, value, bmcs);
        if let Some(bmc) = &value.bmc
            && let Some(other) = speaks.insert(&bmc.value, name)
        {
            let message = format!(
                "bmc in [[enclosure]]: \"{}\" speaks for \"{other}\" already; expected one enclosure a BMC",
                bmc.value
            );
            errors.at_line(bmc.line, message);
        }
        if let Some(agent) = &value.agent
            && let Some(other) = lends.insert(&agent.value, name)
        {
            let message = format!(
                "agent in [[enclosure]]: \"{}\" lends the drives of \"{other}\" already; expected one enclosure a node",
                agent.value
            );
            errors.at_line(agent.line, message);
        }
        if domains.contains(name) {
            let message = format!(
                "name in [[enclosure]]: there is a [[domain]] \"{name}\" too, and places of bays begin with either; expected another name"
            );
            errors.at_line(*line, message);
        }
        let Some(agent) = &value.agent else { continue };
        let node = &agent.value;
        match agents.get(node) {
            Some(true) => {}
            Some(false) => {
                let message = format!(
                    "agent in [[enclosure]]: the [[node]] \"{node}\" has no agent; expected one, because it lends the drives"
                );
                errors.at_line(agent.line, message);
            }
            None => {
                let message = format!(
                    "agent in [[enclosure]]: there is no [[node]] \"{node}\"; expected the node whose agent lends the drives"
                );
                errors.at_line(agent.line, message);
            }
        }
    }
}

/// Whether its BMC is there and speaks Redfish: over IPMI nobody tells of drives.
fn check_bmc(errors: &Errors<'_>, value: &RawEnclosure, bmcs: &BTreeMap<String, bool>) {
    let Some(bmc) = &value.bmc else { return };
    let name = &bmc.value;
    let message = match bmcs.get(name) {
        Some(true) => return,
        Some(false) => format!(
            "bmc in [[enclosure]]: the [[bmc]] \"{name}\" is spoken to over IPMI; expected one with url, because only Redfish tells of drives"
        ),
        None => format!(
            "bmc in [[enclosure]]: there is no [[bmc]] \"{name}\"; expected the one that speaks for it"
        ),
    };
    errors.at_line(bmc.line, message);
}
