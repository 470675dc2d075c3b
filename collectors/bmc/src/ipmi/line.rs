//! The ways to a BMC, and an open line on one of them: a session over LAN, a handle of the kernel's device, or a recording.

use std::sync::Arc;
use std::time::Duration;

use super::client::Reply;
use super::command::Request;
use super::counts::Counts;
use super::endpoint::Endpoint;
use super::error::IpmiError;
use super::in_band::{Handle, InBand};
use super::recorded::Recording;
use super::session::Session;
use super::suite::Suite;

/// How a BMC is reached.
pub(super) enum Way {
    /// Over the network.
    Lan(Box<Endpoint>),
    /// From inside the node.
    InBand(InBand),
    /// Not at all: a recording of it, with a name.
    Recorded(String, Arc<Recording>),
}

impl Way {
    /// The address or the device, in words.
    pub(super) fn shown(&self) -> &str {
        match self {
            Way::Lan(endpoint) => &endpoint.address,
            Way::InBand(place) => place.shown(),
            Way::Recorded(name, _) => name,
        }
    }

    /// Whether a kept line that failed so is worth another one at once. A BMC that was restarted has forgotten our session and
    /// stays silent in it; in-band there is no session, and silence is that of the BMC itself.
    pub(super) fn is_worth_another_line(&self, error: &IpmiError) -> bool {
        match self {
            Way::Lan(_) => true,
            Way::InBand(_) => !matches!(error, IpmiError::Silent { .. }),
            Way::Recorded(..) => false,
        }
    }
}

/// An open line.
pub(super) enum Line {
    /// A session of RMCP+.
    Session(Box<Session>),
    /// A handle of the device.
    Handle(Handle),
    /// A recording.
    Recorded(Arc<Recording>),
}

impl Line {
    pub(super) async fn open(way: &Way, counts: &Arc<Counts>) -> Result<Line, IpmiError> {
        match way {
            Way::Lan(endpoint) => Ok(Line::Session(Box::new(Session::open(endpoint, counts).await?))),
            Way::InBand(place) => Handle::open(place, counts).map(Line::Handle),
            Way::Recorded(_, recording) => Ok(Line::Recorded(Arc::clone(recording))),
        }
    }

    pub(super) async fn call(&mut self, request: &Request) -> Result<Reply, IpmiError> {
        let answer = match self {
            Line::Session(session) => session.call(request).await?,
            Line::Handle(handle) => handle.call(request).await?,
            Line::Recorded(recording) => return Ok(recording.answer(request)),
        };
        Ok(Reply {
            completion: answer.completion,
            data: answer.data,
        })
    }

    pub(super) fn suite(&self) -> Option<Suite> {
        match self {
            Line::Session(session) => Some(session.suite()),
            Line::Handle(_) | Line::Recorded(_) => None,
        }
    }

    /// How long ago something was sent, where that matters.
    pub(super) fn idle(&self) -> Option<Duration> {
        match self {
            Line::Session(session) => Some(session.idle()),
            Line::Handle(_) | Line::Recorded(_) => None,
        }
    }
}
