//! From a file as it is to the file as it shall be: nothing, or one step in the right phase.

use std::path::{Path, PathBuf};

use intent::WorkloadId;

use crate::host::Host;
use crate::isolator::{IsolateError, Phase};
use crate::mask::CpuMask;
use crate::step::{Reads, Step};

/// What a file shall say.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub file: PathBuf,
    pub value: String,
    pub reads: Reads,
    pub partition_of: Vec<WorkloadId>,
}

impl Wanted {
    pub(super) fn new(file: PathBuf, value: impl Into<String>, reads: Reads) -> Wanted {
        Wanted {
            file,
            value: value.into(),
            reads,
            partition_of: Vec::new(),
        }
    }

    pub(super) fn only_for(mut self, workloads: Vec<WorkloadId>) -> Wanted {
        self.partition_of = workloads;
        self
    }

    /// The step that writes it.
    pub(super) fn step(self, before: Option<String>) -> Step {
        Step::WriteFile {
            file: self.file,
            value: self.value,
            before,
            reads: self.reads,
            partition_of: self.partition_of,
            refusal_to: None,
        }
    }
}

/// What a file says now; `None` where it is not there.
pub(super) fn read(host: &Host, file: &Path) -> Result<Option<String>, IsolateError> {
    host.recalled(file).map_err(|cause| IsolateError::Unreadable {
        path: file.to_owned(),
        cause,
    })
}

/// One step in this phase, or none where the file says it already.
pub(super) fn unless_said(
    host: &Host,
    phase: Phase,
    wanted: Wanted,
) -> Result<Option<(Phase, Step)>, IsolateError> {
    let before = read(host, &wanted.file)?;
    Ok(unless_it_said(phase, wanted, before))
}

/// The same, where what the file says was read already.
pub(super) fn unless_it_said(phase: Phase, wanted: Wanted, before: Option<String>) -> Option<(Phase, Step)> {
    let agrees = |said: &str| wanted.reads.agree(&wanted.value, said);
    if before.as_deref().is_some_and(agrees) {
        return None;
    }
    Some((phase, wanted.step(before)))
}

/// A limit: lowering it is a release, raising it is a grant, setting it in a new cgroup is part of the shape.
/// `number` reads a limit; no limit is the largest number.
pub(super) fn limit(
    host: &Host,
    wanted: Wanted,
    number: fn(&str) -> Option<u64>,
) -> Result<Option<(Phase, Step)>, IsolateError> {
    let before = read(host, &wanted.file)?;
    let phase = match before.as_deref().map(number) {
        Some(Some(is)) if number(&wanted.value).is_some_and(|shall| shall < is) => Phase::Release,
        Some(_) => Phase::Grant,
        None => Phase::Shape,
    };
    Ok(unless_it_said(phase, wanted, before))
}

impl Reads {
    /// Whether what is read back means what was written.
    pub(crate) fn agree(self, written: &str, read: &str) -> bool {
        match self {
            Reads::Same | Reads::Partition => written == read,
            Reads::List => same_list(written, read),
            Reads::Bytes => same_bytes(written, read),
            Reads::Keyed => same_line(written, read),
            Reads::Mask => CpuMask::parse(written).is_some_and(|mask| CpuMask::parse(read) == Some(mask)),
            Reads::Microwatts => same_power(written, read),
            Reads::Schemata => same_schemata(written, read),
        }
    }
}

/// The words behind a key: of `8:16 rbps=1 wbps=max` those after `8:16`.
pub(super) fn keyed<'a>(text: &'a str, key: &str) -> Option<Vec<&'a str>> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some(key)).then(|| words.collect())
    })
}

/// What means that nothing is set: such a line may be missing.
const NOTHING: [&str; 4] = ["max", "0", "default", "target=0"];

