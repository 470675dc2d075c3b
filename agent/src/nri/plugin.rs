//! What a runtime asks, and what it is answered. Without the socket: a call in, an answer out.

use std::collections::BTreeMap;
use std::time::Duration;

use facts::CpuSet;
use intent::Mode;
use prost::Message;

use super::message::{
    ConfigureRequest, ConfigureResponse, Container as Told, ContainerAdjustment, ContainerRequest,
    ContainerUpdate, CreateContainerResponse, Empty, LinuxContainerAdjustment, PodSandbox, Request, Response,
    StateChangeEvent, Status, SynchronizeRequest, SynchronizeResponse, UpdateResponse, read,
};
use super::refusal::{DEADLINE_EXCEEDED, INVALID_ARGUMENT, No, UNIMPLEMENTED};
use super::wish;
use super::words::{allows, has, resources, update_of};
use crate::events::Events;
use crate::keeping::containers::Placed;
use crate::keeping::{Desk, OrderError};
use crate::reconcile::{Container, Drift, Given};

/// Events of NRI: the number of its bit, from 1.
const CREATE_CONTAINER: i32 = 4;
const UPDATE_CONTAINER: i32 = 8;
const STOP_CONTAINER: i32 = 10;
const REMOVE_CONTAINER: i32 = 11;
/// The state of a container that has ended.
const CONTAINER_STOPPED: i32 = 4;

/// How long a runtime waits for a plugin where nobody changed that.
const USUAL_PATIENCE: Duration = Duration::from_secs(2);
/// A runtime that waits longer is not kept waiting longer.
const LONGEST_ANSWER: Duration = Duration::from_millis(1_500);
/// The most containers that a runtime may tell of: twenty times what a kubelet runs on one node.
const MOST_CONTAINERS: usize = 20_000;

/// What we are towards one runtime, from its connection to its end.
pub(super) struct Plugin {
    desk: Desk,
    events: Events,
    mode: Mode,
    drift: Drift,
    /// The CPUs that the runtime was told last, a container each.
    told: BTreeMap<String, CpuSet>,
    runtime: String,
    patience: Duration,
    /// What came of a synchronisation that is not whole.
    pods: BTreeMap<String, PodSandbox>,
    containers: Vec<Told>,
    is_whole: bool,
}

impl Plugin {
    pub(super) fn new(desk: Desk, events: Events, mode: Mode, drift: Drift) -> Plugin {
        Plugin {
            desk,
            events,
            mode,
            drift,
            told: BTreeMap::new(),
            runtime: "the runtime".to_owned(),
            patience: USUAL_PATIENCE,
            pods: BTreeMap::new(),
            containers: Vec::new(),
            is_whole: false,
        }
    }

    /// Whether the runtime has told of all of its containers, and what we are told by others is more than our own.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// The runtime, as it calls itself.
    pub(super) fn runtime(&self) -> &str {
        &self.runtime
    }

    /// Answers a call, well before the runtime stops to wait.
    pub(super) async fn answer(&mut self, call: &[u8]) -> Vec<u8> {
        let within = (self.patience * 3 / 4).min(LONGEST_ANSWER);
        let answered = match read::<Request>("ttrpc request", call) {
            Ok(request) => match tokio::time::timeout(within, self.of(&request)).await {
                Ok(answered) => answered,
                Err(_) => Err(No {
                    code: DEADLINE_EXCEEDED,
                    why: format!("busbar-agent did not decide {} within {within:?}", request.method),
                }),
            },
            Err(error) => Err(error.into()),
        };
        let response = match answered {
            Ok(payload) => Response {
                status: None,
                payload,
            },
            Err(no) => {
                tracing::warn!("answered {}: {}", self.runtime, no.why);
                Response {
                    status: Some(Status {
                        code: no.code,
                        message: format!("busbar: {}", no.why),
                    }),
                    payload: Vec::new(),
                }
            }
        };
        response.encode_to_vec()
    }

