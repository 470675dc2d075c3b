//! From a file as it is to the file as it shall be: nothing, or one step in the right phase.

use std::path::{Path, PathBuf};

use intent::WorkloadId;

use crate::host::Host;
use crate::isolator::{IsolateError, Phase};
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
        }
    }
}

/// What a file says now; `None` where it is not there.
pub(super) fn read(host: &Host, file: &Path) -> Result<Option<String>, IsolateError> {
    host.read(file).map_err(|cause| IsolateError::Unreadable {
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
    if before
        .as_deref()
        .is_some_and(|said| wanted.reads.agree(&wanted.value, said))
    {
        return Ok(None);
    }
    Ok(Some((phase, wanted.step(before))))
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
    unless_said(host, phase, wanted)
}

impl Reads {
    /// Whether what is read back means what was written.
    pub(crate) fn agree(self, written: &str, read: &str) -> bool {
        match self {
            Reads::Same | Reads::Partition => written == read,
            Reads::List => same_list(written, read),
            Reads::Bytes => same_bytes(written, read),
        }
    }
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
        assert!(!Reads::Partition.agree("root", "root invalid (cpuset.cpus is empty)"));
    }
}
