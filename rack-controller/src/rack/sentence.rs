//! What an event says to people: its kind, what it is about, and a sentence with printed labels.

mod caps;
mod claims;
mod clock;
mod drives;
mod lending;
mod people;
mod switch;

use facts::Power;
use rack_api::v1::{DomainState, DrainFor, EventView, Interlock};

use super::event::{Action, BayChange, Cause, Event, What};
use crate::bay::Bay;

pub(crate) use people::part;

impl Event {
    /// As it goes over the wire, under its number in the journal.
    pub fn view(&self, sequence: u64) -> EventView {
        EventView {
            sequence,
            at: self.at,
            kind: self.kind().to_owned(),
            subject: self.subject().to_owned(),
            message: self.message(),
            asked: self.asked.clone(),
            event: serde_json::to_value(self).unwrap_or(serde_json::Value::Null),
        }
    }

    /// The kind in one word, as `supply_lost`.
    pub const fn kind(&self) -> &'static str {
        match &self.what {
            What::Started { .. } => "controller_started",
            What::ClockFound(_) => "clock_found",
            What::BmcSilent { .. } => "bmc_silent",
            What::BmcAnswered { .. } => "bmc_answered",
            What::BayChanged(change) => change_kind(&change.cause),
            What::DomainChanged { to, .. } => match to {
                DomainState::Redundant => "domain_redundant",
                DomainState::Exposed => "domain_exposed",
                DomainState::Deficit => "domain_deficit",
                DomainState::Blind => "domain_blind",
            },
            What::ClaimAdmitted { .. } => "claim_admitted",
            What::ClaimReleased { .. } => "claim_released",
            What::ClaimApplied { .. } => "claim_applied",
            What::ClaimRenewed { .. } => "claim_renewed",
            What::ClaimExpired { .. } => "claim_expired",
            What::ClaimWithdrawn { .. } => "claim_withdrawn",
            What::ClaimPreempted(_) => "claim_preempted",
            What::ClaimRestored { .. } => "claim_restored",
            What::Lending(change) => lending::kind(&change.turn),
            What::CapsOrdered { .. } => "caps_ordered",
            What::CapProven { .. } => "cap_proven",
            What::CapDoubted { .. } => "cap_doubted",
            What::DrillShowedNothing { .. } => "drill_showed_nothing",
            What::LoweringTimed { .. } => "lowering_timed",
            What::CapsLowered { .. } => "caps_lowered",
            What::DrillSeen(_) => "drill_seen",
            What::OverSeen { .. } => "over_seen",
            What::LeaseSeen { .. } => "lease_seen",
            What::Located { .. } => "located",
            What::LocateEnded { .. } => "locate_ended",
            What::LedSet { on: true, .. } => "led_lit",
            What::LedSet { on: false, .. } => "led_out",
            What::CapSet { .. } => "cap_set",
            What::ActionFailed { .. } => "action_failed",
            What::NodeReady { .. } => "node_ready",
            What::NodeUnreachable { .. } => "node_unreachable",
            What::SwapChanged(change) => people::swap_kind(&change.turn),
            What::SwitchChanged(change) => switch::kind(&change.turn),
            What::DoubtKnown(_) => "doubt_known",
            What::DoubtUnknown { .. } => "doubt_unknown",
            What::Paused(_) => "paused",
            What::Resumed { .. } => "resumed",
            What::DriveChanged(change) => drives::kind(&change.cause),
            What::DriveClaimChanged(change) => drives::claim_kind(&change.turn),
            What::DriveBayChanged(change) => drives::bay_kind(change),
            What::DrivesSeen(_) => "drives_seen",
            What::SuppliesSeen(_) => "supplies_seen",
            What::NodeSeen { .. } => "node_seen",
            What::ActionTried { .. } => "action_tried",
        }
    }

    /// What it is about: a bay, a claim, a node, a domain, a BMC.
    pub fn subject(&self) -> &str {
        match &self.what {
            What::Started { .. } | What::ClockFound(_) => "controller",
            What::BmcSilent { bmc, .. } | What::BmcAnswered { bmc } => bmc,
            What::BayChanged(change) => &change.place,
            What::DomainChanged { domain, .. } => domain,
            What::ClaimAdmitted { claim, .. }
            | What::ClaimReleased { claim, .. }
            | What::ClaimApplied { claim }
            | What::ClaimRenewed { claim }
            | What::ClaimWithdrawn { claim, .. }
            | What::ClaimRestored { claim, .. }
            | What::ClaimExpired { claim, .. } => &claim.purpose,
            What::ClaimPreempted(preemption) => &preemption.claim.purpose,
            What::Lending(change) => &change.node,
            What::CapsOrdered { orders, .. } | What::CapsLowered { orders } => match orders.as_slice() {
                [one] => &one.node,
                _ => "caps",
            },
            What::DrillSeen(_) => "drill",
            What::OverSeen { node, .. }
            | What::LoweringTimed { node, .. }
            | What::DrillShowedNothing { node, .. } => node,
            What::CapProven { node, .. } | What::CapDoubted { node, .. } | What::LeaseSeen { node, .. } => {
                node
            }
            What::Located { place, .. } | What::LocateEnded { place, .. } | What::LedSet { place, .. } => {
                place
            }
            What::CapSet { node, .. } | What::NodeReady { node } | What::NodeUnreachable { node, .. } => node,
            What::ActionFailed { action, .. } | What::ActionTried { action, .. } => action.subject(),
            What::SwapChanged(change) => &change.place,
            What::SwitchChanged(change) => &change.node,
            What::DoubtKnown(known) => &known.id,
            What::DoubtUnknown { id } => id,
            What::Paused(pause) => pause.scope.words().1.unwrap_or("rack"),
            What::Resumed { place, .. } => place.words().1.unwrap_or("rack"),
            What::DriveChanged(change) => change.drive.id.serial(),
            What::DriveClaimChanged(change) => &change.claim.ask.purpose,
            What::DriveBayChanged(change) => &change.place,
            What::DrivesSeen(seen) => &seen.node,
            What::SuppliesSeen(seen) => &seen.bmc,
            What::NodeSeen { node, .. } => node,
        }
    }

    /// A sentence for people.
    pub fn message(&self) -> String {
        match &self.what {
            What::Started { version } => {
                format!("busbar-rack {version} started; what was promised stands, what is is looked at again")
            }
            What::ClockFound(found) => clock::message(found),
            What::BmcSilent { bmc, reason, detail } => match detail.as_str() {
                "" => format!("BMC {bmc} does not answer: {reason}"),
                detail => format!("BMC {bmc} does not answer: {reason} ({detail})"),
            },
            What::BmcAnswered { bmc } => format!("BMC {bmc} answers"),
            What::BayChanged(change) => change_message(change),
            What::DomainChanged {
                domain,
                to,
                installed,
                held,
                deficit,
                ..
            } => domain_message(domain, *to, *installed, *held, *deficit),
            What::ClaimAdmitted { claim, headroom, .. } => claims::admitted(claim, *headroom),
            What::ClaimApplied { claim } => claims::applied(claim),
            What::ClaimRenewed { claim } => claims::renewed(claim),
            What::ClaimExpired { claim, headroom } => claims::expired(claim, *headroom),
            What::ClaimWithdrawn { claim, headroom } => claims::withdrawn(claim, *headroom),
            What::ClaimReleased { claim, headroom } => claims::released(claim, *headroom),
            What::ClaimPreempted(preemption) => claims::preempted(preemption),
            What::ClaimRestored { claim, headroom } => claims::restored(claim, *headroom),
            What::Lending(change) => lending::message(change),
            What::CapsOrdered { .. } => caps::ordered(&self.what),
            What::CapsLowered { orders } => caps::message(orders, 0, Power::ZERO, Power::ZERO),
            What::LoweringTimed { node, took_millis } => caps::timed(node, *took_millis),
            What::DrillSeen(Some(drill)) => format!("the drill of {} goes on", drill.node),
            What::DrillSeen(None) => "the drill is over".to_owned(),
            What::OverSeen { node, .. } => format!("what {node} draws was held against its cap"),
            What::CapProven { node, proof } => caps::proven(node, proof),
            What::CapDoubted { node, reason } => caps::doubted(node, reason),
            What::DrillShowedNothing { node, reason } => caps::showed_nothing(node, reason),
            What::LeaseSeen { node, .. } => format!("{node} said how it stands to its caps"),
            What::Located { place, label, until } => {
                format!("{label} ({place}): light wanted until {until}")
            }
            What::LocateEnded { place, label } => format!("{label} ({place}): light not wanted any more"),
            What::LedSet { place, label, on } => {
                format!("{label} ({place}): LED {}", if *on { "lit" } else { "out" })
            }
            What::CapSet { node, watts } => format!("{node} limited to {watts} at its BMC, read back"),
            What::ActionFailed { action, reason } => {
                format!("could not {}: {reason}; tried again later", action.words())
            }
            What::NodeReady { node } => format!("the agent of {node} answers"),
            What::NodeUnreachable { node, reason } => {
                format!("the agent of {node} does not answer: {reason}")
            }
            What::SwapChanged(change) => people::swap(change),
            What::SwitchChanged(change) => switch::message(change),
            What::DoubtKnown(known) => people::known(known),
            What::DoubtUnknown { id } => format!("doubt {id} is not known any more"),
            What::Paused(pause) => people::paused(pause),
            What::Resumed { place, expired } => people::resumed(place, *expired),
            What::DriveChanged(change) => drives::message(change),
            What::DriveClaimChanged(change) => drives::claim(change),
            What::DriveBayChanged(change) => drives::bay(change),
            What::DrivesSeen(seen) => format!("what {} says of drives was read", seen.node),
            What::SuppliesSeen(seen) => format!("the supplies of BMC {} were read", seen.bmc),
            What::NodeSeen { node, .. } => format!("{node} was looked at"),
            What::ActionTried { action, .. } => format!("tried to {}", action.words()),
        }
    }
}

