//! The ioctls that give a drive orders: `NVME_IOCTL_ADMIN_CMD`, `NVME_IOCTL_ID` and `SG_IO`. Which orders those are stands in `drive.rs`.
#![allow(unsafe_code)] // The kernel takes both commands as structures with pointers; there is no other door to a drive's own erasure.

use std::fs::File;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::libc;

/// The most sense data that is taken.
const SENSE_BYTES: usize = 64;
/// scsi/sg.h: `SG_DXFER_NONE`, `SG_DXFER_TO_DEV`, `SG_DXFER_FROM_DEV`.
const DXFER_NONE: libc::c_int = -1;
const DXFER_TO_DEV: libc::c_int = -2;
const DXFER_FROM_DEV: libc::c_int = -3;

/// linux/nvme_ioctl.h: `struct nvme_passthru_cmd`.
#[repr(C)]
#[derive(Default)]
pub struct NvmeCommand {
    opcode: u8,
    flags: u8,
    reserved: u16,
    nsid: u32,
    cdw2: u32,
    cdw3: u32,
    metadata: u64,
    addr: u64,
    metadata_len: u32,
    data_len: u32,
    cdw10: u32,
    cdw11: u32,
    cdw12: u32,
    cdw13: u32,
    cdw14: u32,
    cdw15: u32,
    timeout_ms: u32,
    result: u32,
}

/// scsi/sg.h: `struct sg_io_hdr`.
#[repr(C)]
pub struct SgCommand {
    interface_id: libc::c_int,
    dxfer_direction: libc::c_int,
    cmd_len: libc::c_uchar,
    mx_sb_len: libc::c_uchar,
    iovec_count: libc::c_ushort,
    dxfer_len: libc::c_uint,
    dxferp: *mut libc::c_void,
    cmdp: *mut libc::c_uchar,
    sbp: *mut libc::c_uchar,
    timeout: libc::c_uint,
    flags: libc::c_uint,
    pack_id: libc::c_int,
    usr_ptr: *mut libc::c_void,
    status: libc::c_uchar,
    masked_status: libc::c_uchar,
    msg_status: libc::c_uchar,
    sb_len_wr: libc::c_uchar,
    host_status: libc::c_ushort,
    driver_status: libc::c_ushort,
    resid: libc::c_int,
    duration: libc::c_uint,
    info: libc::c_uint,
}

/// linux/nvme_ioctl.h: `NVME_IOCTL_ID`, `NVME_IOCTL_ADMIN_CMD`; scsi/sg.h: `SG_IO`.
mod raw {
    nix::ioctl_none!(nvme_id, b'N', 0x40);
    nix::ioctl_readwrite!(nvme_admin_cmd, b'N', 0x41, super::NvmeCommand);
    nix::ioctl_readwrite_bad!(sg_io, 0x2285, super::SgCommand);
}

/// What came back from a SCSI command.
pub(super) struct Answer {
    /// Status of the command.
    pub(super) status: u8,
    /// Status of the host adapter.
    pub(super) host_status: u16,
    /// Sense data.
    pub(super) sense: Vec<u8>,
}

/// An NVMe admin command.
#[derive(Clone, Copy)]
pub(super) struct Admin {
    pub(super) opcode: u8,
    pub(super) nsid: u32,
    pub(super) cdw10: u32,
    /// How long the kernel waits before it takes the controller for dead, and resets it.
    pub(super) timeout_ms: u32,
}

/// The number of the namespace of an open block device.
pub(super) fn nvme_namespace(file: &File) -> Result<u32, Errno> {
    // SAFETY: the descriptor is open for this whole call, and the command takes no argument.
    let number = unsafe { raw::nvme_id(file.as_raw_fd()) }?;
    Ok(u32::try_from(number).unwrap_or(0))
}

/// Sends an NVMe admin command that reads into `data`, or brings none; gives the status that the controller ended it with.
pub(super) fn nvme_admin(file: &File, admin: Admin, data: &mut [u8]) -> Result<u32, Errno> {
    let mut command = NvmeCommand {
        opcode: admin.opcode,
        nsid: admin.nsid,
        cdw10: admin.cdw10,
        addr: if data.is_empty() {
            0
        } else {
            u64::try_from(data.as_mut_ptr().expose_provenance()).unwrap_or(0)
        },
        data_len: u32::try_from(data.len()).unwrap_or(0),
        timeout_ms: admin.timeout_ms,
        ..NvmeCommand::default()
    };
    // SAFETY: the descriptor is open for this whole call; `command` has the kernel's layout (72 bytes, checked in the test below);
    // `addr` and `data_len` describe `data`, which is borrowed until the call returns, however long that takes.
    let status = unsafe { raw::nvme_admin_cmd(file.as_raw_fd(), &raw mut command) }?;
    Ok(u32::try_from(status).unwrap_or(u32::MAX))
}

/// Which way data goes.
pub(super) enum Data<'a> {
    None,
    From(&'a mut [u8]),
    To(&'a [u8]),
}

/// Sends a SCSI command.
pub(super) fn sg_io(file: &File, command: &[u8], data: Data<'_>, timeout_ms: u32) -> Result<Answer, Errno> {
    let mut command = command.to_vec();
    let mut sense = [0_u8; SENSE_BYTES];
    // What goes to the drive is copied: the kernel's structure has one pointer for both ways.
    let mut copy = Vec::new();
    let (dxfer_direction, bytes): (libc::c_int, &mut [u8]) = match data {
        Data::None => (DXFER_NONE, &mut []),
        Data::From(bytes) => (DXFER_FROM_DEV, bytes),
        Data::To(bytes) => {
            copy.extend_from_slice(bytes);
            (DXFER_TO_DEV, &mut copy)
        }
    };
    let mut header = SgCommand {
        interface_id: libc::c_int::from(b'S'),
        dxfer_direction,
        cmd_len: u8::try_from(command.len()).unwrap_or(0),
        mx_sb_len: u8::try_from(sense.len()).unwrap_or(0),
        iovec_count: 0,
        dxfer_len: u32::try_from(bytes.len()).unwrap_or(0),
        dxferp: bytes.as_mut_ptr().cast(),
        cmdp: command.as_mut_ptr(),
        sbp: sense.as_mut_ptr(),
        timeout: timeout_ms,
        flags: 0,
        pack_id: 0,
        usr_ptr: std::ptr::null_mut(),
        status: 0,
        masked_status: 0,
        msg_status: 0,
        sb_len_wr: 0,
        host_status: 0,
        driver_status: 0,
        resid: 0,
        duration: 0,
        info: 0,
    };
    // SAFETY: the descriptor is open for this whole call; `header` has the kernel's layout (checked in the test below); command, data and
    // sense are described with their own lengths and live until the call returns, however long that takes.
    unsafe { raw::sg_io(file.as_raw_fd(), &raw mut header) }?;
    let length = usize::from(header.sb_len_wr);
    Ok(Answer {
        status: header.status,
        host_status: header.host_status,
        sense: sense.get(..length).unwrap_or_default().to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_have_the_kernels_size() {
        assert_eq!(size_of::<NvmeCommand>(), 72);
        if cfg!(target_pointer_width = "64") {
            assert_eq!(size_of::<SgCommand>(), 88);
        }
    }
}
