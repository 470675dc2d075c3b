//! A handle of one process (`pidfd_open(2)`, Linux 5.3): it tells whether that very process has ended, whatever became of its
//! number.
#![allow(unsafe_code)] // the system call has no safe wrapper

use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The handle.
#[derive(Debug)]
pub struct Pidfd(OwnedFd);

impl Pidfd {
    /// Of the process that has this number now.
    ///
    /// # Errors
    /// `ESRCH` where there is none, `ENOSYS` before Linux 5.3.
    pub fn open(pid: u32) -> io::Result<Pidfd> {
        let number = libc::pid_t::try_from(pid).map_err(|_| io::Error::from_raw_os_error(libc::ESRCH))?;
        let flags: libc::c_uint = 0;
        // SAFETY: pidfd_open takes a number and flags, reads no memory, and gives a descriptor or -1.
        let answer = unsafe { libc::syscall(libc::SYS_pidfd_open, number, flags) };
        if answer < 0 {
            return Err(io::Error::last_os_error());
        }
        let fd = i32::try_from(answer).map_err(io::Error::other)?;
        // SAFETY: the kernel has just given us this descriptor, close-on-exec, and nobody else has it.
        Ok(Pidfd(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Whether it has ended. Where the kernel does not say, it has not.
    pub fn has_ended(&self) -> bool {
        let mut one = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        poll(&mut one, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::process::Command;

    use super::*;

    #[test]
    fn it_knows_its_process_and_no_other_of_the_same_number() {
        let mut child = Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let handle = Pidfd::open(child.id()).unwrap();
        assert!(!handle.has_ended());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(handle.has_ended());
        assert!(Pidfd::open(u32::MAX).is_err());
    }
}
