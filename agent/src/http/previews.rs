//! `/v1/offers`, `/v1/offers/batch` and `/v1/defrag`: what would be given, and what would have to move. Nothing is held or changed.

use std::sync::Arc;

use agent_api::v1::{Ask, BatchOffer, BatchRequest, Defrag, DefragRequest, Offer};
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::post;
use axum::{Json, Router};

use super::answer::Failure;
use super::routes::{Answer, Body, Place, Shared, read, read_within, until_topology};
use crate::reconcile::{KeeperError, Preview};

/// The largest batch: as many asks as there may be, of half a kilobyte each.
const LARGEST_BATCH: usize = 512 << 10;

/// The questions of this file.
pub(super) fn orders() -> Router<Arc<Shared>> {
    let batch = post(batch).layer(DefaultBodyLimit::max(LARGEST_BATCH));
    Router::new()
        .route("/v1/offers", post(offer))
        .route("/v1/offers/batch", batch)
        .route("/v1/defrag", post(defrag))
}

async fn offer(State(shared): Place, body: Body) -> Answer<Offer> {
    let ask: Ask = read(&body, "an ask, as in {\"cpus\":1,\"exclusive\":true}")?;
    until_topology(&shared.house).await?;
    Ok(Json(shared.house.desk.offer(ask).await?))
}

async fn batch(State(shared): Place, body: Body) -> Answer<BatchOffer> {
    let expected = "asks, as in {\"asks\":[{\"cpus\":1},{\"cpus\":4,\"exclusive\":true}]}";
    let request: BatchRequest = read_within(&body, expected, LARGEST_BATCH)?;
    search(&shared, move |preview| preview.offers(&request)).await
}

async fn defrag(State(shared): Place, body: Body) -> Answer<Defrag> {
    let expected = "what room is sought for, as in {\"ask\":{\"cpus\":8,\"exclusive\":true}}, or {}";
    let request: DefragRequest = read(&body, expected)?;
    search(&shared, move |preview| preview.defrag(&request)).await
}

/// Searches on a thread of its own, one search at a time: it is many decisions.
async fn search<T: Send + 'static>(
    shared: &Arc<Shared>,
    look: impl FnOnce(&Preview) -> Result<T, KeeperError> + Send + 'static,
) -> Answer<T> {
    until_topology(&shared.house).await?;
    let Ok(turn) = Arc::clone(&shared.searches).try_acquire_owned() else {
        return Err(Failure::busy("another search for places is under way; try again"));
    };
    let preview = shared.house.desk.preview().await?;
    let searched = tokio::task::spawn_blocking(move || {
        let found = look(&preview);
        drop(turn);
        found
    });
    match searched.await {
        Ok(found) => Ok(Json(found.map_err(crate::keeping::OrderError::from)?)),
        Err(_) => Err(Failure::busy("the search broke off; try again")),
    }
}
