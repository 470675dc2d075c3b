//! Redfish resources read leniently: every field may be missing; a field of a wrong type costs that field only, and is told as a doubt.

pub mod power;
pub mod root;
pub mod status;

use std::sync::{Mutex, PoisonError};

use facts::supply::Doubt;
use facts::{NoData, Power, Reading};
use serde_json::{Map, Value};

/// Doubts that one reading of a BMC may raise: a broken BMC would fill memory with them.
const MAX_DOUBTS: usize = 200;
/// Words that vendors write where they have nothing to say.
const NOTHING: [&str; 13] = [
    "nil",
    "null",
    "none",
    "na",
    "n/a",
    "unknown",
    "not available",
    "not specified",
    "not applicable",
    "to be filled by o.e.m.",
    "default string",
    "empty",
    "undefined",
];

/// What was met that cannot be believed, in order.
#[derive(Debug, Default)]
pub struct Doubts(Mutex<Vec<Doubt>>);

impl Doubts {
    /// Adds one; the same one twice counts once.
    pub fn add(&self, kind: &str, resource: &str, message: impl Into<String>) {
        let doubt = Doubt {
            kind: kind.to_owned(),
            message: message.into(),
            resource: resource.to_owned(),
        };
        let mut doubts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if doubts.len() < MAX_DOUBTS && !doubts.contains(&doubt) {
            doubts.push(doubt);
        }
    }

    /// Adds all of another, in its order.
    pub fn append(&self, other: &Doubts) {
        for doubt in other.take() {
            self.add(&doubt.kind, &doubt.resource, doubt.message);
        }
    }

    /// Takes them all out.
    pub fn take(&self) -> Vec<Doubt> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The fields of one JSON object of one resource.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    map: Option<&'a Map<String, Value>>,
    resource: &'a str,
    within: String,
    doubts: &'a Doubts,
}

impl<'a> Fields<'a> {
    /// Of a whole resource.
    pub fn of(value: &'a Value, resource: &'a str, doubts: &'a Doubts) -> Fields<'a> {
        let map = value.as_object();
        if map.is_none() {
            doubts.add(
                "garbled",
                resource,
                format!("is {}, expected an object", kind(value)),
            );
        }
        Fields {
            map,
            resource,
            within: String::new(),
            doubts,
        }
    }

    /// The resource that these fields are of.
    pub fn resource(&self) -> &'a str {
        self.resource
    }

