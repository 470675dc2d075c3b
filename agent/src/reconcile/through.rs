//! Who is meant by an adoption through the owner, and whether it may be: nothing is changed here.

use std::path::Path;

use agent_api::v1::{AdoptRequest, Adoptee, RunRequest};
use facts::Inventory;
use intent::Isolation;
use isolators::cgroup::{Controller, Version, holder};
use isolators::{Phase, Step};

use super::adopt::{Family, refused};
use super::{Keeper, KeeperError};
use crate::adopt;
use crate::owners::Owner;

/// What an adoption through the owner would be.
pub(super) struct Plan {
    pub(super) owner: Owner,
    pub(super) cgroup: String,
    pub(super) family: Family,
    pub(super) isolation: Isolation,
    pub(super) run: RunRequest,
    pub(super) steps: Vec<(Phase, Step)>,
}

impl Keeper {
    pub(super) fn plan_through(
        &mut self,
        request: &AdoptRequest,
        uid: u32,
        inventory: &Inventory,
    ) -> Result<Plan, KeeperError> {
        let (run, roots, tasks, held) = self.named(request, uid, inventory)?;
        let (_, isolation) = self.planned(&run, inventory)?;
        let isolation = Isolation {
            by_runtime: Some(true),
            ..isolation
        };
        self.refuse_what_owners_do_not_write(&isolation)?;
        let (Some(first), Some(place)) = (roots.first(), self.layout.cgroups.places.get(&Controller::Cpuset))
        else {
            return Err(KeeperError::BadAsk("nobody was named".to_owned()));
        };
        let plain = Isolation::new(
            isolation.workload.clone(),
            isolation.cpus.clone(),
            isolation.numa_nodes.clone(),
        );
        let here = self.origins(&plain, first.pid)?;
        let origin = here.iter().find(|origin| origin.mount == place.mount);
        let path = origin.and_then(|origin| origin.dir.strip_prefix(&origin.mount).ok());
        let path = path.map(Path::to_owned).unwrap_or_default();
        let Some(held) = held.or_else(|| holder(&path)) else {
            return Err(KeeperError::BadAsk(format!(
                "nobody rules the cgroup /{} whom one could ask; adopt it without --through-owner",
                path.display()
            )));
        };
        let owner = held
            .door
            .as_ref()
            .map(Owner::of)
            .filter(|owner| is_named(owner, &request.adoptee));
        let Some(owner) = owner else {
            return Err(refused(&held, &first.name, &isolation.cpus));
        };
        self.refuse_twice(&owner)?;
        let cgroup = cgroup_of(&owner, &path);
        let below = adopt::family(&tasks, &[first.pid]);
        let below = below.into_iter().filter(|task| !roots.contains(task));
        let family = Family::of(first.clone(), roots.iter().cloned().chain(below).collect());
        let agent = std::process::id();
        if self.host.is_this_machine() && family.all.iter().any(|task| task.pid == agent) {
            return Err(KeeperError::Refused(format!(
                "this agent is in {owner}, or was started there; it does not confine itself"
            )));
        }
        let steps = self.missing(&self.with_isolation(&isolation))?;
        Ok(Plan {
            owner,
            cgroup,
            family,
            isolation,
            run,
            steps,
        })
    }

    /// One cgroup has one workload.
    fn refuse_twice(&self, owner: &Owner) -> Result<(), KeeperError> {
        let mut entries = self.ledger.workloads.iter();
        match entries.find(|entry| entry.asks().as_ref() == Some(owner)) {
            None => Ok(()),
            Some(entry) => Err(KeeperError::Conflict(format!(
                "{owner} is asked for workload {} already; busbar unadopt {} first",
                entry.id, entry.id
            ))),
        }
    }

    /// Owners have settings for CPUs, NUMA nodes and memory. Who shares CPUs would need more of them than that.
    fn refuse_what_owners_do_not_write(&self, isolation: &Isolation) -> Result<(), KeeperError> {
        let place = self.layout.cgroups.places.get(&Controller::Cpuset);
        if place.is_none_or(|place| place.version != Version::V2) {
            return Err(KeeperError::Refused(
                "owners are asked on cgroup v2 alone: on v1 systemd's units have no cpuset; adopt the process by --pid"
                    .to_owned(),
            ));
        }
        let more = [
            (!isolation.exclusive, "shared CPUs"),
            (isolation.devices.is_some(), "devices"),
            (isolation.hugepages.is_some(), "huge pages"),
            (isolation.cache.is_some(), "a part of the cache"),
            (isolation.nics.is_some(), "a network interface's queues"),
            (isolation.watts.is_some(), "watts"),
        ];
        match more.iter().find(|(is, _)| *is) {
            None => Ok(()),
            Some((_, what)) => Err(KeeperError::BadAsk(format!(
                "through its owner a workload gets --exclusive CPUs and --memory; {what} cannot be had there"
            ))),
        }
    }
}

/// Whether that is what the asker has named: a unit as a unit, a container as one. A process may be one of many there.
fn is_named(owner: &Owner, adoptee: &Adoptee) -> bool {
    match (owner, adoptee) {
        (Owner::Systemd(unit), Adoptee::Unit(name)) => unit == name,
        (Owner::Podman(_), Adoptee::Container(_)) => true,
        (Owner::Systemd(_) | Owner::Podman(_), _) => false,
    }
}

/// A unit's own cgroup, whatever its processes have made below; a container's is where its first process is.
fn cgroup_of(owner: &Owner, path: &Path) -> String {
    let up_to = match owner {
        Owner::Systemd(unit) => path.ancestors().find(|dir| dir.ends_with(unit)),
        Owner::Podman(_) => None,
    };
    up_to.unwrap_or(path).display().to_string()
}
