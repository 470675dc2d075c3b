//! Accelerators.

use serde::{Deserialize, Serialize};

use crate::identity::{Identity, NumaNodeId, PciAddress};
use crate::moment::Moment;
use crate::reading::{NoData, Reading};
use crate::unit::{Bytes, Energy, Power};

/// NVIDIA's management library (NVML), by which the system's own loader finds it.
pub const NVML_LIBRARY: &str = "libnvidia-ml.so.1";

/// Where distributions and NVIDIA's own packages put it. The loader knows most of them; not the last two.
pub const NVML_DIRECTORIES: [&str; 6] = [
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "usr/lib64",
    "usr/lib",
    "usr/local/nvidia/lib64",
    "run/nvidia/driver/usr/lib/x86_64-linux-gnu",
];

/// Names the library by its path, for a driver that lies where nobody looks and for a simulated one. A recorded machine has no
/// other: what lies below its own directories is never loaded.
pub const NVML_VARIABLE: &str = "BUSBAR_NVML_LIBRARY";

/// One GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gpu {
    /// Who it is.
    #[serde(flatten)]
    pub identity: Identity,
    /// The driver's universally unique id, where a driver is loaded.
    pub uuid: Option<String>,
    /// Where it sits.
    pub pci: Option<PciAddress>,
    /// PCI vendor and device id, as in `10de:2330`.
    pub pci_id: Option<String>,
    /// The NUMA node it is near.
    pub numa_node: Option<NumaNodeId>,
    /// What the OS calls it today, where a driver is loaded.
    pub device: Option<String>,
    /// Its memory, where a driver tells.
    pub memory_bytes: Option<Bytes>,
    /// What its driver's own library reads of it; left out where no such library speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readings: Option<Box<GpuReadings>>,
}

impl Gpu {
    /// Takes what the driver's library knows and PCI does not. What PCI already said stands: a name that changes with the
    /// health of a library would be another part.
    pub fn complete(&mut self, driver: &Gpu) {
        fn fill<T: Clone>(place: &mut Option<T>, seen: &Option<T>) {
            if place.is_none() {
                place.clone_from(seen);
            }
        }
        fill(&mut self.identity.maker, &driver.identity.maker);
        fill(&mut self.identity.model, &driver.identity.model);
        fill(&mut self.identity.serial, &driver.identity.serial);
        fill(&mut self.uuid, &driver.uuid);
        fill(&mut self.pci, &driver.pci);
        fill(&mut self.pci_id, &driver.pci_id);
        fill(&mut self.numa_node, &driver.numa_node);
        fill(&mut self.device, &driver.device);
        fill(&mut self.memory_bytes, &driver.memory_bytes);
        self.readings.clone_from(&driver.readings);
    }
}

/// What a GPU's driver reads of it (NVML). A value that the GPU, the driver or our rights do not give is its reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GpuReadings {
    /// Version of the driver.
    pub driver: Option<String>,
    /// Version of the GPU's own firmware (VBIOS).
    pub vbios: Option<String>,
    /// Memory that is in use.
    pub memory_used_bytes: Reading<Bytes>,
    /// Memory that is free.
    pub memory_free_bytes: Reading<Bytes>,
    /// Memory that driver and firmware keep for themselves.
    pub memory_reserved_bytes: Reading<Bytes>,
    /// Percent of the driver's last sampling period in which a kernel ran.
    pub sm_percent: Reading<u32>,
    /// Percent of it in which memory was read or written.
    pub memory_percent: Reading<u32>,
    /// Percent of it in which the video encoder worked.
    pub encoder_percent: Reading<u32>,
    /// Percent of it in which the video decoder worked.
    pub decoder_percent: Reading<u32>,
    /// Graphics clock.
    pub graphics_megahertz: Reading<u32>,
    /// Clock of the streaming multiprocessors.
    pub sm_megahertz: Reading<u32>,
    /// Memory clock.
    pub memory_megahertz: Reading<u32>,
    /// Clock of the video engines.
    pub video_megahertz: Reading<u32>,
    /// Power that the board draws.
    pub power_watts: Reading<Power>,
    /// Power limit that somebody has set.
    pub power_limit_watts: Reading<Power>,
    /// Power limit that is in force, whoever set it.
    pub enforced_limit_watts: Reading<Power>,
    /// The lowest limit that the board takes.
    pub least_limit_watts: Reading<Power>,
    /// The highest limit that the board takes.
    pub most_limit_watts: Reading<Power>,
    /// Energy since the driver was loaded.
    pub energy_microjoules: Reading<Energy>,
    /// Temperature of the chip.
    pub temperature_celsius: Reading<u32>,
    /// Temperature of its memory.
    pub memory_temperature_celsius: Reading<u32>,
    /// Temperature at which the chip slows itself down.
    pub slowdown_celsius: Reading<u32>,
    /// Temperature at which the chip switches itself off.
    pub shutdown_celsius: Reading<u32>,
    /// Whether error correction is on.
    pub ecc_enabled: Reading<bool>,
    /// Errors that ECC corrected in the life of the board.
    pub ecc_corrected: Reading<u64>,
    /// Errors that ECC could not correct in the life of the board.
    pub ecc_uncorrected: Reading<u64>,
    /// Rows of memory that were replaced after errors that ECC corrected.
    pub remapped_corrected: Reading<u64>,
    /// Rows of memory that were replaced after errors that it could not.
    pub remapped_uncorrected: Reading<u64>,
    /// Whether a row waits for the next reset of the GPU to be replaced.
    pub remap_pending: Reading<bool>,
    /// Whether a row could not be replaced: the board is to be exchanged.
    pub remap_failed: Reading<bool>,
    /// Why the clocks are held back now, in the words of nvml.h; empty where nothing holds them back.
    pub throttled_by: Reading<Vec<String>>,
    /// How long each reason has held the clocks back.
    pub throttled: Vec<GpuThrottle>,
    /// Bytes a second that the GPU sent over PCIe in a sample of 20 ms.
    pub pcie_sent_bytes_per_second: Reading<u64>,
    /// Bytes a second that it received.
    pub pcie_received_bytes_per_second: Reading<u64>,
    /// PCIe packets that had to be sent again.
    pub pcie_replays: Reading<u64>,
    /// Its links to other GPUs and to switches; empty where it has none.
    pub nvlinks: Vec<NvLink>,
    /// Whether the GPU is cut into MIG devices.
    pub mig_enabled: Reading<bool>,
    /// Its MIG devices.
    pub mig_devices: Vec<MigDevice>,
    /// Critical errors that the driver reported since this agent watches.
    pub xids: Vec<Xid>,
}

