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

use super::fru::masked;
use super::words::Words;
use crate::inspect::mask::Mask;

fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte))
}

/// An inventory with a product area of these fields.
fn product(fields: &[&str]) -> Vec<u8> {
    let mut area = vec![1, 0, 25];
    for field in fields {
        area.push(0xC0 | field.len() as u8);
        area.extend_from_slice(field.as_bytes());
    }
    area.push(0xC1);
    while !(area.len() + 1).is_multiple_of(8) {
        area.push(0);
    }
    area[1] = ((area.len() + 1) / 8) as u8;
    area.push(checksum(&area));
    let mut image = vec![1, 0, 0, 0, 1, 0, 0];
    image.push(checksum(&image));
    image.extend_from_slice(&area);
    image
}

#[test]
fn an_inventory_keeps_its_model_and_loses_its_serial_number() {
    let mut words = Words::default();
    let one = masked(
        &product(&["Maker", "Model", "Part-7", "2.1", "SN-4711-0815", "asset-99"]),
        &mut words,
    );
    let two = masked(
        &product(&["Maker", "Other", "Part-8", "2.1", "SN-4711-0815", "asset-98"]),
        &mut words,
    );
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(text(&one).contains("Model") && text(&one).contains("Part-7"));
    assert!(
        text(&one).contains("MMMMMMMMMMM1") && text(&two).contains("MMMMMMMMMMM1"),
        "equal stays equal"
    );
    assert!(text(&two).contains("MMMMMMM3"), "different stays different");
    assert_eq!(checksum(&one[8..]), 0, "the area's checksum is right");
}

#[test]
fn a_wrong_checksum_stays_wrong() {
    let mut image = product(&["Maker", "Model", "Part-7", "2.1", "SN-4711-0815", "asset-99"]);
    *image.last_mut().unwrap() ^= 5;
    let before = checksum(&image[8..]);
    assert_ne!(before, 0);
    let clean = masked(&image, &mut Words::default());
    assert_ne!(clean, image);
    assert_eq!(checksum(&clean[8..]), before);
}

proptest! {
    #[test]
    fn no_serial_number_of_an_inventory_is_left(
        serial in "[A-Z]{3}[A-Z0-9]{5,20}",
        asset in "[a-z]{3}[a-z0-9]{5,20}",
        own in "[A-Z]{2}-[a-z0-9]{6,20}",
    ) {
        let image = product(&["Maker", "Model", "P", "1", &serial, &asset, "file", &own]);
        let clean = masked(&image, &mut Words::default());
        let text = String::from_utf8_lossy(&clean).into_owned();
        for secret in [&serial, &asset, &own] {
            prop_assert!(!text.contains(secret.as_str()), "{text}");
        }
        prop_assert_eq!(clean.len(), image.len());
        prop_assert_eq!(checksum(&clean[8..]), 0);
    }

    #[test]
    fn any_bytes_are_masked_without_a_fall(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let clean = masked(&bytes, &mut Words::default());
        prop_assert_eq!(clean.len(), bytes.len());
    }

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
