//! One step of a bay's life: pure, total, at most one change at a time.

use facts::supply::SupplyState;
use facts::{Identity, Moment};
use rack_api::v1::DrainFor;

use super::{Bay, BayRules, Leaving, Life, Present, Sighting, doubled};

/// The bay after one change, or `None` where nothing changes. Ask again until nothing changes: a stranger in the bay
/// is a removal first and an insertion then, and times of zero end at once.
pub fn step(bay: &Bay, seen: &Sighting, now: Moment, rules: &BayRules) -> Option<Bay> {
    match seen {
        Sighting::Blind => None,
        Sighting::Empty => (bay.life != Life::Empty).then(|| emptied(bay, now)),
        Sighting::Present(present) => {
            if bay
                .part
                .as_ref()
                .is_some_and(|part| strangers(part, &present.part))
            {
                return Some(emptied(bay, now));
            }
            match present.state {
                SupplyState::Ok => good(bay, present, now, rules),
                SupplyState::Faulted => faulted(bay, present, now, rules),
                SupplyState::InputLost => idle(bay, present, now, rules, NO_INPUT),
                SupplyState::Off => idle(bay, present, now, rules, SWITCHED_OFF),
                SupplyState::Absent | SupplyState::Unknown => None,
            }
        }
    }
}

const NO_INPUT: &str = "no input";
const SWITCHED_OFF: &str = "switched off";
const BROKEN: &str = "its BMC reports a fault";
const NO_SHARE: &str = "carries no share of the load";

/// Whether two identities cannot be one part. What one of them does not say tells nothing.
fn strangers(one: &Identity, other: &Identity) -> bool {
    let differ = |a: &Option<String>, b: &Option<String>| a.is_some() && b.is_some() && a != b;
    if one.serial.is_some() && other.serial.is_some() {
        return one.serial != other.serial;
    }
    differ(&one.maker, &other.maker) || differ(&one.model, &other.model)
}

/// Everything that either identity says, `seen` first.
fn known(before: Option<&Identity>, seen: &Identity) -> Identity {
    let Some(before) = before else {
        return seen.clone();
    };
    Identity {
        maker: seen.maker.clone().or_else(|| before.maker.clone()),
        model: seen.model.clone().or_else(|| before.model.clone()),
        serial: seen.serial.clone().or_else(|| before.serial.clone()),
    }
}

fn emptied(bay: &Bay, now: Moment) -> Bay {
    let unprepared = matches!(bay.life, Life::InService | Life::Probation { .. });
    Bay {
        life: Life::Empty,
        since: now,
        part: None,
        last_part: bay.part.clone().or_else(|| bay.last_part.clone()),
        rated: None,
        flaps: bay.flaps,
        faults: 0,
        lost_at: if unprepared { Some(now) } else { bay.lost_at },
    }
}

/// The same bay with what is seen in it.
fn with_part(bay: &Bay, present: &Present) -> Bay {
    Bay {
        part: Some(known(bay.part.as_ref(), &present.part)),
        rated: present.rated.or(bay.rated),
        ..bay.clone()
    }
}

fn moved(bay: &Bay, present: &Present, life: Life, now: Moment) -> Option<Bay> {
    Some(Bay {
        life,
        since: now,
        ..with_part(bay, present)
    })
}

fn good(bay: &Bay, present: &Present, now: Moment, rules: &BayRules) -> Option<Bay> {
    let on_trial = Life::Probation {
        until: now.after(rules.probation),
    };
    match &bay.life {
        Life::Unseen => moved(bay, present, on_trial, now),
        Life::Empty => Some(inserted(bay, present, now, rules)),
        Life::Settling { until } if *until <= now => moved(bay, present, on_trial, now),
        Life::Probation { until } if *until <= now && present.carries == Some(false) => {
            let mut failed = with_part(bay, present);
            failed.fail(NO_SHARE, now, rules);
            Some(failed)
        }
        Life::Probation { until } if *until <= now => moved(bay, present, Life::InService, now),
        Life::Faulted { retry_at, .. } if *retry_at <= now => {
            let settling = Life::Settling {
                until: now.after(rules.settle),
            };
            moved(bay, present, settling, now)
        }
        Life::Settling { .. }
        | Life::Probation { .. }
        | Life::InService
        | Life::Draining(_)
        | Life::ReadyToPull(_)
        | Life::Faulted { .. }
        | Life::Condemned { .. } => {
            let same = with_part(bay, present);
            (same != *bay).then_some(same)
        }
    }
}

fn inserted(bay: &Bay, present: &Present, now: Moment, rules: &BayRules) -> Bay {
    let soon = bay
        .lost_at
        .is_some_and(|lost| now.since(lost) <= rules.flap_window);
    let back = bay
        .last_part
        .as_ref()
        .is_some_and(|part| !strangers(part, &present.part));
    let flaps = if soon && back {
        bay.flaps.saturating_add(1)
    } else {
        0
    };
    let settle = doubled(rules.settle, flaps.saturating_sub(1), rules.longest_settle);
    Bay {
        life: Life::Settling {
            until: now.after(settle.max(rules.settle)),
        },
        since: now,
        flaps,
        ..with_part(bay, present)
    }
}

