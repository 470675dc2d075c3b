//! One BMC over IPMI: a kept line that is opened when first needed and again when the BMC has forgotten it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::bytes::DecodeError;
use super::command::{Command, GET_DEVICE_ID, Repeat, Request};
use super::counts::{Counts, Packets};
use super::endpoint::Endpoint;
use super::error::IpmiError;
use super::in_band::InBand;
use super::line::{Line, Way};
use super::observe::Repository;
use super::recorded::{Answers, Question, Recording};
use super::suite::Suite;

/// How often a command that only reads is sent again after the BMC said that it is busy.
const BUSY_TRIES: u32 = 3;
/// Between two of them.
const BUSY_PAUSE: Duration = Duration::from_millis(50);
/// Completion codes that mean *later*: node busy, timeout inside the BMC.
const BUSY: [u8; 2] = [0xC0, 0xC3];

/// Answers that are kept for a recording: those of 4096 sensor records in pieces, and of their sensors.
const MOST_KEPT: usize = 1 << 16;

/// What a BMC answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// 0 is success.
    pub completion: u8,
    /// The answer's data after the completion code.
    pub data: Vec<u8>,
}

/// A client of one BMC. One request is out at a time: BMCs answer no faster, and a late answer is then known as such.
pub struct Ipmi {
    way: Way,
    line: Mutex<Option<Line>>,
    counts: Arc<Counts>,
    /// What was answered, where that is kept.
    kept: std::sync::Mutex<Option<Answers>>,
    /// The sensor records, as read last.
    pub(super) repository: Mutex<Option<Arc<Repository>>>,
}

impl Ipmi {
    /// A client over LAN; nothing is sent before the first request.
    pub fn new(endpoint: Endpoint) -> Ipmi {
        Ipmi::by(Way::Lan(Box::new(endpoint)))
    }

    /// A client of the node's own BMC through the kernel; the device is opened by the first request, inside of a tokio runtime.
    pub fn in_band(place: InBand) -> Ipmi {
        Ipmi::by(Way::InBand(place))
    }

    /// A client of a recorded BMC; `name` is what errors call it. Nothing is sent anywhere.
    pub fn recorded(name: impl Into<String>, recording: Recording) -> Ipmi {
        Ipmi::by(Way::Recorded(name.into(), Arc::new(recording)))
    }

    fn by(way: Way) -> Ipmi {
        Ipmi {
            kept: std::sync::Mutex::new(None),
            way,
            line: Mutex::new(None),
            counts: Arc::default(),
            repository: Mutex::new(None),
        }
    }

    /// The BMC's address or the device, as it was given.
    pub fn address(&self) -> &str {
        self.way.shown()
    }

    /// What was sent and received so far.
    pub fn packets(&self) -> Packets {
        self.counts.now()
    }

    /// The cipher suite of the open session; `None` while there is none, and in-band.
    pub async fn suite(&self) -> Option<Suite> {
        self.line.lock().await.as_ref().and_then(Line::suite)
    }

    /// Sends a request, in a session that is opened where there is none. A command that only reads is repeated: within the
    /// session, while the BMC is busy, and once in a new session where the old one stays silent (the BMC was restarted). A
    /// command that acts is sent once.
    ///
    /// # Errors
    /// Where no session comes about or no answer comes. An error code of the BMC is no error here.
    pub async fn call(&self, request: &Request) -> Result<Reply, IpmiError> {
        let mut line = self.line.lock().await;
        let mut kept = line.is_some();
        let mut busy = 0;
        loop {
            if request.command.repeat == Repeat::Act {
                self.counts.acted();
            }
            if line.is_none() {
                *line = Some(Line::open(&self.way, &self.counts).await?);
            }
            let Some(open) = line.as_mut() else { continue };
            let answer = match open.call(request).await {
                Ok(answer) => answer,
                Err(error) => {
                    *line = None;
                    let worth = self.way.is_worth_another_line(&error);
                    if std::mem::take(&mut kept) && worth && request.command.repeat == Repeat::Read {
                        continue;
                    }
                    return Err(error);
                }
            };
            let again = BUSY.contains(&answer.completion) && request.command.repeat == Repeat::Read;
            if again && busy < BUSY_TRIES {
                busy += 1;
                tokio::time::sleep(BUSY_PAUSE).await;
                continue;
            }
            if let Some(kept) = self.answers().as_mut().filter(|kept| kept.len() < MOST_KEPT) {
                kept.insert(Question::of(request), answer.clone());
            }
            return Ok(answer);
        }
    }

    /// Keeps from now on what is answered, for a recording.
    pub fn keep_answers(&self) {
        self.answers().get_or_insert_default();
    }

    /// What was answered since.
    pub fn kept_answers(&self) -> Answers {
        self.answers().clone().unwrap_or_default()
    }

    fn answers(&self) -> std::sync::MutexGuard<'_, Option<Answers>> {
        self.kept
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// As `call`, and an error code of the BMC is an error.
    ///
    /// # Errors
    /// As `call`, and where the completion code is not 0.
    pub async fn ask(&self, request: &Request) -> Result<Vec<u8>, IpmiError> {
        let reply = self.call(request).await?;
        match reply.completion {
            0 => Ok(reply.data),
            code => Err(self.completion(request.command, code)),
        }
    }

    /// Touches the session where nothing was sent for `Limits::keep_alive`, so that the BMC keeps it. Costs at most one packet,
    /// and in-band none.
    ///
    /// # Errors
    /// As `call`.
    pub async fn keep_alive(&self) -> Result<(), IpmiError> {
        let is_due = match (&self.way, self.line.lock().await.as_ref()) {
            (Way::Lan(endpoint), Some(line)) => {
                line.idle().is_some_and(|idle| idle >= endpoint.limits.keep_alive)
            }
            _ => false,
        };
        if is_due {
            self.call(&Request::new(GET_DEVICE_ID, [])).await?;
        }
        Ok(())
    }

    /// Ends the session, where there is one. The next request opens another.
    ///
    /// # Errors
    /// Where the BMC does not confirm it.
    pub async fn close(&self) -> Result<(), IpmiError> {
        let line = self.line.lock().await.take();
        match line {
            Some(Line::Session(session)) => session.close().await,
            Some(Line::Handle(_) | Line::Recorded(_)) | None => Ok(()),
        }
    }

    pub(super) fn completion(&self, command: Command, code: u8) -> IpmiError {
        IpmiError::Completion {
            address: self.address().to_owned(),
            command,
            code,
        }
    }

    pub(super) fn malformed(&self, command: Command, source: DecodeError) -> IpmiError {
        IpmiError::Malformed {
            address: self.address().to_owned(),
            act: command.to_string(),
            source,
        }
    }

    pub(super) fn refused(&self, why: String) -> IpmiError {
        IpmiError::Refused {
            address: self.address().to_owned(),
            why,
        }
    }
}
