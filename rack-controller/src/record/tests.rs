//! Recordings hold nothing that names a machine or a part, whatever the source, and read as before.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::indexing_slicing
)]

use proptest::prelude::*;
use serde_json::json;

use crate::inspect::mask::Mask;

proptest! {
    #[test]
    fn no_secret_of_a_tree_is_left_and_equal_stays_equal(
        serial in "[A-Z]{3}[A-Z0-9]{5,12}",
        host in "[a-z]{4,8}-[0-9]{2,3}",
        mac in proptest::collection::vec(16_u8..250, 6),
        address in proptest::collection::vec(11_u8..250, 4),
        note in "[a-z ]{0,12}",
    ) {
        let mac = mac.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":");
        let address = address.iter().map(u8::to_string).collect::<Vec<_>>().join(".");
        prop_assume!(!address.starts_with("192.0.2.") && !address.starts_with("127."));
        let one = json!({"SerialNumber": serial, "HostName": host, "MACAddress": mac, "Id": "1"});
        let two = json!({"Name": format!("{note} {serial} of {host}"), "Peer": {"Text": format!("{mac} {address}")},
            "Links": [{"@odata.id": format!("/redfish/v1/Chassis/{serial}")}]});
        let mask = Mask::of([&one, &two]);
        let (one, two) = (mask.value(&one), mask.value(&two));
        let all = format!("{one}{two}").to_lowercase();
        for secret in [&serial, &host, &mac, &address] {
            prop_assert!(!all.contains(&secret.to_lowercase()), "{secret}: {all}");
        }
        let word = one["SerialNumber"].as_str().unwrap();
        let link = two["Links"][0]["@odata.id"].as_str().unwrap();
        prop_assert!(link.ends_with(word), "{link} {word}");
    }
}
