//! What a node says of its pooled drives, as it was read.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::PoisonError;

use agent_api::v1::{AttachedDrive, DriveAccess, DrivesView, FabricHost, PooledDrive};
use facts::drive::{Drive, DriveHealth, DriveState};
use facts::{Identity, Inventory, NoData, SourceStatus};
use isolators::block;
use isolators::erase::obstacles;
use isolators::fabric::initiator::{self, Attached};
use isolators::fabric::target::{self, Standing};
use isolators::fabric::{HostId, Nqn, keys};
use uuid::Uuid;

use super::authenticate;
use super::here::{Here, is_same};
use super::offer::{key, leads_to};
use super::state::{KeptHost, Stay, Wanted};
use super::{Inner, Refusal, told};

/// Where nvme-cli and the kernel's own boot scripts keep who this host is.
const HOST_NQN: &str = "/etc/nvme/hostnqn";
const HOST_ID: &str = "/etc/nvme/hostid";
/// How a host's name is made of its identifier (NVM Express Base 2.0, 4.5).
const BY_UUID: &str = "nqn.2014-08.org.nvmexpress:uuid:";
/// One data unit: a thousand blocks of 512 bytes (5.16.1.3).
const DATA_UNIT: u64 = 512_000;
/// The source that asks drives how they feel, before the slash and the controller's name.
const HEALTH: &str = "drive_health/";
/// Anybody may connect.
const ANYBODY: &str = "*";
/// A connection that answers.
pub(super) const LIVE: &str = "live";
/// The word for a connection that is wanted and not there.
const NONE: &str = "none";

/// How many pooled drives there are, by how they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Drives of this node that a host is let in to; `None` where it lends none, as with the next two.
    pub lent: Option<usize>,
    /// Drives of this node that nobody is let in to.
    pub shut: Option<usize>,
    /// Drives of this node that do not answer.
    pub hung: Option<usize>,
    /// Drives of other nodes that answer.
    pub answering: usize,
    /// Drives of other nodes that this node shall use and that do not answer.
    pub broken: usize,
}

impl Inner {
    /// Counts what a look has found; `None` where nothing is lent and nothing used.
    pub(super) fn counted(
        &self,
        drives: &[(Here, Stay)],
        answering: usize,
        broken: usize,
    ) -> Option<Counted> {
        let lends = self.place.lending.is_some();
        if !lends && answering == 0 && broken == 0 {
            return None;
        }
        let of = |count: usize| lends.then_some(count);
        let view = self.place.board.latest();
        let hung = drives
            .iter()
            .filter(|(here, _)| self.hangs(&view.seen.inventory, here));
        let lent = drives.iter().filter(|(_, stay)| stay.open.is_some()).count();
        Some(Counted {
            lent: of(lent),
            shut: of(drives.len().saturating_sub(lent)),
            hung: of(hung.count()),
            answering,
            broken,
        })
    }

    /// Whether a drive does not end what it was told, or did not answer when it was asked how it feels.
    pub(super) fn hangs(&self, inventory: &Inventory, here: &Here) -> bool {
        self.lane(&key(&here.identity)).is_hung() || does_not_answer(inventory, here)
    }

    /// How the node stands to pooled drives.
    pub(super) fn view(&self) -> Result<DrivesView, Refusal> {
        let looked = self.look()?;
        let standing = self.standing()?;
        let drives = looked.drives.iter();
        let drives = drives.map(|(here, stay)| self.pooled(here, stay, &standing));
        let host = self.host_if_any()?;
        let lending = self.place.lending.as_ref();
        let target = lending.filter(|_| target::is_there(&self.host));
        Ok(DrivesView {
            boot_id: self.boot_id.clone(),
            node: Some(self.place.board.latest().about.node.clone()),
            host: host.map(|host| FabricHost {
                nqn: host.nqn.to_string(),
                id: host.id.as_str().to_owned(),
                proves: keys::can_prove(&self.host),
            }),
            target: target.map(|lending| lending.listen),
            drives: drives.collect(),
            attached: self.attached()?,
            leds: Some(self.leds()),
        })
    }