    async fn of(&mut self, request: &Request) -> Result<Vec<u8>, No> {
        let payload = request.payload.as_slice();
        match request.method.as_str() {
            "Configure" => self.configure(read("ConfigureRequest", payload)?),
            "Synchronize" => self.synchronize(read("SynchronizeRequest", payload)?).await,
            "CreateContainer" => self.create(read("CreateContainerRequest", payload)?).await,
            "UpdateContainer" => self.update(read("UpdateContainerRequest", payload)?).await,
            "StopContainer" => {
                let request: ContainerRequest = read("StopContainerRequest", payload)?;
                self.gone(request.container).await?;
                // What it held, those have now that share.
                Ok(UpdateResponse {
                    update: self.pushes().await?,
                }
                .encode_to_vec())
            }
            "RemoveContainer" => {
                let request: ContainerRequest = read("RemoveContainerRequest", payload)?;
                self.gone(request.container).await?;
                Ok(Empty {}.encode_to_vec())
            }
            "StateChange" => {
                let change: StateChangeEvent = read("StateChangeEvent", payload)?;
                if matches!(change.event, STOP_CONTAINER | REMOVE_CONTAINER) {
                    self.gone(change.container).await?;
                }
                Ok(Empty {}.encode_to_vec())
            }
            "Shutdown" => Ok(Empty {}.encode_to_vec()),
            method => Err(No {
                code: UNIMPLEMENTED,
                why: format!(
                    "{:?} is not among what this plugin has subscribed to",
                    method.chars().take(64).collect::<String>()
                ),
            }),
        }
    }

    fn configure(&mut self, request: ConfigureRequest) -> Result<Vec<u8>, No> {
        self.runtime = match request.runtime_name.trim() {
            "" => "the runtime".to_owned(),
            name => name.chars().filter(|c| !c.is_control()).take(64).collect(),
        };
        if let Ok(patience @ 1..) = u64::try_from(request.request_timeout) {
            self.patience = Duration::from_millis(patience);
        }
        tracing::info!(
            "{} {} speaks NRI and waits {:?} for answers",
            self.runtime,
            request.runtime_version,
            self.patience
        );
        let all = [
            CREATE_CONTAINER,
            UPDATE_CONTAINER,
            STOP_CONTAINER,
            REMOVE_CONTAINER,
        ];
        let events = all.iter().fold(0, |mask, event| mask | 1 << (event - 1));
        Ok(ConfigureResponse { events }.encode_to_vec())
    }

    async fn synchronize(&mut self, request: SynchronizeRequest) -> Result<Vec<u8>, No> {
        self.pods
            .extend(request.pods.into_iter().map(|pod| (pod.id.clone(), pod)));
        self.containers.extend(request.containers);
        if self.containers.len().max(self.pods.len()) > MOST_CONTAINERS {
            return Err(No {
                code: INVALID_ARGUMENT,
                why: format!(
                    "more than {MOST_CONTAINERS} containers were told of; expected at most that many"
                ),
            });
        }
        if request.more {
            return Ok(SynchronizeResponse {
                update: Vec::new(),
                more: true,
            }
            .encode_to_vec());
        }
        let (pods, containers) = (
            std::mem::take(&mut self.pods),
            std::mem::take(&mut self.containers),
        );
        let living = containers.iter().filter(|one| one.state != CONTAINER_STOPPED);
        let all: Vec<Container> = living
            .map(|one| self.container(pods.get(&one.pod_sandbox_id), one))
            .collect();
        let given = self.desk.meet_containers(all).await?;
        self.is_whole = true;
        let had: BTreeMap<&str, &Told> = containers.iter().map(|one| (one.id.as_str(), one)).collect();
        let had = |given: &Given| {
            had.get(given.container.as_str())
                .is_some_and(|told| has(told, given))
        };
        let update = match self.mode {
            Mode::Enforce => given.iter().filter(|given| !had(given)).map(update_of).collect(),
            Mode::Observe | Mode::Advise => Vec::new(),
        };
        self.told = given
            .into_iter()
            .map(|given| (given.container, given.cpus))
            .collect();
        Ok(SynchronizeResponse { update, more: false }.encode_to_vec())
    }

    async fn create(&mut self, request: ContainerRequest) -> Result<Vec<u8>, No> {
        let Some(told) = &request.container else {
            return Err(No {
                code: INVALID_ARGUMENT,
                why: "CreateContainer names no container".to_owned(),
            });
        };
        let container = self.container(request.pod.as_ref(), told);
        let nothing = CreateContainerResponse::default().encode_to_vec();
        if container.ask == Ok(None) {
            return Ok(nothing);
        }
        if self.mode != Mode::Enforce {
            self.would(&container).await;
            return Ok(nothing);
        }
        let Placed { given, mut all } = self.desk.place_container(container).await?;
        all.retain(|one| one.container != given.container);
        let update = self.lacking(&all);
        self.told.insert(given.container.clone(), given.cpus.clone());
        let answer = CreateContainerResponse {
            adjust: Some(ContainerAdjustment {
                linux: Some(LinuxContainerAdjustment {
                    resources: Some(resources(&given, told)),
                }),
            }),
            update,
        };
        Ok(answer.encode_to_vec())
    }

