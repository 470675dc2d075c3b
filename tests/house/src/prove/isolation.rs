//! `cargo prove isolation`: how soon a workload has its CPUs, that no CPU ever has two holders, and what a neighbour costs.

mod decisions;
mod dice;
mod guest;
mod masks;
mod neighbour;
mod peer;
mod stand;
mod starts;
mod storm;
mod turns;
mod watch;

use super::figure::Figure;
use crate::Wrong;
use crate::place::Place;
use crate::progress::Screen;

use masks::Masks;
pub use neighbour::{burn, measure};
use stand::Stand;
pub use storm::storm;
pub use turns::turns;

/// Everything that is measured on this machine's kernel, by an agent that enforces. `add` takes each figure as it comes.
pub fn node(place: &Place, screen: &Screen, mut add: impl FnMut(Vec<Figure>)) -> Result<(), Wrong> {
    let before = Masks::read();
    add(decisions::figures(place)?);
    let mut stand = Stand::raise(place)?;
    screen.line(&format!("cgroups: {}", stand.layout()));
    if let Err(wrong) = measured(place, screen, &mut stand, &mut add) {
        // Whatever went wrong, the machine gets back what was taken from it.
        screen.line(&stand.leave());
        return Err(wrong);
    }
    add(vec![before.figure()]);
    stand.lower()?;
    add(guest::peers(place, screen));
    Ok(())
}

fn measured(
    place: &Place,
    screen: &Screen,
    stand: &mut Stand,
    add: &mut impl FnMut(Vec<Figure>),
) -> Result<(), Wrong> {
    let own = starts::workloads(stand)?;
    add(own.figures());
    add(peer::runtimes(place, screen, stand.folder(), &own)?);
    add(starts::repin(stand)?);
    add(neighbour::noise(stand)?);
    add(storm::operations(stand));
    Ok(())
}
