//! The demonstration's claims: made once on a new state, found again in the journal ever after.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use house_tests::raise::{Binaries, demonstration};
use house_tests::{http, wait};

use crate::raised::Raised;
use crate::state::State;

/// From the first look at the shelf until six supplies are counted: debounce and probation are seconds.
const COUNTED_WITHIN: Duration = Duration::from_secs(60);

/// What six supplies of 3 kW give.
const INSTALLED_WATTS: f64 = 18_000.0;

/// Holds the demonstration's watts where no earlier run did.
pub fn hold(state: &State, raised: &Raised) -> anyhow::Result<()> {
    let rack = raised.rack_url()?;
    if state.has_claimed() {
        println!(
            "found again: {} (cargo up --fresh forgets it)",
            crate::raised::shown(state.folder())
        );
        return Ok(());
    }
    wait::until("six supplies in service", COUNTED_WITHIN, || {
        let view = http::get(rack, "/v1/rack")?;
        let installed = view["domains"][0]["installed_watts"].as_f64();
        ensure!(
            installed == Some(INSTALLED_WATTS),
            "the shelf is {}",
            view["domains"][0]
        );
        Ok(Some(()))
    })?;
    for (name, watts, node) in demonstration() {
        let mut command = Command::new(state.binaries.path(Binaries::CLI));
        command
            .args(["claim", "power", "--for", name, "--watts", &watts.to_string()])
            // A run that was stopped in the middle of this may be repeated: the same key gives the same claim.
            .args(["--idempotency-key", &format!("demonstration-{name}")])
            .env("BUSBAR_RACK", rack);
        if let Some(node) = node {
            command.args(["--node", node]);
        }
        let said = command.output().context("cannot start busbar")?;
        ensure!(
            said.status.success(),
            "busbar claim power --for {name} --watts {watts}: {}",
            String::from_utf8_lossy(&said.stderr)
        );
    }
    state.claimed()
}
