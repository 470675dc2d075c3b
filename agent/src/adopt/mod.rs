//! Whom an adoption means: a process and all that it has started, the processes of a systemd unit, those of a container.
//!
//! Only reads. Whether they may be taken is decided by the keeper.

mod seek;
mod task;

pub use seek::{Found, NotFound, container, unit};
pub use task::{Task, all, family, stat};

/// The parsers on any text: they may refuse, and must never panic.
#[cfg(any(test, feature = "fuzz"))]
pub fn fuzz(text: &str) {
    if let Some(task) = stat(text) {
        assert_eq!(family(std::slice::from_ref(&task), &[task.pid]).len(), 1);
    }
    let _ = (seek::pid_of(text), seek::is_name(text));
}
