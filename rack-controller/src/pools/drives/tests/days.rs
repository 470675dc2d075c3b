//! Random days: what people, messages and time do, and that it never ends in two tenants of one drive.

use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use super::super::*;
use super::world::{BAYS, DRIVES, MOST_UNDER_WAY, NODES, TENANTS, UnderWay, World};

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

impl World {
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
            Op::Arrives(index) | Op::Lost(index) | Op::Twice(index) => self.message(op, *index),
            Op::Pull(bay) => self.pull(*bay),
            Op::Insert(drive, bay) => self.insert(*drive, *bay),
            Op::WrittenElsewhere(drive) => self.written_elsewhere(*drive),
            Op::EraseFails(drive) => {
                let next = self.drives[*drive].not_erased("it stopped at 99 %", now);
                self.step(*drive, next);
            }
            Op::Pass(seconds) => self.pass(*seconds),
            // Everything that was seen is forgotten; what was under way is still under way.
            Op::ControllerStarts => self.seen.clear(),
        }
    }

    /// One of the messages that are under way arrives, is lost, or arrives and comes again.
    fn message(&mut self, op: &Op, index: usize) {
        if self.under_way.is_empty() {
            return;
        }
        let message = self.under_way.remove(index % self.under_way.len());
        if !matches!(op, Op::Lost(_)) {
            self.arrives(&message);
        }
        if matches!(op, Op::Twice(_)) {
            self.under_way.push(message);
        }
    }

    fn pull(&mut self, bay: usize) {
        if let Some(drive) = self.bays[bay].part.take() {
            self.bays[bay].connected.clear();
            self.drives[drive] = self.drives[drive].pulled(self.moment());
        }
    }

    fn insert(&mut self, drive: usize, bay: usize) {
        if self.bay_of(drive).is_none() && self.bays[bay].part.is_none() {
            let seat = self.put(drive, bay);
            let written = Some(self.parts[drive].written);
            self.drives[drive] = self.drives[drive].returned(seat, written, self.moment());
        }
    }

    fn written_elsewhere(&mut self, drive: usize) {
        if self.bay_of(drive).is_none() {
            let part = &mut self.parts[drive];
            part.content = Some("somebody elsewhere".to_owned());
            part.written += 1;
            part.may_go = false;
        }
    }
}

/// Each case starts anew; what was done in all of them is counted, for whoever wants to know how much that was.
#[test]
fn one_drive_one_tenant_whatever_comes_late() {
    let config = ProptestConfig {
        cases: 256,
        max_shrink_iters: 20_000,
        source_file: Some(file!()),
        ..ProptestConfig::default()
    };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let done = std::cell::Cell::new(0_usize);
    let ran = runner.run(&prop::collection::vec(op(), 400), |ops| {
        let mut world = World::new();
        for op in &ops {
            world.run(op);
            world.write();
            world.check();
        }
        done.set(done.get() + ops.len());
        Ok(())
    });
    ran.map_err(|error| format!("{error}\n{runner}")).unwrap();
    println!("random days of drives: {} operations", done.get());
    assert!(done.get() >= 100_000, "{} operations", done.get());
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
