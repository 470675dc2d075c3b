//! Random days: orders come late, twice or never, drives are pulled, moved and written to elsewhere, agents fall silent, the controller
//! starts anew. Judged by what really is on the drives and who can really reach them.

use std::collections::BTreeSet;
use std::time::Duration;

use agent_api::v1::DriveOrder;
use rack_api::v1::VouchDrive;
use rack_controller::decide::{DrivesInput, Input, want};
use rack_controller::pools::drives::{Stage, Tenancy, plan};
use rack_controller::rack::event::DriveCause;
use rack_controller::rack::{Action, Event, Outcome, Rack, What};

use crate::bench::{Bench, ask};
use crate::world::Part;

const SERIALS: [&str; 4] = ["S1", "S2", "S3", "S4"];
const NODES: [&str; 2] = ["n01", "n02"];
const SEEDS: u64 = 20;
const STEPS: usize = 5_000;
/// Orders on their way at most.
const MOST_UNDER_WAY: usize = 8;

/// The same numbers from the same seed (xorshift64*).
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(drawn).unwrap() % most
    }
}

struct Day {
    bench: Bench,
    chance: Chance,
    under_way: Vec<(Action, String, DriveOrder)>,
    out: Vec<Part>,
    /// Drives of which somebody said that what is on them may go.
    may_go: BTreeSet<String>,
    lent: usize,
    erased: usize,
    vouched: usize,
    restarted: usize,
}

impl Day {
    fn new(seed: u64) -> Day {
        let mut bench = Bench::new(&SERIALS);
        for node in NODES {
            bench.world.works_for.insert(node.to_owned(), format!("p-{node}"));
        }
        Day {
            bench,
            chance: Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            under_way: Vec::new(),
            out: Vec::new(),
            may_go: BTreeSet::new(),
            lent: 0,
            erased: 0,
            vouched: 0,
            restarted: 0,
        }
    }

