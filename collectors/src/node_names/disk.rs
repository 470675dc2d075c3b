//! Names of node_exporter's `diskstats`.

use facts::sheet::Writing;

use crate::columns;
use crate::disk_io::{COLUMNS, MILLISECONDS, SECTOR};
use crate::root::Root;

facts::families! {
    READS_COMPLETED_TOTAL Counter "node_disk_reads_completed_total" ["device"]
        "Reads that completed." from "/proc/diskstats";
    READS_MERGED_TOTAL Counter "node_disk_reads_merged_total" ["device"]
        "Reads that were merged." from "/proc/diskstats";
    READ_BYTES_TOTAL Counter "node_disk_read_bytes_total" ["device"]
        "Bytes read." from "/proc/diskstats";
    READ_TIME_SECONDS_TOTAL Counter "node_disk_read_time_seconds_total" ["device"]
        "Time that reads took." from "/proc/diskstats";
    WRITES_COMPLETED_TOTAL Counter "node_disk_writes_completed_total" ["device"]
        "Writes that completed." from "/proc/diskstats";
    WRITES_MERGED_TOTAL Counter "node_disk_writes_merged_total" ["device"]
        "Writes that were merged." from "/proc/diskstats";
    WRITTEN_BYTES_TOTAL Counter "node_disk_written_bytes_total" ["device"]
        "Bytes written." from "/proc/diskstats";
    WRITE_TIME_SECONDS_TOTAL Counter "node_disk_write_time_seconds_total" ["device"]
        "Time that writes took." from "/proc/diskstats";
    IO_NOW Gauge "node_disk_io_now" ["device"]
        "Requests under way." from "/proc/diskstats";
    IO_TIME_SECONDS_TOTAL Counter "node_disk_io_time_seconds_total" ["device"]
        "Time in which any request was under way." from "/proc/diskstats";
    IO_TIME_WEIGHTED_SECONDS_TOTAL Counter "node_disk_io_time_weighted_seconds_total" ["device"]
        "Time of requests under way, weighted by their number." from "/proc/diskstats";
    DISCARDS_COMPLETED_TOTAL Counter "node_disk_discards_completed_total" ["device"]
        "Discards that completed." from "/proc/diskstats";
    DISCARDS_MERGED_TOTAL Counter "node_disk_discards_merged_total" ["device"]
        "Discards that were merged." from "/proc/diskstats";
    DISCARDED_SECTORS_TOTAL Counter "node_disk_discarded_sectors_total" ["device"]
        "Sectors discarded." from "/proc/diskstats";
    DISCARD_TIME_SECONDS_TOTAL Counter "node_disk_discard_time_seconds_total" ["device"]
        "Time that discards took." from "/proc/diskstats";
    FLUSH_REQUESTS_TOTAL Counter "node_disk_flush_requests_total" ["device"]
        "Flushes that completed." from "/proc/diskstats";
    FLUSH_REQUESTS_TIME_SECONDS_TOTAL Counter "node_disk_flush_requests_time_seconds_total" ["device"]
        "Time that flushes took." from "/proc/diskstats";
    INFO Info "node_disk_info" ["device", "major", "minor", "path", "wwn", "model", "serial", "revision"]
        "Who a disk is; always 1." from "/proc/diskstats, udev";
}

/// How a column is told.
enum Unit {
    One,
    Sectors,
    Milliseconds,
}

/// The columns, in their order; the table begins with their families.
const UNITS: [Unit; COLUMNS] = [
    Unit::One,
    Unit::One,
    Unit::Sectors,
    Unit::Milliseconds,
    Unit::One,
    Unit::One,
    Unit::Sectors,
    Unit::Milliseconds,
    Unit::One,
    Unit::Milliseconds,
    Unit::Milliseconds,
    Unit::One,
    Unit::One,
    Unit::One,
    Unit::Milliseconds,
    Unit::One,
    Unit::Milliseconds,
];

/// What `node_disk_info` tells.
#[derive(Debug)]
pub(crate) struct About {
    major: String,
    minor: String,
    /// udev's path, WWN, model, serial and revision; empty where udev knows none.
    words: [String; 5],
}

/// udev's properties, in the order of the labels.
const PROPERTIES: [&str; 5] = [
    "E:ID_PATH=",
    "E:ID_WWN=",
    "E:ID_MODEL=",
    "E:ID_SERIAL_SHORT=",
    "E:ID_REVISION=",
];

impl About {
    /// From udev's database.
    pub(crate) fn read(root: &Root, major: u64, minor: u64) -> About {
        let text = root
            .read(&format!("run/udev/data/b{major}:{minor}"))
            .unwrap_or_default();
        let word = |property: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(property))
                .unwrap_or_default()
        };
        About {
            major: major.to_string(),
            minor: minor.to_string(),
            words: PROPERTIES.map(|property| word(property).to_owned()),
        }
    }
}

/// Which devices node_exporter shows by default: not RAM disks, loops, floppies, and no partitions of the usual drives.
pub(crate) fn is_shown(name: &str) -> bool {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if stem.len() == name.len() {
        return true;
    }
    let is_letter_behind = |prefix: &str| {
        stem.strip_prefix(prefix).is_some_and(|rest| {
            let mut letters = rest.chars();
            letters.next().is_some_and(|c| c.is_ascii_lowercase()) && letters.next().is_none()
        })
    };
    let is_nvme_partition = stem
        .strip_prefix("nvme")
        .and_then(|rest| rest.strip_suffix('p'))
        .and_then(|rest| rest.split_once('n'))
        .is_some_and(|(one, other)| {
            [one, other]
                .iter()
                .all(|part| columns::whole(part.as_bytes()).is_some())
        });
    let is_left_out = ["ram", "loop", "fd"].contains(&stem)
        || ["hd", "sd", "vd", "xvd"].into_iter().any(is_letter_behind)
        || is_nvme_partition;
    !is_left_out
}

/// One device; `count` gives its columns.
pub(crate) fn write(
    device: &str,
    about: &About,
    count: impl Fn(usize) -> Option<u64>,
    sheet: &mut Writing<'_>,
) {
    let [path, wwn, model, serial, revision] = &about.words;
    let labels = [
        device,
        &about.major,
        &about.minor,
        path,
        wwn,
        model,
        serial,
        revision,
    ];
    sheet.add(&INFO, &labels, Some(1_u64));
    for (at, (family, unit)) in TABLE.iter().copied().zip(&UNITS).enumerate() {
        let Some(count) = count(at) else { break };
        match unit {
            Unit::One => sheet.add(family, &[device], Some(count)),
            Unit::Sectors => sheet.add(family, &[device], count.checked_mul(SECTOR)),
            Unit::Milliseconds => sheet.add(family, &[device], Some(columns::float(count) / MILLISECONDS)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_devices_are_those_of_node_exporters_default() {
        for shown in [
            "sda",
            "nvme0n1",
            "dm-0",
            "md127",
            "zram0",
            "sr0",
            "mmcblk0p1",
            "nvme0c0n1",
            "sdaa1",
            "vda",
        ] {
            assert!(is_shown(shown), "{shown}");
        }
        for left_out in [
            "sda1",
            "hdb12",
            "vda3",
            "xvdb1",
            "nvme0n1p1",
            "nvme12n3p45",
            "ram0",
            "loop7",
            "fd0",
        ] {
            assert!(!is_shown(left_out), "{left_out}");
        }
    }
}
