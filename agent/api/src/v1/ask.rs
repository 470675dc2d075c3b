//! An ask for a place on this node, and the bounds of what can be asked at all.

use std::fmt;
use std::str::FromStr;

use facts::{Bytes, Power};
use intent::{Priority, Share, WorkloadId};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::near::{LONGEST_NAME, Near, is_name, shortened};
use super::word::{CoreWish, NotAWord, Policy, Siblings, TopologyRule};

/// The most CPUs that can be asked for: the kernel's own ceiling (`NR_CPUS`).
pub const MOST_CPUS: u32 = 8_192;
/// The most parts to be near to. More of them name no place any more.
const MOST_NEAR: usize = 16;
/// The most GPUs of one ask: no server has more.
const MOST_GPUS: u32 = 64;
/// The most drives of one ask: more than the largest enclosures of one server hold.
const MOST_DRIVES: usize = 128;
/// The most sizes of huge pages of one ask: no architecture has more.
const MOST_SIZES: usize = 8;

/// An ask for a place on this node. Only `cpus` must be there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// How many CPUs.
    #[serde(deserialize_with = "cpus")]
    pub cpus: u32,
    /// Whether nobody else shall run on them.
    #[serde(default)]
    pub exclusive: bool,
    /// The most memory, which is also promised; `None` for no limit and no promise.
    #[serde(default)]
    pub memory_bytes: Option<Bytes>,
    /// A name; the agent makes one where none is given.
    #[serde(default)]
    pub name: Option<WorkloadId>,
    /// What the CPUs and the memory shall be near to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub near: Vec<Near>,
    /// GPUs for the workload alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus: Option<GpuWish>,
    /// Whole drives for the workload alone: what the OS calls them today, their serial numbers, or their names for ever.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drives: Vec<String>,
    /// Which kind of core; `None` takes whichever fits, all of one kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub core_kind: Option<CoreWish>,
    /// What happens where the ask does not fit on as few NUMA nodes as it could.
    #[serde(default, skip_serializing_if = "is_default")]
    pub topology: TopologyRule,
    /// Which of the places that are equally near is taken.
    #[serde(default, skip_serializing_if = "is_default")]
    pub policy: Policy,
    /// Huge pages of the kernel's pools, a size each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hugepages: Vec<HugepageAsk>,
    /// A share of each last-level cache that its CPUs are under, for it alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l3_share: Option<Share>,
    /// A share of the memory bandwidth behind each of these caches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bandwidth_share: Option<Share>,
    /// Power that is promised to it and its devices; a cap of the node leaves it that, unless it is revocable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watts: Option<Power>,
    /// How long it is kept when something runs short; `None` is the middle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// Whether it is the first to give up when power runs short, before everybody who is not, whatever its priority.
    #[serde(default, skip_serializing_if = "is_default")]
    pub revocable: bool,
    /// Whether it must never be moved once it is placed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub immovable: bool,
    /// What becomes of the other hardware threads of its cores.
    #[serde(default, skip_serializing_if = "is_default")]
    pub siblings: Siblings,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn cpus<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let asked = u64::deserialize(deserializer)?;
    u32::try_from(asked).map_err(|_| de::Error::custom(AskError::Cpus(asked)))
}

/// GPUs for one workload alone. JSON: a number, or a list of ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GpuWish {
    /// That many whole GPUs, whichever are nearest.
    Count(u32),
    /// These: unique ids of GPUs or of MIG devices, or numbers in the node's list of GPUs.
    These(Vec<String>),
}

/// Huge pages of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HugepageAsk {
    /// The size of one page: 2 MiB and 1 GiB on x86-64.
    pub page_bytes: Bytes,
    /// All pages together; a multiple of the page's size.
    pub bytes: Bytes,
}

impl FromStr for GpuWish {
    type Err = NotAWord;

