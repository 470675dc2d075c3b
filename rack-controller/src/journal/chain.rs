//! The hash chain: each event is bound to all before it.

use std::fmt;

use sha2::{Digest, Sha256};

/// One link: the number of an event, and the hash of it and of all before it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The event's number; 0 before the first.
    pub sequence: u64,
    /// SHA-256 of the link before, the event's moment (milliseconds, 8 bytes, big-endian) and its JSON.
    pub hash: [u8; 32],
}

impl Link {
    /// What the first event is bound to.
    pub const FIRST: Link = Link {
        sequence: 0,
        hash: [0; 32],
    };

    /// The link of the event after this one.
    #[must_use]
    pub fn next(&self, at_millis: u64, json: &str) -> Link {
        let mut hash = Sha256::new();
        hash.update(self.hash);
        hash.update(at_millis.to_be_bytes());
        hash.update(json.as_bytes());
        Link {
            sequence: self.sequence.saturating_add(1),
            hash: hash.finalize().into(),
        }
    }

    /// The hash in hexadecimal.
    pub fn hex(&self) -> String {
        hex(&self.hash)
    }
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({} {})", self.sequence, self.hex())
    }
}
