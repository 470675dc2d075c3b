//! Numbers that look random and are the same in each run.

/// A generator of 64 bits (xorshift64*, Vigna 2016).
pub struct Dice(u64);

impl Dice {
    /// From a seed, which may be anything but zero.
    pub fn new(seed: u64) -> Dice {
        Dice(seed.max(1))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`; 0 where that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        // What is below a usize fits one.
        usize::try_from((self.next() >> 16) % end).unwrap_or(0)
    }

    /// True in so many of a hundred.
    pub fn percent(&mut self, share: usize) -> bool {
        self.below(100) < share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_throws_the_same_and_stays_below() {
        let (mut one, mut other) = (Dice::new(7), Dice::new(7));
        for _ in 0..1000 {
            let thrown = one.below(6);
            assert!(thrown < 6);
            assert_eq!(thrown, other.below(6));
        }
        assert_eq!(Dice::new(0).below(0), 0);
    }
}
