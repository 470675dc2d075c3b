//! Any JSON at all in the place of a resource: never a panic, never more watts than stand in it, and the good supply always counted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions
)]

use std::path::Path;

use bmc::Bmc;
use bmc::redundancy::Redundancy;
use facts::NoData;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// The names under which the client looks for things: garbage under other names would test nothing.
const NAMES: [&str; 36] = [
    "@odata.id",
    "@odata.type",
    "Id",
    "MemberId",
    "Name",
    "Status",
    "State",
    "Health",
    "PowerCapacityWatts",
    "CapacityWatts",
    "SerialNumber",
    "Model",
    "Manufacturer",
    "InputRanges",
    "OutputWattage",
    "Metrics",
    "PowerSupplies",
    "PowerSupplyRedundancy",
    "RedundancyGroup",
    "MinNeededInGroup",
    "Redundancy",
    "RedundancySet",
    "MinNumNeeded",
    "PowerControl",
    "PowerLimit",
    "LimitException",
    "PowerConsumedWatts",
    "LastPowerOutputWatts",
    "Members",
    "Members@odata.nextLink",
    "Location",
    "PartLocation",
    "ServiceLabel",
    "HotPluggable",
    "Oem",
    "Hpe",
];

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ -~]{0,12}".prop_map(Value::from),
        Just(json!("Enabled")),
        Just(json!("3000")),
        Just(json!("/redfish/v1/Chassis/1/Power#/PowerSupplies/0")),
        Just(json!("/redfish/v1/Chassis")),
        Just(json!("/redfish/v1/../../etc/passwd")),
    ];
    leaf.prop_recursive(4, 64, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((proptest::sample::select(&NAMES), inner), 0..8).prop_map(|pairs| {
                let map: Map<String, Value> = pairs
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect();
                Value::Object(map)
            }),
        ]
    })
}

fn put(root: &Path, path: &str, value: &Value) {
    let folder = root.join(path);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("index.json"), value.to_string()).unwrap();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn a_good_supply_beside_any_json_is_counted(bad in any_json(), around in any_json(), chassis in any_json()) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let link = |path: &str| json!({"@odata.id": path});
        put(root, "Chassis", &json!({"Members": [link("/redfish/v1/Chassis/bad"), link("/redfish/v1/Chassis/1")]}));
        put(root, "Chassis/bad", &chassis);
        put(root, "Chassis/1", &json!({"Id": "1", "Power": link("/redfish/v1/Chassis/1/Power"),
            "Thermal": link("/redfish/v1/Chassis/1/Thermal")}));
        put(root, "Chassis/1/Thermal", &json!({"Temperatures": [bad], "Fans": around}));
        let good = json!({"MemberId": "good", "PowerCapacityWatts": 3000, "SerialNumber": "only-here",
            "Status": {"State": "Enabled", "Health": "OK"}});
        put(root, "Chassis/1/Power", &json!({"PowerSupplies": [good, bad], "Redundancy": around, "PowerControl": around}));
        let bmc = Bmc::open_tree(root).unwrap();
        let supplies = runtime().block_on(bmc::supplies(&bmc)).unwrap();
        let found = supplies.domains.iter().flat_map(|d| &d.supplies).find(|s| s.bay == "good").unwrap();
        prop_assert_eq!(found.rated_watts.value().unwrap().to_string(), "3000 W");
        for domain in &supplies.domains {
            let _ = Redundancy::of(domain);
        }
        prop_assert!(runtime().block_on(bmc::sensors(&bmc)).is_ok());
    }

    #[test]
    fn any_json_as_a_system_is_a_node_or_an_error(system in any_json(), root_json in any_json()) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        put(root, "", &root_json);
        put(root, "Systems", &json!({"Members": [{"@odata.id": "/redfish/v1/Systems/1"}]}));
        put(root, "Systems/1", &system);
        let bmc = Bmc::open_tree(root).unwrap();
        let _ = runtime().block_on(bmc::node(&bmc));
        let _ = runtime().block_on(bmc::supplies(&bmc));
    }
}

/// Two groups, "System" and "GPU", as recent HPE servers have them.
fn two_groups(members: [Value; 2]) -> (tempfile::TempDir, Bmc) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let link = |path: String| json!({"@odata.id": path});
    let subsystem = "/redfish/v1/Chassis/1/PowerSubsystem";
    put(
        root,
        "Chassis",
        &json!({"Members": [link("/redfish/v1/Chassis/1".to_owned())]}),
    );
    put(
        root,
        "Chassis/1",
        &json!({"Id": "1", "Manufacturer": "HPE", "PowerSubsystem": link(subsystem.to_owned())}),
    );
    let [one, two] = members;
    let group = |name: &str, members: Value| json!({"GroupName": name, "RedundancyType": "NPlusM", "MinNeededInGroup": 2, "RedundancyGroup": members});
    put(
        root,
        "Chassis/1/PowerSubsystem",
        &json!({"CapacityWatts": 8800,
        "PowerSupplies": link(format!("{subsystem}/PowerSupplies")),
        "PowerSupplyRedundancy": [group("System", one), group("GPU", two)]}),
    );
    let all: Vec<Value> = (0..4)
        .map(|bay| link(format!("{subsystem}/PowerSupplies/{bay}")))
        .collect();
    put(
        root,
        "Chassis/1/PowerSubsystem/PowerSupplies",
        &json!({"Members": all}),
    );
    for bay in 0..4 {
        let supply = json!({"Id": bay.to_string(), "PowerCapacityWatts": 2200, "SerialNumber": format!("S{bay}"),
            "Status": {"State": "Enabled", "Health": "OK"}});
        put(
            root,
            &format!("Chassis/1/PowerSubsystem/PowerSupplies/{bay}"),
            &supply,
        );
    }
    let bmc = Bmc::open_tree(root).unwrap();
    (folder, bmc)
}

#[test]
fn groups_that_name_their_members_are_domains_of_their_own() {
    let link =
        |bay: u32| json!({"@odata.id": format!("/redfish/v1/Chassis/1/PowerSubsystem/PowerSupplies/{bay}")});
    let (_folder, bmc) = two_groups([json!([link(0), link(1)]), json!([link(2), link(3)])]);
    let supplies = runtime().block_on(bmc::supplies(&bmc)).unwrap();
    let names: Vec<&str> = supplies
        .domains
        .iter()
        .map(|domain| domain.name.as_str())
        .collect();
    assert_eq!(names, ["1/System", "1/GPU"]);
    for domain in &supplies.domains {
        assert_eq!(
            Redundancy::of(domain)
                .installed_watts
                .value()
                .unwrap()
                .to_string(),
            "4400 W"
        );
        assert_eq!(
            domain.claimed[0].may_lose_most,
            Some(1),
            "two needed to stay fault tolerant"
        );
    }
}

#[test]
fn groups_of_empty_objects_are_never_summed() {
    let (_folder, bmc) = two_groups([json!([{}, {}]), json!([{}, {}])]);
    let supplies = runtime().block_on(bmc::supplies(&bmc)).unwrap();
    assert_eq!(supplies.domains.len(), 1);
    assert!(supplies.domains[0].mixed);
    assert_eq!(
        Redundancy::of(&supplies.domains[0]).installed_watts.reason(),
        Some(NoData::Garbled)
    );
    assert!(
        supplies.doubts.iter().any(|doubt| doubt.kind == "domains"),
        "{:?}",
        supplies.doubts
    );
}
