//! gzip for pages that are mostly the same each time: what repeats is found once, when the page is laid out.
//!
//! A page of metrics is words that stay and numbers that change. [`Template`] knows the words: it has searched them for what
//! repeats, and has made codes for what is frequent (DEFLATE, RFC 1951). Packing a page then writes, for each piece of words that
//! stands there, what was found before, and every other byte as it is. Nothing is searched, and a page of thousands of lines
//! takes a fraction of what a compressor takes that sees it for the first time.
//!
//! **Invariant**: what is written unpacks to the page, whatever the page is. A piece is taken only where its very bytes stand.

mod bits;
mod find;
mod huffman;
mod symbols;

use std::fmt;
use std::ops::Range;

use bits::Bits;
use find::{Piece, Token};
use flate2::Crc;
use huffman::Code;
use symbols::{END, LENGTHS, LITERALS_AND_LENGTHS, LONGEST, WINDOW};

/// Head of a gzip member without name or time, of an unknown system (RFC 1952, 2.3).
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// A last block with codes of its own: BFINAL, then BTYPE 2 (RFC 1951, 3.2.3).
const LAST_BLOCK: (u32, u32) = (0b101, 3);

/// How often a byte of a number comes, for each piece of words: what stands between two pieces is a number and the end of a line.
const NUMBER: [(u8, u32); 16] = [
    (b'\n', 20),
    (b'0', 24),
    (b'1', 16),
    (b'2', 14),
    (b'3', 14),
    (b'4', 14),
    (b'5', 14),
    (b'6', 14),
    (b'7', 14),
    (b'8', 14),
    (b'9', 14),
    (b'.', 8),
    (b'e', 2),
    (b'-', 1),
    (b'+', 1),
    (b'N', 1),
];
/// By how much all frequencies are larger than what they count, so that each of the above is a number.
const SCALE: u32 = 20;

/// How the pieces of a page are written. The words themselves stay with their owner, and are the same at each call.
pub struct Template {
    pieces: Vec<Piece>,
    tokens: Vec<Token>,
    literals: Vec<(u32, u32)>,
    lengths: Vec<(u32, u32)>,
    distances: Code,
    end: (u32, u32),
    /// The codes themselves, as they stand at the beginning of the block.
    codes: Vec<(u32, u32)>,
    /// Where each piece stands on the page that is being packed; [`ABSENT`] where it does not.
    starts: Vec<u32>,
}

/// A piece that is not on this page, or stands beyond what is counted.
const ABSENT: u32 = u32::MAX;

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Template({} pieces, {} tokens)",
            self.pieces.len(),
            self.tokens.len()
        )
    }
}

impl Default for Template {
    fn default() -> Template {
        Template::of(&[], [])
    }
}

impl Template {
    /// Of these pieces of the words, in the order in which they stand on a page. Not all of them need to be on each page.
    pub fn of(words: &[u8], pieces: impl IntoIterator<Item = Range<usize>>) -> Template {
        let mut found = find::find(words, pieces);
        let (literals, distances) = frequencies(words, &found);
        let (literals, distances) = (Code::of(&literals), Code::of(&distances));
        let lengths = (0..=LONGEST).map(|length| symbols::length(length, &literals));
        found.pieces.shrink_to_fit();
        found.tokens.shrink_to_fit();
        Template {
            lengths: lengths.collect(),
            end: literals.at(END),
            codes: huffman::head(&literals, &distances),
            literals: (0..=255).map(|byte| literals.at(byte)).collect(),
            distances,
            starts: vec![ABSENT; found.pieces.len()],
            pieces: found.pieces,
            tokens: found.tokens,
        }
    }

