//! The one task that owns the keeper: orders come over a bounded queue, a sweep follows every second, and at once where
//! somebody writes to our cgroups.

mod acts;
pub mod containers;
mod desk;
mod leases;
mod starts;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use agent_api::v1::{AdoptRequest, Adopted, Ask, Ended, Migrated, Offer, RunRequest, VmRequest, Workload};
use agent_api::v1::{AgentEvent, Capped, Frozen, NodeDrain};
use facts::{Moment, Power};
use intent::WorkloadId;
use nix::sys::signal::Signal;
use tokio::sync::oneshot;

pub use self::desk::{Desk, OrderError};
use crate::clock::Clock;
use crate::drift::Ears;
use crate::events::Events;
use crate::proof::Checked;
use crate::reconcile::{Keeper, KeeperError, Preview, Restraint};
use crate::view::Board;
use crate::vm::Said;

/// How many orders may wait: as many as there are connections that could bring one, so that a hundred starts at once all wait
/// their turn. Each takes some milliseconds; whoever comes when all places are taken is told to try again.
const MOST_ORDERS: usize = 256;

/// How often the keeper looks whether workloads have ended and whether the host is still as it left it.
pub const SWEEP: Duration = Duration::from_secs(1);

/// Two sweeps are at least this long apart, however often somebody writes. So are an order and a sweep for the sake of a hint:
/// what the order wrote is heard too, and its own plan has just read the host. The sweep of every second waits for nobody.
const LEAST_APART: Duration = Duration::from_millis(100);

/// Where nothing can change by a sweep, every so many of them still look: somebody may have made a cgroup of our name.
const REST_SWEEPS: u32 = 10;

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
    /// The process that was awaited is there, or who asked is to be moved.
    Entered(WorkloadId, bool, Asker, Reply<Workload>),
    End(WorkloadId, Reply<Ended>),
    Check(WorkloadId, Reply<Checked>),
    Signal(WorkloadId, Signal, Reply<usize>),
    /// It was asked to end: it goes on where it stands still.
    LetEnd(WorkloadId, Reply<usize>),
    /// Somebody wrote to one of our cgroups.
    Hint,
    /// What runs in a workload is a QEMU, which said this.
    MakeVm(WorkloadId, VmRequest, Said, Reply<Workload>),
    /// Make a workload of what somebody else started.
    Adopt(AdoptRequest, u32, Reply<Adopted>),
    /// Move a workload to another place, or say where.
    Migrate(WorkloadId, bool, Reply<Migrated>),
    /// What a QEMU says now, or why it does not.
    SawVm(WorkloadId, Result<Said, String>, Reply<()>),
    Containers(containers::Order),
    /// The rack has an order: it was taken before this one.
    Wake,
    Stop(oneshot::Sender<()>),
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
    let (leases, of_rack) = sync_channel(leases::MOST);
    let sweeps = Arc::new(AtomicU64::new(0));
    let desk = Desk {
        orders: Arc::new(orders),
        leases: Arc::new(leases),
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
        rested_on: None,
        rested: 0,
        period,
        ears: ears.ok(),
        is_hinted,
        late: Vec::new(),
    };
    // What ended while no agent ran has ended before anybody asks.
    task.expire_lease();
    task.show();
    std::thread::Builder::new()
        .name("keep".to_owned())
        .spawn(move || task.run(&waiting, &of_rack))?;
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
    /// The inventory that the keeper last looked at, and how many sweeps it rested since.
    rested_on: Option<Moment>,
    rested: u32,
    period: Duration,
    ears: Option<Ears>,
    is_hinted: Arc<AtomicBool>,
    /// Starts that are not told yet.
    late: Vec<AgentEvent>,
}

impl Task {
    fn run(&mut self, waiting: &Receiver<Order>, of_rack: &Receiver<leases::Order>) {
        let mut next_sweep = Instant::now();
        let mut last_look = Instant::now();
        let mut is_hinted = false;
        loop {
            self.keep_leases(of_rack);
            // Between the two halves of a start what is heard is our own hand, mostly.
            let due = if is_hinted && !self.keeper.awaits() {
                next_sweep.min(last_look + LEAST_APART)
            } else {
                next_sweep
            };
            let due = self.lease_ends().map_or(due, |ends| due.min(ends));
            let until = if self.late.is_empty() {
                due
            } else {
                due.min(last_look + starts::TOLD_AFTER)
            };
            let came = waiting.recv_timeout(until.saturating_duration_since(Instant::now()));
            let is_start = matches!(came, Ok(Order::Start(..) | Order::Entered(..) | Order::Hint));
            if !is_start {
                self.tell_late();
            }
            match came {
                Ok(Order::Stop(done)) => {
                    // Nobody is left to judge whether it is still wanted.
                    self.keeper.let_all_go();
                    // Fails only where nobody waits for it.
                    let _ = done.send(());
                    return;
                }
                Ok(Order::Hint) => {
                    self.is_hinted.store(false, Ordering::Release);
                    is_hinted = true;
                }
                Ok(Order::Wake) => {}
                Ok(order) => {
                    self.carry_out(order);
                    last_look = Instant::now();
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() < due => {}
                // It was the lease's end that it woke for.
                Err(RecvTimeoutError::Timeout) if due < next_sweep && !is_hinted => {}
                Err(RecvTimeoutError::Timeout) => {
                    self.sweep();
                    is_hinted = false;
                    last_look = Instant::now();
                    next_sweep = last_look + self.period;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn sweep(&mut self) {
        let seen = self.board.latest().seen.clone();
        let is_same = self.rested_on.is_some() && self.rested_on == seen.inventory.at;
        if self.keeper.may_rest() && is_same && self.rested < REST_SWEEPS {
            self.rested += 1;
            self.sweeps.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.rested = 0;
        self.rested_on = seen.inventory.at;
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
                self.start(request, asker, inventory, now, reply);
            }
            Order::Entered(id, born, asker, reply) => {
                self.entered(&id, born, asker.pid, now, reply);
            }
            Order::End(id, reply) => {
                let _ = reply.send(self.end(&id, now));
            }
            Order::Check(id, reply) => {
                let _ = reply.send(self.keeper.check(&id));
            }
            Order::Signal(id, signal, reply) => {
                let _ = reply.send(self.signal(&id, signal));
            }
            Order::LetEnd(id, reply) => {
                let _ = reply.send(self.let_end(&id));
            }
            Order::MakeVm(id, request, said, reply) => {
                let _ = reply.send(self.make_vm(&id, &request, said));
            }
            Order::Adopt(request, uid, reply) => {
                let _ = reply.send(self.adopt(&request, uid, inventory, now));
            }
            Order::Migrate(id, dry_run, reply) => {
                let _ = reply.send(self.migrate(&id, dry_run, inventory));
            }
            Order::SawVm(id, said, reply) => {
                self.saw_vm(&id, said, now);
                let _ = reply.send(Ok(()));
            }
            Order::Containers(order) => self.containers(order, inventory, now),
            Order::Hint | Order::Wake => {}
            Order::Stop(done) => {
                let _ = done.send(());
            }
        }
    }
}
