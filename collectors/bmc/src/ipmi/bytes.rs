//! Bytes from a BMC, taken from the front one field at a time; what is missing is an error, never a panic.

/// Why bytes do not mean what they should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end too early.
    #[error("{what} ends after {got} bytes; expected {expected} more")]
    Short {
        /// What was being read.
        what: &'static str,
        /// How many bytes there are in all.
        got: usize,
        /// How many more were needed where they ended.
        expected: usize,
    },
    /// A field has a value that it cannot have.
    #[error("{what} is {got}; expected {expected}")]
    Wrong {
        /// The field.
        what: &'static str,
        /// What came.
        got: String,
        /// What would have been right.
        expected: String,
    },
}

impl DecodeError {
    pub(super) fn wrong(
        what: &'static str,
        got: impl Into<String>,
        expected: impl Into<String>,
    ) -> DecodeError {
        DecodeError::Wrong {
            what,
            got: got.into(),
            expected: expected.into(),
        }
    }
}

/// What is left of some bytes. All numbers of IPMI are little-endian.
#[derive(Clone, Debug)]
pub(super) struct Bytes<'a> {
    what: &'static str,
    length: usize,
    rest: &'a [u8],
}

impl<'a> Bytes<'a> {
    pub(super) fn of(what: &'static str, bytes: &'a [u8]) -> Bytes<'a> {
        Bytes {
            what,
            length: bytes.len(),
            rest: bytes,
        }
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else {
            return Err(DecodeError::Short {
                what: self.what,
                got: self.length,
                expected: count - self.rest.len(),
            });
        };
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn skip(&mut self, count: usize) -> Result<(), DecodeError> {
        self.take(count).map(|_| ())
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(super) fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(super) fn u24(&mut self) -> Result<u32, DecodeError> {
        let [low, middle, high] = self.array()?;
        Ok(u32::from_le_bytes([low, middle, high, 0]))
    }

    pub(super) fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }
}

/// The checksum of IPMI: what makes the sum of all bytes zero.
pub(super) fn checksum(bytes: &[u8]) -> u8 {
    bytes
        .iter()
        .fold(0_u8, |sum, byte| sum.wrapping_add(*byte))
        .wrapping_neg()
}

/// Bytes as people write them in a dump: `06 3b 04`, at most the first sixteen.
pub(super) fn dump(bytes: &[u8]) -> String {
    const SHOWN: usize = 16;
    let shown: Vec<String> = bytes
        .iter()
        .take(SHOWN)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let more = if bytes.len() > SHOWN { " .." } else { "" };
    format!("{} bytes [{}{more}]", bytes.len(), shown.join(" "))
}
