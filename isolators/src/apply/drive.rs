//! A drive that is ours alone, and every command that is ever sent to one to erase it. Which, and when, is decided in `erase`.

mod ioctl;

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use intent::{Actuator, Actuators, Mode};
use nix::errno::Errno;
use nix::libc;

use super::{Outcome, held};
use crate::block::{CLASS_BLOCK, number_of};
use crate::host::Host;
use crate::isolator::IsolateError;
use ioctl::{Admin, Data};

/// NVM Express admin commands.
const GET_LOG_PAGE: u8 = 0x02;
const IDENTIFY: u8 = 0x06;
const FORMAT_NVM: u8 = 0x80;
const SANITIZE: u8 = 0x84;
/// A log of the controller, not of one namespace.
const ALL_NAMESPACES: u32 = u32::MAX;
/// Status Code Type and Status Code without More and Do Not Retry.
const STATUS: u32 = 0x7ff;
/// What the statuses mean that a drive gives instead of an erasure (NVM Express Base 2.0, figures 93 to 97).
const STATUSES: [(u32, &str); 7] = [
    (0x001, "it does not know the command"),
    (0x002, "it does not take this form of the command"),
    (0x01c, "its last sanitize failed"),
    (0x01d, "a sanitize runs"),
    (0x084, "a format runs"),
    (0x10a, "it does not take this format"),
    (0x120, "sanitize is prohibited while its persistent memory is on"),
];
/// SCSI and ATA commands (SPC-4, SAT-4, ACS-4).
const INQUIRY: u8 = 0x12;
const ATA_PASS_THROUGH_16: u8 = 0x85;
const NON_DATA: u8 = 3 << 1;
const PIO_IN: u8 = 4 << 1;
const PIO_OUT: u8 = 5 << 1;
/// ATA PASS-THROUGH: one sector in the count field, from or to the drive.
const FROM_DRIVE: u8 = 0x0e;
const TO_DRIVE: u8 = 0x06;
const IDENTIFY_DEVICE: u8 = 0xec;
const SECURITY_SET_PASSWORD: u8 = 0xf1;
const SECURITY_ERASE_PREPARE: u8 = 0xf3;
const SECURITY_ERASE_UNIT: u8 = 0xf4;
const SECURITY_DISABLE_PASSWORD: u8 = 0xf6;
/// scsi/scsi.h: ILLEGAL REQUEST, ABORTED COMMAND.
const ILLEGAL_REQUEST: u8 = 0x05;
const ABORTED_COMMAND: u8 = 0x0b;

/// How long the kernel waits for a question. When a shorter time passed, it would reset the drive under everybody's feet.
const QUESTION_MS: u32 = 30_000;
/// What memory and places on the drive are aligned to when the page cache is passed by.
pub(crate) const ALIGNED: usize = 4_096;

/// How a drive is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tongue {
    /// NVMe: the number of the namespace.
    Nvme(u32),
    /// ATA, through SG_IO.
    Ata,
    /// SCSI.
    Scsi,
    /// No language of its own: a virtual disk, or the file of a recorded machine.
    Plain,
}

/// Why a command brought nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unobeyed {
    /// The drive refused it.
    Refused(String),
    /// Nobody answered, or not as a drive does.
    Trouble(String),
}

/// Why a drive is not ours.
#[derive(Debug)]
pub(crate) enum NotOurs {
    /// The mode.
    Mode(Mode),
    /// The host has no such drive.
    Host(IsolateError),
    /// Somebody has it: the kernel's word.
    Busy,
    /// It cannot be opened, or is another one than sysfs says.
    Device(String),
}

/// A drive that nobody else has open alone, for as long as this stands.
#[derive(Debug)]
pub(crate) struct Drive {
    file: File,
    pub(crate) name: String,
    pub(crate) tongue: Tongue,
    /// In bytes.
    pub(crate) size: u64,
}

impl Drive {
    /// Opens it for us alone, if the mode of the actuator `drives` allows it: no mount, swap or array may have it, and none can take it
    /// afterwards.
    pub(crate) fn open(gate: &Actuators, host: &Host, name: &str) -> Result<Drive, NotOurs> {
        if let Some(Outcome::Would { mode, .. }) = held(gate, Actuator::Drives, &[]) {
            return Err(NotOurs::Mode(mode));
        }
        let number = number_of(host, name).map_err(NotOurs::Host)?;
        let path = Path::new("/dev").join(name);
        let here = host.is_this_machine();
        // The file of a recorded machine may lie where the page cache cannot be passed by.
        let direct = if here { libc::O_DIRECT } else { 0 };
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_EXCL | direct | libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open(host.real(&path));
        let shown = path.display();
        let mut file = match opened {
            Ok(file) => file,
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => return Err(NotOurs::Busy),
            Err(error) => {
                return Err(NotOurs::Device(format!(
                    "cannot open {shown} for ourselves: {error}"
                )));
            }
        };
        let io = |error: io::Error| NotOurs::Device(format!("{shown}: {error}"));
        let about = file.metadata().map_err(io)?;
        let rdev = about.rdev();
        let is_it = (libc::major(rdev), libc::minor(rdev)) == (number.major, number.minor);
        if here && !(about.file_type().is_block_device() && is_it) {
            let what = format!("{shown} is another file than the block device {number} that sysfs names");
            return Err(NotOurs::Device(what));
        }
        let size = file.seek(SeekFrom::End(0)).map_err(io)?;
        let tongue = tongue(host, name, &file).map_err(NotOurs::Device)?;
        Ok(Drive {
            file,
            name: name.to_owned(),
            tongue,
            size,
        })
    }