fn same_line(written: &str, read: &str) -> bool {
    let mut words = written.split_whitespace();
    let key = words.next().unwrap_or_default();
    let shown = keyed(read, key);
    words.all(|word| match &shown {
        Some(shown) => shown.contains(&word),
        None => NOTHING.contains(&word) || word.ends_with("=max"),
    })
}

/// RAPL counts in parts of a watt and rounds down to one of them; the largest that is defined is 1 W.
const LARGEST_POWER_UNIT: u64 = 1_000_000;

fn same_power(written: &str, read: &str) -> bool {
    let (Ok(written), Ok(read)) = (written.parse::<u64>(), read.parse::<u64>()) else {
        return false;
    };
    written
        .checked_sub(read)
        .is_some_and(|lost| lost < LARGEST_POWER_UNIT)
}

/// One line of a schemata, `L3:0=f;1=3`, against the whole file: each domain that was written must say it.
fn same_schemata(written: &str, read: &str) -> bool {
    written.lines().all(|line| {
        let Some((resource, domains)) = line.split_once(':') else {
            return false;
        };
        let shown = read.lines().find_map(|line| {
            let (name, domains) = line.trim().split_once(':')?;
            (name == resource).then_some(domains)
        });
        let Some(shown) = shown else { return false };
        domains.split(';').all(|domain| {
            let found = shown.split(';').find_map(|found| same_domain(domain, found));
            found.unwrap_or(false)
        })
    })
}

/// Whether two `0=00f` of the same domain say the same; `None` where they are of two. Leading zeros mean nothing.
fn same_domain(written: &str, read: &str) -> Option<bool> {
    let ((one, wanted), (other, said)) = (written.split_once('=')?, read.split_once('=')?);
    let bare = |text: &str| text.trim().trim_start_matches('0').to_owned();
    (one.trim() == other.trim()).then(|| bare(wanted) == bare(said))
}

fn same_list(written: &str, read: &str) -> bool {
    let written: Result<facts::CpuSet, _> = written.parse();
    let read: Result<facts::CpuSet, _> = read.parse();
    matches!((written, read), (Ok(written), Ok(read)) if written == read)
}

/// The largest page of any architecture that Linux runs servers on; limits are rounded down to whole pages.
const LARGEST_PAGE: u64 = 65_536;

fn same_bytes(written: &str, read: &str) -> bool {
    let (Ok(written), Ok(read)) = (written.parse::<u64>(), read.parse::<u64>()) else {
        return written == read;
    };
    written.checked_sub(read).is_some_and(|lost| lost < LARGEST_PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_rounds_and_sorts_agrees() {
        assert!(Reads::List.agree("0,1,2", "0-2"));
        assert!(Reads::List.agree("", ""));
        assert!(!Reads::List.agree("0", "0-1"));
        assert!(Reads::Bytes.agree("4097", "4096"));
        assert!(!Reads::Bytes.agree("4096", "8192"));
        assert!(Reads::Bytes.agree("max", "max"));
        assert!(!Reads::Bytes.agree("4096", "max"));
        assert!(Reads::Keyed.agree(
            "8:16 rbps=1 riops=max",
            "8:0 rbps=9\n8:16 rbps=1 wbps=7 riops=max wiops=max"
        ));
        assert!(!Reads::Keyed.agree("8:16 rbps=1", "8:16 rbps=2 wbps=max"));
        assert!(Reads::Keyed.agree("8:16 rbps=max", "8:0 rbps=1"));
        assert!(Reads::Mask.agree("3", "00000000,00000003"));
        assert!(Reads::Microwatts.agree("100100000", "100000000"));
        assert!(!Reads::Microwatts.agree("100000000", "140000000"));
        assert!(Reads::Schemata.agree("L3:1=3", "    MB:0=100;1=100\n    L3:0=fff;1=003"));
        assert!(!Reads::Schemata.agree("L3:0=3", "L3:0=fff;1=003"));
        assert!(!Reads::Partition.agree("root", "root invalid (cpuset.cpus is empty)"));
    }
}
