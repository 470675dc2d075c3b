//! The words of QMP, QEMU's machine protocol (`qemu-qmp-ref(7)`): one JSON value a line. Pure.

use serde_json::Value;

/// The longest line that is read: thousands of virtual CPUs with their topology take less than 2 MiB.
pub const LONGEST_LINE: usize = 4 << 20;
/// The most virtual CPUs: QEMU's largest machine has 4,096.
pub const MOST_VCPUS: usize = 4_096;
/// How much of a line an error shows.
const SHOWN: usize = 120;

/// What QEMU sends when it is connected to.
const QMP: &str = "QMP";
/// The answer to a command.
const RETURN: &str = "return";
/// A command that failed.
const ERROR: &str = "error";
/// Why, for people.
const DESC: &str = "desc";
/// Something that happened; comes between answers.
const EVENT: &str = "event";
/// The number of a virtual CPU, in the answer to `query-cpus-fast`.
const CPU_INDEX: &str = "cpu-index";
/// Its thread on the host.
const THREAD_ID: &str = "thread-id";

/// Why what came is no QMP.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QmpError {
    /// No JSON.
    #[error("{shown:?} is no line of QMP: {why}; expected one JSON object")]
    NoJson {
        /// Its beginning.
        shown: String,
        /// What the parser says.
        why: String,
    },
    /// JSON, and none of the four kinds.
    #[error("{shown:?} is no line of QMP; expected one with {QMP:?}, {RETURN:?}, {ERROR:?} or {EVENT:?}")]
    NoMessage {
        /// Its beginning.
        shown: String,
    },
    /// An answer that does not list virtual CPUs as QEMU does.
    #[error("the answer to query-cpus-fast says {shown:?}; expected {expected}")]
    NoVcpus {
        /// What it says there.
        shown: String,
        /// What should stand there.
        expected: &'static str,
    },
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// QEMU's first word.
    Greeting,
    /// A command's answer.
    Return(Value),
    /// A command failed, and why.
    Error(String),
    /// Something happened.
    Event(String),
}

/// A virtual CPU and its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VcpuThread {
    /// Its number.
    pub index: u32,
    /// Its thread on the host.
    pub thread: u32,
}

/// Reads one line.
///
/// # Errors
/// When it is no line of QMP.
pub fn message(line: &[u8]) -> Result<Message, QmpError> {
    let value: Value = serde_json::from_slice(line).map_err(|error| QmpError::NoJson {
        shown: beginning(&String::from_utf8_lossy(line)),
        why: error.to_string(),
    })?;
    let Value::Object(mut object) = value else {
        return Err(QmpError::NoMessage {
            shown: beginning(&value.to_string()),
        });
    };
    if object.contains_key(QMP) {
        return Ok(Message::Greeting);
    }
    if let Some(answer) = object.remove(RETURN) {
        return Ok(Message::Return(answer));
    }
    if let Some(error) = object.get(ERROR) {
        let why = error
            .get(DESC)
            .and_then(Value::as_str)
            .unwrap_or("no reason was given");
        return Ok(Message::Error(beginning(why)));
    }
    match object.get(EVENT).and_then(Value::as_str) {
        Some(name) => Ok(Message::Event(beginning(name))),
        None => Err(QmpError::NoMessage {
            shown: beginning(&Value::Object(object).to_string()),
        }),
    }
}

/// Reads the answer to `query-cpus-fast`, sorted by number.
///
/// # Errors
/// When it is no list of virtual CPUs, each with a number and a thread of its own.
pub fn vcpus(answer: &Value) -> Result<Vec<VcpuThread>, QmpError> {
    let wrong = |shown: &Value, expected| QmpError::NoVcpus {
        shown: beginning(&shown.to_string()),
        expected,
    };
    let list = answer
        .as_array()
        .ok_or_else(|| wrong(answer, "a list of virtual CPUs"))?;
    if list.len() > MOST_VCPUS {
        let shown = Value::from(list.len());
        return Err(wrong(&shown, "at most 4096 virtual CPUs"));
    }
    let mut all = Vec::with_capacity(list.len());
    for one in list {
        let number = |key| {
            one.get(key)
                .and_then(Value::as_u64)
                .and_then(|number| u32::try_from(number).ok())
        };
        let (Some(index), Some(thread)) = (number(CPU_INDEX), number(THREAD_ID).filter(|thread| *thread > 0))
        else {
            return Err(wrong(one, "a cpu-index and a thread-id, numbers of the host"));
        };
        all.push(VcpuThread { index, thread });
    }
    all.sort_by_key(|vcpu| vcpu.index);
    let mut threads: Vec<u32> = all.iter().map(|vcpu| vcpu.thread).collect();
    threads.sort_unstable();
    threads.dedup();
    let distinct = all.is_sorted_by(|one, other| one.index < other.index);
    if threads.len() < all.len() || !distinct {
        return Err(wrong(
            answer,
            "a thread for each virtual CPU (under TCG: -accel tcg,thread=multi, which is QEMU's default on x86)",
        ));
    }
    Ok(all)
}

fn beginning(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_four_kinds_of_lines_are_told_apart() {
        let greeting = br#"{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}}, "capabilities": ["oob"]}}"#;
        assert_eq!(message(greeting).unwrap(), Message::Greeting);
        assert_eq!(
            message(
                br#"{"error": {"class": "CommandNotFound", "desc": "The command x has not been found"}}"#
            )
            .unwrap(),
            Message::Error("The command x has not been found".to_owned())
        );
        assert_eq!(
            message(br#"{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "POWERDOWN"}"#).unwrap(),
            Message::Event("POWERDOWN".to_owned())
        );
        for bad in ["", "SSH-2.0-OpenSSH", "[]", "{}", "{\"event\":7}", "{\"return\":"] {
            let error = message(bad.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("QMP"), "{error}");
        }
    }

    #[test]
    fn virtual_cpus_come_with_a_thread_each_or_not_at_all() {
        let read = |text: &str| vcpus(&serde_json::from_str(text).unwrap());
        let all = read(
            r#"[{"thread-id": 78, "props": {"core-id": 1, "thread-id": 0, "socket-id": 0}, "qom-path": "/machine/unattached/device[2]",
                 "cpu-index": 1, "target": "x86_64"}, {"thread-id": 77, "cpu-index": 0}]"#,
        )
        .unwrap();
        assert_eq!(
            all,
            [
                VcpuThread { index: 0, thread: 77 },
                VcpuThread { index: 1, thread: 78 }
            ]
        );
        assert_eq!(read("[]").unwrap(), []);
        for (bad, expected) in [
            ("{}", "a list"),
            (r#"[{"cpu-index": 0}]"#, "thread-id"),
            (r#"[{"cpu-index": 0, "thread-id": 0}]"#, "thread-id"),
            (r#"[{"cpu-index": -1, "thread-id": 5}]"#, "cpu-index"),
            (r#"[{"cpu-index": 0, "thread-id": 99999999999}]"#, "thread-id"),
            (
                r#"[{"cpu-index": 0, "thread-id": 5}, {"cpu-index": 1, "thread-id": 5}]"#,
                "thread=multi",
            ),
            (
                r#"[{"cpu-index": 0, "thread-id": 5}, {"cpu-index": 0, "thread-id": 6}]"#,
                "a thread for each",
            ),
        ] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.contains(expected), "{bad}: {error}");
        }
    }
}
