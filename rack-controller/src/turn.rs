//! The turn: one task owns the rack. Input → decide → lower → evolve → journal → raise, want → act, and the view goes out.
//!
//! The rack in memory runs ahead of the journal, which writes on a thread of its own. Caps that fall are sent at once (power.md, rule 8);
//! caps that rise, LEDs, limits at BMCs that rise, and every answer wait until the journal has what led to them. What is only seen is not
//! journaled.

mod asked;
mod drives;
mod light;
mod memory;
mod people;
mod round;
mod seen;
mod shown;
mod store;

use std::sync::Arc;

use rack_api::v1::{
    AckRequest, Asked, ClaimView, DoubtView, DrainAnswer, DrainRequest, LocateAnswer, LocateRequest,
    PauseRequest, PauseView, PowerAsk, PowerOnAnswer, SwapAnswer, SwapRequest,
};
use tokio::sync::{mpsc, oneshot, watch};

pub use drives::DrivesQuestion;
pub use round::{Parts, Turn};
pub use shown::Shown;

use crate::decide::{Input, Refusal};

/// Inputs that may wait for the turn: two looks of each of 64 nodes and their BMCs. Who asks while it is full is told so.
pub const QUEUE: usize = 256;

/// Where an answer goes.
pub type Reply<T> = oneshot::Sender<Result<T, NoAnswer>>;

/// What comes to the turn.
pub enum Message {
    /// Something was seen.
    Seen(Input),
    /// Somebody asks, and says who and why or does not.
    Asked(Question, Option<Asked>),
}

/// What people ask, and where the answer goes.
pub enum Question {
    /// Watts.
    Claim {
        /// How many, what for.
        ask: PowerAsk,
        /// The idempotency key.
        key: Option<String>,
        /// Only whether it would be admitted.
        dry_run: bool,
        /// The claim: admitted, already admitted, or as it would be.
        reply: Reply<ClaimView>,
    },
    /// To give a claim back.
    Release {
        /// Its id or name.
        claim: String,
        /// The claim as it was.
        reply: Reply<ClaimView>,
    },
    /// To turn a reservation into a claim.
    Apply {
        /// Its id or name.
        claim: String,
        /// Only how it would be.
        dry_run: bool,
        /// The claim as it is then.
        reply: Reply<ClaimView>,
    },
    /// To show whether a node's cap bites.
    Calibrate {
        /// The node.
        node: String,
        /// Only whether it would begin.
        dry_run: bool,
        /// Nothing: it has begun, and its end is an event.
        reply: Reply<()>,
    },
    /// To switch a node on, when all that it can draw fits.
    PowerOn {
        /// The node.
        node: String,
        /// Only whether it would be.
        dry_run: bool,
        /// How it stands then.
        reply: Reply<PowerOnAnswer>,
    },
    /// To let a claim stand for its time again.
    Renew {
        /// Its id or name.
        claim: String,
        /// Only how it would be.
        dry_run: bool,
        /// The claim as it is then.
        reply: Reply<ClaimView>,
    },
    /// To empty a bay.
    Drain {
        /// Which, and how.
        request: DrainRequest,
        /// What the interlock says.
        reply: Reply<DrainAnswer>,
    },
    /// To light a bay.
    Locate {
        /// Which.
        request: LocateRequest,
        /// What came of it.
        reply: Reply<LocateAnswer>,
    },
    /// To swap the part of a bay, to go on with that, or to give it up.
    Swap {
        /// Which, and how.
        request: SwapRequest,
        /// What the interlock says, and how the swap stands.
        reply: Reply<SwapAnswer>,
    },
    /// Something about pooled drives.
    Drives(DrivesQuestion),
    /// To be told of a doubt no more.
    Acknowledge {
        /// Which.
        request: AckRequest,
        /// The doubt as it stands then.
        reply: Reply<DoubtView>,
    },
    /// That nothing is done for a while, or that it goes on.
    Pause {
        /// Where, how long.
        request: PauseRequest,
        /// Every pause in force then.
        reply: Reply<Vec<PauseView>>,
    },
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// It was refused.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// Too many inputs are waiting.
    #[error("{QUEUE} inputs are waiting for the rack; ask again in a second")]
    Busy,
    /// The daemon stops.
    #[error("this controller is stopping; ask again when it runs, with the same idempotency key")]
    Stopping,
    /// The journal could not be written, so nothing was promised.
    #[error("nothing was done, because the journal cannot be written: {0}; ask again when it can")]
    Journal(String),
    /// The journal has not got what agents were leased to under, so nothing was promised.
    #[error("nothing was done, because the journal is missing events: {0}")]
    Forgot(String),
    /// It was done, and the journal could not be written in time.
    #[error(
        "it is done and not in the journal yet: {0}; it is written when the disk takes it, and forgotten if this controller ends before; \
         ask again then"
    )]
    Unwritten(String),
}

/// Where asks go and views come from. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    inputs: mpsc::Sender<Message>,
    shown: watch::Receiver<Arc<Shown>>,
    trouble: watch::Receiver<Option<String>>,
}

impl Desk {
    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// It was refused, there was no room, or the daemon stops.
    pub async fn ask<T>(
        &self,
        asked: Option<Asked>,
        question: impl FnOnce(Reply<T>) -> Question,
    ) -> Result<T, NoAnswer> {
        let (reply, answered) = oneshot::channel();
        let sent = self.inputs.try_send(Message::Asked(question(reply), asked));
        sent.map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => NoAnswer::Busy,
            mpsc::error::TrySendError::Closed(_) => NoAnswer::Stopping,
        })?;
        answered.await.unwrap_or(Err(NoAnswer::Stopping))
    }

    /// The latest view.
    pub fn shown(&self) -> Arc<Shown> {
        Arc::clone(&self.shown.borrow())
    }

    /// A notice of each new view.
    pub fn watch(&self) -> watch::Receiver<Arc<Shown>> {
        self.shown.clone()
    }

    /// What keeps the rack from promising anything; `None` while it can.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.borrow().clone()
    }
}
