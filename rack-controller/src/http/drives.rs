//! Routes of pooled drives.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use rack_api::v1::{DriveClaim, DriveClaimAsk, DriveView, DrivesView, EraseDrive, ProofView, VouchDrive};
use serde::Deserialize;

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

pub(super) async fn enrol(
    State(app): State<App>,
    By(asked): By,
    Named(serial): Named,
    query: Result<Query<ClaimQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<DriveView>, Failure> {
    let dry_run = is_dry(query)?;
    let request: EraseDrive = json(&headers, body, "{\"serial\": \"S1234\"}")?;
    change(&app, asked, DrivesInput::Enrol { serial, request }, dry_run).await
}

pub(super) async fn erase(
    State(app): State<App>,
    By(asked): By,
    Named(serial): Named,
    query: Result<Query<ClaimQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<DriveView>, Failure> {
    let dry_run = is_dry(query)?;
    let request: EraseDrive = json(&headers, body, "{\"serial\": \"S1234\"}")?;
    change(&app, asked, DrivesInput::Erase { serial, request }, dry_run).await
}

pub(super) async fn vouch(
    State(app): State<App>,
    By(asked): By,
    Named(serial): Named,
    query: Result<Query<ClaimQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<DriveView>, Failure> {
    let dry_run = is_dry(query)?;
    let request: VouchDrive = json(&headers, body, "{\"serial\": \"S1234\"}")?;
    change(&app, asked, DrivesInput::Vouch { serial, request }, dry_run).await
}

async fn change(
    app: &App,
    asked: Option<rack_api::v1::Asked>,
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
