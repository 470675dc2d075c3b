//! busbar-rack: one rack.
//!
//! Pure: `bay`, `claim`, `config`, `rack`, `decide`, `pools/*/plan`, `view`. I/O: `eyes` see, `turn` owns the rack and keeps the
//! journal, `pools/*/act` write to the rack and nobody else does, `http` answers.

pub mod args;
pub mod bay;
pub mod claim;
pub mod clock;
pub mod config;
pub mod decide;
pub mod eyes;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
pub mod http;
pub mod init;
pub mod inspect;
pub mod journal;
pub mod metrics;
pub mod pools;
pub mod rack;
pub mod record;
pub mod serve;
pub mod turn;
pub mod view;
