//! A recorded BMC: what one said over IPMI, as a folder of texts, and the BMC that says it again.

use std::collections::BTreeMap;

use super::client::Reply;
use super::command::{
    Command, GET_DEVICE_ID, GET_FRU_INVENTORY_AREA_INFO, GET_SDR, GET_SDR_REPOSITORY_INFO, GET_SEL_ENTRY,
    READ_FRU_DATA, RESERVE_SDR_REPOSITORY, Request,
};

/// Files of a recording: bytes in hexadecimal digits, one record, entry or answer a line.
const DEVICE: &str = "ipmi/device.hex";
const RECORDS: &str = "ipmi/sdr.hex";
const ENTRIES: &str = "ipmi/sel.hex";
const ANSWERS: &str = "ipmi/answers.hex";
const INVENTORY: &str = "ipmi/fru-";
const HEX: &str = ".hex";
/// Longer than any record, inventory or answer of IPMI: offsets into them have 16 bits.
const MOST_BYTES: usize = 1 << 16;
/// More records, entries or answers than any BMC has.
const MOST_LINES: usize = 8_192;
/// The id after the last record, and of the last log entry.
const LAST: u16 = 0xFFFF;
/// Completion codes: no such command here, no such record.
const INVALID_COMMAND: u8 = 0xC1;
const NOT_PRESENT: u8 = 0xCB;
/// A repository of the usual kind (version, records, free space, two times, operations): BMCs differ in nothing that counts.
const REPOSITORY: [u8; 14] = [0x51, 0, 0, 0xFF, 0xFF, 1, 0, 0, 0, 0, 0, 0, 0, 0x02];

/// A question as it was asked: network function, logical unit, command, data.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// Network function.
    pub netfn: u8,
    /// Logical unit.
    pub lun: u8,
    /// Command.
    pub code: u8,
    /// Request data.
    pub data: Vec<u8>,
}

impl Question {
    pub(super) fn of(request: &Request) -> Question {
        Question {
            netfn: request.command.netfn,
            lun: request.lun,
            code: request.command.code,
            data: request.data.clone(),
        }
    }

    /// Whether it is this command.
    pub fn is(&self, command: Command) -> bool {
        (self.netfn, self.code) == (command.netfn, command.code)
    }
}

/// What was answered to what.
pub type Answers = BTreeMap<Question, Reply>;

/// Why files are no recording of a BMC over IPMI.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotARecording {
    /// The file by which one is known is missing.
    #[error("{DEVICE} is missing; expected what `busbar-rack record ipmi://HOST` writes")]
    NoDevice,
    /// A line is no bytes.
    #[error("{file}:{line}: expected bytes as pairs of hexadecimal digits")]
    Line {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
    },
}

/// All that was recorded of one BMC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// The answer to Get Device ID.
    pub device: Vec<u8>,
    /// Sensor records in the repository's order.
    pub records: Vec<Vec<u8>>,
    /// FRU inventories by their ids.
    pub inventories: Vec<(u8, Vec<u8>)>,
    /// Log entries, the oldest first.
    pub entries: Vec<Vec<u8>>,
    /// Answers to other questions.
    pub answers: Answers,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if digits.len() > 2 * MOST_BYTES || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    let pair = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.iter().map(pair).collect()
}

fn answer(line: &str) -> Option<(Question, Reply)> {
    let (question, reply) = line.split_once(' ')?;
    let (question, reply) = (bytes(question)?, bytes(reply)?);
    let ([netfn, lun, code, data @ ..], [completion, said @ ..]) = (question.as_slice(), reply.as_slice())
    else {
        return None;
    };
    let question = Question {
        netfn: *netfn,
        lun: *lun,
        code: *code,
        data: data.to_vec(),
    };
    let reply = Reply {
        completion: *completion,
        data: said.to_vec(),
    };
    Some((question, reply))
}