    /// `2`, or ids and numbers with commas between: `GPU-5f2…,GPU-81c…`. A single number is a count.
    fn from_str(text: &str) -> Result<GpuWish, NotAWord> {
        if let Ok(count) = text.parse() {
            return Ok(GpuWish::Count(count));
        }
        let names: Vec<String> = text.split(',').map(str::to_owned).collect();
        if names.iter().all(|name| is_name(name)) {
            Ok(GpuWish::These(names))
        } else {
            Err(NotAWord {
                what: "choice of GPUs",
                given: shortened(text),
                expected: "a number of GPUs, or their unique ids with commas between",
            })
        }
    }
}

impl Serialize for GpuWish {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            GpuWish::Count(count) => serializer.serialize_u32(*count),
            GpuWish::These(names) => names.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for GpuWish {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<GpuWish, D::Error> {
        struct Wish;
        impl<'de> de::Visitor<'de> for Wish {
            type Value = GpuWish;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of GPUs, or a list of their unique ids")
            }
            fn visit_u64<E: de::Error>(self, count: u64) -> Result<GpuWish, E> {
                let count = u32::try_from(count).map_err(|_| E::custom(AskError::Gpus(count)))?;
                Ok(GpuWish::Count(count))
            }
            fn visit_i64<E: de::Error>(self, count: i64) -> Result<GpuWish, E> {
                // TOML knows signed numbers only.
                let count = u64::try_from(count).map_err(|_| E::custom(AskError::Gpus(0)))?;
                self.visit_u64(count)
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<GpuWish, A::Error> {
                let mut names: Vec<String> = Vec::new();
                while let Some(name) = list.next_element()? {
                    names.push(name);
                    if u64::try_from(names.len()).is_ok_and(|len| len > u64::from(MOST_GPUS)) {
                        return Err(de::Error::custom(AskError::Gpus(u64::from(MOST_GPUS) + 1)));
                    }
                }
                Ok(GpuWish::These(names))
            }
        }
        deserializer.deserialize_any(Wish)
    }
}

/// Why an ask makes no sense on any machine, and what to change.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AskError {
    /// No CPU at all.
    #[error("asked 0 CPUs; expected 1 or more")]
    NoCpus,
    /// More than any machine has.
    #[error("asked {0} CPUs; expected 1 to {MOST_CPUS}, the most that the kernel knows")]
    Cpus(u64),
    /// No memory at all.
    #[error("asked 0 B of memory; expected more, or no limit at all")]
    NoMemory,
    /// More GPUs than any machine has, or none.
    #[error("asked {0} GPUs; expected 1 to {MOST_GPUS}, or leave gpus out")]
    Gpus(u64),
    /// No name of a GPU.
    #[error(
        "{0:?} is no GPU; expected a unique id as the driver gives it, or a number, of at most {LONGEST_NAME} letters, digits and dashes"
    )]
    GpuName(String),
    /// The same GPU twice.
    #[error("GPU {0} is asked twice; name it once")]
    GpuTwice(String),
    /// More drives than any machine has.
    #[error("asked {0} drives; expected at most {MOST_DRIVES}")]
    Drives(usize),
    /// No name of a drive.
    #[error(
        "{0:?} is no drive; expected nvme0n1, a serial number or a name for ever, of at most {LONGEST_NAME} letters, digits, dots and dashes"
    )]
    DriveName(String),
    /// The same drive twice.
    #[error("drive {0} is asked twice; name it once")]
    DriveTwice(String),
    /// Near to too much.
    #[error("asked to be near {0} parts; expected at most {MOST_NEAR}")]
    Near(usize),
    /// Sizes of huge pages.
    #[error("asked {0} sizes of huge pages; expected at most {MOST_SIZES}")]
    Sizes(usize),
    /// A size of huge pages that is none.
    #[error(
        "{0} is no size of a huge page; expected a power of two of at least 64 KiB, as in 2 MiB or 1 GiB"
    )]
    PageSize(Bytes),
    /// A size twice.
    #[error("huge pages of {0} are asked twice; name the size once")]
    SizeTwice(Bytes),
    /// Not a whole number of pages.
    #[error("asked {bytes} in huge pages of {page}; expected a multiple of {page}, and more than 0 B")]
    Pages {
        /// What was asked.
        bytes: Bytes,
        /// The size of one.
        page: Bytes,
    },
    /// No watts at all.
    #[error("asked 0 W; expected more, or leave watts out")]
    NoWatts,
    /// Things that only exclusive CPUs have.
    #[error("{0} is for exclusive CPUs only; add exclusive, or leave it out")]
    OnlyExclusive(&'static str),
}

