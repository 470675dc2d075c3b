//! Random days: the controller sees late answers and its orders arrive late, twice or never. What must hold is judged by the world.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use facts::{Bytes, Identity, Moment};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use super::super::*;
use crate::claim::ClaimId;

const DRIVES: usize = 3;
const BAYS: usize = 4;
const NODES: u64 = 3;
const TENANTS: u64 = 2;
/// Orders and answers that are on their way at most.
const MOST_UNDER_WAY: usize = 12;

/// A drive as it really is.
struct Part {
    id: DriveId,
    /// Whose data is on it: the purpose; `None` after an erasure.
    content: Option<String>,
    written: u64,
    /// Somebody allowed that what is on it goes: whoever held it gave it back, or an operator named it.
    may_go: bool,
}

/// What one enclosure knows of one stay of a drive. It is kept through starts of its agent.
#[derive(Default)]
struct Target {
    arrival: u64,
    part: Option<usize>,
    admitted: Option<String>,
    granted: u64,
    closed: u64,
    connected: BTreeSet<String>,
}

enum UnderWay {
    Order(usize, Wish),
    Access(usize, AccessSeen),
    Attached(usize, DriveId, u64),
    Erased(usize, Proof),
}

struct World {
    now: u64,
    parts: Vec<Part>,
    bays: Vec<Target>,
    arrivals: u64,
    drives: Vec<Drive>,
    seen: BTreeMap<usize, AccessSeen>,
    under_way: Vec<UnderWay>,
    claims: u64,
    /// What each node believes it is working for: it writes that for as long as it can.
    works_for: BTreeMap<(String, usize), String>,
    lent: u64,
    erased: u64,
}

#[derive(Clone, Debug)]
enum Op {
    Enrol(usize),
    Lend(usize, u64, u64),
    End(usize, Ending),
    GiveUp(usize),
    Vouch(usize),
    Act(usize),
    Read(usize),
    Arrives(usize),
    Lost(usize),
    Twice(usize),
    Pull(usize),
    Insert(usize, usize),
    WrittenElsewhere(usize),
    EraseFails(usize),
    Pass(u64),
    ControllerStarts,
}

fn op() -> impl Strategy<Value = Op> {
    let drive = || 0..DRIVES;
    let ending = prop_oneof![
        3 => (0_u64..30).prop_map(|seconds| Ending::Released { erase_after: Duration::from_secs(seconds) }),
        1 => Just(Ending::Expired),
        1 => Just(Ending::NodeLost),
    ];
    prop_oneof![
        2 => drive().prop_map(Op::Enrol),
        6 => (drive(), 0..NODES, 0..TENANTS).prop_map(|(drive, node, tenant)| Op::Lend(drive, node, tenant)),
        3 => (drive(), ending).prop_map(|(drive, ending)| Op::End(drive, ending)),
        1 => drive().prop_map(Op::GiveUp),
        1 => drive().prop_map(Op::Vouch),
        12 => drive().prop_map(Op::Act),
        8 => drive().prop_map(Op::Read),
        16 => (0..MOST_UNDER_WAY).prop_map(Op::Arrives),
        1 => (0..MOST_UNDER_WAY).prop_map(Op::Lost),
        2 => (0..MOST_UNDER_WAY).prop_map(Op::Twice),
        2 => (0..BAYS).prop_map(Op::Pull),
        3 => (drive(), 0..BAYS).prop_map(|(drive, bay)| Op::Insert(drive, bay)),
        1 => drive().prop_map(Op::WrittenElsewhere),
        1 => drive().prop_map(Op::EraseFails),
        3 => (1_u64..20).prop_map(Op::Pass),
        1 => Just(Op::ControllerStarts),
    ]
}

fn place(bay: usize) -> String {
    format!("jbof-{}/bay-{bay}", bay % 2)
}

