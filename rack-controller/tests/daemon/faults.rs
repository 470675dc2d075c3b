//! A BMC that fails makes its own domain blind, with the reason, and nothing else; a journal that was cut short is refused.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::time::Instant;

use rack_api::v1::DomainState;

use super::house::{House, PATIENCE, ask, shelf, until, watts};

#[tokio::test(flavor = "multi_thread")]
async fn a_bmc_that_fails_is_blindness_with_a_reason_and_costs_nobody_a_claim() {
    let Some((house, _running, client)) = House::whole("enforce").await else {
        return;
    };
    client.claim(&ask("web", 6_000, None), None, false).await.unwrap();
    for (answers, reason) in [
        ("401", "401"),
        ("404", "404"),
        ("half", "expected"),
        ("never", "timeout"),
    ] {
        house.world(&["bmc", "shelf", "answer", answers]);
        let blind = until(&client, &format!("blind by {answers}"), |rack| {
            shelf(rack).state == DomainState::Blind
        })
        .await;
        assert_eq!(
            (shelf(&blind).held_watts, shelf(&blind).headroom_watts),
            (watts(6_000), watts(0)),
            "{answers}"
        );
        assert!(shelf(&blind).bays.iter().all(|bay| !bay.seen), "{answers}");
        let bmc = blind.bmcs.iter().find(|bmc| bmc.name == "shelf").unwrap();
        let why = bmc.reason.clone().unwrap_or_default();
        assert!(!bmc.up && why.contains(reason), "{answers}: {why}");
        assert!(
            blind.bmcs.iter().all(|bmc| bmc.up == (bmc.name != "shelf")),
            "{answers}: others are not affected"
        );
        let refused = client
            .claim(&ask("more", 1, None), None, false)
            .await
            .unwrap_err();
        assert_eq!(
            refused.detail().map(|detail| detail.code.as_str()),
            Some("shortfall"),
            "{refused}"
        );
        // While one BMC hangs, the others go on being read.
        let then = blind.at;
        until(&client, "nodes seen again", |rack| {
            rack.nodes
                .iter()
                .all(|node| node.last_seen.is_some_and(|seen| seen > then))
        })
        .await;
        house.world(&["bmc", "shelf", "answer", "ok"]);
        until(&client, "seen again", |rack| {
            shelf(rack).state == DomainState::Redundant && shelf(rack).headroom_watts == watts(9_000)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_was_cut_short_is_refused_with_the_way_out_and_left_as_it_is() {
    let Some((house, running, client)) = House::whole("observe").await else {
        return;
    };
    for number in 0..40 {
        client
            .claim(&ask(&format!("claim {number}"), 1, None), None, false)
            .await
            .unwrap();
    }
    assert_eq!(running.stop(), Some(0));
    let path = house.path("state/rack.sqlite");
    let whole = std::fs::metadata(&path).unwrap().len();
    std::fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(whole / 2)
        .unwrap();
    let refused = house.command().output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && refused.stdout.is_empty(), "{said}");
    assert!(
        said.contains("rack.sqlite") && said.contains("journal salvage"),
        "{said}"
    );
    assert_eq!(
        std::fs::metadata(&path).unwrap().len(),
        whole / 2,
        "it was changed"
    );
}

#[test]
fn a_wrong_configuration_is_refused_with_its_line() {
    let Some(house) = House::raise() else { return };
    let path = house.configure("enforce", "lissen_address = \"127.0.0.1:9712\"");
    let refused = house.command().output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success(), "{said}");
    assert!(
        said.contains("rack.toml:6") && said.contains("lissen_address") && said.contains("expected"),
        "{said}"
    );
    let mut file = std::fs::File::options().write(true).open(path).unwrap();
    file.seek(SeekFrom::End(0)).unwrap();
    file.write_all(b"[[bay]]\nplace = \"shelf/psu-0\"\n").unwrap();
    let refused = house.command().output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        said.contains("lissen_address") && said.contains("shelf/psu-0"),
        "all errors at once: {said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bmc_that_is_away_at_the_start_is_found_when_it_comes() {
    let Some(house) = House::raise() else { return };
    house.configure("observe", "");
    house.world(&["bmc", "shelf", "answer", "never"]);
    let began = Instant::now();
    let (_running, client) = house.serve();
    let first = client.rack().await.unwrap();
    assert_eq!(
        shelf(&first).state,
        DomainState::Blind,
        "not seen yet is blind, not empty"
    );
    until(&client, "the others seen", |rack| {
        rack.bmcs.iter().filter(|bmc| bmc.up).count() == 4
    })
    .await;
    house.world(&["bmc", "shelf", "answer", "ok"]);
    until(&client, "seen", |rack| {
        shelf(rack).installed_watts == watts(18_000)
    })
    .await;
    assert!(began.elapsed() < PATIENCE);
}
