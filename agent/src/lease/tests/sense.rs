//! What makes no sense on any node.

use agent_api::v1::Lease;
use facts::Power;

use super::{head, here, lease, watts, word};
use crate::lease::Leases;

#[test]
fn what_makes_no_sense_on_any_node_is_refused_with_what_is_expected() {
    let nine: Vec<Power> = (0..9).map(|_| watts(50)).collect();
    let cases: [(Lease, &str); 12] = [
        (
            Lease {
                rack: String::new(),
                ..lease(1)
            },
            "1 to 64 characters",
        ),
        (
            Lease {
                rack: "r".repeat(65),
                ..lease(1)
            },
            "1 to 64 characters",
        ),
        (
            Lease {
                rack: "a\nb".to_owned(),
                ..lease(1)
            },
            "control character",
        ),
        (
            Lease {
                valid_millis: 0,
                ..lease(1)
            },
            "1 to 60000",
        ),
        (
            Lease {
                valid_millis: 60_001,
                ..lease(1)
            },
            "1 to 60000",
        ),
        (
            Lease {
                cap_watts: Power::ZERO,
                ..lease(1)
            },
            "more than 0 W",
        ),
        (
            Lease {
                cap_watts: watts(1_000_001),
                ..lease(1)
            },
            "at most",
        ),
        (
            Lease {
                levels: vec![],
                ..lease(1)
            },
            "1 to 8",
        ),
        (
            Lease {
                levels: nine,
                ..lease(1)
            },
            "1 to 8",
        ),
        (
            Lease {
                levels: vec![watts(200), watts(201)],
                ..lease(1)
            },
            "level 2",
        ),
        (
            Lease {
                levels: vec![watts(301)],
                ..lease(1)
            },
            "level 1",
        ),
        (Lease { level: 3, ..lease(1) }, "0 to 2"),
    ];
    for (lease, says) in cases {
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
