//! A drive that is open for reading, and every command that is ever sent to one.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};

use facts::NoData;
use nix::errno::Errno;
use nix::libc;

use super::ata::SECTOR;
use super::ioctl::{self, Answer};
use super::nvme;
use super::page::Page;
use super::scsi;
use super::target::{Target, Tongue};
use crate::collector::CollectError;
use crate::root::{ReadError, Root};

/// NVM Express admin commands that read: Get Log Page, Identify.
const GET_LOG_PAGE: u8 = 0x02;
const IDENTIFY: u8 = 0x06;
const IDENTIFY_BYTES: usize = 4096;
/// Log of the controller, not of one namespace.
const ALL_NAMESPACES: u32 = u32::MAX;
/// Command Dword 10 of Get Log Page: 02h, and the number of dwords less one above it.
const HEALTH_LOG: u32 = 0x02 | (127 << 16);
/// Command Dword 10 of Identify: the controller.
const CONTROLLER: u32 = 0x01;
/// Status codes that mean that a controller does not offer it: opcode, field, log page.
const NOT_OFFERED: [u32; 3] = [0x001, 0x002, 0x109];
/// Status Code Type and Status Code without More and Do Not Retry.
const STATUS: u32 = 0x7ff;

/// SCSI commands.
const ATA_PASS_THROUGH_16: u8 = 0x85;
const REQUEST_SENSE: u8 = 0x03;
const LOG_SENSE: u8 = 0x4d;
/// ATA PASS-THROUGH: protocol in bits 4 to 1, and whether the command has 48 bits.
const NON_DATA: u8 = 3 << 1;
const PIO_IN: u8 = 4 << 1;
const EXTENDED: u8 = 1;
/// Return the registers in sense data; and one sector from the drive, its count in the count field.
const WITH_REGISTERS: u8 = 0x20;
const FROM_DRIVE: u8 = 0x0e;
/// ATA commands and features.
const CHECK_POWER_MODE: u8 = 0xe5;
const IDENTIFY_DEVICE: u8 = 0xec;
const SMART: u8 = 0xb0;
const SMART_READ_DATA: u8 = 0xd0;
const SMART_RETURN_STATUS: u8 = 0xda;
const SMART_SIGNATURE: (u8, u8) = (0x4f, 0xc2);
const READ_LOG_EXT: u8 = 0x2f;
const STATISTICS_LOG: u8 = 0x04;

/// The longest answers of REQUEST SENSE and LOG SENSE.
const SENSE_BYTES: usize = 64;
const LOG_BYTES: usize = 1024;

/// scsi/scsi.h: CHECK CONDITION, ILLEGAL REQUEST, ABORTED COMMAND.
const CHECK_CONDITION: u8 = 0x02;
const ILLEGAL_REQUEST: u8 = 0x05;
const ABORTED_COMMAND: u8 = 0x0b;
/// Host status of the kernel's SCSI layer: nobody answers there any more, and not in time.
const DID_NO_CONNECT: u16 = 0x01;
const DID_TIME_OUT: u16 = 0x03;

/// A drive that is open for reading.
pub(super) struct Device {
    file: File,
    name: String,
}

impl Device {
    /// Opens it, where it is the very device that sysfs names. With O_NONBLOCK nothing waits for a medium, and a FIFO that somebody
    /// has put there does not hold us.
    pub(super) fn open(root: &Root, target: &Target) -> Result<Device, CollectError> {
        let relative = format!("dev/{}", target.name);
        let io = |cause| {
            CollectError::from(ReadError::Io {
                path: root.shown(&relative),
                cause,
            })
        };
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open(root.path(&relative))
            .map_err(io)?;
        let about = file.metadata().map_err(io)?;
        let kind = about.file_type();
        let is_kind = match target.tongue {
            Tongue::Nvme => kind.is_char_device(),
            Tongue::Ata | Tongue::Scsi => kind.is_block_device(),
        };
        let number = about.rdev();
        let number = format!("{}:{}", libc::major(number), libc::minor(number));
        if !is_kind || target.number.as_ref().is_some_and(|known| *known != number) {
            let message = format!(
                "{} is another device ({number}) than sysfs says ({})",
                root.shown(&relative).display(),
                target.number.as_deref().unwrap_or("none")
            );
            return Err(CollectError::new(NoData::Garbled, message));
        }
        Ok(Device {
            file,
            name: target.name.clone(),
        })
    }

    /// Asks for one page. Waits for as long as the kernel does.
    pub(super) fn fetch(&self, page: Page) -> Result<Vec<u8>, CollectError> {
        match page {
            Page::NvmeHealth => self.nvme(page, GET_LOG_PAGE, ALL_NAMESPACES, HEALTH_LOG, nvme::LOG_BYTES),
            Page::NvmeIdentify => self.nvme(page, IDENTIFY, 0, CONTROLLER, IDENTIFY_BYTES),
            Page::AtaPower => self.registers(page, 0, (0, 0), CHECK_POWER_MODE),
            Page::AtaStatus => self.registers(page, SMART_RETURN_STATUS, SMART_SIGNATURE, SMART),
            Page::AtaIdentify => self.sector(page, PIO_IN, 0, 0, (0, 0), IDENTIFY_DEVICE),
            Page::AtaSmart => self.sector(page, PIO_IN, SMART_READ_DATA, 0, SMART_SIGNATURE, SMART),
            Page::AtaStatistics(number) => {
                let place = (number, 0);
                self.sector(page, PIO_IN | EXTENDED, 0, STATISTICS_LOG, place, READ_LOG_EXT)
            }
            Page::ScsiSense => {
                // Descriptor format: bit 0 of byte 1 stays 0, which is the fixed one; both are read.
                let command = [REQUEST_SENSE, 0, 0, 0, 64, 0];
                self.data(page, &command, SENSE_BYTES)
            }
            Page::ScsiLog(number) => {
                // Cumulative values (01b) of this page, at most 1024 bytes.
                let command = [LOG_SENSE, 0, 0x40 | number, 0, 0, 0, 0, 4, 0, 0];
                self.data(page, &command, LOG_BYTES)
            }
        }
    }