    fn nvme(&self, what: &str, admin: Admin, data: &mut [u8]) -> Result<(), Unobeyed> {
        let answer = ioctl::nvme_admin(&self.file, admin, data);
        match answer.map(|status| status & STATUS) {
            Ok(0) => Ok(()),
            Ok(status) => {
                let means = STATUSES.iter().find(|(known, _)| *known == status);
                let means = means.map_or(String::new(), |(_, means)| format!(": {means}"));
                Err(Unobeyed::Refused(format!(
                    "{what} ended with status {status:#05x}{means}"
                )))
            }
            Err(errno) => Err(Unobeyed::Trouble(format!("{what} was not answered: {errno}"))),
        }
    }

    /// NVMe Identify: the controller, or the namespace.
    pub(crate) fn identify(&self, controller: bool, bytes: usize) -> Result<Vec<u8>, Unobeyed> {
        let mut data = vec![0; bytes];
        let nsid = match self.tongue {
            Tongue::Nvme(number) if !controller => number,
            Tongue::Nvme(_) | Tongue::Ata | Tongue::Scsi | Tongue::Plain => 0,
        };
        let admin = Admin {
            opcode: IDENTIFY,
            nsid,
            cdw10: u32::from(controller),
            timeout_ms: QUESTION_MS,
        };
        self.nvme("Identify", admin, &mut data)?;
        Ok(data)
    }

    /// NVMe Get Log Page, of the controller; whole double words.
    pub(crate) fn log(&self, page: u8, bytes: usize) -> Result<Vec<u8>, Unobeyed> {
        let mut data = vec![0; bytes];
        let dwords = u32::try_from(bytes / 4).unwrap_or(0).saturating_sub(1);
        let admin = Admin {
            opcode: GET_LOG_PAGE,
            nsid: ALL_NAMESPACES,
            cdw10: u32::from(page) | (dwords << 16),
            timeout_ms: QUESTION_MS,
        };
        self.nvme(&format!("Get Log Page {page:02x}h"), admin, &mut data)?;
        Ok(data)
    }

    /// NVMe Sanitize. It goes on by itself once it was taken.
    pub(crate) fn sanitize(&self, cdw10: u32) -> Result<(), Unobeyed> {
        let admin = Admin {
            opcode: SANITIZE,
            nsid: 0,
            cdw10,
            timeout_ms: QUESTION_MS,
        };
        self.nvme("Sanitize", admin, &mut [])
    }

    /// NVMe Format NVM of this namespace. It returns when it is done.
    pub(crate) fn format(&self, cdw10: u32, timeout_ms: u32) -> Result<(), Unobeyed> {
        let Tongue::Nvme(nsid) = self.tongue else {
            return Err(Unobeyed::Trouble("Format NVM is for NVMe drives".to_owned()));
        };
        let admin = Admin {
            opcode: FORMAT_NVM,
            nsid,
            cdw10,
            timeout_ms,
        };
        self.nvme("Format NVM", admin, &mut [])
    }

    fn scsi(&self, what: &str, command: &[u8], data: Data<'_>, timeout_ms: u32) -> Result<(), Unobeyed> {
        let answer = ioctl::sg_io(&self.file, command, data, timeout_ms);
        let answer =
            answer.map_err(|errno: Errno| Unobeyed::Trouble(format!("{what} was not answered: {errno}")))?;
        if answer.host_status != 0 {
            let status = answer.host_status;
            return Err(Unobeyed::Trouble(format!(
                "{what} failed in the host adapter ({status:#04x})"
            )));
        }
        if answer.status == 0 {
            return Ok(());
        }
        let key = sense_key(&answer.sense);
        let why = format!(
            "{what} ended with status {:#04x}, sense key {key:?}",
            answer.status
        );
        match key {
            Some(ILLEGAL_REQUEST | ABORTED_COMMAND) => Err(Unobeyed::Refused(why)),
            Some(_) | None => Err(Unobeyed::Trouble(why)),
        }
    }

