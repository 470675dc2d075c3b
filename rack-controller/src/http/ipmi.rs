//! /ipmi?target=NAME: one BMC as prometheus-ipmi-exporter would show it, from memory; no request of anybody reaches the BMC.

use std::time::Instant;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::{App, Failure};
use crate::metrics::Format;

/// Unknown keys are let pass: scrapers of the exporter send `module` and `auth` beside it.
#[derive(Deserialize)]
pub(super) struct TargetQuery {
    target: Option<String>,
}

pub(super) async fn ipmi(
    State(app): State<App>,
    query: Result<Query<TargetQuery>, QueryRejection>,
) -> Result<Response, Failure> {
    let began = Instant::now();
    let Query(query) = query
        .map_err(|error| Failure::bad_request(format!("{}; expected target=NAME", error.body_text())))?;
    let Some(target) = query.target.filter(|target| !target.is_empty()) else {
        return Err(Failure::bad_request(
            "there is no target; expected /ipmi?target=NAME",
        ));
    };
    let line = app
        .lines
        .get(&target)
        .filter(|line| line.is_ipmi())
        .ok_or_else(|| {
            let known: Vec<&str> = app
                .lines
                .iter()
                .filter(|line| line.is_ipmi())
                .map(|line| line.name())
                .collect();
            let known = if known.is_empty() {
                "none is read over IPMI".to_owned()
            } else {
                format!("expected one of: {}", known.join(", "))
            };
            Failure::new(
                StatusCode::NOT_FOUND,
                "not_found",
                format!("there is no BMC {target:?} that is read over IPMI; {known}"),
            )
        })?;
    let page = line.place().page();
    let text = format!(
        "{page}# HELP ipmi_scrape_duration_seconds Returns how long the scrape took to complete in seconds.\n\
         # TYPE ipmi_scrape_duration_seconds gauge\nipmi_scrape_duration_seconds {}\n",
        began.elapsed().as_secs_f64()
    );
    Ok(([(header::CONTENT_TYPE, Format::Text.content_type())], text).into_response())
}
