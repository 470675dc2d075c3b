//! What a BMC keeps: SDR repository, FRU inventories, event log (IPMI 2.0 chapters 31, 33 and 34).

use super::command::{Answer, INVALID_COMMAND, INVALID_FIELD, Machine, NOT_PRESENT, TOO_SHORT};
use super::fru;
use super::log::{CAPACITY, ENTRY, now};

/// Completion codes (table 5-2).
const RESERVATION_LOST: u8 = 0xC5;
const OUT_OF_RANGE: u8 = 0xC9;
const TOO_MANY_BYTES: u8 = 0xCA;
/// More than this is not given at once.
const MOST_AT_ONCE: usize = 64;
/// The id of the last record.
const LAST: u16 = 0xFFFF;

impl Machine {
    /// Network function *storage*.
    pub(super) fn storage(&mut self, command: u8, data: &[u8]) -> Answer {
        match command {
            0x10 => match data.first().and_then(|id| self.inventory(*id)) {
                Some(bytes) => {
                    let [low, high] = u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_le_bytes();
                    Answer::done([low, high, 0])
                }
                None => Answer::no(NOT_PRESENT),
            },
            0x11 => self.read_inventory(data),
            0x20 => {
                let mut info = vec![0x51];
                let count = u16::try_from(self.records.len()).unwrap_or(u16::MAX);
                info.extend_from_slice(&count.to_le_bytes());
                info.extend_from_slice(&[0xFF, 0xFF]);
                info.extend_from_slice(&self.began.to_le_bytes());
                info.extend_from_slice(&[0; 4]);
                // Non-modal update, reservations.
                info.push(0x22);
                Answer::done(info)
            }
            0x22 => {
                self.reservation = self.reservation.wrapping_add(1).max(1);
                Answer::done(self.reservation.to_le_bytes())
            }
            0x23 => self.record(data),
            0x28 | 0x48 => Answer::done(now().to_le_bytes()),
            0x42 => Answer::done([1, 0]),
            0x40 => self.log_info(),
            0x43 => self.log_entry(data),
            0x47 => match data {
                [_, _, b'C', b'L', b'R', action, ..] => {
                    if *action == 0xAA {
                        self.log.book().clear();
                    }
                    Answer::done([1])
                }
                [_, _, _, _, _, _, ..] => Answer::no(INVALID_FIELD),
                _ => Answer::no(TOO_SHORT),
            },
            _ => Answer::no(INVALID_COMMAND),
        }
    }

    fn inventory(&self, id: u8) -> Option<Vec<u8>> {
        self.inventories.iter().find(|inventory| inventory.id == id)?;
        fru::bytes(&self.live.world(), self.kind, &self.name, id)
    }

    fn read_inventory(&self, data: &[u8]) -> Answer {
        let [id, low, high, count, ..] = *data else {
            return Answer::no(TOO_SHORT);
        };
        let Some(bytes) = self.inventory(id) else {
            return Answer::no(NOT_PRESENT);
        };
        let from = usize::from(u16::from_le_bytes([low, high]));
        let Some(rest) = bytes.get(from..) else {
            return Answer::no(OUT_OF_RANGE);
        };
        if usize::from(count) > MOST_AT_ONCE {
            return Answer::no(TOO_MANY_BYTES);
        }
        let piece = rest.get(..usize::from(count)).unwrap_or(rest);
        let mut answer = vec![u8::try_from(piece.len()).unwrap_or_default()];
        answer.extend_from_slice(piece);
        Answer::done(answer)
    }

    fn record(&self, data: &[u8]) -> Answer {
        let [r0, r1, i0, i1, offset, count, ..] = *data else {
            return Answer::no(TOO_SHORT);
        };
        if offset != 0 && u16::from_le_bytes([r0, r1]) != self.reservation {
            return Answer::no(RESERVATION_LOST);
        }
        let id = u16::from_le_bytes([i0, i1]);
        let count_of = self.records.len();
        let at = match id {
            0 => Some(0),
            LAST => count_of.checked_sub(1),
            id => usize::from(id).checked_sub(1),
        };
        let Some((at, record)) = at.and_then(|at| Some((at, self.records.get(at)?))) else {
            return Answer::no(NOT_PRESENT);
        };
        let next = if at + 1 < count_of {
            u16::try_from(at + 2).unwrap_or(LAST)
        } else {
            LAST
        };
        let Some(rest) = record.get(usize::from(offset)..) else {
            return Answer::no(OUT_OF_RANGE);
        };
        let wanted = if count == 0xFF {
            rest.len()
        } else {
            usize::from(count)
        };
        if wanted > MOST_AT_ONCE {
            return Answer::no(TOO_MANY_BYTES);
        }
        let mut answer = next.to_le_bytes().to_vec();
        answer.extend_from_slice(rest.get(..wanted).unwrap_or(rest));
        Answer::done(answer)
    }

    fn log_info(&self) -> Answer {
        let book = self.log.book();
        let mut info = vec![0x51];
        info.extend_from_slice(
            &u16::try_from(book.entries.len())
                .unwrap_or(u16::MAX)
                .to_le_bytes(),
        );
        let free = (CAPACITY - book.entries.len()) * ENTRY;
        info.extend_from_slice(&u16::try_from(free).unwrap_or(u16::MAX).to_le_bytes());
        info.extend_from_slice(&book.added.to_le_bytes());
        info.extend_from_slice(&book.erased.to_le_bytes());
        info.push(0x02 | (u8::from(book.overflowed) << 7));
        Answer::done(info)
    }

    fn log_entry(&self, data: &[u8]) -> Answer {
        let [_, _, i0, i1, offset, count, ..] = *data else {
            return Answer::no(TOO_SHORT);
        };
        let book = self.log.book();
        let at = match u16::from_le_bytes([i0, i1]) {
            0 => (!book.entries.is_empty()).then_some(0),
            LAST => book.entries.len().checked_sub(1),
            id => book.entries.iter().position(|(known, _)| *known == id),
        };
        let Some(at) = at else {
            return Answer::no(NOT_PRESENT);
        };
        let next = book.entries.get(at + 1).map_or(LAST, |(id, _)| *id);
        let entry = book.entries[at].1;
        let Some(rest) = entry.get(usize::from(offset)..) else {
            return Answer::no(OUT_OF_RANGE);
        };
        let wanted = if count == 0xFF {
            rest.len()
        } else {
            usize::from(count)
        };
        let mut answer = next.to_le_bytes().to_vec();
        answer.extend_from_slice(rest.get(..wanted).unwrap_or(rest));
        Answer::done(answer)
    }
}
