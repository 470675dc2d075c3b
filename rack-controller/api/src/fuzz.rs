//! What a client reads of a rack controller that may be anybody, for the fuzzer (tests/fuzz) and for a short run in the tests.

use crate::stream::Lines;
use crate::v1::{
    ClaimView, DrainAnswer, DriveClaim, DrivesView, ErrorBody, EventView, LocateAnswer, ProofView,
    RackStatus, RackView, Shortfall,
};

/// A parser: it may refuse what it is given, and must never panic.
pub type Target = (&'static str, fn(&[u8]));

/// All of them, by name.
pub const TARGETS: &[Target] = &[
    ("rack_answers", |data| {
        let _ = serde_json::from_slice::<RackView>(data);
        let _ = serde_json::from_slice::<RackStatus>(data);
        let _ = serde_json::from_slice::<Vec<ClaimView>>(data);
        let _ = serde_json::from_slice::<Vec<EventView>>(data);
        let _ = serde_json::from_slice::<DrainAnswer>(data);
        let _ = serde_json::from_slice::<LocateAnswer>(data);
        let _ = serde_json::from_slice::<Shortfall>(data);
        let _ = serde_json::from_slice::<DrivesView>(data);
        let _ = serde_json::from_slice::<DriveClaim>(data);
        let _ = serde_json::from_slice::<ProofView>(data);
        let _ = serde_json::from_slice::<ErrorBody>(data);
    }),
    ("rack_events", |data| {
        // The same events however the bytes were cut.
        let (mut whole, mut pieces) = (Lines::default(), Lines::default());
        whole.feed(data);
        data.chunks(3).for_each(|piece| pieces.feed(piece));
        let all = |lines: &mut Lines| std::iter::from_fn(|| lines.pop()).collect::<Vec<_>>();
        assert_eq!(all(&mut whole), all(&mut pieces));
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
