//! What the files of a workload's cgroups count (Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::columns::{lines, whole, words};

/// v2: `usage_usec`, `throttled_usec`; v1 (controller cpu): `throttled_time` in nanoseconds.
const CPU_STAT: &str = "cpu.stat";
/// v1 (controller cpuacct): nanoseconds.
const CPUACCT_USAGE: &str = "cpuacct.usage";
/// v2.
const MEMORY_CURRENT: &str = "memory.current";
/// v1 (controller memory).
const MEMORY_USAGE_IN_BYTES: &str = "memory.usage_in_bytes";

/// What the kernel counted since the cgroup was made; `None` where no hierarchy of the workload counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// CPU time.
    pub cpu: Option<Duration>,
    /// Time in which it was throttled.
    pub throttled: Option<Duration>,
    /// Memory that is charged to it, in bytes.
    pub memory: Option<u64>,
}

/// Reads the files of these directories. What is not there is `None`; what is garbled is counted in `invalid`.
pub fn read(cgroups: &[PathBuf], invalid: &mut u64) -> Files {
    let mut files = Files::default();
    for directory in cgroups {
        if let Some(text) = bytes(directory, CPU_STAT) {
            take_stat(&mut files, &text, invalid);
        }
        let mut number = |file| {
            let text = bytes(directory, file)?;
            let number = whole(text.trim_ascii());
            *invalid += u64::from(number.is_none());
            number
        };
        files.cpu = files
            .cpu
            .or_else(|| number(CPUACCT_USAGE).map(Duration::from_nanos));
        files.memory = files
            .memory
            .or_else(|| number(MEMORY_CURRENT).or_else(|| number(MEMORY_USAGE_IN_BYTES)));
    }
    files
}

fn take_stat(files: &mut Files, text: &[u8], invalid: &mut u64) {
    for line in lines(text) {
        let mut words = words(line);
        let (Some(key), Some(value)) = (words.next(), words.next()) else {
            continue;
        };
        let place = match key {
            b"usage_usec" => &mut files.cpu,
            b"throttled_usec" | b"throttled_time" => &mut files.throttled,
            _ => continue,
        };
        let time = whole(value).map(|number| {
            if key.ends_with(b"_usec") {
                Duration::from_micros(number)
            } else {
                Duration::from_nanos(number)
            }
        });
        *invalid += u64::from(time.is_none());
        *place = time;
    }
}

fn bytes(directory: &Path, file: &str) -> Option<Vec<u8>> {
    fs::read(directory.join(file)).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Vec<PathBuf>) {
        let directory = tempfile::tempdir().unwrap();
        let mut cgroups = Vec::new();
        for (file, text) in files {
            let path = directory.path().join(file);
            let parent = path.parent().unwrap().to_owned();
            fs::create_dir_all(&parent).unwrap();
            fs::write(&path, text).unwrap();
            if !cgroups.contains(&parent) {
                cgroups.push(parent);
            }
        }
        (directory, cgroups)
    }

    #[test]
    fn both_versions_are_read_in_their_units() {
        let (_tree, v2) = tree(&[
            (
                "w/cpu.stat",
                "usage_usec 1500000\nuser_usec 1000000\nnr_throttled 2\nthrottled_usec 250000\n",
            ),
            ("w/memory.current", "4096\n"),
        ]);
        let mut invalid = 0;
        let expected = Files {
            cpu: Some(Duration::from_millis(1_500)),
            throttled: Some(Duration::from_millis(250)),
            memory: Some(4_096),
        };
        assert_eq!(read(&v2, &mut invalid), expected);
        let (_tree, v1) = tree(&[
            (
                "cpu/w/cpu.stat",
                "nr_periods 1\nnr_throttled 2\nthrottled_time 250000000\n",
            ),
            ("cpuacct/w/cpuacct.usage", "1500000000\n"),
            ("memory/w/memory.usage_in_bytes", "4096\n"),
        ]);
        assert_eq!(read(&v1, &mut invalid), expected);
        assert_eq!(invalid, 0);
    }

    #[test]
    fn what_is_no_number_is_counted_and_not_shown() {
        let (_tree, cgroups) = tree(&[
            (
                "w/cpu.stat",
                "usage_usec -1\nthrottled_usec\nthrottled_time 99999999999999999999999\n\u{0}\n",
            ),
            ("w/memory.current", "max\n"),
        ]);
        let mut invalid = 0;
        assert_eq!(read(&cgroups, &mut invalid), Files::default());
        assert_eq!(invalid, 3);
        assert_eq!(read(&[PathBuf::from("/nowhere")], &mut invalid), Files::default());
    }
}
