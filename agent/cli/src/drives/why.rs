//! Why a drive, a bay or a claim of drives is as it is.

use rack_api::v1::{ClaimedDrive, DriveBay, DriveClaim, DriveStage, DriveTenancy, DriveView};

use super::decimal;

/// What becomes of a drive, in one line: `held for "db": it was pulled; not erased before somebody says so`.
pub fn hold(drive: &DriveView) -> String {
    let whose = drive
        .holder
        .as_ref()
        .map_or_else(String::new, |holder| format!(" for \"{}\"", holder.purpose));
    let ending = drive
        .ending
        .map_or_else(String::new, |ending| format!(": {}", ending.words()));
    let end = match (drive.tenancy, drive.held_until) {
        (DriveTenancy::Held, Some(until)) => format!("; erased at {until}, unless it is claimed again"),
        (DriveTenancy::Held, None) => "; not erased before somebody says so".to_owned(),
        (_, _) => String::new(),
    };
    format!("{}{whose}{ending}{end}", drive.tenancy.word())
}

/// How far a grant has come, for people.
const fn stage(stage: DriveStage) -> &'static str {
    match stage {
        DriveStage::Admitting => "its enclosure is told to let the node in",
        DriveStage::Admitted => {
            "its enclosure lets this node in and nobody else, read back; the node is to attach it"
        }
        DriveStage::Attached => "the node has seen the very drive",
    }
}

/// Everything that there is to say of a drive.
pub fn of_drive(drive: &DriveView) -> Vec<String> {
    let model = drive
        .model
        .as_ref()
        .map_or_else(String::new, |model| format!(" ({model})"));
    let place = drive.place.as_deref().unwrap_or("no bay");
    let device = drive
        .device
        .as_ref()
        .map_or_else(String::new, |device| format!(", {device} there today"));
    let mut lines = vec![
        format!(
            "{}{model}, {}, in {place}{device}",
            drive.serial,
            decimal(drive.size_bytes)
        ),
        format!("{} since {}", hold(drive), drive.since),
    ];
    if let (Some(holder), DriveTenancy::Claimed | DriveTenancy::Releasing) = (&drive.holder, drive.tenancy) {
        let how = drive
            .stage
            .map_or_else(String::new, |at| format!("; {}", stage(at)));
        lines.push(format!(
            "claim {} ({}) has it on {}{how}",
            holder.purpose, holder.claim, holder.node
        ));
    }
    if let Some(erasing) = &drive.erasing {
        let method = erasing.method.map_or("not begun yet", |method| method.words());
        let permille = erasing.permille.map_or_else(String::new, |permille| {
            format!(", {}.{} % as it says", permille / 10, permille % 10)
        });
        let failed = match erasing.failed {
            0 => String::new(),
            failed => format!("; {failed} before it failed"),
        };
        lines.push(format!(
            "being erased: {method}{permille}{failed}; asked for by {}",
            erasing.asked_by
        ));
    }
    lines.extend(drive.why.clone());
    lines.extend(drive.unsealed.iter().map(|why| {
        format!(
            "{why}; who knows where it was may say: busbar drives vouch {}",
            drive.serial
        )
    }));
    lines.extend(drive.doubts.iter().cloned());
    lines.extend(health(drive));
    lines.extend(
        drive
            .obstacles
            .iter()
            .map(|obstacle| format!("not to be erased: {obstacle}")),
    );
    lines.extend(next(drive));
    lines
}

fn health(drive: &DriveView) -> Vec<String> {
    let mut lines = Vec::new();
    if drive.is_hung {
        lines.push("it does not answer in time; what is said of it is from before".to_owned());
    }
    if drive.predicts_failure {
        lines.push("it says of itself that it will fail; it is lent to nobody new".to_owned());
    }
    lines.extend(
        drive
            .percent_used
            .map(|percent| format!("{percent} % of its rated endurance is used")),
    );
    lines
}

