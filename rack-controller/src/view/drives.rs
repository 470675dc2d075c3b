//! Pooled drives as people and programs see them.

use std::time::Duration;

use agent_api::v1::{self as agent, ErasureState};
use facts::Moment;
use rack_api::v1::{
    BayLife, ClaimedDrive, DriveBay, DriveClaim as ClaimView, DriveClaimAsk, DriveEnding, DriveErasing,
    DriveHolder, DriveStage, DriveTenancy, DriveView, DrivesView, EnclosureView, EraseMethod, LostDrive,
    ProofView,
};

use crate::claim::USUAL_PRIORITY;
use crate::config::{DriveBayConfig, EnclosureConfig};
use crate::pools::drives::plan::{self, Told};
use crate::pools::drives::{Drive, DriveId, Ending, Stage, Tenancy};
use crate::rack::Outcome;
use crate::rack::drives::{DriveClaim, Proven};
use crate::rack::event::Action;
use crate::rack::state::Rack;

/// All pooled drives as they are known now.
pub fn drives(rack: &Rack, now: Moment) -> DrivesView {
    let config = &rack.config;
    let enclosures = config.enclosures.iter();
    let is_away = |drive: &&Drive| {
        let place = drive.seat.as_ref().map(|seat| seat.place.as_str());
        place.is_none_or(|place| config.drive_bay(place).is_none())
    };
    DrivesView {
        rack: config.name.clone(),
        mode: config.actuators.of(intent::Actuator::Drives).word().to_owned(),
        at: now,
        enclosures: enclosures
            .map(|enclosure| one_enclosure(rack, enclosure))
            .collect(),
        away: rack
            .kept
            .drives
            .all()
            .filter(is_away)
            .map(|drive| one(rack, drive))
            .collect(),
        claims: rack
            .kept
            .drives
            .claims
            .values()
            .map(|held| claim(rack, held))
            .collect(),
    }
}

fn one_enclosure(rack: &Rack, enclosure: &EnclosureConfig) -> EnclosureView {
    let seen = rack.sight.drives.nodes.get(&enclosure.agent);
    let now = seen.and_then(|seen| seen.now());
    let reason = match (seen, now) {
        (_, Some(_)) if enclosure.has_only_bmc() => Some(
            "only its BMC speaks for it: it tells of drives and lights bays; nothing is lent there, erased or not"
                .to_owned(),
        ),
        (_, Some(view)) if view.target.is_none() => Some(
            "it offers no drives: its kernel has no NVMe target, or its agent is not configured to"
                .to_owned(),
        ),
        (_, Some(_)) => None,
        (Some(seen), None) => seen.reason.clone(),
        (None, None) => Some("it was not asked yet".to_owned()),
    };
    EnclosureView {
        name: enclosure.name.clone(),
        agent: enclosure.agent.clone(),
        seen: now.is_some(),
        last_seen: seen.and_then(|seen| seen.at),
        reason,
        bays: enclosure
            .bays
            .iter()
            .map(|bay| one_bay(rack, enclosure, bay))
            .collect(),
    }
}

