//! The API as an OpenAPI document. It is checked in beside the types (`api/openapi.json`) and served as it stands there.
//!
//! Nobody writes it by hand: [`told`] holds what the types do not say (paths, status codes, who may ask), the types bring
//! their own schemas, and a test fails where file, types and routes are not the same.

#[cfg(test)]
mod document;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod told;

use axum::http::header;
use axum::response::IntoResponse;

/// The document.
const DOCUMENT: &str = include_str!("../../api/openapi.json");

pub(super) async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT)
}
