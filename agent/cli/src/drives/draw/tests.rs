//! What people see of the pool, at widths that terminals have.
#![allow(clippy::unwrap_used)]

use facts::Bytes;
use rack_api::v1::{DriveEnding, DriveErasing, DriveHolder, EraseMethod};

use super::*;

fn drive(number: u32, tenancy: DriveTenancy) -> DriveView {
    DriveView {
        serial: format!("S{number}"),
        model: Some("M1".to_owned()),
        place: Some(format!("jbof/bay-{number}")),
        device: Some(format!("nvme{number}n1")),
        size_bytes: Bytes::new(3_840_000_000_000),
        percent_used: Some(3),
        predicts_failure: false,
        is_hung: false,
        tenancy,
        since: Moment::EPOCH,
        generation: 1,
        holder: None,
        stage: None,
        ending: None,
        held_until: None,
        erasing: None,
        proven: false,
        why: None,
        unsealed: None,
        obstacles: vec![],
        doubts: vec![],
    }
}

fn bay(number: u32, drive: Option<DriveView>) -> DriveBay {
    DriveBay {
        place: format!("jbof/bay-{number}"),
        label: format!("bay-{number}"),
        slot: number.to_string(),
        life: if drive.is_some() {
            BayLife::InService
        } else {
            BayLife::Empty
        },
        since: Moment::EPOCH,
        until: None,
        reason: None,
        wrong_pulled: None,
        led: None,
        drive,
    }
}

fn holder() -> Option<DriveHolder> {
    Some(DriveHolder {
        claim: "c1".to_owned(),
        purpose: "db".to_owned(),
        tenant: None,
        node: "n01".to_owned(),
    })
}

fn view() -> DrivesView {
    let claimed = DriveView {
        holder: holder(),
        stage: Some(DriveStage::Attached),
        ..drive(1, DriveTenancy::Claimed)
    };
    let held = DriveView {
        holder: holder(),
        ending: Some(DriveEnding::Released),
        held_until: Some(Moment::from_millis(23 * 3_600_000)),
        ..drive(3, DriveTenancy::Held)
    };
    let wiping = DriveView {
        erasing: Some(DriveErasing {
            method: Some(EraseMethod::SanitizeBlock),
            permille: Some(437),
            failed: 0,
            asked_by: "anna".to_owned(),
        }),
        ..drive(4, DriveTenancy::Wiping)
    };
    let mut lit = bay(5, None);
    lit.led = Some(true);
    let enclosure = EnclosureView {
        name: "jbof".to_owned(),
        agent: "n07".to_owned(),
        seen: true,
        last_seen: Some(Moment::EPOCH),
        reason: None,
        bays: vec![
            bay(1, Some(claimed)),
            bay(2, Some(drive(2, DriveTenancy::Free))),
            bay(3, Some(held)),
            bay(4, Some(wiping)),
            lit,
            bay(6, Some(drive(6, DriveTenancy::Foreign))),
        ],
    };
    DrivesView {
        rack: "r12".to_owned(),
        mode: "enforce".to_owned(),
        at: Moment::EPOCH,
        enclosures: vec![enclosure],
        away: vec![],
        claims: vec![],
    }
}

#[test]
fn an_enclosure_is_drawn_as_its_front() {
    let text = drawn(&view(), Paint::plain(), 80);
    for line in [
        "jbof  on n07: 1 foreign, 1 free, 1 claimed, 1 held, 1 wiping, 1 empty",
        "[bay-1 claimed db@n01 ][bay-2 free 3.84 TB   ][bay-3 held 23h db    ]",
        "[bay-4 wiping 43%     ][bay-5 empty *        ][bay-6 foreign 3.84 TB]",
        "* its LED is lit",
    ] {
        assert!(
            text.lines().any(|drawn| drawn == line),
            "{line:?} is not in:\n{text}"
        );
    }
}

#[test]
fn no_line_of_the_front_is_wider_than_the_terminal_unless_a_cell_is() {
    for width in [0, 1, 20, 23, 24, 46, 79, 200] {
        let text = drawn(&view(), Paint::plain(), width);
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('[')).collect();
        let cells: usize = rows.iter().map(|row| row.matches('[').count()).sum();
        assert_eq!(cells, 6, "at {width}:\n{text}");
        for row in rows {
            let is_one = row.matches('[').count() == 1;
            assert!(is_one || row.chars().count() <= width, "at {width}: {row}");
        }
    }
}

#[test]
fn what_cannot_be_seen_now_is_not_shown_as_if_it_were() {
    let mut view = view();
    view.enclosures[0].seen = false;
    view.enclosures[0].reason = Some("n07 does not answer".to_owned());
    let text = drawn(&view, Paint::plain(), 80);
    assert!(
        text.contains("claimed? db@n01") && text.contains("empty? *"),
        "{text}"
    );
    assert!(
        text.contains("from before") && text.contains("n07 does not answer"),
        "{text}"
    );
}

#[test]
fn what_needs_a_look_is_told_by_name() {
    let mut view = view();
    let bays = &mut view.enclosures[0].bays;
    bays[0].drive.as_mut().unwrap().predicts_failure = true;
    bays[1].drive.as_mut().unwrap().is_hung = true;
    bays[3].drive.as_mut().unwrap().tenancy = DriveTenancy::Failed;
    bays[3].drive.as_mut().unwrap().why = Some("3 of 64 samples still hold something".to_owned());
    bays[5].drive = None;
    bays[5].reason = Some("it tells no serial number".to_owned());
    let mut gone = drive(9, DriveTenancy::Held);
    gone.place = None;
    gone.holder = holder();
    gone.ending = Some(DriveEnding::Pulled);
    view.away.push(gone);
    let text = drawn(&view, Paint::plain(), 80);
    for part in [
        "bay-1 claimed db@n01 !",
        "! it predicts its failure",
        "bay-2 hung",
        "bay-4 failed",
        "jbof/bay-4: S4: 3 of 64 samples still hold something",
        "bay-6 nameless",
        "jbof/bay-6: it tells no serial number",
        "S9 is in no bay: held for \"db\": it was pulled; not erased before somebody says so",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[test]
fn nobody_is_told_that_a_drive_joins_the_pool_which_only_a_bmc_speaks_for() {
    let last = |device: &str| {
        let drive = DriveView {
            device: Some(device.to_owned()),
            ..drive(1, DriveTenancy::Foreign)
        };
        crate::drives::why::of_drive(&drive).pop().unwrap()
    };
    assert!(last("nvme1n1").contains("so that it joins the pool"));
    let by_word = last("/redfish/v1/Chassis/jbof/Drives/bay-1");
    assert!(
        by_word.contains("does not join the pool") && by_word.contains("S1"),
        "{by_word}"
    );
}

#[test]
fn any_names_and_numbers_are_drawn() {
    let mut view = view();
    let drive = view.enclosures[0].bays[0].drive.as_mut().unwrap();
    drive.holder.as_mut().unwrap().purpose = "\u{1f980}".repeat(300);
    drive.size_bytes = Bytes::new(u64::MAX);
    view.enclosures[0].bays[2].drive.as_mut().unwrap().held_until = Some(Moment::from_millis(u64::MAX));
    let text = drawn(&view, Paint::plain(), 80);
    let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= 80, "{widest}:\n{text}");
    view.enclosures.clear();
    assert!(drawn(&view, Paint::plain(), 80).contains("[[enclosure]]"));
}
