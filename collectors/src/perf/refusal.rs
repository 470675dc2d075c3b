//! What the kernel's errors mean when it opens no counter (perf_event_open(2), ERRORS).

use std::io;

use facts::NoData;
use nix::errno::Errno;

use crate::collector::CollectError;

/// Who may watch what: 2 keeps kernels and CPUs to CAP_PERFMON, -1 lets everybody.
const PARANOID: &str = "/proc/sys/kernel/perf_event_paranoid";

/// No counter, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    errno: Option<Errno>,
    said: String,
    /// Whether it is the cgroup that was refused, not the event.
    is_cgroups: bool,
}

impl From<&io::Error> for Refusal {
    fn from(error: &io::Error) -> Refusal {
        Refusal {
            errno: error.raw_os_error().map(Errno::from_raw),
            said: error.to_string(),
            is_cgroups: false,
        }
    }
}

impl Refusal {
    /// Whether this was said.
    pub fn is(&self, errno: Errno) -> bool {
        self.errno == Some(errno)
    }

    /// Whether the event could not be put beside those already in its group: it may still count in a group of its own.
    pub fn is_crowded(&self) -> bool {
        self.is(Errno::EINVAL) || self.is(Errno::ENOSPC)
    }

    /// Whether no descriptor is left.
    pub fn is_out_of_files(&self) -> bool {
        self.is(Errno::EMFILE) || self.is(Errno::ENFILE)
    }

    /// The same of an event that every kernel counts: it is the cgroup's hierarchy that perf does not know. The kernel says
    /// ENOENT of a directory of another v1 controller, and EBADF of one that is no cgroup.
    #[must_use]
    pub fn of_cgroup(self) -> Refusal {
        Refusal {
            is_cgroups: self.is(Errno::ENOENT) || self.is(Errno::EBADF),
            ..self
        }
    }

    /// Whether a permission is missing.
    pub fn is_forbidden(&self) -> bool {
        self.is(Errno::EACCES) || self.is(Errno::EPERM)
    }

    /// Whether the CPU is off.
    pub fn is_gone(&self) -> bool {
        self.is(Errno::ENODEV)
    }

    /// Whether it speaks of this event alone: others may still be counted.
    pub fn is_one_events(&self) -> bool {
        self.reason() == NoData::Unsupported
            && !self.is_gone()
            && !self.is(Errno::EBADF)
            && !self.is(Errno::ENOSYS)
    }

    /// The reason in one word.
    pub fn reason(&self) -> NoData {
        // A table and no match: the kernel has many more error numbers.
        const REASONS: [(Errno, NoData); 11] = [
            (Errno::EACCES, NoData::Refused),
            (Errno::EPERM, NoData::Refused),
            (Errno::ENOENT, NoData::Unsupported),
            (Errno::EOPNOTSUPP, NoData::Unsupported),
            (Errno::ENOSYS, NoData::Unsupported),
            (Errno::EINVAL, NoData::Unsupported),
            (Errno::ENODEV, NoData::Unsupported),
            (Errno::EBADF, NoData::Unsupported),
            (Errno::EBUSY, NoData::Refused),
            (Errno::EMFILE, NoData::Refused),
            (Errno::ENFILE, NoData::Refused),
        ];
        let of = |errno: Errno| REASONS.iter().find(|(known, _)| *known == errno);
        self.errno
            .and_then(of)
            .map_or(NoData::Garbled, |(_, reason)| *reason)
    }

    /// What it means, for this `what`: the kernel's own words, and what can be done.
    pub fn explain(&self, what: &str) -> String {
        let meaning = match self.reason() {
            NoData::Refused if self.is_out_of_files() => {
                "the process may hold no more open files (RLIMIT_NOFILE)".to_owned()
            }
            NoData::Refused if self.is(Errno::EBUSY) => {
                "somebody else holds the counters for himself".to_owned()
            }
            NoData::Refused => format!(
                "CAP_PERFMON (kernels before 5.8: CAP_SYS_ADMIN) is needed, or {PARANOID} of 0 or less; it is {}",
                paranoid()
            ),
            NoData::Unsupported if self.is_cgroups => {
                "the cgroup's hierarchy has no perf_event controller".to_owned()
            }
            NoData::Unsupported if self.is(Errno::ENOSYS) => {
                "the kernel was built without CONFIG_PERF_EVENTS, or a sandbox forbids perf_event_open"
                    .to_owned()
            }
            NoData::Unsupported => {
                "no PMU counts it here: a hypervisor without a virtual PMU, or hardware without the counter"
                    .to_owned()
            }
            NoData::Absent | NoData::Off | NoData::Timeout | NoData::Garbled => {
                "perf_event_open(2) does not say what that means".to_owned()
            }
        };
        format!("cannot count {what}: {}: {meaning}", self.said)
    }

    /// This as an error of the whole source.
    pub fn error(&self, what: &str) -> CollectError {
        CollectError::new(self.reason(), self.explain(what))
    }
}

fn paranoid() -> String {
    std::fs::read_to_string(PARANOID).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(errno: Errno) -> Refusal {
        Refusal::from(&io::Error::from(errno))
    }

    #[test]
    fn no_pmu_and_no_permission_are_two_things() {
        for errno in [Errno::ENOENT, Errno::EOPNOTSUPP] {
            let text = refusal(errno).explain("cycles");
            assert_eq!(refusal(errno).reason(), NoData::Unsupported);
            assert!(text.contains("hypervisor without a virtual PMU"), "{text}");
        }
        let text = refusal(Errno::EACCES).explain("cycles");
        assert_eq!(refusal(Errno::EACCES).reason(), NoData::Refused);
        assert!(
            text.contains("perf_event_paranoid") && text.contains("CAP_PERFMON"),
            "{text}"
        );
        assert!(refusal(Errno::EMFILE).explain("cycles").contains("RLIMIT_NOFILE"));
        for errno in [Errno::ENOENT, Errno::EBADF] {
            let refusal = refusal(errno).of_cgroup();
            let text = refusal.explain("a cgroup");
            assert_eq!(refusal.reason(), NoData::Unsupported);
            assert!(text.contains("no perf_event controller"), "{text}");
        }
        assert_eq!(refusal(Errno::EIO).reason(), NoData::Garbled);
    }
}
