//! What files of our own cgroups said when they were last read: between two sweeps nobody but us writes there, and whoever does is heard.
//!
//! A start among a hundred workloads would otherwise read a dozen files of each, twice. A sweep forgets all of it and looks anew, so
//! what somebody else changed is noticed no later than without.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::ops::Bound;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::record::Refusal;

/// Parts of names of files that the kernel changes by itself, or because another file was written.
const NEVER: [&str; 4] = ["partition", "exclusive", "effective", "cgroup."];
/// More than a thousand workloads have; beyond it nothing more is remembered.
const MOST: usize = 32_768;

/// So long a refusal of the kernel stands though nobody has an exclusive CPU any more: who asks for the first one again soon after
/// need not wait while the same interrupts refuse the same once more.
const REFUSED: Duration = Duration::from_secs(60);

/// What was refused, and when.
type Refused = BTreeMap<PathBuf, (Instant, Refusal)>;

/// Shared by all copies of a host.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recall {
    said: Arc<Mutex<BTreeMap<OsString, String>>>,
    refused: Arc<Mutex<Refused>>,
}

impl Recall {
    fn all(&self) -> MutexGuard<'_, BTreeMap<OsString, String>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refused(&self) -> MutexGuard<'_, Refused> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if !refused.is_empty() {
            let now = Instant::now();
            refused.retain(|_, (at, _)| now.duration_since(*at) < REFUSED);
        }
        refused
    }

    /// What the kernel refused lately.
    pub(crate) fn refusals(&self) -> BTreeMap<PathBuf, Refusal> {
        let refused = self.refused();
        let all = refused.iter();
        all.map(|(file, (_, refusal))| (file.clone(), refusal.clone()))
            .collect()
    }

    /// Notes what the kernel refused just now.
    pub(crate) fn note_refusals(&self, refused: &BTreeMap<PathBuf, Refusal>) {
        let now = Instant::now();
        let new = refused.iter();
        let new = new.map(|(file, refusal)| (file.clone(), (now, refusal.clone())));
        self.refused().extend(new);
    }

    /// What the file said.
    pub(crate) fn said(&self, file: &Path) -> Option<String> {
        self.all().get(file.as_os_str()).cloned()
    }

    /// Notes what the file says, where that stays so until somebody writes it.
    pub(crate) fn note(&self, file: &Path, said: &str) {
        let name = file.file_name().map(OsStr::to_string_lossy).unwrap_or_default();
        let mut all = self.all();
        if all.len() < MOST && !NEVER.iter().any(|part| name.contains(part)) {
            all.insert(file.as_os_str().to_owned(), said.to_owned());
        }
    }

    /// Forgets everything at and below a path.
    pub(crate) fn forget_below(&self, path: &Path) {
        let mut all = self.all();
        all.remove(path.as_os_str());
        let within = |last: u8| {
            let mut bytes = path.as_os_str().as_bytes().to_vec();
            bytes.push(last);
            OsString::from_vec(bytes)
        };
        // The byte after the slash: what lies between the two begins with the path and a slash.
        let range = (Bound::Included(within(b'/')), Bound::Excluded(within(b'/' + 1)));
        let below: Vec<OsString> = all.range(range).map(|(file, _)| file.clone()).collect();
        for file in below {
            all.remove(&file);
        }
    }

    /// Forgets what files said.
    pub(crate) fn forget(&self) {
        self.all().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_below_is_forgotten_and_nothing_beside_it() {
        let recall = Recall::default();
        let files = [
            "/a/web/cpuset.cpus",
            "/a/web/x/cpu.max",
            "/a/web-1/cpuset.cpus",
            "/a/web",
        ];
        for file in files {
            recall.note(Path::new(file), "1");
        }
        recall.note(Path::new("/a/web/cpuset.cpus.partition"), "root");
        recall.note(Path::new("/a/web/cgroup.procs"), "7");
        assert_eq!(
            recall.all().len(),
            files.len(),
            "what the kernel changes is not noted"
        );
        recall.forget_below(Path::new("/a/web"));
        assert_eq!(recall.said(Path::new("/a/web/cpuset.cpus")), None);
        assert_eq!(
            recall.said(Path::new("/a/web-1/cpuset.cpus")).as_deref(),
            Some("1")
        );
        assert_eq!(recall.all().len(), 1);
        recall.forget();
        assert_eq!(recall.all().len(), 0);
    }
}