/// Each line of a file by `read`; a file that is missing has none.
fn lines<T>(
    files: &BTreeMap<String, Vec<u8>>,
    file: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, NotARecording> {
    let text = files.get(file).map(|text| String::from_utf8_lossy(text));
    let text = text.unwrap_or_default();
    let numbered = text.lines().enumerate().take(MOST_LINES);
    let mut found = Vec::new();
    for (at, line) in numbered.filter(|(_, line)| !line.trim().is_empty()) {
        found.push(read(line.trim()).ok_or_else(|| NotARecording::Line {
            file: file.to_owned(),
            line: at + 1,
        })?);
    }
    Ok(found)
}

impl Recording {
    /// From the files of a recording, by their paths within it.
    ///
    /// # Errors
    /// Where they are none.
    pub fn of(files: &BTreeMap<String, Vec<u8>>) -> Result<Recording, NotARecording> {
        let device = lines(files, DEVICE, bytes)?;
        let device = device.into_iter().next().ok_or(NotARecording::NoDevice)?;
        let mut inventories = Vec::new();
        for file in files.keys() {
            let id = file
                .strip_prefix(INVENTORY)
                .and_then(|rest| rest.strip_suffix(HEX));
            if let Some(Ok(id)) = id.map(str::parse) {
                inventories.extend(lines(files, file, bytes)?.into_iter().map(|image| (id, image)));
            }
        }
        Ok(Recording {
            device,
            records: lines(files, RECORDS, bytes)?,
            inventories,
            entries: lines(files, ENTRIES, bytes)?,
            answers: lines(files, ANSWERS, answer)?.into_iter().collect(),
        })
    }

    /// Paths and texts of its files.
    pub fn files(&self) -> Vec<(String, String)> {
        let lines = |all: &[Vec<u8>]| all.iter().map(|bytes| hex(bytes) + "\n").collect::<String>();
        let answers = self.answers.iter().map(|(question, reply)| {
            let head = hex(&[question.netfn, question.lun, question.code]);
            let (data, said) = (hex(&question.data), hex(&reply.data));
            format!("{head}{data} {:02x}{said}\n", reply.completion)
        });
        let mut files = vec![
            (DEVICE.to_owned(), hex(&self.device) + "\n"),
            (RECORDS.to_owned(), lines(&self.records)),
            (ENTRIES.to_owned(), lines(&self.entries)),
            (ANSWERS.to_owned(), answers.collect()),
        ];
        for (id, image) in &self.inventories {
            files.push((format!("{INVENTORY}{id}{HEX}"), hex(image) + "\n"));
        }
        files
    }

    /// What the BMC would answer. What was not recorded is an invalid command.
    pub(super) fn answer(&self, request: &Request) -> Reply {
        let question = Question::of(request);
        if let Some(reply) = self.answers.get(&question) {
            return reply.clone();
        }
        let of = |known: Option<Vec<u8>>| known.map_or(no(NOT_PRESENT), yes);
        match &question {
            asked if asked.is(GET_DEVICE_ID) => yes(self.device.clone()),
            asked if asked.is(GET_SDR_REPOSITORY_INFO) => {
                let count = u16::try_from(self.records.len())
                    .unwrap_or(u16::MAX)
                    .to_le_bytes();
                let mut info = REPOSITORY.to_vec();
                info.splice(1..3, count);
                yes(info)
            }
            asked if asked.is(RESERVE_SDR_REPOSITORY) => yes(vec![1, 0]),
            asked if asked.is(GET_SDR) => of(piece(&self.records, &asked.data, false)),
            asked if asked.is(GET_SEL_ENTRY) => of(piece(&self.entries, &asked.data, true)),
            asked if asked.is(GET_FRU_INVENTORY_AREA_INFO) => of(self.image(&asked.data).map(|image| {
                let size = u16::try_from(image.len()).unwrap_or(u16::MAX).to_le_bytes();
                [&size[..], &[0]].concat()
            })),
            asked if asked.is(READ_FRU_DATA) => of(self.fru_piece(&asked.data)),
            _ => no(INVALID_COMMAND),
        }
    }

    fn image(&self, data: &[u8]) -> Option<&Vec<u8>> {
        let id = data.first()?;
        self.inventories
            .iter()
            .find(|(known, _)| known == id)
            .map(|(_, image)| image)
    }

    fn fru_piece(&self, data: &[u8]) -> Option<Vec<u8>> {
        let [_, low, high, count] = data else { return None };
        let rest = self
            .image(data)?
            .get(usize::from(u16::from_le_bytes([*low, *high]))..)?;
        let read = rest.get(..usize::from(*count)).unwrap_or(rest);
        let count = u8::try_from(read.len()).ok()?;
        Some([&[count], read].concat())
    }
}

fn yes(data: Vec<u8>) -> Reply {
    Reply { completion: 0, data }
}

fn no(completion: u8) -> Reply {
    Reply {
        completion,
        data: Vec::new(),
    }
}

/// A piece of a record with the next one's id. Records go by their places: what stands in them as their ids may repeat.
fn piece(all: &[Vec<u8>], data: &[u8], has_last: bool) -> Option<Vec<u8>> {
    let [_, _, low, high, offset, count] = data else {
        return None;
    };
    let place = match u16::from_le_bytes([*low, *high]) {
        LAST if has_last => all.len().checked_sub(1)?,
        id => usize::from(id),
    };
    let record = all.get(place)?;
    let next = match u16::try_from(place + 1) {
        Ok(next) if place + 1 < all.len() => next,
        _ => LAST,
    };
    let rest = record.get(usize::from(*offset)..)?;
    let read = rest.get(..usize::from(*count)).unwrap_or(rest);
    Some([&next.to_le_bytes(), read].concat())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::ipmi::{Ipmi, observe};

    fn some_bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(any::<u8>(), 1..most)
    }

    fn packed(recording: &Recording) -> BTreeMap<String, Vec<u8>> {
        let files = recording.files().into_iter();
        files.map(|(path, text)| (path, text.into_bytes())).collect()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_told_again(
            device in some_bytes(20),
            records in proptest::collection::vec(some_bytes(64), 0..5),
            image in some_bytes(300),
            entries in proptest::collection::vec(some_bytes(17), 0..5),
            asked in proptest::collection::btree_map(some_bytes(8), some_bytes(8), 0..5),
        ) {
            let answers = asked.into_iter().map(|(data, said)| {
                let question = Question { netfn: 4, lun: 1, code: 0x2D, data };
                (question, yes(said))
            });
            let recording = Recording {
                device,
                records,
                inventories: vec![(7, image)],
                entries,
                answers: answers.collect(),
            };
            prop_assert_eq!(&Recording::of(&packed(&recording)).unwrap(), &recording);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let ipmi = Ipmi::recorded("a recording", recording.clone());
            let _ = runtime.block_on(observe::refresh(&ipmi));
            let _ = runtime.block_on(observe::inventory(&ipmi, 7));
            let _ = runtime.block_on(observe::last_entry(&ipmi));
            prop_assert_eq!(ipmi.packets().sent, 0);
            let question = Request::new(READ_FRU_DATA, [7, 0, 0, 255]);
            let told = recording.answer(&question).data;
            prop_assert_eq!(usize::from(told[0]), recording.inventories[0].1.len().min(255));
        }

        #[test]
        fn any_files_are_a_recording_or_an_error(text in "[0-9a-fxX \n]{0,200}", at in 0..4_usize) {
            let file = [DEVICE, RECORDS, ANSWERS, "ipmi/fru-3.hex"][at];
            let files = [(DEVICE.to_owned(), b"20".to_vec()), (file.to_owned(), text.into_bytes())];
            let _ = Recording::of(&files.into_iter().collect());
        }
    }

    #[test]
    fn a_line_that_is_no_bytes_is_named() {
        let files = |text: &str| {
            let files = [(DEVICE, "20"), (RECORDS, text)];
            files
                .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
                .into()
        };
        for text in ["00\n\nxy", "00\n\n012", "00\n\n+1"] {
            let words = Recording::of(&files(text)).unwrap_err().to_string();
            assert!(words.starts_with("ipmi/sdr.hex:3: expected"), "{words}");
        }
        assert_eq!(Recording::of(&BTreeMap::new()), Err(NotARecording::NoDevice));
    }
}
