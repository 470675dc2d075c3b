//! A file that is kept open and read again and again: a `pread` costs a fifth of opening, reading and closing.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::errno::Errno;

use super::{Kind, LONGEST_FILE, ReadError, Root};

/// The most files that the whole process keeps open in this way. The usual soft limit of a process is 1024 descriptors; sockets,
/// cgroups and other rooms need the rest. A file beyond them is opened anew for each reading, which is slower and never fails.
pub const MOST_KEPT: usize = 384;

/// What a buffer begins with: a sysfs attribute is one page at most.
const PAGE: usize = 4096;

/// What the kernel gives of one of [`SHORT_RECORDS`] that is shorter than this is all of it: `seq_read_iter` (fs/seq_file.c) ends
/// early only where the next record does not fit in what is left of a page. Asking once more is not free: the end of
/// `/proc/net/udp` is found by a walk through the whole table.
const SURELY_WHOLE: usize = PAGE / 2;

/// Files that are one record, or whose records are lines of some hundred bytes. Others are read to their end:
/// `/proc/schedstat` has records that grow with the CPUs, and a line of mounts may be as long as its options.
const SHORT_RECORDS: [&str; 5] = [
    "proc/loadavg",
    "proc/meminfo",
    "proc/net/",
    "proc/pressure/",
    "proc/stat",
];

/// The most readings of one file that grew while it was read; `/proc/stat` grows by a digit now and then.
const MOST_TRIES: usize = 4;

/// How many files are kept open now.
static KEPT: AtomicUsize = AtomicUsize::new(0);

/// One file below a [`Root`], kept open from the first reading on. It is opened anew where the kernel says that what it showed
/// has gone (a part was pulled and another came in its place).
#[derive(Debug)]
pub struct Kept {
    root: Root,
    relative: Box<str>,
    open: Option<Open>,
    /// So many readings are not tried, because the file is not there.
    skips: u8,
}

/// What is not in /proc is looked for at every so many readings: its files come with the kernel or with a module.
const LOOKED_FOR: u8 = 30;

/// An open file, counted.
#[derive(Debug)]
struct Open(File);

