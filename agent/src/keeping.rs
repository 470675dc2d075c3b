//! The one task that owns the keeper: orders come over a bounded queue, a sweep follows every second, and at once where
//! somebody writes to our cgroups.

mod acts;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use agent_api::v1::{Ask, Ended, Offer, RunRequest, Workload};
use agent_api::v1::{Capped, Frozen, NodeDrain};
use facts::Power;
use intent::WorkloadId;
use nix::sys::signal::Signal;
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::drift::Ears;
use crate::events::Events;
use crate::proof::Checked;
use crate::reconcile::{Keeper, KeeperError, Preview, Restraint};
use crate::view::{Board, Kept, Seen};

/// How many orders may wait: as many as there are connections that could bring one, so that a hundred starts at once all wait
/// their turn. Each takes some milliseconds; whoever comes when all places are taken is told to try again.
const MOST_ORDERS: usize = 256;

/// How often the keeper looks whether workloads have ended and whether the host is still as it left it.
pub const SWEEP: Duration = Duration::from_secs(1);

/// Two sweeps are at least this long apart, however often somebody writes.
const LEAST_APART: Duration = Duration::from_millis(100);

/// Who asks, from the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The process.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
}

type Reply<T> = oneshot::Sender<Result<T, KeeperError>>;

enum Order {
    Offer(Ask, Reply<Offer>),
    /// A copy of what placement must know, for long searches elsewhere.
    Preview(Reply<Preview>),
    Freeze(WorkloadId, bool, Reply<Frozen>),
    /// Hold a workload back, for so long.
    Hold(WorkloadId, Restraint, Duration, Reply<usize>),
    LetGo(WorkloadId, Reply<usize>),
    /// A drain of the node with its reason, or its end.
    Drain(Option<String>, Reply<NodeDrain>),
    /// A cap, or its end.
    Cap(Option<Power>, Reply<Capped>),
    Start(RunRequest, Asker, Reply<Workload>),
    End(WorkloadId, Reply<Ended>),
    Check(WorkloadId, Reply<Checked>),
    Signal(WorkloadId, Signal, Reply<usize>),
    /// Somebody wrote to one of our cgroups.
    Hint,
    Stop(oneshot::Sender<()>),
}

/// Why an order was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The keeper said no.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
    /// Too many orders wait.
    #[error("{MOST_ORDERS} orders wait already; try again")]
    Busy,
    /// The agent is stopping, or its keeper broke.
    #[error("the agent takes no orders any more: it is stopping")]
    Gone,
}

/// Where orders go. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Desk {
    orders: Arc<SyncSender<Order>>,
    sweeps: Arc<AtomicU64>,
}

impl Desk {
    /// What would be given for an ask.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn offer(&self, ask: Ask) -> Result<Offer, OrderError> {
        self.order(|reply| Order::Offer(ask, reply)).await
    }

    /// What placement must know, copied: long searches hold nobody up.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn preview(&self) -> Result<Preview, OrderError> {
        self.order(Order::Preview).await
    }

    /// Places the process that asks.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn start(&self, request: RunRequest, asker: Asker) -> Result<Workload, OrderError> {
        self.order(|reply| Order::Start(request, asker, reply)).await
    }

    /// Ends a workload.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn end(&self, workload: WorkloadId) -> Result<Ended, OrderError> {
        self.order(|reply| Order::End(workload, reply)).await
    }

    /// What the keeper says of a workload, read now.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn check(&self, workload: WorkloadId) -> Result<Checked, OrderError> {
        self.order(|reply| Order::Check(workload, reply)).await
    }

    /// Sends a signal to everything that runs in a workload. Gives how many processes that were.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn signal(&self, workload: WorkloadId, signal: Signal) -> Result<usize, OrderError> {
        self.order(|reply| Order::Signal(workload, signal, reply)).await
    }

    /// Lets the keeper finish what it does, and no more. Workloads are left running.
    pub async fn stop(&self) {
        let (reply, done) = oneshot::channel();
        if self.orders.try_send(Order::Stop(reply)).is_ok() {
            let _ = done.await;
        }
    }

    /// How many sweeps were made: while the number grows, the keeper lives.
    pub fn sweeps(&self) -> u64 {
        self.sweeps.load(Ordering::Relaxed)
    }

    async fn order<T>(&self, order: impl FnOnce(Reply<T>) -> Order) -> Result<T, OrderError> {
        let (reply, answer) = oneshot::channel();
        match self.orders.try_send(order(reply)) {
            Ok(()) => Ok(answer.await.map_err(|_| OrderError::Gone)??),
            Err(TrySendError::Full(_)) => Err(OrderError::Busy),
            Err(TrySendError::Disconnected(_)) => Err(OrderError::Gone),
        }
    }
}

