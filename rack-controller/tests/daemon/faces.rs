//! What people meet at a swap and at a pause: a part in another bay, pauses of a domain and of the rack.

use rack_api::v1::{BayLife, RackView};

use super::aisle::{Aisle, PLACE};
use super::eyes::metrics;
use super::house::{ask, until, watts};

#[tokio::test(flavor = "multi_thread")]
async fn a_part_in_another_bay_stops_a_swap() {
    let Some(aisle) = Aisle::enter().await else { return };
    aisle.house.world(&["pull", "shelf/psu-5"]);
    aisle.is("shelf/psu-5", BayLife::Empty).await;
    let page = metrics(aisle.client.url());
    assert!(
        page.contains("busbar_rack_bay_lost{domain=\"shelf\",bay=\"shelf/psu-5\"} 1\n"),
        "{page}"
    );
    let mut steps = aisle.swapping(&["swap", PLACE]);
    steps.until("pull");
    aisle.house.world(&["pull", PLACE]);
    steps.until("insert");
    let page = metrics(aisle.client.url());
    let step = "busbar_rack_swap_step{domain=\"shelf\",bay=\"shelf/psu-3\",step=\"insert\"} 1\n";
    assert!(page.contains(step), "{page}");
    let asked = "busbar_rack_bay_lost{domain=\"shelf\",bay=\"shelf/psu-3\"} 0\n";
    assert!(page.contains(asked), "who asked has lost nothing: {page}");
    aisle.house.world(&["insert", "shelf/psu-5", "--serial", "NEW-1"]);
    let stopped = steps.until("wrong_bay");
    let sentence = stopped["sentence"].as_str().unwrap();
    assert!(
        sentence.contains("a part was put into PSU 6 (shelf/psu-5)")
            && sentence.contains("PSU 4 (shelf/psu-3) is the empty bay"),
        "{sentence}"
    );
    assert_eq!(steps.code(), 3);
    let mut again = aisle.swapping(&["swap", PLACE]);
    again.until("insert");
    aisle.house.world(&["insert", PLACE, "--serial", "NEW-2"]);
    again.until("done");
    assert_eq!(again.code(), 0);
    let page = metrics(aisle.client.url());
    assert!(
        !page.contains("busbar_rack_swap_step{"),
        "nothing is under way: {page}"
    );
}

fn cap(rack: &RackView) -> Option<facts::Power> {
    let node = rack.nodes.iter().find(|node| node.name == "n01").unwrap();
    node.cap_watts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_of_a_domain_and_one_of_the_rack_hold_back_what_rises() {
    let Some(aisle) = Aisle::enter().await else { return };
    let claim = async |name: &str, many: u64| {
        aisle
            .client
            .claim(&ask(name, many, Some("n01")), None, false)
            .await
            .unwrap();
    };
    claim("web", 600).await;
    until(&aisle.client, "its cap", |rack| cap(rack) == Some(watts(600))).await;
    let mut held = 600;
    for (scope, series) in [
        (
            vec!["--domain", "shelf"],
            "busbar_rack_paused{scope=\"domain\",domain=\"shelf\"} 1\n",
        ),
        (vec![], "busbar_rack_paused{scope=\"rack\"} 1\n"),
    ] {
        let mut words = vec!["pause", "--for", "1h", "--reason", "work on feed A"];
        words.extend(&scope);
        let (code, said) = aisle.say(&words);
        assert!(
            code == 0 && said.contains("lowers for safety goes on"),
            "{code} {said}"
        );
        assert!(metrics(aisle.client.url()).contains(series), "{series}");
        claim(&format!("more {held}"), 100).await;
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        let rack = aisle.client.rack().await.unwrap();
        assert_eq!(cap(&rack), Some(watts(held)), "nothing rises: {series}");
        let mut words = vec!["resume"];
        words.extend(&scope);
        assert_eq!(aisle.say(&words).0, 0);
        held += 100;
        until(&aisle.client, "it rises", |rack| cap(rack) == Some(watts(held))).await;
        assert!(
            !metrics(aisle.client.url()).contains("busbar_rack_paused"),
            "absent, not zero"
        );
    }
}