/// Whether nobody but a BMC speaks for it: then what stands for its device is a resource of that BMC.
fn is_of_bmc(drive: &DriveView) -> bool {
    drive
        .device
        .as_ref()
        .is_some_and(|device| device.starts_with("/redfish/"))
}

/// What can be done with it next.
fn next(drive: &DriveView) -> Option<String> {
    let serial = &drive.serial;
    match drive.tenancy {
        DriveTenancy::Foreign if drive.obstacles.is_empty() && is_of_bmc(drive) => Some(format!(
            "only a BMC speaks for it: busbar drives enrol {serial} --erase has it erased by its word alone, so it does not join the pool"
        )),
        DriveTenancy::Foreign if drive.obstacles.is_empty() => Some(format!(
            "to have it erased so that it joins the pool: busbar drives enrol {serial} --erase"
        )),
        DriveTenancy::Failed => Some(format!(
            "to try once more: busbar drives enrol {serial} --erase; to take it out: busbar drain {}",
            drive.place.as_deref().unwrap_or("its bay")
        )),
        DriveTenancy::Held => Some(format!(
            "who had it claims the same name again; to give up what is on it: busbar drives erase {serial}"
        )),
        DriveTenancy::Free if drive.proven => Some(format!(
            "what shows that it was erased: busbar drives proof {serial}"
        )),
        DriveTenancy::Foreign
        | DriveTenancy::Free
        | DriveTenancy::Claimed
        | DriveTenancy::Releasing
        | DriveTenancy::Wiping => None,
    }
}

/// Everything that there is to say of a bay.
pub fn of_bay(bay: &DriveBay) -> Vec<String> {
    let led = match bay.led {
        Some(true) => ", its LED is lit",
        Some(false) => ", its LED is out",
        None => "",
    };
    let mut lines = vec![format!(
        "{} ({}) is {}{led}",
        bay.place,
        bay.label,
        bay.life.word()
    )];
    lines.extend(bay.reason.clone());
    lines.extend(bay.until.map(|until| format!("until {until}")));
    lines.extend(bay.drive.iter().flat_map(of_drive));
    lines
}

/// Everything that there is to say of a claim of drives.
pub fn of_claim(claim: &DriveClaim) -> Vec<String> {
    let tenant = claim
        .tenant
        .as_ref()
        .map_or_else(String::new, |tenant| format!(" of {tenant}"));
    let ready = if claim.is_ready() { "ready" } else { "not ready" };
    let mut lines = vec![format!(
        "{} ({}){tenant} on {}, priority {}, since {}: {ready}",
        claim.purpose, claim.id, claim.node, claim.priority, claim.since
    )];
    lines.extend(claim.drives.iter().map(of_claimed));
    for lost in &claim.lost {
        lines.push(format!(
            "{} was lost at {}: {}",
            lost.serial,
            lost.at,
            lost.ending.words()
        ));
    }
    if !claim.watts.is_zero() {
        lines.push(format!("{} firm were admitted with them", claim.watts));
    }
    lines.push(match claim.until {
        Some(until) => {
            format!("it stands until {until} unless it is renewed; then its drives are held, and not erased")
        }
        None => "it stands until it is released".to_owned(),
    });
    lines.push(format!(
        "given back, its drives are held for {} s, and erased then",
        claim.erase_after_seconds
    ));
    lines
}

fn of_claimed(drive: &ClaimedDrive) -> String {
    let device = drive
        .device
        .as_ref()
        .map_or_else(String::new, |device| format!(" as {device}"));
    let place = drive.place.as_deref().unwrap_or("no bay");
    let kept = if drive.kept {
        ", with what was on it before"
    } else {
        ""
    };
    let why = drive
        .why
        .as_ref()
        .map_or_else(String::new, |why| format!("; {why}"));
    format!(
        "{} in {place}, {}{kept}: {}{device}{why}",
        drive.serial,
        decimal(drive.size_bytes),
        stage(drive.stage)
    )
}