impl Action {
    /// What it is about.
    pub fn subject(&self) -> &str {
        match self {
            Action::SetLed { place, .. } => place,
            Action::SetCap { node, .. } | Action::SwitchNode { node, .. } => node,
            Action::ReadSupplies { bmc } => bmc,
            Action::OrderDrive { drive, .. } => drive.serial(),
            Action::DetachDrive { node, .. } => node,
        }
    }

    /// What it would do, as in `would light the LED of shelf/psu-3`.
    pub fn words(&self) -> String {
        match self {
            Action::SetLed { place, on: true } => format!("light the LED of {place}"),
            Action::SetLed { place, on: false } => format!("put out the LED of {place}"),
            Action::SetCap { node, watts } => format!("limit {node} to {watts} at its BMC"),
            Action::SwitchNode { node, to } => switch::words(node, *to),
            Action::ReadSupplies { bmc } => format!("read the supplies of BMC {bmc}"),
            Action::OrderDrive { drive, wish } => drives::wish(drive, wish),
            Action::DetachDrive { node, nqn } => format!("have {node} let go of {nqn}"),
        }
    }
}

const fn change_kind(cause: &Cause) -> &'static str {
    match cause {
        Cause::Found => "bay_found",
        Cause::Inserted { .. } => "supply_inserted",
        Cause::Settled => "supply_on_probation",
        Cause::Passed => "supply_in_service",
        Cause::Lost => "supply_lost",
        Cause::Pulled => "supply_pulled",
        Cause::Faulted => "supply_faulted",
        Cause::Condemned => "supply_condemned",
        Cause::Retried => "supply_retried",
        Cause::Drained { .. } => "drain_begun",
        Cause::Ready => "ready_to_pull",
        Cause::GivenBack { .. } => "drain_ended",
        Cause::Known => "supply_known",
        Cause::WrongPart => "wrong_part",
        Cause::Accepted => "part_accepted",
    }
}