    pub(super) fn standing(&self) -> Result<BTreeMap<String, Standing>, Refusal> {
        target::standing(&self.host).map_err(|error| Refusal::Failed(told(&error)))
    }

    /// One drive that is lent.
    pub(super) fn pooled(
        &self,
        here: &Here,
        stay: &Stay,
        standing: &BTreeMap<String, Standing>,
    ) -> PooledDrive {
        let view = self.place.board.latest();
        let inventory = &view.seen.inventory;
        let health = health_of(inventory, here);
        let used = health.and_then(|health| health.used_percent.value());
        let written = health.and_then(|health| health.written_bytes.value());
        let state = health.and_then(|health| health.state.value());
        let mut access = access(here, stay, standing);
        access.authentication =
            authenticate::words(self.place.lending.as_ref(), standing, access.nqn.as_deref());
        PooledDrive {
            identity: here.identity.clone(),
            nguid: here
                .drive()
                .ok()
                .and_then(|drive| drive.nguid().map(str::to_owned)),
            device: here.device.clone(),
            slot: here.slot.clone(),
            arrival: stay.arrival,
            size: here.size,
            percent_used: used.map(|percent| u8::try_from(percent).unwrap_or(u8::MAX)),
            predicts_failure: state == Some(DriveState::Critical),
            is_hung: self.hangs(inventory, here),
            written: written.map(|bytes| bytes.get() / DATA_UNIT),
            obstacles: self.obstacles_of(stay),
            access,
            erasure: self.erasure_of(stay),
        }
    }

    /// What speaks against erasing a drive, as it was looked at last. What was not looked at speaks against it too.
    fn obstacles_of(&self, stay: &Stay) -> Vec<String> {
        let known = self.obstacles.lock().unwrap_or_else(PoisonError::into_inner);
        let unknown = || vec!["what lies on it was not looked at yet".to_owned()];
        known.get(&stay.arrival).cloned().unwrap_or_else(unknown)
    }

    /// Whether it was looked what speaks against erasing a drive.
    pub(super) fn knows_obstacles(&self, stay: &Stay) -> bool {
        let known = self.obstacles.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains_key(&stay.arrival)
    }

    /// It is to be looked anew.
    pub(super) fn forget_obstacles(&self, arrival: u64) {
        let mut known = self.obstacles.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(&arrival);
    }

    /// Looks what speaks against erasing a drive. It reads from it, so only in the drive's own lane.
    pub(super) fn look_for_obstacles(&self, here: &Here, stay: &Stay) {
        if self.is_being_erased(stay) {
            return;
        }
        let found = obstacles(&self.host, &here.device).unwrap_or_else(|error| vec![told(&error)]);
        let mut known = self.obstacles.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(stay.arrival, found);
    }

    /// As whom this node asks others for drives: what the host is called already, or else a name that is made once and kept.
    pub(super) fn fabric_host(&self) -> Result<KeptHost, Refusal> {
        self.with_books(|books| {
            if let Some(host) = &books.state().host {
                return Ok(host.clone());
            }
            let host = match known_host(self) {
                Some(host) => host,
                None => made_host()?,
            };
            let kept = host.clone();
            books
                .change(|state| state.host = Some(kept))
                .map_err(|error| Refusal::Failed(told(&error)))?;
            Ok(host)
        })
    }

    fn host_if_any(&self) -> Result<Option<KeptHost>, Refusal> {
        if initiator::is_there(&self.host) {
            return self.fabric_host().map(Some);
        }
        Ok(None)
    }

