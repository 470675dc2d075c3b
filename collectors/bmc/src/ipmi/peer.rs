//! The socket towards one BMC: sends, waits, keeps count of what came and was of no use.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::bytes::DecodeError;
use super::counts::Counts;
use super::endpoint::Endpoint;
use super::error::IpmiError;
use super::rakp::Failed;
use super::wire::{self, MAX_DATAGRAM};

/// A socket towards one BMC.
pub(super) struct Peer {
    pub(super) address: String,
    pub(super) socket: UdpSocket,
    pub(super) counts: Arc<Counts>,
    pub(super) wait: Duration,
}

impl Peer {
    pub(super) async fn reach(endpoint: &Endpoint, counts: &Arc<Counts>) -> Result<Peer, IpmiError> {
        let (host, port) = endpoint.host_and_port()?;
        let unreachable = |source| IpmiError::Unreachable {
            address: endpoint.address.clone(),
            act: "Open Session Request".to_owned(),
            source,
        };
        let to = tokio::net::lookup_host((host.as_str(), port))
            .await
            .map_err(unreachable)?
            .next()
            .ok_or_else(|| unreachable(std::io::ErrorKind::NotFound.into()))?;
        let from = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(from).await.map_err(unreachable)?;
        // Connected: the kernel then drops what others send to this port.
        socket.connect(to).await.map_err(unreachable)?;
        Ok(Peer {
            address: endpoint.address.clone(),
            socket,
            counts: Arc::clone(counts),
            wait: endpoint.limits.answer,
        })
    }

    fn unreachable(&self, act: &str, source: std::io::Error) -> IpmiError {
        IpmiError::Unreachable {
            address: self.address.clone(),
            act: act.to_owned(),
            source,
        }
    }

    pub(super) fn silent(&self, act: &str, sent: u32, strays: &Strays) -> IpmiError {
        IpmiError::Silent {
            address: self.address.clone(),
            act: act.to_owned(),
            sent,
            waited: self.wait.saturating_mul(sent),
            strays: strays.words(),
        }
    }

    pub(super) async fn send(&self, act: &str, packet: &[u8]) -> Result<(), IpmiError> {
        self.counts.sent();
        self.socket
            .send(packet)
            .await
            .map(|_| ())
            .map_err(|error| self.unreachable(act, error))
    }

    /// The next datagram before the deadline.
    pub(super) async fn receive(
        &self,
        act: &str,
        buffer: &mut [u8],
        deadline: Instant,
    ) -> Result<Option<usize>, IpmiError> {
        match timeout_at(deadline, self.socket.recv(buffer)).await {
            Err(_) => Ok(None),
            Ok(Ok(length)) => {
                self.counts.received();
                Ok(Some(length))
            }
            Ok(Err(error)) => Err(self.unreachable(act, error)),
        }
    }

    /// One step of the handshake: sends until the answer `read` takes comes.
    pub(super) async fn step<T>(
        &self,
        (act, tries): (&'static str, u32),
        (kind, payload): (u8, &[u8]),
        mut read: impl FnMut(&[u8]) -> Result<T, Failed>,
    ) -> Result<Result<T, Failed>, IpmiError> {
        let packet = wire::clear(kind, payload);
        self.exchange((act, tries), &packet, |came| {
            let clear = wire::read_clear(came)?;
            if clear.kind != kind + 1 {
                let got = format!("{:02x}h", clear.kind);
                return Err(DecodeError::wrong("the payload type", got, "that of the answer").into());
            }
            read(clear.payload)
        })
        .await
    }

    /// One packet outside of a session: sends it until the packet comes that `read` takes.
    pub(super) async fn exchange<T>(
        &self,
        (act, tries): (&'static str, u32),
        packet: &[u8],
        mut read: impl FnMut(&[u8]) -> Result<T, Failed>,
    ) -> Result<Result<T, Failed>, IpmiError> {
        let mut strays = Strays::default();
        let mut buffer = vec![0; MAX_DATAGRAM];
        for attempt in 0..tries {
            if attempt > 0 {
                self.counts.resent();
            }
            self.send(act, packet).await?;
            let deadline = Instant::now() + self.wait;
            while let Some(length) = self.receive(act, &mut buffer, deadline).await? {
                let came = buffer.get(..length).unwrap_or_default();
                match read(came) {
                    Err(Failed::Stray(error)) => strays.add(error, &self.counts),
                    settled => return Ok(settled),
                }
            }
        }
        Err(self.silent(act, tries, &strays))
    }
}

/// Packets that were thrown away while an answer was waited for.
#[derive(Default)]
pub(super) struct Strays {
    count: u32,
    last: Option<DecodeError>,
}

impl Strays {
    pub(super) fn add(&mut self, error: DecodeError, counts: &Counts) {
        counts.stray();
        self.count = self.count.saturating_add(1);
        self.last = Some(error);
    }

    pub(super) fn words(&self) -> String {
        match &self.last {
            None => String::new(),
            Some(last) => format!(", {} packets were of no use, the last: {last}", self.count),
        }
    }
}
