//! `cargo prove isolation`: how soon a workload has its CPUs, that no CPU ever has two holders, and what a neighbour costs.

mod decisions;
mod dice;
mod neighbour;
mod peer;
mod stand;
mod starts;
mod storm;
mod watch;

use super::facts::scratch;
use super::figure::Figure;
use crate::Wrong;
use crate::place::Place;
use crate::progress::Screen;

pub use neighbour::{burn, measure};
use stand::Stand;

/// Everything that is measured on this machine's kernel, by an agent that enforces. `add` takes each figure as it comes.
pub fn node(place: &Place, screen: &Screen, mut add: impl FnMut(Vec<Figure>)) -> Result<(), Wrong> {
    add(decisions::figures(place)?);
    let folder = scratch(place, "prove-isolation")?;
    let mut stand = Stand::raise(place, &folder)?;
    screen.line(&format!("cgroups: {}", stand.layout()));
    let own = starts::workloads(&mut stand)?;
    add(own.figures());
    add(peer::runtimes(place, screen, &folder, &own)?);
    add(starts::repin(&mut stand)?);
    add(neighbour::noise(&mut stand)?);
    add(storm::operations(&mut stand)?);
    stand.lower()
}