impl Drop for Open {
    fn drop(&mut self) {
        KEPT.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Kept {
    /// The file `relative` (no leading slash). Nothing is opened yet.
    pub fn new(root: &Root, relative: impl Into<Box<str>>) -> Kept {
        Kept {
            root: root.clone(),
            relative: relative.into(),
            open: None,
            skips: 0,
        }
    }

    /// Its path below the root.
    pub fn relative(&self) -> &str {
        &self.relative
    }

    /// The path as errors show it.
    pub fn shown(&self) -> std::path::PathBuf {
        self.root.shown(&self.relative)
    }

    /// Reads the whole file into `buffer`, whose length and room are kept for the next file, and gives what was read.
    ///
    /// # Errors
    /// When it cannot be read, is no regular file, or is too long.
    pub fn read<'b>(&mut self, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], ReadError> {
        if let Some(Open(file)) = &self.open {
            match self.whole(file, buffer) {
                Ok(length) if !self.is_replaced(file) => return self.given(buffer, length),
                Ok(_) => {}
                Err(cause) if has_gone(&cause) => {}
                Err(cause) => return Err(self.root.failed(&self.relative, cause)),
            }
            self.open = None;
        }
        if let Some(left) = self.skips.checked_sub(1) {
            self.skips = left;
            let cause = io::Error::from_raw_os_error(nix::libc::ENOENT);
            return Err(self.root.failed(&self.relative, cause));
        }
        let file = self.open_anew().inspect_err(|error| {
            let is_fixed = self.root.kind == Kind::Host && self.relative.starts_with("proc/");
            if is_fixed && error.is_absent() {
                self.skips = LOOKED_FOR;
            }
        })?;
        let length = self
            .whole(&file, buffer)
            .map_err(|cause| self.root.failed(&self.relative, cause))?;
        if KEPT.fetch_add(1, Ordering::Relaxed) < MOST_KEPT {
            self.open = Some(Open(file));
        } else {
            KEPT.fetch_sub(1, Ordering::Relaxed);
        }
        self.given(buffer, length)
    }

    /// The one number that the file holds; `None` where it holds something else.
    ///
    /// # Errors
    /// As [`Kept::read`].
    pub fn number(&mut self, buffer: &mut Vec<u8>) -> Result<Option<u64>, ReadError> {
        Ok(crate::columns::whole(self.read(buffer)?.trim_ascii()))
    }

    fn given<'b>(&self, buffer: &'b [u8], length: usize) -> Result<&'b [u8], ReadError> {
        buffer.get(..length).ok_or_else(|| ReadError::TooLong {
            path: self.shown(),
            limit: LONGEST_FILE,
        })
    }

    fn open_anew(&self) -> Result<File, ReadError> {
        let path = self.root.resolve(&self.relative)?;
        let failed = |cause| self.root.failed(&self.relative, cause);
        // Without O_NONBLOCK the open of a FIFO in a recorded tree would wait forever.
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(nix::libc::O_NONBLOCK)
            .open(path)
            .map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(ReadError::NotAFile { path: self.shown() });
        }
        Ok(file)
    }

    /// A recorded tree's file may be replaced by another of its name; the kernel's own files say so by an error.
    fn is_replaced(&self, file: &File) -> bool {
        self.root.kind == Kind::Recorded && file.metadata().map_or(true, |about| about.nlink() == 0)
    }

    /// Reads from the beginning to the end; the length is past the buffer's where the file is too long.
    fn whole(&self, file: &File, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let most = usize::try_from(LONGEST_FILE).unwrap_or(usize::MAX);
        if buffer.len() < PAGE {
            buffer.resize(PAGE, 0);
        }
        // An attribute comes whole in one reading (Documentation/filesystems/sysfs.rst), and so does a sysctl, for which the
        // kernel allocates and clears as much memory as is asked for (fs/proc/proc_sysctl.c).
        let is_sysctl = self.relative.starts_with("proc/sys/");
        let is_attribute = is_sysctl || self.relative.starts_with("sys/");
        let at_once = if is_sysctl { PAGE } else { usize::MAX };
        let is_short = self.root.kind == Kind::Host
            && SHORT_RECORDS.iter().any(|start| self.relative.starts_with(start));
        for _ in 0..MOST_TRIES {
            let mut length = 0;
            while let Some(rest) = buffer.get_mut(length..).filter(|rest| !rest.is_empty()) {
                let asked = rest.len().min(at_once);
                let Some(rest) = rest.get_mut(..asked) else { break };
                let offset = u64::try_from(length).unwrap_or(u64::MAX);
                match file.read_at(rest, offset) {
                    Ok(0) => return Ok(length),
                    Ok(more) => length += more,
                    Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                    Err(cause) => return Err(cause),
                }
                if length < asked && (is_attribute || (is_short && length < SURELY_WHOLE)) {
                    return Ok(length);
                }
            }
            if buffer.len() > most {
                break;
            }
            // Read anew from the beginning, so that one text is of one moment.
            let about = file.metadata().map_or(0, |about| about.len());
            let known = usize::try_from(about).unwrap_or(usize::MAX).saturating_add(1);
            let larger = known
                .max(buffer.len().saturating_mul(8))
                .min(most.saturating_add(1));
            buffer.resize(larger, 0);
        }
        Ok(usize::MAX)
    }
}

