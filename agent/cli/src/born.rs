//! A command that is born in its cgroups: by `clone3(2)` with `CLONE_INTO_CGROUP` where they are of cgroup v2, by its own first act where
//! they are of v1.
//!
//! A process that is moved by another one makes the kernel keep everybody from forking meanwhile, and that may wait for a grace
//! period of RCU. One that is born in a cgroup, or that has one thread and moves itself, does not. It waits before the command begins, so
//! that the agent can look at it; when its mother dies before that, it ends. Until then it is in its mother's memory ([`bare`]).
#![allow(unsafe_code)] // No wrapper of clone3 takes a cgroup, and before its command a child makes system calls only.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::ptr;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, pthread_sigmask};
use nix::sys::signalfd::SignalFd;
use nix::sys::statfs::{CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, fstatfs};
use nix::unistd::{Pid, pipe2};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::bare::{self, Stack};
use crate::will::{self, Program, Will};

/// `include/uapi/linux/sched.h`. Linux 5.2.
const CLONE_PIDFD: u64 = 0x1000;
/// The same file. Linux 5.5.
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
/// The same file. Linux 5.7.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
/// The threads of a v1 cgroup. Who writes 0 moves itself.
const TASKS: &str = "tasks";
/// Cgroups that a process can be born in.
#[derive(Debug)]
pub struct Cradle {
    unified: Option<File>,
    legacy: Vec<File>,
}

impl Cradle {
    /// Opens them, by the paths that the agent gave.
    ///
    /// # Errors
    /// When one cannot be opened by this user in this mount namespace, is no cgroup, or there are two of v2.
    pub fn open(dirs: &[String]) -> io::Result<Cradle> {
        let mut cradle = Cradle {
            unified: None,
            legacy: Vec::new(),
        };
        for dir in dirs {
            let file = File::open(dir)?;
            let kind = fstatfs(&file)?.filesystem_type();
            if kind == CGROUP_SUPER_MAGIC {
                let tasks = Path::new(dir).join(TASKS);
                cradle.legacy.push(OpenOptions::new().write(true).open(tasks)?);
            } else if kind == CGROUP2_SUPER_MAGIC && cradle.unified.is_none() {
                cradle.unified = Some(file);
            } else {
                return Err(io::Error::other(format!("{dir} is no cgroup to be born in")));
            }
        }
        Ok(cradle)
    }
}

/// A child that is in its cgroups and waits to become its command. Dropped, it ends.
#[derive(Debug)]
pub struct Waiting {
    born: Option<Born>,
    go: Option<File>,
    said: File,
    /// What the child reads and stands on until it is its command or has ended.
    _lent: (Box<Will>, Stack),
}

/// A command that runs.
#[derive(Debug)]
pub struct Born {
    pid: Pid,
    handle: OwnedFd,
    status: Option<ExitStatus>,
}

/// Bears a child in the cgroups that will become this command, with this log where there is one.
///
/// # Errors
/// When the kernel has no `clone3`, or refuses one of the cgroups; nothing is left of the child then.
pub fn bear(command: &Command, log: Option<&(File, File)>, cradle: &Cradle) -> io::Result<Waiting> {
    let (go_read, go) = pipe2(OFlag::O_CLOEXEC)?;
    let (said, said_write) = pipe2(OFlag::O_CLOEXEC)?;
    let mut mask = SigSet::empty();
    // From its birth to its command the child hears nothing.
    pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&SigSet::all()), Some(&mut mask))?;
    let mut will = Box::new(Will {
        becomes: Program::of(command)?,
        legacy: cradle.legacy.iter().map(AsRawFd::as_raw_fd).collect(),
        output: log.map(|(output, errors)| (output.as_raw_fd(), errors.as_raw_fd())),
        mask,
        go: go_read.as_raw_fd(),
        go_of_mother: go.as_raw_fd(),
        said: said_write.as_raw_fd(),
    });
    let mut stack = Stack::new();
    let born = clone_into(&mut will, &mut stack, cradle.unified.as_ref());
    let restored = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&mask), None);
    let mut waiting = Waiting {
        born: Some(born?),
        go: Some(File::from(go)),
        said: File::from(said),
        _lent: (will, stack),
    };
    restored?;
    drop((go_read, said_write));
    if cradle.legacy.is_empty() {
        // It was born there: it need not say so, and nobody waits to hear it.
        return Ok(waiting);
    }
    match waiting.hear()? {
        Some(0) => Ok(waiting),
        Some(number) => Err(io::Error::from_raw_os_error(number)),
        None => Err(io::Error::other("the child ended before it was in its cgroups")),
    }
}

