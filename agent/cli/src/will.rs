//! What a child that waits in its mother's memory is left, and what it does with it: into its cgroups, a word to its mother, and when she
//! answers the command, as `execvp(3)` would find it.
#![allow(unsafe_code)] // A child is handed an address, and execve(2) takes addresses.

use std::ffi::{CStr, CString, OsStr, c_void};
use std::io;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;
use std::ptr;

use nix::libc;
use nix::sys::signal::SigSet;

use crate::bare;

/// Where a program without a slash is looked for when nobody says where, and who reads a program that is no program: `execvp(3)`.
const PATH: &str = "/bin:/usr/bin";
const SHELL: &CStr = c"/bin/sh";
const MYSELF: &[u8] = b"0\n";
/// What a child leaves with that never became its command; nobody asks for it.
const NEVER_BEGAN: libc::c_int = 127;

/// All that the child needs, made before it: it must not allocate.
#[derive(Debug)]
pub struct Will {
    /// What it shall become.
    pub becomes: Program,
    /// The files of v1 cgroups through which it moves itself.
    pub legacy: Vec<RawFd>,
    /// Where its output and its errors go, if not where its mother's go.
    pub output: Option<(RawFd, RawFd)>,
    /// The signals that its command shall not hear.
    pub mask: SigSet,
    /// Where its mother says go, and her end of that, which it must not keep open.
    pub go: RawFd,
    pub go_of_mother: RawFd,
    /// Where it says what went wrong.
    pub said: RawFd,
}

/// Strings, and the list of their addresses that `execve(2)` takes.
#[derive(Debug)]
struct Words {
    _strings: Vec<CString>,
    addresses: Vec<*const libc::c_char>,
}

impl Words {
    fn new(strings: Vec<CString>) -> Words {
        let addresses = strings.iter().map(|word| word.as_ptr());
        let addresses = addresses.chain(std::iter::once(ptr::null())).collect();
        let _strings = strings;
        Words { _strings, addresses }
    }
}

/// A command as `execve(2)` takes it.
#[derive(Debug)]
pub struct Program {
    places: Vec<CString>,
    words: Words,
    /// For a script without `#!`: the shell, the program, and the words behind it.
    script: Words,
}

impl Program {
    /// Reads a command, and finds where its program may lie.
    ///
    /// # Errors
    /// When a word has a zero byte in it.
    pub fn of(command: &Command) -> io::Result<Program> {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let words: Vec<CString> = words.map(c_string).collect::<io::Result<_>>()?;
        let behind = words.iter().skip(1).cloned();
        let script = [SHELL, SHELL].into_iter().map(CStr::to_owned).chain(behind);
        Ok(Program {
            places: places(command.get_program())?,
            script: Words::new(script.collect()),
            words: Words::new(words),
        })
    }

    /// As `execvp(3)`: the first place that has such a program. What went wrong, where none has.
    fn execute(&mut self) -> i32 {
        let mut refused = libc::ENOENT;
        for program in &self.places {
            // SAFETY: strings that live as long as we do, and lists of their addresses that end with null.
            let mut trouble = unsafe { bare::exec(program.as_ptr(), &self.words.addresses) };
            if trouble == libc::ENOEXEC {
                if let Some(second) = self.script.addresses.get_mut(1) {
                    *second = program.as_ptr();
                }
                // SAFETY: as above.
                trouble = unsafe { bare::exec(SHELL.as_ptr(), &self.script.addresses) };
            }
            match trouble {
                libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ENODEV | libc::ETIMEDOUT => {}
                // Another place may let us; where none does, this is why.
                libc::EACCES => refused = trouble,
                _ => return trouble,
            }
        }
        refused
    }
}

impl Will {
    /// The child: into its cgroups, a word to its mother, and when she answers the command. System calls only.
    fn fulfil(&mut self) -> ! {
        bare::close(self.go_of_mother);
        let mut trouble = 0;
        for file in &self.legacy {
            let wrote = bare::write(*file, MYSELF);
            if wrote < 0 && trouble == 0 {
                trouble = wrote;
            }
        }
        if !self.legacy.is_empty() {
            self.say(trouble);
        }
        if trouble != 0 || !bare::reads_a_byte(self.go) {
            bare::exit(NEVER_BEGAN);
        }
        if let Some((output, errors)) = self.output {
            bare::dup(output, libc::STDOUT_FILENO);
            bare::dup(errors, libc::STDERR_FILENO);
        }
        // Rust's own runtime ignores it, and what is ignored stays so over an exec.
        bare::act_as_usual(libc::SIGPIPE);
        bare::mask(&self.mask);
        let trouble = self.becomes.execute();
        self.say(trouble);
        bare::exit(NEVER_BEGAN)
    }

    fn say(&self, trouble: i32) {
        bare::write(self.said, &trouble.to_ne_bytes());
    }
}

/// The life of such a child.
///
/// # Safety
/// `will` is a [`Will`] that nobody else touches as long as the child is not its command.
// SAFETY: the caller promises what stands above.
pub unsafe extern "C" fn live(will: *mut c_void) -> ! {
    // SAFETY: the caller's promise.
    let will = unsafe { &mut *will.cast::<Will>() };
    will.fulfil()
}

fn c_string(word: &OsStr) -> io::Result<CString> {
    CString::new(word.as_bytes()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
}

/// Where a program may lie, in the order of `execvp(3)`.
fn places(program: &OsStr) -> io::Result<Vec<CString>> {
    if program.as_bytes().contains(&b'/') || program.is_empty() {
        return Ok(vec![c_string(program)?]);
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| PATH.into());
    // A folder without a name is the one in which we are.
    let places = std::env::split_paths(&path).map(|dir| dir.join(program));
    places.map(|place| c_string(place.as_os_str())).collect()
}
