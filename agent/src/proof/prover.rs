//! Who proves: a thread for each proof that is asked for, a few at once, and one by the clock where that is wished.

use std::sync::Arc;
use std::time::Duration;

use agent_api::v1::{LONGEST_WATCH, Proof, ProofRequest, SHORTEST_WATCH};
use collectors::Root;
use intent::WorkloadId;
use tokio::sync::{Semaphore, oneshot, watch};

use super::judge::{Checked, judge};
use super::watch::{Seen, Subject, watch};
use crate::clock::Clock;
use crate::events::Events;
use crate::keeping::{Desk, OrderError};
use crate::view::Board;

/// Proofs at once: each holds a thread and a buffer for each CPU.
const MOST_PROOFS: usize = 4;
/// How long a proof by the clock watches each workload.
const BEAT_WATCHES: Duration = Duration::from_secs(1);

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The keeper has no such workload, or takes no orders.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// Nobody can watch for so long.
    #[error("{0} ms is no time to watch; expected {SHORTEST_WATCH} to {LONGEST_WATCH}")]
    Length(u32),
    /// Too many proofs are being made.
    #[error("{MOST_PROOFS} proofs are being made already; try again")]
    Busy,
    /// The watching broke off: the agent is stopping, or the kernel gave no thread.
    #[error("the watching broke off")]
    BrokenOff,
}

/// Makes proofs. Cheap to clone.
#[derive(Clone)]
pub struct Prover {
    root: Root,
    clock: Clock,
    board: Board,
    desk: Desk,
    events: Events,
    places: Arc<Semaphore>,
    stopping: watch::Receiver<bool>,
}

impl Prover {
    /// A prover of this host.
    pub fn new(
        root: Root,
        clock: Clock,
        board: Board,
        desk: Desk,
        events: Events,
        stopping: watch::Receiver<bool>,
    ) -> Prover {
        Prover {
            root,
            clock,
            board,
            desk,
            events,
            places: Arc::new(Semaphore::new(MOST_PROOFS)),
            stopping,
        }
    }

    /// Asks the keeper, watches, asks again, judges, and hangs the proof up.
    ///
    /// # Errors
    /// See [`ProofError`].
    pub async fn prove(&self, id: &WorkloadId, request: ProofRequest) -> Result<Proof, ProofError> {
        let length = request.for_milliseconds;
        if !(SHORTEST_WATCH..=LONGEST_WATCH).contains(&length) {
            return Err(ProofError::Length(length));
        }
        let _place = self.places.try_acquire().map_err(|_| ProofError::Busy)?;
        let before = self.desk.check(id.clone()).await?;
        let seen = self
            .watched(&before, Duration::from_millis(length.into()))
            .await?;
        let after = self.desk.check(id.clone()).await?;
        let proof = judge(&before, &after, seen, self.clock.now());
        self.hang_up(proof.clone());
        Ok(proof)
    }

    async fn watched(&self, before: &Checked, length: Duration) -> Result<Seen, ProofError> {
        let all = self.board.latest().kept.workloads.clone();
        let subject = Subject::of(&before.workload, &all, before.wants_partition);
        // Where nothing is exclusive there is nobody to wait for: the files and the memory are told as they are.
        let length = if before.workload.exclusive {
            length
        } else {
            Duration::ZERO
        };
        let (root, stopping) = (self.root.clone(), self.stopping.clone());
        let (tell, told) = oneshot::channel();
        let watching = move || {
            let is_over = || *stopping.borrow() || tell.is_closed();
            let seen = watch(&root, &subject, length, &is_over);
            // Fails only where nobody waits for it any more.
            let _ = tell.send(seen);
        };
        let thread = std::thread::Builder::new().name("prove".to_owned());
        thread.spawn(watching).map_err(|_| ProofError::BrokenOff)?;
        let seen = told.await.map_err(|_| ProofError::BrokenOff)?;
        if *self.stopping.borrow() {
            return Err(ProofError::BrokenOff);
        }
        Ok(seen)
    }

    /// Hangs a proof up, and tells where the verdict is another one than before.
    fn hang_up(&self, proof: Proof) {
        let held = self
            .board
            .latest()
            .proof(&proof.id)
            .map(|last| last.verdict.holds());
        let holds = proof.verdict.holds();
        let is_asked = proof.verdict != agent_api::v1::Verdict::Shared;
        if is_asked && !holds && held != Some(false) {
            let why = proof.because.first().map(String::as_str).unwrap_or_default();
            let message = format!("CPUs {} of {} were not its alone: {why}", proof.cpus, proof.id);
            self.events.tell("exclusivity_not_proven", message);
        }
        if is_asked && holds && held == Some(false) {
            let message = format!("CPUs {} of {} are its alone again", proof.cpus, proof.id);
            self.events.tell("exclusivity_proven", message);
        }
        self.board.post_proof(proof);
    }

    /// Proves every exclusive workload, one after the other, once in each period, until the agent stops.
    pub async fn beat(self, every: Duration) {
        let mut stopping = self.stopping.clone();
        loop {
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                _ = stopping.wait_for(|stop| *stop) => return,
            }
            let exclusive: Vec<WorkloadId> = self
                .board
                .latest()
                .kept
                .workloads
                .iter()
                .filter(|workload| workload.exclusive)
                .map(|workload| workload.id.clone())
                .collect();
            for id in exclusive {
                let for_milliseconds = u32::try_from(BEAT_WATCHES.as_millis()).unwrap_or(LONGEST_WATCH);
                if let Err(error) = self.prove(&id, ProofRequest { for_milliseconds }).await {
                    tracing::debug!(workload = %id, %error, "no proof by the clock");
                }
                if *stopping.borrow() {
                    return;
                }
            }
        }
    }
}
