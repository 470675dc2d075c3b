//! Pooled drives: looked at, claimed, given back, erased by name.

use reqwest::Method;

use super::{ClientError, IDEMPOTENCY_KEY, RackClient, dry};
use crate::v1::{DriveClaim, DriveClaimAsk, DriveView, DrivesView, EraseDrive, ProofView, VouchDrive};

impl RackClient {
    /// `GET /v1/drives`: enclosures, their bays, whose each drive is, and the claims of drives.
    ///
    /// # Errors
    /// As `ClientError`; so for every method below.
    pub async fn drives(&self) -> Result<DrivesView, ClientError> {
        self.ask(Method::GET, &["v1", "drives"], |request| request).await
    }

    /// `POST /v1/drives/claims`: asks for drives, all of them or none. The same `key` again gives the same answer. With `dry_run` nothing
    /// is claimed: the claim that comes back has an empty id.
    #[allow(clippy::missing_errors_doc)]
    pub async fn claim_drives(
        &self,
        ask: &DriveClaimAsk,
        key: Option<&str>,
        dry_run: bool,
    ) -> Result<DriveClaim, ClientError> {
        self.ask(Method::POST, &["v1", "drives", "claims"], |request| {
            let request = request.json(ask);
            let request = match key {
                Some(key) => request.header(IDEMPOTENCY_KEY, key),
                None => request,
            };
            dry(request, dry_run)
        })
        .await
    }

    /// `POST /v1/drives/claims/{id or name}/renew`: lets a claim stand for its time again, or with `dry_run` says how it would.
    #[allow(clippy::missing_errors_doc)]
    pub async fn renew_drives(&self, id_or_name: &str, dry_run: bool) -> Result<DriveClaim, ClientError> {
        let path = ["v1", "drives", "claims", id_or_name, "renew"];
        self.ask(Method::POST, &path, |request| dry(request, dry_run))
            .await
    }

    /// `DELETE /v1/drives/claims/{id or name}`: gives drives back, and the watts that were claimed with them; the claim as it was comes
    /// back. Each drive is fenced, then held for `erase_after_seconds` (what the claim says where nothing is said), then erased.
    #[allow(clippy::missing_errors_doc)]
    pub async fn release_drives(
        &self,
        id_or_name: &str,
        erase_after_seconds: Option<u32>,
    ) -> Result<DriveClaim, ClientError> {
        let path = ["v1", "drives", "claims", id_or_name];
        self.ask(Method::DELETE, &path, |request| match erase_after_seconds {
            Some(seconds) => request.query(&[("erase_after_seconds", seconds)]),
            None => request,
        })
        .await
    }

    /// `POST /v1/drives/{serial}/enrol`: erases a foreign drive, or one that could not be erased, so that it joins the pool. The serial
    /// number is typed again in the request.
    #[allow(clippy::missing_errors_doc)]
    pub async fn enrol_drive(
        &self,
        serial: &str,
        request: &EraseDrive,
        dry_run: bool,
    ) -> Result<DriveView, ClientError> {
        self.ask(Method::POST, &["v1", "drives", serial, "enrol"], |sent| {
            dry(sent.json(request), dry_run)
        })
        .await
    }

    /// `POST /v1/drives/{serial}/erase`: has a held drive erased now. The serial number is typed again in the request.
    #[allow(clippy::missing_errors_doc)]
    pub async fn erase_drive(
        &self,
        serial: &str,
        request: &EraseDrive,
        dry_run: bool,
    ) -> Result<DriveView, ClientError> {
        self.ask(Method::POST, &["v1", "drives", serial, "erase"], |sent| {
            dry(sent.json(request), dry_run)
        })
        .await
    }

    /// `POST /v1/drives/{serial}/vouch`: says that what is on a held drive that was away is what its holder left.
    #[allow(clippy::missing_errors_doc)]
    pub async fn vouch_for_drive(
        &self,
        serial: &str,
        request: &VouchDrive,
        dry_run: bool,
    ) -> Result<DriveView, ClientError> {
        self.ask(Method::POST, &["v1", "drives", serial, "vouch"], |sent| {
            dry(sent.json(request), dry_run)
        })
        .await
    }

    /// `GET /v1/drives/{serial}/proof`: the last proof that it was erased; `not_found` where the journal holds none.
    #[allow(clippy::missing_errors_doc)]
    pub async fn drive_proof(&self, serial: &str, model: Option<&str>) -> Result<ProofView, ClientError> {
        self.ask(
            Method::GET,
            &["v1", "drives", serial, "proof"],
            |request| match model {
                Some(model) => request.query(&[("model", model)]),
                None => request,
            },
        )
        .await
    }
}
