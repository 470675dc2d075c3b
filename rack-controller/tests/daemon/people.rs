//! What people do with the `busbar` command before a rack: permit a firmware update, know a doubt, pause, commission.

use std::io::Write;
use std::process::Stdio;

use rack_api::v1::BayLife;

use super::aisle::{Aisle, PLACE};
use super::house::{ask, bay, shelf, until, watts};

#[tokio::test(flavor = "multi_thread")]
async fn one_supply_at_a_time_is_updated_behind_the_same_interlock() {
    let Some(aisle) = Aisle::enter().await else { return };
    let firmware = |place: &'static str| ["drain", place, "--for", "firmware", "--within", "2s"];
    let (code, said) = aisle.say(&firmware(PLACE));
    assert!(
        code == 0 && said.contains("for its firmware update within 2 s"),
        "{code} {said}"
    );
    let view = aisle.client.rack().await.unwrap();
    assert_eq!(
        shelf(&view).installed_watts,
        watts(15_000),
        "it does not count meanwhile"
    );
    assert_eq!(bay(&view, PLACE).led, Some(false), "nobody shall pull it");
    let (code, said) = aisle.say(&firmware("shelf/psu-1"));
    assert!(
        code == 3 && said.contains("PSU 4 is") && said.contains("only one supply at a time"),
        "{code} {said}"
    );
    // Its time is over, and nobody has said anything.
    aisle.is(PLACE, BayLife::InService).await;
    aisle
        .client
        .claim(&ask("web", 15_000, None), None, false)
        .await
        .unwrap();
    aisle.house.world(&["pull", "shelf/psu-5"]);
    aisle.is("shelf/psu-5", BayLife::Empty).await;
    let (code, said) = aisle.say(&["drain", PLACE, "--for", "switch-off"]);
    assert!(
        code == 3 && said.contains("15.0 kW firm > 12.0 kW after the pull"),
        "{code} {said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_holds_back_what_rises_and_lets_fall_what_must() {
    let Some(aisle) = Aisle::enter().await else { return };
    let cap = |rack: &rack_api::v1::RackView| {
        rack.nodes
            .iter()
            .find(|node| node.name == "n01")
            .unwrap()
            .cap_watts
    };
    aisle
        .client
        .claim(&ask("web", 600, Some("n01")), None, false)
        .await
        .unwrap();
    until(&aisle.client, "a cap", |rack| cap(rack) == Some(watts(600))).await;
    let (code, said) = aisle.say(&["pause", "--node", "n01", "--for", "1h"]);
    assert!(code != 0 && said.contains("--reason"), "{code} {said}");
    let (code, said) = aisle.say(&["pause", "--node", "n01", "--for", "1h", "--reason", "work on it"]);
    assert!(
        code == 0 && said.contains("lowers for safety goes on"),
        "{code} {said}"
    );
    aisle
        .client
        .claim(&ask("more", 450, Some("n01")), None, false)
        .await
        .unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(
        cap(&aisle.client.rack().await.unwrap()),
        Some(watts(600)),
        "nothing rises"
    );
    let (_, shown) = aisle.say(&["show", "power"]);
    assert!(
        shown.contains("node n01 is paused until") && shown.contains("anna@"),
        "{shown}"
    );
    aisle.say(&["release", "web", "--reason", "done with it"]);
    until(&aisle.client, "a lower cap", |rack| cap(rack) == Some(watts(450))).await;
    let released = &aisle.events("claim_released").await[0];
    assert_eq!(
        released.asked.clone().unwrap().reason.as_deref(),
        Some("done with it")
    );
    aisle.say(&["release", "more"]);
    let (code, said) = aisle.say(&["resume", "--node", "n01"]);
    assert!(code == 0 && said.contains("nothing is paused"), "{code} {said}");
    until(&aisle.client, "its draw back", |rack| {
        cap(rack) == Some(watts(4_000))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_doubt_is_told_to_no_alert_and_stands_over_a_restart() {
    // A supply that no [[bay]] names is a doubt.
    let last = "[[bay]]\nplace = \"shelf/psu-5\"\nlabel = \"PSU 6\"\nfeed = \"B\"\n";
    let Some(mut aisle) = Aisle::without(last).await else {
        return;
    };
    let view = until(&aisle.client, "a doubt", |rack| {
        rack.doubts.iter().any(|doubt| doubt.doubt.kind == "unconfigured")
    })
    .await;
    let id = view
        .doubts
        .iter()
        .find(|doubt| doubt.doubt.kind == "unconfigured")
        .map(|doubt| doubt.id.clone())
        .unwrap();
    let counted = |text: &str| text.contains("busbar_rack_doubts{kind=\"unconfigured\"} 1");
    assert!(counted(&metrics(&aisle)));
    let (code, said) = aisle.say(&["doubts"]);
    assert!(
        code == 0 && said.contains(&id) && said.contains("add a [[bay]]"),
        "{code} {said}"
    );
    let (code, said) = aisle.say(&["doubts", "ack", &id, "--reason", "spare"]);
    assert!(
        code == 0 && said.contains("anna@") && said.contains("spare"),
        "{code} {said}"
    );
    assert!(!counted(&metrics(&aisle)), "no alert tells of it");
    aisle.restart().await;
    until(&aisle.client, "known as before", |rack| {
        rack.doubts
            .iter()
            .any(|doubt| doubt.id == id && doubt.acknowledged.is_some())
    })
    .await;
    let (code, _) = aisle.say(&["doubts", "unack", &id]);
    assert_eq!(code, 0);
    assert!(counted(&metrics(&aisle)));
    assert_eq!(aisle.say(&["doubts", "ack", "nonsense", "--reason", "x"]).0, 2);
}

fn metrics(aisle: &Aisle) -> String {
    let host = aisle.client.url().trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    write!(
        stream,
        "GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    std::io::read_to_string(stream).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_bay_is_lit_while_somebody_reads_its_label() {
    let Some(aisle) = Aisle::enter().await else { return };
    let mut child = aisle
        .command(&["commission", "shelf"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut answers = child.stdin.take().unwrap();
    for number in 0..6 {
        let place = format!("shelf/psu-{number}");
        // A look that began before the last light went out may still show it for a moment.
        until(&aisle.client, "this light and no other", |rack| {
            let lit = shelf(rack)
                .bays
                .iter()
                .filter(|bay| bay.led == Some(true))
                .count();
            lit == 1 && bay(rack, &place).led == Some(true)
        })
        .await;
        let feed = if number == 0 { "B" } else { "" };
        writeln!(answers, "PS {}\n{}\n{feed}", number + 1, 40 - number).unwrap();
    }
    let said = child.wait_with_output().unwrap();
    assert!(said.status.success());
    let text = String::from_utf8(said.stdout).unwrap();
    assert!(
        text.contains("place = \"shelf/psu-0\"\nlabel = \"PS 1\"\nfeed = \"B\"\n# height unit 40"),
        "{text}"
    );
    assert!(
        text.contains("label = \"PS 2\"\nfeed = \"A\"\nfeed_assumed = true"),
        "{text}"
    );
    let read: toml::Table = text.parse().unwrap();
    assert_eq!(read["bay"].as_array().unwrap().len(), 6);
    until(&aisle.client, "darkness", |rack| {
        shelf(rack).bays.iter().all(|bay| bay.led == Some(false))
    })
    .await;
}
