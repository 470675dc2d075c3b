//! An observation: what one source said at a moment. Never a decision.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::doubt::Doubt;
use crate::drive::{Drive, DriveHealth};
use crate::gpu::Gpu;
use crate::inventory::{HugepagePool, Machine, Memory, NumaMemory};
use crate::local_bmc::LocalBmc;
use crate::memory_module::MemoryModule;
use crate::moment::Moment;
use crate::nic::Nic;
use crate::pci::PciLink;
use crate::power::{CpuTimes, HostPower, PowerZone, Pressure, Sensor};
use crate::reading::NoData;
use crate::sheet::Sheet;
use crate::topology::Topology;

/// What one source said. Each source fills what it knows; `None` means that it does not speak of that.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Observation {
    /// The machine as a whole.
    pub machine: Option<Machine>,
    /// Packages, NUMA nodes, caches, cores, CPUs.
    pub topology: Option<Topology>,
    /// Memory of the machine.
    pub memory: Option<Memory>,
    /// Memory modules that are installed.
    pub memory_modules: Option<Vec<MemoryModule>>,
    /// Memory of each NUMA node.
    pub numa_memory: Option<Vec<NumaMemory>>,
    /// Pools of huge pages.
    pub hugepages: Option<Vec<HugepagePool>>,
    /// GPUs.
    pub gpus: Option<Vec<Gpu>>,
    /// GPUs as their driver's own library knows them: each completes the one of `gpus` in the same place, or comes beside them.
    pub driver_gpus: Option<Vec<Gpu>>,
    /// Drives.
    pub drives: Option<Vec<Drive>>,
    /// What drives' own logs say: each completes the drives that it was read from.
    pub drive_health: Option<Vec<DriveHealth>>,
    /// Links of PCI functions.
    pub pci_links: Option<Vec<PciLink>>,
    /// Network interfaces.
    pub nics: Option<Vec<Nic>>,
    /// Power zones.
    pub power_zones: Option<Vec<PowerZone>>,
    /// Sensors: those of several sources stand beside each other.
    pub sensors: Option<Vec<Sensor>>,
    /// Power of the whole host: that of several meters stands beside each other.
    pub host_power: Option<Vec<HostPower>>,
    /// The node's own BMC.
    pub bmc: Option<LocalBmc>,
    /// Pressure.
    pub pressure: Option<Vec<Pressure>>,
    /// CPU times.
    pub cpu_times: Option<Vec<CpuTimes>>,
    /// Parts of this source that said nothing although the rest spoke: each becomes an entry of `Inventory::sources`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
    /// What cannot all be true of what it said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<Doubt>,
    /// What it counts: shown in metrics, not part of the inventory.
    #[serde(skip)]
    pub sheet: Option<Sheet>,
}

/// A part of a source that said nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// The source and its part: `machine/dmi`.
    pub name: String,
    /// The reason in one word.
    pub reason: NoData,
    /// The reason in a sentence, with the path or the call.
    pub message: String,
}

/// Whether a source speaks, and why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum SourceStatus {
    /// It spoke.
    Ok,
    /// It has been asked and has not answered yet.
    Pending,
    /// It has nothing to say; the reason in one word and in one sentence.
    Down {
        /// The reason in one word.
        reason: NoData,
        /// The reason in a sentence, with the path or the call.
        message: String,
    },
}

/// One source of facts and how it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// The collector's name.
    pub name: String,
    /// How it is.
    #[serde(flatten)]
    pub status: SourceStatus,
    /// When it last spoke.
    pub last_success: Option<Moment>,
    /// How long its last turn took, in seconds.
    pub duration_seconds: Option<f64>,
    /// How often it is asked, in seconds.
    pub interval_seconds: Option<f64>,
}

impl From<&Missing> for Source {
    fn from(missing: &Missing) -> Source {
        Source {
            name: missing.name.clone(),
            status: SourceStatus::Down {
                reason: missing.reason,
                message: missing.message.clone(),
            },
            last_success: None,
            duration_seconds: None,
            interval_seconds: None,
        }
    }
}

impl Source {
    /// A source that has not been asked yet.
    pub fn pending(name: &str, beat: Duration) -> Source {
        Source {
            name: name.to_owned(),
            status: SourceStatus::Pending,
            last_success: None,
            duration_seconds: None,
            interval_seconds: Some(beat.as_secs_f64()),
        }
    }
}
