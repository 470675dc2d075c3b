//! Rules of devices: which are allowed, as a program (v2) and as a list (v1).

use intent::{DeviceKind, DeviceWish, Intent, Isolation};
use isolators::rule::{Access, DeviceRule, Kind};
use isolators::{Phase, Step};

use super::tree::{Tree, isolation};

fn wish(kind: DeviceKind, device: &str) -> DeviceWish {
    DeviceWish {
        kind,
        device: Some(device.to_owned()),
        uuid: None,
        pci: None,
    }
}

fn web(devices: Vec<DeviceWish>) -> Isolation {
    Isolation {
        devices: Some(devices),
        ..isolation("web", "2-3", false)
    }
}

fn rules(tree: &Tree, devices: Vec<DeviceWish>) -> Vec<DeviceRule> {
    let steps = tree.plan(&Intent::default().with(web(devices)));
    let found = steps.into_iter().find_map(|(_, step)| match step {
        Step::AllowDevices { rules, .. } => Some(rules),
        _ => None,
    });
    found.expect("rules")
}

fn allowed(rules: &[DeviceRule], kind: Kind, major: u32, minor: u32) -> bool {
    let first = rules.iter().find(|rule| rule.fits(kind, major, minor));
    first.is_none_or(|rule| rule.access == Access::Allow)
}

#[test]
fn a_gpu_and_a_disk_are_allowed_and_no_others_of_their_kinds() {
    let tree = Tree::v2();
    let both = rules(
        &tree,
        vec![wish(DeviceKind::Gpu, "nvidia1"), wish(DeviceKind::Block, "sda")],
    );
    for (kind, major, minor, expected) in [
        (Kind::Char, 195, 1, true),
        (Kind::Char, 195, 0, false),
        (Kind::Char, 195, 255, true), // nvidiactl is for all
        (Kind::Char, 226, 0, false),
        (Kind::Char, 1, 3, true), // /dev/null
        (Kind::Block, 8, 0, true),
        (Kind::Block, 8, 1, true), // its partition
        (Kind::Block, 8, 16, false),
        (Kind::Block, 259, 0, false),
        (Kind::Char, 240, 0, false), // an NVMe controller reaches all of its namespaces
        (Kind::Char, 21, 0, false),
    ] {
        assert_eq!(
            allowed(&both, kind, major, minor),
            expected,
            "{kind:?} {major}:{minor}"
        );
    }
    let disk = rules(&tree, vec![wish(DeviceKind::Block, "nvme0n1")]);
    assert!(allowed(&disk, Kind::Char, 195, 0), "GPUs are another kind");
    assert!(allowed(&disk, Kind::Block, 259, 0) && !allowed(&disk, Kind::Block, 8, 0));
}

#[test]
fn a_program_is_attached_once_and_replaced_when_the_rules_change() {
    let tree = Tree::v2();
    let one = Intent::default().with(web(vec![wish(DeviceKind::Block, "sda")]));
    tree.converge(&one);
    assert!(tree.plan(&one).is_empty());
    let other = Intent::default().with(web(vec![wish(DeviceKind::Block, "nvme0n1")]));
    let steps = tree.converge(&other);
    let replaced = |step: &Step| matches!(step, Step::AllowDevices { before: Some(name), .. } if name.starts_with("busbar_"));
    assert!(steps.iter().any(|(_, step)| replaced(step)), "{steps:?}");
    // Of one that is there it would only have gone.
    let new = |devices| Isolation {
        devices: Some(devices),
        ..isolation("new", "2-3", false)
    };
    let gone = tree
        .refusal(new(vec![wish(DeviceKind::Block, "sdz")]))
        .to_string();
    assert!(gone.contains("/sys/class/block/sdz/dev"), "{gone}");
    let absent = tree
        .refusal(new(vec![wish(DeviceKind::Gpu, "card7")]))
        .to_string();
    assert!(absent.contains("card7"), "{absent}");
}

#[test]
fn a_gpu_that_one_workload_holds_is_kept_from_the_others_until_it_ends() {
    let tree = Tree::v2();
    let disk = Isolation {
        devices: Some(vec![wish(DeviceKind::Block, "sda")]),
        ..isolation("disk", "2-3", false)
    };
    let before = Intent::default()
        .with(isolation("plain", "2-3", false))
        .with(disk);
    tree.converge(&before);
    let both = before.with(web(vec![wish(DeviceKind::Gpu, "nvidia1")]));
    let steps = tree.converge(&both);
    let of = |name: &str| {
        let end = format!("busbar/{name}");
        let found = steps.iter().find_map(|(phase, step)| match step {
            Step::AllowDevices { dir, rules, .. } if dir.ends_with(&end) => Some((*phase, rules.clone())),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("{name}: {steps:?}"))
    };
    let (phase, plain) = of("plain");
    assert_eq!(phase, Phase::Release, "what others lose they lose first");
    assert!(!allowed(&plain, Kind::Char, 195, 1));
    assert!(allowed(&plain, Kind::Char, 195, 0), "nobody was given this one");
    assert!(allowed(&plain, Kind::Char, 195, 255) && allowed(&plain, Kind::Block, 8, 16));
    let (_, disk) = of("disk");
    assert!(!allowed(&disk, Kind::Char, 195, 1));
    assert!(allowed(&disk, Kind::Block, 8, 0) && !allowed(&disk, Kind::Block, 8, 16));
    assert!(allowed(&of("web").1, Kind::Char, 195, 1));
    // Somebody who comes later is kept away from the beginning.
    let three = both.with(isolation("late", "2-3", false));
    let late = tree.converge(&three);
    let attached = |(_, step): &&(Phase, Step)| matches!(step, Step::AllowDevices { .. });
    assert_eq!(late.iter().filter(attached).count(), 1, "{late:?}");
    let freed = tree.converge(&three.without(&"web".parse().unwrap()));
    for (phase, step) in &freed {
        if let Step::AllowDevices { dir, rules, .. } = step {
            assert!(allowed(rules, Kind::Char, 195, 1));
            let keeps_a_program =
                dir.ends_with("disk") || rules.iter().any(|rule| rule.fits(Kind::Block, 8, 0));
            assert!(keeps_a_program || *phase == Phase::Grant, "{step}");
        }
    }
    assert_eq!(freed.iter().filter(attached).count(), 3, "{freed:?}");
}

#[test]
fn v1_lists_what_is_allowed_and_adds_before_it_takes_away() {
    let tree = Tree::v1();
    let list = "/sys/fs/cgroup/devices/busbar/web/devices.list";
    tree.converge(&Intent::default().with(web(vec![wish(DeviceKind::Block, "sda")])));
    let said = tree.read(list);
    for line in [
        "b 8:0 rwm",
        "b 8:1 rwm",
        "c 1:* rwm",
        "c 136:* rwm",
        "c 195:* rwm",
    ] {
        assert!(said.lines().any(|found| found == line), "{line} in {said}");
    }
    for line in ["a *:* rwm", "b *:* rwm", "c *:* rwm", "c 240:* rwm"] {
        assert!(!said.lines().any(|found| found == line), "{line} in {said}");
    }
    let other = Intent::default().with(web(vec![wish(DeviceKind::Block, "nvme0n1")]));
    let steps = tree.plan(&other);
    assert!(
        steps
            .iter()
            .all(|(_, step)| !matches!(step, Step::ListDevice { entry, .. } if entry.starts_with('a'))),
        "no gap"
    );
    tree.converge(&other);
    let said = tree.read(list);
    assert!(
        said.contains("b 259:0 rwm") && !said.contains("b 8:0 rwm"),
        "{said}"
    );
}
