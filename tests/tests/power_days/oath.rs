//! What an agent has sworn, from the leases that it said yes to alone (power.md, rules 5 and 7): a second opinion on its lease machine.

use agent_api::v1::Lease;
use facts::Power;

/// What one agent is bound to.
#[derive(Clone, Debug, Default)]
pub struct Oath {
    sworn: Option<Sworn>,
}

#[derive(Clone, Debug)]
struct Sworn {
    sequence: u64,
    /// The most that may be in force after the end.
    level_1: Power,
    /// The reading of the node's clock at which it ends.
    ends: u64,
}

impl Oath {
    /// It said yes to a lease at this reading of its clock; the cap in force before and after.
    pub fn took(&mut self, lease: &Lease, clock: u64, before: Option<Power>, after: Power) {
        let ends = lease.heard_millis + lease.valid_millis;
        let level_1 = lease.levels[0];
        let Some(sworn) = &self.sworn else {
            assert!(ends > clock, "rule 7: a first lease was taken after its end");
            self.sworn = Some(Sworn {
                sequence: lease.sequence,
                level_1,
                ends,
            });
            return;
        };
        assert!(
            lease.sequence >= sworn.sequence,
            "rule 7: lease {} was taken after {}",
            lease.sequence,
            sworn.sequence
        );
        let is_late = ends <= clock;
        if is_late {
            assert!(
                before.is_some_and(|before| after <= before),
                "rule 7: lease {} came {} ms after its end and raised {before:?} to {after}",
                lease.sequence,
                clock - ends
            );
        }
        let is_same = lease.sequence == sworn.sequence;
        self.sworn = Some(Sworn {
            sequence: lease.sequence,
            level_1: if is_late {
                level_1.min(sworn.level_1)
            } else {
                level_1
            },
            ends: if is_late || is_same {
                ends.max(sworn.ends)
            } else {
                ends
            },
        });
    }

    /// The node booted: what was granted was granted to the boot before.
    pub fn booted(&mut self) {
        if let Some(sworn) = &mut self.sworn {
            sworn.ends = 0;
        }
    }

    /// The cap that an agent keeps in force at this reading of its clock.
    pub fn holds(&self, clock: u64, in_force: Option<Power>) {
        let Some((sworn, in_force)) = self.sworn.as_ref().zip(in_force) else {
            return;
        };
        assert!(
            clock < sworn.ends || in_force <= sworn.level_1,
            "rule 5: lease {} ended at {}, and {in_force} is in force at {clock}; level 1 is {}",
            sworn.sequence,
            sworn.ends,
            sworn.level_1
        );
    }
}
