//! What a lease that comes in does, and what its orderly end does.

use agent_api::v1::{Head, Lease, LeaseEnd};

use super::{Ended, Grant, Held, Here, Leases, Moves, Next, Refusal, Seen, check};

impl Leases {
    /// What follows from a lease.
    ///
    /// # Errors
    /// Where it makes no sense, or is not to be obeyed here and now.
    pub fn take(&self, lease: &Lease, here: &Here<'_>) -> Result<Next, Refusal> {
        check::check(lease)?;
        is_of_this_boot(&lease.boot_id, here)?;
        if lease.heard_millis > here.now {
            return Err(Refusal::Ahead {
                heard: lease.heard_millis,
                now: here.now,
            });
        }
        let ends = lease.heard_millis.saturating_add(lease.valid_millis);
        // Whatever ends while the lease is on its way has ended before it came.
        let expired = self.expire(here.now);
        let was = expired.as_ref().map_or(self, |next| &next.leases);
        let mut next = match &was.held {
            None => was.first(lease, ends, here)?,
            Some(held) => was.renewed(held, lease, ends, here)?,
        };
        if let Some(expired) = expired {
            next.told.splice(0..0, expired.told);
            // Down from what the caller knows of, if nothing rises.
            if next.moves == Moves::Nothing {
                next.moves = Moves::Down;
            }
        }
        Ok(next)
    }

    /// The first lease since nobody held the node.
    fn first(&self, lease: &Lease, ends: u64, here: &Here<'_>) -> Result<Next, Refusal> {
        let ended = self.ended.iter().find(|ended| ended.rack == lease.rack);
        if let Some(ended) = ended.filter(|ended| lease.sequence <= ended.sequence) {
            return Err(Refusal::Old {
                theirs: lease.sequence,
                ours: ended.sequence,
            });
        }
        not_stale(ends, here)?;
        let grant = Grant::from(lease);
        // Nothing in force is more than any cap.
        let moves = match here.cap {
            Some(cap) if grant.wants() > cap => Moves::Up,
            Some(_) | None => Moves::Down,
        };
        if moves == Moves::Up {
            self.not_behind(lease)?;
        }
        let message = format!(
            "rack {:?} leases {} to this node (lease {}, level {}): {} is in force, and {} when nobody renews it",
            lease.rack,
            grant.cap_watts,
            lease.sequence,
            lease.level,
            grant.wants(),
            grant.wants().min(grant.at(1))
        );
        let target = grant.wants();
        Ok(Next {
            leases: Leases {
                held: Some(Held {
                    rack: lease.rack.clone(),
                    sequence: lease.sequence,
                    grant,
                    bound: None,
                    expires_millis: ends,
                    expired: false,
                    target,
                }),
                seen: self.seen_with(lease),
                ended: None,
            },
            moves,
            told: vec![("lease_taken", message)],
        })
    }

    /// A lease after another one.
    fn renewed(&self, held: &Held, lease: &Lease, ends: u64, here: &Here<'_>) -> Result<Next, Refusal> {
        of_its_rack(held, &lease.rack)?;
        let grant = Grant::from(lease);
        if lease.sequence < held.sequence {
            return Err(Refusal::Old {
                theirs: lease.sequence,
                ours: held.sequence,
            });
        }
        if lease.sequence == held.sequence && grant != held.grant {
            return Err(Refusal::Changed {
                sequence: lease.sequence,
            });
        }
        let lowers = lease.sequence > held.sequence && grant.wants() < held.target;
        if let Err(stale) = not_stale(ends, here) {
            return if lowers {
                Ok(self.followed_by(held, lowered(held, lease, grant, None), lease))
            } else {
                Err(stale)
            };
        }
        let rises = grant.wants() > held.target || grant.is_higher_than(held.holds());
        if rises && let Err(behind) = self.not_behind(lease) {
            return if lowers {
                Ok(self.followed_by(held, lowered(held, lease, grant, Some(ends)), lease))
            } else {
                Err(behind)
            };
        }
        // A renewal of the same number that was overtaken by another one takes nothing of its time.
        let is_same = lease.sequence == held.sequence;
        let expires_millis = if is_same {
            ends.max(held.expires_millis)
        } else {
            ends
        };
        let next = Held {
            rack: held.rack.clone(),
            sequence: lease.sequence,
            target: grant.wants(),
            grant,
            bound: None,
            expires_millis,
            expired: false,
        };
        Ok(self.followed_by(held, next, lease))
    }