    /// In a mode that does not act: says what would be answered, and changes nothing.
    async fn would(&self, container: &Container) {
        let ask = match &container.ask {
            Ok(Some(ask)) => ask.clone(),
            Ok(None) => return,
            Err(why) => return self.say(format!("container {}: would refuse it: {why}", container.id)),
        };
        self.say(match self.desk.offer(ask).await {
            Ok(offer) => format!(
                "container {}: would place it on CPUs {}, NUMA nodes {}",
                container.id, offer.cpus, offer.numa_nodes
            ),
            Err(error) => format!("container {}: would refuse it: {error}", container.id),
        });
    }

    fn say(&self, message: String) {
        if self.mode == Mode::Advise {
            self.events.tell("container_advice", message);
        } else {
            tracing::info!("{message}");
        }
    }

    /// Somebody wants other CPUs for a container than it was given: it keeps what it was given.
    async fn update(&mut self, request: ContainerRequest) -> Result<Vec<u8>, No> {
        let mut update = Vec::new();
        if let Some(told) = request.container.as_ref().filter(|_| self.mode == Mode::Enforce) {
            let all = self.desk.containers().await?;
            let given = all.iter().find(|given| given.container == told.id);
            update.extend(
                given
                    .filter(|given| !allows(request.resources.as_ref(), given))
                    .map(update_of),
            );
        }
        Ok(UpdateResponse { update }.encode_to_vec())
    }

    async fn gone(&mut self, container: Option<Told>) -> Result<(), No> {
        if let Some(container) = container.filter(|_| self.mode == Mode::Enforce) {
            self.desk.container_gone(container.id).await?;
        }
        Ok(())
    }

    /// What the runtime is to write, where a container's cgroup lacks something.
    pub(super) async fn pushes(&mut self) -> Result<Vec<ContainerUpdate>, OrderError> {
        if self.mode != Mode::Enforce || !self.is_whole {
            return Ok(Vec::new());
        }
        let all = self.desk.containers().await?;
        self.told
            .retain(|id, _| all.iter().any(|given| given.container == *id));
        Ok(self.lacking(&all))
    }

    /// Where drift is only told, what the runtime was told once is somebody else's change, and stays.
    fn lacking(&mut self, all: &[Given]) -> Vec<ContainerUpdate> {
        let mut update = Vec::new();
        for given in all.iter().filter(|given| !given.differs.is_empty()) {
            let was_told = self.told.get(&given.container) == Some(&given.cpus);
            if !was_told || self.drift == Drift::Repair {
                self.told.insert(given.container.clone(), given.cpus.clone());
                update.push(update_of(given));
            }
        }
        update
    }

    fn container(&self, pod: Option<&PodSandbox>, told: &Told) -> Container {
        let none = BTreeMap::new();
        let annotations = pod.map_or(&none, |pod| &pod.annotations);
        let of_pod = |word: fn(&PodSandbox) -> &String| pod.map(word).cloned().unwrap_or_default();
        Container {
            runtime: self.runtime.clone(),
            id: told.id.clone(),
            names: [
                of_pod(|pod| &pod.namespace),
                of_pod(|pod| &pod.name),
                told.name.clone(),
            ],
            cgroup: told
                .linux
                .as_ref()
                .map(|linux| linux.cgroups_path.clone())
                .unwrap_or_default(),
            ask: wish::ask(annotations, &told.annotations, &told.name),
        }
    }
}

/// Feeds any bytes to all that reads a message.
#[cfg(any(test, feature = "fuzz"))]
pub(super) fn fuzz(data: &[u8]) {
    use super::message::UpdateContainersResponse;
    let _ = read::<Response>("ttrpc response", data);
    let _ = read::<UpdateContainersResponse>("UpdateContainersResponse", data);
    let _ = read::<StateChangeEvent>("StateChangeEvent", data);
    if let Ok(request) = read::<Request>("ttrpc request", data) {
        let payload = request.payload.as_slice();
        let _ = read::<ConfigureRequest>("ConfigureRequest", payload);
        let _ = read::<ContainerRequest>("CreateContainerRequest", payload);
        let _ = read::<SynchronizeRequest>("SynchronizeRequest", payload);
    }
    if let Ok(request) = read::<ContainerRequest>("CreateContainerRequest", data) {
        let (pod, own) = (
            request.pod.unwrap_or_default(),
            request.container.unwrap_or_default(),
        );
        let _ = wish::ask(&pod.annotations, &own.annotations, &own.name);
    }
}
