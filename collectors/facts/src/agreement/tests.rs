//! What agrees, what only looks different, and what cannot all be true.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::inventory::{Machine, Memory};
use crate::local_bmc::{FruIdentity, LocalBmc, RedfishSystem};

const UUID: &str = "4c4c4544-0051-3510-8052-b4c04f4d3732";
const SWAPPED: &str = "44454C4C-5100-1035-8052-B4C04F4D3732";
const BACKWARDS: &str = "32374d4f-c0b4-5280-1035-510044454c4c";

fn with(system: RedfishSystem, serials: [Option<&str>; 3]) -> Inventory {
    let [product, chassis, board] = serials.map(|serial| serial.map(str::to_owned));
    let mut node = FruIdentity {
        chassis_serial: chassis,
        ..FruIdentity::default()
    };
    (node.product.serial, node.board.serial) = (product, board);
    Inventory {
        machine: Machine {
            uuid: Some(UUID.to_owned()),
            serial: Some("7Q5R472".to_owned()),
            ..Machine::default()
        },
        memory: Some(Memory {
            total_bytes: Bytes::new(250 << 30),
            ..Memory::default()
        }),
        bmc: Some(LocalBmc {
            inventories: vec![node],
            redfish: Some(system),
            ..LocalBmc::default()
        }),
        ..Inventory::default()
    }
}

#[test]
fn one_uuid_in_three_orders_is_no_doubt() {
    for other in [UUID, SWAPPED, BACKWARDS, &UUID.replace('-', "")] {
        assert!(is_same_uuid(UUID, other) && is_same_uuid(other, UUID), "{other}");
    }
    assert!(!is_same_uuid(UUID, "4c4c4544-0051-3510-8052-b4c04f4d3733"));
    assert!(!is_same_uuid(
        "00000000-0000-0000-0000-000000000000",
        "00000000-0000-0000-0000-000000000000"
    ));
    assert!(!is_same_uuid("", "") && !is_same_uuid("junk", "junk"));
}

#[test]
fn what_agrees_is_silent_and_fillers_say_nothing() {
    let system = RedfishSystem {
        uuid: Some(SWAPPED.to_owned()),
        serial: Some("7q5r472".to_owned()),
        packages: Some(0),
        memory_bytes: Some(Bytes::new(256 << 30)),
        ..RedfishSystem::default()
    };
    let whole = with(
        system,
        [Some("To be filled by O.E.M."), Some("7Q5R472"), Some("CN-1")],
    );
    assert_eq!(doubts(&whole), []);
    let nothing = RedfishSystem {
        uuid: Some("00000000-0000-0000-0000-000000000000".to_owned()),
        serial: Some("Not Specified".to_owned()),
        ..RedfishSystem::default()
    };
    assert_eq!(doubts(&with(nothing, [None; 3])), []);
}

#[test]
fn what_disagrees_is_told_with_both_values() {
    let system = RedfishSystem {
        uuid: Some("4c4c4544-0051-3510-8052-b4c04f4d3733".to_owned()),
        serial: Some("OTHER".to_owned()),
        cpus: Some(128),
        memory_bytes: Some(Bytes::new(512 << 30)),
        ..RedfishSystem::default()
    };
    let mut whole = with(system, [Some("SPARE-BOARD"), None, None]);
    whole.offline_cpus = "0-63".parse().unwrap();
    let found = doubts(&whole);
    let told: Vec<&str> = found.iter().map(|doubt| doubt.message.as_str()).collect();
    assert_eq!(
        told,
        [
            "the UUID is 4c4c4544-0051-3510-8052-b4c04f4d3732 by SMBIOS and 4c4c4544-0051-3510-8052-b4c04f4d3733 by Redfish",
            "the serial number is 7Q5R472 by SMBIOS and OTHER by Redfish",
            "the serial number is 7Q5R472 by SMBIOS and SPARE-BOARD by the FRU inventory",
            "the node sees 64 CPUs and Redfish says 128",
            "the node sees 250 GiB of memory and Redfish says 512 GiB",
        ]
    );
}

proptest! {
    #[test]
    fn any_texts_are_compared_alike_in_both_orders(one in ".{0,40}", other in "[0-9a-fA-F-]{30,38}") {
        prop_assert_eq!(is_same_uuid(&one, &other), is_same_uuid(&other, &one));
    }

    #[test]
    fn any_uuid_is_itself(bytes in any::<[u8; 16]>().prop_filter("empty", |bytes| bytes.iter().any(|b| *b != 0 && *b != 0xFF))) {
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        prop_assert!(is_filler_uuid(&text) || is_same_uuid(&text, &text));
    }
}

#[test]
fn memory_that_is_installed_and_not_seen_is_a_doubt() {
    use crate::memory_module::MemoryModule;
    let with = |gibibytes: &[Option<u64>], is_persistent: bool, seen: Bytes| {
        let module = |size: &Option<u64>| MemoryModule {
            size_bytes: size.map(|size| Bytes::new(size << 30)),
            is_persistent,
            ..MemoryModule::default()
        };
        let whole = Inventory {
            memory_modules: gibibytes.iter().map(module).collect(),
            memory: Some(Memory {
                total_bytes: seen,
                ..Memory::default()
            }),
            ..Inventory::default()
        };
        doubts(&whole)
    };
    let gib = |size: u64| Bytes::new(size << 30);
    let told = with(&[Some(16); 4], false, gib(47));
    assert_eq!(told.len(), 1, "a module was mapped out");
    let told = told.first().unwrap();
    assert_eq!(
        (told.code.as_str(), told.about.as_str()),
        ("memory_installed", "machine")
    );
    assert!(
        told.message.contains("4 modules of 64 GiB") && told.message.contains("47 GiB"),
        "{}",
        told.message
    );
    assert_eq!(
        with(&[Some(16)], false, gib(64)).len(),
        1,
        "more than there can be"
    );
    for (sizes, is_persistent, seen) in [
        (&[Some(16); 4][..], false, gib(62)),
        (&[Some(1)], false, Bytes::new(600 << 20)),
        (&[Some(16), None], false, gib(8)),
        (&[Some(128)], true, gib(8)),
        (&[], false, gib(8)),
    ] {
        assert_eq!(with(sizes, is_persistent, seen), [], "{sizes:?}");
    }
}