    /// From one lease of a rack to its next.
    fn followed_by(&self, was: &Held, is: Held, lease: &Lease) -> Next {
        let (before, after) = (was.holds(), is.holds());
        let moves = if is.target > was.target || after.is_higher_than(before) {
            Moves::Up
        } else if is.target < was.target || before.is_higher_than(after) {
            Moves::Down
        } else {
            Moves::Nothing
        };
        let mut told = Vec::new();
        if was.expired && !is.expired {
            let message = format!(
                "rack {:?} renewed with lease {}: {} is in force again, was {}",
                is.rack, is.sequence, is.target, was.target
            );
            told.push(("lease_renewed_after_expiry", message));
        }
        if after.level != before.level {
            let message = format!(
                "rack {:?} moved this node from level {} to level {} (lease {}): {} is in force, was {}",
                is.rack, before.level, after.level, is.sequence, is.target, was.target
            );
            told.push(("lease_level", message));
        }
        Next {
            leases: Leases {
                seen: self.seen_with(lease),
                held: Some(is),
                ended: None,
            },
            moves,
            told,
        }
    }

    /// What follows from an orderly end; `None` where nobody holds the node.
    ///
    /// # Errors
    /// Where it is of another boot, another rack, or older than the lease.
    pub fn end(&self, end: &LeaseEnd, here: &Here<'_>) -> Result<Option<Next>, Refusal> {
        check::rack(&end.rack)?;
        is_of_this_boot(&end.boot_id, here)?;
        let Some(held) = &self.held else {
            return Ok(None);
        };
        of_its_rack(held, &end.rack)?;
        if end.sequence < held.sequence {
            return Err(Refusal::Old {
                theirs: end.sequence,
                ours: held.sequence,
            });
        }
        let message = format!(
            "rack {:?} ended its lease {} of {}: the limits are those that were found before the first cap",
            held.rack, held.sequence, held.target
        );
        Ok(Some(Next {
            leases: Leases {
                held: None,
                seen: self.seen.clone(),
                ended: Some(Ended {
                    rack: end.rack.clone(),
                    sequence: end.sequence,
                }),
            },
            moves: Moves::Up,
            told: vec![("lease_released", message)],
        }))
    }

    /// The head of its journal, if it is higher than all before, or another rack's.
    fn seen_with(&self, lease: &Lease) -> Option<Seen> {
        let is_newer = self
            .head_of(&lease.rack)
            .is_none_or(|head| lease.head.sequence > head.sequence);
        if !is_newer {
            return self.seen.clone();
        }
        Some(Seen {
            rack: lease.rack.clone(),
            head: lease.head.clone(),
        })
    }

    fn not_behind(&self, lease: &Lease) -> Result<(), Refusal> {
        let is_behind = |ours: &&Head| {
            lease.head.sequence < ours.sequence
                || (lease.head.sequence == ours.sequence && lease.head != **ours)
        };
        match self.head_of(&lease.rack).filter(is_behind) {
            None => Ok(()),
            Some(ours) => Err(Refusal::Behind {
                theirs: lease.head.clone(),
                ours: ours.clone(),
            }),
        }
    }
}

/// Obeyed for what it lowers only: it comes too late, or of a journal that lacks something. `ends` where it is in time.
fn lowered(held: &Held, lease: &Lease, grant: Grant, ends: Option<u64>) -> Held {
    let bound = grant.no_higher_than(held.holds());
    let expired = held.expired && ends.is_none();
    let target = held.target.min(bound.wants());
    Held {
        rack: held.rack.clone(),
        sequence: lease.sequence,
        grant,
        expires_millis: ends.unwrap_or(held.expires_millis),
        expired,
        target: if expired { target.min(bound.at(1)) } else { target },
        bound: Some(bound),
    }
}

fn not_stale(ends: u64, here: &Here<'_>) -> Result<(), Refusal> {
    if ends > here.now {
        return Ok(());
    }
    Err(Refusal::Stale { ends, now: here.now })
}

fn is_of_this_boot(boot_id: &str, here: &Here<'_>) -> Result<(), Refusal> {
    if boot_id == here.boot_id {
        return Ok(());
    }
    Err(Refusal::OtherBoot {
        theirs: boot_id.chars().take(64).collect(),
        ours: here.boot_id.to_owned(),
    })
}

fn of_its_rack(held: &Held, asks: &str) -> Result<(), Refusal> {
    if held.rack == asks {
        return Ok(());
    }
    Err(Refusal::OtherRack {
        holder: held.rack.clone(),
        asks: asks.to_owned(),
    })
}
