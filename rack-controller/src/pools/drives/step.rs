//! The steps of a drive's tenancy: each makes the drive as it is afterwards, or is refused and changes nothing.

use std::collections::BTreeSet;

use facts::Moment;

use super::{AccessSeen, Denied, Drive, DriveId, Ending, Grant, Holder, Proof, Seat, Stage, Tenancy};

/// Erasures that may fail one after the other before a drive stays out until somebody looks at it.
pub const MOST_TRIES: u32 = 3;

/// What would be destroyed, or who would be: found before a drive that is not the pool's is erased.
pub type Obstacles = Vec<String>;

impl Drive {
    fn not_now(&self, expected: &'static str) -> Denied {
        Denied::NotNow {
            drive: self.id.clone(),
            is: self.tenancy.word(),
            expected,
        }
    }

    /// What is ordered and answered from now on is about another time than before.
    fn anew(self) -> Drive {
        let generation = self.generation.saturating_add(1);
        Drive { generation, ..self }
    }

    fn with(&self, tenancy: Tenancy, now: Moment) -> Drive {
        Drive {
            tenancy,
            since: now,
            ..self.clone()
        }
    }

    /// It joins the pool, and what is on it goes: only with its serial number typed again, and only where nothing speaks against it.
    ///
    /// # Errors
    /// It is in the pool already; something was found on it; the serial number is another one; it is in no bay.
    pub fn enrol(&self, typed: &str, obstacles: &Obstacles, by: &str, now: Moment) -> Result<Drive, Denied> {
        if !matches!(self.tenancy, Tenancy::Foreign { .. } | Tenancy::Failed { .. }) {
            return Err(self.not_now("foreign, or failed"));
        }
        self.erased_on_purpose(typed, obstacles, by, now)
    }

    /// An operator has what is held erased now.
    ///
    /// # Errors
    /// It is not held; the serial number is another one; it is in no bay.
    pub fn give_up(&self, typed: &str, by: &str, now: Moment) -> Result<Drive, Denied> {
        if !matches!(self.tenancy, Tenancy::Held { .. }) {
            return Err(self.not_now("held"));
        }
        self.erased_on_purpose(typed, &Obstacles::new(), by, now)
    }

    fn erased_on_purpose(
        &self,
        typed: &str,
        obstacles: &Obstacles,
        by: &str,
        now: Moment,
    ) -> Result<Drive, Denied> {
        self.in_its_bay()?;
        if typed != self.id.serial() {
            return Err(Denied::Mistyped {
                drive: self.id.clone(),
                typed: typed.chars().take(64).collect(),
            });
        }
        if !obstacles.is_empty() {
            return Err(Denied::InUse {
                drive: self.id.clone(),
                obstacles: obstacles.clone(),
            });
        }
        let wiping = Tenancy::Wiping {
            tries: 0,
            asked_by: by.to_owned(),
            why: None,
        };
        Ok(self.with(wiping, now).anew())
    }

    fn in_its_bay(&self) -> Result<&Seat, Denied> {
        self.seat.as_ref().ok_or_else(|| Denied::Absent(self.id.clone()))
    }

    /// It is lent: a free one to anybody, one that is held to whoever may have its data.
    ///
    /// # Errors
    /// It is neither, in no bay, or about to fail.
    pub fn lend(&self, holder: Holder, now: Moment) -> Result<Drive, Denied> {
        match &self.tenancy {
            Tenancy::Free { .. } => {}
            Tenancy::Held { holder: before, .. } if before.may_pass_to(&holder) => {}
            Tenancy::Held { holder: before, .. } => {
                return Err(Denied::Others {
                    drive: self.id.clone(),
                    purpose: before.purpose.clone(),
                });
            }
            Tenancy::Foreign { .. }
            | Tenancy::Claimed(_)
            | Tenancy::Releasing { .. }
            | Tenancy::Wiping { .. }
            | Tenancy::Failed { .. } => return Err(self.not_now("free, or held for the same purpose")),
        }
        let arrival = self.in_its_bay()?.arrival;
        self.sealed()?;
        if self.wear.predicts_failure {
            return Err(Denied::WillFail(self.id.clone()));
        }
        let generation = self.generation.saturating_add(1);
        let grant = Grant {
            holder,
            generation,
            arrival,
            stage: Stage::Admitting,
        };
        Ok(Drive {
            generation,
            ..self.with(Tenancy::Claimed(grant), now)
        })
    }