/// Whether what the file showed has gone, and another may be in its place.
fn has_gone(cause: &io::Error) -> bool {
    let gone = [Errno::ENODEV, Errno::ENOENT, Errno::ESTALE];
    cause
        .raw_os_error()
        .is_some_and(|code| gone.contains(&Errno::from_raw(code)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn tree() -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("sys")).unwrap();
        let root = Root::at(dir.path()).unwrap();
        (dir, root)
    }

    #[test]
    fn the_kernel_s_files_are_read_to_their_end() {
        let files = [
            "proc/loadavg",
            "proc/meminfo",
            "proc/net/arp",
            "proc/net/dev",
            "proc/net/snmp",
            "proc/net/sockstat",
            "proc/net/udp",
            "proc/schedstat",
            "proc/stat",
            "proc/sys/kernel/osrelease",
            "proc/vmstat",
        ];
        let mut read = 0;
        for file in files {
            let Ok(whole) = std::fs::read(format!("/{file}")) else {
                continue;
            };
            let mut kept = Kept::new(&Root::host(), file);
            let mut buffer = Vec::new();
            for _ in 0..2 {
                let text = kept.read(&mut buffer).unwrap();
                // Numbers change meanwhile; the table of UDP may by a line.
                let lines = |text: &[u8]| text.iter().filter(|byte| **byte == b'\n').count();
                assert!(lines(text).abs_diff(lines(&whole)) <= 1, "{file}");
                assert!(text.ends_with(b"\n"), "{file}");
            }
            read += 1;
        }
        assert!(read >= 4, "{read} files");
    }

    #[test]
    fn what_is_not_in_proc_is_looked_for_now_and_then_and_in_a_recorded_one_each_time() {
        let mut buffer = Vec::new();
        let mut kept = Kept::new(&Root::host(), "proc/no-such-file-of-busbar");
        for left in (0..=LOOKED_FOR).rev().chain([LOOKED_FOR]) {
            assert!(kept.read(&mut buffer).unwrap_err().is_absent());
            assert_eq!(kept.skips, left);
        }
        let (dir, root) = tree();
        let mut kept = Kept::new(&root, "proc/late");
        assert!(kept.read(&mut buffer).unwrap_err().is_absent());
        std::fs::create_dir(dir.path().join("proc")).unwrap();
        std::fs::write(dir.path().join("proc/late"), "3").unwrap();
        assert_eq!(kept.number(&mut buffer).unwrap(), Some(3));
    }

    #[test]
    fn each_reading_shows_the_file_as_it_is_then() {
        let (dir, root) = tree();
        let mut kept = Kept::new(&root, "sys/count");
        let mut buffer = Vec::new();
        assert!(kept.read(&mut buffer).unwrap_err().is_absent());
        let file = dir.path().join("sys/count");
        std::fs::write(&file, "17\n").unwrap();
        assert_eq!(kept.number(&mut buffer).unwrap(), Some(17));
        std::fs::write(&file, "4").unwrap();
        assert_eq!(kept.read(&mut buffer).unwrap(), b"4");
        // Another file of the same name, as an editor or a new part leaves it.
        std::fs::write(dir.path().join("new"), "1234").unwrap();
        std::fs::rename(dir.path().join("new"), &file).unwrap();
        assert_eq!(kept.number(&mut buffer).unwrap(), Some(1234));
        std::fs::remove_file(&file).unwrap();
        assert!(kept.read(&mut buffer).unwrap_err().is_absent());
        std::fs::write(&file, "N/A").unwrap();
        assert_eq!(kept.number(&mut buffer).unwrap(), None);
    }

    #[test]
    fn a_long_file_comes_whole_and_an_endless_one_does_not() {
        let (dir, root) = tree();
        let mut buffer = Vec::new();
        let text = "0123456789abcdef\n".repeat(50_000);
        std::fs::write(dir.path().join("sys/long"), &text).unwrap();
        let mut kept = Kept::new(&root, "sys/long");
        assert_eq!(kept.read(&mut buffer).unwrap(), text.as_bytes());
        let huge = File::create(dir.path().join("sys/huge")).unwrap();
        huge.set_len(64 << 30).unwrap();
        let error = Kept::new(&root, "sys/huge").read(&mut buffer).unwrap_err();
        assert!(matches!(error, ReadError::TooLong { .. }), "{error}");
    }

    #[test]
    fn the_kernels_own_files_are_read_again() {
        let mut kept = Kept::new(&Root::host(), "proc/uptime");
        let mut buffer = Vec::new();
        let first = kept.read(&mut buffer).unwrap().to_vec();
        std::thread::sleep(std::time::Duration::from_millis(30));
        assert_ne!(kept.read(&mut buffer).unwrap(), first);
    }

    #[test]
    fn beyond_the_most_kept_files_are_still_read() {
        let (dir, root) = tree();
        let mut buffer = Vec::new();
        let mut all: Vec<Kept> = (0..MOST_KEPT + 20)
            .map(|index| {
                std::fs::write(dir.path().join(format!("sys/{index}")), index.to_string()).unwrap();
                Kept::new(&root, format!("sys/{index}"))
            })
            .collect();
        for _ in 0..2 {
            for (index, kept) in all.iter_mut().enumerate() {
                assert_eq!(
                    kept.number(&mut buffer).unwrap(),
                    Some(u64::try_from(index).unwrap())
                );
            }
        }
        assert!(all.iter().filter(|kept| kept.open.is_some()).count() <= MOST_KEPT);
    }
}
