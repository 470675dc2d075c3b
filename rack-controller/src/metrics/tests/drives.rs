//! What a scrape tells of pooled drives, and what it leaves out.

use facts::Bytes;
use rack_api::v1::{
    ClaimedDrive, DriveBay, DriveClaim, DriveEnding, DriveErasing, DriveHolder, DriveStage, DriveTenancy,
    DriveView, DrivesView, EnclosureView, LostDrive,
};

use super::*;

fn drive(number: u32, tenancy: DriveTenancy) -> DriveView {
    DriveView {
        serial: format!("S{number}"),
        model: Some("M1".to_owned()),
        place: Some(format!("jbof/bay-{number}")),
        device: Some(format!("nvme{number}n1")),
        size_bytes: Bytes::new(1_000),
        percent_used: None,
        predicts_failure: false,
        is_hung: false,
        tenancy,
        since: Moment::from_millis(u64::from(number) * 1_000),
        generation: 1,
        holder: None,
        stage: None,
        ending: None,
        held_until: None,
        erasing: None,
        proven: false,
        why: None,
        unsealed: None,
        obstacles: Vec::new(),
        doubts: Vec::new(),
    }
}

fn bay(number: u32, life: BayLife, drive: Option<DriveView>) -> DriveBay {
    DriveBay {
        place: format!("jbof/bay-{number}"),
        label: format!("bay-{number}"),
        slot: number.to_string(),
        life,
        since: Moment::EPOCH,
        until: None,
        reason: None,
        wrong_pulled: (number == 7).then(|| "S9".to_owned()),
        led: None,
        drive,
    }
}

fn claim() -> DriveClaim {
    DriveClaim {
        id: "c1".to_owned(),
        purpose: "db".to_owned(),
        node: "n01".to_owned(),
        tenant: None,
        priority: 5,
        since: Moment::EPOCH,
        until: None,
        erase_after_seconds: 0,
        replace: false,
        watts: Power::ZERO,
        drives: vec![ClaimedDrive {
            serial: "S1".to_owned(),
            model: None,
            place: None,
            size_bytes: Bytes::new(1_000),
            stage: DriveStage::Attached,
            device: None,
            kept: false,
            why: None,
        }],
        lost: vec![LostDrive {
            serial: "S9".to_owned(),
            at: Moment::EPOCH,
            ending: DriveEnding::Pulled,
        }],
    }
}

/// Two enclosures, of which one is silent: a worn drive that is claimed, three that are held, one that is being erased, one without a name.
pub(super) fn view() -> DrivesView {
    let claimed = DriveView {
        percent_used: Some(120),
        predicts_failure: true,
        holder: Some(DriveHolder {
            claim: "c1".to_owned(),
            purpose: "db".to_owned(),
            tenant: None,
            node: "n01".to_owned(),
        }),
        ..drive(1, DriveTenancy::Claimed)
    };
    let given_back = DriveView {
        held_until: Some(Moment::from_millis(u64::MAX)),
        ..drive(3, DriveTenancy::Held)
    };
    let away = DriveView {
        unsealed: Some("it was out of its bay".to_owned()),
        ..drive(5, DriveTenancy::Held)
    };
    let wiping = DriveView {
        erasing: Some(DriveErasing {
            method: None,
            permille: Some(250),
            failed: 0,
            asked_by: "anna".to_owned(),
        }),
        ..drive(6, DriveTenancy::Wiping)
    };
    let enclosure = |name: &str, seen: bool, bays| EnclosureView {
        name: name.to_owned(),
        agent: format!("node-of-{name}"),
        seen,
        last_seen: None,
        reason: None,
        bays,
    };
    let in_service = |number, drive| bay(number, BayLife::InService, Some(drive));
    DrivesView {
        rack: "r1".to_owned(),
        mode: "enforce".to_owned(),
        at: Moment::EPOCH,
        enclosures: vec![
            enclosure(
                "jbof",
                true,
                vec![
                    in_service(1, claimed),
                    in_service(3, given_back),
                    in_service(4, drive(4, DriveTenancy::Held)),
                    in_service(5, away),
                    in_service(6, wiping),
                    bay(7, BayLife::Faulted, None),
                ],
            ),
            enclosure("dark", false, vec![in_service(8, drive(8, DriveTenancy::Free))]),
        ],
        away: vec![drive(9, DriveTenancy::Held)],
        claims: vec![claim()],
    }
}

