//! What was read last under which ETag, so that an unchanged resource costs a 304 and no body.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;

/// Resources that are kept. 512: the chassis and collections of the largest recorded BMC are 130.
const MAX_RESOURCES: usize = 512;
/// Larger bodies are not kept: what holds a rack's structure is small, and the cache stays below 32 MiB.
const MAX_BODY_BYTES: usize = 64 << 10;

/// One resource as it was read.
#[derive(Clone, Debug)]
pub(super) struct Cached {
    pub(super) etag: String,
    pub(super) value: Arc<Value>,
}

/// The bounded store; the oldest entry leaves first.
#[derive(Debug, Default)]
pub(super) struct Cache {
    entries: HashMap<String, Cached>,
    order: VecDeque<String>,
}

impl Cache {
    pub(super) fn get(&self, url: &str) -> Option<Cached> {
        self.entries.get(url).cloned()
    }

    pub(super) fn put(&mut self, url: &str, etag: &str, value: Arc<Value>, body_bytes: usize) {
        if body_bytes > MAX_BODY_BYTES {
            self.forget(url);
            return;
        }
        let cached = Cached {
            etag: etag.to_owned(),
            value,
        };
        if self.entries.insert(url.to_owned(), cached).is_none() {
            self.order.push_back(url.to_owned());
        }
        while self.order.len() > MAX_RESOURCES {
            if let Some(oldest) = self.order.pop_front() {
                self.entries.remove(&oldest);
            }
        }
    }

    pub(super) fn forget(&mut self, url: &str) {
        if self.entries.remove(url).is_some() {
            self.order.retain(|kept| kept != url);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn it_stays_bounded_and_forgets_the_oldest() {
        let mut cache = Cache::default();
        for number in 0..MAX_RESOURCES + 10 {
            cache.put(&format!("/{number}"), "\"1\"", Arc::new(Value::Null), 10);
        }
        assert_eq!(cache.entries.len(), MAX_RESOURCES);
        assert!(cache.get("/0").is_none());
        assert_eq!(cache.get("/100").unwrap().etag, "\"1\"");
        cache.put("/100", "\"2\"", Arc::new(Value::Null), MAX_BODY_BYTES + 1);
        assert!(cache.get("/100").is_none());
    }
}
