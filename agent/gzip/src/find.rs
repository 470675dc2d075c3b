//! Finds what repeats in the pieces of a page, once.

use std::ops::Range;

use crate::symbols::{LONGEST, WINDOW};

/// Shorter repetitions cost more bits than they save.
const WORTH: usize = 5;
/// About how long a number and its end of line are, to guess how far back something will stand.
const NUMBER: usize = 10;
/// Sources that will stand farther back than this are not taken: numbers may be longer on some page.
const NEAR: usize = WINDOW - WINDOW / 8;
/// Places that are remembered by the bytes that stand there; a later one takes the place of an earlier.
const REMEMBERED: usize = 1 << 15;

/// What was found.
pub struct Found {
    pub pieces: Vec<Piece>,
    pub tokens: Vec<Token>,
    /// How far back each token's source is expected to stand; 0 for those without.
    pub back: Vec<usize>,
}

/// A piece: its words, and its tokens, which together are those words.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    start: u32,
    end: u32,
    tokens: u32,
}

impl Piece {
    /// Where its words stand among all words.
    pub fn words(&self) -> Range<usize> {
        wide(self.start)..wide(self.end)
    }

    /// Its first token; the next piece's first ends them.
    pub fn tokens(&self) -> usize {
        wide(self.tokens)
    }
}

/// A part of a piece: as it is, or as it stands in an earlier piece.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    length: u16,
    offset: u16,
    piece: u32,
}

/// No earlier piece.
const NONE: u32 = u32::MAX;

impl Token {
    /// In bytes.
    pub fn length(&self) -> usize {
        usize::from(self.length)
    }

    /// The earlier piece and where in it, of what repeats.
    pub fn source(&self) -> Option<(usize, usize)> {
        (self.piece != NONE).then(|| (wide(self.piece), usize::from(self.offset)))
    }
}

fn wide(narrow: u32) -> usize {
    usize::try_from(narrow).unwrap_or(usize::MAX)
}

/// The last places of four bytes: a piece, and where in it.
struct Places(Vec<Option<(u32, u16)>>);

impl Places {
    fn slot(bytes: &[u8]) -> Option<usize> {
        let four: [u8; 4] = bytes.get(..4)?.try_into().ok()?;
        // Fibonacci hashing (Knuth 6.4); fifteen bits are left.
        Some(wide(u32::from_le_bytes(four).wrapping_mul(0x9e37_79b1) >> 17))
    }

    fn last(&self, bytes: &[u8]) -> Option<(u32, u16)> {
        self.0.get(Places::slot(bytes)?).copied().flatten()
    }

    fn remember(&mut self, bytes: &[u8], place: (u32, u16)) {
        if let Some(slot) = Places::slot(bytes).and_then(|slot| self.0.get_mut(slot)) {
            *slot = Some(place);
        }
    }
}

/// Finds what repeats in these pieces of the words, which stand on a page in this order. Empty ones, and what lies beyond the
/// words or beyond four gibibytes, are left out: they are written as they are.
pub fn find(words: &[u8], pieces: impl IntoIterator<Item = Range<usize>>) -> Found {
    let mut search = Search {
        words,
        found: Found {
            pieces: Vec::new(),
            tokens: Vec::new(),
            back: Vec::new(),
        },
        expected: Vec::new(),
    };
    let mut places = Places(vec![None; REMEMBERED]);
    let mut at = 0;
    for piece in pieces {
        let Some(bytes) = words.get(piece.clone()).filter(|bytes| !bytes.is_empty()) else {
            continue;
        };
        let narrow = [
            piece.start,
            piece.end,
            search.found.tokens.len(),
            search.found.pieces.len(),
        ]
        .map(u32::try_from);
        let [Ok(start), Ok(end), Ok(tokens), Ok(number)] = narrow else {
            continue;
        };
        search.piece(&places, bytes, at);
        search.found.pieces.push(Piece { start, end, tokens });
        search.expected.push(at);
        for offset in 0..bytes.len() {
            if let Ok(narrow) = u16::try_from(offset) {
                places.remember(bytes.get(offset..).unwrap_or_default(), (number, narrow));
            }
        }
        at += bytes.len() + NUMBER;
    }
    search.found
}

struct Search<'w> {
    words: &'w [u8],
    found: Found,
    /// Where each piece is expected to stand on a page that has all of them.
    expected: Vec<usize>,
}

impl Search<'_> {
    /// The tokens of one piece, greedily.
    fn piece(&mut self, places: &Places, bytes: &[u8], at: usize) {
        let (mut plain, mut done) = (0, 0);
        while done < bytes.len() {
            let rest = bytes.get(done..).unwrap_or_default();
            // What stands at the same place of the piece before, or where these bytes were seen last.
            let before = self.found.pieces.len().checked_sub(1);
            let before = before.and_then(|piece| u32::try_from(piece).ok());
            let same = before.zip(u16::try_from(done).ok());
            let best = [same, places.last(rest)]
                .into_iter()
                .flatten()
                .filter_map(|source| self.repeats(source, rest, at + done))
                .max_by_key(|(token, _)| token.length);
            match best {
                Some((token, back)) => {
                    self.plain(done - plain);
                    self.push(token, back);
                    done += token.length();
                    plain = done;
                }
                None => done += 1,
            }
        }
        self.plain(done - plain);
    }

    fn push(&mut self, token: Token, back: usize) {
        self.found.tokens.push(token);
        self.found.back.push(back);
    }

    fn plain(&mut self, mut length: usize) {
        while length > 0 {
            let part = u16::try_from(length).unwrap_or(u16::MAX);
            let token = Token {
                length: part,
                offset: 0,
                piece: NONE,
            };
            self.push(token, 0);
            length -= usize::from(part);
        }
    }

    /// How much of `rest`, which stands at `at`, stands at the source too, and how far back that is.
    fn repeats(&self, (piece, offset): (u32, u16), rest: &[u8], at: usize) -> Option<(Token, usize)> {
        let (number, start) = (wide(piece), usize::from(offset));
        let words = self.found.pieces.get(number)?.words();
        let words = self.words.get(words)?.get(start..)?;
        let same = words.iter().zip(rest).take(LONGEST);
        let length = same.take_while(|(one, other)| one == other).count();
        let back = at.checked_sub(self.expected.get(number)? + start)?;
        if length < WORTH || back > NEAR {
            return None;
        }
        let token = Token {
            length: u16::try_from(length).ok()?,
            offset,
            piece,
        };
        Some((token, back))
    }
}