fn change_message(change: &BayChange) -> String {
    let name = match &change.feed {
        Some(feed) => format!("{} ({}, feed {feed})", change.label, change.place),
        None => format!("{} ({})", change.label, change.place),
    };
    let mut message = format!("{name} {}", cause_words(&change.cause, &change.bay));
    if let Some(effect) = &change.effect {
        let (before, after) = span(effect.installed_before, effect.installed_after);
        message.push_str(&format!(": installed {before} \u{2192} {after}"));
        let (before, after) = span(effect.headroom_before, effect.headroom_after);
        message.push_str(&format!(", firm headroom {before} \u{2192} {after}"));
    }
    message
}

/// Two powers as `18.0` and `15.0 kW`: the unit once.
fn span(before: Power, after: Power) -> (String, String) {
    let (before, after) = crate::pools::power::plan::pair_text(before, after);
    let short = before
        .strip_suffix(" kW")
        .or_else(|| before.strip_suffix(" W"))
        .unwrap_or(&before);
    (short.to_owned(), after)
}

fn cause_words(cause: &Cause, bay: &Bay) -> String {
    let why = || bay.life.reason().unwrap_or_else(|| "no reason told".to_owned());
    let until = |word: &str| match bay.life.until() {
        Some(until) => format!("{word} until {until}"),
        None => word.to_owned(),
    };
    match cause {
        Cause::Found if bay.part.is_none() => "was found empty".to_owned(),
        Cause::Found => until("was found; on probation"),
        Cause::Inserted { stranger: true } => until("holds another part than before; settling"),
        Cause::Inserted { stranger: false } => until("was put in; settling"),
        Cause::Settled => until("has settled; on probation"),
        Cause::Passed => "is in service".to_owned(),
        Cause::Lost => "was pulled".to_owned(),
        Cause::Pulled => "was pulled after draining".to_owned(),
        Cause::Faulted => format!("is not usable: {}", why()),
        Cause::Condemned => format!("is given up until it is pulled: {}", why()),
        Cause::Retried => until("is tried again; settling"),
        Cause::Drained {
            answer,
            reason,
            purpose,
        } => {
            let reason = reason
                .as_ref()
                .map_or(String::new(), |reason| format!(", \"{reason}\""));
            let back = bay
                .life
                .until()
                .map_or(String::new(), |until| format!(", back in service at {until}"));
            let forced = if *answer == Interlock::No { ", forced" } else { "" };
            let what_for = match purpose {
                DrainFor::Pull => String::new(),
                DrainFor::SwitchOff | DrainFor::Firmware => format!(" {}", purpose.words()),
            };
            format!(
                "is being drained{what_for} ({}{forced}{reason}{back})",
                answer.words()
            )
        }
        Cause::Ready => "is ready to be pulled".to_owned(),
        Cause::GivenBack { expired: true } => {
            format!("was not pulled in time and goes back: {}", bay.life.word().word())
        }
        Cause::GivenBack { expired: false } => format!("goes back: {}", bay.life.word().word()),
        Cause::Known => "is known better now".to_owned(),
        Cause::WrongPart => format!("holds the wrong part: {}", why()),
        Cause::Accepted => until("is taken with the part that is in it; settling"),
    }
}

fn domain_message(domain: &str, to: DomainState, installed: Power, held: Power, deficit: Power) -> String {
    let held = held.to_kilowatt_text();
    let installed = installed.to_kilowatt_text();
    match to {
        DomainState::Redundant => {
            format!("{domain} is redundant: {held} firm survives the losses that its policy covers")
        }
        DomainState::Exposed => format!(
            "{domain} is exposed: {held} firm fits the {installed} installed, but not what would survive the next losses"
        ),
        DomainState::Deficit => {
            format!("{domain} is short by {deficit}: {held} firm is promised, {installed} is installed")
        }
        DomainState::Blind => {
            format!("{domain} cannot be seen: {held} firm stands, and nothing new is offered")
        }
    }
}