fn clone_into(will: &mut Will, stack: &mut Stack, unified: Option<&File>) -> io::Result<Born> {
    let mut handle: libc::c_int = -1;
    // SAFETY: a structure of numbers, for all of which zero means nothing.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND;
    arguments.exit_signal = number(libc::SIGCHLD)?;
    arguments.pidfd = number(ptr::from_mut(&mut handle).expose_provenance())?;
    if let Some(unified) = unified {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = number(unified.as_raw_fd())?;
    }
    // SAFETY: will and stack are `Waiting`'s until the child has said that it left them, or has ended: `hear` and `drop` wait for that.
    // The kernel reads the arguments and writes the handle's number into our variable.
    let pid = unsafe { bare::bear(&mut arguments, stack, will::live, ptr::from_mut(will).cast()) }?;
    Ok(Born {
        pid: Pid::from_raw(pid),
        // SAFETY: the kernel has just given us this descriptor, close-on-exec, and nobody else has it.
        handle: unsafe { OwnedFd::from_raw_fd(handle) },
        status: None,
    })
}

/// Signals that can be waited for beside a command.
///
/// # Errors
/// When the kernel does not let us.
pub fn heard(signals: SignalFd) -> io::Result<AsyncFd<SignalFd>> {
    // SAFETY: the descriptor is its own, and is closed with it and never before.
    Ok(unsafe { AsyncFd::register_with_interest(signals, Interest::READABLE)? })
}

fn number<N, M: TryFrom<N>>(from: N) -> io::Result<M> {
    M::try_from(from).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
}

