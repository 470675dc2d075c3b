//! Specification files for containers, and parts of a GPU (MIG) that are told apart by capabilities.

use std::path::Path;

use intent::{DeviceKind, DeviceWish, Intent, Isolation};
use isolators::rule::{Access, Kind};
use isolators::{Phase, Step, plan};
use serde_json::{Value, json};

use super::tree::{Tree, isolation};

const DIR: &str = "/var/run/cdi";
const WEB: &str = "/var/run/cdi/busbar-web.json";

/// Two GPUs, the second of which is cut in two.
fn tree() -> Tree {
    let tree = Tree::v2();
    tree.write(
        "/proc/devices",
        "Character devices:\n  1 mem\n195 nvidia\n226 drm\n234 nvidia-caps\n\nBlock devices:\n  8 sd\n",
    );
    for (gpu, bus) in [(0, "18"), (1, "2a")] {
        tree.write(
            &format!("/proc/driver/nvidia/gpus/0000:{bus}:00.0/information"),
            &format!("Model: \t\t NVIDIA H100\nDevice Minor: \t {gpu}\n"),
        );
    }
    for (place, minor) in [("gi3", 30), ("gi3/ci0", 31), ("gi9", 84), ("gi9/ci0", 85)] {
        tree.write(
            &format!("/proc/driver/nvidia/capabilities/gpu1/mig/{place}/access"),
            &format!("DeviceFileMinor: {minor}\nDeviceFileMode: 292\nDeviceFileModify: 1\n"),
        );
    }
    for file in ["nvidiactl", "nvidia-uvm"] {
        tree.write(&format!("/dev/{file}"), "");
    }
    tree
}

fn part(instance: u32) -> DeviceWish {
    DeviceWish {
        kind: DeviceKind::Mig,
        device: Some(format!("gpu1/mig/gi{instance}/ci0")),
        uuid: Some(format!("MIG-{instance}")),
        pci: Some("0000:2a:00.0".parse().unwrap()),
    }
}

fn whole() -> DeviceWish {
    DeviceWish {
        kind: DeviceKind::Gpu,
        device: Some("nvidia0".to_owned()),
        uuid: Some("GPU-0".to_owned()),
        pci: Some("0000:18:00.0".parse().unwrap()),
    }
}

fn holding(name: &str, devices: Vec<DeviceWish>) -> Isolation {
    Isolation {
        devices: Some(devices),
        ..isolation(name, "2-3", false)
    }
}

fn spec(tree: &Tree, file: &str) -> Value {
    serde_json::from_str(&tree.read(file)).unwrap()
}

fn converge(tree: &Tree, intent: &Intent) -> Vec<(Phase, Step)> {
    let layout = tree.layout().specifying_in(DIR);
    let mut all = Vec::new();
    for _ in 0..4 {
        let steps = plan(&layout, &tree.host, intent).unwrap();
        tree.act(intent::Actuator::Cpu, &steps);
        all.extend(steps);
    }
    assert!(plan(&layout, &tree.host, intent).unwrap().is_empty());
    all
}

