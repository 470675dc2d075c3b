//! What is read of topologies in this process, for the fuzzer. hwloc itself is not: it ends the process at some exports, which
//! is why a child reads them.

use facts::observation::Observation;
use facts::{Inventory, Moment};

use super::{doubts, hwloc};
use crate::root::Root;

/// An export, said in the words of hwloc 2; what is said so is left as it is.
pub(crate) fn export(text: &str) {
    let said = hwloc::in_words_of_version_2(text);
    if let std::borrow::Cow::Borrowed(same) = &said {
        assert_eq!(*same, text);
    }
}

/// What the child prints: merged, and doubted.
pub(crate) fn answer(data: &[u8]) {
    let Ok(seen) = serde_json::from_slice::<Observation>(data) else {
        return;
    };
    if let Some(topology) = &seen.topology {
        let _ = doubts(&Root::nothing(), topology);
    }
    let _ = Inventory::merge(Moment::EPOCH, [&seen], Vec::new());
}
