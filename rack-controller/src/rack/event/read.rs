//! An event, read from its JSON in one pass. A derived reader would keep a copy of every member first, because those of [`What`] stand
//! beside the event's own: that was half of what the replay of a long journal took.

use std::borrow::Cow;
use std::fmt;

use facts::Moment;
use rack_api::v1::Asked;
use serde::de::value::{BorrowedStrDeserializer, MapAccessDeserializer};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, Visitor};

use super::{Event, What};

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Event, D::Error> {
        deserializer.deserialize_map(Whole)
    }
}

struct Whole;

impl<'de> Visitor<'de> for Whole {
    type Value = Event;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event of a rack")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Event, A::Error> {
        let mut rest = Rest {
            map,
            at: None,
            asked: None,
        };
        let what = What::deserialize(MapAccessDeserializer::new(&mut rest))?;
        Ok(Event {
            at: rest.at.ok_or_else(|| Error::missing_field("at"))?,
            asked: rest.asked.flatten(),
            what,
        })
    }
}

/// What is not the event's own, wherever it stands; the event's own is kept on the way.
struct Rest<A> {
    map: A,
    at: Option<Moment>,
    asked: Option<Option<Asked>>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Rest<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        loop {
            let Some(Key(key)) = self.map.next_key()? else {
                return Ok(None);
            };
            match key.as_ref() {
                "at" => self.at = Some(self.map.next_value()?),
                "asked" => self.asked = Some(self.map.next_value()?),
                _ => return name(seed, &key).map(Some),
            }
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

fn name<'de, K: DeserializeSeed<'de>, E: Error>(seed: K, key: &Cow<'de, str>) -> Result<K::Value, E> {
    match key {
        Cow::Borrowed(key) => seed.deserialize(BorrowedStrDeserializer::new(key)),
        Cow::Owned(key) => seed.deserialize(key.as_str().into_deserializer()),
    }
}

/// A member's name: a piece of the JSON itself where nothing in it is escaped.
struct Key<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Key<'de>, D::Error> {
        deserializer.deserialize_str(Name)
    }
}

struct Name;

impl<'de> Visitor<'de> for Name {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Borrowed(name)))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Owned(name.to_owned())))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Event, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn members_are_read_wherever_they_stand() {
        let expected = Event::new(
            Moment::from_millis(7),
            What::BmcAnswered {
                bmc: "shelf".to_owned(),
            },
        );
        for json in [
            r#"{"at":AT,"event":"bmc_answered","bmc":"shelf"}"#,
            r#"{"bmc":"shelf","event":"bmc_answered","at":AT}"#,
            r#"{"event":"bmc_answered","asked":null,"at":AT,"later":[1],"bmc":"shelf"}"#,
            r#"{"\u0061t":AT,"ev\u0065nt":"bmc_answered","b\u006dc":"sh\u0065lf"}"#,
        ] {
            let at = serde_json::to_string(&expected.at).unwrap();
            assert_eq!(read(&json.replace("AT", &at)).as_ref(), Ok(&expected), "{json}");
        }
    }

    #[test]
    fn what_is_missing_or_unknown_is_said() {
        let at = serde_json::to_string(&Moment::EPOCH).unwrap();
        for (json, why) in [
            (r#"{"event":"bmc_answered","bmc":"b"}"#, "missing field `at`"),
            (r#"{"at":AT,"bmc":"b"}"#, "missing field `event`"),
            (r#"{"at":AT,"event":"bmc_answered"}"#, "missing field `bmc`"),
            (
                r#"{"at":AT,"event":"of_tomorrow"}"#,
                "unknown variant `of_tomorrow`",
            ),
            (r#"[1]"#, "expected an event of a rack"),
        ] {
            let error = read(&json.replace("AT", &at)).unwrap_err();
            assert!(error.contains(why), "{json}: {error}");
        }
    }
}
