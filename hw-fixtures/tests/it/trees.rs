//! Recorded trees behind a live BMC: every one of them can be walked, a broken one says what is broken.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::raised::{Bmc, Raised, command};

/// The shared folder beside the repository, or nothing and a word about it.
fn shared_trees() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let shared = std::env::var_os("BUSBAR_SHARED").map_or(beside, PathBuf::from);
    let trees = shared.join("bmc-trees");
    if trees.is_dir() {
        return Some(trees);
    }
    println!("skipped: no shared folder at {}", shared.display());
    None
}

/// Every link in a text. Scanning is enough here, and quicker than reading megabytes of JSON.
fn links(text: &str) -> impl Iterator<Item = String> {
    let after = text.split("\"@odata.id\"").skip(1);
    let quoted = after.filter_map(|rest| rest.trim_start_matches([' ', ':', '\n', '\t']).strip_prefix('"'));
    quoted.filter_map(|rest| rest.split('"').next().map(str::to_owned))
}

/// What a walk found: resources that were read, links that lead nowhere, resources that are no JSON.
#[derive(Debug, Default)]
struct Walk {
    read: usize,
    gaps: Vec<String>,
    broken: Vec<String>,
}

/// Follows every link from the service root, several at a time.
async fn walk(bmc: &Bmc) -> Walk {
    const AT_ONCE: usize = 4;
    let mut todo = VecDeque::from(["/redfish/v1".to_owned()]);
    let (mut seen, mut walk) = (BTreeSet::new(), Walk::default());
    while !todo.is_empty() {
        let mut batch = Vec::new();
        while let Some(link) = (batch.len() < AT_ONCE).then(|| todo.pop_front()).flatten() {
            let path = link
                .split('#')
                .next()
                .unwrap_or_default()
                .trim_end_matches('/')
                .to_owned();
            if path.starts_with("/redfish/v1") && seen.insert(path.clone()) {
                batch.push(async move { (bmc.get(&path).await, path) });
            }
        }
        for (response, path) in futures_util::future::join_all(batch).await {
            match response.status().as_u16() {
                200 => {
                    todo.extend(links(&response.text().await.unwrap()));
                    walk.read += 1;
                }
                404 => walk.gaps.push(path),
                500 => {
                    assert!(response.text().await.unwrap().contains("is no JSON"), "{path}");
                    walk.broken.push(path);
                }
                status => panic!("{path} answers {status}"),
            }
        }
    }
    walk
}

