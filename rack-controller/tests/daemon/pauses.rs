//! `busbar pause` for a domain and for the whole rack: nothing is lit and nothing rises; answers and lowering go on.

use rack_api::v1::{BayLife, RackView};

use super::aisle::{Aisle, PLACE};
use super::house::{ask, bay, until, watts};

fn cap(rack: &RackView) -> Option<facts::Power> {
    rack.nodes
        .iter()
        .find(|node| node.name == "n01")
        .and_then(|node| node.cap_watts)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_domain_answers_and_lights_nothing_until_it_acts_again() {
    let Some(mut aisle) = Aisle::enter().await else {
        return;
    };
    let (code, said) = aisle.say(&["pause", "--domain", "shelf", "--for", "1h", "--reason", "cabling"]);
    assert_eq!(code, 0, "{said}");
    let (code, said) = aisle.say(&["drain", PLACE]);
    assert!(
        code == 0 && said.contains("yes: PSU 4") && said.contains("LED not lit: its domain is paused"),
        "{code} {said}"
    );
    aisle.is(PLACE, BayLife::ReadyToPull).await;
    // It stands over a restart, like everything that somebody said.
    aisle.restart().await;
    let view = aisle.client.rack().await.unwrap();
    let paused = view.pauses.iter().find(|pause| pause.name == "shelf").unwrap();
    assert_eq!(
        (
            paused.kind.as_str(),
            paused.asked.clone().unwrap().reason.as_deref()
        ),
        ("domain", Some("cabling"))
    );
    assert_eq!(bay(&view, PLACE).led, Some(false), "nothing is lit");
    // A cap of a node in another domain is none of this pause's.
    let web = ask("web", 600, Some("n01"));
    aisle.client.claim(&web, None, false).await.unwrap();
    until(&aisle.client, "a cap elsewhere", |rack| {
        cap(rack) == Some(watts(600))
    })
    .await;
    let (code, said) = aisle.say(&["resume", "--domain", "shelf"]);
    assert!(code == 0 && said.contains("nothing is paused"), "{code} {said}");
    until(&aisle.client, "the light of the drain", |rack| {
        bay(rack, PLACE).led == Some(true)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_rack_raises_nothing_and_lowers_what_must_be_lower() {
    let Some(aisle) = Aisle::enter().await else { return };
    let web = ask("web", 600, Some("n01"));
    aisle.client.claim(&web, None, false).await.unwrap();
    until(&aisle.client, "a cap", |rack| cap(rack) == Some(watts(600))).await;
    let (code, said) = aisle.say(&["pause", "--for", "1h", "--reason", "switch upgrade"]);
    assert_eq!(code, 0, "{said}");
    let more = ask("more", 450, Some("n01"));
    aisle.client.claim(&more, None, false).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(
        cap(&aisle.client.rack().await.unwrap()),
        Some(watts(600)),
        "nothing rises"
    );
    let (code, said) = aisle.say(&["drain", PLACE]);
    assert!(code == 0 && said.contains("LED not lit"), "{code} {said}");
    aisle.client.release("web").await.unwrap();
    until(&aisle.client, "a lower cap", |rack| cap(rack) == Some(watts(450))).await;
    let (code, said) = aisle.say(&["resume"]);
    assert!(code == 0 && said.contains("nothing is paused"), "{code} {said}");
    aisle.client.claim(&web, None, false).await.unwrap();
    until(&aisle.client, "a rise again", |rack| {
        cap(rack) == Some(watts(1_050))
    })
    .await;
}