fn faulted(bay: &Bay, present: &Present, now: Moment, rules: &BayRules) -> Option<Bay> {
    match &bay.life {
        Life::Faulted { why, .. } if why != NO_INPUT && why != SWITCHED_OFF => None,
        Life::Condemned { .. } => None,
        Life::Draining(leaving) | Life::ReadyToPull(leaving) => no_way_back(bay, leaving),
        Life::Unseen
        | Life::Empty
        | Life::Settling { .. }
        | Life::Probation { .. }
        | Life::InService
        | Life::Faulted { .. } => {
            let mut failed = with_part(bay, present);
            failed.fail(BROKEN, now, rules);
            Some(failed)
        }
    }
}

/// Present without delivering, through no fault of its own: nothing is counted against it.
fn idle(bay: &Bay, present: &Present, now: Moment, rules: &BayRules, why: &str) -> Option<Bay> {
    match &bay.life {
        // Whoever puts a supply in sees it start: its output comes up while its contacts settle.
        Life::Empty => Some(inserted(bay, present, now, rules)),
        Life::Settling { until } if now < *until => None,
        Life::Faulted { .. } | Life::Condemned { .. } => None,
        Life::Draining(leaving) | Life::ReadyToPull(leaving) => no_way_back(bay, leaving),
        Life::Unseen | Life::Settling { .. } | Life::Probation { .. } | Life::InService => {
            let life = Life::Faulted {
                retry_at: now,
                tries: bay.faults,
                why: why.to_owned(),
            };
            moved(bay, present, life, now)
        }
    }
}

/// A bay that is being emptied and whose supply delivers no more: it stays on its way out.
fn no_way_back(bay: &Bay, leaving: &Leaving) -> Option<Bay> {
    let stays_out = Leaving {
        from_service: false,
        // Whoever may switch it off has a time for that, and then it is tried again.
        back_at: leaving.back_at.filter(|_| leaving.purpose != DrainFor::Pull),
        ..leaving.clone()
    };
    if stays_out == *leaving {
        return None;
    }
    let life = match bay.life {
        Life::Draining(_) => Life::Draining(stays_out),
        Life::ReadyToPull(_)
        | Life::Unseen
        | Life::Empty
        | Life::Settling { .. }
        | Life::Probation { .. }
        | Life::InService
        | Life::Faulted { .. }
        | Life::Condemned { .. } => Life::ReadyToPull(stays_out),
    };
    Some(Bay { life, ..bay.clone() })
}

impl Bay {
    fn fail(&mut self, why: &str, now: Moment, rules: &BayRules) {
        if self.life == Life::InService && now.since(self.since) >= rules.forgiven_after {
            self.faults = 0;
        }
        self.faults = self.faults.saturating_add(1);
        self.life = if self.faults > rules.most_faults {
            Life::Condemned {
                why: format!("{why}, {} times", self.faults),
            }
        } else {
            let wait = doubled(
                rules.first_retry,
                self.faults.saturating_sub(1),
                rules.longest_retry,
            );
            Life::Faulted {
                retry_at: now.after(wait),
                tries: self.faults,
                why: why.to_owned(),
            }
        };
        self.since = now;
    }

    /// The bay on its way out of service. An empty bay or one of which nothing was seen has nothing to drain.
    #[must_use]
    pub fn drained(
        &self,
        now: Moment,
        back_at: Option<Moment>,
        forced: bool,
        purpose: DrainFor,
    ) -> Option<Bay> {
        let leaving = Leaving {
            began: now,
            from_service: self.life.counts(),
            back_at,
            forced,
            purpose,
        };
        match self.life {
            Life::Unseen | Life::Empty | Life::Draining(_) | Life::ReadyToPull(_) => None,
            Life::Settling { .. }
            | Life::Probation { .. }
            | Life::InService
            | Life::Faulted { .. }
            | Life::Condemned { .. } => Some(Bay {
                life: Life::Draining(leaving),
                since: now,
                ..self.clone()
            }),
        }
    }

    /// The draining bay, ready to be pulled.
    #[must_use]
    pub fn ready(&self, now: Moment) -> Option<Bay> {
        let Life::Draining(leaving) = &self.life else {
            return None;
        };
        Some(Bay {
            life: Life::ReadyToPull(leaving.clone()),
            since: now,
            ..self.clone()
        })
    }

    /// The bay with a part that nobody expected in it: out until it is pulled, or until somebody takes it.
    #[must_use]
    pub fn refused(&self, now: Moment, why: &str) -> Bay {
        Bay {
            life: Life::Condemned { why: why.to_owned() },
            since: now,
            ..self.clone()
        }
    }

    /// The bay on its way in from the start.
    #[must_use]
    pub fn taken(&self, now: Moment, rules: &BayRules) -> Bay {
        Bay {
            life: Life::Settling {
                until: now.after(rules.settle),
            },
            since: now,
            ..self.clone()
        }
    }

    /// The bay back from its way out: in service where it came from there, else on its way in from the start.
    #[must_use]
    pub fn given_back(&self, now: Moment, rules: &BayRules) -> Option<Bay> {
        let leaving = self.life.leaving()?;
        let life = if leaving.from_service {
            Life::InService
        } else {
            Life::Settling {
                until: now.after(rules.settle),
            }
        };
        Some(Bay {
            life,
            since: now,
            ..self.clone()
        })
    }
}