impl Ask {
    /// Whether the ask makes sense on any machine at all.
    ///
    /// # Errors
    /// With what to change.
    pub fn check(&self) -> Result<(), AskError> {
        match self.cpus {
            0 => return Err(AskError::NoCpus),
            1..=MOST_CPUS => {}
            more => return Err(AskError::Cpus(u64::from(more))),
        }
        if self.memory_bytes == Some(Bytes::ZERO) {
            return Err(AskError::NoMemory);
        }
        if self.near.len() > MOST_NEAR {
            return Err(AskError::Near(self.near.len()));
        }
        if self.watts.is_some_and(Power::is_zero) {
            return Err(AskError::NoWatts);
        }
        self.check_exclusive()?;
        self.check_gpus()?;
        self.check_drives()?;
        self.check_hugepages()
    }

    fn check_exclusive(&self) -> Result<(), AskError> {
        if self.exclusive {
            return Ok(());
        }
        let only = [
            (self.siblings != Siblings::default(), "siblings"),
            (self.core_kind.is_some(), "core_kind"),
            (self.l3_share.is_some(), "l3_share"),
            (self.memory_bandwidth_share.is_some(), "memory_bandwidth_share"),
            (self.policy != Policy::default(), "policy"),
            (
                self.topology == TopologyRule::SingleNumaNode,
                "topology single-numa-node",
            ),
            (self.topology == TopologyRule::Restricted, "topology restricted"),
        ];
        match only.iter().find(|(asked, _)| *asked) {
            Some((_, what)) => Err(AskError::OnlyExclusive(what)),
            None => Ok(()),
        }
    }

    fn check_gpus(&self) -> Result<(), AskError> {
        match &self.gpus {
            None => Ok(()),
            Some(GpuWish::Count(count)) if (1..=MOST_GPUS).contains(count) => Ok(()),
            Some(GpuWish::Count(count)) => Err(AskError::Gpus(u64::from(*count))),
            Some(GpuWish::These(names)) => {
                let most = usize::try_from(MOST_GPUS).unwrap_or(usize::MAX);
                if names.is_empty() || names.len() > most {
                    return Err(AskError::Gpus(u64::try_from(names.len()).unwrap_or(u64::MAX)));
                }
                for (at, name) in names.iter().enumerate() {
                    if !is_name(name) {
                        return Err(AskError::GpuName(shortened(name)));
                    }
                    if names.iter().take(at).any(|other| other == name) {
                        return Err(AskError::GpuTwice(name.clone()));
                    }
                }
                Ok(())
            }
        }
    }

    fn check_drives(&self) -> Result<(), AskError> {
        if self.drives.len() > MOST_DRIVES {
            return Err(AskError::Drives(self.drives.len()));
        }
        for (at, name) in self.drives.iter().enumerate() {
            if !is_name(name) {
                return Err(AskError::DriveName(shortened(name)));
            }
            if self.drives.iter().take(at).any(|other| other == name) {
                return Err(AskError::DriveTwice(name.clone()));
            }
        }
        Ok(())
    }

    fn check_hugepages(&self) -> Result<(), AskError> {
        if self.hugepages.len() > MOST_SIZES {
            return Err(AskError::Sizes(self.hugepages.len()));
        }
        for (at, asked) in self.hugepages.iter().enumerate() {
            let page = asked.page_bytes;
            if !page.get().is_power_of_two() || page < Bytes::new(64 << 10) {
                return Err(AskError::PageSize(page));
            }
            if self
                .hugepages
                .iter()
                .take(at)
                .any(|other| other.page_bytes == page)
            {
                return Err(AskError::SizeTwice(page));
            }
            if asked.bytes == Bytes::ZERO || !asked.bytes.get().is_multiple_of(page.get()) {
                return Err(AskError::Pages {
                    bytes: asked.bytes,
                    page,
                });
            }
        }
        Ok(())
    }
}
