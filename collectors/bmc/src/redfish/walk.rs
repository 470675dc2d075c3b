//! Going through collections: pages followed within bounds, members named twice taken once, one bad member costing only itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;
use serde_json::Value;

use super::bmc::Bmc;
use super::error::BmcError;
use super::http::MAX_IN_FLIGHT;
use super::schema::{Doubts, Fields};

/// Pages of one collection: 1024 members at the 50 a page that iDRAC gives are 21.
const MAX_PAGES: usize = 32;
/// Members of one collection: the largest recorded one has 113.
const MAX_MEMBERS: usize = 1024;
/// DSP0266, "Resource collection response": the next page of a collection.
const NEXT_LINK: &str = "Members@odata.nextLink";

/// Takes what costs one resource only as a doubt; what blinds the whole BMC stays an error.
pub(super) fn or_doubt<T>(
    bmc: &Bmc,
    path: &str,
    doubts: &Doubts,
    result: Result<T, BmcError>,
) -> Result<Option<T>, BmcError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_local() => {
            doubts.add("unread", &bmc.name_of(path), error.whole());
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The links of a collection's members, each once, in order.
pub(super) async fn members(bmc: &Bmc, collection: &str, doubts: &Doubts) -> Result<Vec<String>, BmcError> {
    let name = bmc.name_of(collection);
    let mut links: Vec<String> = Vec::new();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut pages: BTreeSet<String> = BTreeSet::new();
    let mut next = Some(collection.to_owned());
    while let Some(page) = next.take() {
        if pages.len() >= MAX_PAGES || !pages.insert(page.clone()) {
            doubts.add(
                "garbled",
                &name,
                format!("its pages do not end ({page}); what came so far is taken"),
            );
            break;
        }
        let got = bmc.get_fresh(&page).await;
        let value = match got {
            Ok(value) => value,
            // The first page decides whether there is a collection at all.
            Err(error) if links.is_empty() => return Err(error),
            Err(error) => match or_doubt::<()>(bmc, &page, doubts, Err(error))? {
                Some(()) | None => break,
            },
        };
        let fields = Fields::of(&value, &name, doubts);
        for member in fields.objects("Members") {
            match member.own_id() {
                None => doubts.add("garbled", &name, "a member has no @odata.id; it is left out"),
                Some(link) if !seen.insert(link.trim_end_matches('/').to_owned()) => {
                    doubts.add(
                        "duplicate",
                        &name,
                        format!("names {link} twice; it is counted once"),
                    );
                }
                Some(_) if links.len() >= MAX_MEMBERS => {
                    doubts.add(
                        "garbled",
                        &name,
                        format!("more than {MAX_MEMBERS} members; the rest is left out"),
                    );
                    return Ok(links);
                }
                Some(link) => links.push(link),
            }
        }
        next = fields.text(NEXT_LINK);
    }
    Ok(links)
}

/// Reads many resources, a few at a time, in their order; those that cannot be read come as their error.
pub(super) async fn read_all(
    bmc: &Bmc,
    paths: Vec<String>,
    fresh: bool,
) -> Result<Vec<(String, Result<Arc<Value>, BmcError>)>, BmcError> {
    let mut answers = stream::iter(paths)
        .map(|path| async move {
            let got = if fresh {
                bmc.get_fresh(&path).await
            } else {
                bmc.get(&path).await
            };
            (path, got)
        })
        .buffered(MAX_IN_FLIGHT);
    let mut all = Vec::new();
    while let Some((path, got)) = answers.next().await {
        match got {
            // A BMC that has fallen silent is not asked for the rest: each question would cost a whole deadline.
            Err(error) if !error.is_local() => return Err(error),
            got => all.push((path, got)),
        }
    }
    Ok(all)
}
