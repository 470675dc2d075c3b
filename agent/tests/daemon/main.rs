//! The real daemon on port 0: its faces, its configuration, its life and its end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../../collectors/tests/bmc_stand_in/mod.rs"]
mod bmc_stand_in;
mod capped;
mod closed;
mod configured;
mod counted;
mod hot;
mod leased;
mod leased_orders;
mod life;
mod node;
mod own_bmc;
mod placed;
mod pooled;
mod pooled_authenticate;
mod pooled_bad;
mod pooled_leave;
mod pooled_led;
mod pooled_stand;
mod previews;
mod quiet;
mod rehearsal;
mod served;
mod sick;
mod stand;
