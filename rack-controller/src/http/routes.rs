//! All routes in one plain list. The document of the API ([`super::openapi`]) is held against the same list by a test.

use axum::routing::{MethodFilter, MethodRouter, on};

use super::{App, ask, discovery, drives, events, ipmi, openapi, page, people, read};

const GET: MethodFilter = MethodFilter::GET;
const POST: MethodFilter = MethodFilter::POST;
const DELETE: MethodFilter = MethodFilter::DELETE;

/// One route.
pub(super) struct Route {
    /// How it is asked. `GET` answers HEAD too.
    pub(super) method: MethodFilter,
    /// With its parameters in braces.
    pub(super) path: &'static str,
    /// Who answers, asked with this method.
    pub(super) serve: fn(MethodFilter) -> MethodRouter<App>,
}

const fn at(method: MethodFilter, path: &'static str, serve: fn(MethodFilter) -> MethodRouter<App>) -> Route {
    Route { method, path, serve }
}

/// Every route. One that the document does not tell, or tells otherwise, fails a test.
pub(super) const ALL: &[Route] = &[
    at(GET, "/", |by| on(by, page::page)),
    at(GET, "/ui/rack.css", |by| on(by, page::style)),
    at(GET, "/ui/rack.js", |by| on(by, page::script)),
    at(GET, "/healthz", |by| on(by, read::healthz)),
    at(GET, "/metrics", |by| on(by, read::metrics)),
    at(GET, "/ipmi", |by| on(by, ipmi::ipmi)),
    at(GET, "/sd/prometheus", |by| on(by, discovery::prometheus)),
    at(GET, "/v1/openapi.json", |by| on(by, openapi::document)),
    at(GET, "/v1/status", |by| on(by, read::status)),
    at(GET, "/v1/rack", |by| on(by, read::rack)),
    at(GET, "/v1/claims", |by| on(by, read::claims)),
    at(POST, "/v1/claims", |by| on(by, ask::claim)),
    at(DELETE, "/v1/claims/{claim}", |by| on(by, ask::release)),
    at(POST, "/v1/claims/{claim}/apply", |by| on(by, ask::apply)),
    at(POST, "/v1/claims/{claim}/renew", |by| on(by, ask::renew)),
    at(POST, "/v1/nodes/{node}/calibrate", |by| on(by, ask::calibrate)),
    at(POST, "/v1/nodes/{node}/power-on", |by| on(by, ask::power_on)),
    at(POST, "/v1/drain", |by| on(by, ask::drain)),
    at(POST, "/v1/locate", |by| on(by, ask::locate)),
    at(POST, "/v1/swap", |by| on(by, people::swap)),
    at(POST, "/v1/doubts/ack", |by| on(by, people::acknowledge)),
    at(POST, "/v1/pause", |by| on(by, people::pause)),
    at(GET, "/v1/drives", |by| on(by, drives::drives)),
    at(POST, "/v1/drives/claims", |by| on(by, drives::claim)),
    at(DELETE, "/v1/drives/claims/{claim}", |by| on(by, drives::release)),
    at(POST, "/v1/drives/claims/{claim}/renew", |by| {
        on(by, drives::renew)
    }),
    at(POST, "/v1/drives/{serial}/enrol", |by| on(by, drives::enrol)),
    at(POST, "/v1/drives/{serial}/erase", |by| on(by, drives::erase)),
    at(POST, "/v1/drives/{serial}/vouch", |by| on(by, drives::vouch)),
    at(GET, "/v1/drives/{serial}/proof", |by| on(by, drives::proof)),
    at(GET, "/v1/events", |by| on(by, events::events)),
];
