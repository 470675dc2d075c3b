//! Ways of a cache as bits of a mask: which ones a share takes, and what is left for everybody. Pure.

/// What the kernel says of a cache that can be divided (`info/L3`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cache {
    /// All ways (`cbm_mask`).
    pub all: u64,
    /// The fewest that a class may have (`min_cbm_bits`).
    pub least: u32,
    /// Ways that devices use too (`shareable_bits`).
    pub shareable: u64,
}

impl Cache {
    /// How many ways a share of so many thousandths takes: never less than asked.
    pub fn ways(&self, thousandths: u32) -> u32 {
        let ways = self.all.count_ones() * thousandths;
        ways.div_ceil(1_000).max(self.least).max(1)
    }

    /// So many free ways side by side, away from those that devices use: what is left for everybody stays in one piece.
    pub fn find(&self, ways: u32, taken: u64) -> Option<u64> {
        let mut runs: Vec<u64> = (0..u64::BITS).filter_map(|first| run(first, ways)).collect();
        if self.shareable & 1 == 1 {
            runs.reverse();
        }
        runs.into_iter()
            .find(|run| run & !self.all == 0 && run & taken == 0)
    }

    /// The longest piece of these ways; `None` where it is shorter than a class may be.
    pub fn piece(&self, of: u64) -> Option<u64> {
        let mut longest = 0_u64;
        let mut rest = of;
        while rest != 0 {
            let first = rest.trailing_zeros();
            let length = (rest >> first).trailing_ones();
            let piece = run(first, length).unwrap_or(0);
            if length >= longest.count_ones() {
                longest = piece;
            }
            rest &= !piece;
        }
        (longest.count_ones() >= self.least.max(1)).then_some(longest)
    }
}

/// So many bits from this one on; `None` where that is none, or beyond the last bit.
fn run(first: u32, length: u32) -> Option<u64> {
    if length == 0 || first + length > u64::BITS {
        return None;
    }
    Some(u64::MAX >> (u64::BITS - length) << first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const XEON: Cache = Cache {
        all: 0xfff,
        least: 1,
        shareable: 0xc00,
    };

    #[test]
    fn shares_take_ways_side_by_side_and_leave_one_piece() {
        assert_eq!(XEON.ways(250), 3);
        assert_eq!(XEON.ways(1), 1);
        assert_eq!(XEON.find(3, 0), Some(0x007));
        assert_eq!(XEON.find(3, 0x007), Some(0x038));
        assert_eq!(XEON.find(3, 0x00e), Some(0x070));
        assert_eq!(XEON.find(13, 0), None);
        assert_eq!(XEON.piece(0xfff & !0x038), Some(0xfc0));
        assert_eq!(XEON.piece(0), None);
        let low = Cache {
            shareable: 0x3,
            least: 2,
            ..XEON
        };
        assert_eq!(low.find(3, 0), Some(0xe00));
        assert_eq!(low.ways(1), 2);
        assert_eq!(low.piece(0x001), None);
        let widest = Cache {
            all: u64::MAX,
            least: 1,
            shareable: 0,
        };
        assert_eq!(widest.find(64, 0), Some(u64::MAX));
    }
}