#[test]
fn a_specification_is_there_as_long_as_its_workload() {
    let tree = tree();
    tree.write("/var/run/cdi/nvidia.yaml", "cdiVersion: 0.5.0\n");
    tree.write(
        "/var/run/cdi/busbar-other.json",
        "{\"kind\":\"nvidia.com/gpu\"}\n",
    );
    let one = Intent::default()
        .with(holding("web", vec![whole()]))
        .with(isolation("plain", "2-3", false));
    converge(&tree, &one);
    let said = spec(&tree, WEB);
    assert_eq!(
        (&said["cdiVersion"], &said["kind"]),
        (&json!("0.3.0"), &json!("busbar/workload"))
    );
    fits_the_schema(&said);
    assert_eq!(said["devices"][0]["name"], "web");
    let edits = &said["devices"][0]["containerEdits"];
    let nodes: Vec<&str> = edits["deviceNodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["path"].as_str().unwrap())
        .collect();
    assert_eq!(nodes, ["/dev/nvidia-uvm", "/dev/nvidia0", "/dev/nvidiactl"]);
    assert_eq!(edits["env"][0], "BUSBAR_GPUS=GPU-0");
    assert!(!tree.host.has(Path::new("/var/run/cdi/busbar-plain.json")));
    // Somebody wrote over it: put right, in one step.
    tree.write(WEB, "{\"kind\":\"busbar/workload\"}");
    assert_eq!(converge(&tree, &one).len(), 1);
    converge(&tree, &Intent::default());
    let left = tree.host.entries(Path::new(DIR)).unwrap();
    assert_eq!(
        left,
        ["busbar-other.json", "nvidia.yaml"],
        "what others placed stays"
    );
    let taken = Intent::default().with(holding("other", vec![whole()]));
    let said = plan(&tree.layout().specifying_in(DIR), &tree.host, &taken).unwrap_err();
    assert!(
        said.to_string().contains("somebody else has one of that name"),
        "{said}"
    );
    assert!(
        !tree
            .plan(&taken)
            .iter()
            .any(|(_, step)| matches!(step, Step::PlaceFile { .. })),
        "no directory, no file"
    );
}

/// The rules by which runtimes take a specification or refuse it: `schema/schema.json` and `defs.json` of CDI 0.3, and the grammar of
/// names in its `pkg/cdi/qualified-device.go`.
fn fits_the_schema(said: &Value) {
    let keys = |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(keys(said), ["cdiVersion", "devices", "kind"]);
    let letter = |text: &str| text.starts_with(|c: char| c.is_ascii_alphabetic());
    let inner = |text: &str, others: &str| {
        text.chars()
            .all(|c| c.is_ascii_alphanumeric() || others.contains(c))
            && text.ends_with(|c: char| c.is_ascii_alphanumeric())
    };
    let (vendor, class) = said["kind"].as_str().unwrap().split_once('/').unwrap();
    assert!(letter(vendor) && inner(vendor, "_-."), "{vendor}");
    assert!(letter(class) && inner(class, "_-"), "{class}");
    for device in said["devices"].as_array().unwrap() {
        assert_eq!(keys(device), ["containerEdits", "name"]);
        let name = device["name"].as_str().unwrap();
        let needs = if letter(name) { "0.3.0" } else { "0.5.0" };
        assert_eq!(
            (inner(name, "_-.:"), &said["cdiVersion"]),
            (true, &json!(needs)),
            "{name}"
        );
        let edits = &device["containerEdits"];
        assert_eq!(keys(edits), ["deviceNodes", "env"]);
        for node in edits["deviceNodes"].as_array().unwrap() {
            assert_eq!(
                keys(node),
                ["path", "permissions"],
                "hostPath would be a word of 0.5.0"
            );
            assert!(node["path"].as_str().unwrap().starts_with("/dev/"));
            assert!(
                node["permissions"]
                    .as_str()
                    .unwrap()
                    .chars()
                    .all(|c| "rwm".contains(c))
            );
        }
        assert!(
            edits["env"]
                .as_array()
                .unwrap()
                .iter()
                .all(|word| word.as_str().unwrap().contains('='))
        );
    }
}

#[test]
fn only_device_files_that_are_there_are_named() {
    let tree = tree();
    let drm = "/sys/bus/pci/devices/0000:18:00.0/drm";
    // sysfs has the third one for old programs; /dev has none of that name.
    for (name, number) in [
        ("card1", "226:1"),
        ("renderD129", "226:129"),
        ("controlD65", "226:1"),
    ] {
        tree.write(&format!("{drm}/{name}/dev"), &format!("{number}\n"));
    }
    converge(&tree, &Intent::default().with(holding("web", vec![whole()])));
    let said = spec(&tree, WEB).to_string();
    assert!(
        said.contains("/dev/dri/card1") && said.contains("/dev/dri/renderD129"),
        "{said}"
    );
    assert!(!said.contains("control"), "{said}");
}

#[test]
fn a_name_that_begins_with_a_digit_needs_the_version_that_allows_it() {
    for name in ["7zip", "0", "a-1"] {
        let tree = tree();
        converge(&tree, &Intent::default().with(holding(name, vec![whole()])));
        fits_the_schema(&spec(&tree, &format!("{DIR}/busbar-{name}.json")));
    }
}

#[test]
fn a_part_of_a_gpu_is_its_holders_and_no_other_part_is() {
    let tree = tree();
    let both = Intent::default()
        .with(holding("one", vec![part(3)]))
        .with(holding("two", vec![part(9)]))
        .with(isolation("plain", "2-3", false));
    let steps = converge(&tree, &both);
    let allowed = |name: &str, major: u32, minor: u32| {
        let rules = steps.iter().find_map(|(_, step)| match step {
            Step::AllowDevices { dir, rules, .. } if dir.ends_with(name) => Some(rules),
            _ => None,
        });
        let first = rules
            .unwrap()
            .iter()
            .find(|rule| rule.fits(Kind::Char, major, minor));
        first.is_none_or(|rule| rule.access == Access::Allow)
    };
    for (minor, one, two) in [
        (30, true, false),
        (31, true, false),
        (84, false, true),
        (85, false, true),
        (1, false, false),
    ] {
        assert_eq!(
            (allowed("one", 234, minor), allowed("two", 234, minor)),
            (one, two),
            "nvidia-cap{minor}"
        );
    }
    assert!(
        allowed("one", 195, 1) && allowed("two", 195, 1),
        "the whole's own device is opened by both"
    );
    assert!(!allowed("one", 195, 0) && allowed("one", 195, 255));
    assert!(!allowed("plain", 234, 30) && !allowed("plain", 195, 1) && allowed("plain", 195, 0));
    let said = spec(&tree, "/var/run/cdi/busbar-one.json").to_string();
    assert!(
        said.contains("/dev/nvidia-caps/nvidia-cap30") && !said.contains("nvidia-cap84"),
        "{said}"
    );
}

#[test]
fn parts_that_the_driver_does_not_tell_apart_are_refused() {
    let tree = tree();
    let refused = |device: Option<&str>| {
        let wish = DeviceWish {
            device: device.map(str::to_owned),
            ..part(3)
        };
        tree.refusal(holding("web", vec![wish])).to_string()
    };
    for bad in [
        None,
        Some("nvidia1"),
        Some("gpu1/mig/gi3/ci0/.."),
        Some("gpu1/../gi3/ci0"),
        Some(""),
    ] {
        assert!(refused(bad).contains("expected gpu0/mig/gi3/ci0"), "{bad:?}");
    }
    assert!(refused(Some("gpu1/mig/gi4/ci0")).contains("capabilities/gpu1/mig/gi4/access"));
    tree.write("/proc/devices", "Character devices:\n195 nvidia\n");
    assert!(refused(Some("gpu1/mig/gi3/ci0")).contains("nvidia-caps"));
}
