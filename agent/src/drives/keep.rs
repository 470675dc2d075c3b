//! What nobody orders: grants are put right after a restart, what nobody granted is withdrawn, a drive that left is fenced at once, and
//! connections that broke come back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use isolators::fabric::keys::HostKey;
use isolators::fabric::target::{self, Standing};
use isolators::fabric::{Nqn, OURS, initiator};
use tokio::sync::watch;
use tokio::time::Instant;

use super::here::Here;
use super::lane::Lane;
use super::offer::{key, key_of};
use super::show::LIVE;
use super::state::{Open, Stay, Wanted};
use super::{Drives, Inner, LOOKING, Refusal, shown};
use crate::view::View;

/// Uevents change the view at once; this is the net below them.
const EVERY: Duration = Duration::from_secs(2);
/// What lies on a drive that nobody has is looked at so often.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// A connection that does not come back is tried again after so long.
const TRY_AGAIN: Duration = Duration::from_secs(5);
/// So many troubles are remembered as told.
const MOST_WARNED: usize = 256;

/// What a round has found to do.
#[derive(Debug, Default)]
struct Found {
    /// Subsystems of ours that no grant asks for.
    strays: Vec<String>,
    /// Drives and their stays.
    drives: Vec<(Here, Stay)>,
    /// Grants that are open and do not stand as they should.
    fallen: Vec<(Here, Stay, Open)>,
    /// Nothing is granted, and nothing of ours stands.
    is_empty_target: bool,
    /// Connections that are wanted and do not answer.
    broken: Vec<Wanted>,
    /// How many that are wanted answer.
    answering: usize,
    /// Connections of ours that nobody wants.
    loose: Vec<Nqn>,
}

/// What is remembered from round to round.
#[derive(Default)]
struct Kept {
    /// What speaks against erasing a drive was looked at, a stay each.
    looked: BTreeMap<u64, Instant>,
    /// What was tried lately, a name each.
    tried: BTreeMap<String, Instant>,
}

impl Kept {
    /// Whether something is to be tried now; one that fails is not tried at once again.
    fn is_due(&mut self, name: &str) -> bool {
        self.tried.retain(|_, tried| tried.elapsed() < TRY_AGAIN);
        if self.tried.contains_key(name) {
            return false;
        }
        self.tried.insert(name.to_owned(), Instant::now());
        true
    }
}

impl Drives {
    /// Keeps them until the daemon stops.
    pub async fn keep(self, mut stopping: watch::Receiver<bool>) {
        let mut views = self.0.place.board.watch();
        let mut kept = Kept::default();
        loop {
            let seen = drives_of(&views.borrow_and_update());
            self.round(&mut kept).await;
            let changed = async {
                loop {
                    if views.changed().await.is_err() {
                        return;
                    }
                    if drives_of(&views.borrow_and_update()) != seen {
                        return;
                    }
                }
            };
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep(EVERY) => {}
                _ = stopping.changed() => return,
            }
        }
    }

    async fn round(&self, kept: &mut Kept) {
        self.tend_lights();
        let inner = self.0.clone();
        let lane = self.0.lane(LOOKING);
        let found = match lane.run(LOOKING, move || inner.found()).await {
            Ok(found) => found,
            Err(refusal) => {
                self.0.warn(&format!("pooled drives: {refusal}"));
                return;
            }
        };
        self.0.forget_lanes();
        kept.looked
            .retain(|arrival, _| found.drives.iter().any(|(_, stay)| stay.arrival == *arrival));
        let counted = self.0.counted(&found.drives, found.answering, found.broken.len());
        self.0.place.board.post_pooled(counted);
        if self.0.acts() {
            self.put_right(kept, &found);
        }
        for (here, stay) in &found.drives {
            let looked = kept.looked.get(&stay.arrival);
            let is_late = looked.is_none_or(|looked| looked.elapsed() >= LOOK_AGAIN);
            let is_due = is_late || !self.0.knows_obstacles(stay);
            if is_due && stay.open.is_none() {
                kept.looked.insert(stay.arrival, Instant::now());
                let (inner, here, stay) = (self.0.clone(), here.clone(), stay.clone());
                let of = format!("drive {}", shown(&here.identity));
                self.spawn(&key(&here.identity), of, move || {
                    inner.look_for_obstacles(&here, &stay);
                    Ok(())
                });
            }
        }
    }

    fn put_right(&self, kept: &mut Kept, found: &Found) {
        for stray in found.strays.iter().filter(|stray| kept.is_due(stray)) {
            let (inner, name) = (self.0.clone(), stray.clone());
            let lane = key_of(stray).unwrap_or(stray);
            self.spawn(lane, stray.clone(), move || inner.withdraw(&name));
        }
        for (here, stay, open) in &found.fallen {
            if !kept.is_due(open.nqn.as_str()) {
                continue;
            }
            let (inner, drive, arrival, open) = (self.0.clone(), here.clone(), stay.arrival, open.clone());
            let of = format!("drive {}", shown(&here.identity));
            self.spawn(&key(&here.identity), of, move || {
                inner.offer_again(&drive, arrival, &open)
            });
        }
        for wanted in &found.broken {
            let name = wanted.nqn.to_string();
            if !kept.is_due(&name) {
                continue;
            }
            let (inner, again) = (self.0.clone(), wanted.clone());
            self.spawn(&name, super::attach::of(wanted), move || {
                inner.connect_again(&again)
            });
        }
        for nqn in found.loose.iter().filter(|nqn| kept.is_due(nqn.as_str())) {
            let (inner, name) = (self.0.clone(), nqn.clone());
            self.spawn(nqn.as_str(), nqn.to_string(), move || inner.disconnect(&name));
        }
        for (here, stay) in found.drives.iter().filter(|(_, stay)| stay.erasing.is_some()) {
            let (inner, drive, kept) = (self.0.clone(), here.clone(), stay.clone());
            if !inner.knows_erasure(stay) {
                let of = format!("drive {}", shown(&here.identity));
                self.spawn(&key(&here.identity), of, move || inner.resume(&drive, &kept));
            }
        }
        if found.is_empty_target {
            let inner = self.0.clone();
            self.spawn(LOOKING, LOOKING.to_owned(), move || inner.tidy());
        }
    }

    /// Does something in a lane that is free, and waits for nobody.
    pub(super) fn spawn(
        &self,
        lane: &str,
        of: String,
        work: impl FnOnce() -> Result<(), Refusal> + Send + 'static,
    ) {
        let lane: Arc<Lane> = self.0.lane(lane);
        if lane.is_busy() {
            return;
        }
        let inner = self.0.clone();
        tokio::spawn(async move {
            if let Err(refusal) = lane.run(&of, work).await {
                inner.warn(&format!("{of}: {refusal}"));
            }
        });
    }
}

