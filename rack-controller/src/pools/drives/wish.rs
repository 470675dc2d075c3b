//! What should be done about a drive, and what its target was read to let in.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Drive, Seat, Stage, Tenancy};

/// What a target was read to let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessSeen {
    /// Which stay of the drive this is about.
    pub arrival: u64,
    /// Nodes that may connect, or are connected.
    pub nodes: BTreeSet<String>,
    /// The latest grant that it has obeyed.
    pub granted: u64,
    /// Grants that it has closed: it obeys none of them any more, however late it is told.
    pub closed: u64,
    /// Everything that was ever written to the drive, where it counts.
    pub written: Option<u64>,
}

/// What should be done about a drive now. Asked again until it is so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "wish")]
pub enum Wish {
    /// Let this node in, and nobody else; not where this grant is closed already.
    Admit {
        /// Where, and in which stay.
        seat: Seat,
        /// The node.
        node: String,
        /// The grant.
        generation: u64,
    },
    /// Take it into use on this node, and see that it is the very drive.
    Attach {
        /// Where, and in which stay.
        seat: Seat,
        /// The node.
        node: String,
        /// The grant.
        generation: u64,
    },
    /// Let nobody in, end what is connected, and close this grant and all before it.
    Shut {
        /// Where, and in which stay.
        seat: Seat,
        /// The grant.
        generation: u64,
    },
    /// Erase it, after it has told once more who it is; not where a later grant was obeyed.
    Erase {
        /// Where, and in which stay.
        seat: Seat,
        /// The last grant before, and the number of this try: its proof is about this very try.
        generation: u64,
    },
}

impl Wish {
    /// Where it is to be done, and in which stay.
    pub const fn seat(&self) -> &Seat {
        match self {
            Wish::Admit { seat, .. }
            | Wish::Attach { seat, .. }
            | Wish::Shut { seat, .. }
            | Wish::Erase { seat, .. } => seat,
        }
    }

    /// Whether the node that uses the drive is asked for it, and not the one that has it.
    pub const fn is_of_the_user(&self) -> bool {
        matches!(self, Wish::Attach { .. })
    }
}

impl Drive {
    /// What should be done about it now. A drive that is nobody's lets nobody in, whatever its target was told by whom.
    pub fn wish(&self, seen: Option<&AccessSeen>) -> Option<Wish> {
        let seat = self.seat.clone()?;
        let generation = self.generation;
        let seen = seen.filter(|seen| seen.arrival == seat.arrival);
        let is_open = seen.is_some_and(|seen| !seen.nodes.is_empty());
        match &self.tenancy {
            // Nobody is let in before somebody vouches for what is on it.
            Tenancy::Claimed(_) if self.unsealed.is_some() => None,
            Tenancy::Claimed(grant) => {
                let node = grant.holder.node.clone();
                match grant.stage {
                    Stage::Admitting => Some(Wish::Admit {
                        seat,
                        node,
                        generation,
                    }),
                    Stage::Admitted => Some(Wish::Attach {
                        seat,
                        node,
                        generation,
                    }),
                    Stage::Attached => None,
                }
            }
            Tenancy::Releasing { .. } => Some(Wish::Shut { seat, generation }),
            // Before anything is destroyed, nobody can reach it: by what was read, not by what was asked.
            Tenancy::Wiping { .. } if seen.is_none() || is_open => Some(Wish::Shut { seat, generation }),
            Tenancy::Wiping { .. } => Some(Wish::Erase { seat, generation }),
            Tenancy::Free { .. } | Tenancy::Held { .. } | Tenancy::Failed { .. } => {
                is_open.then_some(Wish::Shut { seat, generation })
            }
            // What never joined the pool is not ours to shut.
            Tenancy::Foreign { .. } => None,
        }
    }
}
