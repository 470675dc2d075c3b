//! Events: doubled, lost, and a BMC that forgets our subscription as it does at a restart. Polling is out of the way here: only what
//! events bring is seen in time.

use std::io::Write as _;
use std::time::{Duration, Instant};

use rack_api::RackClient;
use rack_api::v1::{BayLife, RackView};

use super::house::{House, PATIENCE, Running, bay, shelf, until};

pub fn metrics(url: &str) -> String {
    let host = url.trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    write!(
        stream,
        "GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    std::io::read_to_string(stream).unwrap()
}

fn value(client: &RackClient, series: &str) -> u64 {
    let page = metrics(client.url());
    let line = page.lines().find_map(|line| line.strip_prefix(series));
    line.map_or(0, |rest| rest.trim().parse().unwrap())
}

fn again(client: &RackClient, reason: &str) -> u64 {
    let series = format!("busbar_rack_bmc_resubscriptions_total{{bmc=\"shelf\",reason=\"{reason}\"}}");
    value(client, &series)
}

async fn wait(what: &str, so: impl Fn() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < PATIENCE, "never {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn empty(rack: &RackView, place: &str) -> bool {
    bay(rack, place).life == BayLife::Empty
}

/// A rack that polls seldom and asks each second whether it is still subscribed; its stream stands.
async fn seldom() -> Option<(House, Running, RackClient)> {
    let house = House::raise()?;
    let path = house.configure("enforce", "");
    let text = std::fs::read_to_string(&path).unwrap();
    let seldom = "poll_interval = \"300s\"\nreconcile_interval = \"1s\"";
    std::fs::write(&path, text.replace("poll_interval = \"500ms\"", seldom)).unwrap();
    let (running, client) = house.serve();
    until(&client, "six supplies in service", |rack| {
        shelf(rack).bays.iter().all(|bay| bay.life == BayLife::InService)
    })
    .await;
    Some((house, running, client))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_comes_again_is_folded_into_the_one_that_was() {
    let Some((house, _running, client)) = seldom().await else {
        return;
    };
    house.world(&["bmc", "shelf", "answer", "doubled"]);
    house.world(&["pull", "shelf/psu-3"]);
    until(&client, "pulled", |rack| empty(rack, "shelf/psu-3")).await;
    house.world(&["pull", "shelf/psu-4"]);
    until(&client, "pulled too", |rack| empty(rack, "shelf/psu-4")).await;
    let folded = "busbar_rack_bmc_hints_folded_total{bmc=\"shelf\"}";
    wait("folded", || value(&client, folded) >= 2).await;
    let events = client.events(0).await.unwrap();
    let lost = events.iter().filter(|event| event.kind == "supply_lost");
    assert_eq!(lost.count(), 2, "each loss is one event");
    assert_eq!(again(&client, "gap"), 0, "a late one leaves no gap");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_gap_everything_is_read_again() {
    let Some((house, _running, client)) = seldom().await else {
        return;
    };
    house.world(&["bmc", "shelf", "answer", "lossy"]);
    for place in ["shelf/psu-3", "shelf/psu-4", "shelf/psu-5"] {
        house.world(&["pull", place]);
    }
    house.world(&["bmc", "shelf", "answer", "ok"]);
    // Whatever of that was lost, the next event that comes brings it to light.
    house.world(&["pull", "shelf/psu-0"]);
    until(&client, "four empty bays", |rack| {
        let places = ["shelf/psu-0", "shelf/psu-3", "shelf/psu-4", "shelf/psu-5"];
        places.iter().all(|place| empty(rack, place))
    })
    .await;
    wait("a gap", || again(&client, "gap") >= 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bmc_that_forgets_us_is_subscribed_to_anew() {
    let Some((house, _running, client)) = seldom().await else {
        return;
    };
    house.world(&["bmc", "shelf", "answer", "forgetful"]);
    wait("noticed", || again(&client, "dropped") >= 1).await;
    house.world(&["bmc", "shelf", "answer", "ok"]);
    // The stream that was made last may have been forgotten too: until two looks at it found it there.
    let mut known = again(&client, "dropped");
    loop {
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        let now = again(&client, "dropped");
        if now == known {
            break;
        }
        known = now;
    }
    assert_eq!(
        again(&client, "ended"),
        0,
        "its connection never broke: nothing but asking shows it"
    );
    house.world(&["pull", "shelf/psu-3"]);
    until(&client, "pulled", |rack| empty(rack, "shelf/psu-3")).await;
}