impl GpuReadings {
    /// How many values the driver told that cannot be true: NVML's blanks, numbers beyond what a GPU can be.
    pub fn garbled(&self) -> u64 {
        fn one<T>(reading: &Reading<T>) -> u64 {
            u64::from(reading.as_ref().is_none() && reading.reason() == Some(NoData::Garbled))
        }
        let numbers = [
            self.sm_percent,
            self.memory_percent,
            self.encoder_percent,
            self.decoder_percent,
            self.graphics_megahertz,
            self.sm_megahertz,
            self.memory_megahertz,
            self.video_megahertz,
            self.temperature_celsius,
            self.memory_temperature_celsius,
            self.slowdown_celsius,
            self.shutdown_celsius,
        ];
        let counts = [
            self.ecc_corrected,
            self.ecc_uncorrected,
            self.remapped_corrected,
            self.remapped_uncorrected,
            self.pcie_sent_bytes_per_second,
            self.pcie_received_bytes_per_second,
            self.pcie_replays,
        ];
        let bytes = [
            self.memory_used_bytes,
            self.memory_free_bytes,
            self.memory_reserved_bytes,
        ];
        let watts = [
            self.power_watts,
            self.power_limit_watts,
            self.enforced_limit_watts,
            self.least_limit_watts,
            self.most_limit_watts,
        ];
        let of_links = self.nvlinks.iter().flat_map(|link| {
            [
                link.sent_bytes,
                link.received_bytes,
                link.crc_flit_errors,
                link.crc_data_errors,
                link.replays,
                link.recoveries,
            ]
        });
        let times = self.throttled.iter().map(|throttle| throttle.nanoseconds);
        numbers.iter().map(one).sum::<u64>()
            + bytes.iter().map(one).sum::<u64>()
            + watts.iter().map(one).sum::<u64>()
            + one(&self.energy_microjoules)
            + counts
                .into_iter()
                .chain(of_links)
                .chain(times)
                .map(|reading| one(&reading))
                .sum::<u64>()
    }
}

/// How long one reason has held a GPU's clocks back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuThrottle {
    /// The reason, as in `power` or `thermal` (`nvmlPerfPolicyType_t`).
    pub reason: String,
    /// The time.
    pub nanoseconds: Reading<u64>,
}

/// One link of a GPU to another one, or to a switch (NVLink).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NvLink {
    /// Its number on its GPU.
    pub link: u32,
    /// Whether it carries data.
    pub active: Reading<bool>,
    /// Its generation, as NVML counts (`nvmlDeviceGetNvLinkVersion`).
    pub version: Option<u32>,
    /// What is at its other end: where that GPU or switch sits.
    pub remote_pci: Option<PciAddress>,
    /// Bytes that the GPU has sent over it, without what the protocol adds.
    pub sent_bytes: Reading<u64>,
    /// Bytes that it has received.
    pub received_bytes: Reading<u64>,
    /// Flow-control packets with a wrong check sum.
    pub crc_flit_errors: Reading<u64>,
    /// Data packets with a wrong check sum.
    pub crc_data_errors: Reading<u64>,
    /// Packets that were sent again.
    pub replays: Reading<u64>,
    /// How often the link was trained anew after an error.
    pub recoveries: Reading<u64>,
}

/// A part of a GPU that works as a GPU of its own (Multi-Instance GPU).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigDevice {
    /// Its number on its GPU.
    pub index: u32,
    /// The GPU instance that it is of, by the driver's number; left out where the driver does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_instance: Option<u32>,
    /// The compute instance in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute_instance: Option<u32>,
    /// Its universally unique id.
    pub uuid: Option<String>,
    /// Its name, with its profile, as in `NVIDIA H100 80GB HBM3 MIG 1g.10gb`.
    pub name: Option<String>,
    /// All memory of it.
    pub memory_bytes: Reading<Bytes>,
    /// Memory of it that is in use.
    pub memory_used_bytes: Reading<Bytes>,
}

/// A kind of critical error of a GPU, by NVIDIA's number of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Xid {
    /// The number.
    pub xid: u64,
    /// How often.
    pub count: u64,
    /// When last.
    pub last_at: Moment,
}