    fn wrong(&self, page: Page, reason: NoData, what: &str) -> CollectError {
        let message = format!("{}: {} {what}", self.name, page.file().replace('_', " "));
        CollectError::new(reason, message)
    }

    fn failed(&self, page: Page, errno: Errno) -> CollectError {
        let error = CollectError::from(ReadError::Io {
            path: format!("/dev/{}", self.name).into(),
            cause: errno.into(),
        });
        self.wrong(page, error.reason, "failed").because(errno)
    }

    fn nvme(
        &self,
        page: Page,
        opcode: u8,
        nsid: u32,
        cdw10: u32,
        length: usize,
    ) -> Result<Vec<u8>, CollectError> {
        let mut data = vec![0_u8; length];
        let answer = ioctl::nvme_admin(&self.file, opcode, nsid, cdw10, &mut data);
        let status = answer.map_err(|errno| self.failed(page, errno))? & STATUS;
        match status {
            0 => Ok(data),
            status if NOT_OFFERED.contains(&status) => {
                Err(self.wrong(page, NoData::Unsupported, "is not offered"))
            }
            status => Err(self.wrong(page, NoData::Garbled, &format!("ended with status {status:#05x}"))),
        }
    }

    /// A command of SATA without data; its registers come back in sense data.
    fn registers(
        &self,
        page: Page,
        feature: u8,
        signature: (u8, u8),
        code: u8,
    ) -> Result<Vec<u8>, CollectError> {
        let command = pass_through(NON_DATA, WITH_REGISTERS, feature, (0, 0), signature, code);
        let answer = self.sg_io(page, &command, &mut [])?;
        if answer.status == 0 || answer.sense.is_empty() {
            return Err(self.wrong(page, NoData::Unsupported, "brought no registers"));
        }
        match scsi::sense_codes(&answer.sense) {
            Some((ILLEGAL_REQUEST | ABORTED_COMMAND, ..)) => {
                Err(self.wrong(page, NoData::Unsupported, "is not offered"))
            }
            _ => Ok(answer.sense),
        }
    }

    /// A command of SATA that brings one sector.
    fn sector(
        &self,
        page: Page,
        protocol: u8,
        feature: u8,
        low: u8,
        place: (u8, u8),
        code: u8,
    ) -> Result<Vec<u8>, CollectError> {
        let command = pass_through(protocol, FROM_DRIVE, feature, (1, low), place, code);
        self.data(page, &command, SECTOR)
    }

    fn data(&self, page: Page, command: &[u8], length: usize) -> Result<Vec<u8>, CollectError> {
        let mut data = vec![0_u8; length];
        let answer = self.sg_io(page, command, &mut data)?;
        match (answer.status, scsi::sense_codes(&answer.sense)) {
            (0, _) => {
                data.truncate(length.saturating_sub(answer.missing));
                Ok(data)
            }
            (CHECK_CONDITION, Some((ILLEGAL_REQUEST | ABORTED_COMMAND, ..))) => {
                Err(self.wrong(page, NoData::Unsupported, "is not offered"))
            }
            (CHECK_CONDITION, Some((key, code, qualifier))) => {
                let what = format!("ended with sense {key:x}h {code:02x}h/{qualifier:02x}h");
                Err(self.wrong(page, NoData::Garbled, &what))
            }
            (status, _) => {
                Err(self.wrong(page, NoData::Garbled, &format!("ended with status {status:#04x}")))
            }
        }
    }

    fn sg_io(&self, page: Page, command: &[u8], data: &mut [u8]) -> Result<Answer, CollectError> {
        let answer = ioctl::sg_io(&self.file, command, data).map_err(|errno| self.failed(page, errno))?;
        match answer.host_status {
            0 => Ok(answer),
            DID_NO_CONNECT => Err(self.wrong(page, NoData::Absent, "reached no drive")),
            DID_TIME_OUT => Err(self.wrong(page, NoData::Timeout, "was not answered")),
            other => {
                let what = format!("failed in the host adapter ({other:#04x})");
                Err(self.wrong(page, NoData::Garbled, &what))
            }
        }
    }
}

/// ATA PASS-THROUGH (16) (SAT-4, 12.2.2.3). `sectors` are the count and LBA(7:0), `place` is LBA(15:8) and LBA(23:16).
fn pass_through(
    protocol: u8,
    flags: u8,
    feature: u8,
    sectors: (u8, u8),
    place: (u8, u8),
    code: u8,
) -> [u8; 16] {
    let (count, low) = sectors;
    let (middle, high) = place;
    [
        ATA_PASS_THROUGH_16,
        protocol,
        flags,
        0,
        feature,
        0,
        count,
        0,
        low,
        0,
        middle,
        0,
        high,
        0,
        code,
        0,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_those_of_the_standard() {
        let power = pass_through(NON_DATA, WITH_REGISTERS, 0, (0, 0), (0, 0), CHECK_POWER_MODE);
        assert_eq!(
            power,
            [0x85, 0x06, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xe5, 0]
        );
        let smart = pass_through(
            PIO_IN,
            FROM_DRIVE,
            SMART_READ_DATA,
            (1, 0),
            SMART_SIGNATURE,
            SMART,
        );
        assert_eq!(
            smart,
            [
                0x85, 0x08, 0x0e, 0, 0xd0, 0, 1, 0, 0, 0, 0x4f, 0, 0xc2, 0, 0xb0, 0
            ]
        );
    }
}
