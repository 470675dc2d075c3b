//! The ioctls of the kernel's IPMI device (include/uapi/linux/ipmi.h): send a command, take what came, set the timing, be woken.
#![allow(unsafe_code)] // The kernel is given addresses of a request and of a buffer; there is no other way to /dev/ipmi0.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::libc::{c_int, c_long, c_short};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::ipmi::command::Request;

/// `IPMI_IOC_MAGIC`.
const MAGIC: u8 = b'i';
/// `IPMI_SYSTEM_INTERFACE_ADDR_TYPE`: the BMC behind this machine's own interface.
const SYSTEM_INTERFACE: c_int = 0x0C;
/// `IPMI_BMC_CHANNEL`.
const BMC_CHANNEL: c_short = 0x0F;
/// `IPMI_MAX_ADDR_SIZE`.
const MAX_ADDRESS: usize = 32;
/// `IPMI_MAX_MSG_LENGTH`: the kernel gives no longer message.
pub(super) const MAX_MESSAGE: usize = 272;

/// `struct ipmi_system_interface_addr`.
#[repr(C)]
struct Interface {
    addr_type: c_int,
    channel: c_short,
    lun: u8,
}

/// `struct ipmi_addr`, as large as any address.
#[repr(C)]
struct AnyAddress {
    addr_type: c_int,
    channel: c_short,
    data: [u8; MAX_ADDRESS],
}

/// `struct ipmi_msg`.
#[repr(C)]
struct Message {
    netfn: u8,
    cmd: u8,
    data_len: u16,
    data: *mut u8,
}

/// `struct ipmi_req`.
#[repr(C)]
struct Sending {
    addr: *mut u8,
    addr_len: u32,
    msgid: c_long,
    msg: Message,
}

/// `struct ipmi_recv`.
#[repr(C)]
struct Taking {
    recv_type: c_int,
    addr: *mut u8,
    addr_len: u32,
    msgid: c_long,
    msg: Message,
}

/// `struct ipmi_timing_parms`.
#[repr(C)]
struct Timing {
    retries: c_int,
    retry_time_ms: u32,
}

mod raw {
    use super::{MAGIC, Sending, Taking, Timing};

    // IPMICTL_RECEIVE_MSG_TRUNC, IPMICTL_SEND_COMMAND, IPMICTL_SET_TIMING_PARMS_CMD; the directions are the kernel's own.
    nix::ioctl_readwrite!(receive_trunc, MAGIC, 11, Taking);
    nix::ioctl_read!(send_command, MAGIC, 13, Sending);
    nix::ioctl_read!(set_timing, MAGIC, 22, Timing);
}

/// What the kernel gave, still to be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// `recv_type`: 1 is an answer.
    pub(super) kind: i32,
    /// The number under which the request was sent.
    pub(super) id: c_long,
    /// Network function of the answer.
    pub(super) netfn: u8,
    /// Command number.
    pub(super) code: u8,
    /// Completion code and data.
    pub(super) data: Vec<u8>,
}

/// Watches a device for messages. Only inside of a tokio runtime.
pub(super) fn watched(file: File) -> io::Result<AsyncFd<File>> {
    // SAFETY: a `File` owns its descriptor and never changes it; the `AsyncFd` owns the `File` and never gives it away.
    unsafe { AsyncFd::register_with_interest(file, Interest::READABLE) }.map_err(|error| error.into_parts().1)
}

fn length<T>() -> u32 {
    u32::try_from(std::mem::size_of::<T>()).unwrap_or_default()
}

/// Hands a request to the kernel, which sends it in its turn.
pub(super) fn send(device: BorrowedFd<'_>, id: i32, request: &Request) -> Result<(), Errno> {
    let mut data = request.data.clone();
    let data_len = u16::try_from(data.len()).map_err(|_| Errno::EMSGSIZE)?;
    let mut to = Interface {
        addr_type: SYSTEM_INTERFACE,
        channel: BMC_CHANNEL,
        lun: request.lun & 3,
    };
    let mut sending = Sending {
        addr: std::ptr::from_mut(&mut to).cast(),
        addr_len: length::<Interface>(),
        msgid: c_long::from(id),
        msg: Message {
            netfn: request.command.netfn,
            cmd: request.command.code,
            data_len,
            data: data.as_mut_ptr(),
        },
    };
    // SAFETY: `sending` has the layout of `struct ipmi_req`; its pointers lead to `to` and `data`, which outlive the call and
    // are as long as `addr_len` and `data_len` say. The kernel copies both before it returns and writes to neither.
    unsafe { raw::send_command(device.as_raw_fd(), &raw mut sending) }?;
    Ok(())
}

/// Takes the next message; `EAGAIN` where there is none. A message longer than any is cut by the kernel, which says `EMSGSIZE`.
pub(super) fn receive(device: BorrowedFd<'_>) -> Result<Taken, Errno> {
    let mut from = AnyAddress {
        addr_type: 0,
        channel: 0,
        data: [0; MAX_ADDRESS],
    };
    let mut data = [0_u8; MAX_MESSAGE];
    let mut taking = Taking {
        recv_type: 0,
        addr: std::ptr::from_mut(&mut from).cast(),
        addr_len: length::<AnyAddress>(),
        msgid: 0,
        msg: Message {
            netfn: 0,
            cmd: 0,
            data_len: u16::try_from(data.len()).unwrap_or_default(),
            data: data.as_mut_ptr(),
        },
    };
    // SAFETY: `taking` has the layout of `struct ipmi_recv`; the kernel writes at most `addr_len` bytes to `from` and at most
    // `data_len` to `data`, both of which outlive the call and are of that size.
    unsafe { raw::receive_trunc(device.as_raw_fd(), &raw mut taking) }?;
    // Never read through the pointer that came back: only its length is believed, and only as far as the buffer goes.
    let came = usize::from(taking.msg.data_len).min(MAX_MESSAGE);
    Ok(Taken {
        kind: taking.recv_type,
        id: taking.msgid,
        netfn: taking.msg.netfn,
        code: taking.msg.cmd,
        data: data.get(..came).unwrap_or_default().to_vec(),
    })
}

/// Tells the kernel never to send a command of this handle again by itself: whether it may be repeated is ours to know.
pub(super) fn never_repeat(device: BorrowedFd<'_>, wait_milliseconds: u32) -> Result<(), Errno> {
    let mut timing = Timing {
        retries: 0,
        retry_time_ms: wait_milliseconds,
    };
    // SAFETY: `timing` has the layout of `struct ipmi_timing_parms`, which the kernel only reads.
    unsafe { raw::set_timing(device.as_raw_fd(), &raw mut timing) }?;
    Ok(())
}
