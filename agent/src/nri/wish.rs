//! What a container asks for: the annotations of its pod, and its own. Pure.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use agent_api::v1::Ask;

/// What all of our annotations begin with.
const PREFIX: &str = "busbar.dev/";
/// How many CPUs.
const CPUS: &str = "cpus";
/// Whether they are its alone: `true` or `false`.
const EXCLUSIVE: &str = "exclusive";
/// The most memory, which is also promised: `32GiB`.
const MEMORY: &str = "memory";
/// What happens where it does not fit on as few NUMA nodes as it could: `best-effort`, `restricted` or `single-numa-node`.
const TOPOLOGY: &str = "topology";
/// How long it is kept when something runs short: 1 to 9.
const PRIORITY: &str = "priority";
const KNOWN: [&str; 5] = [CPUS, EXCLUSIVE, MEMORY, TOPOLOGY, PRIORITY];
/// Stands in an annotation of a pod before the name of the one container that it is for.
const FOR: &str = ".container.";
/// How much of a value a message shows.
const LONGEST_SHOWN: usize = 64;

/// What a container asks for; nothing where it asks for nothing. Its own annotations stand over the pod's for it, and these over the
/// pod's for all.
///
/// # Errors
/// With the annotation and what was expected.
pub(crate) fn ask(
    pod: &BTreeMap<String, String>,
    own: &BTreeMap<String, String>,
    name: &str,
) -> Result<Option<Ask>, String> {
    let mut found: BTreeMap<&str, &str> = BTreeMap::new();
    let (mut for_all, mut for_one) = (Vec::new(), Vec::new());
    for (key, value) in ours(pod) {
        match key.split_once(FOR) {
            Some((key, container)) if container == name => for_one.push((key, value)),
            Some((key, _)) => known(key)?,
            None => for_all.push((key, value)),
        }
    }
    for (key, value) in for_all.into_iter().chain(for_one).chain(ours(own)) {
        known(key)?;
        found.insert(key, value);
    }
    if found.is_empty() {
        return Ok(None);
    }
    let Some(cpus) = found.get(CPUS) else {
        let others: Vec<String> = found.keys().map(|key| format!("{PREFIX}{key}")).collect();
        return Err(format!(
            "{} without {PREFIX}{CPUS}; expected how many CPUs too, as in {PREFIX}{CPUS}: \"2\"",
            others.join(", ")
        ));
    };
    let mut ask = Ask {
        cpus: read(CPUS, cpus, "a whole number, as in \"2\"")?,
        ..Ask::default()
    };
    if let Some(value) = found.get(EXCLUSIVE) {
        ask.exclusive = read(EXCLUSIVE, value, "\"true\" or \"false\"")?;
    }
    if let Some(value) = found.get(MEMORY) {
        ask.memory_bytes = Some(read(MEMORY, value, "as in \"512MiB\" or \"32GiB\"")?);
    }
    if let Some(value) = found.get(TOPOLOGY) {
        ask.topology = read(TOPOLOGY, value, "best-effort, restricted or single-numa-node")?;
    }
    if let Some(value) = found.get(PRIORITY) {
        ask.priority = Some(read(PRIORITY, value, "1 to 9")?);
    }
    Ok(Some(ask))
}

/// Those with our prefix, without it.
fn ours(annotations: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    let all = annotations.iter();
    all.filter_map(|(key, value)| Some((key.strip_prefix(PREFIX)?, value.as_str())))
}

fn known(key: &str) -> Result<(), String> {
    if KNOWN.contains(&key) {
        return Ok(());
    }
    let expected = KNOWN.map(|key| format!("{PREFIX}{key}")).join(", ");
    Err(format!("{PREFIX}{} is none of {expected}", shown(key)))
}

fn read<T: FromStr<Err: Display>>(key: &str, value: &str, expected: &str) -> Result<T, String> {
    let read = value.trim().parse();
    read.map_err(|error| format!("{PREFIX}{key}: {:?} ({error}); expected {expected}", shown(value)))
}

fn shown(text: &str) -> String {
    text.chars().take(LONGEST_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use agent_api::v1::TopologyRule;
    use facts::Bytes;

    use super::*;

    fn of(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pairs = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        pairs.collect()
    }

    #[test]
    fn the_nearest_annotation_counts() {
        let pod = of(&[
            ("busbar.dev/cpus", "2"),
            ("busbar.dev/exclusive", "true"),
            ("busbar.dev/cpus.container.db", "4"),
            ("busbar.dev/memory.container.db", "32GiB"),
            ("busbar.dev/topology", "single-numa-node"),
            ("example.org/cpus", "99"),
        ]);
        let web = ask(&pod, &of(&[]), "web").unwrap().unwrap();
        assert_eq!((web.cpus, web.exclusive, web.memory_bytes), (2, true, None));
        assert_eq!(web.topology, TopologyRule::SingleNumaNode);
        let db = ask(&pod, &of(&[("busbar.dev/exclusive", "false")]), "db")
            .unwrap()
            .unwrap();
        assert_eq!(
            (db.cpus, db.exclusive, db.memory_bytes),
            (4, false, Some(Bytes::new(32 << 30)))
        );
        assert_eq!(ask(&of(&[("a", "b")]), &of(&[]), "web"), Ok(None));
        // Those for another container alone are no ask of this one.
        assert_eq!(
            ask(&of(&[("busbar.dev/cpus.container.db", "4")]), &of(&[]), "web"),
            Ok(None)
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_was_expected() {
        for (key, value, said) in [
            (
                "busbar.dev/cpu",
                "2",
                "busbar.dev/cpu is none of busbar.dev/cpus,",
            ),
            ("busbar.dev/cpu.container.other", "2", "busbar.dev/cpu is none of"),
            ("busbar.dev/exclusive", "true", "expected how many CPUs too"),
            ("busbar.dev/cpus", "two", "busbar.dev/cpus: \"two\""),
            ("busbar.dev/cpus", "-1", "expected a whole number"),
            ("busbar.dev/cpus", "1000000000000000000", "busbar.dev/cpus"),
            ("busbar.dev/memory", "much", "without busbar.dev/cpus"),
        ] {
            let error = ask(&of(&[(key, value)]), &of(&[]), "web").unwrap_err();
            assert!(error.contains(said), "{key}={value}: {error}");
        }
        let pod = of(&[("busbar.dev/cpus", "1"), ("busbar.dev/exclusive", "yes")]);
        let error = ask(&pod, &of(&[]), "web").unwrap_err();
        assert!(error.contains("\"true\" or \"false\""), "{error}");
    }
}
