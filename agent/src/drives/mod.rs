//! Pooled drives, the node's side: which of its drives it lends and to whom, and which of other nodes it uses. A rack orders; what was
//! granted and closed is kept on disk and brought about by `isolators::fabric`.
//!
//! **Invariant**: a drive is offered to the one host of its open grant and to nobody else. A grant that was closed is never obeyed again,
//! in no order of messages and after no crash; a drive that left its bay comes back as another stay, of which nothing is granted.

mod attach;
mod authenticate;
mod boot;
mod erase;
mod hand;
mod here;
mod keep;
mod lane;
mod leave;
mod leds;
mod lending;
mod offer;
mod refusal;
mod show;
mod state;
mod stays;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agent_api::v1::{DriveAnswer, DriveOrder, DrivesView};
use collectors::Root;
use facts::Identity;
use intent::{Actuator, Actuators, Mode};
use isolators::apply::held;
use isolators::{Host, Phase, Step};

use crate::clock::Clock;
use crate::events::Events;
use crate::view::Board;
use lane::Lane;
use refusal::told;
use state::Books;

pub use leave::{Gone, Leaving, files, standing};
pub use lending::{Authentication, Lending, Lent, NotAPick, Pick};
pub use refusal::Refusal;
pub use show::Counted;
pub use state::{BooksError, DRIVES_FILE};

/// The lane of whoever only looks.
const LOOKING: &str = "this node's list of drives";

/// What the daemon gives to it.
#[derive(Clone, Debug)]
pub struct Place {
    /// The machine.
    pub root: Root,
    /// The modes in force.
    pub gate: Actuators,
    /// Where the state is kept.
    pub state_dir: PathBuf,
    /// What is lent; `None` where nothing is.
    pub lending: Option<Lending>,
    /// Where the view hangs.
    pub board: Board,
    /// Where it is told what happens.
    pub events: Events,
    /// The daemon's clock.
    pub clock: Clock,
}

/// The node's pooled drives. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Drives(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Place,
    host: Host,
    boot_id: String,
    /// The state, or why there is none to work with.
    books: Mutex<Result<Books, String>>,
    lanes: Mutex<BTreeMap<String, Arc<Lane>>>,
    /// What speaks against erasing each drive, as it was looked at last, a stay each.
    obstacles: Mutex<BTreeMap<u64, Vec<String>>>,
    /// Erasures of this run, a stay each.
    erasures: Mutex<erase::Erasures>,
    /// Locate LEDs that were lit by order.
    lights: Mutex<leds::Lights>,
    /// Troubles that were told, so that each is told once.
    warned: Mutex<BTreeSet<String>>,
}

impl Drives {
    /// Reads what was kept. Where that cannot be read nothing is lent, and every answer says why.
    pub fn open(place: Place) -> Drives {
        let books = Books::open(&place.state_dir).map_err(|error| told(&error));
        if let Err(why) = &books {
            place.events.tell("pooled_drives_unknown", why.clone());
        }
        let lit = books
            .as_ref()
            .map(|books| books.state().lit.as_slice())
            .unwrap_or_default();
        let lit = leds::kept(lit, place.clock.now());
        Drives(Arc::new(Inner {
            host: Host::at(place.root.directory()),
            boot_id: place.board.latest().about.boot_id.clone(),
            books: Mutex::new(books),
            lanes: Mutex::default(),
            obstacles: Mutex::default(),
            erasures: Mutex::default(),
            lights: Mutex::new(lit),
            warned: Mutex::default(),
            place,
        }))
    }

    /// How the node stands to pooled drives, read now.
    ///
    /// # Errors
    /// When the kernel's lists or what was kept cannot be read: a drive that cannot be seen is not one that has gone.
    pub async fn view(&self) -> Result<DrivesView, Refusal> {
        let inner = self.0.clone();
        self.0.lane(LOOKING).run(LOOKING, move || inner.view()).await
    }

