//! What should be in force now and is not, over every pooled kind.

use facts::Moment;

use crate::pools::drives::plan as drives;
use crate::pools::roster;
use crate::rack::event::Action;
use crate::rack::state::Rack;

/// What should be in force now and is not. Level-triggered: a crash between the log and the act loses nothing, because
/// the same is wanted again. What a mode does not allow is wanted too; the gate stands where it is acted on.
pub fn want(rack: &Rack, now: Moment) -> Vec<Action> {
    let pools = roster();
    let of_pools = pools.into_iter().flat_map(|pool| pool.want(rack, now));
    of_pools.chain(drives::want(rack, now)).collect()
}