    fn serial(&mut self) -> &'static str {
        SERIALS[self.chance.below(SERIALS.len())]
    }

    fn node(&mut self) -> &'static str {
        NODES[self.chance.below(NODES.len())]
    }

    fn step(&mut self) {
        let events = self.bench.events.len();
        match self.chance.below(24) {
            0 => self.claim(),
            1 => self.release(),
            2 => {
                let serial = self.serial();
                if self.bench.enrol(serial).is_ok() {
                    self.may_go.insert(serial.to_owned());
                }
            }
            3 if self.chance.below(8) == 0 => {
                let serial = self.serial();
                if self.bench.erase(serial).is_ok() {
                    self.may_go.insert(serial.to_owned());
                }
            }
            4 if self.chance.below(6) == 0 => self.pull(),
            5 | 6 => self.put(),
            7 if self.chance.below(6) == 0 => self.silence(),
            8 if self.chance.below(6) == 0 => self.again(),
            22 if self.chance.below(6) == 0 => self.reboot(),
            23 => self.vouch(),
            9 => {
                let seconds = [1, 30, 400][self.chance.below(3)];
                self.bench.now = self.bench.now.after(Duration::from_secs(seconds));
                self.bench.run(&Input::Tick).unwrap();
            }
            10..=13 => self.bench.look(),
            14..=17 => self.order(),
            18..=21 => self.arrive(),
            _ => {
                self.bench.now = self.bench.now.after(Duration::from_secs(1));
                self.bench.world.write();
            }
        }
        let lent = self.bench.events[events..]
            .iter()
            .filter(|event| event.kind() == "drive_lent")
            .map(|event| event.subject().to_owned());
        let kept = self.bench.events[events..]
            .iter()
            .filter(|event| is_kept_by_a_restart(event));
        self.restarted += kept.count();
        for serial in lent.collect::<Vec<_>>() {
            self.may_go.remove(&serial);
            self.lent += 1;
        }
        self.check();
    }

    fn claim(&mut self) {
        let node = self.node();
        let mut wanted = ask(&format!("p-{node}"), node, "web");
        wanted.ttl_seconds = (self.chance.below(2) == 0).then_some(300);
        wanted.erase_after_seconds = Some([0, 60][self.chance.below(2)]);
        wanted.replace = self.chance.below(2) == 0;
        wanted.count = 1 + u32::try_from(self.chance.below(2)).unwrap();
        let _ = self.bench.claim(&wanted);
    }

    fn release(&mut self) {
        let name = format!("p-{}", self.node());
        let Some(claim) = self.bench.rack.kept.drives.claim(&name) else {
            return;
        };
        let drives = self.bench.rack.kept.drives.of_claim(claim.id);
        let serials: Vec<String> = drives.map(|drive| drive.id.serial().to_owned()).collect();
        self.bench.release(&name, None).unwrap();
        self.may_go.extend(serials);
    }

    fn pull(&mut self) {
        let slots = self.bench.world.filled("box");
        if slots.is_empty() {
            return;
        }
        let slot = slots[self.chance.below(slots.len())].clone();
        let part = self.bench.world.pull("box", &slot);
        self.out.push(part);
    }

    fn put(&mut self) {
        if self.out.is_empty() {
            return;
        }
        let which = self.chance.below(self.out.len());
        let slot = (1 + self.chance.below(8)).to_string();
        if self.bench.world.filled("box").contains(&slot) {
            return;
        }
        let mut part = self.out.swap_remove(which);
        if self.chance.below(3) == 0 {
            // Somebody wrote to it elsewhere: whose that is nobody here knows, so it may not be lost by time.
            part.content = Some("written elsewhere".to_owned());
            part.written += 3;
            self.may_go.remove(&part.serial);
        }
        self.bench.world.put("box", &slot, part);
    }

    fn silence(&mut self) {
        let names = ["box", "n01", "n02"];
        let name = names[self.chance.below(names.len())];
        let node = self.bench.world.nodes.get_mut(name).unwrap();
        node.is_silent = !node.is_silent;
    }

    /// The enclosure's node starts anew, and sometimes somebody writes to one of its drives before its agent is there.
    fn reboot(&mut self) {
        self.bench.world.reboot("box");
        let serial = self.serial();
        let is_here = self.bench.world.arrival(serial).is_some();
        if is_here && self.chance.below(2) == 0 {
            let part = self.bench.world.part(serial);
            part.content = Some("written in the dark".to_owned());
            part.written += 3;
            self.may_go.remove(serial);
        }
    }

    /// Somebody who knows says that what is on a drive is its holder's: they never lie.
    fn vouch(&mut self) {
        let serial = self.serial();
        let contents = self.bench.world.contents();
        let drives = self.bench.rack.kept.drives.of_serial(serial);
        let is_its = drives.into_iter().any(|drive| {
            let purpose = drive.tenancy.holder().map(|holder| holder.purpose.as_str());
            contents
                .get(serial)
                .is_some_and(|content| content.is_none() || content.as_deref() == purpose)
        });
        if is_its {
            let request = VouchDrive {
                serial: serial.to_owned(),
                model: None,
            };
            let serial = serial.to_owned();
            let done = self
                .bench
                .run(&Input::Drives(DrivesInput::Vouch { serial, request }));
            self.vouched += usize::from(done.is_ok());
        }
    }

    /// kill -9, and another controller on what the journal holds.
    fn again(&mut self) {
        let config = (*self.bench.rack.config).clone();
        let json = serde_json::to_string(&self.bench.rack.kept).unwrap();
        self.bench.rack = Rack::restored(&config, serde_json::from_str(&json).unwrap());
        let version = "1".to_owned();
        self.bench.run(&Input::Started { version }).unwrap();
    }

    fn order(&mut self) {
        for action in want(&self.bench.rack, self.bench.now) {
            let is_new = !self.under_way.iter().any(|(known, ..)| *known == action);
            let order = plan::order(&self.bench.rack, &action);
            if let Some((node, order)) = order.filter(|_| is_new && self.under_way.len() < MOST_UNDER_WAY) {
                self.under_way.push((action, node, order));
            }
        }
    }

    fn arrive(&mut self) {
        if self.under_way.is_empty() {
            return;
        }
        let which = self.chance.below(self.under_way.len());
        let (action, node, order) = self.under_way[which].clone();
        // Some come once more, later.
        if self.chance.below(5) != 0 {
            self.under_way.swap_remove(which);
        }
        let before = self.bench.world.contents();
        let erased = self.bench.world.erased.len();
        let done = self.bench.world.obey(&node, &order, self.bench.now);
        for serial in &self.bench.world.erased[erased..] {
            self.erased += 1;
            assert!(
                self.may_go.contains(serial) || before[serial].is_none(),
                "{serial} was erased with {:?} on it, and nobody had allowed that",
                before[serial]
            );
        }
        let outcome = match done {
            Ok(_) => Outcome::Done,
            Err(why) => Outcome::Failed(why),
        };
        self.bench.run(&Input::ActionDone { action, outcome }).unwrap();
    }

    fn check(&self) {
        let contents = self.bench.world.contents();
        for drive in self.bench.rack.kept.drives.all() {
            let serial = drive.id.serial();
            let holder = drive.tenancy.grant().map(|grant| grant.holder.node.clone());
            let may: BTreeSet<String> = holder.into_iter().collect();
            let reach = self.bench.world.reach(serial);
            assert!(
                reach.is_subset(&may),
                "{serial} is {:?}, and {reach:?} can write",
                drive.tenancy
            );
            let is_this_stay =
                drive.seat.as_ref().map(|seat| seat.arrival) == self.bench.world.arrival(serial);
            let Some(content) = contents.get(serial).filter(|_| is_this_stay) else {
                continue;
            };
            if matches!(drive.tenancy, Tenancy::Free { .. }) {
                assert_eq!(*content, None, "{serial} is free with that on it");
            }
            if let Tenancy::Claimed(grant) = &drive.tenancy
                && grant.stage == Stage::Attached
            {
                let purpose = &grant.holder.purpose;
                assert!(
                    content.as_ref().is_none_or(|content| content == purpose),
                    "{serial} was given to {purpose} with {content:?} on it"
                );
            }
        }
    }
}

/// Whether a claim goes on by itself after its enclosure's node started anew.
fn is_kept_by_a_restart(event: &Event) -> bool {
    let What::DriveChanged(change) = &event.what else {
        return false;
    };
    change.cause == DriveCause::Restarted
        && change.drive.unsealed.is_none()
        && matches!(change.drive.tenancy, Tenancy::Claimed(_))
}

#[test]
fn no_day_has_a_second_tenant_or_destroys_what_nobody_gave_up() {
    let (mut lent, mut erased, mut restarted, mut vouched) = (0, 0, 0, 0);
    for seed in 1..=SEEDS {
        let mut day = Day::new(seed);
        for _ in 0..STEPS {
            day.step();
        }
        day.bench.replays();
        lent += day.lent;
        erased += day.erased;
        restarted += day.restarted;
        vouched += day.vouched;
    }
    println!(
        "{} operations: {lent} times lent, {erased} times erased, {restarted} times kept through a restart, {vouched} times vouched",
        SEEDS * u64::try_from(STEPS).unwrap()
    );
    assert!(
        lent > 500 && erased > 500 && restarted > 20 && vouched > 20,
        "a day in which nothing happens shows nothing: {lent}, {erased}, {restarted}, {vouched}"
    );
}
