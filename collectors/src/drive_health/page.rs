//! Pages of drives: what is asked for, and where from - the drive itself, or the files of a recorded machine.

use std::fs::File;
use std::io::Read;

use facts::NoData;
use facts::drive::DriveHealth;

use super::device::Device;
use super::target::{self, Target, Tongue};
use super::told::Told;
use super::{ata, nvme, scsi};
use crate::collector::CollectError;
use crate::root::{ReadError, Root};

/// Where a recorded machine keeps pages of its drives: one folder a drive, one file a page (`Page::file`).
pub const RECORDED: &str = "busbar/drives";

/// The longest page is Identify Controller with 4096 bytes.
const LONGEST_PAGE: u64 = 8192;

/// What a drive can be asked for. Nothing else is ever sent, and none of it changes or wakes a drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// NVMe Get Log Page 02h, 512 bytes.
    NvmeHealth,
    /// NVMe Identify Controller, 4096 bytes.
    NvmeIdentify,
    /// ATA CHECK POWER MODE: registers, in sense data.
    AtaPower,
    /// ATA IDENTIFY DEVICE, 512 bytes.
    AtaIdentify,
    /// ATA SMART READ DATA, 512 bytes.
    AtaSmart,
    /// ATA SMART RETURN STATUS: registers, in sense data.
    AtaStatus,
    /// ATA READ LOG EXT, one page of the device statistics log (04h), 512 bytes.
    AtaStatistics(u8),
    /// SCSI REQUEST SENSE: sense data.
    ScsiSense,
    /// SCSI LOG SENSE, cumulative values of this page.
    ScsiLog(u8),
}

impl Page {
    /// The name of its file in a recorded machine.
    pub(super) fn file(self) -> String {
        match self {
            Page::NvmeHealth => "health_log".to_owned(),
            Page::NvmeIdentify => "identify_controller".to_owned(),
            Page::AtaPower => "check_power_mode".to_owned(),
            Page::AtaIdentify => "identify_device".to_owned(),
            Page::AtaSmart => "smart_data".to_owned(),
            Page::AtaStatus => "smart_status".to_owned(),
            Page::AtaStatistics(page) => format!("statistics_{page:02x}"),
            Page::ScsiSense => "request_sense".to_owned(),
            Page::ScsiLog(page) => format!("log_{page:02x}"),
        }
    }

    /// Where the drive's serial number stands in it: a recording leaves it out.
    fn serial(self) -> Option<std::ops::Range<usize>> {
        match self {
            Page::NvmeIdentify => Some(nvme::SERIAL),
            Page::AtaIdentify => Some(ata::SERIAL),
            Page::NvmeHealth
            | Page::AtaPower
            | Page::AtaSmart
            | Page::AtaStatus
            | Page::AtaStatistics(_)
            | Page::ScsiSense
            | Page::ScsiLog(_) => None,
        }
    }
}

/// Fetches one page.
pub(super) type Fetch<'f> = dyn FnMut(Page) -> Result<Vec<u8>, CollectError> + 'f;

/// Asks one drive for all that it tells. May hang: it runs in a thread of its own.
pub(super) fn ask(root: &Root, target: &Target) -> Result<Told, CollectError> {
    if !root.is_host() {
        return understand(target, &mut |page| from_file(root, target, page));
    }
    if target::is_suspended(root, target) {
        return Ok(asleep(target));
    }
    target::must_be_live(root, target)?;
    let device = Device::open(root, target)?;
    understand(target, &mut |page| device.fetch(page))
}

pub(super) fn understand(target: &Target, fetch: &mut Fetch<'_>) -> Result<Told, CollectError> {
    match target.tongue {
        Tongue::Nvme => nvme::told(target, fetch),
        Tongue::Ata => ata::told(target, fetch),
        Tongue::Scsi => scsi::told(target, fetch),
    }
}

/// A drive that sleeps, and goes on sleeping.
pub(super) fn asleep(target: &Target) -> Told {
    Told {
        health: DriveHealth::silent(&target.name, NoData::Off),
        serial: None,
    }
}

fn from_file(root: &Root, target: &Target, page: Page) -> Result<Vec<u8>, CollectError> {
    let relative = format!("{RECORDED}/{}/{}", target.name, page.file());
    let io = |cause| {
        CollectError::from(ReadError::Io {
            path: root.shown(&relative),
            cause,
        })
    };
    let inside = root.target(&relative)?;
    // Without O_NONBLOCK on purpose: a FIFO here is a drive that hangs (see the top of this folder).
    let file = File::open(root.directory().join(inside)).map_err(io)?;
    let mut bytes = Vec::new();
    file.take(LONGEST_PAGE).read_to_end(&mut bytes).map_err(io)?;
    Ok(bytes)
}

/// One page of a drive, to be kept in a recorded machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Where it belongs below the recorded machine's root.
    pub path: String,
    /// Its bytes, without the drive's serial number.
    pub bytes: Vec<u8>,
}

/// All pages that the drives of this machine give, for a recording. A drive that says nothing, or sleeps, has few or none.
/// It may hang as a drive does: whoever calls it has a thread and a deadline for it.
///
/// # Errors
/// When the block layer cannot be listed.
pub fn record(root: &Root) -> Result<Vec<Recorded>, CollectError> {
    let mut kept = Vec::new();
    for target in target::all(root)? {
        if target::is_suspended(root, &target) || target::must_be_live(root, &target).is_err() {
            continue;
        }
        let Ok(device) = Device::open(root, &target) else {
            continue;
        };
        // What it means does not matter here: only which pages were fetched.
        let _ = understand(&target, &mut |page| {
            let bytes = device.fetch(page)?;
            let mut copy = bytes.clone();
            if let Some(serial) = page.serial().and_then(|place| copy.get_mut(place)) {
                serial.fill(b' ');
            }
            kept.push(Recorded {
                path: format!("{RECORDED}/{}/{}", target.name, page.file()),
                bytes: copy,
            });
            Ok(bytes)
        });
    }
    Ok(kept)
}
