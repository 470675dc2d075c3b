//! What `busbar-agent facts` says of none, one and many GPUs, and of those that are lost, cut, secretive or too new.

use serde_json::{Value, json};

use crate::stand::{Stand, world};

/// The GPUs that NVML named; the machine that runs this may have others.
fn named(facts: &Value) -> Vec<&Value> {
    let gpus = facts["gpus"].as_array().unwrap().iter();
    gpus.filter(|gpu| gpu["uuid"].as_str().is_some_and(|uuid| uuid.starts_with("GPU-")))
        .collect()
}

fn source<'a>(facts: &'a Value, name: &str) -> &'a Value {
    let sources = facts["sources"].as_array().unwrap();
    sources
        .iter()
        .find(|source| source["name"] == name)
        .unwrap_or(&Value::Null)
}

#[test]
fn without_a_library_the_source_is_absent_and_nothing_else_suffers() {
    let Some(stand) = Stand::bare() else { return };
    let facts = stand.facts();
    let nvml = source(&facts, "nvml");
    if nvml["reason"] != "absent" {
        println!("skipped: this machine has an NVIDIA library of its own: {nvml}");
        return;
    }
    assert_eq!(nvml["state"], "down");
    let message = nvml["message"].as_str().unwrap();
    assert!(message.contains("libnvidia-ml.so.1"), "{message}");
    assert_eq!(source(&facts, "cpu")["state"], "ok");
}

#[test]
fn a_library_without_a_driver_is_off_and_one_that_is_no_library_is_garbled() {
    let Some(stand) =
        Stand::with("driver_version = \"1\"\nfaults = { nvmlInit_v2 = \"driver_not_loaded\" }\n")
    else {
        return;
    };
    let facts = stand.facts();
    assert_eq!(source(&facts, "nvml")["reason"], "off", "{facts}");
    let stand = Stand::bare().unwrap();
    std::fs::write(stand.path("libnvidia-ml.so.1"), "no library at all").unwrap();
    let facts = stand.facts();
    assert_eq!(
        source(&facts, "nvml")["reason"],
        "garbled",
        "{}",
        source(&facts, "nvml")
    );
}

#[test]
fn none_one_and_eight_gpus() {
    for count in [0, 1, 8] {
        let Some(stand) = Stand::with(&world(count, (9, ""))) else {
            return;
        };
        let facts = stand.facts();
        assert_eq!(source(&facts, "nvml")["state"], "ok");
        let gpus = named(&facts);
        assert_eq!(gpus.len(), count);
        for (index, gpu) in gpus.into_iter().enumerate() {
            assert_eq!(gpu["pci"], json!(format!("0000:{:02x}:00.0", 0x18 + index)));
            assert_eq!(gpu["numa_node"], json!(index * 2 / count));
        }
    }
}

#[test]
fn one_gpu_with_all_that_it_tells() {
    let Some(stand) = Stand::with(&world(1, (9, ""))) else {
        return;
    };
    let facts = stand.facts();
    let gpu = named(&facts)[0];
    for (key, value) in [
        ("maker", json!("NVIDIA")),
        ("model", json!("NVIDIA H100 80GB HBM3")),
        ("serial", json!("1650522003870")),
        ("uuid", json!("GPU-0")),
        ("pci_id", json!("10de:2330")),
        ("device", json!("nvidia0")),
        ("memory_bytes", json!(85_520_809_984_u64)),
    ] {
        assert_eq!(gpu[key], value, "{key}");
    }
    let seen = &gpu["readings"];
    for (key, value) in [
        ("driver", json!("550.90.07")),
        ("vbios", json!("96.00.74.00.01")),
        ("memory_used_bytes", json!(1_048_576)),
        ("memory_free_bytes", json!(84_889_567_232_u64)),
        ("sm_percent", json!(73)),
        ("decoder_percent", json!({"no_data": "unsupported"})),
        ("memory_megahertz", json!(2619)),
        ("energy_microjoules", json!(1_234_567_890_000_u64)),
        ("slowdown_celsius", json!(90)),
        ("ecc_corrected", json!(12)),
        ("memory_temperature_celsius", json!(61)),
        ("remapped_corrected", json!(2)),
        ("remap_pending", json!(true)),
        ("remap_failed", json!({"no_data": "unsupported"})),
        ("ecc_uncorrected", json!(1)),
        ("throttled_by", json!(["sw_power_cap", "sw_thermal_slowdown"])),
        ("pcie_sent_bytes_per_second", json!(1_200_000)),
        ("pcie_received_bytes_per_second", json!(3_400_000)),
        ("mig_enabled", json!(false)),
        ("mig_devices", json!([])),
    ] {
        assert_eq!(seen[key], value, "{key}");
    }
    for (key, watts) in [
        ("power_watts", 412.5),
        ("enforced_limit_watts", 650.0),
        ("least_limit_watts", 200.0),
    ] {
        assert_eq!(seen[key].as_f64(), Some(watts), "{key}");
    }
    let power = &seen["throttled"][0];
    assert_eq!(power, &json!({"reason": "power", "nanoseconds": 1_500_000_000}));
}

