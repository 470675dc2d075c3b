//! The directory under which /sys, /proc and /dev stand: this machine's, a recorded machine's, or none.

mod kept;

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use facts::NoData;
use nix::errno::Errno;

pub use kept::{Kept, MOST_KEPT};

/// The longest file that is read. A sysfs attribute is one page; `/proc/stat` of 8192 CPUs is the longest file here and stays
/// below it. A recorded tree may hold anything.
const LONGEST_FILE: u64 = 4 << 20;

/// The most entries of one directory that are looked at; far above what a kernel shows (8192 CPUs and their neighbours).
const MOST_ENTRIES: usize = 65_536;

/// Why a file or directory below a root said nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such file.
    #[error("{path} is not there")]
    NotThere {
        /// The file.
        path: PathBuf,
    },
    /// The system call failed.
    #[error("cannot read {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        cause: io::Error,
    },
    /// It is too long to be what we look for.
    #[error("{path} is longer than {limit} bytes")]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The most that is read.
        limit: u64,
    },
    /// It holds bytes that are no text.
    #[error("{path} is no UTF-8 text")]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// It is no regular file.
    #[error("{path} is no regular file")]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// A link leads out of a recorded tree, to this machine's own files.
    #[error("{path} leads out of {root}")]
    Outside {
        /// The file.
        path: PathBuf,
        /// The recorded tree.
        root: PathBuf,
    },
    /// There is no tree to read.
    #[error("/{path} was not asked for: an exported topology holds nothing but the topology")]
    NoTree {
        /// The file.
        path: PathBuf,
    },
}

impl ReadError {
    /// The reason in one word.
    pub fn reason(&self) -> NoData {
        match self {
            ReadError::Io { cause, .. } => reason_of(cause),
            ReadError::TooLong { .. } | ReadError::NotText { .. } | ReadError::NotAFile { .. } => {
                NoData::Garbled
            }
            ReadError::Outside { .. } => NoData::Refused,
            ReadError::NoTree { .. } | ReadError::NotThere { .. } => NoData::Absent,
        }
    }

    /// Whether nothing is there.
    pub fn is_absent(&self) -> bool {
        self.reason() == NoData::Absent
    }
}

/// What an error of the kernel means. Drivers answer ENODATA, EOPNOTSUPP, ENXIO or EINVAL where a part does not offer a reading
/// (`speed` of a link that is down, a sensor that is not wired), EIO where the part does not answer sensibly.
fn reason_of(cause: &io::Error) -> NoData {
    let Some(code) = cause.raw_os_error() else {
        return NoData::Garbled;
    };
    // A table and no match: the kernel has many more error numbers, and `Garbled` is right for all of them.
    const REASONS: [(Errno, NoData); 13] = [
        (Errno::ENOENT, NoData::Absent),
        (Errno::ENOTDIR, NoData::Absent),
        (Errno::ENODEV, NoData::Absent),
        (Errno::EACCES, NoData::Refused),
        (Errno::EPERM, NoData::Refused),
        (Errno::ENODATA, NoData::Unsupported),
        (Errno::EOPNOTSUPP, NoData::Unsupported),
        (Errno::ENXIO, NoData::Unsupported),
        (Errno::EINVAL, NoData::Unsupported),
        (Errno::ENOSYS, NoData::Unsupported),
        (Errno::ETIMEDOUT, NoData::Timeout),
        (Errno::EAGAIN, NoData::Timeout),
        (Errno::EBUSY, NoData::Timeout),
    ];
    let errno = Errno::from_raw(code);
    REASONS
        .iter()
        .find(|(known, _)| *known == errno)
        .map_or(NoData::Garbled, |(_, reason)| *reason)
}

/// Why a directory is no root.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// It cannot be opened.
    #[error("cannot read the recorded machine {path}; expected a directory that holds sys/ or proc/")]
    Unreadable {
        /// The directory.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        cause: io::Error,
    },
    /// It is something else.
    #[error("{path} is no recorded machine: it holds neither sys/ nor proc/{hint}")]
    NoMachine {
        /// The directory.
        path: PathBuf,
        /// Where one seems to be.
        hint: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Host,
    Recorded,
    Nothing,
}

/// The directory under which /sys, /proc and /dev stand.
#[derive(Clone, Debug)]
pub struct Root {
    directory: PathBuf,
    kind: Kind,
}

impl Root {
    /// This machine.
    pub fn host() -> Root {
        Root {
            directory: PathBuf::from("/"),
            kind: Kind::Host,
        }
    }

    /// No machine at all: every file is absent. For an exported topology, which comes alone.
    pub fn nothing() -> Root {
        Root {
            directory: PathBuf::new(),
            kind: Kind::Nothing,
        }
    }

    /// A recorded machine below `directory`; links that lead out of it are refused.
    ///
    /// # Errors
    /// When the directory cannot be read or holds neither `sys` nor `proc`.
    pub fn at(directory: &Path) -> Result<Root, RootError> {
        let unreadable = |cause| RootError::Unreadable {
            path: directory.to_owned(),
            cause,
        };
        let resolved = fs::canonicalize(directory).map_err(unreadable)?;
        if resolved == Path::new("/") {
            return Ok(Root::host());
        }
        // An error here (a file, or a directory that we may not list) says more than "holds neither".
        fs::read_dir(&resolved).map_err(unreadable)?;
        if !holds_machine(&resolved) {
            let hint = machine_below(&resolved).map_or_else(String::new, |found| {
                format!("; {} does", directory.join(found).display())
            });
            return Err(RootError::NoMachine {
                path: directory.to_owned(),
                hint,
            });
        }
        Ok(Root {
            directory: resolved,
            kind: Kind::Recorded,
        })
    }