/// What of a view says that drives came or went.
fn drives_of(view: &View) -> Vec<(String, Option<String>)> {
    let drives = view.seen.inventory.drives.iter();
    drives
        .map(|drive| (drive.device.clone(), drive.identity.serial.clone()))
        .collect()
}

/// Whether a grant is offered to its host alone, and the right device behind it.
fn stands(is: &Standing, here: &Here, open: &Open) -> bool {
    let host = BTreeSet::from([open.host.to_string()]);
    let device = format!("/dev/{}", here.device);
    let is_proved = open.key.is_none() || is.keys.values().all(|key| *key == HostKey::Set);
    !is.any_host
        && is_proved
        && is.enabled
        && is.hosts == host
        && !is.ports.is_empty()
        && is.device.as_deref() == Some(device.as_str())
}

impl Inner {
    /// Lanes that nobody is in are made again when they are needed: grants and their names come and go.
    fn forget_lanes(&self) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.retain(|_, lane| Arc::strong_count(lane) > 1 || lane.is_busy());
    }

    /// Warns of something once.
    fn warn(&self, what: &str) {
        let mut told = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= MOST_WARNED {
            told.clear();
        }
        if told.insert(what.to_owned()) {
            tracing::warn!("{what}");
        }
    }

    fn found(&self) -> Result<Found, Refusal> {
        let looked = self.look()?;
        let standing = self.standing()?;
        let is_open = |nqn: &str| looked.open.iter().any(|open| open.nqn.as_str() == nqn);
        let strays: Vec<String> = standing
            .keys()
            .filter(|nqn| nqn.starts_with(OURS) && !is_open(nqn))
            .cloned()
            .collect();
        let fallen = looked.drives.iter().filter_map(|(here, stay)| {
            let open = stay.open.as_ref()?;
            let is = standing.get(open.nqn.as_str());
            let stands = is.is_some_and(|is| stands(is, here, open));
            (!stands).then(|| (here.clone(), stay.clone(), open.clone()))
        });
        let fallen: Vec<(Here, Stay, Open)> = fallen.collect();
        let wanted = self.with_books(|books| Ok(books.state().attached.clone()))?;
        let now = if wanted.is_empty() && !initiator::is_there(&self.host) {
            Vec::new()
        } else {
            self.connections()?
        };
        let answers = |one: &Wanted| {
            now.iter()
                .any(|is| is.nqn == one.nqn.as_str() && is.state == LIVE && is.device.is_some())
        };
        let is_wanted = |nqn: &str| wanted.iter().any(|one| one.nqn.as_str() == nqn);
        let loose = now.iter().filter(|is| !is_wanted(&is.nqn));
        Ok(Found {
            is_empty_target: strays.is_empty() && looked.open.is_empty() && target::is_there(&self.host),
            strays,
            fallen,
            loose: loose.filter_map(|is| is.nqn.parse().ok()).collect(),
            answering: wanted.iter().filter(|one| answers(one)).count(),
            broken: wanted.iter().filter(|one| !answers(one)).cloned().collect(),
            drives: looked.drives,
        })
    }

    /// A grant that is open is offered, whatever somebody did to it; not where an order came in between.
    fn offer_again(&self, here: &Here, arrival: u64, open: &Open) -> Result<(), Refusal> {
        let is_open = self.with_books(|books| {
            let mut stays = books.state().stays.iter();
            Ok(stays.any(|stay| stay.arrival == arrival && stay.open.as_ref() == Some(open)))
        })?;
        if is_open {
            self.offer(here, Some(open))
        } else {
            Ok(())
        }
    }

    fn connect_again(&self, wanted: &Wanted) -> Result<(), Refusal> {
        let is_wanted = self.with_books(|books| Ok(books.state().attached.contains(wanted)))?;
        if is_wanted { self.connect(wanted) } else { Ok(()) }
    }
}