    /// Where doubts about these fields go.
    pub fn doubts(&self) -> &'a Doubts {
        self.doubts
    }

    fn get(&self, key: &str) -> Option<&'a Value> {
        self.map?.get(key).filter(|value| !value.is_null())
    }

    /// Whether the field is there at all, null or not.
    pub fn has(&self, key: &str) -> bool {
        self.map.is_some_and(|map| map.contains_key(key))
    }

    /// Whether the field is an object.
    pub fn is_object(&self, key: &str) -> bool {
        self.get(key).is_some_and(Value::is_object)
    }

    fn garbled(&self, key: &str, value: &Value, expected: &str) {
        let message = format!("{}{key} is {}, expected {expected}", self.within, kind(value));
        self.doubts.add("garbled", self.resource, message);
    }

    fn inner(&self, key: &str, map: &'a Map<String, Value>) -> Fields<'a> {
        Fields {
            map: Some(map),
            resource: self.resource,
            within: format!("{}{key}.", self.within),
            doubts: self.doubts,
        }
    }

    /// A text without blanks around it; what vendors write for nothing is nothing.
    pub fn text(&self, key: &str) -> Option<String> {
        let value = self.get(key)?;
        let text = match value {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                self.garbled(key, value, "a text");
                return None;
            }
        };
        let nothing = text.is_empty() || NOTHING.iter().any(|word| text.eq_ignore_ascii_case(word));
        (!nothing).then_some(text)
    }

    /// A number, also one that is written as a text.
    pub fn number(&self, key: &str) -> Option<f64> {
        let value = self.get(key)?;
        let number = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => {
                let text = text.trim();
                if text.is_empty() || NOTHING.iter().any(|word| text.eq_ignore_ascii_case(word)) {
                    return None;
                }
                text.parse().ok()
            }
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        let number = number.filter(|number: &f64| number.is_finite());
        if number.is_none() {
            self.garbled(key, value, "a number");
        }
        number
    }

    /// A whole number, 0 or more.
    pub fn count(&self, key: &str) -> Option<u32> {
        let number = self.number(key)?;
        // Through text, because a float has no lossless conversion to an integer.
        let count = format!("{number:.0}").parse().ok();
        if count.is_none() {
            let message = format!(
                "{}{key} is {number}, expected a whole number, 0 or more",
                self.within
            );
            self.doubts.add("garbled", self.resource, message);
        }
        count
    }

    /// True or false, also written as a text.
    pub fn flag(&self, key: &str) -> Option<bool> {
        let value = self.get(key)?;
        match value {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
            Value::String(_) | Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                self.garbled(key, value, "true or false");
                None
            }
        }
    }

    /// Watts. Missing or null: the BMC does not offer it.
    pub fn watts(&self, key: &str) -> Reading<Power> {
        if self.get(key).is_none() {
            return Reading::none(NoData::Unsupported);
        }
        let Some(number) = self.number(key) else {
            return Reading::none(NoData::Garbled);
        };
        match Power::from_watts_f64(number) {
            Some(power) => Reading::Value(power),
            None => {
                let message = format!("{}{key} is {number} watts, expected 0 or more", self.within);
                self.doubts.add("garbled", self.resource, message);
                Reading::none(NoData::Garbled)
            }
        }
    }

    /// Watts in a sensor excerpt (`{"Reading": 12.5}`); a bare number is taken too.
    pub fn excerpt_watts(&self, key: &str) -> Reading<Power> {
        if self.is_object(key)
            && let Some(excerpt) = self.object(key)
        {
            return excerpt.watts("Reading");
        }
        self.watts(key)
    }

    /// An object in this one. Null and missing are none; anything else is a doubt.
    pub fn object(&self, key: &str) -> Option<Fields<'a>> {
        let value = self.get(key)?;
        match value {
            Value::Object(map) => Some(self.inner(key, map)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                self.garbled(key, value, "an object");
                None
            }
        }
    }

    /// The objects of a list. A single object is taken as a list of one; members that are no objects cost themselves only.
    pub fn objects(&self, key: &str) -> Vec<Fields<'a>> {
        let members = match self.get(key) {
            None => return Vec::new(),
            Some(Value::Array(members)) => members.as_slice(),
            Some(single @ Value::Object(_)) => {
                self.garbled(key, single, "a list");
                std::slice::from_ref(single)
            }
            Some(other) => {
                self.garbled(key, other, "a list");
                return Vec::new();
            }
        };
        let each = members.iter().enumerate().filter_map(|(index, member)| {
            let name = format!("{key}[{index}]");
            match member {
                Value::Object(map) => Some(self.inner(&name, map)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                    self.garbled(&name, member, "an object");
                    None
                }
            }
        });
        each.collect()
    }

    /// A link: `{"@odata.id": "/redfish/v1/…"}`, or the bare path.
    pub fn link(&self, key: &str) -> Option<String> {
        let value = self.get(key)?;
        match value {
            Value::String(path) if path.starts_with('/') => Some(path.clone()),
            Value::Object(map) => self.inner(key, map).own_id(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                self.garbled(key, value, "a link");
                None
            }
        }
    }

    /// The links of a list.
    pub fn links(&self, key: &str) -> Vec<String> {
        self.objects(key).iter().filter_map(Fields::own_id).collect()
    }

    /// `@odata.id` of this object.
    pub fn own_id(&self) -> Option<String> {
        self.text("@odata.id").filter(|path| path.starts_with('/'))
    }

    /// The resource type without version: `PowerSubsystem` of `#PowerSubsystem.v1_1_3.PowerSubsystem`.
    pub fn type_name(&self) -> Option<String> {
        let full = self.text("@odata.type")?;
        let name = full.trim_start_matches('#').split('.').next()?;
        Some(name.to_owned())
    }
}

/// The last part of a resource's path: what the BMC calls a member where it gives no `Id`.
pub fn last_part(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