    /// The target was read: the grant goes on where it lets in whom it should, and nobody else.
    ///
    /// # Errors
    /// It is not being admitted; the target has not heard of this grant; others can reach it.
    pub fn admitted(&self, seen: &AccessSeen, now: Moment) -> Result<Drive, Denied> {
        let grant = self.granted(Stage::Admitting, "being admitted")?;
        self.sealed()?;
        self.same_stay(seen)?;
        self.on_time(seen.granted, grant.generation)?;
        let wanted = BTreeSet::from([grant.holder.node.clone()]);
        if seen.nodes != wanted {
            let others = seen.nodes.difference(&wanted).cloned().collect();
            return Err(Denied::StillReached {
                drive: self.id.clone(),
                nodes: others,
            });
        }
        let stage = Stage::Admitted;
        Ok(self.with(
            Tenancy::Claimed(Grant {
                stage,
                ..grant.clone()
            }),
            now,
        ))
    }

    fn granted(&self, stage: Stage, expected: &'static str) -> Result<&Grant, Denied> {
        match &self.tenancy {
            Tenancy::Claimed(grant) if grant.stage == stage => Ok(grant),
            Tenancy::Claimed(_)
            | Tenancy::Foreign { .. }
            | Tenancy::Free { .. }
            | Tenancy::Releasing { .. }
            | Tenancy::Held { .. }
            | Tenancy::Wiping { .. }
            | Tenancy::Failed { .. } => Err(self.not_now(expected)),
        }
    }

    fn same_stay(&self, seen: &AccessSeen) -> Result<(), Denied> {
        let seat = self.in_its_bay()?;
        if seat.arrival == seen.arrival {
            return Ok(());
        }
        Err(Denied::OtherStay(self.id.clone()))
    }

    fn on_time(&self, found: u64, expected: u64) -> Result<(), Denied> {
        if found == expected {
            return Ok(());
        }
        Err(Denied::Late {
            drive: self.id.clone(),
            found,
            expected,
        })
    }

    /// The node says which drive it sees there. Another one than was lent is taken from it again.
    ///
    /// # Errors
    /// It is not admitted; the node speaks of an earlier grant.
    pub fn attached(&self, sees: &DriveId, generation: u64, now: Moment) -> Result<Drive, Denied> {
        let grant = self.granted(Stage::Admitted, "admitted")?;
        self.on_time(generation, grant.generation)?;
        if *sees != self.id {
            return self.end(Ending::WrongDrive, now);
        }
        let stage = Stage::Attached;
        Ok(self.with(
            Tenancy::Claimed(Grant {
                stage,
                ..grant.clone()
            }),
            now,
        ))
    }

    /// Its holder loses it, or gives it back. One that is ending already ends as it began to, but for a pull: nothing is erased by an
    /// ending that came later.
    ///
    /// # Errors
    /// Nobody has it.
    pub fn end(&self, ending: Ending, now: Moment) -> Result<Drive, Denied> {
        let Tenancy::Claimed(grant) = &self.tenancy else {
            return Err(self.not_now("claimed"));
        };
        let releasing = Tenancy::Releasing {
            grant: grant.clone(),
            ending,
        };
        Ok(self.with(releasing, now))
    }

    /// The target was read: nobody can reach the drive any more, so it is held. What its holder gave back has an end.
    ///
    /// # Errors
    /// It is not ending; somebody can still reach it; the target has not heard of this grant, so that an order to admit may still be on its
    /// way to it.
    pub fn shut(&self, seen: &AccessSeen, now: Moment) -> Result<Drive, Denied> {
        let Tenancy::Releasing { grant, ending } = &self.tenancy else {
            return Err(self.not_now("releasing"));
        };
        self.same_stay(seen)?;
        // Of a stay that began after the grant nobody was ever let in by it.
        if seen.arrival == grant.arrival && seen.closed < grant.generation {
            self.on_time(seen.closed, grant.generation)?;
        }
        if !seen.nodes.is_empty() {
            return Err(Denied::StillReached {
                drive: self.id.clone(),
                nodes: seen.nodes.iter().cloned().collect(),
            });
        }
        let until = match ending {
            Ending::Released { erase_after } => Some(now.after(*erase_after)),
            Ending::Expired
            | Ending::NodeLost
            | Ending::Pulled
            | Ending::WrongDrive
            | Ending::Failing
            | Ending::Preempted => None,
        };
        let held = Tenancy::Held {
            holder: grant.holder.clone(),
            until,
            ending: *ending,
        };
        Ok(self.with(held, now))
    }

    /// Time went by: what was given back is erased when its hold is over, only while it is in its bay, and not where it was away and may
    /// hold what somebody else wrote there.
    pub fn pass_time(&self, now: Moment) -> Option<Drive> {
        let Tenancy::Held { holder, until, .. } = &self.tenancy else {
            return None;
        };
        let is_over =
            until.is_some_and(|until| until <= now) && self.seat.is_some() && self.unsealed.is_none();
        is_over.then(|| {
            let wiping = Tenancy::Wiping {
                tries: 0,
                asked_by: format!("the release of \"{}\"", holder.purpose),
                why: None,
            };
            self.with(wiping, now).anew()
        })
    }

