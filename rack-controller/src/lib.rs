//! busbar-rack: one rack.

pub mod bay;
pub mod claim;
pub mod config;
pub mod decide;
pub mod init;
pub mod inspect;
pub mod journal;
pub mod pools;
pub mod rack;
pub mod view;
