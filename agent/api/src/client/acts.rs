//! Acts on what runs on a node: frozen, thawed, taken for a virtual machine; the node drained and capped.

use hyper::Method;
use intent::WorkloadId;

use super::connect::Lane;
use super::{AgentClient, ClientError};
use crate::v1::{AdoptRequest, Adopted, EnteredRequest, MigrateRequest, Migrated};
use crate::v1::{CapRequest, Capped, Frozen, NodeDrain, NodeDrainRequest, VmRequest, Workload};
use crate::v1::{Lease, LeaseEnd, LeaseView};

impl AgentClient {
    /// Says to an agent that awaits a workload's first process what became of it: a child of *this process* is in the workload's cgroups,
    /// or this process is to be moved there. Unix socket only.
    ///
    /// # Errors
    /// See [`ClientError`]; the workload is undone then.
    pub async fn entered(
        &self,
        workload: &WorkloadId,
        request: EnteredRequest,
    ) -> Result<Workload, ClientError> {
        let path = format!("/v1/workloads/{workload}/entered");
        self.send_by(Lane::Follows, Method::POST, &path, Some(&request))
            .await
    }

    /// Takes what runs in a workload for a QEMU with this monitor: its virtual CPUs are pinned one to one. Unix socket only.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn make_vm(&self, workload: &WorkloadId, request: &VmRequest) -> Result<Workload, ClientError> {
        let path = format!("/v1/workloads/{workload}/vm");
        self.send(Method::POST, &path, Some(request)).await
    }

    /// Makes a workload of what somebody else started. Unix socket only, root only.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn adopt(&self, request: &AdoptRequest) -> Result<Adopted, ClientError> {
        self.send(Method::POST, "/v1/adoptions", Some(request)).await
    }

    /// Moves a workload to another place, or says where that would be. Unix socket only.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn migrate(
        &self,
        workload: &WorkloadId,
        request: MigrateRequest,
    ) -> Result<Migrated, ClientError> {
        let path = format!("/v1/workloads/{workload}/migrate");
        self.send(Method::POST, &path, Some(&request)).await
    }

    /// Stops all processes of a workload; what it holds it keeps. Unix socket only.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn freeze(&self, workload: &WorkloadId) -> Result<Frozen, ClientError> {
        let path = format!("/v1/workloads/{workload}/freeze");
        self.send::<(), _>(Method::POST, &path, None).await
    }

    /// Lets the processes of a frozen workload go on. Unix socket only.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn thaw(&self, workload: &WorkloadId) -> Result<Frozen, ClientError> {
        let path = format!("/v1/workloads/{workload}/thaw");
        self.send::<(), _>(Method::POST, &path, None).await
    }

    /// Caps the power of the node's CPU packages. Unix socket only.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn cap(&self, request: CapRequest) -> Result<Capped, ClientError> {
        self.send(Method::PUT, "/v1/cap", Some(&request)).await
    }

    /// Ends the cap: the limits that were found before the first one come back. Unix socket only.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn uncap(&self) -> Result<Capped, ClientError> {
        self.send::<(), _>(Method::DELETE, "/v1/cap", None).await
    }

    /// How the node stands to its lease of power, and what its clock reads.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn lease(&self) -> Result<LeaseView, ClientError> {
        self.get("/v1/power/lease").await
    }

    /// Gives the node a lease of power, or renews it. Over TCP only with a token.
    ///
    /// # Errors
    /// See [`ClientError`]; `conflict` where an older, a foreign or an overtaken lease is refused.
    pub async fn take_lease(&self, lease: &Lease) -> Result<LeaseView, ClientError> {
        self.send(Method::PUT, "/v1/power/lease", Some(lease)).await
    }

    /// Ends the node's lease in order: the limits that were found before the first cap come back. Over TCP only with a token.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn end_lease(&self, end: &LeaseEnd) -> Result<LeaseView, ClientError> {
        self.send(Method::DELETE, "/v1/power/lease", Some(end)).await
    }

    /// The node takes no new workloads from now on; those that run go on. Unix socket only.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn drain(&self, request: &NodeDrainRequest) -> Result<NodeDrain, ClientError> {
        self.send(Method::PUT, "/v1/drain", Some(request)).await
    }

    /// The node takes workloads again. Unix socket only.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn undrain(&self) -> Result<NodeDrain, ClientError> {
        self.send::<(), _>(Method::DELETE, "/v1/drain", None).await
    }
}
