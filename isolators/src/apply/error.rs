//! Why a step failed, and what was done before it.

use std::io;
use std::path::PathBuf;

use crate::nvml::NvmlTrouble;
use crate::step::Step;

/// A step failed; those before it stay done.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step}")]
pub struct ApplyError {
    /// The step.
    pub step: Box<Step>,
    /// Why.
    #[source]
    pub cause: StepError,
    /// What was done before it.
    pub done: Vec<Step>,
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The kernel refused.
    #[error("the kernel refused: {0}")]
    Refused(#[source] io::Error),
    /// The file is not there: this kernel, or this cgroup, does not have it.
    #[error("there is no {}", .0.display())]
    NoFile(PathBuf),
    /// It was written and then says something else.
    #[error("{} was written with {wrote:?} and then said {said:?}", .file.display())]
    ReadBack {
        /// The file.
        file: PathBuf,
        /// What was written.
        wrote: String,
        /// What it says.
        said: String,
    },
    /// resctrl refused, and says why.
    #[error("resctrl refused: {0}")]
    Status(String),
    /// It did not come about in the time that it was given.
    #[error("{} still says {said:?}", .file.display())]
    TooSlow {
        /// The file.
        file: PathBuf,
        /// What it says.
        said: String,
    },
    /// Another agent has changed the same files of this machine and holds what they said before.
    #[error(
        "interrupts, work queues or limits of this machine were changed by another agent, whose record of what they were is {}; \
         end its workloads, or have it leave, and try again",
        .0.display()
    )]
    Others(PathBuf),
    /// The driver of a GPU refused, or does not answer.
    #[error(transparent)]
    Driver(NvmlTrouble),
    /// The process has ended, or its number belongs to another one now.
    #[error("process {0} has ended")]
    Gone(u32),
}