    /// Whether this is the machine we run on.
    pub fn is_host(&self) -> bool {
        self.kind == Kind::Host
    }

    /// Whether there is no machine at all.
    pub fn is_nothing(&self) -> bool {
        self.kind == Kind::Nothing
    }

    /// The directory itself.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where `relative` (no leading slash) stands.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.directory.join(relative)
    }

    /// Whether `relative` is there.
    pub fn has(&self, relative: &str) -> bool {
        self.resolve(relative).is_ok_and(|path| path.exists())
    }

    /// The text of a file, without surrounding white space.
    ///
    /// # Errors
    /// When it cannot be read, is too long, or is no UTF-8 text.
    pub fn read(&self, relative: &str) -> Result<String, ReadError> {
        let bytes = self.read_bytes(relative)?;
        match String::from_utf8(bytes) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(_) => Err(ReadError::NotText {
                path: self.shown(relative),
            }),
        }
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// When it cannot be read or is too long.
    pub fn read_bytes(&self, relative: &str) -> Result<Vec<u8>, ReadError> {
        let path = self.resolve(relative)?;
        let io = |cause| self.failed(relative, cause);
        // Without O_NONBLOCK the open of a FIFO in a recorded tree would wait forever.
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(nix::libc::O_NONBLOCK)
            .open(path)
            .map_err(io)?;
        if !file.metadata().map_err(io)?.is_file() {
            return Err(ReadError::NotAFile {
                path: self.shown(relative),
            });
        }
        let mut bytes = Vec::new();
        file.take(LONGEST_FILE + 1).read_to_end(&mut bytes).map_err(io)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length > LONGEST_FILE) {
            return Err(ReadError::TooLong {
                path: self.shown(relative),
                limit: LONGEST_FILE,
            });
        }
        Ok(bytes)
    }

    /// Whether reading a file whole can do no harm: it is missing, or a regular file of bounded length inside this root.
    pub fn is_harmless(&self, relative: &str) -> bool {
        match self.resolve(relative) {
            Ok(path) => {
                fs::metadata(path).map_or(true, |about| about.is_file() && about.len() <= LONGEST_FILE)
            }
            Err(error) => error.is_absent(),
        }
    }

    /// The names in a directory, sorted as people count (`cpu2` before `cpu10`); names that are no UTF-8 are left out.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn list(&self, relative: &str) -> Result<Vec<String>, ReadError> {
        let path = self.resolve(relative)?;
        let entries = fs::read_dir(path).map_err(|cause| self.failed(relative, cause))?;
        let mut names: Vec<String> = entries
            .take(MOST_ENTRIES)
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort_by_cached_key(|name| counting_key(name));
        Ok(names)
    }

    /// Where a link ends, relative to this root; `None` where it leads nowhere.
    ///
    /// # Errors
    /// When it leads out of a recorded tree.
    pub fn target(&self, relative: &str) -> Result<PathBuf, ReadError> {
        let path = self.resolve(relative)?;
        let resolved = fs::canonicalize(path).map_err(|cause| self.failed(relative, cause))?;
        match resolved.strip_prefix(&self.directory) {
            Ok(inside) => Ok(inside.to_owned()),
            Err(_) => Err(self.outside(relative)),
        }
    }

    /// The path with its links followed where that matters: nothing below a recorded machine may lead to this one.
    fn resolve(&self, relative: &str) -> Result<PathBuf, ReadError> {
        let path = self.path(relative);
        match self.kind {
            Kind::Nothing => Err(ReadError::NoTree {
                path: PathBuf::from(relative),
            }),
            Kind::Host => Ok(path),
            Kind::Recorded => {
                if Path::new(relative)
                    .components()
                    .any(|part| part == Component::ParentDir)
                {
                    return Err(self.outside(relative));
                }
                let resolved = fs::canonicalize(&path).map_err(|cause| self.failed(relative, cause))?;
                if resolved.starts_with(&self.directory) {
                    Ok(resolved)
                } else {
                    Err(self.outside(relative))
                }
            }
        }
    }

    fn failed(&self, relative: &str, cause: io::Error) -> ReadError {
        let path = self.shown(relative);
        if cause.kind() == io::ErrorKind::NotFound {
            return ReadError::NotThere { path };
        }
        ReadError::Io { path, cause }
    }

    fn outside(&self, relative: &str) -> ReadError {
        ReadError::Outside {
            path: self.shown(relative),
            root: self.directory.clone(),
        }
    }

    /// The path as errors show it.
    pub fn shown(&self, relative: &str) -> PathBuf {
        match self.kind {
            Kind::Nothing => Path::new("/").join(relative),
            Kind::Host | Kind::Recorded => self.path(relative),
        }
    }
}

fn holds_machine(directory: &Path) -> bool {
    directory.join("sys").is_dir() || directory.join("proc").is_dir()
}

/// The name of an entry that is a recorded machine: archives are often packed one folder too deep.
fn machine_below(directory: &Path) -> Option<PathBuf> {
    let mut names: Vec<PathBuf> = fs::read_dir(directory)
        .ok()?
        .take(MOST_ENTRIES)
        .filter_map(|entry| Some(PathBuf::from(entry.ok()?.file_name())))
        .filter(|name| holds_machine(&directory.join(name)))
        .collect();
    names.sort();
    names.into_iter().next()
}

/// A name cut into text and numbers, so that numbers sort by their size.
fn counting_key(name: &str) -> Vec<(String, u64)> {
    let mut parts: Vec<(String, u64)> = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let digits_at = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (text, tail) = rest.split_at(digits_at);
        let text_at = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
        let (digits, tail) = tail.split_at(text_at);
        parts.push((text.to_owned(), digits.parse().unwrap_or(u64::MAX)));
        rest = tail;
    }
    parts
}
