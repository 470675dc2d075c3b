//! What people ask of pooled drives, and how all of them are shown.

use std::sync::Arc;
use std::time::Duration;

use facts::Moment;
use rack_api::v1::{DriveClaim, DriveClaimAsk, DriveView, DrivesView, ProofView};
use tokio::time::Instant;

use super::round::{Turn, refused};
use super::{NoAnswer, Reply};
use crate::claim::ClaimId;
use crate::decide::{self, DrivesInput, Input, Refusal};
use crate::rack::Rack;
use crate::rack::drives::KeptDrives;
use crate::view;

/// How old what is shown of drives may be while nobody's claim and no drive's tenancy changes: agents tell something new each second.
const SHOWN: Duration = Duration::from_millis(500);

/// What people ask of drives, and where the answer goes.
pub enum DrivesQuestion {
    /// Drives.
    Claim {
        /// The ask.
        ask: Box<DriveClaimAsk>,
        /// The idempotency key.
        key: Option<String>,
        /// Only whether it would be admitted.
        dry_run: bool,
        /// The claim: admitted, already admitted, or as it would be.
        reply: Reply<DriveClaim>,
    },
    /// To let a claim of drives stand for its time again.
    Renew {
        /// Its id or name.
        claim: String,
        /// Only how it would be.
        dry_run: bool,
        /// The claim as it is then.
        reply: Reply<DriveClaim>,
    },
    /// To give a claim of drives back.
    Release {
        /// Its id or name.
        claim: String,
        /// How long its drives are held, in seconds.
        erase_after_seconds: Option<u32>,
        /// The claim as it was.
        reply: Reply<DriveClaim>,
    },
    /// Something about one drive.
    Change {
        /// What.
        input: DrivesInput,
        /// Only how it would be.
        dry_run: bool,
        /// The drive as it is then.
        reply: Reply<DriveView>,
    },
    /// The last proof that a drive was erased.
    Proof {
        /// Its serial number.
        serial: String,
        /// Its model, where that is said.
        model: Option<String>,
        /// The proof.
        reply: Reply<ProofView>,
    },
}

impl DrivesQuestion {
    /// Whether the answer rests on the sums of power.
    pub(super) fn rests_on_sums(&self) -> bool {
        matches!(self, DrivesQuestion::Claim { ask, .. } if !ask.watts.is_zero())
    }
}

impl Turn {
    pub(super) fn answer_drives(&mut self, question: DrivesQuestion) {
        match question {
            DrivesQuestion::Claim {
                ask,
                key,
                dry_run,
                reply,
            } => {
                if dry_run {
                    let _ = reply.send(self.preview_drives(&ask));
                } else {
                    self.claim_drives(*ask, key, reply);
                }
            }
            DrivesQuestion::Renew {
                claim,
                dry_run,
                reply,
            } => {
                // By its id: watts of another claim may have the same name.
                let known = self.rack.kept.drives.claim(&claim);
                let claim = known.map_or(claim.clone(), |known| known.id.to_string());
                let answer = self.renew_drives(&claim, dry_run);
                self.tell(reply, answer);
            }
            DrivesQuestion::Release {
                claim,
                erase_after_seconds,
                reply,
            } => {
                let before = of_claim(&self.rack, &claim);
                let input = Input::Drives(DrivesInput::Release {
                    claim,
                    erase_after_seconds,
                });
                // Who gives back is not told so by the claim that is gone, but by what it was.
                let answer = self.promise(&input).and(before);
                self.tell(reply, answer);
            }
            DrivesQuestion::Change {
                input,
                dry_run,
                reply,
            } => {
                let answer = self.change_drive(input, dry_run);
                if dry_run {
                    let _ = reply.send(answer);
                } else {
                    self.tell(reply, answer);
                }
            }
            DrivesQuestion::Proof { serial, model, reply } => {
                let _ = reply.send(self.proof(&serial, model.as_deref()));
            }
        }
    }

    fn preview_drives(&self, ask: &DriveClaimAsk) -> Result<DriveClaim, NoAnswer> {
        let now = self.clock.now();
        let drives = decide::preview_drives(&self.rack, ask, now).map_err(refused)?;
        Ok(view::claim_of_drives(&self.rack, ask, &drives, now))
    }

