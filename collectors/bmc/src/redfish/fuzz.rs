//! What a Redfish service says, whole documents and small texts, for the fuzzer.

use std::cell::LazyCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::bmc::Bmc;
use super::endpoint::Credentials;
use super::observe::{node, supplies};
use super::schema::root::Root;
use super::schema::{Doubts, Fields};
use super::trust::Fingerprint;
use super::{body, events, sse, tree};
use crate::redundancy::Redundancy;

/// The service root, and the message of an error.
pub(crate) fn root(data: &[u8]) {
    let _ = body::message(data);
    if let Ok(value) = serde_json::from_slice::<Value>(data) {
        let doubts = Doubts::default();
        let _ = Root::read(&Fields::of(&value, "any", &doubts));
    }
}

/// A stream of server-sent events: the same events however the bytes were cut, and a hint or none for each.
pub(crate) fn stream(data: &[u8]) {
    let whole = sse::Parser::default().push(data);
    let mut parser = sse::Parser::default();
    let pieces: Result<Vec<_>, _> = data.chunks(3).map(|piece| parser.push(piece)).collect();
    if let (Ok(whole), Ok(pieces)) = (whole, pieces) {
        assert_eq!(whole, pieces.concat());
        for event in whole {
            drop(events::hints(&event.data, event.id.as_deref()));
        }
    }
    drop(events::hints(&String::from_utf8_lossy(data), None));
}

/// Links, which must not lead out of a recorded tree, and fingerprints of certificates.
pub(crate) fn words(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some(place) = tree::place_in_tree(&text) {
        let leads_out = |part| !matches!(part, std::path::Component::Normal(_));
        assert!(!place.components().any(leads_out), "{text:?} leads to {place:?}");
    }
    if let Ok(fingerprint) = text.parse::<Fingerprint>() {
        assert_eq!(
            fingerprint.to_string().parse::<Fingerprint>().ok(),
            Some(fingerprint)
        );
    }
}

/// A file of credentials.
pub(crate) fn credentials(data: &[u8]) {
    thread_local! {
        static FOLDER: LazyCell<Option<Folder>> = const { LazyCell::new(|| Folder::new().ok()) };
    }
    FOLDER.with(|folder| {
        let Some(folder) = folder.as_ref() else { return };
        let file = folder.0.join("credentials.toml");
        if fs::write(&file, data).and_then(|()| only_ours(&file)).is_ok() {
            let _ = Credentials::load(&file);
            let _ = Credentials::with_password_file("admin", &file);
        }
    });
}

fn only_ours(file: &Path) -> std::io::Result<()> {
    fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600))
}

/// A service of one node and two supplies, of which one document is anything: the first byte chooses which. Whatever it says,
/// what the others say of the good supply stands.
pub(crate) fn document(data: &[u8]) {
    thread_local! {
        static SERVICE: LazyCell<Option<(Folder, Runtime)>> = const { LazyCell::new(|| raise().ok()) };
    }
    let Some((which, text)) = data.split_first() else {
        return;
    };
    SERVICE.with(|service| {
        let Some((folder, runtime)) = service.as_ref() else {
            return;
        };
        let (path, good) = &documents()[usize::from(*which) % documents().len()];
        let file = folder.0.join(path).join("index.json");
        if fs::write(&file, text).is_err() {
            return;
        }
        if let Ok(bmc) = Bmc::open_tree(&folder.0) {
            let _ = runtime.block_on(node(&bmc));
            if let Ok(supplies) = runtime.block_on(supplies(&bmc)) {
                supplies
                    .domains
                    .iter()
                    .for_each(|domain| drop(Redundancy::of(domain)));
            }
        }
        // Put back whole: the next input may replace another one.
        let _ = fs::write(&file, good.to_string());
    });
}

/// What stands around the one that is replaced, both ways of telling supplies included.
fn documents() -> [(&'static str, Value); 10] {
    let link = |path: &str| json!({"@odata.id": format!("/redfish/v1/{path}")});
    let supply = json!({"Id": "1", "MemberId": "1", "PowerCapacityWatts": 3000, "SerialNumber": "A1",
        "Status": {"State": "Enabled", "Health": "OK"}, "Metrics": link("Chassis/1/Metrics")});
    [
        (
            "",
            json!({"Chassis": link("Chassis"), "Systems": link("Systems")}),
        ),
        ("Systems", json!({"Members": [link("Systems/1")]})),
        (
            "Systems/1",
            json!({"Id": "1", "Links": {"Chassis": [link("Chassis/1")]}, "Storage": link("Storage")}),
        ),
        ("Storage", json!({"Members": []})),
        ("Chassis", json!({"Members": [link("Chassis/1")]})),
        (
            "Chassis/1",
            json!({"Id": "1", "Power": link("Chassis/1/Power"), "PowerSubsystem": link("Chassis/1/PowerSubsystem"),
                "EnvironmentMetrics": link("Chassis/1/Environment")}),
        ),
        (
            "Chassis/1/Power",
            json!({"PowerSupplies": [supply], "PowerControl": [{"PowerConsumedWatts": 700}]}),
        ),
        (
            "Chassis/1/PowerSubsystem",
            json!({"PowerSupplies": link("Chassis/1/PowerSubsystem/PowerSupplies")}),
        ),
        (
            "Chassis/1/Environment",
            json!({"PowerWatts": {"Reading": 700}, "PowerLimitWatts": {"SetPoint": 900}}),
        ),
        ("Chassis/1/Metrics", json!({"OutputPowerWatts": {"Reading": 300}})),
    ]
}

fn raise() -> std::io::Result<(Folder, Runtime)> {
    let folder = Folder::new()?;
    for (path, value) in documents() {
        fs::create_dir_all(folder.0.join(path))?;
        fs::write(folder.0.join(path).join("index.json"), value.to_string())?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    Ok((folder, runtime))
}

/// A folder of its own, in memory where there is such a place: the fuzzer writes one file for each input.
struct Folder(PathBuf);

impl Folder {
    fn new() -> std::io::Result<Folder> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() {
            memory.to_owned()
        } else {
            std::env::temp_dir()
        };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = place.join(format!("busbar-fuzz-bmc-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder)?;
        Ok(Folder(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is a few kilobytes in a place for scratch.
        let _ = fs::remove_dir_all(&self.0);
    }
}
