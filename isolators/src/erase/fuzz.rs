//! Parsers of what a drive says and holds, for the fuzzer.

use super::nvme::{Controller, Namespace, SanitizeLog, data_units_written, format_order};
use super::record::Record;
use super::{Method, ata, signature};

/// Pages of NVMe and ATA, and the record of an erasure.
pub(crate) fn pages(data: &[u8]) {
    if let Some(log) = SanitizeLog::parse(data) {
        assert!(log.permille() < 1_000, "{log:?}");
    }
    if let Some(controller) = Controller::parse(data) {
        assert!(!controller.methods().contains(&Method::Overwrite));
    }
    if let Some(namespace) = Namespace::parse(data) {
        // Whatever the format is, what is ordered is a secure erase.
        assert_eq!(format_order(&namespace, false) >> 9 & 7, 1, "{namespace:?}");
    }
    let _ = data_units_written(data);
    if let Some(about) = ata::Identify::parse(data) {
        assert!(!about.is_frozen || about.methods().0.is_empty());
    }
    let _ = serde_json::from_slice::<Record>(data);
}

/// The beginning and the end of a drive, with its size.
pub(crate) fn marks(data: &[u8]) {
    let (size, rest) = data.split_at(data.len().min(8));
    let size = size.try_into().map_or(0, u64::from_le_bytes);
    let (first, last) = rest.split_at(rest.len() / 2);
    let _ = signature::found(first, last, size);
}