impl World {
    fn new() -> World {
        let id = |drive: usize| {
            let identity = Identity {
                maker: None,
                model: None,
                serial: Some(format!("S{drive}")),
            };
            DriveId::of(&identity).unwrap()
        };
        let mut world = World {
            now: 1,
            parts: Vec::new(),
            bays: (0..BAYS).map(|_| Target::default()).collect(),
            arrivals: 0,
            drives: Vec::new(),
            seen: BTreeMap::new(),
            under_way: Vec::new(),
            claims: 0,
            works_for: BTreeMap::new(),
            lent: 0,
            erased: 0,
        };
        for drive in 0..DRIVES {
            world.parts.push(Part {
                id: id(drive),
                content: Some("somebody before us".to_owned()),
                written: 1,
                may_go: false,
            });
            let seat = world.put(drive, drive);
            let size = Bytes::new(1 << 40);
            world
                .drives
                .push(Drive::found(id(drive), size, seat, Moment::EPOCH));
        }
        world
    }

    fn moment(&self) -> Moment {
        Moment::from_millis(self.now * 1_000)
    }

    fn put(&mut self, drive: usize, bay: usize) -> Seat {
        self.arrivals += 1;
        self.bays[bay] = Target {
            arrival: self.arrivals,
            part: Some(drive),
            ..Target::default()
        };
        Seat {
            place: place(bay),
            arrival: self.arrivals,
        }
    }

    fn bay_of(&self, drive: usize) -> Option<usize> {
        self.bays.iter().position(|bay| bay.part == Some(drive))
    }

    fn send(&mut self, message: UnderWay) {
        if self.under_way.len() < MOST_UNDER_WAY {
            self.under_way.push(message);
        }
    }

    /// A step of the controller: what is refused changes nothing.
    fn step(&mut self, drive: usize, next: Result<Drive, Denied>) -> bool {
        let Ok(next) = next else { return false };
        self.drives[drive] = next;
        true
    }

    fn run(&mut self, op: &Op) {
        let now = self.moment();
        match op {
            Op::Enrol(drive) => {
                let next = self.drives[*drive].enrol(&format!("S{drive}"), &Vec::new(), "ada", now);
                if self.step(*drive, next) {
                    self.parts[*drive].may_go = true;
                }
            }
            Op::GiveUp(drive) => {
                let next = self.drives[*drive].give_up(&format!("S{drive}"), "ada", now);
                if self.step(*drive, next) {
                    self.parts[*drive].may_go = true;
                }
            }
            // Whoever vouches knows where it was.
            Op::Vouch(drive) => {
                let is_true = self.parts[*drive].content.as_deref() != Some("somebody elsewhere");
                if is_true {
                    let next = self.drives[*drive].vouched();
                    self.step(*drive, next);
                }
            }
            Op::Lend(drive, node, tenant) => self.lend(*drive, *node, *tenant),
            Op::End(drive, ending) => {
                let next = self.drives[*drive].end(*ending, now);
                if self.step(*drive, next) && matches!(ending, Ending::Released { .. }) {
                    self.parts[*drive].may_go = true;
                }
            }
            Op::Act(drive) => {
                if let Some(wish) = self.drives[*drive].wish(self.seen.get(drive)) {
                    self.send(UnderWay::Order(*drive, wish));
                }
            }
            Op::Read(drive) => self.read(*drive),
            Op::Arrives(index) | Op::Lost(index) => {
                let count = self.under_way.len();
                if count > 0 {
                    let message = self.under_way.remove(index % count);
                    if matches!(op, Op::Arrives(_)) {
                        self.arrives(&message);
                    }
                }
            }
            Op::Twice(index) => {
                let count = self.under_way.len();
                if count > 0 {
                    let message = self.under_way.swap_remove(index % count);
                    self.arrives(&message);
                    self.under_way.push(message);
                }
            }
            Op::Pull(bay) => {
                if let Some(drive) = self.bays[*bay].part.take() {
                    self.bays[*bay].connected.clear();
                    self.drives[drive] = self.drives[drive].pulled(now);
                }
            }
            Op::Insert(drive, bay) => {
                if self.bay_of(*drive).is_none() && self.bays[*bay].part.is_none() {
                    let seat = self.put(*drive, *bay);
                    let written = Some(self.parts[*drive].written);
                    self.drives[*drive] = self.drives[*drive].returned(seat, written, now);
                }
            }
            Op::WrittenElsewhere(drive) => {
                if self.bay_of(*drive).is_none() {
                    let part = &mut self.parts[*drive];
                    part.content = Some("somebody elsewhere".to_owned());
                    part.written += 1;
                    part.may_go = false;
                }
            }
            Op::EraseFails(drive) => {
                let next = self.drives[*drive].not_erased("it stopped at 99 %", now);
                self.step(*drive, next);
            }
            Op::Pass(seconds) => self.pass(*seconds),
            // Everything that was seen is forgotten; what was under way is still under way.
            Op::ControllerStarts => self.seen.clear(),
        }
    }

