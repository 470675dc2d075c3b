//! Random sequences: leases that are lost, doubled, late and out of order, time, new starts of the agent and of the machine.

use agent_api::v1::{Head, Lease, LeaseEnd};
use proptest::prelude::*;

use super::{end, head, lease, watts};
use crate::lease::{Here, Leases, Moves};

/// One thing that happens to a node.
#[derive(Clone, Debug)]
enum Happens {
    /// A lease is made now; it comes after so long, perhaps twice, perhaps after later ones.
    Sent {
        lease: (u64, u64, u64, u32),
        more: u64,
        valid: u64,
        head: u64,
        after: u64,
    },
    Time(u64),
    /// The agent dies and begins again with what was noted last, and finds the hardware as it was.
    Restart,
    Boot,
    End,
}

fn happens() -> impl Strategy<Value = Happens> {
    let caps = (1_u64..400, 1_u64..400, 1_u64..400, 0_u32..3);
    let sent = (caps, 0_u64..3, 1_u64..6_000, 0_u64..4, 0_u64..8_000);
    prop_oneof![
        8 => sent.prop_map(|(lease, more, valid, head, after)| Happens::Sent { lease, more, valid, head, after }),
        4 => (1_u64..3_000).prop_map(Happens::Time),
        1 => Just(Happens::Restart),
        1 => Just(Happens::Boot),
        1 => Just(Happens::End),
    ]
}

/// A node, the leases that are on their way to it, and what is known of those that it accepted.
struct World {
    leases: Leases,
    now: u64,
    boot: u64,
    boot_id: String,
    sequence: u64,
    on_their_way: Vec<(u64, Lease)>,
    /// The most that an accepted lease of this boot ever let the lease in force last.
    granted_until: u64,
    /// The highest head that was accepted.
    head: Option<Head>,
}