#[test]
fn a_lost_gpu_costs_itself_and_no_other() {
    let Some(stand) = Stand::with(&world(8, (3, "lost = true"))) else {
        return;
    };
    let facts = stand.facts();
    assert_eq!(named(&facts).len(), 7);
    assert_eq!(source(&facts, "nvml")["state"], "ok");
    let lost = source(&facts, "nvml/3");
    assert_eq!(lost["reason"], "absent", "{lost}");
    assert!(
        lost["message"].as_str().unwrap().contains("fell off the bus"),
        "{lost}"
    );
}

#[test]
fn what_one_call_refuses_costs_one_value() {
    let faults =
        r#"faults = { nvmlDeviceGetSerial = "no_permission", nvmlDeviceGetPowerUsage = "no_permission",
        nvmlDeviceGetTemperature = "unknown" }"#
            .replace('\n', "");
    let Some(stand) = Stand::with(&world(2, (0, &faults))) else {
        return;
    };
    let facts = stand.facts();
    let gpus = named(&facts);
    assert_eq!(gpus[0]["serial"], Value::Null);
    assert_eq!(gpus[0]["readings"]["power_watts"], json!({"no_data": "refused"}));
    assert_eq!(
        gpus[0]["readings"]["temperature_celsius"],
        json!({"no_data": "garbled"})
    );
    assert_eq!(gpus[0]["readings"]["sm_percent"], json!(73));
    assert_eq!(gpus[1]["readings"]["temperature_celsius"], json!(54));
}

#[test]
fn a_library_that_is_too_old_for_a_symbol_lacks_that_value() {
    let missing = [
        "nvmlDeviceGetTotalEnergyConsumption",
        "nvmlDeviceGetNumaNodeId",
        "nvmlDeviceGetMigMode",
    ];
    let Some(stand) = Stand::older(&world(1, (9, "")), &missing) else {
        return;
    };
    let facts = stand.facts();
    let gpu = named(&facts)[0];
    assert_eq!(gpu["numa_node"], Value::Null);
    assert_eq!(
        gpu["readings"]["energy_microjoules"],
        json!({"no_data": "unsupported"})
    );
    assert_eq!(gpu["readings"]["mig_enabled"], json!({"no_data": "unsupported"}));
    assert_eq!(gpu["readings"]["sm_percent"], json!(73));
}

#[test]
fn numbers_that_cannot_be_true_are_dropped() {
    let text = world(1, (9, ""))
        .replace("gpu = 73", "gpu = 4294967295")
        .replace("temperature_celsius = 54", "temperature_celsius = 4294967295")
        .replace("power_milliwatts = 412500", "power_milliwatts = 4294967295")
        .replace("used = 1048576", "used = 9223372036854775789")
        .replace("corrected = 12", "corrected = 9223372036854775790")
        .replace("82 = 61, 142 = 2", "82 = 4294967295, 142 = 9223372036854775789")
        .replace(
            "energy_millijoules = 1234567890",
            "energy_millijoules = 9223372036854775789",
        );
    let Some(stand) = Stand::with(&text) else { return };
    let facts = stand.facts();
    let seen = &named(&facts)[0]["readings"];
    for key in [
        "sm_percent",
        "temperature_celsius",
        "power_watts",
        "memory_used_bytes",
        "energy_microjoules",
        "memory_temperature_celsius",
        "remapped_corrected",
        "ecc_corrected",
    ] {
        assert_eq!(seen[key], json!({"no_data": "garbled"}), "{key}");
    }
    assert_eq!(seen["memory_percent"], json!(29));
}

