//! docs/alerts/alertmanager.yml in a real Alertmanager: which alerts it would tell of those that fire together.

use std::collections::BTreeSet;

use house_tests::raise::{Alertmanager, find_alertmanager};

use super::judge::{house, target};

/// What fires together, and what of it is told. Each alert is `Name key=value …`.
const TOGETHER: [(&str, &[&str], &[&str]); 18] = [
    (
        "a deficit stands for what led to it",
        &[
            "BusbarDeficit rack=r1 domain=shelf",
            "BusbarRedundancyLost rack=r1 domain=shelf",
            "BusbarSupplyFaulted rack=r1 domain=shelf psu=shelf/psu-1",
        ],
        &["BusbarDeficit"],
    ),
    (
        "in that domain only",
        &[
            "BusbarDeficit rack=r1 domain=shelf",
            "BusbarRedundancyLost rack=r1 domain=other",
            "BusbarRedundancyLost rack=r2 domain=shelf",
        ],
        &["BusbarDeficit", "BusbarRedundancyLost", "BusbarRedundancyLost"],
    ),
    (
        "a loss of redundancy stands for the pull that nobody asked for",
        &[
            "BusbarRedundancyLost rack=r1 domain=shelf",
            "BusbarSupplyPulledUnasked rack=r1 domain=shelf bay=shelf/psu-1",
        ],
        &["BusbarRedundancyLost"],
    ),
    (
        "a drain is known",
        &[
            "BusbarDrainUnderWay rack=r1 domain=shelf",
            "BusbarRedundancyLost rack=r1 domain=shelf",
        ],
        &["BusbarDrainUnderWay"],
    ),
    (
        "a deficit is told although somebody drains",
        &[
            "BusbarDrainUnderWay rack=r1 domain=shelf",
            "BusbarDeficit rack=r1 domain=shelf",
        ],
        &["BusbarDrainUnderWay", "BusbarDeficit"],
    ),
    (
        "blind by a silent BMC is one cause, and another BMC's silence is another",
        &[
            "BusbarDomainBlind rack=r1 domain=shelf bmc=shelf",
            "BusbarBmcSilent rack=r1 bmc=shelf",
            "BusbarBmcSilent rack=r1 bmc=n07",
        ],
        &["BusbarDomainBlind", "BusbarBmcSilent"],
    ),
    (
        "a node that nobody reaches",
        &[
            "BusbarNodeUnreachable rack=r1 node=n01",
            "BusbarAgentDown rack=r1 node=n01",
            "BusbarOrdersUnanswered rack=r1 node=n01",
            "BusbarLeaseExpired rack=r1 node=n01",
        ],
        &["BusbarNodeUnreachable"],
    ),
    (
        "and its lease, which nobody renews",
        &[
            "BusbarNodeUnreachable rack=r1 node=n01",
            "BusbarLeaseExpired rack=r1 node=n01",
        ],
        &["BusbarNodeUnreachable"],
    ),
    (
        "orders that nobody answers",
        &[
            "BusbarOrdersUnanswered rack=r1 node=n01",
            "BusbarLeaseExpired rack=r1 node=n01",
            "BusbarLeaseExpired rack=r1 node=n02",
        ],
        &["BusbarOrdersUnanswered", "BusbarLeaseExpired"],
    ),
    (
        "a controller that is away is not three expired leases",
        &[
            "BusbarRackDown rack=r1",
            "BusbarLeaseExpired rack=r1 node=n01",
            "BusbarLeaseExpired rack=r1 node=n02",
            "BusbarLeaseExpired rack=r1 node=n03",
            "BusbarNodeUnreachable rack=r1 node=n01",
        ],
        &["BusbarRackDown"],
    ),
    (
        "a limit that its BMC does not hold",
        &[
            "BusbarCapNotHeld rack=r1 node=n01",
            "BusbarCapDoubted rack=r1 node=n01",
            "BusbarCapDoubted rack=r1 node=n02",
        ],
        &["BusbarCapNotHeld", "BusbarCapDoubted"],
    ),
    (
        "a paused node is somebody's",
        &[
            "BusbarPaused rack=r1 scope=node node=n01",
            "BusbarNodeUnreachable rack=r1 node=n01",
            "BusbarNodeUnreachable rack=r1 node=n02",
        ],
        &["BusbarPaused", "BusbarNodeUnreachable"],
    ),
    (
        "a paused domain holds warnings back, and nothing critical",
        &[
            "BusbarPaused rack=r1 scope=domain domain=shelf",
            "BusbarSupplyFaulted rack=r1 domain=shelf psu=shelf/psu-1 severity=warning",
            "BusbarDeficit rack=r1 domain=shelf severity=critical",
        ],
        &["BusbarPaused", "BusbarDeficit"],
    ),
    (
        "a paused rack holds its warnings back, and no other rack's",
        &[
            "BusbarPaused rack=r1 scope=rack",
            "BusbarBmcSilent rack=r1 bmc=n01 severity=warning",
            "BusbarBmcSilent rack=r2 bmc=n01 severity=warning",
            "BusbarDomainBlind rack=r1 domain=shelf bmc=shelf severity=critical",
        ],
        &["BusbarPaused", "BusbarBmcSilent", "BusbarDomainBlind"],
    ),
    (
        "maintenance of a rack, by an alert of one's own",
        &[
            "Maintenance rack=r1",
            "BusbarBmcSilent rack=r1 bmc=n01 severity=warning",
            "BusbarDeficit rack=r1 domain=shelf severity=critical",
        ],
        &["Maintenance", "BusbarDeficit"],
    ),
    (
        "a pooled drive that fails is told once, and its neighbour for itself",
        &[
            "BusbarPooledDriveFailing rack=r1 node=n07 device=nvme0",
            "BusbarDriveFailing node=n07 device=nvme0",
            "BusbarPooledDriveWorn rack=r1 node=n07 device=nvme0",
            "BusbarPooledDriveWorn rack=r1 node=n07 device=nvme1",
            "BusbarDriveWorn node=n07 device=nvme1",
        ],
        &["BusbarPooledDriveFailing", "BusbarPooledDriveWorn"],
    ),
    (
        "what a pooled drive that hangs said before is no news",
        &[
            "BusbarPooledDriveHangs rack=r1 node=n07 device=nvme0",
            "BusbarPooledDriveFailing rack=r1 node=n07 device=nvme0",
        ],
        &["BusbarPooledDriveHangs"],
    ),
    (
        "claims of a silent enclosure are its",
        &[
            "BusbarEnclosureSilent rack=r1 node=n07",
            "BusbarDriveClaimNotReady rack=r1 node=n01",
            "BusbarDriveClaimNotReady rack=r2 node=n01",
        ],
        &["BusbarEnclosureSilent", "BusbarDriveClaimNotReady"],
    ),
];

