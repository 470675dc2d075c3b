//! A whole agent under a rack's lease of power: it is stopped, killed and late, and its disk is full.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agent_api::v1::Lease;
use nix::sys::signal::Signal;

use crate::node::{BRIEF, LASTING, Node, kill, told, watts};
use crate::stand::{Agent, until, wait};

#[test]
fn a_lease_is_armed_moved_runs_out_and_stands_through_kills() {
    let Some(node) = Node::new() else { return };
    let agent = node.start();
    let before = node.view();
    assert_eq!((before.lease, before.head, node.limit()), (None, None, 400));
    let taken = node.take(&node.lease(1, LASTING)).lease.unwrap();
    assert_eq!(
        (node.limit(), taken.in_force_watts, taken.applied),
        (300, Some(watts(300)), true)
    );
    node.take(&Lease {
        level: 2,
        ..node.lease(2, LASTING)
    });
    assert_eq!(node.limit(), 100);
    // Back to all of it, and from now on nobody renews.
    let last = node.take(&node.lease(3, BRIEF));
    assert_eq!(node.limit(), 300);
    let ended = node.expired();
    assert_eq!(node.limit(), 200);
    let lease = ended.lease.unwrap();
    assert!(
        ended.now_millis >= last.lease.unwrap().expires_millis && lease.applied,
        "{lease:?}"
    );
    assert_eq!((lease.level, lease.in_force_watts), (0, Some(watts(200))));
    kill(agent);
    let agent = node.start();
    assert!(node.view().lease.unwrap().expired);
    assert_eq!(node.limit(), 200);
    node.take(&node.lease(3, LASTING));
    assert_eq!(node.limit(), 300);
    // A kill inside of a lease changes no cap; the renewal before it was never flushed.
    let renewed = node.take(&node.lease(3, LASTING)).lease.unwrap().expires_millis;
    kill(agent);
    let agent = node.start();
    let view = node.view();
    let lease = view.lease.unwrap();
    assert_eq!(
        (lease.expired, lease.expires_millis, node.limit()),
        (false, renewed, 300)
    );
    assert_eq!(view.head.unwrap().sequence, 10);
    // And one that outlasts it does before anybody asks.
    node.take(&node.lease(4, BRIEF));
    kill(agent);
    std::thread::sleep(Duration::from_millis(BRIEF));
    let agent = node.start();
    assert!(node.view().lease.unwrap().expired);
    assert_eq!(node.limit(), 200);
    ended_lease_is_told(&agent);
    assert!(agent.stop().success());
    leaves_only_by_force(&node);
}

fn ended_lease_is_told(agent: &Agent) {
    let page = agent.get("/metrics");
    for line in [
        "busbar_power_lease_cap_watts{level=\"0\"} 300",
        "busbar_power_lease_cap_watts{level=\"2\"} 100",
        "busbar_power_lease_expired 1",
        "busbar_power_lease_in_force_watts 200",
        "busbar_power_lease_remaining_seconds 0",
    ] {
        assert!(page.contains(line), "{line}\n{page}");
    }
    let status: serde_json::Value = agent.json("/v1/status");
    assert_eq!(status["lease"]["rack"], "r1");
}

fn leaves_only_by_force(node: &Node) {
    let (code, said) = node.leave(&[]);
    assert!(
        code == Some(3) && said.contains("rack \"r1\" holds this node's lease"),
        "{said}"
    );
    assert_eq!(node.limit(), 200);
    let (code, said) = node.leave(&["--force"]);
    assert!(
        code == Some(0) && said.contains("2 power limits put back"),
        "{said}"
    );
    assert_eq!(node.limit(), 400);
}

#[test]
fn who_was_stopped_longer_than_its_lease_falls_to_level_1_and_a_renewal_that_waited_extends_nothing() {
    let Some(node) = Node::new() else { return };
    let agent = node.start();
    node.take(&node.lease(1, BRIEF));
    let waits = node.lease(1, BRIEF);
    agent.stand_still();
    let client = node.home.client();
    let renewal = std::thread::spawn(move || wait(client.take_lease(&waits)));
    std::thread::sleep(Duration::from_millis(2 * BRIEF));
    assert_eq!(
        node.limit(),
        300,
        "silence frees nothing, and lowers nothing either"
    );
    agent.signal(Signal::SIGCONT);
    until("the fall to level 1", || (node.limit() == 200).then_some(()));
    let (status, message) = told(renewal.join().unwrap().unwrap_err());
    assert!(status == 409 && message.contains("extends nothing"), "{message}");
    let lease = node.view().lease.unwrap();
    assert!(lease.expired && lease.applied);
    node.take(&node.lease(1, LASTING));
    assert_eq!(node.limit(), 300);
}

/// Leaves a disk no room.
fn fill(state: &Path) -> PathBuf {
    let path = state.join("fill");
    let mut file = fs::File::create(&path).unwrap();
    while file.write_all(&[0; 4_096]).is_ok() {}
    path
}

#[test]
fn a_full_disk_stops_no_lowering() {
    let Some(node) = Node::new() else { return };
    node.home.write("disk", "");
    let agent = node.start();
    // The agent's own disk, seen through its own eyes.
    let root = PathBuf::from(format!("/proc/{}/root", agent.pid()));
    let state = root.join(node.home.path("state").strip_prefix("/").unwrap());
    node.take(&node.lease(1, LASTING));
    let full = fill(&state);
    let taken = node
        .take(&Lease {
            level: 1,
            ..node.lease(2, LASTING)
        })
        .lease
        .unwrap();
    assert_eq!((node.limit(), taken.applied), (200, true));
    until("the trouble on the page", || {
        agent
            .get("/metrics")
            .contains("busbar_power_lease_unwritten 1")
            .then_some(())
    });
    let (status, message) = node.refused(&node.lease(3, LASTING));
    assert!(status == 500 && message.contains("ledger.json.next"), "{message}");
    assert_eq!((node.limit(), node.view().lease.unwrap().sequence), (200, 2));
    fs::remove_file(full).unwrap();
    until("the ledger", || {
        agent
            .get("/metrics")
            .contains("busbar_power_lease_unwritten 0")
            .then_some(())
    });
    node.take(&node.lease(3, LASTING));
    assert_eq!(node.limit(), 300);
}
