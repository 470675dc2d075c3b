//! The two ioctls: NVME_IOCTL_ADMIN_CMD and SG_IO. What may be sent through them is in `device.rs`, whole and short.
#![allow(unsafe_code)] // The kernel takes both commands as structures with pointers; there is no other door to a drive's log.

use std::fs::File;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::libc;

/// How long the kernel may wait for a command. Short times do harm: when they pass, the kernel resets controller or link under
/// everybody's feet. Our own deadline is shorter and disturbs nobody.
const KERNEL_MILLISECONDS: u32 = 30_000;

/// The most sense data that is taken.
const SENSE_BYTES: usize = 64;

/// scsi/sg.h: `SG_DXFER_NONE`, `SG_DXFER_FROM_DEV`.
const DXFER_NONE: libc::c_int = -1;
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

/// linux/nvme_ioctl.h: `NVME_IOCTL_ADMIN_CMD`; scsi/sg.h: `SG_IO`.
mod raw {
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
    /// How many bytes of data did not come.
    pub(super) missing: usize,
}

/// Sends an NVMe admin command that reads into `data`; gives the status that the controller ended it with.
pub(super) fn nvme_admin(
    file: &File,
    opcode: u8,
    nsid: u32,
    cdw10: u32,
    data: &mut [u8],
) -> Result<u32, Errno> {
    let mut command = NvmeCommand {
        opcode,
        nsid,
        cdw10,
        addr: u64::try_from(data.as_mut_ptr().expose_provenance()).unwrap_or(0),
        data_len: u32::try_from(data.len()).unwrap_or(0),
        timeout_ms: KERNEL_MILLISECONDS,
        ..NvmeCommand::default()
    };
    // SAFETY: the descriptor is open for this whole call; `command` has the kernel's layout (72 bytes, checked in the test below);
    // `addr` and `data_len` describe `data`, which is borrowed until the call returns, however long that takes: a thread whose
    // deadline passed is left alone and never ended. The caller's two opcodes write into `data` only.
    let status = unsafe { raw::nvme_admin_cmd(file.as_raw_fd(), &raw mut command) }?;
    Ok(u32::try_from(status).unwrap_or(0))
}

/// Sends a SCSI command that reads into `data`, or that brings no data where `data` is empty.
pub(super) fn sg_io(file: &File, command: &[u8], data: &mut [u8]) -> Result<Answer, Errno> {
    let mut command = command.to_vec();
    let mut sense = [0_u8; SENSE_BYTES];
    let mut header = SgCommand {
        interface_id: libc::c_int::from(b'S'),
        dxfer_direction: if data.is_empty() {
            DXFER_NONE
        } else {
            DXFER_FROM_DEV
        },
        cmd_len: u8::try_from(command.len()).unwrap_or(0),
        mx_sb_len: u8::try_from(sense.len()).unwrap_or(0),
        iovec_count: 0,
        dxfer_len: u32::try_from(data.len()).unwrap_or(0),
        dxferp: data.as_mut_ptr().cast(),
        cmdp: command.as_mut_ptr(),
        sbp: sense.as_mut_ptr(),
        timeout: KERNEL_MILLISECONDS,
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
    // SAFETY: the descriptor is open for this whole call; `header` has the kernel's layout (checked in the test below); command,
    // data and sense are described with their own lengths and live until the call returns, however long that takes. The
    // caller's commands all read: the kernel writes into `data` and `sense` only.
    unsafe { raw::sg_io(file.as_raw_fd(), &raw mut header) }?;
    let length = usize::from(header.sb_len_wr);
    Ok(Answer {
        status: header.status,
        host_status: header.host_status,
        sense: sense.get(..length).unwrap_or_default().to_vec(),
        missing: usize::try_from(header.resid).unwrap_or(0),
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
