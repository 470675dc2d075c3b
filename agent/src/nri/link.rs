//! The connection to a runtime: made, kept, and made again when it is lost.

use std::io;
use std::path::Path;
use std::time::Duration;

use intent::Mode;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::Nri;
use super::message::{
    Empty, RegisterPluginRequest, Request, Response, UpdateContainersRequest, UpdateContainersResponse, read,
};
use super::plugin::Plugin;
use super::wire::{self, Frame, PLUGIN, REQUEST, RESPONSE, RUNTIME, Splitter};
use crate::events::Events;
use crate::keeping::Desk;
use crate::reconcile::Drift;

/// Whom we call.
const RUNTIME_SERVICE: &str = "nri.pkg.api.v1alpha1.Runtime";
/// How long we wait for the runtime to take us: it waits five seconds for us.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);
/// How long the runtime may take for our bytes.
const WRITTEN_WITHIN: Duration = Duration::from_secs(5);
/// How long the runtime may take to write what it was told.
const UPDATED_WITHIN: Duration = Duration::from_secs(10);
/// How often we look whether the runtime is to write something: as often as the keeper sweeps.
const LOOK: Duration = Duration::from_secs(1);
/// The pause before the next try doubles from the first to the last; one that held for a minute begins anew.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const HELD: Duration = Duration::from_secs(60);
/// After an update that the runtime failed to write, this many looks pass before the next, doubled up to sixteen times that.
const MOST_PATIENCE: u32 = 16;
/// Bytes of one read.
const CHUNK: usize = 16 << 10;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error("cannot connect to it: {0}")]
    Connect(#[source] io::Error),
    #[error("cannot {act}: {source}")]
    Io {
        act: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("it closed the connection")]
    Closed,
    #[error("it did not {0} in time")]
    Slow(&'static str),
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Wire(#[from] wire::WireError),
}

/// Speaks to the runtime until the agent stops.
pub async fn run(
    nri: Nri,
    mode: Mode,
    drift: Drift,
    desk: Desk,
    events: Events,
    mut stopping: watch::Receiver<bool>,
) {
    let mut pause = FIRST_PAUSE;
    let mut told = String::new();
    loop {
        let began = Instant::now();
        let plugin = Plugin::new(desk.clone(), events.clone(), mode, drift);
        let why = tokio::select! {
            ended = speak(&nri, plugin) => ended,
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        if began.elapsed() > HELD {
            pause = FIRST_PAUSE;
            told.clear();
        }
        let message = format!("the runtime's NRI socket {}: {why}", nri.socket.display());
        if message != told {
            tracing::warn!("{message}; trying again");
            told = message;
        }
        tokio::select! {
            () = sleep(pause) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// One connection from its begin to its end; gives why it ended.
async fn speak(nri: &Nri, plugin: Plugin) -> LinkError {
    match Link::open(&nri.socket, plugin).await {
        Ok(mut link) => match link.live(nri).await {
            Ok(never) => match never {},
            Err(error) => error,
        },
        Err(error) => error,
    }
}

struct Link {
    stream: UnixStream,
    splitter: Splitter,
    plugin: Plugin,
    /// The number of our next call: odd ones are ours.
    next: u32,
    /// The call that registers us, and until when the runtime has told of its containers.
    register: u32,
    taken_by: Instant,
    /// Updates that the runtime has not answered yet.
    pending: Option<(u32, Instant)>,
    /// How many looks pass before the next update, and how many that were the last time.
    rest: u32,
    patience: u32,
}

impl Link {
    async fn open(socket: &Path, plugin: Plugin) -> Result<Link, LinkError> {
        let stream = UnixStream::connect(socket).await.map_err(LinkError::Connect)?;
        Ok(Link {
            stream,
            splitter: Splitter::default(),
            plugin,
            next: 1,
            register: 0,
            taken_by: Instant::now() + TAKEN_WITHIN,
            pending: None,
            rest: 0,
            patience: 0,
        })
    }

    async fn live(&mut self, nri: &Nri) -> Result<std::convert::Infallible, LinkError> {
        let register = RegisterPluginRequest {
            plugin_name: nri.name.clone(),
            plugin_idx: nri.index.clone(),
        };
        self.register = self.call("RegisterPlugin", register.encode_to_vec()).await?;
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut bytes = vec![0; CHUNK];
        loop {
            tokio::select! {
                came = self.stream.read(&mut bytes) => {
                    let length = came.map_err(|source| LinkError::Io { act: "read from it", source })?;
                    if length == 0 {
                        return Err(LinkError::Closed);
                    }
                    for frame in self.splitter.take(bytes.get(..length).unwrap_or_default())? {
                        self.take(frame).await?;
                    }
                }
                _ = looks.tick() => self.look().await?,
            }
        }
    }

    async fn take(&mut self, frame: Frame) -> Result<(), LinkError> {
        if frame.connection == PLUGIN {
            let was_whole = self.plugin.is_whole();
            let data = self.plugin.answer(&frame.data).await;
            if self.plugin.is_whole() && !was_whole {
                tracing::info!("{} has told of its containers", self.plugin.runtime());
            }
            return self.send(PLUGIN, frame.stream, RESPONSE, data).await;
        }
        let response = read::<Response>("ttrpc response", &frame.data)
            .map_err(|error| LinkError::Refused(error.to_string()))?;
        let said = response
            .status
            .filter(|status| status.code != 0)
            .map(|status| status.message);
        if frame.stream == self.register {
            return match said {
                None => Ok(()),
                Some(said) => Err(LinkError::Refused(format!("it does not take us: {said}"))),
            };
        }
        if self
            .pending
            .take_if(|(stream, _)| *stream == frame.stream)
            .is_some()
        {
            let failed = read::<UpdateContainersResponse>("UpdateContainersResponse", &response.payload);
            let failed = failed.map(|all| all.failed).unwrap_or_default();
            let why = said.unwrap_or_else(|| {
                failed
                    .iter()
                    .map(|one| one.container_id.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            });
            if why.is_empty() {
                (self.rest, self.patience) = (0, 0);
            } else {
                self.patience = (self.patience * 2).clamp(1, MOST_PATIENCE);
                self.rest = self.patience;
                tracing::warn!("{} did not write what it was told: {why}", self.plugin.runtime());
            }
        }
        Ok(())
    }

    /// Has the runtime write what containers lack.
    async fn look(&mut self) -> Result<(), LinkError> {
        if !self.plugin.is_whole() && Instant::now() > self.taken_by {
            return Err(LinkError::Slow("tell of its containers"));
        }
        if let Some((_, by)) = self.pending {
            return if Instant::now() > by {
                Err(LinkError::Slow("write what it was told"))
            } else {
                Ok(())
            };
        }
        self.rest = self.rest.saturating_sub(1);
        if self.rest > 0 {
            return Ok(());
        }
        let pushes = self.plugin.pushes().await;
        let update = pushes.map_err(|error| LinkError::Refused(error.to_string()))?;
        if update.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = update.iter().map(|one| one.container_id.as_str()).collect();
        tracing::info!(
            "telling {} what containers shall have: {}",
            self.plugin.runtime(),
            names.join(", ")
        );
        let stream = self
            .call(
                "UpdateContainers",
                UpdateContainersRequest { update }.encode_to_vec(),
            )
            .await?;
        self.pending = Some((stream, Instant::now() + UPDATED_WITHIN));
        Ok(())
    }

    async fn call(&mut self, method: &str, payload: Vec<u8>) -> Result<u32, LinkError> {
        let stream = self.next;
        self.next = self.next.wrapping_add(2);
        let request = Request {
            service: RUNTIME_SERVICE.to_owned(),
            method: method.to_owned(),
            payload,
            timeout_nano: i64::try_from(UPDATED_WITHIN.as_nanos()).unwrap_or(i64::MAX),
        };
        self.send(RUNTIME, stream, REQUEST, request.encode_to_vec())
            .await?;
        Ok(stream)
    }

    async fn send(&mut self, connection: u32, stream: u32, kind: u8, data: Vec<u8>) -> Result<(), LinkError> {
        let frame = Frame {
            connection,
            stream,
            kind,
            data,
        };
        let bytes = wire::bytes_of(&frame).or_else(|| {
            wire::bytes_of(&Frame {
                data: Empty {}.encode_to_vec(),
                ..frame
            })
        });
        let written = timeout(WRITTEN_WITHIN, self.stream.write_all(&bytes.unwrap_or_default())).await;
        let written = written.map_err(|_| LinkError::Slow("read our bytes"))?;
        written.map_err(|source| LinkError::Io {
            act: "write to it",
            source,
        })
    }
}
