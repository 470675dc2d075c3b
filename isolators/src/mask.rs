//! CPUs as the kernel's masks: hexadecimal, 32 CPUs a word, the highest first, `00000000,000000ff`.

use std::fmt;

use facts::{CpuId, CpuSet};

/// CPUs in a word of a mask.
const BITS: u32 = 32;
/// The most words that are read: 65536 CPUs, more than any kernel is built for.
const MOST_WORDS: usize = 2_048;

/// A set of CPUs that is written as a mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuMask(pub CpuSet);

impl CpuMask {
    /// Reads a mask; `None` where it is none.
    pub fn parse(text: &str) -> Option<CpuMask> {
        let words: Vec<&str> = text.trim().split(',').collect();
        if words.len() > MOST_WORDS {
            return None;
        }
        let mut set = CpuSet::new();
        let mut first = 0_u32;
        for word in words.iter().rev() {
            let right = (1..=8).contains(&word.len()) && word.bytes().all(|digit| digit.is_ascii_hexdigit());
            let bits = u32::from_str_radix(word, 16).ok().filter(|_| right)?;
            for bit in (0..BITS).filter(|bit| bits >> bit & 1 == 1) {
                set.insert(CpuId(first + bit));
            }
            first += BITS;
        }
        Some(CpuMask(set))
    }
}

impl fmt::Display for CpuMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.0.iter().next_back().map_or(0, |cpu| cpu.0 / BITS);
        for word in (0..=last).rev() {
            let here = self.0.iter().filter(|cpu| cpu.0 / BITS == word);
            let bits = here.fold(0_u32, |bits, cpu| bits | 1 << (cpu.0 % BITS));
            if word == last {
                write!(f, "{bits:x}")?;
            } else {
                write!(f, ",{bits:08x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn masks_are_read_and_written_as_the_kernel_does() {
        for (list, mask) in [
            ("0-7", "ff"),
            ("", "0"),
            ("0,32-33", "3,00000001"),
            ("63", "80000000,00000000"),
        ] {
            let set: CpuSet = list.parse().unwrap();
            assert_eq!(CpuMask(set.clone()).to_string(), mask);
            assert_eq!(CpuMask::parse(mask), Some(CpuMask(set)));
        }
        assert!(CpuMask::parse("00000000,000000ff").is_some_and(|mask| mask.0.len() == 8));
        for bad in ["", "g", "+1", "1,,2", "123456789"] {
            assert_eq!(CpuMask::parse(bad), None, "{bad}");
        }
    }
}
