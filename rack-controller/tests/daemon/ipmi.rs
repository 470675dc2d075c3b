//! A shelf and a node over IPMI: bays, power, the exporter's page from memory, the cost in packets, a BMC that hangs.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use rack_api::RackClient;
use rack_api::v1::{BayLife, LocateRequest};

use super::house::{House, PATIENCE, Running, bay, shelf, until, watts};

/// Status and body of a plain GET.
fn get(running: &Running, path: &str) -> (u16, String) {
    let address = running.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    let body = text
        .split_once("\r\n\r\n")
        .map_or(String::new(), |(_, body)| body.to_owned());
    (status, body)
}

/// The value of a series in a page; `None` where it is absent.
fn value(page: &str, series: &str) -> Option<f64> {
    let line = page
        .lines()
        .find(|line| line.starts_with(series) && line[series.len()..].starts_with(' '))?;
    line.rsplit(' ').next()?.parse().ok()
}

async fn raised(mode: &str) -> Option<(House, Running, RackClient)> {
    let house = House::raise()?;
    house.configure_over(mode, "", &["shelf", "n01"]);
    let (running, client) = house.serve();
    until(&client, "six supplies in service", |rack| {
        shelf(rack).bays.iter().all(|bay| bay.life == BayLife::InService)
    })
    .await;
    Some((house, running, client))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shelf_and_a_node_are_read_over_ipmi() {
    let Some((house, running, client)) = raised("observe").await else {
        return;
    };
    let rack = client.rack().await.unwrap();
    let first = bay(&rack, "shelf/psu-0");
    assert_eq!(first.rated_watts, Some(watts(3_000)), "from its inventory");
    assert_eq!(first.part.as_ref().unwrap().serial.as_deref(), Some("DN26-4401"));
    until(&client, "power of n01", |rack| {
        rack.nodes[0].drawn_watts.is_some()
    })
    .await;
    house.world(&["pull", "shelf/psu-3"]);
    until(&client, "pulled", |rack| {
        bay(rack, "shelf/psu-3").life == BayLife::Empty
    })
    .await;
    house.world(&["insert", "shelf/psu-3", "--serial", "NEW-1"]);
    let rack = until(&client, "another one", |rack| {
        bay(rack, "shelf/psu-3").life == BayLife::InService
    })
    .await;
    let part = bay(&rack, "shelf/psu-3").part.clone().unwrap();
    assert_eq!(
        part.serial.as_deref(),
        Some("NEW-1"),
        "its inventory was read again"
    );

    let (status, page) = get(&running, "/ipmi?target=n01");
    assert_eq!(status, 200);
    assert_eq!(value(&page, "ipmi_up{collector=\"ipmi\"}"), Some(1.0), "{page}");
    assert_eq!(value(&page, "ipmi_chassis_power_state"), Some(1.0));
    assert!(value(&page, "ipmi_dcmi_power_consumption_watts").is_some_and(|watts| watts > 0.0));
    assert!(
        page.contains("ipmi_temperature_celsius{id=\"1\",name=\"Inlet Temp\"}"),
        "{page}"
    );
    assert!(page.contains("ipmi_scrape_duration_seconds"));
    let (status, page) = get(&running, "/ipmi?target=shelf");
    assert_eq!(status, 200);
    assert!(
        page.contains("name=\"psu-0 Status\",type=\"Power Supply\"} 0\n"),
        "{page}"
    );
    assert!(value(&page, "ipmi_sel_logs_count").is_some_and(|entries| entries >= 2.0));
    assert_eq!(get(&running, "/ipmi?target=nobody").0, 404);
    assert_eq!(get(&running, "/ipmi?target=n02").0, 404, "read over Redfish");
    assert_eq!(get(&running, "/ipmi").0, 400);

    let (_, metrics) = get(&running, "/metrics");
    for name in ["shelf", "n01"] {
        let sent = value(
            &metrics,
            &format!("busbar_rack_bmc_refresh_packets{{bmc=\"{name}\"}}"),
        )
        .unwrap();
        let sensors = value(&metrics, &format!("busbar_rack_bmc_sensors{{bmc=\"{name}\"}}")).unwrap();
        assert!(sensors > 0.0);
        println!("{name}: {sent} packets for {sensors} sensors");
    }
    let (_, targets) = get(&running, "/sd/prometheus?role=bmc");
    let targets: serde_json::Value = serde_json::from_str(&targets).unwrap();
    assert_eq!(targets.as_array().unwrap().len(), 2);
    let labels = &targets[1]["labels"];
    assert_eq!(labels["__metrics_path__"], "/ipmi");
    assert_eq!(labels["__param_target"], labels["bmc"]);
    assert_eq!(running.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_costs_sensors_and_four_and_a_power_poll_one_packet() {
    let Some((_house, running, client)) = raised("observe").await else {
        return;
    };
    // The first refresh reads the repository; one later costs what it says.
    let began = Instant::now();
    loop {
        let (_, metrics) = get(&running, "/metrics");
        let of = |family: &str, name: &str| value(&metrics, &format!("{family}{{bmc=\"{name}\"}}"));
        let sent = of("busbar_rack_bmc_refresh_packets", "shelf").unwrap_or(f64::MAX);
        let sensors = of("busbar_rack_bmc_sensors", "shelf").unwrap_or(0.0);
        if sent <= sensors + 4.0 && sensors > 0.0 {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{sent} packets for {sensors} sensors");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    // Two looks at a node whose sensors are not due: each a packet, and no session more.
    let sent = || {
        let (_, metrics) = get(&running, "/metrics");
        let of =
            |family: &str| value(&metrics, &format!("{family}{{bmc=\"n01\",protocol=\"ipmi\"}}")).unwrap();
        let seen = value(
            &metrics,
            "busbar_rack_node_last_seen_timestamp_seconds{node=\"n01\"}",
        )
        .unwrap();
        (
            of("busbar_rack_bmc_requests_total"),
            of("busbar_rack_bmc_sessions_total"),
            seen,
        )
    };
    until(&client, "power of n01", |rack| {
        rack.nodes[0].drawn_watts.is_some()
    })
    .await;
    let (mut before, sessions, mut seen) = sent();
    let mut singles = 0;
    while singles < 2 {
        let (now, still, later) = sent();
        assert_eq!(still, sessions, "one kept session");
        if later > seen {
            if now - before <= 1.0 {
                singles += 1;
            }
            (before, seen) = (now, later);
        }
        assert!(began.elapsed() < PATIENCE, "{} packets a look", now - before);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hung_bmc_delays_no_other_and_is_blind_not_absent() {
    let Some((house, running, client)) = raised("observe").await else {
        return;
    };
    house.world(&["bmc", "shelf", "answer", "never"]);
    let rack = until(&client, "the shelf silent", |rack| {
        rack.bmcs.iter().any(|bmc| bmc.name == "shelf" && !bmc.up)
    })
    .await;
    assert_ne!(
        bay(&rack, "shelf/psu-0").life,
        BayLife::Empty,
        "blind is not absent"
    );
    let (status, page) = get(&running, "/ipmi?target=shelf");
    assert_eq!(
        (status, value(&page, "ipmi_up{collector=\"ipmi\"}")),
        (200, Some(0.0)),
        "{page}"
    );
    assert!(!page.contains("ipmi_power_watts"), "what is not seen is absent");
    // Its neighbour goes on meanwhile.
    let seen = |rack: &rack_api::v1::RackView| rack.nodes[0].last_seen;
    let before = seen(&rack);
    until(&client, "n01 read again", |rack| seen(rack) > before).await;
    let mut answers: Vec<_> = (0..200)
        .map(|_| {
            let began = Instant::now();
            assert_eq!(get(&running, "/ipmi?target=n01").0, 200);
            began.elapsed()
        })
        .collect();
    answers.sort();
    println!("/ipmi p50 {:?}, p99 {:?}", answers[100], answers[197]);
    house.world(&["bmc", "shelf", "answer", "ok"]);
    until(&client, "the shelf again", |rack| {
        rack.bmcs.iter().all(|bmc| bmc.up) && shelf(rack).bays.iter().all(|bay| bay.seen)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn locate_lights_the_chassis() {
    let Some((house, _running, client)) = raised("enforce").await else {
        return;
    };
    let mut locate = LocateRequest {
        place: "shelf/psu-2".to_owned(),
        on: true,
        for_seconds: None,
    };
    let answer = client.locate(&locate).await.unwrap();
    assert_eq!(answer.led, Some(true), "{}", answer.sentence);
    let light = || house.world(&["status"])["shelf_locate"].clone();
    println!("{}", light());
    locate.on = false;
    let answer = client.locate(&locate).await.unwrap();
    assert_eq!(answer.led, Some(false), "{}", answer.sentence);
}