/// Gives the keeper its thread, and a sweep in each `period`. What it holds is on the board when this returns.
///
/// # Errors
/// When the kernel gives no thread.
pub fn start(
    keeper: Keeper,
    clock: Clock,
    board: Board,
    events: Events,
    period: Duration,
) -> io::Result<Desk> {
    let (orders, waiting) = sync_channel(MOST_ORDERS);
    let sweeps = Arc::new(AtomicU64::new(0));
    let desk = Desk {
        orders: Arc::new(orders),
        sweeps: sweeps.clone(),
    };
    // Weak: whoever only hears does not keep the keeper at work when nobody gives orders any more.
    let (hints, is_hinted) = (Arc::downgrade(&desk.orders), Arc::new(AtomicBool::new(false)));
    let ears = Ears::open({
        let is_hinted = Arc::clone(&is_hinted);
        move || hint(&hints, &is_hinted)
    });
    if let Err(error) = &ears {
        tracing::warn!("drift is noticed at each sweep only: {error}");
    }
    for sentence in keeper.found() {
        tracing::info!("{sentence}");
    }
    let mut task = Task {
        keeper,
        clock,
        board,
        events,
        sweeps,
        rested_on: Weak::new(),
        period,
        ears: ears.ok(),
        is_hinted,
    };
    task.show();
    std::thread::Builder::new()
        .name("keep".to_owned())
        .spawn(move || task.run(&waiting))?;
    Ok(desk)
}

/// Puts a hint among the orders, unless one waits there already. Whether anybody listens.
fn hint(orders: &Weak<SyncSender<Order>>, is_hinted: &AtomicBool) -> bool {
    let Some(orders) = orders.upgrade() else {
        return false;
    };
    if is_hinted.swap(true, Ordering::AcqRel) {
        return true;
    }
    match orders.try_send(Order::Hint) {
        Ok(()) => true,
        Err(TrySendError::Full(_)) => {
            // The queue is full of orders: each of them looks at the host anyway.
            is_hinted.store(false, Ordering::Release);
            true
        }
        Err(TrySendError::Disconnected(_)) => false,
    }
}

struct Task {
    keeper: Keeper,
    clock: Clock,
    board: Board,
    events: Events,
    sweeps: Arc<AtomicU64>,
    /// What the collectors saw when the keeper last looked and found that it holds nothing.
    rested_on: Weak<Seen>,
    period: Duration,
    ears: Option<Ears>,
    is_hinted: Arc<AtomicBool>,
}

