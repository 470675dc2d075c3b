//! The node's own BMC through the kernel: `/dev/ipmi0` of the driver ipmi_devintf, one command at a time, late answers dropped.

mod ioctl;
#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc::c_long;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, timeout_at};

use super::bytes::{Bytes, DecodeError};
use super::command::Request;
use super::counts::Counts;
use super::error::IpmiError;
use super::message::Answer;
use ioctl::Taken;

/// `IPMI_RESPONSE_RECV_TYPE`: an answer to a request of this handle. Events and commands of others have other numbers.
const RESPONSE: i32 = 1;
/// For one answer. 5 s: the kernel's own patience with one byte of KCS (ipmi_kcs_sm.c) is 5 s, so that a BMC that is silent
/// this long would be given up there, too; a BMC that is well answers in 2 to 100 ms.
const ANSWER: Duration = Duration::from_secs(5);

/// Where the kernel shows the node's own BMC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InBand {
    /// The device, `/dev/ipmi0`.
    pub path: PathBuf,
    /// How long one answer is waited for.
    pub answer: Duration,
    /// The path in words, for messages.
    shown: String,
}

impl InBand {
    /// This device, with the ordinary patience.
    pub fn new(path: impl Into<PathBuf>) -> InBand {
        let path = path.into();
        InBand {
            shown: path.display().to_string(),
            path,
            answer: ANSWER,
        }
    }

    /// The device in words, as errors name it.
    pub fn shown(&self) -> &str {
        &self.shown
    }
}

/// An open handle.
pub(super) struct Handle {
    device: AsyncFd<File>,
    shown: String,
    answer: Duration,
    counts: Arc<Counts>,
    /// `msgid` of our last request.
    id: i32,
}

impl Handle {
    /// Opens the device. Nothing is sent. For reading only, since the kernel asks for no more.
    pub(super) fn open(place: &InBand, counts: &Arc<Counts>) -> Result<Handle, IpmiError> {
        let failed = |act: &str, source: io::Error| IpmiError::Device {
            path: place.shown.clone(),
            act: act.to_owned(),
            source,
        };
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(nix::libc::O_NONBLOCK)
            .open(&place.path)
            .map_err(|error| failed("opening it", error))?;
        let wait = u32::try_from(place.answer.as_millis()).unwrap_or(u32::MAX);
        ioctl::never_repeat(file.as_fd(), wait)
            .map_err(|error| failed("IPMICTL_SET_TIMING_PARMS_CMD", error.into()))?;
        let device = ioctl::watched(file).map_err(|error| failed("waiting for it", error))?;
        counts.opened();
        Ok(Handle {
            device,
            shown: place.shown.clone(),
            answer: place.answer,
            counts: Arc::clone(counts),
            id: 0,
        })
    }

    /// Sends one request, once, and waits for its answer. The kernel itself repeats what its interface lost on the way.
    pub(super) async fn call(&mut self, request: &Request) -> Result<Answer, IpmiError> {
        let act = request.command.to_string();
        self.id = self.id.checked_add(1).unwrap_or(1);
        self.counts.sent();
        ioctl::send(self.device.get_ref().as_fd(), self.id, request)
            .map_err(|error| self.failed(&act, error))?;
        let deadline = Instant::now() + self.answer;
        let mut stray: Option<DecodeError> = None;
        while let Some(taken) = self.take(&act, deadline).await? {
            match judge(&taken, self.id, request) {
                Ok(answer) => return Ok(answer),
                Err(Useless::Late) => self.counts.late(),
                Err(Useless::Stray(error)) => {
                    self.counts.stray();
                    stray = Some(error);
                }
            }
        }
        Err(IpmiError::Silent {
            address: self.shown.clone(),
            act,
            sent: 1,
            waited: self.answer,
            strays: stray.map_or_else(String::new, |error| format!(", the last of no use: {error}")),
        })
    }

    /// The next message before the deadline.
    async fn take(&self, act: &str, deadline: Instant) -> Result<Option<Taken>, IpmiError> {
        loop {
            let waited = timeout_at(deadline, self.device.readable()).await;
            let mut ready = match waited {
                Err(_) => return Ok(None),
                Ok(ready) => ready.map_err(|source| self.lost(act, source))?,
            };
            // EAGAIN inside means that somebody else took it: we wait on.
            let Ok(taken) = ready.try_io(|device| Ok(ioctl::receive(device.get_ref().as_fd())?)) else {
                continue;
            };
            match taken {
                Ok(taken) => {
                    self.counts.received();
                    return Ok(Some(taken));
                }
                // Cut by the kernel and taken from its queue: no answer of IPMI is that long.
                Err(error) if error.raw_os_error() == Some(nix::libc::EMSGSIZE) => self.counts.stray(),
                Err(error) => return Err(self.lost(act, error)),
            }
        }
    }

    fn failed(&self, act: &str, error: Errno) -> IpmiError {
        self.lost(act, error.into())
    }

    fn lost(&self, act: &str, source: io::Error) -> IpmiError {
        IpmiError::Device {
            path: self.shown.clone(),
            act: act.to_owned(),
            source,
        }
    }
}

/// Why a message is not the answer.
#[derive(Debug, PartialEq, Eq)]
enum Useless {
    /// The answer to an earlier request.
    Late,
    /// No answer at all, or one that cannot be right.
    Stray(DecodeError),
}

/// Whether a message answers the request that was sent under this number.
fn judge(taken: &Taken, id: i32, request: &Request) -> Result<Answer, Useless> {
    if taken.kind != RESPONSE {
        return Err(Useless::Stray(DecodeError::wrong(
            "the kind of a message from the kernel",
            taken.kind.to_string(),
            "1, an answer",
        )));
    }
    if taken.id != c_long::from(id) {
        return Err(Useless::Late);
    }
    if (taken.netfn, taken.code) != (request.command.netfn | 1, request.command.code) {
        return Err(Useless::Stray(DecodeError::wrong(
            "an answer under the number of our request",
            format!("NetFn {:02X}h, cmd {:02X}h", taken.netfn, taken.code),
            format!("that to {}", request.command),
        )));
    }
    let mut bytes = Bytes::of("an answer from the kernel", &taken.data);
    let completion = bytes.u8().map_err(Useless::Stray)?;
    Ok(Answer {
        netfn: taken.netfn,
        sequence: 0,
        code: taken.code,
        completion,
        data: bytes.rest().to_vec(),
    })
}

/// What the kernel may hand us, for the fuzzer: kind, number, function and command, then the message.
#[cfg(any(test, feature = "fuzz"))]
pub(super) fn fuzz_answer(data: &[u8]) {
    let [kind, id, netfn, code, message @ ..] = data else {
        return;
    };
    let taken = Taken {
        kind: i32::from(*kind),
        id: c_long::from(*id),
        netfn: *netfn,
        code: *code,
        data: message.to_vec(),
    };
    if let Ok(answer) = judge(&taken, 1, &Request::new(super::command::GET_DEVICE_ID, [])) {
        assert_eq!(answer.data.len().saturating_add(1), message.len());
    }
}