#[test]
fn links_say_where_they_lead_what_they_carried_and_what_went_wrong() {
    let links = r#"nvlinks = [
  { active = true, version = 6, remote = "0000:05:00.0", kibibytes = [2048, 9223372036854775789], errors = [1, 2, 3, 4] },
  { active = false },
  { active = true, errors = [5, 0, 0, 0] },
]"#;
    let Some(stand) = Stand::with(&world(2, (0, links))) else {
        return;
    };
    let facts = stand.facts();
    let gpus = named(&facts);
    assert_eq!(gpus[1]["readings"]["nvlinks"], json!([]), "a GPU without any");
    let links = gpus[0]["readings"]["nvlinks"].as_array().unwrap();
    let [first, idle, old] = links.as_slice() else {
        panic!("{links:?}")
    };
    for (key, value) in [
        ("link", json!(0)),
        ("active", json!(true)),
        ("version", json!(6)),
        ("remote_pci", json!("0000:05:00.0")),
        ("sent_bytes", json!(2_097_152)),
        ("received_bytes", json!({"no_data": "garbled"})),
        ("replays", json!(1)),
        ("recoveries", json!(2)),
        ("crc_flit_errors", json!(3)),
        ("crc_data_errors", json!(4)),
    ] {
        assert_eq!(first[key], value, "{key}");
    }
    assert_eq!(idle["active"], json!(false));
    assert_eq!(idle["version"], Value::Null);
    assert_eq!(old["sent_bytes"], json!({"no_data": "unsupported"}));
    assert_eq!(old["replays"], json!(5), "counted behind a call of their own");
}

#[test]
fn a_gpu_that_is_cut_names_its_parts() {
    let parts = r#"mig_devices = [
  { name = "NVIDIA H100 80GB HBM3 MIG 1g.10gb", uuid = "MIG-a", memory = { total = 10200547328, reserved = 0, used = 13631488 }, instances = [9, 0] },
  { name = "NVIDIA H100 80GB HBM3 MIG 3g.40gb", uuid = "MIG-b", memory = { total = 42144366592, reserved = 0, used = 0 } },
]"#;
    let text = world(1, (0, parts))
        .replace("mig = false", "mig = true")
        .replace("utilization = { gpu = 73, memory = 29 }", "");
    let Some(stand) = Stand::with(&text) else { return };
    let facts = stand.facts();
    let seen = &named(&facts)[0]["readings"];
    assert_eq!(
        seen["sm_percent"],
        json!({"no_data": "unsupported"}),
        "a cut GPU has no such rate"
    );
    assert_eq!(seen["mig_enabled"], json!(true));
    let parts = seen["mig_devices"].as_array().unwrap();
    assert_eq!(parts.len(), 2, "{parts:?}");
    assert_eq!(parts[0]["uuid"], "MIG-a");
    assert_eq!(parts[0]["memory_used_bytes"], json!(13_631_488));
    assert_eq!(
        (&parts[0]["gpu_instance"], &parts[0]["compute_instance"]),
        (&json!(9), &json!(0))
    );
    assert!(parts[1].get("gpu_instance").is_none(), "not told is not zero");
    assert_eq!(parts[1]["name"], "NVIDIA H100 80GB HBM3 MIG 3g.40gb");
}

#[test]
fn a_call_that_hangs_is_waited_for_no_longer_than_thirty_seconds() {
    let Some(stand) = Stand::with(&world(1, (0, "faults = { nvmlDeviceGetPowerUsage = \"hang\" }"))) else {
        return;
    };
    let facts = stand.facts();
    let nvml = source(&facts, "nvml");
    assert_eq!(nvml["reason"], "timeout", "{nvml}");
    assert!(named(&facts).is_empty());
    assert_eq!(source(&facts, "cpu")["state"], "ok");
}