impl World {
    fn here(&self) -> Here<'_> {
        Here {
            boot_id: &self.boot_id,
            now: self.now,
            cap: None,
        }
    }

    fn send(&mut self, caps: (u64, u64, u64, u32), more: u64, valid: u64, at: u64, after: u64) {
        self.sequence += more;
        let (cap, one, two, level) = caps;
        let one = one.min(cap);
        let lease = Lease {
            sequence: self.sequence,
            boot_id: self.here().boot_id.to_owned(),
            heard_millis: self.now,
            valid_millis: valid,
            cap_watts: watts(cap),
            levels: vec![watts(one), watts(two.min(one))],
            level,
            head: head(at, ["aa", "bb"][usize::try_from(self.sequence % 2).unwrap()]),
            ..lease(0)
        };
        self.on_their_way.push((self.now + after, lease.clone()));
        self.on_their_way.push((self.now + after / 2, lease));
    }

    /// Everything that is due by now, the latest first: the network reorders.
    fn deliver(&mut self) {
        self.pass_time();
        let (due, later) = self.on_their_way.drain(..).partition(|(at, _)| *at <= self.now);
        self.on_their_way = later;
        let due: Vec<(u64, Lease)> = due;
        for (_, lease) in due.into_iter().rev() {
            self.take(&lease);
        }
    }

    fn take(&mut self, lease: &Lease) {
        let before = self.leases.clone();
        let Ok(next) = before.take(lease, &self.here()) else {
            return;
        };
        let ends = lease.heard_millis + lease.valid_millis;
        let was = before.held.clone();
        let is = next.leases.held.clone().unwrap();
        let in_time = ends > self.now;
        // Never above what the last accepted lease grants for its level.
        assert!(is.target <= is.grant.wants(), "{is:?} of {lease:?}");
        assert_eq!(
            (is.sequence, is.grant.cap_watts),
            (lease.sequence, lease.cap_watts)
        );
        if let Some(was) = was {
            assert!(lease.sequence >= was.sequence, "an older one was obeyed");
            let all = 0..4;
            let rises =
                is.target > was.target || all.into_iter().any(|at| is.holds().at(at) > was.holds().at(at));
            assert_eq!(rises, next.moves == Moves::Up, "{was:?} {is:?}");
            assert!(!rises || in_time, "a stale lease raised {was:?} to {is:?}");
            let lacks = |head: &Head| {
                lease.head.sequence < head.sequence
                    || (lease.head.sequence == head.sequence && lease.head != *head)
            };
            assert!(
                !rises || !self.head.as_ref().is_some_and(lacks),
                "a journal that lacks something raised"
            );
            assert!(
                in_time || is.expires_millis <= was.expires_millis,
                "a stale lease extended"
            );
        } else {
            assert!(in_time);
        }
        let is_new = before.held.is_none_or(|was| was.sequence < lease.sequence);
        let before = if is_new && in_time { 0 } else { self.granted_until };
        self.granted_until = before.max(ends);
        assert!(
            is.expires_millis <= self.granted_until,
            "it lasts longer than anybody granted"
        );
        self.leases = next.leases;
        let head = self.leases.seen.as_ref().map(|seen| seen.head.clone());
        assert!(head.as_ref().map(|head| head.sequence) >= self.head.as_ref().map(|head| head.sequence));
        self.head = head;
    }

    fn pass_time(&mut self) {
        if let Some(next) = self.leases.expire(self.now) {
            let (was, is) = (
                self.leases.held.clone().unwrap(),
                next.leases.held.clone().unwrap(),
            );
            assert_eq!(
                is.target,
                was.target.min(was.holds().at(1)),
                "never deeper, never a raise"
            );
            self.leases = next.leases;
        }
    }

    fn holds(&self) {
        let Some(held) = &self.leases.held else {
            return;
        };
        assert!(held.target <= held.holds().wants().max(held.holds().at(1)));
        assert!(held.target <= held.grant.wants());
        if held.expired {
            assert!(held.target <= held.holds().at(1), "{held:?}");
        } else {
            assert!(self.now < held.expires_millis);
        }
        let levels = &held.holds().levels;
        assert!(levels.is_sorted_by(|above, below| above >= below) && levels[0] <= held.holds().cap_watts);
    }

    fn happen(&mut self, what: Happens, noted: &mut Leases) {
        match what {
            Happens::Sent {
                lease,
                more,
                valid,
                head,
                after,
            } => self.send(lease, more, valid, head, after),
            Happens::Time(millis) => self.now += millis,
            Happens::Restart => {
                let hardware = self.leases.target();
                let (older, text) = (noted.clone(), serde_json::to_string(&self.leases).unwrap());
                let lately = serde_json::from_str(&text).unwrap();
                self.leases = older.or_later(lately);
                if let Some(found) = hardware {
                    self.leases = self.leases.no_higher_than(found);
                }
                assert!(self.leases.target() <= hardware || hardware.is_none());
            }
            Happens::Boot => {
                let was = self.leases.target();
                self.leases = self.leases.after_boot();
                assert!(self.leases.target() <= was);
                (self.boot, self.now, self.granted_until) = (self.boot + 1, 1, 0);
                self.boot_id = format!("boot-{}", self.boot);
                // The ledger is written at a boot and at an orderly end, before anything else.
                noted.clone_from(&self.leases);
            }
            Happens::End => {
                let end = LeaseEnd {
                    boot_id: self.here().boot_id.to_owned(),
                    ..end(self.sequence)
                };
                if let Some(next) = self.leases.end(&end, &self.here()).unwrap() {
                    self.leases = next.leases;
                }
                self.granted_until = 0;
                noted.clone_from(&self.leases);
            }
        }
        self.deliver();
        self.holds();
        if self.now.is_multiple_of(3) {
            noted.clone_from(&self.leases);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_happens_nothing_is_above_what_was_granted(story in proptest::collection::vec(happens(), 1..60)) {
        let mut world = World {
            leases: Leases::default(),
            now: 1,
            boot: 0,
            boot_id: "boot-0".to_owned(),
            sequence: 1,
            on_their_way: Vec::new(),
            granted_until: 0,
            head: None,
        };
        let mut noted = Leases::default();
        for what in story {
            world.happen(what, &mut noted);
        }
    }
}
