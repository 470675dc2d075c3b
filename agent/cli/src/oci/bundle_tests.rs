//! Bundles: what of a configuration is the grant's, and what stays the user's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;

use super::*;

const CONFIG_TEXT: &str = r#"{"ociVersion":"1.0.2","process":{"args":["/bin/sh","-c","secret"],"cwd":"/"},"root":{"path":"rootfs"},
    "mounts":[{"destination":"/data","type":"bind","source":"data","options":["rbind"]},
              {"destination":"/etc/hosts","type":"none","source":"/etc/hosts","options":["bind","ro"]},
              {"destination":"/proc","type":"proc","source":"proc"}],
    "linux":{"cgroupsPath":"/elsewhere","namespaces":[{"type":"pid"}],
             "resources":{"cpu":{"cpus":"0-3","shares":512},"memory":{"limit":8589934592},"pids":{"limit":7}}}}"#;

fn workload(exclusive: bool) -> Workload {
    let text = format!(
        r#"{{"id":"web","command":"sh","uid":0,"pid":7,"cpus":"2-3","numa_nodes":"1","exclusive":{exclusive},"memory_bytes":1048576,
            "since":"2026-11-22T03:29:21.041Z","cgroups":[],"exclusivity":"partition","steps":[]}}"#
    );
    serde_json::from_str(&text).unwrap()
}

fn bundle(text: &str) -> Result<Bundle, BundleError> {
    Bundle::parse(PathBuf::from("/bundles/web"), text.as_bytes())
}

#[test]
fn the_copy_has_the_grant_and_the_rest_stays_the_users() {
    let bundle = bundle(CONFIG_TEXT).unwrap();
    assert_eq!(bundle.command(), "/bin/sh");
    let granted = bundle.granted(&workload(true), "/busbar/web/container");
    let mut expected: Value = serde_json::from_str(CONFIG_TEXT).unwrap();
    expected["root"]["path"] = json!("/bundles/web/rootfs");
    expected["mounts"][0]["source"] = json!("/bundles/web/data");
    expected["linux"]["cgroupsPath"] = json!("/busbar/web/container");
    expected["linux"]["resources"] =
        json!({"cpu":{"cpus":"2-3","mems":"1","shares":512},"memory":{"limit":1048576},"pids":{"limit":7}});
    assert_eq!(granted.config, expected);
    let told = granted.changed.join("\n");
    for part in [
        "/elsewhere",
        "cpu.cpus is 2-3 and not 0-3",
        "memory.limit is 1048576",
    ] {
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn who_shares_its_cpus_names_none_and_a_smaller_memory_limit_stays() {
    let small = CONFIG_TEXT.replace("8589934592", "4096");
    let granted = bundle(&small).unwrap().granted(&workload(false), "c");
    let resources = &granted.config["linux"]["resources"];
    assert_eq!(resources["cpu"], json!({"shares":512}));
    assert_eq!(resources["memory"]["limit"], json!(4096));
}

#[test]
fn a_bundle_without_resources_gets_them() {
    let bare = r#"{"ociVersion":"1.1.0","process":{"args":["a"]},"root":{"path":"/r"},"linux":{}}"#;
    let granted = bundle(bare).unwrap().granted(&workload(true), "c");
    assert_eq!(
        granted.config["linux"]["resources"]["cpu"],
        json!({"cpus":"2-3","mems":"1"})
    );
    assert_eq!(
        (granted.config["root"]["path"].as_str(), granted.changed.len()),
        (Some("/r"), 0)
    );
}

#[test]
fn what_is_no_bundle_is_told_with_file_and_key() {
    for (from, to, says) in [
        ("\"1.0.2\"", "\"2.0\"", "ociVersion is \"2.0\""),
        ("[\"/bin/sh\",\"-c\",\"secret\"]", "[]", "process.args is []"),
        ("\"rootfs\"", "7", "root.path is 7"),
        ("\"linux\"", "\"windows\"", "linux is not there"),
        ("{\"cpu\":", "[{\"cpu\":", "is no JSON"),
        (
            "\"mounts\":[",
            "\"mounts\":1,\"x\":[",
            "mounts is 1; expected a list",
        ),
    ] {
        let text = CONFIG_TEXT.replacen(from, to, 1);
        assert_ne!(text, CONFIG_TEXT);
        let error = bundle(&text).unwrap_err().to_string();
        assert!(
            error.contains("/bundles/web/config.json") && error.contains(says),
            "{error}"
        );
    }
    let dir = tempfile::tempdir().unwrap();
    assert!(
        Bundle::read(dir.path())
            .unwrap_err()
            .to_string()
            .contains("crun spec")
    );
    std::fs::write(dir.path().join(CONFIG), CONFIG_TEXT).unwrap();
    assert!(
        Bundle::read(dir.path())
            .unwrap_err()
            .to_string()
            .contains("rootfs")
    );
    std::fs::create_dir(dir.path().join("rootfs")).unwrap();
    Bundle::read(dir.path()).unwrap();
}

proptest! {
    #[test]
    fn any_text_is_a_bundle_or_an_error(text in "\\PC{0,200}") {
        let _ = bundle(&text);
    }

    #[test]
    fn any_resources_take_the_grant(resources in "[\\[\\]{}:,\"a-z0-9]{0,40}") {
        let text = CONFIG_TEXT.replace("{\"cpu\":{\"cpus\":\"0-3\",\"shares\":512}", &format!("{{\"cpu\":{resources}"));
        if let Ok(bundle) = bundle(&text) {
            let granted = bundle.granted(&workload(true), "c");
            prop_assert_eq!(&granted.config["linux"]["resources"]["cpu"]["cpus"], &json!("2-3"));
        }
    }
}
