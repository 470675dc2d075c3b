//! The host as a directory: `/` for this machine, another one for a recorded or made-up tree. Reads only.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

use nix::libc;
use nix::sys::statfs::{
    CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, FsType, PROC_SUPER_MAGIC, SYSFS_MAGIC, statfs,
};
use nix::unistd::{AccessFlags, access};

use crate::recall::Recall;
use crate::record::Refusal;

/// The longest file that is read. The kernel's lists of processes are the longest of them: four million numbers take 32 MiB.
const LONGEST: usize = 64 << 20;
/// How much is read at once.
const PIECE: usize = 4_096;
/// Half of it.
const HALF: u64 = 2_048;
/// Where a file system is mounted whose files a kernel makes up.
const KERNELS: [&str; 2] = ["/sys", "/proc"];
/// Below these, files are one record or lines of some dozen bytes.
const SHORT_BELOW: [&str; 2] = ["/sys", "/proc/irq"];
/// The same, of a process: one record each.
const SHORT_OF_PROCESS: [&str; 3] = ["stat", "status", "comm"];

/// Its own name, and the `.` in it.
const LINKS_OF_A_LEAF: u64 = 2;

/// resctrl (`include/uapi/linux/magic.h`).
const RDTGROUP_SUPER_MAGIC: FsType = FsType(0x0765_5821);

/// The directory below which `/sys` and `/proc` stand. All paths in steps are the host's own (`/sys/fs/cgroup/…`);
/// only here they meet the directory.
#[derive(Clone, Debug)]
pub struct Host {
    root: PathBuf,
    /// Where files of our own cgroups need not be read again.
    recall: Option<Recall>,
}

impl PartialEq for Host {
    fn eq(&self, other: &Host) -> bool {
        self.root == other.root
    }
}

impl Eq for Host {}

impl Host {
    /// The host below this directory.
    pub fn at(root: impl Into<PathBuf>) -> Host {
        Host {
            root: root.into(),
            recall: None,
        }
    }

    /// The same, and what files of cgroups said is remembered until [`Host::forget`] or a write of ours. Only for who owns these
    /// cgroups and hears who else writes there.
    pub fn remembering(self) -> Host {
        Host {
            recall: Some(Recall::default()),
            ..self
        }
    }

    /// From now on everything is read anew.
    pub fn forget(&self) {
        self.recall.iter().for_each(Recall::forget);
    }

    /// From now on everything at and below a path is read anew.
    pub(crate) fn forget_below(&self, path: &Path) {
        if let Some(recall) = &self.recall {
            recall.forget_below(path);
        }
    }

    /// What a file of a cgroup says, or said when it was last read.
    pub(crate) fn recalled(&self, file: &Path) -> io::Result<Option<String>> {
        let Some(recall) = &self.recall else {
            return self.read(file);
        };
        if let Some(said) = recall.said(file) {
            return Ok(Some(said));
        }
        let said = self.read(file)?;
        if let Some(said) = &said {
            recall.note(file, said);
        }
        Ok(said)
    }

    /// Whether [`Host::recalled`] would not look at the file.
    pub(crate) fn remembers(&self, file: &Path) -> bool {
        let recall = self.recall.as_ref();
        recall.is_some_and(|recall| recall.said(file).is_some())
    }

    /// What the kernel refused lately, though no record speaks of it any more.
    pub(crate) fn refusals(&self) -> BTreeMap<PathBuf, Refusal> {
        self.recall.as_ref().map(Recall::refusals).unwrap_or_default()
    }

    /// Notes what the kernel refused just now.
    pub(crate) fn note_refusals(&self, refused: &BTreeMap<PathBuf, Refusal>) {
        if let Some(recall) = &self.recall {
            recall.note_refusals(refused);
        }
    }

    /// Notes what was just read back, or written to a file of our own.
    pub(crate) fn note(&self, file: &Path, said: &str) {
        if let Some(recall) = &self.recall {
            recall.note(file, said);
        }
    }