#[test]
fn a_real_alertmanager_tells_one_alert_for_one_cause() {
    let Some(program) = find_alertmanager(&target()) else {
        println!(
            "skipped: prometheus-alertmanager is neither below {} nor on the path",
            target().display()
        );
        return;
    };
    let rules = std::fs::read_to_string(house().join("docs/alerts/alertmanager.yml")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let manager = Alertmanager::start(&program, folder.path(), &rules).unwrap();
    for (what, fire, told) in TOGETHER {
        let alerts: Vec<Vec<(&str, &str)>> = fire.iter().map(|alert| labels(alert)).collect();
        let mut expected: Vec<&str> = told.to_vec();
        expected.sort_unstable();
        let said = manager.told(&alerts, &expected);
        assert_eq!(said.unwrap(), expected, "{what}");
    }
    // Every inhibition that speaks of racks is seen at work above.
    let sources: BTreeSet<&str> = TOGETHER
        .iter()
        .flat_map(|(_, fire, _)| fire.iter())
        .map(|alert| alert.split(' ').next().unwrap())
        .collect();
    for line in rules.lines().filter(|line| line.contains("source_matchers")) {
        let name = line
            .split("alertname=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        let of_nodes = [
            "BusbarAgentDown",
            "BusbarDrive",
            "BusbarMemory",
            "BusbarTooHot",
            "BusbarPci",
            "BusbarGpu",
        ];
        assert!(
            sources.contains(name) || of_nodes.iter().any(|start| name.starts_with(start)),
            "{name} silences something, and nobody looks"
        );
    }
}

fn labels(alert: &str) -> Vec<(&str, &str)> {
    let mut words = alert.split(' ');
    let name = words.next().unwrap();
    let rest = words.map(|word| word.split_once('=').unwrap());
    std::iter::once(("alertname", name)).chain(rest).collect()
}
