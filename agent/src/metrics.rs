//! `/metrics`: a page laid out once, with the numbers of the latest view and of the sources' sheets. Nothing is stored, so
//! that a part that is gone vanishes by itself.

mod counts;
mod draft;
mod family;
mod format;
mod gpu;
mod interference;
mod layout;
mod lease;
mod machine;
mod own;
mod pooled;
mod press;
mod profile;
mod proofs;
mod service;

pub use counts::Counts;
pub use family::{Family, Kind, TABLE};
pub use format::{Format, takes_gzip};
pub use layout::{COUNT, Layout, Order, SUM};
pub use own::Own;
pub use press::{Press, families_now, of_machine};
pub use profile::{BESIDE, Glob, LONGEST_GLOB, NotAGlob, Profile, Selection};

/// Every family that can stand on the page, in its order: the agent's own, then those of the sources' sheets.
pub fn families() -> impl Iterator<Item = &'static Family> {
    TABLE.iter().copied().chain(collectors::roster::families())
}

#[cfg(test)]
#[path = "metrics/tests.rs"]
mod tests;
