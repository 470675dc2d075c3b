//! A world of drives, enclosures and nodes: orders arrive late, twice or never, and what must hold is judged by what really is on the drives.

use std::collections::{BTreeMap, BTreeSet};

use facts::{Bytes, Identity, Moment};

use super::super::*;
use crate::claim::ClaimId;

pub(super) const DRIVES: usize = 3;
pub(super) const BAYS: usize = 4;
pub(super) const NODES: u64 = 3;
pub(super) const TENANTS: u64 = 2;
/// Orders and answers that are on their way at most.
pub(super) const MOST_UNDER_WAY: usize = 12;

/// A drive as it really is.
pub(super) struct Part {
    pub(super) id: DriveId,
    /// Whose data is on it: the purpose; `None` after an erasure.
    pub(super) content: Option<String>,
    pub(super) written: u64,
    /// Somebody allowed that what is on it goes: whoever held it gave it back, or an operator named it.
    pub(super) may_go: bool,
}

/// What one enclosure knows of one stay of a drive. It is kept through starts of its agent.
#[derive(Default)]
pub(super) struct Target {
    pub(super) arrival: u64,
    pub(super) part: Option<usize>,
    pub(super) admitted: Option<String>,
    pub(super) granted: u64,
    pub(super) closed: u64,
    pub(super) connected: BTreeSet<String>,
}

pub(super) enum UnderWay {
    Order(usize, Wish),
    Access(usize, AccessSeen),
    Attached(usize, DriveId, u64),
    Erased(usize, Proof),
}

pub(super) struct World {
    pub(super) now: u64,
    pub(super) parts: Vec<Part>,
    pub(super) bays: Vec<Target>,
    pub(super) arrivals: u64,
    pub(super) drives: Vec<Drive>,
    pub(super) seen: BTreeMap<usize, AccessSeen>,
    pub(super) under_way: Vec<UnderWay>,
    pub(super) claims: u64,
    /// What each node believes it is working for: it writes that for as long as it can.
    pub(super) works_for: BTreeMap<(String, usize), String>,
    pub(super) lent: u64,
    pub(super) erased: u64,
}

fn place(bay: usize) -> String {
    format!("jbof-{}/bay-{bay}", bay % 2)
}

impl World {
    pub(super) fn new() -> World {
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

    pub(super) fn moment(&self) -> Moment {
        Moment::from_millis(self.now * 1_000)
    }

    pub(super) fn put(&mut self, drive: usize, bay: usize) -> Seat {
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

    pub(super) fn bay_of(&self, drive: usize) -> Option<usize> {
        self.bays.iter().position(|bay| bay.part == Some(drive))
    }

    pub(super) fn send(&mut self, message: UnderWay) {
        if self.under_way.len() < MOST_UNDER_WAY {
            self.under_way.push(message);
        }
    }

    /// A step of the controller: what is refused changes nothing.
    pub(super) fn step(&mut self, drive: usize, next: Result<Drive, Denied>) -> bool {
        let Ok(next) = next else { return false };
        self.drives[drive] = next;
        true
    }

    pub(super) fn lend(&mut self, drive: usize, node: u64, tenant: u64) {
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

    pub(super) fn read(&mut self, drive: usize) {
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

    pub(super) fn pass(&mut self, seconds: u64) {
        self.now += seconds;
        let now = self.moment();
        for drive in &mut self.drives {
            if let Some(next) = drive.pass_time(now) {
                *drive = next;
            }
        }
    }

    pub(super) fn arrives(&mut self, message: &UnderWay) {
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
    pub(super) fn obey(&mut self, drive: usize, wish: &Wish) {
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

    pub(super) fn connected(&mut self, drive: usize, node: &str, generation: u64) {
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

    pub(super) fn erase(&mut self, drive: usize) {
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
    pub(super) fn write(&mut self) {
        for bay in &self.bays {
            let Some(drive) = bay.part else { continue };
            for node in &bay.connected {
                let part = &mut self.parts[drive];
                part.content = self.works_for.get(&(node.clone(), drive)).cloned();
                part.written += 1;
            }
        }
    }

    pub(super) fn check(&self) {
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