    fn lend(&mut self, drive: usize, node: u64, tenant: u64) {
        self.claims += 1;
        let holder = Holder {
            claim: ClaimId(self.claims),
            purpose: format!("p{tenant}"),
            tenant: Some(format!("t{tenant}")),
            node: format!("n{node}"),
        };
        let next = self.drives[drive].lend(holder, self.moment());
        if self.step(drive, next) {
            self.parts[drive].may_go = false;
            self.lent += 1;
        }
    }

    fn read(&mut self, drive: usize) {
        let Some(bay) = self.bay_of(drive) else { return };
        let target = &self.bays[bay];
        let mut nodes = target.connected.clone();
        nodes.extend(target.admitted.clone());
        let seen = AccessSeen {
            arrival: target.arrival,
            nodes,
            granted: target.granted,
            closed: target.closed,
            written: Some(self.parts[drive].written),
        };
        self.send(UnderWay::Access(drive, seen));
    }

    fn pass(&mut self, seconds: u64) {
        self.now += seconds;
        let now = self.moment();
        for drive in &mut self.drives {
            if let Some(next) = drive.pass_time(now) {
                *drive = next;
            }
        }
    }

    fn arrives(&mut self, message: &UnderWay) {
        let now = self.moment();
        match message {
            UnderWay::Order(drive, wish) => self.obey(*drive, wish),
            UnderWay::Access(drive, seen) => {
                self.seen.insert(*drive, seen.clone());
                let is_this_stay = |seat: &Seat| seat.arrival == seen.arrival;
                if self.drives[*drive].seat.as_ref().is_some_and(is_this_stay) {
                    self.drives[*drive] = self.drives[*drive].counted(seen.written);
                }
                let before = &self.drives[*drive];
                let next = before.admitted(seen, now).or_else(|_| before.shut(seen, now));
                self.step(*drive, next);
            }
            UnderWay::Attached(drive, sees, generation) => {
                let next = self.drives[*drive].attached(sees, *generation, now);
                self.step(*drive, next);
            }
            UnderWay::Erased(drive, proof) => {
                let next = self.drives[*drive].erased(proof.clone(), now);
                self.step(*drive, next);
            }
        }
    }

    /// What the enclosure's agent does with an order: it keeps to stays and to grants.
    fn obey(&mut self, drive: usize, wish: &Wish) {
        let (Wish::Admit { seat, .. }
        | Wish::Attach { seat, .. }
        | Wish::Shut { seat, .. }
        | Wish::Erase { seat, .. }) = wish;
        let Some(bay) = self
            .bay_of(drive)
            .filter(|bay| self.bays[*bay].arrival == seat.arrival)
        else {
            return;
        };
        let target = &mut self.bays[bay];
        match wish {
            Wish::Admit { node, generation, .. } => {
                if *generation > target.closed && *generation >= target.granted {
                    target.granted = *generation;
                    target.admitted = Some(node.clone());
                }
            }
            Wish::Shut { generation, .. } => {
                if *generation >= target.granted {
                    target.closed = target.closed.max(*generation);
                    target.admitted = None;
                    target.connected.clear();
                }
            }
            Wish::Attach { node, generation, .. } => {
                if target.admitted.as_ref() == Some(node) && target.granted == *generation {
                    target.connected.insert(node.clone());
                    self.connected(drive, node, *generation);
                }
            }
            Wish::Erase { generation, .. } => {
                if target.granted <= *generation && target.connected.is_empty() && target.admitted.is_none() {
                    self.erase(drive);
                }
            }
        }
    }