#[test]
fn drives_are_counted_by_whose_they_are() {
    let text = scrape(Format::Text);
    for line in [
        "busbar_rack_drives{enclosure=\"jbof\",tenancy=\"held\"} 3\n",
        "busbar_rack_drives{enclosure=\"jbof\",tenancy=\"free\"} 0\n",
        "busbar_rack_drive_bytes{enclosure=\"jbof\",tenancy=\"held\"} 3000\n",
        "busbar_rack_drives_away 1\n",
        "busbar_rack_drive_wear_ratio{enclosure=\"jbof\",bay=\"jbof/bay-1\",serial=\"S1\",node=\"node-of-jbof\",device=\"nvme1n1\"} 1.2\n",
        "busbar_rack_drive_info{enclosure=\"jbof\",bay=\"jbof/bay-1\",serial=\"S1\",model=\"M1\",tenancy=\"claimed\",claim=\"db\",node=\"n01\"} 1\n",
        "busbar_rack_drive_bay_faulted{enclosure=\"jbof\",bay=\"jbof/bay-7\"} 1\n",
        "busbar_rack_drive_wrong_pulled{enclosure=\"jbof\",bay=\"jbof/bay-7\",serial=\"S9\"} 1\n",
        "busbar_rack_drive_oldest_hold_timestamp_seconds{enclosure=\"jbof\"} 3\n",
        "busbar_rack_drive_oldest_endless_hold_timestamp_seconds{enclosure=\"jbof\"} 4\n",
        "busbar_rack_drive_claim_ready{claim=\"db\",node=\"n01\"} 0\n",
        "busbar_rack_drive_claim_lost{claim=\"db\",node=\"n01\",ending=\"pulled\"} 1\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let erased = "busbar_rack_drive_erased_ratio{enclosure=\"jbof\",bay=\"jbof/bay-6\"";
    let doubted = "busbar_rack_drive_doubts{enclosure=\"jbof\",bay=\"jbof/bay-5\"";
    assert!(has(&text, erased, "0.25") && has(&text, doubted, "1"), "{text}");
}

fn has(text: &str, begin: &str, value: &str) -> bool {
    text.lines()
        .any(|line| line.starts_with(begin) && line.rsplit(' ').next() == Some(value))
}

#[test]
fn of_a_silent_enclosure_the_journal_speaks_and_its_drives_do_not() {
    let text = scrape(Format::Text);
    assert!(text.contains("busbar_rack_drive_enclosure_up{enclosure=\"dark\",node=\"node-of-dark\"} 0\n"));
    assert!(text.contains("busbar_rack_drives{enclosure=\"dark\",tenancy=\"free\"} 1\n"));
    for family in ["wear_ratio", "failing", "hung", "doubts", "bay_faulted"] {
        let dark = format!("busbar_rack_drive_{family}{{enclosure=\"dark\"");
        assert!(!text.contains(&dark), "{dark}: {text}");
    }
    // One that does not tell how worn it is, is not new.
    assert!(
        !text.contains("busbar_rack_drive_wear_ratio{enclosure=\"jbof\",bay=\"jbof/bay-4\""),
        "{text}"
    );
}

#[test]
fn a_rack_without_enclosures_tells_nothing_of_drives() {
    let nothing = DrivesView {
        enclosures: Vec::new(),
        away: Vec::new(),
        claims: Vec::new(),
        ..view()
    };
    let text = render(
        &super::view(),
        &nothing,
        &[],
        &Own::new().unwrap(),
        &[],
        Format::Text,
    );
    let told: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("busbar_rack_drive"))
        .collect();
    assert!(told.is_empty(), "{told:?}");
}
