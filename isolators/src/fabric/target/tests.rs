//! A recorded host's target: who is let in, who is thrown out, what is refused.

#![allow(clippy::unwrap_used)]
use std::collections::BTreeMap;
use std::fs;

use intent::{Actuator, Actuators, Mode};
use tempfile::TempDir;

use super::super::configfs::PORTS;
use super::*;
use crate::apply::apply;

const A: &str = "nqn.2014-08.org.nvmexpress:uuid:a";
const B: &str = "nqn.2014-08.org.nvmexpress:uuid:b";

/// A host with one drive, S1, and a target that offers nothing.
fn host() -> (TempDir, Host) {
    let dir = tempfile::tempdir().unwrap();
    let drive = dir.path().join("sys/class/block/nvme0n1");
    fs::create_dir_all(drive.join("device")).unwrap();
    fs::write(drive.join("dev"), "259:0\n").unwrap();
    fs::write(drive.join("device/serial"), "S1                  \n").unwrap();
    for folder in [SUBSYSTEMS, PORTS, HOSTS] {
        fs::create_dir_all(dir.path().join("sys/kernel/config/nvmet").join(folder)).unwrap();
    }
    let host = Host::at(dir.path());
    (dir, host)
}

fn export(guest: &str) -> Export {
    Export {
        nqn: format!("{OURS}r1:S1").parse().unwrap(),
        device: "nvme0n1".to_owned(),
        drive: DriveIdentity::new("S1", Some("M"), None).unwrap(),
        host: guest.parse().unwrap(),
        key: None,
    }
}

fn offered(exports: Vec<Export>) -> Offered {
    Offered {
        port: 1,
        address: "10.0.0.1:4420".parse().unwrap(),
        exports,
    }
}

fn planned(host: &Host, offered: &Offered) -> Vec<Step> {
    let steps = steps(host, offered).unwrap();
    steps.into_iter().map(|(_, step)| step).collect()
}

fn converged(host: &Host, offered: &Offered) -> Vec<String> {
    let gate = Actuators::new(Mode::Enforce, BTreeMap::new()).unwrap();
    let steps = planned(host, offered);
    apply(&gate, Actuator::Drives, host, &steps, &mut |_| {}).unwrap();
    assert_eq!(planned(host, offered), Vec::new());
    steps.iter().map(Step::to_string).collect()
}

#[test]
fn a_drive_changes_hands_by_way_of_nobody() {
    let (_dir, host) = host();
    let made = converged(&host, &offered(vec![export(A)]));
    assert!(made.last().unwrap().contains("ports/1/subsystems"), "{made:?}");
    let name = format!("{OURS}r1:S1");
    let is = standing(&host).unwrap().remove(&name).unwrap();
    assert!(!is.is_fenced() && !is.any_host && is.enabled, "{is:?}");
    assert_eq!(
        (is.hosts, is.serial.as_deref()),
        ([A.to_owned()].into(), Some("S1"))
    );

    // Everything of the first one is taken away before anything of the next one is made.
    let moved = converged(&host, &offered(vec![export(B)]));
    let place = |what: &str| moved.iter().position(|step| step.contains(what)).unwrap();
    assert_eq!(place("unlink"), 0, "{moved:?}");
    assert!(moved[0].contains("ports/1/subsystems"), "{moved:?}");
    assert!(
        place("remove /sys/kernel/config/nvmet/subsystems") < place("make"),
        "{moved:?}"
    );
    assert_eq!(standing(&host).unwrap()[&name].hosts, [B.to_owned()].into());

    converged(&host, &offered(Vec::new()));
    for folder in [SUBSYSTEMS, PORTS, HOSTS] {
        assert_eq!(
            host.entries(&nvmet().join(folder)).unwrap(),
            Vec::<String>::new(),
            "{folder}"
        );
    }
}

#[test]
fn a_host_that_somebody_lets_in_beside_it_throws_both_out() {
    let (dir, host) = host();
    converged(&host, &offered(vec![export(A)]));
    let sub = dir
        .path()
        .join("sys/kernel/config/nvmet/subsystems")
        .join(format!("{OURS}r1:S1"));
    fs::write(sub.join(ANY_HOST), "1\n").unwrap();
    let again = converged(&host, &offered(vec![export(A)]));
    assert!(
        again[0].starts_with("unlink") && again[0].contains("ports/1"),
        "{again:?}"
    );
    assert!(!standing(&host).unwrap()[&format!("{OURS}r1:S1")].any_host);
}

#[test]
fn what_is_not_meant_not_ours_or_wanted_twice_is_refused() {
    let (dir, host) = host();
    let refused = |offered: &Offered| steps(&host, offered).unwrap_err().to_string();
    let mut other = export(A);
    other.drive = DriveIdentity::new("S9", None, None).unwrap();
    let error = refused(&offered(vec![other]));
    assert!(error.contains("says S1; expected S9"), "{error}");
    let mut foreign = export(A);
    foreign.nqn = "nqn.2020-01.org.other:x".parse().unwrap();
    let error = refused(&offered(vec![foreign]));
    assert!(error.contains("does not begin with"), "{error}");
    let mut twice = export(B);
    twice.nqn = format!("{OURS}r1:again").parse().unwrap();
    let error = refused(&offered(vec![export(A), twice]));
    assert!(error.contains("wanted twice"), "{error}");
    let namespace = dir
        .path()
        .join("sys/kernel/config/nvmet/subsystems/nqn.other/namespaces/1");
    fs::create_dir_all(&namespace).unwrap();
    fs::write(namespace.join(DEVICE_PATH), "/dev/nvme0n1\n").unwrap();
    let error = refused(&offered(vec![export(A)]));
    assert!(error.contains("nqn.other"), "{error}");
    fs::remove_dir_all(dir.path().join("sys/kernel/config")).unwrap();
    let error = refused(&offered(vec![export(A)]));
    assert!(error.contains("nvmet-tcp"), "{error}");
}