fn one_bay(rack: &Rack, enclosure: &EnclosureConfig, bay: &DriveBayConfig) -> DriveBay {
    let kept = &rack.kept.drives;
    let drive = kept.in_bay(&bay.place);
    let here = rack.sight.drives.slot(&enclosure.agent, &bay.slot);
    let reason = here.and_then(|here| match DriveId::of(&here.identity) {
        Err(error) => Some(format!("what is in it is never lent: {error}")),
        Ok(id) if plan::told(rack, &id).all().len() > 1 => Some(format!(
            "{id} says that it is in two bays at once: neither is lent"
        )),
        Ok(_) => None,
    });
    let leaving = kept.leaving.get(&bay.place);
    let is_released = drive.is_none_or(|drive| drive.tenancy.grant().is_none());
    let trouble = leaving.and_then(|leaving| leaving.trouble(&bay.place));
    let life = match (leaving, drive, here) {
        (Some(_), _, _) if is_released && trouble.is_none() => BayLife::ReadyToPull,
        (Some(_), _, _) => BayLife::Draining,
        (None, _, _) if reason.is_some() => BayLife::Faulted,
        (None, Some(_), _) => BayLife::InService,
        (None, None, Some(_)) => BayLife::Settling,
        (None, None, None) if rack.sight.drives.now(&enclosure.agent).is_none() => BayLife::Unseen,
        (None, None, None) => BayLife::Empty,
    };
    let since = leaving.map(|leaving| leaving.since);
    DriveBay {
        place: bay.place.clone(),
        label: bay.label.clone(),
        slot: bay.slot.clone(),
        life,
        since: since.or(drive.map(|drive| drive.since)).unwrap_or(Moment::EPOCH),
        until: None,
        reason: trouble.or(reason),
        wrong_pulled: leaving
            .and_then(|leaving| leaving.wrong.as_ref())
            .map(|wrong| wrong.serial().to_owned()),
        led: rack.sight.drives.leds.get(&bay.place).copied(),
        drive: drive.map(|drive| one(rack, drive)),
    }
}

/// One drive by itself, as an answer to who asked something of it.
pub fn drive(rack: &Rack, drive: &Drive) -> DriveView {
    one(rack, drive)
}

fn one(rack: &Rack, drive: &Drive) -> DriveView {
    let told = plan::told(rack, &drive.id);
    let here = told.one().map(|one| one.drive);
    let (ending, held_until) = match &drive.tenancy {
        Tenancy::Releasing { ending, .. } => (Some(ending), None),
        Tenancy::Held { ending, until, .. } => (Some(ending), *until),
        Tenancy::Foreign { .. }
        | Tenancy::Free { .. }
        | Tenancy::Claimed(_)
        | Tenancy::Wiping { .. }
        | Tenancy::Failed { .. } => (None, None),
    };
    DriveView {
        serial: drive.id.serial().to_owned(),
        model: drive.id.model().map(str::to_owned),
        place: drive.seat.as_ref().map(|seat| seat.place.clone()),
        device: here.map(|here| here.device.clone()),
        size_bytes: drive.size,
        percent_used: drive.wear.percent_used,
        predicts_failure: drive.wear.predicts_failure,
        is_hung: here.is_some_and(|here| here.is_hung),
        tenancy: tenancy(&drive.tenancy),
        since: drive.since,
        generation: drive.generation,
        holder: drive.tenancy.holder().map(|holder| DriveHolder {
            claim: holder.claim.to_string(),
            purpose: holder.purpose.clone(),
            tenant: holder.tenant.clone(),
            node: holder.node.clone(),
        }),
        stage: stage_of(drive),
        ending: ending.map(ending_word),
        held_until,
        erasing: erasing(drive, here),
        proven: rack.kept.drives.proven.contains_key(&drive.id),
        why: why(rack, drive),
        unsealed: drive.unsealed.clone(),
        obstacles: here.map(|here| here.obstacles.clone()).unwrap_or_default(),
        doubts: doubts(drive, told.all()),
    }
}

