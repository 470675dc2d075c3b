//! Serial numbers, UUIDs, addresses and names replaced in a recording: the same secret by the same word everywhere, paths included.

use std::collections::BTreeSet;

use facts::filler::is_filler;
use facts::mask::{self, Secret, shape};
use serde_json::{Map, Value};

/// DMTF and vendor properties whose text names one machine, part, place or person; in lower case.
const SECRET_KEYS: [&str; 27] = [
    "serialnumber",
    "boardserialnumber",
    "chassisserialnumber",
    "uuid",
    "systemuuid",
    "guid",
    "nodeguid",
    "macaddress",
    "permanentmacaddress",
    "hostname",
    "fqdn",
    "domainname",
    "assettag",
    "servicetag",
    "chassisservicetag",
    "nodeid",
    "sku",
    "username",
    "email",
    "street",
    "postalcode",
    "building",
    "room",
    "wwn",
    "wwpn",
    "durablename",
    "address",
];
/// Which words stand for which secrets.
#[derive(Debug, Default)]
pub(crate) struct Mask {
    words: mask::Mask,
}

impl Mask {
    /// Learns all secrets of all resources first: one resource may name another's serial number in a text.
    pub(crate) fn of<'a>(resources: impl IntoIterator<Item = &'a Value>) -> Mask {
        let mut secrets: BTreeSet<Secret> = BTreeSet::new();
        for resource in resources {
            learn(resource, None, &mut secrets);
        }
        Mask {
            words: mask::Mask::of(secrets),
        }
    }

    /// A text without secrets.
    pub(crate) fn text(&self, text: &str) -> String {
        self.words.text(text)
    }

    /// A resource without secrets.
    pub(crate) fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(members) => Value::Array(members.iter().map(|member| self.value(member)).collect()),
            Value::Object(map) => {
                let clean: Map<String, Value> = map
                    .iter()
                    .map(|(key, value)| (self.text(key), self.of_key(key, value)))
                    .collect();
                Value::Object(clean)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    fn of_key(&self, key: &str, value: &Value) -> Value {
        // A place on the globe, and a serial number that was written as a number.
        let number = value.is_number();
        match number && (is_secret(key) || matches!(key, "Longitude" | "Latitude" | "AltitudeMeters")) {
            true => Value::from(0),
            false => self.value(value),
        }
    }
}

fn is_secret(key: &str) -> bool {
    SECRET_KEYS.contains(&key.to_ascii_lowercase().as_str())
}

fn learn(value: &Value, key: Option<&str>, secrets: &mut BTreeSet<Secret>) {
    match value {
        Value::String(text) => {
            let trimmed = text.trim();
            let by_key = key.is_some_and(is_secret) && !is_filler(trimmed);
            if by_key && !trimmed.starts_with("/redfish/") {
                secrets.insert((kind(trimmed, key), trimmed.to_ascii_lowercase()));
            }
            // Addresses stand in texts of any name.
            mask::secrets_in(text, secrets);
        }
        Value::Array(members) => members.iter().for_each(|member| learn(member, key, secrets)),
        Value::Object(map) => map
            .iter()
            .for_each(|(key, value)| learn(value, Some(key), secrets)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn kind(text: &str, key: Option<&str>) -> &'static str {
    if let Some(kind) = shape(text) {
        return kind;
    }
    let key = key.unwrap_or_default().to_ascii_lowercase();
    if key.contains("serial") {
        "serial"
    } else if key.contains("host") || key.contains("fqdn") || key.contains("domain") {
        "name"
    } else if key.contains("tag") || key == "sku" {
        "tag"
    } else {
        "text"
    }
}

/// A resource without its secrets, for the fuzzer: as many things stand in it as before.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn fuzz(data: &[u8]) {
    fn count(value: &Value) -> usize {
        match value {
            Value::Array(members) => members.iter().map(count).sum::<usize>().saturating_add(1),
            // Two keys may become one word; what is under them is not compared.
            Value::Object(_) | Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => 1,
        }
    }
    if let Ok(value) = serde_json::from_slice::<Value>(data) {
        let clean = Mask::of([&value]).value(&value);
        assert_eq!(count(&clean), count(&value));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use serde_json::json;

    use super::*;

    #[test]
    fn the_same_secret_is_the_same_word_everywhere() {
        let one = json!({"SerialNumber": "ABC12345", "HostName": "db-17", "Id": "1", "Model": "X1", "SKU": "9ZZ8YY7"});
        let two = json!({"@odata.id": "/redfish/v1/Chassis/abc12345", "Text": "PSU ABC12345 of db-17 lost input",
            "MACAddress": "aa:bb:cc:dd:ee:ff", "Oem": {"X": {"Peer": "10.1.2.3"}},
            "UUID": "38334c44-4735-534a-3035-4e5031303732", "Longitude": 45.5, "Count": 3, "Note": "9ZZ8YY7"});
        let mask = Mask::of([&one, &two]);
        let (one, two) = (mask.value(&one), mask.value(&two));
        assert_eq!(one["SerialNumber"], "MASKED-SERIAL-1");
        assert_eq!(two["@odata.id"], "/redfish/v1/Chassis/MASKED-SERIAL-1");
        assert_eq!(one["Model"], "X1");
        assert_eq!(one["Id"], "1");
        assert_eq!(two["Count"], 3);
        assert_eq!(two["UUID"], "00000000-0000-0000-0000-000000000001");
        assert_eq!(one["SKU"], two["Note"]);
        let all = format!("{one}{two}").to_lowercase();
        for secret in ["abc12345", "aa:bb:cc", "10.1.2.3", "38334c44", "45.5", "9zz8yy7"] {
            assert!(!all.contains(secret), "{secret}: {all}");
        }
    }

    #[test]
    fn short_secrets_do_not_eat_other_texts() {
        let value = json!({"SerialNumber": "1", "Name": "Power Supply 1", "Id": "1"});
        let clean = Mask::of([&value]).value(&value);
        assert_eq!(clean["Name"], "Power Supply 1");
        assert_eq!(clean["SerialNumber"], "MASKED-SERIAL-1");
    }
}
