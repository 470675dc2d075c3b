//! Bits as DEFLATE packs them: the first is the lowest of a byte (RFC 1951, 3.1.1).

/// Bits that are appended to bytes.
pub struct Bits<'b> {
    bytes: &'b mut Vec<u8>,
    held: u64,
    count: u32,
}

impl Bits<'_> {
    /// Appends to these bytes.
    pub fn new(bytes: &mut Vec<u8>) -> Bits<'_> {
        Bits {
            bytes,
            held: 0,
            count: 0,
        }
    }

    /// Appends the lowest bits of a number: 32 of them at most.
    #[inline]
    pub fn put(&mut self, (number, count): (u32, u32)) {
        self.held |= u64::from(number) << self.count;
        self.count += count;
        if self.count >= u32::BITS {
            let [a, b, c, d, ..] = self.held.to_le_bytes();
            self.bytes.extend_from_slice(&[a, b, c, d]);
            self.held >>= u32::BITS;
            self.count -= u32::BITS;
        }
    }

    /// Fills the last byte with zeros.
    pub fn finish(self) {
        let whole = usize::try_from(self.count.div_ceil(8)).unwrap_or_default();
        self.bytes
            .extend_from_slice(self.held.to_le_bytes().get(..whole).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_stand_from_the_lowest_up() {
        let mut bytes = Vec::new();
        let mut bits = Bits::new(&mut bytes);
        for code in [
            (0b101, 3),
            (0b1, 1),
            (0xabcd, 16),
            (0xffff_ffff, 32),
            (0, 0),
            (1, 1),
        ] {
            bits.put(code);
        }
        bits.finish();
        assert_eq!(bytes, [0xdd, 0xbc, 0xfa, 0xff, 0xff, 0xff, 0x1f]);
    }
}
