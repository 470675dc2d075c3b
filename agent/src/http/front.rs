//! The first to see a request: a scrape goes straight to its page, everything else through the routes.
//!
//! A scrape comes every few seconds, when none of this code is in a cache any more: each layer that it does not pass is a twentieth
//! of what it costs.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use super::lease::Keys;
use super::routes::{Shared, without_token};
use super::scrape;

/// The path of the page.
pub(super) const METRICS: &str = "/metrics";

/// One face's routes, and the shorter way to its page.
#[derive(Clone)]
pub(super) struct Front {
    router: Router,
    page: Option<Arc<Page>>,
}

/// What a scrape needs, and the tokens of which it must bring one where there are any.
struct Page {
    shared: Arc<Shared>,
    keys: Keys,
}

impl Front {
    /// All through the routes.
    pub(super) fn of(router: Router) -> Front {
        Front { router, page: None }
    }

    /// Scrapes past the routes. They have the same answer there.
    pub(super) fn with_page(router: Router, shared: Arc<Shared>, keys: Keys) -> Front {
        let page = Some(Arc::new(Page { shared, keys }));
        Front { router, page }
    }

    /// The answer to one request.
    pub(super) fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Response> + Send + use<> {
        let is_scrape = request.method() == Method::GET && request.uri().path() == METRICS;
        let way = match &self.page {
            Some(page) if is_scrape => Way::Page(Arc::clone(page)),
            Some(_) | None => Way::Routes(self.router.clone()),
        };
        async move {
            match way {
                Way::Page(page) => page.answer(&request).await,
                Way::Routes(router) => {
                    let answer = TowerToHyperService::new(router).call(request).await;
                    answer.unwrap_or_else(|never| match never {})
                }
            }
        }
    }
}

/// Where a request goes.
enum Way {
    Page(Arc<Page>),
    Routes(Router),
}

impl Page {
    async fn answer(&self, request: &Request<Incoming>) -> Response {
        let started = Instant::now();
        if !self.keys.may_ask(request.headers()) {
            return without_token().into_response();
        }
        let answer = scrape::scrape(&self.shared, request.headers()).await;
        let counts = self.shared.house.pages.counts();
        counts.answered(METRICS, answer.status().as_u16(), started.elapsed());
        answer
    }
}