    /// Drives of others that this node uses, or shall use.
    pub(super) fn attached(&self) -> Result<Vec<AttachedDrive>, Refusal> {
        let wanted = self.with_books(|books| Ok(books.state().attached.clone()))?;
        let now = self.connections()?;
        Ok(wanted
            .iter()
            .map(|wanted| self.shown_attached(wanted, &now))
            .collect())
    }

    pub(super) fn connections(&self) -> Result<Vec<Attached>, Refusal> {
        initiator::attached(&self.host).map_err(|error| Refusal::Failed(told(&error)))
    }

    pub(super) fn shown_attached(&self, wanted: &Wanted, now: &[Attached]) -> AttachedDrive {
        let is = now.iter().find(|is| is.nqn == wanted.nqn.as_str());
        let live = is.filter(|is| is.state == LIVE);
        let device = is.and_then(|is| is.device.clone());
        AttachedDrive {
            nqn: wanted.nqn.to_string(),
            generation: wanted.generation,
            identity: live.map(|is| Identity {
                maker: None,
                model: is.model.clone(),
                serial: is.serial.clone(),
            }),
            used_by: device.as_deref().and_then(|device| self.used_by(device)),
            device,
            state: is.map_or(NONE, |is| is.state.as_str()).to_owned(),
        }
    }

    /// Who uses a drive of another node here: a workload, or what the kernel's own lists show. Nothing is opened.
    pub(super) fn used_by(&self, device: &str) -> Option<String> {
        let view = self.place.board.latest();
        if let Some(workload) = view.kept.drives.get(device) {
            return Some(format!("workload {workload}"));
        }
        block::uses(&self.host, device).ok()?.into_iter().next()
    }
}

fn known_host(inner: &Inner) -> Option<KeptHost> {
    let read = |file: &str| inner.host.read(Path::new(file)).ok().flatten();
    Some(KeptHost {
        nqn: read(HOST_NQN)?.parse().ok()?,
        id: HostId::try_from(read(HOST_ID)?).ok()?,
    })
}

fn made_host() -> Result<KeptHost, Refusal> {
    let id = Uuid::new_v4().to_string();
    let failed = |error: isolators::fabric::NotAName| Refusal::Failed(error.to_string());
    Ok(KeptHost {
        nqn: format!("{BY_UUID}{id}").parse::<Nqn>().map_err(failed)?,
        id: HostId::try_from(id).map_err(failed)?,
    })
}

/// Who can reach a drive: through our subsystems, and through others' that lead to it.
fn access(here: &Here, stay: &Stay, standing: &BTreeMap<String, Standing>) -> DriveAccess {
    let mut access = DriveAccess {
        granted: stay.granted,
        closed: stay.closed,
        ..DriveAccess::default()
    };
    for (nqn, is) in standing {
        if !leads_to(nqn, is, here) || is.is_fenced() {
            continue;
        }
        if access.nqn.is_none() || nqn.starts_with(isolators::fabric::OURS) {
            access.nqn = Some(nqn.clone());
        }
        access.hosts.extend(is.hosts.iter().cloned());
        if is.any_host {
            access.hosts.push(ANYBODY.to_owned());
        }
    }
    access.hosts.sort();
    access.hosts.dedup();
    access
}

fn health_of<'a>(inventory: &'a Inventory, here: &Here) -> Option<&'a DriveHealth> {
    let is_it = |drive: &&Drive| drive.device == here.device && is_same(&drive.identity, &here.identity);
    inventory.drives.iter().find(is_it)?.health.as_deref()
}

/// Whether the source that asks it for its log waited in vain.
fn does_not_answer(inventory: &Inventory, here: &Here) -> bool {
    inventory.sources.iter().any(|source| {
        let of_it = source.name.strip_prefix(HEALTH);
        let is_it = of_it.is_some_and(|name| {
            name == here.device || here.controllers.iter().any(|controller| controller == name)
        });
        let is_late = matches!(
            source.status,
            SourceStatus::Down {
                reason: NoData::Timeout,
                ..
            }
        );
        is_it && is_late
    })
}
