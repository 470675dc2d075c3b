//! Who may lease power to an agent, and which leases change nothing: old ones, foreign ones, those of a journal that lacks something.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use agent_api::v1::{CapRequest, Head, Lease, LeaseEnd};
use facts::Power;

use crate::node::{LASTING, Node, told, watts};
use crate::stand::{Agent, wait};

const LEASE: &str = "/v1/power/lease";

/// Leases that are refused after the fifth, with the status and some of the words.
fn refused(node: &Node, good: &Lease) -> Vec<(Lease, u16, &'static str)> {
    let head = |sequence: u64, chain: &str| Head {
        sequence,
        chain: chain.to_owned(),
    };
    let mut cases = vec![(node.lease(4, LASTING), 409, "lease 4 comes after 5")];
    let mut case = |from: &Lease, change: &dyn Fn(&mut Lease), status, says| {
        let mut lease = from.clone();
        change(&mut lease);
        cases.push((lease, status, says));
    };
    case(
        &node.lease(5, LASTING),
        &|lease| lease.level = 1,
        409,
        "says something else",
    );
    case(
        good,
        &|lease| lease.rack = "r2".to_owned(),
        409,
        "rack \"r1\" holds",
    );
    case(
        good,
        &|lease| lease.boot_id = "other".to_owned(),
        409,
        "boot \"other\"",
    );
    case(
        good,
        &|lease| {
            lease.cap_watts = watts(350);
            lease.head = head(9, "99");
        },
        409,
        "has seen entry 10 (aa)",
    );
    case(
        good,
        &|lease| lease.heard_millis = good.heard_millis + 600_000,
        400,
        "heard_millis",
    );
    case(good, &|lease| lease.cap_watts = Power::ZERO, 400, "more than 0 W");
    case(
        good,
        &|lease| lease.levels = vec![watts(1)],
        400,
        "expected at least 2 W",
    );
    case(good, &|lease| lease.level = 3, 400, "0 to 2");
    cases
}

#[test]
fn what_is_old_foreign_behind_or_senseless_changes_nothing() {
    let Some(node) = Node::new() else { return };
    let _agent = node.start();
    node.take(&node.lease(5, LASTING));
    let good = node.lease(6, LASTING);
    for (lease, status, says) in refused(&node, &good) {
        let (code, message) = node.refused(&lease);
        assert!(
            code == status && message.contains(says),
            "{says}: {code} {message}"
        );
        assert_eq!((node.limit(), node.view().lease.unwrap().sequence), (300, 5));
    }
    let cap = wait(node.home.client().cap(CapRequest { watts: watts(150) }));
    let (status, message) = told(cap.unwrap_err());
    assert!(
        status == 403 && message.contains("rack \"r1\" holds"),
        "{message}"
    );
    the_later_of_two_stands_and_the_end_ends_it(&node, &good);
}

fn the_later_of_two_stands_and_the_end_ends_it(node: &Node, good: &Lease) {
    // Two that overtook each other: the later one stands.
    let (sooner, later) = (
        node.lease(6, LASTING),
        Lease {
            level: 1,
            ..node.lease(7, LASTING)
        },
    );
    node.take(&later);
    assert_eq!(node.refused(&sooner).0, 409);
    assert_eq!(node.limit(), 200);
    let end = LeaseEnd {
        rack: "r1".to_owned(),
        sequence: 7,
        boot_id: good.boot_id.clone(),
    };
    let foreign = LeaseEnd {
        rack: "r2".to_owned(),
        ..end.clone()
    };
    assert_eq!(
        told(wait(node.home.client().end_lease(&foreign)).unwrap_err()).0,
        409
    );
    assert_eq!(wait(node.home.client().end_lease(&end)).unwrap().lease, None);
    assert_eq!(node.limit(), 400);
    assert_eq!(
        node.refused(&later).0,
        409,
        "what was on its way when it ended comes too late"
    );
}

/// An order as anybody may send it, with this token or none: the status and what is said.
fn order(agent: &Agent, method: &str, path: &str, token: Option<&str>, body: &str) -> (u16, String) {
    let token = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
    let more = format!("{token}Content-Length: {}\r\n\r\n{body}", body.len());
    let (status, _, said) = agent.ask(method, path, &more);
    (status, said)
}

#[test]
fn over_tcp_only_a_rack_with_its_own_token_orders() {
    let Some(node) = Node::new() else { return };
    let secret = |name: &str, text: &str| {
        let path = node.home.write(name, &format!("{text}\n"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    };
    let (asks, rack) = ("0123456789abcdef0123", "fedcba9876543210fedc");
    secret("ask", asks);
    secret("rack", rack);
    node.configure("token_file = \"ask\"\n");
    let agent = node.start();
    let body = serde_json::to_string(&node.lease(1, LASTING)).unwrap();
    let (status, said) = order(&agent, "PUT", LEASE, Some(asks), &body);
    assert!(status == 403 && said.contains("rack_token_file"), "{said}");
    assert!(agent.stop().success());
    node.configure("token_file = \"ask\"\nrack_token_file = \"rack\"\n");
    let agent = node.start();
    for token in [None, Some(asks)] {
        assert_eq!(order(&agent, "PUT", LEASE, token, &body).0, 401);
        assert_eq!(order(&agent, "DELETE", LEASE, token, "{}").0, 401);
    }
    assert_eq!(node.limit(), 400);
    assert_eq!(order(&agent, "GET", LEASE, None, "").0, 401);
    assert_eq!(order(&agent, "GET", LEASE, Some(asks), "").0, 200);
    let (status, said) = order(&agent, "PUT", LEASE, Some(rack), &body);
    assert!(status == 200 && said.contains("\"applied\":true"), "{said}");
    assert_eq!(node.limit(), 300);
    let (status, page) = order(&agent, "GET", "/metrics", Some(rack), "");
    assert!(
        status == 200 && page.contains("busbar_power_lease_cap_watts"),
        "{page}"
    );
    // No other order comes that way, whoever brings which token.
    let (status, said) = order(&agent, "DELETE", "/v1/cap", Some(rack), "");
    assert!(status == 405 && said.contains("over TCP"), "{said}");
}
