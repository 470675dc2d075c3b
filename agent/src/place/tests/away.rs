//! Where a neighbour can run so that it shares less with a victim.

use super::*;

#[test]
fn away_from_a_victim_is_another_numa_node_or_else_another_cache_and_never_nowhere() {
    let set = |cpus: &str| cpus.parse::<facts::CpuSet>().unwrap();
    let found = |shape, shared: &str, victim: &str, is_exclusive| {
        let machine = Machine::of(&with_distances(machine(shape)), None);
        away(&machine, &set(shared), &set(victim), is_exclusive).map(|cpus| cpus.to_string())
    };
    // Two NUMA nodes of two caches with two cores each.
    let two = [2, 1, 2, 2, 1];
    assert_eq!(found(two, "0,2-7", "1", true).as_deref(), Some("4-7"));
    assert_eq!(
        found(two, "0,2-3", "1", true).as_deref(),
        Some("2-3"),
        "another cache at least"
    );
    assert_eq!(found(two, "0", "1", true), None);
    assert_eq!(
        found(two, "2-7", "1,5", true).as_deref(),
        Some("2-3,6-7"),
        "it is on both NUMA nodes"
    );
    assert_eq!(found(two, "0,4-7", "0,4-7", false).as_deref(), Some("0"));
    assert_eq!(found(two, "0-7", "0-7", false).as_deref(), Some("4-7"));
    assert_eq!(
        found([1, 1, 2, 2, 1], "0-3", "0-3", false).as_deref(),
        Some("2-3")
    );
    assert_eq!(found([1, 1, 1, 4, 1], "0-3", "0-3", false), None);
    assert_eq!(
        away(&Machine::default(), &set("0"), &set("1"), true),
        None,
        "nothing is known"
    );
}