    /// Obeys an order of the rack, or says why not. What it answers was read back.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn order(&self, order: DriveOrder) -> Result<DriveAnswer, Refusal> {
        self.0.asks_gate(&order)?;
        let inner = self.0.clone();
        match order {
            DriveOrder::Admit {
                drive,
                arrival,
                generation,
                host,
                key,
            } => {
                let stay = stays::Named { drive, arrival };
                let of = stay.drive.clone();
                let work = move || inner.admit(&stay, generation, &host, key.as_ref());
                self.on_drive(&of, work).await
            }
            DriveOrder::Shut {
                drive,
                arrival,
                generation,
            } => {
                let stay = stays::Named { drive, arrival };
                self.on_drive(&stay.drive.clone(), move || inner.shut(&stay, generation))
                    .await
            }
            DriveOrder::Attach {
                drive,
                nguid,
                generation,
                nqn,
                address,
                key,
            } => {
                let wanted = attach::wanted(&drive, nguid.as_deref(), generation, &nqn, address, key)?;
                let lane = self.0.lane(&nqn);
                lane.run(&nqn, move || inner.attach(&wanted)).await
            }
            DriveOrder::Detach { nqn } => {
                let lane = self.0.lane(&nqn);
                let of = nqn.clone();
                lane.run(&of, move || inner.detach(&nqn)).await
            }
            DriveOrder::Erase {
                drive,
                arrival,
                generation,
                asked_by,
                overwrite,
            } => {
                let stay = stays::Named { drive, arrival };
                let order = erase::Order {
                    generation,
                    asked_by,
                    overwrite,
                };
                self.on_drive(&stay.drive.clone(), move || inner.erase(&stay, &order))
                    .await
            }
            DriveOrder::Locate { slot, lit } => {
                let of = leds::lane_of(&slot);
                let lane = self.0.lane(&of);
                lane.run(&of, move || inner.locate(&slot, lit)).await
            }
        }
    }

    async fn on_drive(
        &self,
        drive: &Identity,
        work: impl FnOnce() -> Result<DriveAnswer, Refusal> + Send + 'static,
    ) -> Result<DriveAnswer, Refusal> {
        let lane = self.0.lane(&offer::key(drive));
        lane.run(&format!("drive {}", shown(drive)), work).await
    }
}

impl Inner {
    fn books(&self) -> MutexGuard<'_, Result<Books, String>> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something with the state in hand.
    fn with_books<T>(&self, work: impl FnOnce(&mut Books) -> Result<T, Refusal>) -> Result<T, Refusal> {
        match &mut *self.books() {
            Ok(books) => work(books),
            Err(why) => Err(Refusal::Failed(why.clone())),
        }
    }

    fn lane(&self, key: &str) -> Arc<Lane> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.entry(key.to_owned()).or_default().clone()
    }

    /// Whether the mode lets us act; the gate itself is asked before each step once more.
    fn acts(&self) -> bool {
        self.lets(Actuator::Drives)
    }

    fn lets(&self, actuator: Actuator) -> bool {
        held(&self.place.gate, actuator, &[]).is_none()
    }

    fn asks_gate(&self, order: &DriveOrder) -> Result<(), Refusal> {
        let actuator = match order {
            DriveOrder::Locate { .. } => Actuator::Led,
            DriveOrder::Admit { .. }
            | DriveOrder::Shut { .. }
            | DriveOrder::Erase { .. }
            | DriveOrder::Attach { .. }
            | DriveOrder::Detach { .. } => Actuator::Drives,
        };
        if self.lets(actuator) {
            return Ok(());
        }
        let mode: Mode = self.place.gate.of(actuator);
        let would = match order {
            DriveOrder::Admit { drive, host, .. } => format!("would let {host} in to {}", shown(drive)),
            DriveOrder::Shut { drive, .. } => format!("would let nobody in to {} any more", shown(drive)),
            DriveOrder::Erase { drive, .. } => format!("would erase {}", shown(drive)),
            DriveOrder::Attach { nqn, address, .. } => format!("would connect to {nqn} at {address}"),
            DriveOrder::Detach { nqn } => format!("would disconnect from {nqn}"),
            DriveOrder::Locate { slot, lit: true } => format!("would light the LED of bay {slot}"),
            DriveOrder::Locate { slot, lit: false } => format!("would put the LED of bay {slot} out"),
        };
        Err(Refusal::Forbidden(format!(
            "mode {mode} of the actuator {actuator}: {would}; expected mode enforce"
        )))
    }

    /// Plans and applies until nothing is left to do.
    fn converge(
        &self,
        actuator: Actuator,
        plan: impl FnMut() -> Result<Vec<(Phase, Step)>, isolators::IsolateError>,
    ) -> Result<(), Refusal> {
        hand::converge(&self.place.gate, &self.host, actuator, plan)
    }
}

/// A drive for people.
fn shown(drive: &Identity) -> String {
    let serial = drive
        .serial
        .as_deref()
        .map_or("without a serial number", str::trim);
    match drive.model.as_deref() {
        Some(model) => format!("{serial} ({})", model.trim()),
        None => serial.to_owned(),
    }
}