    /// Appends the page to `packed`, as one gzip member. `words` are those of which the template was made.
    pub fn pack(&mut self, words: &[u8], page: &[u8], packed: &mut Vec<u8>) {
        packed.extend_from_slice(&HEAD);
        let mut bits = Bits::new(packed);
        bits.put(LAST_BLOCK);
        for code in &self.codes {
            bits.put(*code);
        }
        self.starts.fill(ABSENT);
        let (mut next, mut at, mut misses) = (0, 0, 0);
        while let Some(rest) = page.get(at..).filter(|rest| !rest.is_empty()) {
            let stands = |piece: &Piece| {
                words
                    .get(piece.words())
                    .is_some_and(|words| rest.starts_with(words))
            };
            let ahead = self.pieces.get(next..).unwrap_or_default();
            let skipped = ahead.iter().position(stands);
            if skipped.is_none() {
                misses += 1;
                if misses >= MOST_MISSES {
                    next = self.pieces.len();
                }
            }
            if let Some(skipped) = skipped {
                let piece = next + skipped;
                let written = self.put_piece(words, piece, at, &mut bits);
                at += written.len();
                next = piece + 1;
                if written.ends_with(b"\n") {
                    continue;
                }
            }
            // Up to the end of the line as it is, or all that is left.
            let rest = page.get(at..).unwrap_or_default();
            let line = rest
                .split_inclusive(|byte| *byte == b'\n')
                .next()
                .unwrap_or_default();
            self.put_bytes(line, &mut bits);
            at += line.len();
        }
        bits.put(self.end);
        bits.finish();
        let mut crc = Crc::new();
        crc.update(page);
        packed.extend_from_slice(&crc.sum().to_le_bytes());
        // The length modulo 2^32 (RFC 1952, 2.3.1).
        packed.extend_from_slice(&crc.amount().to_le_bytes());
    }

    /// Writes a piece that stands at `at`; its words.
    fn put_piece<'w>(&mut self, words: &'w [u8], number: usize, at: usize, bits: &mut Bits<'_>) -> &'w [u8] {
        let Some(piece) = self.pieces.get(number).copied() else {
            return &[];
        };
        if let Some(start) = self.starts.get_mut(number) {
            *start = u32::try_from(at).unwrap_or(ABSENT);
        }
        let words = words.get(piece.words()).unwrap_or_default();
        let last = self
            .pieces
            .get(number + 1)
            .map_or(self.tokens.len(), Piece::tokens);
        let mut done = 0;
        for token in self.tokens.get(piece.tokens()..last).unwrap_or_default() {
            let length = token.length();
            let distance = token.source().and_then(|(piece, offset)| {
                let start = self.starts.get(piece).copied().filter(|start| *start != ABSENT)?;
                (at + done).checked_sub(usize::try_from(start).ok()? + offset)
            });
            match distance.filter(|distance| (1..=WINDOW).contains(distance)) {
                Some(distance) => {
                    bits.put(self.lengths.get(length).copied().unwrap_or_default());
                    let (code, extra) = symbols::distance(distance, &self.distances);
                    bits.put(code);
                    bits.put(extra);
                }
                None => self.put_bytes(words.get(done..done + length).unwrap_or_default(), bits),
            }
            done += length;
        }
        words
    }

    fn put_bytes(&self, bytes: &[u8], bits: &mut Bits<'_>) {
        for byte in bytes {
            bits.put(self.literals.get(usize::from(*byte)).copied().unwrap_or_default());
        }
    }
}

/// After so many lines that are no piece no more pieces are looked for: a page of another machine is packed badly, never slowly.
const MOST_MISSES: usize = 16;

/// How often each symbol is to be expected. None is impossible: a page may hold any byte.
fn frequencies(words: &[u8], found: &find::Found) -> (Vec<u32>, Vec<u32>) {
    let mut literals = vec![1; LITERALS_AND_LENGTHS];
    let mut distances = vec![1; symbols::DISTANCES];
    let mut count = |symbol: usize, times: u32| {
        if let Some(count) = literals.get_mut(symbol) {
            *count = times.saturating_add(*count);
        }
    };
    for (number, piece) in found.pieces.iter().enumerate() {
        let last = found
            .pieces
            .get(number + 1)
            .map_or(found.tokens.len(), Piece::tokens);
        let mut rest = words.get(piece.words()).unwrap_or_default();
        if !rest.ends_with(b"\n") {
            for (byte, times) in NUMBER {
                count(usize::from(byte), times);
            }
        }
        let tokens = found
            .tokens
            .iter()
            .zip(&found.back)
            .take(last)
            .skip(piece.tokens());
        for (token, back) in tokens {
            let (part, after) = rest.split_at_checked(token.length()).unwrap_or((rest, &[]));
            rest = after;
            if token.source().is_none() {
                for byte in part {
                    count(usize::from(*byte), SCALE);
                }
                continue;
            }
            count(LENGTHS + symbols::length_symbol(token.length()), SCALE);
            if let Some(count) = distances.get_mut(symbols::distance_symbol(*back)) {
                *count += SCALE;
            }
        }
    }
    (literals, distances)
}

#[cfg(test)]
mod tests;
