//! The drives that this system stands on.

use std::collections::BTreeSet;
use std::path::Path;

use isolators::Host;

const CLASS_BLOCK: &str = "/sys/class/block";
const MOUNTS: &str = "/proc/1/mountinfo";
/// Where the system stands.
const PLACES: [&str; 4] = ["/", "/boot", "/boot/efi", "/usr"];
/// Devices upon devices, at most: encryption on volumes on arrays on partitions are four.
const DEEPEST: usize = 8;

/// Those of these drives that hold a part of what the system stands on, as a partition or below arrays and volumes.
pub(super) fn boot_drives<'a>(host: &Host, drives: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    let text = host.read(Path::new(MOUNTS)).ok().flatten().unwrap_or_default();
    let mut numbers = BTreeSet::new();
    let mut names = BTreeSet::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        let (number, place) = (words.nth(2), words.nth(1));
        if !place.is_some_and(|place| PLACES.contains(&place)) {
            continue;
        }
        numbers.extend(number.map(str::to_owned));
        // A file system of several devices has a number of its own, and names one of them.
        let source = line.split(" - ").nth(1).and_then(|rest| rest.split(' ').nth(1));
        let name = source.and_then(|source| source.strip_prefix("/dev/"));
        names.extend(name.map(str::to_owned));
    }
    let is_boot = |drive: &&str| {
        upon(host, drive).iter().any(|name| {
            let number = host.read(&Path::new(CLASS_BLOCK).join(name).join("dev"));
            names.contains(name) || number.is_ok_and(|number| number.is_some_and(|it| numbers.contains(&it)))
        })
    };
    drives.filter(is_boot).map(str::to_owned).collect()
}

/// A drive, its partitions, and whatever is made of them.
fn upon(host: &Host, drive: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::from([drive.to_owned()]);
    let mut level = vec![drive.to_owned()];
    for _ in 0..DEEPEST {
        let mut next = Vec::new();
        for name in &level {
            let dir = Path::new(CLASS_BLOCK).join(name);
            let parts = host.entries(&dir).unwrap_or_default();
            let parts = parts
                .into_iter()
                .filter(|part| host.has(&dir.join(part).join("partition")));
            let holders = host.entries(&dir.join("holders")).unwrap_or_default();
            next.extend(parts.chain(holders).filter(|name| all.insert(name.clone())));
        }
        level = next;
    }
    all
}