    /// An erasure was shown, or was not.
    ///
    /// # Errors
    /// It is not being erased; the proof shows nothing: then it counts as one that failed, see [`Drive::not_erased`].
    pub fn erased(&self, proof: Proof, now: Moment) -> Result<Drive, Denied> {
        if !matches!(self.tenancy, Tenancy::Wiping { .. }) {
            return Err(self.not_now("wiping"));
        }
        self.in_its_bay()?;
        if let Some(lacks) = proof.lacks(&self.id, self.since) {
            return Err(Denied::Unproven {
                drive: self.id.clone(),
                lacks: Box::new(lacks),
            });
        }
        let written = proof.written;
        let free = self.with(
            Tenancy::Free {
                proof: Box::new(proof),
            },
            now,
        );
        Ok(Drive {
            unsealed: None,
            ..free.counted(written)
        })
    }

    /// An erasure failed: it is tried again a few times, and then the drive stays out.
    ///
    /// # Errors
    /// It is not being erased.
    pub fn not_erased(&self, why: &str, now: Moment) -> Result<Drive, Denied> {
        let Tenancy::Wiping { tries, asked_by, .. } = &self.tenancy else {
            return Err(self.not_now("wiping"));
        };
        let tries = tries.saturating_add(1);
        let next = if tries >= MOST_TRIES {
            Tenancy::Failed { why: why.to_owned() }
        } else {
            Tenancy::Wiping {
                tries,
                asked_by: asked_by.clone(),
                why: Some(why.to_owned()),
            }
        };
        Ok(self.with(next, now).anew())
    }

    /// It was erased by somebody's word alone, and no further try could show more: it stays out.
    ///
    /// # Errors
    /// It is not being erased.
    pub fn stays_out(&self, why: &str, now: Moment) -> Result<Drive, Denied> {
        if !matches!(self.tenancy, Tenancy::Wiping { .. }) {
            return Err(self.not_now("wiping"));
        }
        Ok(self.with(Tenancy::Failed { why: why.to_owned() }, now).anew())
    }

    /// It is in no bay any more. Who had it has lost it; an erasure that was under way tells nothing.
    #[must_use]
    pub fn pulled(&self, now: Moment) -> Drive {
        let out = Drive {
            seat: None,
            ..self.clone()
        };
        out.end(Ending::Pulled, now).unwrap_or(out)
    }

    /// It is in a bay again, the same or another. Where its counter shows that nothing was written to it meanwhile, it is what it was. Else a
    /// free one is foreign, one that was to be erased is foreign too (whatever is on it now, nobody has asked to destroy that), and what is
    /// held goes back to nobody before somebody vouches for it.
    #[must_use]
    pub fn returned(&self, seat: Seat, written: Option<u64>, now: Moment) -> Drive {
        let is_same = self.written.is_some() && self.written == written;
        let back = Drive {
            seat: Some(seat),
            ..self.counted(written)
        };
        let why = "it was out of its bay, and something may have been written to it there".to_owned();
        match &self.tenancy {
            Tenancy::Free { .. } | Tenancy::Wiping { .. } if !is_same => {
                back.with(Tenancy::Foreign { why: Some(why) }, now)
            }
            // What an erasure did before it was pulled shows nothing: it counts from now.
            wiping @ Tenancy::Wiping { .. } => back.with(wiping.clone(), now).anew(),
            Tenancy::Held { .. } | Tenancy::Claimed(_) | Tenancy::Releasing { .. } if !is_same => Drive {
                unsealed: Some(why),
                ..back
            },
            Tenancy::Free { .. }
            | Tenancy::Foreign { .. }
            | Tenancy::Claimed(_)
            | Tenancy::Releasing { .. }
            | Tenancy::Held { .. }
            | Tenancy::Failed { .. } => back,
        }
    }

    /// Somebody who knows where it was says that what is on it is what its holder left.
    ///
    /// # Errors
    /// It is neither held nor claimed, or nobody doubts it.
    pub fn vouched(&self) -> Result<Drive, Denied> {
        let is_kept = matches!(self.tenancy, Tenancy::Held { .. } | Tenancy::Claimed(_));
        if !is_kept || self.unsealed.is_none() {
            return Err(self.not_now("held or claimed, and was away"));
        }
        Ok(Drive {
            unsealed: None,
            ..self.clone()
        })
    }
}
