//! What a client reads of an agent that may be anybody, for the fuzzer (tests/fuzz) and for a short run of any input in the tests.

use crate::client::events::Lines;
use crate::v1::{AgentEvent, BatchOffer, Defrag, Ended, ErrorBody, LeaseView, Offer, Plan, Status, Workload};

/// A parser: it may refuse what it is given, and must never panic.
pub type Target = (&'static str, fn(&[u8]));

/// All of them, by name.
pub const TARGETS: &[Target] = &[
    ("agent_answers", |data| {
        let _ = serde_json::from_slice::<Status>(data);
        let _ = serde_json::from_slice::<Vec<Workload>>(data);
        let _ = serde_json::from_slice::<Plan>(data);
        let _ = serde_json::from_slice::<Offer>(data);
        let _ = serde_json::from_slice::<BatchOffer>(data);
        let _ = serde_json::from_slice::<Defrag>(data);
        let _ = serde_json::from_slice::<Ended>(data);
        let _ = serde_json::from_slice::<LeaseView>(data);
        let _ = serde_json::from_slice::<ErrorBody>(data);
        let _ = serde_json::from_slice::<AgentEvent>(data);
    }),
    ("agent_events", |data| {
        // The same events however the bytes were cut.
        let (mut whole, mut pieces, mut told) = (Lines::default(), Lines::default(), Vec::new());
        let fits = data.chunks(3).all(|piece| {
            let fits = pieces.add(piece);
            told.extend(std::iter::from_fn(|| pieces.take()));
            fits
        });
        if whole.add(data) && fits {
            assert_eq!(std::iter::from_fn(|| whole.take()).collect::<Vec<_>>(), told);
        }
    }),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(data in proptest::collection::vec(any::<u8>(), 0..256)) {
            for (_, target) in TARGETS {
                target(&data);
            }
        }
    }
}
