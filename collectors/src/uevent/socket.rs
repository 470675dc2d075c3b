//! The socket on which the kernel tells its uevents (netlink(7), `NETLINK_KOBJECT_UEVENT`).

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recvmsg, setsockopt,
    socket, sockopt,
};

use super::message::{LONGEST_MESSAGE, Uevent, UeventError, parse};

/// The multicast group of the kernel itself; group 2 is udev's.
const KERNEL_GROUP: u32 = 1;

/// How much may wait in the socket: some two thousand events. A shelf of drives brings a few hundred; more is told as lost.
const BUFFER: usize = 1 << 20;

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// An event.
    Uevent(Uevent),
    /// The kernel dropped events because too many waited: whatever may have changed has to be looked at.
    Lost,
    /// Something that is not the kernel's, or that cannot be read.
    Nonsense(UeventError),
    /// It came from a process, not from the kernel.
    Stranger {
        /// Its netlink port, often its pid.
        port: u32,
    },
}

/// An open socket. It never blocks.
#[derive(Debug)]
pub struct UeventSocket {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl UeventSocket {
    /// Opens it and joins the kernel's group. No privilege is needed.
    ///
    /// # Errors
    /// When the kernel gives none: in some sandboxes.
    pub fn open() -> io::Result<UeventSocket> {
        UeventSocket::in_groups(KERNEL_GROUP)
    }

    fn in_groups(groups: u32) -> io::Result<UeventSocket> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let kind = SockType::Datagram;
        let protocol = SockProtocol::NetlinkKObjectUEvent;
        let socket = socket(AddressFamily::Netlink, kind, flags, protocol)?;
        // The kernel gives what its own limit (`net.core.rmem_max`) allows; less is no error, events are then lost sooner.
        setsockopt(&socket, sockopt::RcvBuf, &BUFFER)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        Ok(UeventSocket {
            socket,
            buffer: vec![0; LONGEST_MESSAGE],
        })
    }

    /// The next thing that waits; `None` where nothing does.
    ///
    /// # Errors
    /// When the socket is broken.
    pub fn hear(&mut self) -> io::Result<Option<Heard>> {
        loop {
            let mut parts = [IoSliceMut::new(&mut self.buffer)];
            let came = recvmsg::<NetlinkAddr>(self.socket.as_raw_fd(), &mut parts, None, MsgFlags::MSG_TRUNC);
            let (bytes, port) = match came {
                Ok(came) => (came.bytes, came.address.map_or(0, |address| address.pid())),
                Err(Errno::EAGAIN) => return Ok(None),
                Err(Errno::EINTR) => continue,
                Err(Errno::ENOBUFS) => return Ok(Some(Heard::Lost)),
                Err(error) => return Err(error.into()),
            };
            if port != 0 {
                return Ok(Some(Heard::Stranger { port }));
            }
            // With MSG_TRUNC the length is the message's own, not that of the buffer.
            let heard = match self.buffer.get(..bytes) {
                None => Heard::Nonsense(UeventError::Long { bytes }),
                Some(message) => match parse(message) {
                    Ok(event) => Heard::Uevent(event),
                    Err(error) => Heard::Nonsense(error),
                },
            };
            return Ok(Some(heard));
        }
    }
}

impl AsFd for UeventSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::{Duration, Instant};

    use nix::sys::socket::{getsockname, sendto};

    use super::*;

    /// A process may write to another one's netlink socket where it is privileged; it must not pass for the kernel.
    #[test]
    fn a_process_does_not_pass_for_the_kernel() {
        let Ok(mut ears) = UeventSocket::in_groups(0) else {
            println!("skipped: the kernel gives no netlink socket here");
            return;
        };
        assert_eq!(ears.hear().unwrap(), None);
        let stranger = UeventSocket::in_groups(0).unwrap();
        let ours: NetlinkAddr = getsockname(ears.socket.as_raw_fd()).unwrap();
        let theirs: NetlinkAddr = getsockname(stranger.socket.as_raw_fd()).unwrap();
        let message = b"remove@/devices/x\0ACTION=remove\0DEVPATH=/devices/x\0SUBSYSTEM=pci\0";
        let sent = sendto(stranger.socket.as_raw_fd(), message, &ours, MsgFlags::empty());
        if sent.is_err() {
            println!("skipped: writing to a netlink socket needs CAP_NET_ADMIN");
            return;
        }
        let start = Instant::now();
        let heard = loop {
            if let Some(heard) = ears.hear().unwrap() {
                break heard;
            }
            assert!(start.elapsed() < Duration::from_secs(30), "nothing came");
        };
        assert_eq!(heard, Heard::Stranger { port: theirs.pid() });
    }
}
