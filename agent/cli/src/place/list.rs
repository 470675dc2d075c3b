//! A file of asks, TOML or JSON: the words of `busbar run`, an entry a workload.

use std::fmt;
use std::str::FromStr;

use agent_api::v1::{Ask, CoreWish, GpuWish, HugepageAsk, MOST_ASKS, Near, Policy, Siblings, TopologyRule};
use facts::{Bytes, Power};
use intent::{Priority, Share, WorkloadId};
use serde::de::{self, Deserialize, Deserializer};

use super::words::{parse_hugepages, parse_watts};

/// The longest file that is read: a thousand asks of half a kilobyte.
pub const LONGEST: usize = 512 << 10;

/// Why a text is no list of asks.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It is too long.
    #[error("{file} is longer than {LONGEST} bytes, which is more than {MOST_ASKS} asks take")]
    Long {
        /// The file.
        file: String,
    },
    /// It is no UTF-8.
    #[error("{file} is no UTF-8 text; expected TOML with [[ask]], or JSON with {{\"ask\": […]}}")]
    NoText {
        /// The file.
        file: String,
    },
    /// It is no TOML, or holds what is no ask.
    #[error("{file}: {message}")]
    Toml {
        /// The file.
        file: String,
        /// Where it stops being a list of asks, and why.
        message: String,
    },
    /// It is no JSON, or holds what is no ask.
    #[error("{file}")]
    Json {
        /// The file.
        file: String,
        /// Where it stops being a list of asks, and why.
        #[source]
        cause: serde_json::Error,
    },
    /// The copies of all entries together are too many.
    #[error("{file} holds more than {MOST_ASKS} asks, copies counted; a node keeps no more workloads")]
    Many {
        /// The file.
        file: String,
    },
    /// An entry with copies whose names would be none.
    #[error("{file}: ask {name:?} with count = {count}: {why}")]
    Name {
        /// The file.
        file: String,
        /// The name of the entry.
        name: String,
        /// How many copies.
        count: u32,
        /// What is wrong with a copy's name.
        why: String,
    },
    /// There is none.
    #[error("{file} holds no ask; expected [[ask]] with at least cpus = 1")]
    None {
        /// The file.
        file: String,
    },
}

/// The asks of a file; `file` is its name for messages. A text that begins with `{` is JSON, any other TOML.
///
/// # Errors
/// With the place where it stops being a list of asks.
pub fn parse(file: &str, bytes: &[u8]) -> Result<Vec<Ask>, ListError> {
    let file = file.to_owned();
    if bytes.len() > LONGEST {
        return Err(ListError::Long { file });
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(ListError::NoText { file });
    };
    let list: List = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|cause| ListError::Json {
            file: file.clone(),
            cause,
        })?
    } else {
        toml::from_str(text).map_err(|error| ListError::Toml {
            file: file.clone(),
            message: error.to_string().trim_end().to_owned(),
        })?
    };
    let mut asks = Vec::new();
    for entry in list.ask {
        let count = entry.count.unwrap_or(1);
        let room = u32::try_from(MOST_ASKS.saturating_sub(asks.len())).unwrap_or(u32::MAX);
        if count > room {
            return Err(ListError::Many { file });
        }
        let name = entry.name.clone();
        for number in 1..=count {
            let mut ask = entry.ask();
            if let (Some(name), true) = (&name, count > 1) {
                let copy = format!("{name}-{number}").parse::<WorkloadId>();
                ask.name = Some(copy.map_err(|error| ListError::Name {
                    file: file.clone(),
                    name: name.to_string(),
                    count,
                    why: error.to_string(),
                })?);
            }
            asks.push(ask);
        }
    }
    if asks.is_empty() {
        return Err(ListError::None { file });
    }
    Ok(asks)
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default)]
    ask: Vec<Entry>,
}

/// One entry: the options of `busbar run`, and how many copies.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Entry {
    count: Option<u32>,
    name: Option<WorkloadId>,
    #[serde(default = "one")]
    cpus: u32,
    #[serde(default)]
    exclusive: bool,
    memory: Option<Said<Bytes>>,
    #[serde(default)]
    near: Vec<Near>,
    gpus: Option<GpuWish>,
    #[serde(default)]
    drives: Vec<String>,
    core_kind: Option<CoreWish>,
    #[serde(default)]
    topology: TopologyRule,
    #[serde(default)]
    policy: Policy,
    #[serde(default)]
    siblings: Siblings,
    #[serde(default)]
    hugepages: Vec<Said<Pages>>,
    l3: Option<Said<Share>>,
    memory_bandwidth: Option<Said<Share>>,
    watts: Option<Said<Watts>>,
    priority: Option<Priority>,
    #[serde(default)]
    revocable: bool,
    #[serde(default)]
    immovable: bool,
}

fn one() -> u32 {
    1
}

impl Entry {
    fn ask(&self) -> Ask {
        Ask {
            cpus: self.cpus,
            exclusive: self.exclusive,
            memory_bytes: self.memory.as_ref().map(|said| said.0),
            name: self.name.clone(),
            near: self.near.clone(),
            gpus: self.gpus.clone(),
            drives: self.drives.clone(),
            core_kind: self.core_kind,
            topology: self.topology,
            policy: self.policy,
            hugepages: self.hugepages.iter().map(|said| said.0.0).collect(),
            l3_share: self.l3.as_ref().map(|said| said.0),
            memory_bandwidth_share: self.memory_bandwidth.as_ref().map(|said| said.0),
            watts: self.watts.as_ref().map(|said| said.0.0),
            priority: self.priority,
            revocable: self.revocable,
            immovable: self.immovable,
            siblings: self.siblings,
        }
    }
}

#[derive(Debug)]
struct Watts(Power);

impl FromStr for Watts {
    type Err = String;
    fn from_str(text: &str) -> Result<Watts, String> {
        parse_watts(text).map(Watts)
    }
}

#[derive(Debug)]
struct Pages(HugepageAsk);

impl FromStr for Pages {
    type Err = String;
    fn from_str(text: &str) -> Result<Pages, String> {
        parse_hugepages(text).map(Pages)
    }
}

/// A value as it is typed on the command line, or as a plain number.
#[derive(Debug)]
struct Said<T>(T);

impl<'de, T: FromStr> Deserialize<'de> for Said<T>
where
    T::Err: fmt::Display,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Said<T>, D::Error> {
        struct Typed<T>(std::marker::PhantomData<T>);
        impl<T: FromStr> de::Visitor<'_> for Typed<T>
        where
            T::Err: fmt::Display,
        {
            type Value = Said<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text as on the command line, or a number")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Said<T>, E> {
                text.parse().map(Said).map_err(E::custom)
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Said<T>, E> {
                self.visit_str(&number.to_string())
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Said<T>, E> {
                self.visit_str(&number.to_string())
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Said<T>, E> {
                self.visit_str(&number.to_string())
            }
        }
        deserializer.deserialize_any(Typed(std::marker::PhantomData))
    }
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
