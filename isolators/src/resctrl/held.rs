//! Whoever is held to a part of the caches and of memory bandwidth for a time: a class of its own, with ways that others use too.

use std::collections::BTreeMap;

use intent::{Hold, Isolation};

use super::host::Found;
use super::lacks;
use super::schemata::MB;
use crate::isolator::IsolateError;

/// Whether this workload is held to a part of caches and bandwidth.
pub(super) fn is_held(isolation: &Isolation) -> bool {
    matches!(isolation.held, Some(Hold::Cache { .. }))
}

/// Its ways of each cache: as many as its part, out of those that everybody has; all of them for whoever is not held.
pub(super) fn masks(
    found: &Found,
    isolation: &Isolation,
    everybody: &BTreeMap<u32, u64>,
) -> Result<BTreeMap<u32, u64>, IsolateError> {
    let (Some(Hold::Cache { l3_share, .. }), Some((_, cache))) = (&isolation.held, &found.cache) else {
        return Ok(everybody.clone());
    };
    let ways = cache.ways(u32::from(l3_share.get()));
    let part = |(domain, mask): (&u32, &u64)| {
        // Never more than everybody has: a smaller piece than asked is still a part.
        let part = cache.find(ways, !*mask).unwrap_or(*mask);
        (*domain, part)
    };
    Ok(everybody.iter().map(part).collect())
}

/// Its part of the bandwidth behind each cache, where that is counted in parts of a whole; nothing for whoever is not held.
pub(super) fn bandwidth(found: &Found, isolation: &Isolation) -> Result<BTreeMap<u32, u64>, IsolateError> {
    let Some(Hold::Cache {
        memory_bandwidth_share,
        ..
    }) = &isolation.held
    else {
        return Ok(BTreeMap::new());
    };
    match found.percent(u64::from(memory_bandwidth_share.get())) {
        Ok(percent) => {
            let domains = found.everybody.domains(MB).into_iter();
            Ok(domains.map(|domain| (domain, percent)).collect())
        }
        // Fewer ways alone are a mild hold too.
        Err(_) if found.cache.is_some() => Ok(BTreeMap::new()),
        Err(IsolateError::Lacks { .. }) => Err(lacks("a part of cache or memory bandwidth", "info")),
        Err(error) => Err(error),
    }
}
