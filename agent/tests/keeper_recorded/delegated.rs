//! An agent whose unit was given a part of the hierarchy: it works there, says that nothing is a partition, and leaves from outside.

use agent::reconcile::{Keeper, footprint, leave};
use agent_api::v1::Exclusivity;
use intent::Mode;

use crate::fixture::{Fixture, NOW, machine, request};

const UNIT: &str = "sys/fs/cgroup/busbar.slice/busbar-agent.service";

fn fixture() -> Fixture {
    let fixture = Fixture::v2();
    fixture.write(
        &format!("{UNIT}/cgroup.controllers"),
        "cpuset cpu io memory pids\n",
    );
    fixture.write(&format!("{UNIT}/cgroup.subtree_control"), "\n");
    fixture.write(
        "proc/self/cgroup",
        "0::/busbar.slice/busbar-agent.service/agent\n",
    );
    fixture
}

fn open(fixture: &Fixture, below: Option<&str>) -> Result<Keeper, String> {
    let mut config = fixture.config(Mode::Enforce);
    config.below = below.map(Into::into);
    Keeper::open(config).map_err(|error| error.to_string())
}

#[test]
fn all_of_it_stands_below_the_unit_through_a_restart_until_leave() {
    let fixture = fixture();
    let below = Some("busbar.slice/busbar-agent.service");
    let mut keeper = open(&fixture, below).unwrap();
    let web = keeper
        .start(request("web", 2, true), 7, 0, &machine(8), NOW)
        .unwrap();
    assert_eq!(web.cgroups, [format!("/{UNIT}/busbar/web")]);
    assert_eq!(web.exclusivity, Exclusivity::AmongBusbar);
    let status = keeper.cgroup_status();
    assert!(status.why.contains("systemd gave to it"), "{}", status.why);
    assert!(!fixture.path("sys/fs/cgroup/busbar").exists());
    drop(keeper);
    let elsewhere = open(&fixture, None).unwrap_err();
    assert!(
        elsewhere.contains("below the cgroup /busbar.slice/busbar-agent.service"),
        "{elsewhere}"
    );
    drop(open(&fixture, below).unwrap());
    let placed = footprint(&fixture.root(), &fixture.path("state")).unwrap();
    assert!(
        placed.cgroups.contains(&format!("/{UNIT}/busbar/web").into()),
        "{placed:?}"
    );
    let left = leave(&fixture.root(), &fixture.path("state")).unwrap();
    assert!(left.kept.is_empty() && left.removed.len() == 1, "{left}");
    assert!(!fixture.path(&format!("{UNIT}/busbar")).exists());
}
