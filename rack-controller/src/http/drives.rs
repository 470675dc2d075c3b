//! Routes of pooled drives.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, FromRequestParts, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use rack_api::v1::{
    Asked, DriveClaim, DriveClaimAsk, DriveView, DrivesView, EraseDrive, ProofView, VouchDrive,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::ask::{Body, ClaimQuery, Named, is_dry, json, key, question};
use super::people::By;
use super::{App, Failure};
use crate::decide::DrivesInput;
use crate::turn::{DrivesQuestion, Question};

/// What stands behind the question mark of a release.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReleaseQuery {
    #[serde(default)]
    erase_after_seconds: Option<u32>,
}

/// What stands behind the question mark of a proof.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProofQuery {
    #[serde(default)]
    model: Option<String>,
}

pub(super) async fn drives(State(app): State<App>) -> Json<DrivesView> {
    Json((*app.desk.shown().drives).clone())
}

pub(super) async fn claim(
    State(app): State<App>,
    By(asked): By,
    query: Result<Query<ClaimQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<DriveClaim>), Failure> {
    let dry_run = is_dry(query)?;
    let ask: DriveClaimAsk = json(
        &headers,
        body,
        "{\"for\": \"db\", \"node\": \"n01\", \"count\": 2}",
    )?;
    let key = key(&headers)?;
    let status = if dry_run {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let claim = question(&app, asked, |reply| {
        let ask = Box::new(ask);
        Question::Drives(DrivesQuestion::Claim {
            ask,
            key,
            dry_run,
            reply,
        })
    })
    .await?;
    Ok((status, Json(claim)))
}

pub(super) async fn renew(
    State(app): State<App>,
    By(asked): By,
    Named(claim): Named,
    query: Result<Query<ClaimQuery>, QueryRejection>,
) -> Result<Json<DriveClaim>, Failure> {
    let dry_run = is_dry(query)?;
    question(&app, asked, |reply| {
        Question::Drives(DrivesQuestion::Renew {
            claim,
            dry_run,
            reply,
        })
    })
    .await
    .map(Json)
}

pub(super) async fn release(
    State(app): State<App>,
    By(asked): By,
    Named(claim): Named,
    query: Result<Query<ReleaseQuery>, QueryRejection>,
) -> Result<Json<DriveClaim>, Failure> {
    let Query(query) = query.map_err(|error| {
        Failure::bad_request(format!(
            "{}; expected erase_after_seconds=SECONDS or nothing",
            error.body_text()
        ))
    })?;
    question(&app, asked, |reply| {
        Question::Drives(DrivesQuestion::Release {
            claim,
            erase_after_seconds: query.erase_after_seconds,
            reply,
        })
    })
    .await
    .map(Json)
}

/// What is asked of one drive: its serial number in the path and once more in the body, who asks, and whether nothing is to be done yet.
pub(super) struct OfDrive<T> {
    serial: String,
    request: T,
    asked: Option<Asked>,
    dry_run: bool,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for OfDrive<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<OfDrive<T>, Failure> {
        let (mut parts, body) = request.into_parts();
        let By(asked) = By::from_request_parts(&mut parts, state).await?;
        let Named(serial) = Named::from_request_parts(&mut parts, state).await?;
        let dry_run = is_dry(Query::from_request_parts(&mut parts, state).await)?;
        let headers = parts.headers.clone();
        let body = Bytes::from_request(Request::from_parts(parts, body), state).await;
        let request = json(&headers, body, "{\"serial\": \"S1234\"}")?;
        Ok(OfDrive {
            serial,
            request,
            asked,
            dry_run,
        })
    }
}

pub(super) async fn enrol(
    State(app): State<App>,
    of: OfDrive<EraseDrive>,
) -> Result<Json<DriveView>, Failure> {
    let OfDrive { serial, request, .. } = of;
    change(&app, of.asked, DrivesInput::Enrol { serial, request }, of.dry_run).await
}

pub(super) async fn erase(
    State(app): State<App>,
    of: OfDrive<EraseDrive>,
) -> Result<Json<DriveView>, Failure> {
    let OfDrive { serial, request, .. } = of;
    change(&app, of.asked, DrivesInput::Erase { serial, request }, of.dry_run).await
}

pub(super) async fn vouch(
    State(app): State<App>,
    of: OfDrive<VouchDrive>,
) -> Result<Json<DriveView>, Failure> {
    let OfDrive { serial, request, .. } = of;
    change(&app, of.asked, DrivesInput::Vouch { serial, request }, of.dry_run).await
}

async fn change(
    app: &App,
    asked: Option<Asked>,
    input: DrivesInput,
    dry_run: bool,
) -> Result<Json<DriveView>, Failure> {
    question(app, asked, |reply| {
        Question::Drives(DrivesQuestion::Change {
            input,
            dry_run,
            reply,
        })
    })
    .await
    .map(Json)
}

pub(super) async fn proof(
    State(app): State<App>,
    Named(serial): Named,
    query: Result<Query<ProofQuery>, QueryRejection>,
) -> Result<Json<ProofView>, Failure> {
    let Query(query) = query.map_err(|error| {
        Failure::bad_request(format!("{}; expected model=MODEL or nothing", error.body_text()))
    })?;
    question(&app, None, |reply| {
        Question::Drives(DrivesQuestion::Proof {
            serial,
            model: query.model,
            reply,
        })
    })
    .await
    .map(Json)
}
