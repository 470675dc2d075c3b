//! A drive that erases itself as its standard has it, or refuses, fails, lies and stops: an answer to each order.

use super::super::super::nvme::{SANITIZE_LOG_BYTES, SanitizeLog, sanitize_order};
use super::super::super::sample::is_dirty;
use super::super::{Answer, Method, Proven, Record};

/// Bytes of a drive that has this at each of its samples.
pub(super) const HELD: &[u8] = b"what somebody wrote";
pub(super) const ESTIMATE: u32 = 100;

/// Numbers by a seed (SplitMix64).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    pub(super) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// What a drive does otherwise than its standard says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ways {
    /// It refuses these many orders to begin.
    pub(super) refuses: u32,
    /// Its first sanitize ends in an error.
    pub(super) fails: bool,
    /// It says that it is done, and has erased nothing.
    pub(super) lies: bool,
    /// Its sanitize stops at 99 %.
    pub(super) stops: bool,
    /// It takes an order and its log goes on about the one before.
    pub(super) forgets: bool,
}

/// A drive as the standard has it.
pub(super) struct Drive {
    pub(super) ways: Ways,
    pub(super) holds: &'static [u8],
    pub(super) status: u16,
    pub(super) progress: u16,
    pub(super) order: u32,
    pub(super) written_since: bool,
    /// How much is left of a command that returns when it is done; gone with the power.
    pub(super) left: Option<u32>,
    pub(super) orders: u32,
}

impl Drive {
    /// One that holds something, and was sanitized some day in just the same way.
    pub(super) fn new(ways: Ways, before: Option<Method>) -> Drive {
        Drive {
            ways,
            holds: HELD,
            status: u16::from(before.is_some()),
            progress: 0xffff,
            order: before.and_then(sanitize_order).unwrap_or(0),
            written_since: true,
            left: None,
            orders: 0,
        }
    }

    pub(super) fn log(&self) -> Answer {
        let mut page = vec![0; SANITIZE_LOG_BYTES];
        page[..2].copy_from_slice(&self.progress.to_le_bytes());
        let status = self.status | u16::from(!self.written_since) << 8;
        page[2..4].copy_from_slice(&status.to_le_bytes());
        page[4..8].copy_from_slice(&self.order.to_le_bytes());
        page[12..16].copy_from_slice(&ESTIMATE.to_le_bytes());
        page[16..20].copy_from_slice(&ESTIMATE.to_le_bytes());
        Answer::Log(Box::new(SanitizeLog::parse(&page).unwrap()))
    }

    pub(super) fn erase(&mut self) {
        if !self.ways.lies {
            self.holds = &[0; 8];
        }
        self.written_since = false;
    }

    pub(super) fn start(&mut self, method: Method) -> Answer {
        self.orders += 1;
        if self.ways.refuses >= self.orders {
            return Answer::Refused("it does not know the command".to_owned());
        }
        let Some(order) = sanitize_order(method) else {
            self.left = Some(3);
            return Answer::Taken;
        };
        if self.status == 2 {
            return Answer::Refused("a sanitize runs".to_owned());
        }
        if !self.ways.forgets {
            (self.status, self.progress, self.order) = (2, 0, order);
        }
        Answer::Taken
    }

    /// Time goes by: a sanitize runs in the drive, with or without us.
    pub(super) fn pass(&mut self) {
        if self.status != 2 {
            return;
        }
        let last = 0xfd80;
        if self.progress < last {
            self.progress = last.min(self.progress + last / 8);
        } else if self.ways.fails {
            (self.status, self.ways.fails) = (3, false);
        } else if !self.ways.stops {
            (self.status, self.progress) = (1, 0xffff);
            self.erase();
        }
    }

    pub(super) fn look(&mut self, method: Method) -> Answer {
        if sanitize_order(method).is_some() {
            return self.log();
        }
        match self.left {
            Some(0) => {
                self.erase();
                Answer::Ended
            }
            Some(left) => {
                self.left = Some(left - 1);
                Answer::Going(None)
            }
            None => Answer::Broke("nothing runs".to_owned()),
        }
    }

    pub(super) fn read_back(&self, record: &Record, method: Method) -> Answer {
        let dirty = record
            .samples
            .iter()
            .filter(|sample| is_dirty(method, sample.before.as_deref(), self.holds));
        Answer::ReadBack(Box::new(Proven {
            drive: record.drive.clone(),
            samples: u32::try_from(record.samples.len()).unwrap(),
            dirty: u32::try_from(dirty.count()).unwrap(),
            written: None,
        }))
    }
}