    /// Whether this is the machine that we run on.
    pub fn is_this_machine(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Where a path of the host really is. What would lead out of the directory (`..`) is left out.
    pub fn real(&self, path: &Path) -> PathBuf {
        let is_inside = |part: &Component<'_>| matches!(part, Component::Normal(_));
        // Almost every path of almost every host: nothing to leave out, nothing to put in front.
        if self.is_this_machine()
            && path.is_absolute()
            && path.components().skip(1).all(|part| is_inside(&part))
        {
            return path.to_owned();
        }
        let inside = path.components().filter(is_inside);
        inside.fold(self.root.clone(), |real, part| real.join(part))
    }

    /// The text of a file without white space around it; `None` where there is no such file.
    ///
    /// # Errors
    /// When it is there and cannot be read as text, or has no end.
    pub fn read(&self, path: &Path) -> io::Result<Option<String>> {
        match File::open(self.real(path)).and_then(|file| whole(&file, path)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The names of the directories in a directory, sorted; none where it does not exist.
    ///
    /// # Errors
    /// When it is there and cannot be listed.
    pub fn directories(&self, path: &Path) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.real(path)) {
            Ok(entries) => entries,
            Err(error) if is_gone(&error) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            // A process that ends while /proc is listed is an entry without a kind and then without a file: it is left out, and
            // hides nobody else.
            let is_dir = match entry.file_type() {
                Ok(kind) => kind.is_dir(),
                Err(error) if is_gone(&error) => false,
                Err(error) => return Err(error),
            };
            if is_dir && let Ok(name) = entry.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The names of the cgroups in a cgroup, sorted; none where it does not exist.
    ///
    /// # Errors
    /// When it is there and cannot be listed.
    pub fn cgroups(&self, dir: &Path) -> io::Result<Vec<String>> {
        // A directory of kernfs has two links and one more for each directory in it (fs/kernfs/inode.c).
        let about = fs::metadata(self.real(dir));
        if about.is_ok_and(|about| about.nlink() == LINKS_OF_A_LEAF) && self.is_kernels(dir) {
            return Ok(Vec::new());
        }
        self.directories(dir)
    }

    /// The names of everything in a directory, sorted: sysfs lists devices as links. None where it does not exist.
    ///
    /// # Errors
    /// When it is there and cannot be listed.
    pub fn entries(&self, path: &Path) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.real(path)) {
            Ok(entries) => entries,
            Err(error) if is_gone(&error) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            names.extend(entry?.file_name().into_string());
        }
        names.sort();
        Ok(names)
    }

    /// Whether this is a directory.
    pub fn is_dir(&self, path: &Path) -> bool {
        self.real(path).is_dir()
    }

    /// Whether this file or directory is there.
    pub fn has(&self, path: &Path) -> bool {
        self.real(path).exists()
    }

    /// Whether we may make something in this directory.
    pub fn may_write(&self, path: &Path) -> bool {
        access(&self.real(path), AccessFlags::W_OK).is_ok()
    }

    /// Whether this directory is a real one of a kernel (a cgroup, of resctrl, proc or sysfs), and no plain directory of a
    /// recorded tree.
    pub fn is_kernels(&self, path: &Path) -> bool {
        if self.is_this_machine() && KERNELS.iter().any(|above| path.starts_with(above)) {
            return true;
        }
        statfs(&self.real(path)).is_ok_and(|about| {
            let kind = about.filesystem_type();
            let kinds = [
                CGROUP_SUPER_MAGIC,
                CGROUP2_SUPER_MAGIC,
                PROC_SUPER_MAGIC,
                SYSFS_MAGIC,
                RDTGROUP_SUPER_MAGIC,
            ];
            kinds.contains(&kind)
        })
    }
}

/// All that an open file says, without white space around it. `path` is its path on the host: of most files of a kernel one read
/// has everything, and no second one looks for the end. The standard library asks for the length first, which such a file does not
/// know.
pub(crate) fn whole(file: &File, path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    let mut piece = [0; PIECE];
    let mut at = 0_u64;
    loop {
        let read = match file.read_at(&mut piece, at) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        bytes.extend_from_slice(piece.get(..read).unwrap_or_default());
        at = at.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        // A sequence file (fs/seq_file.c) gives whole records as long as they fit: what is left out is longer than what was free.
        if read == 0 || (at < HALF && is_short(path)) {
            break;
        }
        if bytes.len() > LONGEST {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("longer than {LONGEST} bytes"),
            ));
        }
    }
    let text = String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(text.trim().to_owned())
}

/// Whether no record of this file is longer than half a piece.
fn is_short(path: &Path) -> bool {
    let of_process = || {
        let name = path.file_name().unwrap_or_default();
        SHORT_OF_PROCESS.iter().any(|short| name == *short) && path.starts_with("/proc")
    };
    SHORT_BELOW.iter().any(|above| path.starts_with(above)) || of_process()
}

/// Whether an error means that there is no such file: a cgroup that was removed while it was open answers ENODEV.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.kind() == io::ErrorKind::NotADirectory
        || error.raw_os_error() == Some(libc::ENODEV)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn no_path_leads_out_of_the_directory() {
        let host = Host::at("/srv/recorded");
        assert_eq!(
            host.real(Path::new("/sys/../../../etc/x")),
            Path::new("/srv/recorded/sys/etc/x")
        );
        assert_eq!(Host::at("/").real(Path::new("/sys/fs")), Path::new("/sys/fs"));
    }

    #[test]
    fn a_file_without_an_end_is_an_error_and_not_all_memory() {
        let error = Host::at("/").read(Path::new("/dev/full")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn processes_that_end_while_they_are_listed_hide_nobody_else() {
        use std::process::{Command, id};
        use std::sync::atomic::{AtomicBool, Ordering};
        let (is_over, me) = (AtomicBool::new(false), id().to_string());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        let _ = Command::new("true").status();
                    }
                });
            }
            let host = Host::at("/");
            let wrong = (0..20_000).find_map(|turn| match host.directories(Path::new("/proc")) {
                Ok(names) if names.contains(&me) => None,
                other => Some(format!("turn {turn}: {other:?}")),
            });
            is_over.store(true, Ordering::Relaxed);
            assert_eq!(wrong, None);
        });
    }

    #[test]
    fn what_is_not_there_is_none_and_no_error() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::at(dir.path());
        assert_eq!(host.read(Path::new("/proc/nothing")).unwrap(), None);
        assert!(host.directories(Path::new("/sys")).unwrap().is_empty());
        assert!(!host.is_kernels(Path::new("/")));
    }
}