impl Task {
    fn run(&mut self, waiting: &Receiver<Order>) {
        let mut next_sweep = Instant::now();
        let mut last_sweep = None;
        loop {
            match waiting.recv_timeout(next_sweep.saturating_duration_since(Instant::now())) {
                Ok(Order::Stop(done)) => {
                    // Nobody is left to judge whether it is still wanted.
                    self.keeper.let_all_go();
                    // Fails only where nobody waits for it.
                    let _ = done.send(());
                    return;
                }
                Ok(Order::Hint) => {
                    self.is_hinted.store(false, Ordering::Release);
                    let soon = last_sweep.map_or_else(Instant::now, |last| last + LEAST_APART);
                    next_sweep = next_sweep.min(soon);
                }
                Ok(order) => self.carry_out(order),
                Err(RecvTimeoutError::Timeout) => {
                    self.sweep();
                    let now = Instant::now();
                    last_sweep = Some(now);
                    next_sweep = now + self.period;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn sweep(&mut self) {
        let seen = self.board.latest().seen.clone();
        let is_same = std::ptr::eq(self.rested_on.as_ptr(), Arc::as_ptr(&seen));
        if self.keeper.may_rest() && is_same {
            self.sweeps.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.rested_on = Arc::downgrade(&seen);
        self.keeper.look(&seen.inventory);
        for event in self.keeper.sweep(self.clock.now()) {
            self.events.pass_on(event);
        }
        self.show();
        self.sweeps.fetch_add(1, Ordering::Relaxed);
    }

    /// Carries an order out. The view is renewed before the answer goes, so that whoever has the answer finds it there.
    fn carry_out(&mut self, order: Order) {
        let view = self.board.latest();
        let (inventory, now) = (&view.seen.inventory, self.clock.now());
        // A reply fails only where nobody waits for it any more.
        match order {
            Order::Offer(ask, reply) => {
                let _ = reply.send(self.keeper.offer(&ask, inventory));
            }
            Order::Preview(reply) => {
                let _ = reply.send(Ok(self.keeper.preview(inventory)));
            }
            Order::Freeze(id, frozen, reply) => {
                let _ = reply.send(self.freeze(&id, frozen));
            }
            Order::Hold(id, restraint, lasts, reply) => {
                let _ = reply.send(self.hold(&id, &restraint, now.after(lasts)));
            }
            Order::LetGo(id, reply) => {
                let _ = reply.send(self.let_go(&id));
            }
            Order::Drain(reason, reply) => {
                let _ = reply.send(self.drain(reason.as_deref(), now));
            }
            Order::Cap(watts, reply) => {
                let _ = reply.send(self.cap(watts, now));
            }
            Order::Start(request, asker, reply) => {
                self.keeper.look(inventory);
                let started = self.keeper.start(request, asker.pid, asker.uid, inventory, now);
                if let Ok(workload) = &started {
                    let where_ = format!("on CPUs {} for process {}", workload.cpus, workload.pid);
                    self.events.tell(
                        "workload_started",
                        format!("workload {} runs {where_}", workload.id),
                    );
                }
                self.show();
                let _ = reply.send(started);
            }
            Order::End(id, reply) => {
                let ended = self.keeper.end(&id, now);
                if ended.is_ok() {
                    self.events
                        .tell("workload_ended", format!("workload {id} was ended on request"));
                }
                self.show();
                let _ = reply.send(ended);
            }
            Order::Check(id, reply) => {
                let _ = reply.send(self.keeper.check(&id));
            }
            Order::Signal(id, signal, reply) => {
                let sent = self.keeper.signal(&id, signal);
                if let Ok(count) = &sent {
                    let message =
                        format!("{signal} was sent to {count} processes of workload {id} on request");
                    self.events.tell("workload_signalled", message);
                }
                let _ = reply.send(sent);
            }
            Order::Hint => {}
            Order::Stop(done) => {
                let _ = done.send(());
            }
        }
    }

    fn show(&mut self) {
        if let Some(ears) = &mut self.ears {
            ears.hear(self.keeper.directories().into_iter());
        }
        let keeper = &self.keeper;
        self.board.post_kept(Kept {
            generation: keeper.generation(),
            workloads: keeper.workloads(),
            cgroup: keeper.cgroup_status(),
            reserved: keeper.reserved(),
            shared: keeper.shared(),
            drained: keeper.drained().cloned(),
            plan: keeper.plan().map_err(|error| error.to_string()),
        });
    }
}
