//! Codes: frequent symbols are short (Huffman 1952), in the one order that DEFLATE allows (RFC 1951, 3.2.2).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// No code of a symbol is longer.
const LONGEST: u32 = 15;
/// Bits of each length in the head of a block: sixteen lengths, all as likely.
const LENGTH_BITS: u32 = 4;
/// In which order the head says how long the codes of lengths are (RFC 1951, 3.2.7). Those from 16 on repeat, and are not used.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// A code for each symbol: its bits as they are written, and how many.
#[derive(Clone, Debug)]
pub struct Code(Vec<(u32, u32)>);

impl Code {
    /// The best code for symbols that come so often, each at least once. There are two of them at least.
    pub fn of(frequencies: &[u32]) -> Code {
        let mut frequencies = frequencies.to_vec();
        loop {
            let lengths = lengths(&frequencies);
            if lengths.iter().all(|length| *length <= LONGEST) {
                return Code(canonical(&lengths));
            }
            // Flatter: the longest codes become shorter.
            for frequency in &mut frequencies {
                *frequency = *frequency / 2 + 1;
            }
        }
    }

    /// The code of a symbol.
    #[inline]
    pub fn at(&self, symbol: usize) -> (u32, u32) {
        self.0.get(symbol).copied().unwrap_or_default()
    }
}

/// How long each code is.
fn lengths(frequencies: &[u32]) -> Vec<u32> {
    // Nodes beyond the symbols are joints; each node knows the joint above it.
    let mut above = vec![0; frequencies.len()];
    let mut heap: BinaryHeap<Reverse<(u64, usize)>> = frequencies
        .iter()
        .enumerate()
        .map(|(symbol, frequency)| Reverse((u64::from(*frequency), symbol)))
        .collect();
    while let (Some(Reverse((one, left))), Some(Reverse((other, right)))) = (heap.pop(), heap.pop()) {
        let joint = above.len();
        for node in [left, right] {
            if let Some(above) = above.get_mut(node) {
                *above = joint;
            }
        }
        above.push(joint);
        if heap.is_empty() {
            break;
        }
        heap.push(Reverse((one + other, joint)));
    }
    // The last joint is the root; each joint comes before the one above it.
    let mut depths = vec![0; above.len()];
    for node in (0..above.len().saturating_sub(1)).rev() {
        let parent = above
            .get(node)
            .and_then(|joint| depths.get(*joint))
            .copied()
            .unwrap_or(0);
        if let Some(depth) = depths.get_mut(node) {
            *depth = parent + 1;
        }
    }
    depths.truncate(frequencies.len());
    depths
}

/// Codes of these lengths: the shorter before the longer, those of one length in the order of their symbols; first bit lowest.
fn canonical(lengths: &[u32]) -> Vec<(u32, u32)> {
    let mut codes = vec![(0, 0); lengths.len()];
    let mut next = 0_u32;
    for length in 1..=LONGEST {
        next <<= 1;
        for (code, _) in codes.iter_mut().zip(lengths).filter(|(_, own)| **own == length) {
            *code = (next.reverse_bits() >> (u32::BITS - length), length);
            next += 1;
        }
    }
    codes
}

/// The head of a block: how long each code is.
pub fn head(literals: &Code, distances: &Code) -> Vec<(u32, u32)> {
    // HLIT, HDIST and HCLEN, less what there is at least (3.2.7).
    let mut head = vec![(286 - 257, 5), (30 - 1, 5), (19 - 4, 4)];
    head.extend(ORDER.map(|length| (if length < 16 { LENGTH_BITS } else { 0 }, 3)));
    for (_, length) in literals.0.iter().chain(&distances.0) {
        // The codes of sixteen lengths of four bits are the lengths themselves.
        head.push((length.reverse_bits() >> (u32::BITS - LENGTH_BITS), LENGTH_BITS));
    }
    head
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn frequent_symbols_are_short() {
        let Code(codes) = Code::of(&[8, 4, 2, 1, 1]);
        let lengths: Vec<u32> = codes.iter().map(|(_, length)| *length).collect();
        assert_eq!(lengths, [1, 2, 3, 4, 4]);
        // As the standard writes them: 0, 10, 110, 1110, 1111.
        let bits: Vec<u32> = codes.iter().map(|(code, _)| *code).collect();
        assert_eq!(bits, [0b0, 0b01, 0b011, 0b0111, 0b1111]);
    }

    #[test]
    fn no_code_is_too_long() {
        let mut frequencies = vec![1_u32, 1];
        for at in 2..40 {
            let next = frequencies[at - 1].saturating_add(frequencies[at - 2]);
            frequencies.push(next);
        }
        assert!(lengths(&frequencies).iter().any(|length| *length > LONGEST));
        let Code(codes) = Code::of(&frequencies);
        assert!(codes.iter().all(|(_, length)| (1..=LONGEST).contains(length)));
    }

    proptest! {
        #[test]
        fn every_code_is_whole(frequencies in proptest::collection::vec(1_u32..1_000_000, 2..300)) {
            // Kraft's sum is one: no bits are unused, none are claimed twice.
            let Code(codes) = Code::of(&frequencies);
            let sum: u64 = codes.iter().map(|(_, length)| 1_u64 << (LONGEST - length)).sum();
            prop_assert_eq!(sum, 1 << LONGEST);
        }
    }
}
