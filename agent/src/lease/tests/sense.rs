//! What makes no sense on any node.

use agent_api::v1::Lease;
use facts::Power;

use super::{head, here, lease, watts, word};
use crate::lease::Leases;

/// Leases that make no sense, and what is expected in their place.
fn senseless() -> Vec<(Lease, &'static str)> {
    let nine: Vec<Power> = (0..9).map(|_| watts(50)).collect();
    let mut cases = Vec::new();
    let mut case = |change: &dyn Fn(&mut Lease), says| {
        let mut lease = lease(1);
        change(&mut lease);
        cases.push((lease, says));
    };
    case(&|lease| lease.rack = String::new(), "1 to 64 characters");
    case(&|lease| lease.rack = "r".repeat(65), "1 to 64 characters");
    case(&|lease| lease.rack = "a\nb".to_owned(), "control character");
    case(&|lease| lease.valid_millis = 0, "1 to 60000");
    case(&|lease| lease.valid_millis = 60_001, "1 to 60000");
    case(&|lease| lease.cap_watts = Power::ZERO, "more than 0 W");
    case(&|lease| lease.cap_watts = watts(1_000_001), "at most");
    case(&|lease| lease.levels = vec![], "1 to 8");
    case(&|lease| lease.levels = nine.clone(), "1 to 8");
    case(&|lease| lease.levels = vec![watts(200), watts(201)], "level 2");
    case(&|lease| lease.levels = vec![watts(301)], "level 1");
    case(&|lease| lease.level = 3, "0 to 2");
    cases
}

#[test]
fn what_makes_no_sense_on_any_node_is_refused_with_what_is_expected() {
    for (lease, says) in senseless() {
        let error = Leases::default().take(&lease, &here(1_100)).unwrap_err();
        assert!(
            error.is_the_asks() && error.to_string().contains(says),
            "{says}: {error}"
        );
    }
    for chain in ["", "xyz", &"a".repeat(129)] {
        let lease = Lease {
            head: head(1, chain),
            ..lease(1)
        };
        assert_eq!(word(&Leases::default(), &lease, 1_100), "senseless");
    }
}