    /// SCSI INQUIRY: standard data, or a page of vital product data.
    pub(crate) fn inquiry(&self, page: Option<u8>, bytes: u8) -> Result<Vec<u8>, Unobeyed> {
        let mut data = vec![0; bytes.into()];
        let command = [INQUIRY, u8::from(page.is_some()), page.unwrap_or(0), 0, bytes, 0];
        self.scsi("INQUIRY", &command, Data::From(&mut data), QUESTION_MS)?;
        Ok(data)
    }

    /// ATA IDENTIFY DEVICE.
    pub(crate) fn identify_device(&self) -> Result<Vec<u8>, Unobeyed> {
        let mut data = vec![0; 512];
        let command = pass_through(PIO_IN, FROM_DRIVE, IDENTIFY_DEVICE);
        self.scsi("IDENTIFY DEVICE", &command, Data::From(&mut data), QUESTION_MS)?;
        Ok(data)
    }

    /// ATA SECURITY SET PASSWORD, with the sector that has it.
    pub(crate) fn set_password(&self, sector: &[u8]) -> Result<(), Unobeyed> {
        let command = pass_through(PIO_OUT, TO_DRIVE, SECURITY_SET_PASSWORD);
        self.scsi("SECURITY SET PASSWORD", &command, Data::To(sector), QUESTION_MS)
    }

    /// ATA SECURITY DISABLE PASSWORD.
    pub(crate) fn disable_password(&self, sector: &[u8]) -> Result<(), Unobeyed> {
        let command = pass_through(PIO_OUT, TO_DRIVE, SECURITY_DISABLE_PASSWORD);
        self.scsi(
            "SECURITY DISABLE PASSWORD",
            &command,
            Data::To(sector),
            QUESTION_MS,
        )
    }

    /// ATA SECURITY ERASE PREPARE and SECURITY ERASE UNIT. It returns when it is done.
    pub(crate) fn security_erase(&self, sector: &[u8], timeout_ms: u32) -> Result<(), Unobeyed> {
        let prepare = pass_through(NON_DATA, 0, SECURITY_ERASE_PREPARE);
        self.scsi("SECURITY ERASE PREPARE", &prepare, Data::None, QUESTION_MS)?;
        let command = pass_through(PIO_OUT, TO_DRIVE, SECURITY_ERASE_UNIT);
        self.scsi("SECURITY ERASE UNIT", &command, Data::To(sector), timeout_ms)
    }

    /// Reads one piece, past the page cache. Place and length are multiples of [`ALIGNED`], or end with the drive.
    pub(crate) fn read(&self, at: u64, length: usize) -> io::Result<Vec<u8>> {
        with_aligned(length, |piece| {
            self.file.read_exact_at(piece, at)?;
            Ok(piece.to_vec())
        })
    }

    /// Writes zeros there, past the page cache.
    pub(crate) fn write_zeros(&self, at: u64, length: usize) -> io::Result<()> {
        with_aligned(length, |piece| self.file.write_all_at(piece, at))
    }

    /// Has the drive empty its cache.
    pub(crate) fn flush(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

/// A piece of memory, all zero, that begins where a device can take it from.
fn with_aligned<T>(length: usize, look: impl FnOnce(&mut [u8]) -> io::Result<T>) -> io::Result<T> {
    let mut memory = vec![0_u8; length.saturating_add(ALIGNED)];
    let begin = memory.as_ptr().align_offset(ALIGNED);
    let piece = memory.get_mut(begin..begin.saturating_add(length));
    look(piece.ok_or_else(|| io::Error::other("no aligned memory"))?)
}

fn tongue(host: &Host, name: &str, file: &File) -> Result<Tongue, String> {
    if !host.is_this_machine() {
        return Ok(Tongue::Plain);
    }
    if name.starts_with("nvme") {
        let number = ioctl::nvme_namespace(file);
        return number
            .map(Tongue::Nvme)
            .map_err(|errno| format!("/dev/{name} does not tell the number of its namespace: {errno}"));
    }
    if !name.starts_with("sd") {
        return Ok(Tongue::Plain);
    }
    // The kernel's SATA layer gives this vendor to all drives that speak ATA.
    let vendor = Path::new(CLASS_BLOCK).join(name).join("device/vendor");
    let vendor = host.read(&vendor).ok().flatten();
    Ok(match vendor.as_deref() {
        Some("ATA") => Tongue::Ata,
        Some(_) | None => Tongue::Scsi,
    })
}

/// An ATA command of one sector, or none.
fn pass_through(protocol: u8, transfer: u8, code: u8) -> [u8; 16] {
    let count = u8::from(transfer != 0);
    [
        ATA_PASS_THROUGH_16,
        protocol,
        transfer,
        0,
        0,
        0,
        count,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        code,
        0,
    ]
}

/// Of fixed and of descriptor format.
fn sense_key(sense: &[u8]) -> Option<u8> {
    let at = match sense.first()? & 0x7f {
        0x70 | 0x71 => 2,
        0x72 | 0x73 => 1,
        _ => return None,
    };
    sense.get(at).map(|byte| byte & 0xf)
}