    fn connected(&mut self, drive: usize, node: &str, generation: u64) {
        let grant = self.drives[drive].tenancy.grant();
        let mine = grant.filter(|grant| grant.holder.node == node && grant.generation == generation);
        if let Some(grant) = mine {
            let purpose = grant.holder.purpose.clone();
            let content = &self.parts[drive].content;
            assert!(
                content.as_ref().is_none_or(|content| *content == purpose),
                "{node} was given S{drive} for {purpose} with {content:?} on it"
            );
            self.works_for.insert((node.to_owned(), drive), purpose);
        }
        let sees = self.parts[drive].id.clone();
        self.send(UnderWay::Attached(drive, sees, generation));
    }

    fn erase(&mut self, drive: usize) {
        let part = &mut self.parts[drive];
        assert!(
            part.content.is_none() || part.may_go,
            "S{drive} was erased, and nobody had allowed that"
        );
        part.content = None;
        let proof = Proof {
            drive: part.id.clone(),
            method: EraseMethod::Overwrite,
            began: Moment::from_millis(self.now * 1_000),
            ended: Moment::from_millis(self.now * 1_000),
            log_page: None,
            samples: FEWEST_SAMPLES,
            dirty: 0,
            written: Some(part.written),
            asked_by: "ada".to_owned(),
        };
        self.erased += 1;
        self.send(UnderWay::Erased(drive, proof));
    }

    /// Whoever is connected writes, all the time.
    fn write(&mut self) {
        for bay in &self.bays {
            let Some(drive) = bay.part else { continue };
            for node in &bay.connected {
                let part = &mut self.parts[drive];
                part.content = self.works_for.get(&(node.clone(), drive)).cloned();
                part.written += 1;
            }
        }
    }

    fn check(&self) {
        for (index, drive) in self.drives.iter().enumerate() {
            let bay = self.bay_of(index);
            let connected = bay
                .map(|bay| self.bays[bay].connected.clone())
                .unwrap_or_default();
            let holder = drive.tenancy.grant().map(|grant| grant.holder.node.clone());
            let may: BTreeSet<String> = holder.into_iter().collect();
            assert!(
                connected.is_subset(&may),
                "S{index} is {:?}, and {connected:?} can write to it",
                drive.tenancy
            );
            let is_free = matches!(drive.tenancy, Tenancy::Free { .. }) && drive.seat.is_some();
            let content = &self.parts[index].content;
            assert!(
                !is_free || content.is_none(),
                "S{index} is free with {content:?} on it"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn one_drive_one_tenant_whatever_comes_late(ops in prop::collection::vec(op(), 400)) {
        let mut world = World::new();
        for op in &ops {
            world.run(op);
            world.write();
            world.check();
        }
    }
}

/// The days above are worth something only where drives go around in them.
#[test]
fn drives_go_around_in_random_days() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let days = prop::collection::vec(op(), 400);
    let (mut lent, mut erased, mut attached) = (0, 0, 0);
    for _ in 0..64 {
        let mut world = World::new();
        for op in days.new_tree(&mut runner).unwrap().current() {
            world.run(&op);
            let is_attached = |drive: &Drive| {
                drive
                    .tenancy
                    .grant()
                    .is_some_and(|grant| grant.stage == Stage::Attached)
            };
            attached += world.drives.iter().filter(|drive| is_attached(drive)).count();
        }
        lent += world.lent;
        erased += world.erased;
    }
    assert!(
        lent > 100 && erased > 200 && attached > 500,
        "{lent} lent, {erased} erased, attached in {attached} moments"
    );
}
