//! Pooled drives: whose they are, how worn, what could not be erased, and which claims have what they were promised.
//!
//! Whose a drive is stands in the journal, and is told also while its enclosure is silent. What the drive itself says is told only while it
//! can be seen.

use std::collections::BTreeMap;

use facts::{Bytes, Moment};
use rack_api::v1::{
    BayLife, DriveBay, DriveEnding, DriveTenancy, DriveView, DrivesView, EnclosureView, LostDrive,
};

use super::family::{Family, Kind, Source};
use super::sheet::{Series, count, number, seconds};

/// What names one drive: the rack's words, and those by which its node's agent names it.
const ONE: [&str; 5] = ["enclosure", "bay", "serial", "node", "device"];

/// Endings by which a claim loses a drive, with the word of the label.
const ENDINGS: [(DriveEnding, &str); 7] = [
    (DriveEnding::Released, "released"),
    (DriveEnding::Expired, "expired"),
    (DriveEnding::NodeLost, "node_lost"),
    (DriveEnding::Pulled, "pulled"),
    (DriveEnding::WrongDrive, "wrong_drive"),
    (DriveEnding::Failing, "failing"),
    (DriveEnding::Preempted, "preempted"),
];

/// Each bay that has a drive, with its enclosure.
fn filled(view: &DrivesView) -> impl Iterator<Item = (&EnclosureView, &DriveBay, &DriveView)> {
    view.enclosures.iter().flat_map(|enclosure| {
        let bays = enclosure.bays.iter();
        bays.filter_map(move |bay| Some((enclosure, bay, bay.drive.as_ref()?)))
    })
}

/// A value of each drive that can be seen now.
fn of_each(source: &Source<'_>, series: &mut Series<'_>, pick: fn(&DriveView) -> Option<f64>) {
    for (enclosure, bay, drive) in filled(source.drives).filter(|(enclosure, ..)| enclosure.seen) {
        let device = drive.device.as_deref().unwrap_or_default();
        let labels = [
            enclosure.name.as_str(),
            &bay.place,
            &drive.serial,
            &enclosure.agent,
            device,
        ];
        series.put_some(&labels, pick(drive));
    }
}

/// A sum over the drives of each enclosure, by whose they are: each word, also where there is none, so that a graph does not jump.
fn by_tenancy(source: &Source<'_>, series: &mut Series<'_>, sum: fn(&[&DriveView]) -> f64) {
    for enclosure in &source.drives.enclosures {
        for tenancy in DriveTenancy::ALL {
            let drives: Vec<&DriveView> = enclosure
                .bays
                .iter()
                .filter_map(|bay| bay.drive.as_ref())
                .filter(|drive| drive.tenancy == tenancy)
                .collect();
            series.put(&[&enclosure.name, tenancy.word()], sum(&drives));
        }
    }
}

/// Since when the drive of each enclosure is held that is held for the longest, of those that are held with an end or without one.
fn oldest(source: &Source<'_>, series: &mut Series<'_>, has_end: bool) {
    let mut oldest: BTreeMap<&str, Moment> = BTreeMap::new();
    for (enclosure, _, drive) in filled(source.drives) {
        if drive.tenancy == DriveTenancy::Held && drive.held_until.is_some() == has_end {
            let since = oldest.entry(&enclosure.name).or_insert(drive.since);
            *since = (*since).min(drive.since);
        }
    }
    for (enclosure, since) in oldest {
        series.put(&[enclosure], seconds(since));
    }
}

fn info(source: &Source<'_>, series: &mut Series<'_>) {
    for (enclosure, bay, drive) in filled(source.drives) {
        let holder = drive.holder.as_ref();
        let labels = [
            enclosure.name.as_str(),
            &bay.place,
            &drive.serial,
            drive.model.as_deref().unwrap_or_default(),
            drive.tenancy.word(),
            holder.map_or("", |holder| holder.purpose.as_str()),
            holder.map_or("", |holder| holder.node.as_str()),
        ];
        series.put(&labels, 1.0);
    }
}

fn lost(source: &Source<'_>, series: &mut Series<'_>) {
    for claim in &source.drives.claims {
        for (ending, word) in ENDINGS {
            let is_it = |lost: &&LostDrive| lost.ending == ending;
            let how_many = claim.lost.iter().filter(is_it).count();
            if how_many > 0 {
                series.put(&[&claim.purpose, &claim.node, word], count(how_many));
            }
        }
    }
}

const fn flag(on: bool) -> f64 {
    if on { 1.0 } else { 0.0 }
}

