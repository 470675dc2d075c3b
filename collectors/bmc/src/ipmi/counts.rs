//! What a client has sent, received and thrown away: its own count of packets.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since the client was made. They only grow.
#[derive(Debug, Default)]
pub(super) struct Counts {
    sent: AtomicU64,
    received: AtomicU64,
    resent: AtomicU64,
    late: AtomicU64,
    stray: AtomicU64,
    opened: AtomicU64,
    acted: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packets {
    /// Packets sent, handshakes and repetitions included.
    pub sent: u64,
    /// Packets received.
    pub received: u64,
    /// Of those sent: repetitions of one whose answer did not come in time.
    pub resent: u64,
    /// Of those received: answers of this session to an earlier request.
    pub late: u64,
    /// Of those received: not of this session, not whole, or seen before.
    pub stray: u64,
    /// Sessions opened.
    pub sessions: u64,
    /// Commands asked for that change something; the end of a session is none.
    pub acts: u64,
}

impl Counts {
    pub(super) fn sent(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn received(&self) {
        self.received.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn resent(&self) {
        self.resent.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn late(&self) {
        self.late.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stray(&self) {
        self.stray.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn opened(&self) {
        self.opened.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn acted(&self) {
        self.acted.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> Packets {
        Packets {
            sent: self.sent.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
            resent: self.resent.load(Ordering::Relaxed),
            late: self.late.load(Ordering::Relaxed),
            stray: self.stray.load(Ordering::Relaxed),
            sessions: self.opened.load(Ordering::Relaxed),
            acts: self.acted.load(Ordering::Relaxed),
        }
    }
}