#[tokio::test]
async fn every_recorded_tree_can_be_walked() {
    let Some(trees) = shared_trees() else { return };
    let dir = TempDir::new().unwrap();
    let mut archives: Vec<PathBuf> = std::fs::read_dir(&trees)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    archives.retain(|path| path.to_string_lossy().ends_with(".tar.xz"));
    archives.sort();
    assert!(archives.len() >= 14, "{archives:?}");
    let mut arguments = Vec::new();
    for archive in &archives {
        let unpacked = Command::new("tar")
            .arg("-xJf")
            .arg(archive)
            .arg("-C")
            .arg(dir.path())
            .status()
            .unwrap();
        assert!(unpacked.success(), "{}", archive.display());
        let name = archive
            .file_name()
            .unwrap()
            .to_string_lossy()
            .replace(".tar.xz", "");
        arguments.extend([
            "--tree".to_owned(),
            dir.path().join(&name).to_string_lossy().into_owned(),
        ]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let world = Raised::serve(TempDir::new().unwrap(), &arguments);
    for bmc in world.addresses["bmcs"].as_array().unwrap() {
        let name = bmc["name"].as_str().unwrap();
        assert_eq!(bmc["kind"], "tree");
        let walk = walk(&world.bmc(name)).await;
        let (gaps, broken) = (walk.gaps.len(), walk.broken.len());
        println!(
            "{name}: {} resources; recorded links that lead nowhere: {gaps}; no JSON: {broken}",
            walk.read
        );
        // The smallest recording has some sixty resources; recordings end where they were not let in.
        assert!(walk.read >= 50, "{name}: {walk:?}");
        assert!(gaps <= walk.read && broken <= 5, "{name}: {walk:?}");
    }
}

/// A tree of three resources, one of them broken.
fn small_tree(dir: &Path) {
    let root = dir.join("redfish/v1");
    let write = |path: &str, text: &str| {
        let folder = root.join(path);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("index.json"), text).unwrap();
    };
    write(
        "",
        r#"{"@odata.id":"/redfish/v1","Chassis":{"@odata.id":"/redfish/v1/Chassis"}}"#,
    );
    write(
        "Chassis/1",
        r#"{"@odata.id":"/redfish/v1/Chassis/1","@odata.etag":"\"1\"","IndicatorLED":"Off","Model":"X",
            "PowerLimitWatts":{"SetPoint":null,"AllowableMax":900}}"#,
    );
    write("Chassis/2", r#"{"@odata.id":"/redfish/v1/Chass"#);
}

#[tokio::test]
async fn lights_and_set_points_can_be_set_and_nothing_else() {
    let dir = TempDir::new().unwrap();
    let tree = dir.path().join("small");
    small_tree(&tree);
    let world = Raised::serve(TempDir::new().unwrap(), &["--tree", tree.to_str().unwrap()]);
    let bmc = world.bmc("small");
    let path = "/redfish/v1/Chassis/1";
    assert_eq!(
        bmc.patch(path, "\"0\"", json!({ "IndicatorLED": "Lit" }))
            .await
            .status(),
        412
    );
    let lit = bmc.patch(path, "\"1\"", json!({ "IndicatorLED": "Lit" })).await;
    assert_eq!(lit.status(), 200);
    let limit = json!({ "PowerLimitWatts": { "SetPoint": 700 } });
    assert_eq!(bmc.patch(path, "*", limit).await.status(), 200);
    let page = bmc.read(path).await;
    assert_eq!(page["IndicatorLED"], "Lit");
    assert_eq!(
        page["PowerLimitWatts"],
        json!({ "SetPoint": 700, "AllowableMax": 900 })
    );
    assert_ne!(page["@odata.etag"], "\"1\"");
    for wrong in [
        json!({ "Model": "Y" }),
        json!({ "PowerLimitWatts": { "AllowableMax": 1 } }),
        json!({ "New": 1 }),
    ] {
        assert_eq!(bmc.patch(path, "*", wrong).await.status(), 400);
    }
    assert_eq!(
        bmc.request(Method::DELETE, path).send().await.unwrap().status(),
        405
    );
    let login = json!({ "UserName": bmc.user, "Password": bmc.password });
    let opened = bmc.post("/redfish/v1/SessionService/Sessions", login).await;
    assert_eq!(opened.status(), 201);
    assert!(opened.headers().contains_key("x-auth-token"));
    let recorded = std::fs::read_to_string(tree.join("redfish/v1/Chassis/1/index.json")).unwrap();
    assert!(
        recorded.contains("\"IndicatorLED\":\"Off\""),
        "a recording is never written to"
    );
}

#[tokio::test]
async fn a_missing_and_a_broken_file_are_named() {
    let dir = TempDir::new().unwrap();
    let tree = dir.path().join("small");
    small_tree(&tree);
    let world = Raised::serve(TempDir::new().unwrap(), &["--tree", tree.to_str().unwrap()]);
    let bmc = world.bmc("small");
    let missing = bmc.get("/redfish/v1/Chassis").await;
    assert_eq!(missing.status(), 404);
    assert!(missing.text().await.unwrap().contains("Chassis/index.json"));
    let broken = bmc.get("/redfish/v1/Chassis/2").await;
    assert_eq!(broken.status(), 500);
    let said: Value = broken.json().await.unwrap();
    let said = said["error"]["message"].as_str().unwrap().to_owned();
    assert!(said.contains("Chassis/2/index.json"), "{said}");
    for outside in ["/redfish/v1/%2e%2e/%2e%2e/secret", "/redfish/v1/..%2f..%2fsecret"] {
        assert_eq!(bmc.get(outside).await.status(), 404, "{outside}");
    }
    let refused = command().args(["serve", "--tree", "/nowhere"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("/nowhere"));
    let empty = TempDir::new().unwrap();
    let state = TempDir::new().unwrap();
    let refused = command()
        .arg("serve")
        .arg("--tree")
        .arg(empty.path())
        .arg("--state-dir")
        .arg(state.path())
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("expected redfish/v1 in it"));
}
