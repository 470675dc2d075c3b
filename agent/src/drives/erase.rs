//! Erasures of this node's drives: begun by order, kept over the agent's restarts, told with what the drive says and what was read back.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, MutexGuard, PoisonError};

use agent_api::v1::{DriveAnswer, EraseMethod, Erasure, ErasureState};
use facts::Identity;
use isolators::erase::{Eraser, Erasing, Method, Options, State};

use super::here::Here;
use super::offer::key;
use super::state::{Ordered, Stay};
use super::stays::Named;
use super::{Inner, Refusal, shown, told};

/// The erasures of this run, a stay each: the grant before, and how it stands.
pub(super) type Erasures = BTreeMap<u64, (u64, Erasing)>;

/// What an order to erase says beside the drive.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub generation: u64,
    pub asked_by: String,
    pub overwrite: bool,
}

impl Inner {
    fn erasures(&self) -> MutexGuard<'_, Erasures> {
        self.erasures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file in which the erasure of a drive is kept; of an earlier stay's nothing is taken over.
    fn erase_journal(&self, here: &Here) -> PathBuf {
        let name = format!("erase-{}.json", key(&here.identity));
        self.place.state_dir.join(name)
    }

    /// Whether a drive is being erased.
    pub(super) fn is_being_erased(&self, stay: &Stay) -> bool {
        let known = self.erasures();
        let state = known.get(&stay.arrival).map(|(_, erasing)| &erasing.state);
        matches!(state, Some(State::Running { .. }))
    }

    /// Whether this run of the agent knows how the erasure of this stay stands.
    pub(super) fn knows_erasure(&self, stay: &Stay) -> bool {
        self.erasures().contains_key(&stay.arrival)
    }

    /// The erasure that runs, or the last one of this stay.
    pub(super) fn erasure_of(&self, stay: &Stay) -> Option<Erasure> {
        let known = self.erasures();
        let (generation, erasing) = known.get(&stay.arrival)?;
        Some(in_words(*generation, erasing))
    }

    /// A drive that is lent holds what its tenant writes: no erasure before says anything of it.
    pub(super) fn forget_erasure(&self, stay: &Stay) {
        self.erasures().remove(&stay.arrival);
    }

    /// Begins to erase a drive. One that runs, or has ended well, is told again; one that failed is begun anew.
    pub(super) fn erase(self: &Arc<Self>, named: &Named, order: &Order) -> Result<DriveAnswer, Refusal> {
        self.lending()?;
        let (here, stay) = self.find(named)?;
        let who = shown(&here.identity);
        self.may_be_erased(&here, &stay, order.generation)?;
        // What an earlier run of the agent began is not begun a second time.
        self.resume(&here, &stay)?;
        let known = self.erasures().get(&stay.arrival).cloned();
        if let Some((generation, erasing)) = known {
            let is_same = generation == order.generation;
            match erasing.state {
                State::Running { .. } if is_same => return self.answer(named),
                State::Running { .. } => {
                    return Err(Refusal::Conflict(format!(
                        "{who} is being erased already, after grant {generation}"
                    )));
                }
                State::Done { dirty: 0, .. } if is_same => return self.answer(named),
                State::Done { .. } | State::Failed { .. } => {}
            }
        }
        let drive = here
            .drive()
            .map_err(|error| Refusal::Conflict(format!("{who}: {error}")))?;
        let journal = self.erase_journal(&here);
        let options = Options {
            overwrite: order.overwrite,
            // What lies on a drive that was lent is its last tenant's. The rack has asked what speaks against one that was not.
            was_lent: order.generation > 0,
        };
        let gate = &self.place.gate;
        let eraser = Eraser::begin(gate, &self.host, &here.device, &drive, options, &journal)
            .map_err(|error| Refusal::Conflict(told(&error)))?;
        let generation = order.generation;
        let kept = self.change_stay(stay.arrival, false, |stay| {
            // Who is let in by one of these comes too late.
            stay.closed = stay.closed.max(generation);
            stay.erasing = Some(Ordered {
                generation,
                asked_by: order.asked_by.clone(),
            });
        })?;
        if !kept {
            return Err(Refusal::Conflict(format!(
                "{who} left its bay in this moment; nothing was erased"
            )));
        }
        let asked_by = &order.asked_by;
        let message = format!(
            "drive {who} in bay {} is being erased, as {asked_by} asked",
            here.slot
        );
        self.place.events.tell("pooled_drive_erasing", message);
        self.go_on(eraser, &here, stay.arrival, generation)?;
        self.answer(named)
    }

