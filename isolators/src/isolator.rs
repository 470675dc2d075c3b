//! The trait of all isolators: from an intent and the host as it is to the steps that are missing.

use std::fmt;
use std::io;
use std::path::PathBuf;

use intent::Intent;
use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::nvml::NvmlTrouble;
use crate::step::Step;

/// When a step is due, across all isolators: shrink first, build, then grow. So no two workloads ever hold one CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Take away what nobody shall have any more.
    Release,
    /// Make what is new.
    Shape,
    /// Give what became free.
    Grant,
}

impl Phase {
    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Phase::Release => "release",
            Phase::Shape => "shape",
            Phase::Grant => "grant",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Why no steps can be given.
#[derive(Debug, thiserror::Error)]
pub enum IsolateError {
    /// The host has no such controller for us.
    #[error("the cgroup controller {controller} is needed and cannot be used here: {why}")]
    NoController {
        /// The kernel's name of the controller.
        controller: &'static str,
        /// Why not.
        why: String,
    },
    /// The host keeps these CPUs or NUMA nodes from the cgroup that ours would stand in.
    #[error("{wanted} is wanted, but {file} has only {has}")]
    OutOfReach {
        /// The list that is wanted.
        wanted: String,
        /// The file that limits it.
        file: PathBuf,
        /// What it allows.
        has: String,
    },
    /// A controller must be switched on in a cgroup that is not ours.
    #[error(
        "{file} must say {wanted} and says {has:?}, and we may not write there; \
         switch these controllers on, or delegate that cgroup"
    )]
    NotDelegated {
        /// The file.
        file: PathBuf,
        /// The controllers that are needed.
        wanted: String,
        /// The controllers that are on.
        has: String,
    },
    /// The host has the controller, but not this part of it.
    #[error("{what} cannot be had here: there is no {file} (controller {controller}); {gives}")]
    Lacks {
        /// What was asked for.
        what: String,
        /// The kernel's name of the controller.
        controller: &'static str,
        /// The file that would be written.
        file: PathBuf,
        /// What would give it.
        gives: &'static str,
    },
    /// There is no such device, or it is none that can be limited.
    #[error("{device:?} cannot be limited: {why}")]
    NoDevice {
        /// What it was called.
        device: String,
        /// Why not, with the file that was looked for.
        why: String,
    },
    /// More is wanted than is left, of a resource that the kernel divides.
    #[error("{wanted} is wanted, and {left}")]
    NoneLeft {
        /// What is wanted.
        wanted: String,
        /// What is left, and what would free more.
        left: String,
    },
    /// A driver's library does not answer.
    #[error(transparent)]
    Unanswered(#[from] NvmlTrouble),
    /// A file of the host cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        cause: io::Error,
    },
    /// A file of the host says something that is not understood.
    #[error("{path} says {text:?}; expected {expected}")]
    Strange {
        /// The file.
        path: PathBuf,
        /// What it says.
        text: String,
        /// What was expected.
        expected: &'static str,
    },
}

/// Brings one part of an intent about: it compares and plans, and writes nothing.
pub trait Isolator {
    /// Its name: the folder or kernel controller that it stands for.
    fn name(&self) -> &'static str;

    /// The steps that are missing between the host as it is and the intent; none means converged.
    ///
    /// # Errors
    /// When the host cannot be read, or lacks what the intent needs.
    fn steps(&self, host: &Host, intent: &Intent) -> Result<Vec<(Phase, Step)>, IsolateError>;

    /// Whether it keeps the host clear of exclusive CPUs, whoever writes the cgroup of their holder; the others plan for those alone whose
    /// cgroups are ours to write.
    fn keeps_clear(&self) -> bool {
        false
    }
}
