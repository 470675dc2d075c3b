//! Symbols of DEFLATE: lengths and distances, with the bits that follow them (RFC 1951, 3.2.5).

use crate::huffman::Code;

/// Bytes, the end of a block, and lengths.
pub const LITERALS_AND_LENGTHS: usize = 286;
/// The symbol that ends a block.
pub const END: usize = 256;
/// The symbol of the shortest length.
pub const LENGTHS: usize = 257;
/// Symbols of distances.
pub const DISTANCES: usize = 30;
/// The shortest and the longest repetition.
pub const SHORTEST: usize = 3;
/// See [`SHORTEST`].
pub const LONGEST: usize = 258;
/// How far back a repetition may lie.
pub const WINDOW: usize = 1 << 15;

/// The symbol of a length, counted from the shortest one's.
pub fn length_symbol(length: usize) -> usize {
    if length >= LONGEST {
        return 28;
    }
    let beyond = length.saturating_sub(SHORTEST);
    if beyond < 8 {
        return beyond;
    }
    let bits = beyond.ilog2() - 2;
    let within = (beyond >> bits) & 3;
    usize::try_from(bits).unwrap_or_default() * 4 + 4 + within
}

/// Code and further bits of a length together: at most 20 bits.
pub fn length(length: usize, codes: &Code) -> (u32, u32) {
    let (code, count) = codes.at(LENGTHS + length_symbol(length));
    let beyond = length.saturating_sub(SHORTEST);
    if beyond < 8 || length >= LONGEST {
        return (code, count);
    }
    let bits = beyond.ilog2() - 2;
    let rest = narrow(beyond & ((1 << bits) - 1));
    (code | (rest << count), count + bits)
}

/// The symbol of a distance, from 1.
pub fn distance_symbol(distance: usize) -> usize {
    let beyond = distance.saturating_sub(1);
    if beyond < 4 {
        return beyond;
    }
    let bits = beyond.ilog2() - 1;
    usize::try_from(bits).unwrap_or_default() * 2 + 2 + ((beyond >> bits) & 1)
}

/// Code of a distance, and the bits that follow it.
pub fn distance(distance: usize, codes: &Code) -> ((u32, u32), (u32, u32)) {
    let code = codes.at(distance_symbol(distance));
    let beyond = distance.saturating_sub(1);
    if beyond < 4 {
        return (code, (0, 0));
    }
    let bits = beyond.ilog2() - 1;
    (code, (narrow(beyond & ((1 << bits) - 1)), bits))
}

/// No length or distance needs more than 15 bits.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First length or distance of each symbol, and its further bits, as the tables of RFC 1951 have them.
    const OF_LENGTHS: [(usize, usize); 29] = [
        (3, 0),
        (4, 0),
        (5, 0),
        (6, 0),
        (7, 0),
        (8, 0),
        (9, 0),
        (10, 0),
        (11, 1),
        (13, 1),
        (15, 1),
        (17, 1),
        (19, 2),
        (23, 2),
        (27, 2),
        (31, 2),
        (35, 3),
        (43, 3),
        (51, 3),
        (59, 3),
        (67, 4),
        (83, 4),
        (99, 4),
        (115, 4),
        (131, 5),
        (163, 5),
        (195, 5),
        (227, 5),
        (258, 0),
    ];
    const OF_DISTANCES: [(usize, usize); 30] = [
        (1, 0),
        (2, 0),
        (3, 0),
        (4, 0),
        (5, 1),
        (7, 1),
        (9, 2),
        (13, 2),
        (17, 3),
        (25, 3),
        (33, 4),
        (49, 4),
        (65, 5),
        (97, 5),
        (129, 6),
        (193, 6),
        (257, 7),
        (385, 7),
        (513, 8),
        (769, 8),
        (1025, 9),
        (1537, 9),
        (2049, 10),
        (3073, 10),
        (4097, 11),
        (6145, 11),
        (8193, 12),
        (12289, 12),
        (16385, 13),
        (24577, 13),
    ];

    #[test]
    fn symbols_are_those_of_the_standard() {
        for length in SHORTEST..=LONGEST {
            let symbol = OF_LENGTHS.iter().rposition(|(first, _)| *first <= length);
            assert_eq!(Some(length_symbol(length)), symbol, "{length}");
        }
        for distance in 1..=WINDOW {
            let symbol = OF_DISTANCES.iter().rposition(|(first, _)| *first <= distance);
            assert_eq!(Some(distance_symbol(distance)), symbol, "{distance}");
        }
    }

    #[test]
    fn further_bits_count_from_the_first_of_a_symbol() {
        let codes = Code::of(&[1; LITERALS_AND_LENGTHS]);
        for (symbol, (first, bits)) in OF_LENGTHS.iter().enumerate() {
            let (code, count) = codes.at(LENGTHS + symbol);
            let more = u32::try_from(*bits).unwrap_or_default();
            assert_eq!(length(*first, &codes), (code, count + more));
        }
        let codes = Code::of(&[1; DISTANCES]);
        for (symbol, (first, bits)) in OF_DISTANCES.iter().enumerate() {
            let more = u32::try_from(*bits).unwrap_or_default();
            assert_eq!(distance(*first, &codes), (codes.at(symbol), (0, more)));
        }
    }
}