    fn may_be_erased(&self, here: &Here, stay: &Stay, generation: u64) -> Result<(), Refusal> {
        let who = shown(&here.identity);
        if let Some(open) = &stay.open {
            return Err(Refusal::Conflict(format!(
                "{who} is lent to {} by grant {}; shut that first",
                open.host, open.generation
            )));
        }
        if stay.granted > generation {
            return Err(Refusal::Conflict(format!(
                "{who} was lent by grant {} since, and the order to erase it is of after grant {generation}: it comes too late",
                stay.granted
            )));
        }
        let standing = self.standing()?;
        let access = self.pooled(here, stay, &standing).access;
        if let Some(nqn) = access.nqn {
            return Err(Refusal::Conflict(format!(
                "{who} can be reached as {nqn} by {}; nothing is erased",
                access.hosts.join(", ")
            )));
        }
        Ok(())
    }

    /// Takes up what was under way when the last run of the agent ended.
    pub(super) fn resume(self: &Arc<Self>, here: &Here, stay: &Stay) -> Result<(), Refusal> {
        let Some(Ordered { generation, .. }) = stay.erasing else {
            return Ok(());
        };
        if self.knows_erasure(stay) {
            return Ok(());
        }
        let journal = self.erase_journal(here);
        let failed = |error: isolators::erase::EraseError| Refusal::Failed(told(&error));
        if let Some(ended) = Eraser::outcome(&here.device, &journal).map_err(failed)? {
            self.erasures().insert(stay.arrival, (generation, ended));
            return Ok(());
        }
        let drive = here
            .drive()
            .map_err(|error| Refusal::Conflict(format!("{}: {error}", shown(&here.identity))))?;
        let gate = &self.place.gate;
        let resumed = Eraser::resume(gate, &self.host, &here.device, &drive, &journal).map_err(failed)?;
        match resumed {
            Some(eraser) => self.go_on(eraser, here, stay.arrival, generation),
            // Nothing was begun: who ordered it orders it again.
            None => self
                .change_stay(stay.arrival, false, |stay| stay.erasing = None)
                .map(drop),
        }
    }

    /// Erases in a thread of its own: it may take days, and holds up nobody.
    fn go_on(
        self: &Arc<Self>,
        mut eraser: Eraser,
        here: &Here,
        arrival: u64,
        generation: u64,
    ) -> Result<(), Refusal> {
        let first = eraser.poll();
        self.erasures().insert(arrival, (generation, first));
        let inner = Arc::clone(self);
        let who = shown(&here.identity);
        let thread = std::thread::Builder::new().name("erase".to_owned());
        let spawned = thread.spawn(move || {
            loop {
                let erasing = eraser.poll();
                let is_over = !matches!(erasing.state, State::Running { .. });
                let ending = ending(&erasing);
                inner.erasures().insert(arrival, (generation, erasing));
                if is_over {
                    inner.forget_obstacles(arrival);
                    let message = format!("drive {who}: {ending}");
                    return inner.place.events.tell("pooled_drive_erasure_ended", message);
                }
                std::thread::sleep(eraser.pause());
            }
        });
        spawned
            .map(drop)
            .map_err(|error| Refusal::Failed(format!("the kernel gives no thread to erase in: {error}")))
    }
}

fn ending(erasing: &Erasing) -> String {
    let method = erasing.method.words();
    match &erasing.state {
        State::Running { .. } => format!("{method} goes on"),
        State::Done { samples, dirty, .. } => {
            format!("{method} is done; {dirty} of {samples} samples still hold something")
        }
        State::Failed { why } => format!("{method} failed: {why}"),
    }
}

fn in_words(generation: u64, erasing: &Erasing) -> Erasure {
    Erasure {
        generation,
        method: match erasing.method {
            Method::SanitizeCrypto => EraseMethod::SanitizeCrypto,
            Method::SanitizeBlock => EraseMethod::SanitizeBlock,
            Method::FormatCrypto | Method::FormatBlock => EraseMethod::Format,
            Method::AtaEnhanced | Method::Ata => EraseMethod::Ata,
            Method::Overwrite => EraseMethod::Overwrite,
        },
        began: erasing.began,
        refused: erasing.refused.clone(),
        state: match &erasing.state {
            State::Running { permille } => ErasureState::Running { permille: *permille },
            State::Done {
                ended,
                drive,
                log_page,
                samples,
                dirty,
                written,
            } => ErasureState::Done {
                ended: *ended,
                identity: Identity {
                    maker: None,
                    model: drive.model().map(str::to_owned),
                    serial: Some(drive.serial().to_owned()),
                },
                log_page: log_page.clone(),
                samples: *samples,
                dirty: *dirty,
                written: *written,
            },
            State::Failed { why } => ErasureState::Failed { why: why.clone() },
        },
    }
}
