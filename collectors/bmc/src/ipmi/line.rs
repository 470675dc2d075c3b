//! The two ways to a BMC, and an open line on one of them: a session over LAN, or a handle of the kernel's device.

use std::sync::Arc;
use std::time::Duration;

use super::command::Request;
use super::counts::Counts;
use super::endpoint::Endpoint;
use super::error::IpmiError;
use super::in_band::{Handle, InBand};
use super::message::Answer;
use super::session::Session;
use super::suite::Suite;

/// How a BMC is reached.
pub(super) enum Way {
    /// Over the network.
    Lan(Box<Endpoint>),
    /// From inside the node.
    InBand(InBand),
}

impl Way {
    /// The address or the device, in words.
    pub(super) fn shown(&self) -> &str {
        match self {
            Way::Lan(endpoint) => &endpoint.address,
            Way::InBand(place) => place.shown(),
        }
    }

    /// Whether a kept line that failed so is worth another one at once. A BMC that was restarted has forgotten our session and
    /// stays silent in it; in-band there is no session, and silence is that of the BMC itself.
    pub(super) fn is_worth_another_line(&self, error: &IpmiError) -> bool {
        match self {
            Way::Lan(_) => true,
            Way::InBand(_) => !matches!(error, IpmiError::Silent { .. }),
        }
    }
}

/// An open line.
pub(super) enum Line {
    /// A session of RMCP+.
    Session(Box<Session>),
    /// A handle of the device.
    Handle(Handle),
}

impl Line {
    pub(super) async fn open(way: &Way, counts: &Arc<Counts>) -> Result<Line, IpmiError> {
        match way {
            Way::Lan(endpoint) => Ok(Line::Session(Box::new(Session::open(endpoint, counts).await?))),
            Way::InBand(place) => Handle::open(place, counts).map(Line::Handle),
        }
    }

    pub(super) async fn call(&mut self, request: &Request) -> Result<Answer, IpmiError> {
        match self {
            Line::Session(session) => session.call(request).await,
            Line::Handle(handle) => handle.call(request).await,
        }
    }

    pub(super) fn suite(&self) -> Option<Suite> {
        match self {
            Line::Session(session) => Some(session.suite()),
            Line::Handle(_) => None,
        }
    }

    /// How long ago something was sent, where that matters.
    pub(super) fn idle(&self) -> Option<Duration> {
        match self {
            Line::Session(session) => Some(session.idle()),
            Line::Handle(_) => None,
        }
    }
}
