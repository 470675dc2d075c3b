//! The page as gzip: once for all who ask, with one compressor that is kept.

use flate2::{Compress, Compression, FlushCompress, Status};

/// The fastest: a page shrinks to a tenth with it, and each further level costs more than it saves.
const LEVEL: u32 = 1;
/// Bits of the window, 15 at most (zlib). Lines of one family resemble each other and stand together.
const WINDOW: u8 = 15;
/// Room that is made at a time: a page of a small node fits at once.
const ROOM: usize = 16 << 10;

/// A page that could not be compressed.
#[derive(Debug, thiserror::Error)]
#[error("cannot compress the page")]
pub struct GzipError(#[from] flate2::CompressError);

/// A compressor that is kept from page to page.
#[derive(Debug)]
pub struct Gzip(Compress);

impl Default for Gzip {
    fn default() -> Gzip {
        Gzip(Compress::new_gzip(Compression::new(LEVEL), WINDOW))
    }
}

impl Gzip {
    /// Appends `plain` to `packed`, compressed.
    ///
    /// # Errors
    /// When the compressor does not go on.
    pub fn pack(&mut self, plain: &[u8], packed: &mut Vec<u8>) -> Result<(), GzipError> {
        self.0.reset();
        loop {
            let done = usize::try_from(self.0.total_in()).unwrap_or(usize::MAX);
            let rest = plain.get(done..).unwrap_or_default();
            if packed.capacity() == packed.len() {
                packed.reserve(ROOM);
            }
            if self.0.compress_vec(rest, packed, FlushCompress::Finish)? == Status::StreamEnd {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Read;

    use super::*;

    #[test]
    fn what_is_packed_is_unpacked_again_and_again() {
        let mut gzip = Gzip::default();
        for lines in [0_usize, 1, 20_000, 3] {
            let plain: String = (0..lines)
                .map(|line| format!("busbar_x{{cpu=\"{line}\"}} {line}\n"))
                .collect();
            let mut packed = Vec::new();
            gzip.pack(plain.as_bytes(), &mut packed).unwrap();
            let mut text = String::new();
            flate2::read::GzDecoder::new(packed.as_slice())
                .read_to_string(&mut text)
                .unwrap();
            assert_eq!(text, plain);
        }
    }
}