    fn claim_drives(&mut self, ask: DriveClaimAsk, key: Option<String>, reply: Reply<DriveClaim>) {
        let next = ClaimId(self.rack.kept.next_claim);
        let name = ask.purpose.clone();
        let input = Input::Drives(DrivesInput::Claim {
            ask: Box::new(ask),
            key,
        });
        let answer = self.promise(&input).and_then(|()| of_claim(&self.rack, &name));
        // A claim that its asker never had is taken back where the journal does not get it; an older one is not.
        let claim = answer.as_ref().ok().and_then(|claim| ClaimId::read(&claim.id));
        let claim = claim.filter(|claim| *claim >= next || self.is_held(*claim));
        self.tell_of(claim, reply, answer);
    }

    fn renew_drives(&mut self, claim: &str, dry_run: bool) -> Result<DriveClaim, NoAnswer> {
        of_claim(&self.rack, claim)?;
        let input = &Input::RenewClaim {
            claim: claim.to_owned(),
        };
        if dry_run {
            return of_claim(&self.after_all(input)?, claim);
        }
        // Whoever renews in time keeps what they have, also while the disk takes nothing: only the answer says so.
        self.take(input)?;
        of_claim(&self.rack, claim)
    }

    fn change_drive(&mut self, input: DrivesInput, dry_run: bool) -> Result<DriveView, NoAnswer> {
        let (serial, model) = match &input {
            DrivesInput::Enrol { serial, request } | DrivesInput::Erase { serial, request } => {
                (serial.clone(), request.model.clone())
            }
            DrivesInput::Vouch { serial, request } => (serial.clone(), request.model.clone()),
            DrivesInput::Seen { .. }
            | DrivesInput::Silent { .. }
            | DrivesInput::Claim { .. }
            | DrivesInput::Release { .. } => (String::new(), None),
        };
        let input = Input::Drives(input);
        if dry_run {
            let after = self.after_all(&input)?;
            return one(&after, &serial, model.as_deref());
        }
        self.promise(&input)?;
        one(&self.rack, &serial, model.as_deref())
    }

    fn proof(&self, serial: &str, model: Option<&str>) -> Result<ProofView, NoAnswer> {
        let drive = decide::find_drive(&self.rack, serial, model).map_err(refused)?;
        let proven = self.rack.kept.drives.proven.get(&drive.id);
        let none = || {
            refused(Refusal::NotFound(format!(
                "there is no proof that {} was ever erased; it is {}",
                drive.id,
                drive.tenancy.word()
            )))
        };
        proven.map(|proven| view::proof_of_drive(proven)).ok_or_else(none)
    }
}

fn of_claim(rack: &Rack, claim: &str) -> Result<DriveClaim, NoAnswer> {
    let claimed = rack.kept.drives.claim(claim);
    claimed.map(|claimed| view::claim_drives(rack, claimed)).ok_or_else(|| {
        refused(Refusal::NotFound(format!(
            "no claim of drives \"{claim}\" is in force; expected the id or the name of one, as `busbar show drives` lists them"
        )))
    })
}

fn one(rack: &Rack, serial: &str, model: Option<&str>) -> Result<DriveView, NoAnswer> {
    let drive = decide::find_drive(rack, serial, model).map_err(refused)?;
    Ok(view::drive(rack, drive))
}

/// What is shown of drives, made anew where something of it changed.
pub(super) struct ShownDrives {
    view: Arc<DrivesView>,
    kept: KeptDrives,
    made: Instant,
}

impl ShownDrives {
    pub(super) fn of(rack: &Rack, now: Moment) -> ShownDrives {
        ShownDrives {
            view: Arc::new(view::drives(rack, now)),
            kept: rack.kept.drives.clone(),
            made: Instant::now(),
        }
    }

    /// What is shown now.
    pub(super) fn look(&mut self, rack: &Rack, now: Moment) -> Arc<DrivesView> {
        let has_any = !rack.config.enclosures.is_empty() || !rack.kept.drives.drives.is_empty();
        let is_new = !is_same(&self.kept, &rack.kept.drives) || self.made.elapsed() >= SHOWN;
        if has_any && is_new {
            *self = ShownDrives::of(rack, now);
        }
        Arc::clone(&self.view)
    }
}

fn is_same(one: &KeptDrives, other: &KeptDrives) -> bool {
    Arc::ptr_eq(&one.drives, &other.drives)
        && Arc::ptr_eq(&one.claims, &other.claims)
        && Arc::ptr_eq(&one.proven, &other.proven)
        && one.leaving == other.leaving
}
