//! The kernel's lists of CPUs and NUMA nodes, and which CPUs we may use: a change of one of them means that the topology is another.

use collectors::{Kept, Root};

/// The lists.
const LISTS: [&str; 3] = [
    "sys/devices/system/cpu/online",
    "sys/devices/system/cpu/present",
    "sys/devices/system/node/online",
];

/// Our own status, and its line with the CPUs that a cpuset leaves to us: a partition that comes or goes changes it
/// (proc_pid_status(5)).
const OWN_STATUS: &str = "proc/self/status";
const ALLOWED: &[u8] = b"Cpus_allowed_list:";

/// The files, kept open, and what each said last; nothing where it cannot be read.
pub(super) struct Hints {
    files: Vec<(Kept, Vec<u8>)>,
    buffer: Vec<u8>,
}

impl Hints {
    /// As they are now.
    pub(super) fn now(root: &Root) -> Hints {
        let files = LISTS.into_iter().chain([OWN_STATUS]);
        let mut hints = Hints {
            files: files.map(|file| (Kept::new(root, file), Vec::new())).collect(),
            buffer: Vec::new(),
        };
        hints.have_changed();
        hints
    }

    /// Reads them again, and tells whether one of them says something else.
    pub(super) fn have_changed(&mut self) -> bool {
        let mut is_changed = false;
        for (file, said) in &mut self.files {
            let text = file.read(&mut self.buffer).unwrap_or_default();
            let mut lines = text.split(|byte| *byte == b'\n');
            let says = match file.relative() {
                OWN_STATUS => lines.find(|line| line.starts_with(ALLOWED)),
                _ => lines.next(),
            };
            let says = says.unwrap_or_default();
            if *said != says {
                is_changed = true;
                said.clear();
                said.extend_from_slice(says);
            }
        }
        is_changed
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_list_that_changes_is_told_once_and_the_rest_of_our_status_never() {
        let dir = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let file = dir.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        for list in LISTS {
            write(list, "0-3\n");
        }
        write(OWN_STATUS, "State:\tS (sleeping)\nCpus_allowed_list:\t0-3\n");
        let mut hints = Hints::now(&Root::at(dir.path()).unwrap());
        assert!(!hints.have_changed());
        for (file, text, expected) in [
            (LISTS[0], "0-2\n", true),
            (LISTS[0], "0-2\n", false),
            (LISTS[2], "0\n", true),
            (
                OWN_STATUS,
                "State:\tR (running)\nCpus_allowed_list:\t0-3\n",
                false,
            ),
            (OWN_STATUS, "State:\tR (running)\nCpus_allowed_list:\t0-1\n", true),
        ] {
            write(file, text);
            assert_eq!(hints.have_changed(), expected, "{file}: {text}");
        }
        std::fs::remove_file(dir.path().join(LISTS[1])).unwrap();
        assert!(hints.have_changed());
        assert!(!hints.have_changed());
    }
}