/// The families.
pub(super) static FAMILIES: &[Family] = &[
    Family {
        name: "busbar_rack_drive_enclosure_up",
        kind: Kind::Gauge,
        labels: &["enclosure", "node"],
        help: "Whether the agent that lends the enclosure's drives answers",
        fill: |source, series| {
            for enclosure in &source.drives.enclosures {
                series.put(&[&enclosure.name, &enclosure.agent], flag(enclosure.seen));
            }
        },
    },
    Family {
        name: "busbar_rack_drives",
        kind: Kind::Gauge,
        labels: &["enclosure", "tenancy"],
        help: "Drives in the enclosure's bays by whose they are (foreign, free, claimed, releasing, held, wiping, failed), as the journal has it",
        fill: |source, series| by_tenancy(source, series, |drives| count(drives.len())),
    },
    Family {
        name: "busbar_rack_drive_bytes",
        kind: Kind::Gauge,
        labels: &["enclosure", "tenancy"],
        help: "What they hold together",
        fill: |source, series| {
            by_tenancy(source, series, |drives| {
                drives
                    .iter()
                    .map(|drive| drive.size_bytes)
                    .sum::<Bytes>()
                    .as_f64()
            });
        },
    },
    Family {
        name: "busbar_rack_drives_away",
        kind: Kind::Gauge,
        labels: &[],
        help: "Drives that the journal knows and that sit in no bay; absent where no enclosure is configured",
        fill: |source, series| {
            if !source.drives.enclosures.is_empty() {
                series.put(&[], count(source.drives.away.len()));
            }
        },
    },
    Family {
        name: "busbar_rack_drive_info",
        kind: Kind::Info,
        labels: &["enclosure", "bay", "serial", "model", "tenancy", "claim", "node"],
        help: "Each drive in a bay, whose it is, and the claim and the node that have it or left what is on it",
        fill: info,
    },
    Family {
        name: "busbar_rack_drive_bay_faulted",
        kind: Kind::Gauge,
        labels: &["enclosure", "bay"],
        help: "Whether what is in the bay cannot be told from another drive, or was given up; absent while its enclosure is silent",
        fill: |source, series| {
            for enclosure in source.drives.enclosures.iter().filter(|one| one.seen) {
                for bay in &enclosure.bays {
                    let is_bad = matches!(bay.life, BayLife::Faulted | BayLife::Condemned);
                    series.put(&[&enclosure.name, &bay.place], flag(is_bad));
                }
            }
        },
    },
    Family {
        name: "busbar_rack_drive_wrong_pulled",
        kind: Kind::Gauge,
        labels: &["enclosure", "bay", "serial"],
        help: "1 while the drive of this serial number is out, which was pulled instead of the one in this bay; absent where none is",
        fill: |source, series| {
            for enclosure in &source.drives.enclosures {
                for bay in &enclosure.bays {
                    if let Some(serial) = &bay.wrong_pulled {
                        series.put(&[&enclosure.name, &bay.place, serial], 1.0);
                    }
                }
            }
        },
    },
    Family {
        name: "busbar_rack_drive_wear_ratio",
        kind: Kind::Gauge,
        labels: &ONE,
        help: "Part of a drive's rated life that is used; it may go beyond 1; absent where it does not tell or its enclosure is silent",
        fill: |source, series| {
            of_each(source, series, |drive| {
                Some(f64::from(drive.percent_used?) / 100.0)
            })
        },
    },
    Family {
        name: "busbar_rack_drive_failing",
        kind: Kind::Gauge,
        labels: &ONE,
        help: "Whether the drive says of itself that it will fail; absent while its enclosure is silent",
        fill: |source, series| of_each(source, series, |drive| Some(flag(drive.predicts_failure))),
    },
    Family {
        name: "busbar_rack_drive_hung",
        kind: Kind::Gauge,
        labels: &ONE,
        help: "Whether the drive does not answer in time; absent while its enclosure is silent",
        fill: |source, series| of_each(source, series, |drive| Some(flag(drive.is_hung))),
    },
    Family {
        name: "busbar_rack_drive_doubts",
        kind: Kind::Gauge,
        labels: &ONE,
        help: "Things that the drive says and that cannot be believed, and whether it was away and nobody knows what was done to it there",
        fill: |source, series| {
            of_each(source, series, |drive| {
                let away = usize::from(drive.unsealed.is_some());
                Some(count(drive.doubts.len().saturating_add(away)))
            });
        },
    },
    Family {
        name: "busbar_rack_drive_erased_ratio",
        kind: Kind::Gauge,
        labels: &ONE,
        help: "How far an erasure is, as the device says; absent where none runs or it does not tell",
        fill: |source, series| {
            of_each(source, series, |drive| {
                let permille = drive.erasing.as_ref()?.permille?;
                Some(number(u64::from(permille)) / 1_000.0)
            });
        },
    },
    Family {
        name: "busbar_rack_drive_oldest_hold_timestamp_seconds",
        kind: Kind::Gauge,
        labels: &["enclosure"],
        help: "Since when the drive is held that was given back first of those that are held; absent where none is",
        fill: |source, series| oldest(source, series, true),
    },
    Family {
        name: "busbar_rack_drive_oldest_endless_hold_timestamp_seconds",
        kind: Kind::Gauge,
        labels: &["enclosure"],
        help: "The same of drives that are held until somebody says what becomes of them",
        fill: |source, series| oldest(source, series, false),
    },
    Family {
        name: "busbar_rack_drive_claim_ready",
        kind: Kind::Gauge,
        labels: &["claim", "node"],
        help: "Whether the claim's node has seen each of its drives and may use it",
        fill: |source, series| {
            for claim in &source.drives.claims {
                series.put(&[&claim.purpose, &claim.node], flag(claim.is_ready()));
            }
        },
    },
    Family {
        name: "busbar_rack_drive_claim_lost",
        kind: Kind::Gauge,
        labels: &["claim", "node", "ending"],
        help: "Drives that the claim had and lost, by why; absent where it lost none",
        fill: lost,
    },
];
