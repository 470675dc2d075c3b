//! The real daemon against agents that answer over real HTTP: a drive's whole life through the API, and the controller killed on the way.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use agent_api::v1::DriveOrder;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use facts::Moment;
use rack_api::RackClient;
use rack_api::v1::{DriveEnding, DriveTenancy, DriveView, EraseDrive};
use serde_json::{Value, json};

use crate::bench::{CONFIG, ask};
use crate::world::{Part, World};

/// A deadline for what takes a second on a machine that does nothing else.
const PATIENCE: Duration = Duration::from_secs(90);

type Shared = Arc<Mutex<World>>;

#[derive(Clone)]
struct Agent {
    node: String,
    world: Shared,
}

fn now() -> Moment {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Moment::from_millis(since.unwrap().as_millis().try_into().unwrap())
}

async fn view(State(agent): State<Agent>) -> Result<Json<agent_api::v1::DrivesView>, StatusCode> {
    let world = agent.world.lock().unwrap();
    if world.nodes[&agent.node].is_silent {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    Ok(Json(world.view(&agent.node)))
}

async fn order(State(agent): State<Agent>, Json(order): Json<DriveOrder>) -> (StatusCode, Json<Value>) {
    let mut world = agent.world.lock().unwrap();
    match world.obey(&agent.node, &order, now()) {
        Ok(answer) => (StatusCode::OK, Json(serde_json::to_value(answer).unwrap())),
        Err(message) => {
            let error = json!({"error": {"code": "conflict", "message": message}});
            (StatusCode::CONFLICT, Json(error))
        }
    }
}

/// One agent on a port of its own.
async fn agent(node: &str, world: &Shared) -> String {
    let agent = Agent {
        node: node.to_owned(),
        world: Arc::clone(world),
    };
    let routes = Router::new()
        .route("/v1/drives", get(view))
        .route("/v1/drives/orders", post(order))
        .with_state(agent);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    format!("http://{address}")
}

/// The world, its agents, and a controller of them.
struct House {
    dir: tempfile::TempDir,
    world: Shared,
    running: Option<Child>,
    client: RackClient,
}

impl House {
    async fn raise(serials: &[&str]) -> House {
        let mut world = World::default();
        world.node("box", Some("127.0.0.1:4420".parse().unwrap()));
        world.node("n01", None);
        world.node("n02", None);
        for (index, serial) in serials.iter().enumerate() {
            world.put("box", &(index + 1).to_string(), Part::new(serial));
        }
        let world: Shared = Arc::new(Mutex::new(world));
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let head = format!(
            "mode = \"enforce\"\nlisten_address = \"127.0.0.1:0\"\nstate_dir = {:?}",
            state.display().to_string()
        );
        let mut config = CONFIG.replace("mode = \"enforce\"", &head);
        for node in ["box", "n01", "n02"] {
            let url = agent(node, &world).await;
            config = config.replacen("http://127.0.0.1:1", &url, 1);
        }
        std::fs::write(dir.path().join("rack.toml"), config).unwrap();
        let (running, client) = start(&dir.path().join("rack.toml"));
        House {
            dir,
            world,
            running: Some(running),
            client,
        }
    }

    /// kill -9, and another one on the same journal.
    fn again(&mut self) {
        let mut running = self.running.take().unwrap();
        running.kill().unwrap();
        running.wait().unwrap();
        let (running, client) = start(&self.dir.path().join("rack.toml"));
        self.running = Some(running);
        self.client = client;
    }

    async fn drive(&self, serial: &str) -> Option<DriveView> {
        let view = self.client.drives().await.unwrap();
        view.drives().find(|drive| drive.serial == serial).cloned()
    }

    /// Waits until a drive is so.
    async fn until(&self, serial: &str, what: &str, is_so: impl Fn(&DriveView) -> bool) -> DriveView {
        let began = Instant::now();
        loop {
            let seen = self.drive(serial).await;
            if let Some(drive) = seen.as_ref().filter(|drive| is_so(drive)) {
                return drive.clone();
            }
            assert!(began.elapsed() < PATIENCE, "{serial} is not {what}: {seen:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn attached(&self, serial: &str) -> DriveView {
        let is_so = |drive: &DriveView| drive.stage == Some(rack_api::v1::DriveStage::Attached);
        self.until(serial, "attached", is_so).await
    }

    async fn is(&self, serial: &str, tenancy: DriveTenancy) -> DriveView {
        let is_so = |drive: &DriveView| drive.tenancy == tenancy;
        self.until(serial, tenancy.word(), is_so).await
    }

    async fn enrol(&self, serial: &str) {
        self.is(serial, DriveTenancy::Foreign).await;
        let request = EraseDrive {
            serial: serial.to_owned(),
            model: None,
        };
        self.client.enrol_drive(serial, &request, false).await.unwrap();
    }

    /// Waits until an ask is admitted: after a start agents have to be looked at first.
    async fn claims(&self, purpose: &str, node: &str) {
        let began = Instant::now();
        loop {
            match self
                .client
                .claim_drives(&ask(purpose, node, "web"), None, false)
                .await
            {
                Ok(_) => return,
                Err(error) => assert!(began.elapsed() < PATIENCE, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = running.kill();
            let _ = running.wait();
        }
    }
}

fn start(config: &std::path::Path) -> (Child, RackClient) {
    let mut child = Command::new(PathBuf::from(env!("CARGO_BIN_EXE_busbar-rack")))
        .args(["serve", "--config"])
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let url = line.trim().rsplit(' ').next().unwrap_or_default();
    assert!(line.starts_with("ready "), "no ready line: {line:?}");
    let client = RackClient::new(url, None, None).unwrap();
    (child, client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drive_is_enrolled_lent_given_back_erased_and_lent_again() {
    let house = House::raise(&["S1"]).await;
    house.enrol("S1").await;
    house.is("S1", DriveTenancy::Free).await;
    let proof = house.client.drive_proof("S1", None).await.unwrap();
    assert_eq!((proof.samples, proof.dirty, proof.lent_since), (16, 0, false));

    let dry = house
        .client
        .claim_drives(&ask("db", "n01", "web"), None, true)
        .await
        .unwrap();
    assert!(dry.id.is_empty() && dry.drives.len() == 1, "{dry:?}");
    house
        .client
        .claim_drives(&ask("db", "n01", "web"), Some("k1"), false)
        .await
        .unwrap();
    house.attached("S1").await;
    let view = house.client.drives().await.unwrap();
    assert!(view.claims[0].is_ready(), "{view:?}");
    assert_eq!(view.claims[0].drives[0].device.as_deref(), Some("nvme7n1"));
    assert_eq!(house.world.lock().unwrap().reach("S1"), ["n01".to_owned()].into());

    house.client.release_drives("db", Some(0)).await.unwrap();
    house.is("S1", DriveTenancy::Free).await;
    assert!(house.world.lock().unwrap().part("S1").content.is_none());
    house.claims("other", "n02").await;
    house.attached("S1").await;
    assert_eq!(house.world.lock().unwrap().reach("S1"), ["n02".to_owned()].into());

    // Pulled while it is claimed; another serial in its bay is another drive.
    house.world.lock().unwrap().pull("box", "1");
    let lost = house.until("S1", "lost", |drive| drive.place.is_none()).await;
    assert_eq!(lost.ending, Some(DriveEnding::Pulled));
    house.world.lock().unwrap().put("box", "1", Part::new("S9"));
    house.is("S9", DriveTenancy::Foreign).await;
    let kinds: Vec<String> = house
        .client
        .events(0)
        .await
        .unwrap()
        .into_iter()
        .map(|event| event.kind)
        .collect();
    for kind in [
        "drive_found",
        "drive_erased",
        "drive_lent",
        "drive_fenced",
        "drive_pulled",
    ] {
        assert!(kinds.iter().any(|told| told == kind), "{kind}: {kinds:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_controller_that_is_killed_at_each_step_goes_on_where_it_was() {
    let mut house = House::raise(&["S1"]).await;
    house.enrol("S1").await;
    house.again();
    house.is("S1", DriveTenancy::Free).await;
    house.claims("db", "n01").await;
    house.again();
    house.attached("S1").await;
    house.again();
    let still = house.attached("S1").await;
    assert_eq!(still.holder.unwrap().purpose, "db");
    house.client.release_drives("db", Some(3_600)).await.unwrap();
    house.again();
    let held = house.is("S1", DriveTenancy::Held).await;
    assert!(held.held_until.is_some());
    house.again();
    // What was shown last may not have been in the journal yet.
    house.is("S1", DriveTenancy::Held).await;
    let request = EraseDrive {
        serial: "S1".to_owned(),
        model: None,
    };
    house.client.erase_drive("S1", &request, false).await.unwrap();
    house.again();
    house.is("S1", DriveTenancy::Free).await;
    let proof = house.client.drive_proof("S1", None).await.unwrap();
    assert!(!proof.lent_since, "{proof:?}");
    assert!(house.world.lock().unwrap().reach("S1").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_dark_start_of_the_rack_a_claim_is_there_and_its_drive_is_attached_without_hands() {
    let mut house = House::raise(&["S1"]).await;
    house.enrol("S1").await;
    house.is("S1", DriveTenancy::Free).await;
    house.claims("db", "n01").await;
    let before = house.attached("S1").await;
    // Everything loses its power at once: what nobody flushed is gone, and each node is in another boot.
    let mut running = house.running.take().unwrap();
    running.kill().unwrap();
    running.wait().unwrap();
    for node in ["box", "n01", "n02"] {
        house.world.lock().unwrap().reboot(node);
    }
    assert!(house.world.lock().unwrap().reach("S1").is_empty());
    let (running, client) = start(&house.dir.path().join("rack.toml"));
    (house.running, house.client) = (Some(running), client);
    let reach = || house.world.lock().unwrap().reach("S1");
    let began = Instant::now();
    while reach() != ["n01".to_owned()].into() {
        assert!(began.elapsed() < PATIENCE, "nobody was let in again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let after = house.attached("S1").await;
    assert_eq!(after.generation, before.generation, "the same grant");
    assert_eq!(after.holder, before.holder);
    let events = house.client.events(0).await.unwrap();
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    assert!(
        kinds.contains(&"drive_restarted") && !kinds.contains(&"drive_pulled"),
        "{kinds:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_of_one_drive_is_tried_refused_and_signed_over_http() {
    let house = House::raise(&["S1"]).await;
    house.is("S1", DriveTenancy::Foreign).await;
    let typed = |serial: &str| EraseDrive {
        serial: serial.to_owned(),
        model: None,
    };
    // A dry run says how it would be and does nothing.
    let would = house.client.enrol_drive("S1", &typed("S1"), true).await.unwrap();
    assert_eq!(would.tenancy, DriveTenancy::Wiping);
    house.is("S1", DriveTenancy::Foreign).await;
    assert!(house.world.lock().unwrap().erased.is_empty());
    let refused = house
        .client
        .enrol_drive("S1", &typed("S2"), false)
        .await
        .unwrap_err();
    assert_eq!(refused.detail().unwrap().code, "bad_request");
    let nobody = house
        .client
        .erase_drive("S7", &typed("S7"), false)
        .await
        .unwrap_err();
    assert_eq!(nobody.detail().unwrap().code, "not_found");
    let vouch = rack_api::v1::VouchDrive {
        serial: "S1".to_owned(),
        model: None,
    };
    let undoubted = house
        .client
        .vouch_for_drive("S1", &vouch, false)
        .await
        .unwrap_err();
    assert_eq!(undoubted.detail().unwrap().code, "conflict");

    house.client.enrol_drive("S1", &typed("S1"), false).await.unwrap();
    house.is("S1", DriveTenancy::Free).await;
    // What is given back is held for as long as whoever gives it back says.
    house.claims("db", "n01").await;
    house.attached("S1").await;
    house.client.release_drives("db", Some(7_200)).await.unwrap();
    let held = house.is("S1", DriveTenancy::Held).await;
    let held_for = held.held_until.unwrap().since(held.since).as_secs();
    assert_eq!(held_for, 7_200);
}