impl Waiting {
    /// What the child says: 0 when it has moved itself to where it shall be, then the number of an error; nothing when it ended or
    /// became its command.
    fn hear(&mut self) -> io::Result<Option<i32>> {
        let mut bytes = [0; size_of::<libc::c_int>()];
        match self.said.read_exact(&mut bytes) {
            Ok(()) => Ok(Some(libc::c_int::from_ne_bytes(bytes))),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Lets it become its command.
    ///
    /// # Errors
    /// When the command cannot be executed.
    pub fn go(mut self) -> io::Result<Born> {
        if let Some(mut go) = self.go.take() {
            go.write_all(&[1])?;
        }
        match self.hear()? {
            None => self.born.take().ok_or_else(|| io::Error::from(Errno::ECHILD)),
            Some(number) => Err(io::Error::from_raw_os_error(number)),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // Nobody will say go any more: it ends by itself.
        self.go = None;
        if let Some(born) = &self.born {
            let _ = born.ask(0);
        }
    }
}

impl Born {
    /// Its number, until it was waited for.
    pub fn id(&self) -> Option<Pid> {
        self.status.is_none().then_some(self.pid)
    }

    /// How it ended; nothing where it has not, and these options let the kernel say so.
    fn ask(&self, options: libc::c_int) -> io::Result<Option<ExitStatus>> {
        let mut status = 0;
        // SAFETY: the kernel writes the status into our variable.
        match unsafe { libc::waitpid(self.pid.as_raw(), &raw mut status, options) } {
            0 => Ok(None),
            pid if pid > 0 => Ok(Some(ExitStatus::from_raw(status))),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// How it ended, where it has.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self.ask(libc::WNOHANG)?;
        }
        Ok(self.status)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            // SAFETY: the descriptor is ours and is not closed as long as it is registered.
            let handle = unsafe { AsyncFd::register_with_interest(self.handle.as_fd(), Interest::READABLE)? };
            drop(handle.readable().await?);
        }
    }

    /// Kills it and waits for its end.
    ///
    /// # Errors
    /// When the kernel does not let us.
    pub async fn kill(&mut self) -> io::Result<()> {
        if self.try_wait()?.is_none() {
            kill(self.pid, Signal::SIGKILL)?;
            self.wait().await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn waiting(words: &[&str], log: Option<&(File, File)>) -> Waiting {
        let cradle = Cradle::open(&[]).unwrap();
        bear(Command::new(words[0]).args(&words[1..]), log, &cradle).unwrap()
    }

    fn runtime() -> tokio::runtime::Runtime {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap()
    }

    fn ended(mut born: Born) -> ExitStatus {
        runtime().block_on(born.wait()).unwrap()
    }

    #[test]
    fn it_waits_for_its_word_and_then_becomes_its_command() {
        let dir = tempfile::tempdir().unwrap();
        let (file, errors) = (dir.path().join("log"), dir.path().join("errors"));
        let log = (File::create(&file).unwrap(), File::create(&errors).unwrap());
        let mut early = waiting(&["sh", "-c", "echo ran; echo badly >&2; exit 7"], Some(&log));
        assert_eq!(early.born.as_mut().unwrap().try_wait().unwrap(), None);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "");
        let born = early.go().unwrap();
        assert!(born.id().is_some());
        assert_eq!(ended(born).code(), Some(7));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "ran\n");
        assert_eq!(std::fs::read_to_string(&errors).unwrap(), "badly\n");
    }

    #[test]
    fn it_hears_signals_as_any_command_does() {
        // Rust ignores SIGPIPE, and between birth and command everything is blocked: neither may be left over.
        let born = waiting(&["sh", "-c", "kill -PIPE $$; exit 3"], None)
            .go()
            .unwrap();
        assert_eq!(ended(born).signal(), Some(libc::SIGPIPE));
        let mut born = waiting(&["sleep", "1000"], None).go().unwrap();
        runtime().block_on(born.kill()).unwrap();
        assert_eq!(ended(born).signal(), Some(libc::SIGKILL));
    }

    #[test]
    fn a_program_is_found_as_execvp_finds_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, mode: u32| {
            use std::os::unix::fs::PermissionsExt;
            let path = dir.path().join(name);
            std::fs::write(&path, "exit 5\n").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            path.to_string_lossy().into_owned()
        };
        // No loader knows it and it does not say by whom it is read: the shell reads it, with the words behind it.
        assert_eq!(
            ended(waiting(&[&file("plain", 0o755), "word"], None).go().unwrap()).code(),
            Some(5)
        );
        let error = waiting(&[&file("refused", 0o644)], None).go().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        for (nobody, kind) in [
            ("", io::ErrorKind::NotFound),
            ("no-such-program-anywhere", io::ErrorKind::NotFound),
        ] {
            assert_eq!(
                waiting(&[nobody], None).go().unwrap_err().kind(),
                kind,
                "{nobody}"
            );
        }
    }

    #[test]
    fn who_waits_leaves_its_mother_as_she_was() {
        // In one memory: what the mother does meanwhile and what the child does are not mixed up.
        let mut all: Vec<Waiting> = (0..8)
            .map(|at| waiting(&["sh", "-c", &format!("exit {at}")], None))
            .collect();
        let noise: Vec<String> = (0..1000).map(|at| format!("{at}")).collect();
        std::fs::metadata("/nowhere/at/all").unwrap_err();
        assert_eq!(noise.len(), 1000);
        for at in (0..8).rev() {
            assert_eq!(ended(all.remove(at).go().unwrap()).code(), i32::try_from(at).ok());
        }
    }

    #[test]
    fn what_cannot_begin_is_told_and_leaves_nobody() {
        let error = waiting(&["/nowhere/at/all"], None).go().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let unwanted = waiting(&["touch", "/nowhere/at/all"], None);
        let pid = unwanted.born.as_ref().unwrap().pid;
        drop(unwanted);
        assert_eq!(kill(pid, None), Err(Errno::ESRCH));
        let error = Cradle::open(&["/proc".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("is no cgroup"), "{error}");
        Cradle::open(&["/nowhere".to_owned()]).unwrap_err();
    }
}
