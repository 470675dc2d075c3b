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

    /// The page of this file.
    pub(super) fn of_file(name: &str) -> Option<Page> {
        let plain = [
            Page::NvmeHealth,
            Page::NvmeIdentify,
            Page::AtaPower,
            Page::AtaIdentify,
            Page::AtaSmart,
            Page::AtaStatus,
            Page::ScsiSense,
        ];
        let number = |prefix: &str| u8::from_str_radix(name.strip_prefix(prefix)?, 16).ok();
        plain
            .into_iter()
            .find(|page| page.file() == name)
            .or_else(|| number("statistics_").map(Page::AtaStatistics))
            .or_else(|| number("log_").map(Page::ScsiLog))
    }

    /// Where the drive's serial number stands in it: a recording has another word there.
    pub(super) fn serial(self) -> Option<std::ops::Range<usize>> {
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
    ask_aloud(root, target, &mut |_, _| {})
}

/// The same, showing each page as it comes.
pub(super) fn ask_aloud(
    root: &Root,
    target: &Target,
    show: &mut dyn FnMut(Page, &[u8]),
) -> Result<Told, CollectError> {
    let device = if root.is_host() {
        if target::is_suspended(root, target) {
            return Ok(asleep(target));
        }
        target::must_be_live(root, target)?;
        Some(Device::open(root, target)?)
    } else {
        None
    };
    understand(target, &mut |page| {
        let bytes = match &device {
            Some(device) => device.fetch(page)?,
            None => from_file(root, target, page)?,
        };
        show(page, &bytes);
        Ok(bytes)
    })
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
