//! The devices controller of v1: a list of what is allowed, made from rules. v1 knows no order of rules, so what they allow is
//! written out, driver by driver; a driver that comes later is allowed at the next look.

use std::collections::BTreeSet;
use std::path::Path;

use super::devices::majors;
use super::difference::read;
use crate::host::Host;
use crate::isolator::{IsolateError, Phase};
use crate::rule::{Access, DeviceRule, Kind};
use crate::step::{DEVICES_LIST, Step};

/// Everything, as a new cgroup shows it.
const ALL: &str = "a *:* rwm";
/// The largest range of minors that is written out one by one.
const LONGEST_RANGE: u32 = 256;

/// The steps from what is listed to what shall be. What is on both lists is not touched, so nothing is kept away for a moment
/// that was allowed before and is allowed after.
pub(super) fn steps(
    host: &Host,
    dir: &Path,
    rules: &[DeviceRule],
) -> Result<Vec<(Phase, Step)>, IsolateError> {
    let text = read(host, &dir.join(DEVICES_LIST))?.unwrap_or_else(|| ALL.to_owned());
    let listed: BTreeSet<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let wanted = allowed(host, rules);
    let step = |phase, entry: &str, allow| {
        let entry = entry.to_owned();
        let dir = dir.to_owned();
        (phase, Step::ListDevice { dir, entry, allow })
    };
    if listed.contains(ALL) {
        // Nobody is in the cgroup yet, or everything was allowed: first nothing is, then what is wanted.
        let nothing = step(Phase::Shape, ALL, false);
        let wanted = wanted.iter().map(|entry| step(Phase::Shape, entry, true));
        return Ok([nothing].into_iter().chain(wanted).collect());
    }
    let missing = wanted.iter().filter(|entry| !listed.contains(entry.as_str()));
    let extra = listed.iter().filter(|entry| !wanted.contains(**entry));
    let steps = missing.map(|entry| step(Phase::Grant, entry, true));
    Ok(steps
        .chain(extra.map(|entry| step(Phase::Release, entry, false)))
        .collect())
}

/// The lines that allow what the rules allow.
fn allowed(host: &Host, rules: &[DeviceRule]) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for kind in [Kind::Char, Kind::Block] {
        let letter = kind.letter();
        let denied = |rule: &&DeviceRule| rule.access == Access::Deny && rule.kind == kind;
        if !rules.iter().any(|rule| denied(&rule)) {
            lines.insert(format!("{letter} *:* rwm"));
            continue;
        }
        for rule in rules
            .iter()
            .filter(|rule| rule.access == Access::Allow && rule.kind == kind)
        {
            if let (Some(major), (minor, _)) = (rule.major, rule.minors) {
                lines.insert(format!("{letter} {major}:{minor} rwm"));
            }
        }
        if kind == Kind::Block {
            // Block devices are denied all at once.
            continue;
        }
        let untouched = |major: &u32| {
            !rules
                .iter()
                .filter(denied)
                .any(|rule| rule.major.is_none_or(|of| of == *major))
        };
        let majors: BTreeSet<u32> = majors(host).into_iter().map(|(_, major)| major).collect();
        // Pseudo terminals have more majors than they are listed with.
        let others = majors.iter().copied().chain(136..=143).filter(untouched);
        lines.extend(others.map(|major| format!("{letter} {major}:* rwm")));
        // Of a driver whose devices are denied in part, the rest is allowed.
        for rule in rules.iter().filter(denied) {
            let beyond = (rule.minors.1 < u32::MAX).then(|| rule.minors.1 + 1..LONGEST_RANGE);
            let minors = beyond.into_iter().flatten();
            let major = rule
                .major
                .into_iter()
                .flat_map(|major| minors.clone().map(move |minor| (major, minor)));
            lines.extend(major.map(|(major, minor)| format!("{letter} {major}:{minor} rwm")));
        }
    }
    lines
}
