//! Server-sent events: at once, numbered, and in the words of the DMTF's registries.

use std::collections::VecDeque;

use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::raised::{Bmc, DEADLINE, Raised};

const SSE: &str = "/redfish/v1/EventService/SSE";
const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";
const SUBSCRIPTIONS: &str = "/redfish/v1/EventService/Subscriptions";

struct Stream {
    response: Response,
    held: String,
    ready: VecDeque<(u64, Value)>,
}

impl Stream {
    async fn open(bmc: &Bmc) -> Self {
        let response = bmc.get(SSE).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut stream = Self {
            response,
            held: String::new(),
            ready: VecDeque::new(),
        };
        // The first bytes say that the subscription stands.
        stream.pull().await;
        stream
    }

    async fn pull(&mut self) -> bool {
        let chunk = timeout(DEADLINE, self.response.chunk())
            .await
            .expect("no event in time")
            .unwrap();
        let Some(chunk) = chunk else { return false };
        self.held.push_str(std::str::from_utf8(&chunk).unwrap());
        while let Some((block, rest)) = self.held.split_once("\n\n") {
            let field = |name: &str| {
                block
                    .lines()
                    .find_map(|line| line.strip_prefix(name).map(|value| value.trim().to_owned()))
            };
            if let (Some(id), Some(data)) = (field("id:"), field("data:")) {
                self.ready
                    .push_back((id.parse().unwrap(), serde_json::from_str(&data).unwrap()));
            }
            self.held = rest.to_owned();
        }
        true
    }

    async fn next(&mut self) -> (u64, Value) {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return event;
            }
            assert!(self.pull().await, "the stream ended");
        }
    }

    /// The next event with this message; those before it are passed over.
    async fn until(&mut self, message: &str) -> Value {
        loop {
            let (_, event) = self.next().await;
            let record = event["Events"][0].clone();
            if record["MessageId"].as_str().unwrap().ends_with(message) {
                return record;
            }
        }
    }
}

#[tokio::test]
async fn every_change_of_a_supply_is_told_at_once_and_numbered() {
    let world = Raised::demo();
    let mut stream = Stream::open(&world.bmc("shelf")).await;
    world.act(&["pull", "shelf/psu-3"]);
    let (first, event) = stream.next().await;
    let record = &event["Events"][0];
    assert_eq!(record["MessageId"], "Power.1.0.PowerSupplyRemoved");
    assert_eq!(record["MessageArgs"], json!(["psu-3"]));
    assert_eq!(
        record["OriginOfCondition"]["@odata.id"],
        "/redfish/v1/Chassis/shelf/PowerSubsystem/PowerSupplies/psu-3"
    );
    assert!(record["EventTimestamp"].as_str().unwrap().ends_with('Z'));
    world.act(&["insert", "shelf/psu-3", "--serial", "NEW-1"]);
    let (second, event) = stream.next().await;
    assert_eq!(event["Events"][0]["MessageId"], "Power.1.0.PowerSupplyInserted");
    assert!(second > first);
    stream.until("PowerSupplyRestored").await;
    world.act(&["fail", "shelf/psu-0"]);
    stream.until("PowerSupplyFailed").await;
    world.act(&["feed-loss", "B"]);
    for bay in ["psu-3", "psu-4", "psu-5"] {
        assert_eq!(
            stream.until("LossOfInputPower").await["MessageArgs"],
            json!([bay])
        );
    }
    world.act(&["feed-restore", "B"]);
    stream.until("LineInputPowerRestored").await;
}

#[tokio::test]
async fn a_stream_is_a_subscription_and_ends_with_it() {
    let world = Raised::demo();
    let bmc = world.bmc("shelf");
    let mut stream = Stream::open(&bmc).await;
    let list = bmc.read(SUBSCRIPTIONS).await;
    assert_eq!(list["Members@odata.count"], 1);
    let path = list["Members"][0]["@odata.id"].as_str().unwrap().to_owned();
    assert_eq!(bmc.read(&path).await["SubscriptionType"], "SSE");
    let gone = bmc.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(gone.status(), 204);
    while stream.pull().await {}

    // A client that goes away takes its subscription with it.
    drop(Stream::open(&bmc).await);
    let start = std::time::Instant::now();
    while bmc.read(SUBSCRIPTIONS).await["Members@odata.count"] != 0 {
        assert!(start.elapsed() < DEADLINE, "the subscription outlived its stream");
        // An event makes the service notice that nobody listens.
        world.run(&["pull", "shelf/psu-1"]);
        world.run(&["insert", "shelf/psu-1"]);
    }
}

#[tokio::test]
async fn a_bmc_that_starts_anew_knows_nobody() {
    let world = Raised::demo();
    let (bmc, other) = (world.bmc("shelf"), world.bmc("n01"));
    let (mut stream, _stays) = (Stream::open(&bmc).await, Stream::open(&other).await);
    let login = json!({ "UserName": bmc.user, "Password": bmc.password });
    let opened = bmc.post(SESSIONS, login).await;
    let token = opened.headers()["x-auth-token"].to_str().unwrap().to_owned();
    let asked = || {
        let url = format!("{}{SESSIONS}", bmc.url);
        bmc.client.get(url).header("X-Auth-Token", &token).send()
    };
    assert_eq!(asked().await.unwrap().status(), 200);
    world.act(&["bmc", "shelf", "reboot"]);
    while stream.pull().await {}
    assert_eq!(asked().await.unwrap().status(), 401);
    assert_eq!(bmc.read(SUBSCRIPTIONS).await["Members@odata.count"], 0);
    assert_eq!(other.read(SUBSCRIPTIONS).await["Members@odata.count"], 1);
    assert_eq!(world.run(&["bmc", "n77", "reboot"]).status.code(), Some(3));
}

#[tokio::test]
async fn a_subscriber_is_called() {
    let world = Raised::demo();
    let bmc = world.bmc("n01");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, mut received) = tokio::sync::mpsc::channel::<Value>(8);
    let app = axum::Router::new().fallback(move |axum::Json(event): axum::Json<Value>| {
        let sender = sender.clone();
        async move { sender.send(event).await.map_or("", |()| "") }
    });
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let body =
        json!({ "Destination": format!("http://127.0.0.1:{port}/"), "Protocol": "Redfish", "Context": "me" });
    assert_eq!(bmc.post(SUBSCRIPTIONS, body).await.status(), 201);
    world.act(&["power", "n01", "off"]);
    let event = timeout(DEADLINE, received.recv()).await.unwrap().unwrap();
    assert_eq!(event["Context"], "me");
    assert_eq!(
        event["Events"][0]["MessageId"],
        "ResourceEvent.1.3.ResourceStateChanged"
    );
    server.abort();
}
