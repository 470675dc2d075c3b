//! What a drive tells of itself and cannot be: a size that changes, a clock that is behind.

use facts::{Bytes, Moment};

use super::{Drive, Ending, Proof, Tenancy};

impl Drive {
    /// It tells another size than before: it is not lent on that word. A free one is foreign again, and so is one that was to be erased; of
    /// what is on another one somebody has to say that it is what its holder left.
    #[must_use]
    pub fn resized(&self, size: Bytes, now: Moment) -> Drive {
        let why = format!("it told {} bytes before, and {} now", self.size.get(), size.get());
        let told = Drive { size, ..self.clone() };
        match &self.tenancy {
            // It never joined the pool: it is what it tells.
            Tenancy::Foreign { .. } => told,
            Tenancy::Free { .. } | Tenancy::Wiping { .. } | Tenancy::Failed { .. } => Drive {
                tenancy: Tenancy::Foreign { why: Some(why) },
                since: now,
                ..told
            },
            Tenancy::Claimed(_) => Drive {
                unsealed: Some(why),
                ..told.end(Ending::Failing, now).unwrap_or(told)
            },
            Tenancy::Releasing { .. } | Tenancy::Held { .. } => Drive {
                unsealed: Some(why),
                ..told
            },
        }
    }
}

impl Proof {
    /// A proof of one try, known by its number, on the rack's clock: that of the drive's node may be behind, and what it did for an order it
    /// did not do before the order.
    #[must_use]
    pub fn on_our_clock(self, asked_at: Moment) -> Proof {
        if self.began >= asked_at {
            return self;
        }
        let behind = asked_at.since(self.began);
        Proof {
            began: self.began.after(behind),
            ended: self.ended.after(behind),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{DriveId, EraseMethod, FEWEST_SAMPLES, ProofLacks, Seat};
    use super::*;
    use facts::Identity;

    fn id() -> DriveId {
        let identity = Identity {
            serial: Some("S1".to_owned()),
            ..Identity::default()
        };
        DriveId::of(&identity).unwrap()
    }

    fn proof(began: u64, ended: u64) -> Proof {
        Proof {
            drive: id(),
            method: EraseMethod::Format,
            began: Moment::from_millis(began),
            ended: Moment::from_millis(ended),
            log_page: None,
            samples: FEWEST_SAMPLES,
            dirty: 0,
            written: None,
            asked_by: "ada".to_owned(),
        }
    }

    #[test]
    fn a_free_drive_that_tells_another_size_is_foreign_and_is_not_lent() {
        let seat = Seat {
            place: "jbof/bay-1".to_owned(),
            arrival: 1,
        };
        let at = Moment::from_millis;
        let drive = Drive::found(id(), Bytes::new(100), seat, at(1));
        let free = drive
            .enrol("S1", &Vec::new(), "ada", at(2))
            .and_then(|drive| drive.erased(proof(3, 4), at(5)))
            .unwrap();
        assert!(free.may_be_lent());
        let liar = free.resized(Bytes::new(200), at(6));
        assert!(!liar.may_be_lent());
        assert!(
            matches!(&liar.tenancy, Tenancy::Foreign { why: Some(why) } if why.contains("100 bytes")),
            "{liar:?}"
        );
        assert!(!free.resized(Bytes::ZERO, at(6)).may_be_lent());
    }

    #[test]
    fn a_clock_that_is_behind_makes_no_proof_early_and_none_longer() {
        let asked = Moment::from_millis(5_000);
        let early = proof(1_000, 3_500);
        assert!(matches!(
            early.lacks(&id(), asked),
            Some(ProofLacks::Early { .. })
        ));
        let ours = early.on_our_clock(asked);
        assert_eq!(ours.lacks(&id(), asked), None);
        assert_eq!((ours.began.millis(), ours.ended.millis()), (5_000, 7_500));
        let late = proof(6_000, 7_000);
        assert_eq!(late.clone().on_our_clock(asked), late);
    }
}
