//! One uevent as the kernel writes it: `ACTION@DEVPATH`, then `KEY=VALUE` words, each with a zero byte behind it.

/// The longest message that is taken. The kernel's own words have 2 KiB (`UEVENT_BUFFER_SIZE`); the path before them is one of
/// sysfs, 4 KiB at most.
pub const LONGEST_MESSAGE: usize = 8 << 10;

/// The keys that are read.
const ACTION: &[u8] = b"ACTION";
const DEVPATH: &[u8] = b"DEVPATH";
const SUBSYSTEM: &[u8] = b"SUBSYSTEM";
const SEQNUM: &[u8] = b"SEQNUM";

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uevent {
    /// What happened: `add`, `remove`, `change`, `move`, `online`, `offline`, `bind`, `unbind`.
    pub action: String,
    /// The device below /sys.
    pub device_path: String,
    /// Its subsystem, as in `pci`; `None` where it has none.
    pub subsystem: Option<String>,
    /// The kernel's own number of the event, where it tells one.
    pub sequence: Option<u64>,
}

/// Why a message is no uevent of the kernel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UeventError {
    /// The first word is not `ACTION@DEVPATH`. udev's own messages begin with `libudev`.
    #[error("a uevent begins with {found:?}; expected \"ACTION@DEVPATH\"")]
    Head {
        /// The first word, as far as it can be shown.
        found: String,
    },
    /// It is longer than [`LONGEST_MESSAGE`].
    #[error("a uevent has {bytes} bytes; expected at most {LONGEST_MESSAGE}")]
    Long {
        /// How long it is.
        bytes: usize,
    },
    /// The words say something else than the head.
    #[error("a uevent says {head:?} in its head and {word:?} in {key}")]
    Contradiction {
        /// In the head.
        head: String,
        /// In the word.
        word: String,
        /// The key of the word.
        key: &'static str,
    },
}

/// How much of a head an error shows.
const SHOWN: usize = 60;

/// Reads one message. Words that are not known are passed over; so is what is no `KEY=VALUE`.
///
/// # Errors
/// When it is not one of the kernel's.
pub fn parse(message: &[u8]) -> Result<Uevent, UeventError> {
    if message.len() > LONGEST_MESSAGE {
        return Err(UeventError::Long { bytes: message.len() });
    }
    let mut words = message.split(|byte| *byte == 0);
    let head = words.next().unwrap_or_default();
    let bad = || UeventError::Head {
        found: text(head).chars().take(SHOWN).collect(),
    };
    let at = head.iter().position(|byte| *byte == b'@').ok_or_else(bad)?;
    let (action, path) = (head.get(..at).unwrap_or_default(), head.get(at + 1..));
    let path = path.unwrap_or_default();
    if !is_action(action) || path.first() != Some(&b'/') {
        return Err(bad());
    }
    let mut event = Uevent {
        action: text(action),
        device_path: text(path),
        subsystem: None,
        sequence: None,
    };
    for word in words {
        let Some(at) = word.iter().position(|byte| *byte == b'=') else {
            continue;
        };
        let (key, value) = (word.get(..at).unwrap_or_default(), word.get(at + 1..));
        let value = text(value.unwrap_or_default());
        match key {
            ACTION => same(&event.action, value, "ACTION")?,
            DEVPATH => same(&event.device_path, value, "DEVPATH")?,
            SUBSYSTEM => event.subsystem = Some(value).filter(|value| !value.is_empty()),
            SEQNUM => event.sequence = value.parse().ok(),
            _ => {}
        }
    }
    Ok(event)
}

fn is_action(word: &[u8]) -> bool {
    !word.is_empty() && word.iter().all(u8::is_ascii_lowercase)
}

fn same(head: &str, word: String, key: &'static str) -> Result<(), UeventError> {
    if head == word {
        return Ok(());
    }
    Err(UeventError::Contradiction {
        head: head.to_owned(),
        word,
        key,
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    const NVME: &[u8] = b"add@/devices/pci0000:00/0000:00:02.0/0000:01:00.0/nvme/nvme0\0ACTION=add\0\
        DEVPATH=/devices/pci0000:00/0000:00:02.0/0000:01:00.0/nvme/nvme0\0SUBSYSTEM=nvme\0MAJOR=243\0MINOR=0\0\
        DEVNAME=nvme0\0NVME_TRTYPE=pcie\0SEQNUM=2417\0";

    #[test]
    fn an_event_as_the_kernel_writes_it() {
        let event = parse(NVME).unwrap();
        assert_eq!(event.action, "add");
        assert!(event.device_path.ends_with("/nvme/nvme0"));
        assert_eq!(event.subsystem.as_deref(), Some("nvme"));
        assert_eq!(event.sequence, Some(2_417));
    }

    #[test]
    fn what_the_kernel_does_not_write_is_refused() {
        for bad in [
            &b""[..],
            b"libudev\0\xfe\xed\xca\xfe",
            b"add",
            b"@/devices/x",
            b"ADD@/devices/x",
            b"add@devices/x",
            b"add@",
            b"\xff\xfe@/x",
        ] {
            assert!(matches!(parse(bad), Err(UeventError::Head { .. })), "{bad:?}");
        }
        let long = [NVME, &vec![b'x'; LONGEST_MESSAGE]].concat();
        assert!(matches!(parse(&long), Err(UeventError::Long { .. })));
        let other = parse(b"add@/devices/x\0ACTION=remove\0");
        assert!(matches!(
            other,
            Err(UeventError::Contradiction { key: "ACTION", .. })
        ));
    }

    #[test]
    fn words_without_sense_are_passed_over() {
        let event = parse(b"change@/devices/x\0NOVALUE\0=\0SUBSYSTEM=\0SEQNUM=many\0\0\0").unwrap();
        assert_eq!((event.subsystem, event.sequence), (None, None));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..10_000)) {
            if let Ok(event) = parse(&bytes) {
                prop_assert!(event.device_path.starts_with('/'));
            }
        }

        #[test]
        fn a_message_cut_short_says_less_and_nothing_else(cut in 0..NVME.len()) {
            if let Ok(event) = parse(&NVME[..cut]) {
                prop_assert_eq!(event.action, "add");
                prop_assert!(event.subsystem.is_none_or(|name| "nvme".starts_with(&name)));
            }
        }

        #[test]
        fn what_is_written_is_read(action in "[a-z]{1,8}", path in "/[a-z0-9:./_-]{0,80}", subsystem in "[a-z_]{1,12}", number in any::<u64>()) {
            let message = format!("{action}@{path}\0ACTION={action}\0DEVPATH={path}\0SUBSYSTEM={subsystem}\0X=1\0SEQNUM={number}\0");
            let event = parse(message.as_bytes()).unwrap();
            prop_assert_eq!(event, Uevent { action, device_path: path, subsystem: Some(subsystem), sequence: Some(number) });
        }
    }
}