fn doubts(drive: &Drive, places: &[Told<'_>]) -> Vec<String> {
    let mut doubts = Vec::new();
    if let [_, _, ..] = places {
        let places: Vec<&str> = places.iter().map(|place| place.bay.place.as_str()).collect();
        doubts.push(format!(
            "it is in {} at once, by what they tell",
            places.join(" and ")
        ));
    }
    if drive.size == facts::Bytes::ZERO {
        doubts.push("it says that it holds nothing".to_owned());
    }
    doubts
}

const fn tenancy(tenancy: &Tenancy) -> DriveTenancy {
    match tenancy {
        Tenancy::Foreign { .. } => DriveTenancy::Foreign,
        Tenancy::Free { .. } => DriveTenancy::Free,
        Tenancy::Claimed(_) => DriveTenancy::Claimed,
        Tenancy::Releasing { .. } => DriveTenancy::Releasing,
        Tenancy::Held { .. } => DriveTenancy::Held,
        Tenancy::Wiping { .. } => DriveTenancy::Wiping,
        Tenancy::Failed { .. } => DriveTenancy::Failed,
    }
}

const fn stage_of(drive: &Drive) -> Option<DriveStage> {
    let Tenancy::Claimed(grant) = &drive.tenancy else {
        return None;
    };
    Some(match grant.stage {
        Stage::Admitting => DriveStage::Admitting,
        Stage::Admitted => DriveStage::Admitted,
        Stage::Attached => DriveStage::Attached,
    })
}

const fn ending_word(ending: &Ending) -> DriveEnding {
    match ending {
        Ending::Released { .. } => DriveEnding::Released,
        Ending::Expired => DriveEnding::Expired,
        Ending::NodeLost => DriveEnding::NodeLost,
        Ending::Pulled => DriveEnding::Pulled,
        Ending::WrongDrive => DriveEnding::WrongDrive,
        Ending::Failing => DriveEnding::Failing,
        Ending::Preempted => DriveEnding::Preempted,
    }
}

/// How a drive is erased, as people read it.
pub const fn erase_method(method: agent::EraseMethod) -> EraseMethod {
    match method {
        agent::EraseMethod::SanitizeCrypto => EraseMethod::SanitizeCrypto,
        agent::EraseMethod::SanitizeBlock => EraseMethod::SanitizeBlock,
        agent::EraseMethod::Format => EraseMethod::Format,
        agent::EraseMethod::Redfish => EraseMethod::Redfish,
        agent::EraseMethod::Ata => EraseMethod::Ata,
        agent::EraseMethod::Overwrite => EraseMethod::Overwrite,
    }
}

fn erasing(drive: &Drive, here: Option<&agent::PooledDrive>) -> Option<DriveErasing> {
    let Tenancy::Wiping { tries, asked_by, .. } = &drive.tenancy else {
        return None;
    };
    let erasure = here.and_then(|here| here.erasure.as_ref());
    let erasure = erasure.filter(|erasure| erasure.generation == drive.generation);
    Some(DriveErasing {
        method: erasure.map(|erasure| erase_method(erasure.method)),
        permille: erasure.and_then(|erasure| match erasure.state {
            ErasureState::Running { permille } => permille,
            ErasureState::Done { .. } | ErasureState::Failed { .. } => None,
        }),
        failed: *tries,
        asked_by: asked_by.clone(),
    })
}

fn why(rack: &Rack, drive: &Drive) -> Option<String> {
    let told = match &drive.tenancy {
        Tenancy::Foreign { why } | Tenancy::Wiping { why, .. } => why.clone(),
        Tenancy::Failed { why } => Some(why.clone()),
        Tenancy::Free { .. } | Tenancy::Claimed(_) | Tenancy::Releasing { .. } | Tenancy::Held { .. } => None,
    };
    told.or_else(|| tried(rack, drive))
}

/// Why what should be done about a drive was not: what was tried last.
fn tried(rack: &Rack, drive: &Drive) -> Option<String> {
    rack.sight
        .attempts
        .iter()
        .find_map(|(action, attempt)| match (action, &attempt.outcome) {
            (Action::OrderDrive { drive: tried, .. }, Outcome::Failed(why)) if *tried == drive.id => {
                Some(why.clone())
            }
            (_, _) => None,
        })
}

/// One claim of drives.
pub fn claim(rack: &Rack, claim: &DriveClaim) -> ClaimView {
    let kept = &rack.kept.drives;
    let drives: Vec<&Drive> = kept.of_claim(claim.id).collect();
    let lost = claim.lost.iter().map(|lost| LostDrive {
        serial: lost.drive.serial().to_owned(),
        at: lost.at,
        ending: ending_word(&lost.ending),
    });
    let drives_view = drives.iter().map(|drive| claimed(rack, claim, drive)).collect();
    ClaimView {
        id: claim.id.to_string(),
        since: claim.since,
        until: claim.until,
        lost: lost.collect(),
        drives: drives_view,
        ..of_ask(rack, &claim.ask, &drives)
    }
}

/// The claim that an ask would make of these drives.
pub fn claim_of(rack: &Rack, ask: &DriveClaimAsk, drives: &[Drive], now: Moment) -> ClaimView {
    let drives: Vec<&Drive> = drives.iter().collect();
    let would = drives.iter().map(|drive| {
        let before = rack.kept.drives.get(&drive.id);
        ClaimedDrive {
            kept: before.is_some_and(|before| matches!(before.tenancy, Tenancy::Held { .. })),
            ..bare(drive)
        }
    });
    ClaimView {
        since: now,
        drives: would.collect(),
        ..of_ask(rack, ask, &drives)
    }
}

fn of_ask(rack: &Rack, ask: &DriveClaimAsk, drives: &[&Drive]) -> ClaimView {
    let usual = drives.iter().filter_map(|drive| {
        let (enclosure, _) = rack.config.drive_bay(&drive.seat.as_ref()?.place)?;
        Some(enclosure.erase_after)
    });
    let usual = usual.max().unwrap_or(Duration::from_secs(86_400)).as_secs();
    ClaimView {
        id: String::new(),
        purpose: ask.purpose.clone(),
        node: ask.node.clone(),
        tenant: ask.tenant.clone(),
        priority: ask.priority.unwrap_or(USUAL_PRIORITY),
        since: Moment::EPOCH,
        until: None,
        erase_after_seconds: ask
            .erase_after_seconds
            .unwrap_or_else(|| u32::try_from(usual).unwrap_or(u32::MAX)),
        replace: ask.replace,
        watts: ask.watts,
        drives: Vec::new(),
        lost: Vec::new(),
    }
}

fn bare(drive: &Drive) -> ClaimedDrive {
    ClaimedDrive {
        serial: drive.id.serial().to_owned(),
        model: drive.id.model().map(str::to_owned),
        place: drive.seat.as_ref().map(|seat| seat.place.clone()),
        size_bytes: drive.size,
        stage: stage_of(drive).unwrap_or(DriveStage::Admitting),
        device: None,
        kept: false,
        why: None,
    }
}

fn claimed(rack: &Rack, claim: &DriveClaim, drive: &Drive) -> ClaimedDrive {
    let is_attached = |attached: &&agent::AttachedDrive| {
        let is_it = |identity| DriveId::of(identity).as_ref() == Ok(&drive.id);
        attached.generation == drive.generation && attached.identity.as_ref().is_some_and(is_it)
    };
    let view = rack.sight.drives.now(&claim.ask.node);
    let device = view
        .and_then(|view| view.attached.iter().find(is_attached))
        .and_then(|attached| attached.device.clone());
    let bare = bare(drive);
    let leaves = claim.failing.iter().find(|(failing, _)| *failing == drive.id);
    let why = match leaves {
        Some((_, until)) => Some(format!("it says that it will fail; it is taken away at {until}")),
        None => tried(rack, drive),
    };
    ClaimedDrive {
        device: device.filter(|_| bare.stage == DriveStage::Attached),
        kept: claim.kept.contains(&drive.id),
        why,
        ..bare
    }
}

/// The last proof that a drive was erased.
pub fn proof(proven: &Proven) -> ProofView {
    let proof = &proven.proof;
    ProofView {
        serial: proof.drive.serial().to_owned(),
        model: proof.drive.model().map(str::to_owned),
        method: erase_method(proof.method),
        began: proof.began,
        ended: proof.ended,
        log_page: proof.log_page.clone(),
        samples: proof.samples,
        dirty: proof.dirty,
        written: proof.written,
        asked_by: proof.asked_by.clone(),
        sequence: proven.sequence,
        at: proven.at,
        lent_since: proven.lent_since,
    }
}
