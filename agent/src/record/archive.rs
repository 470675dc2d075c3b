//! A tar archive in the ustar format (POSIX.1-1988), written by hand: folders, files and links, nothing else.

use std::io::{self, Write};

/// All of the format is in blocks of this size.
const BLOCK: usize = 512;
/// The longest name that stands in a header by itself, and the longest prefix before it.
const NAME: usize = 100;
const PREFIX: usize = 155;
/// GNU tar's word for a name that is longer than a header's: the next block holds it.
const LONG_NAME: &[u8] = b"././@LongLink";

/// An archive that is being written.
pub struct Archive<W: Write> {
    to: W,
}

impl<W: Write> Archive<W> {
    /// Begins one.
    pub fn new(to: W) -> Archive<W> {
        Archive { to }
    }

    /// A folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn folder(&mut self, path: &str) -> io::Result<()> {
        self.entry(&format!("{path}/"), b'5', 0o755, &[], "")
    }

    /// A file with its whole contents.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn file(&mut self, path: &str, contents: &[u8]) -> io::Result<()> {
        self.entry(path, b'0', 0o644, contents, "")
    }

    /// A symbolic link.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn link(&mut self, path: &str, target: &str) -> io::Result<()> {
        self.entry(path, b'2', 0o777, &[], target)
    }

    /// Ends it: two empty blocks.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn end(mut self) -> io::Result<W> {
        self.to.write_all(&[0; 2 * BLOCK])?;
        self.to.flush()?;
        Ok(self.to)
    }

    fn entry(&mut self, path: &str, kind: u8, mode: u32, contents: &[u8], target: &str) -> io::Result<()> {
        if target.len() > NAME {
            self.long(b'K', target)?;
        }
        let (prefix, name) = match split(path) {
            Some(parts) => parts,
            None => {
                self.long(b'L', path)?;
                ("", cut(path))
            }
        };
        let header = header(
            prefix.as_bytes(),
            name.as_bytes(),
            kind,
            mode,
            contents.len(),
            cut(target),
        )?;
        self.to.write_all(&header)?;
        self.padded(contents)
    }

    fn long(&mut self, kind: u8, text: &str) -> io::Result<()> {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        let header = header(b"", LONG_NAME, kind, 0o644, bytes.len(), "")?;
        self.to.write_all(&header)?;
        self.padded(&bytes)
    }

    fn padded(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(bytes)?;
        let over = bytes.len() % BLOCK;
        if over > 0 {
            self.to.write_all(&vec![0; BLOCK - over])?;
        }
        Ok(())
    }
}

/// A path as prefix and name, where they fit.
fn split(path: &str) -> Option<(&str, &str)> {
    if path.len() <= NAME {
        return Some(("", path));
    }
    let fits = |at: &usize| *at <= PREFIX && path.len() - at - 1 <= NAME && *at + 1 < path.len();
    let at = path.match_indices('/').map(|(at, _)| at).find(|at| fits(at))?;
    Some((path.get(..at)?, path.get(at + 1..)?))
}

/// What stands in a header where the whole text comes before it.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(NAME);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

fn header(
    prefix: &[u8],
    name: &[u8],
    kind: u8,
    mode: u32,
    size: usize,
    target: &str,
) -> io::Result<[u8; BLOCK]> {
    let mut block = [0_u8; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| {
        if let Some(place) = block.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    };
    put(0, name);
    put(100, format!("{mode:07o}\0").as_bytes());
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    // No time: two pictures of one machine are alike where the machine is.
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, &[kind]);
    put(157, target.as_bytes());
    put(257, b"ustar\x0000");
    put(345, prefix);
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    let sum = format!("{sum:06o}\0 ");
    match block.get_mut(148..156) {
        Some(place) if sum.len() == place.len() => place.copy_from_slice(sum.as_bytes()),
        _ => return Err(io::Error::other("a checksum that has no room")),
    }
    Ok(block)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::process::Command;

    use super::*;

    #[test]
    fn tar_unpacks_what_is_written() {
        let keep = tempfile::tempdir().unwrap();
        let long = format!("sys/{}/{}", "a".repeat(120), "b".repeat(90));
        let longest = format!("sys/{}", "c".repeat(240));
        let mut archive = Archive::new(Vec::new());
        archive.folder("sys").unwrap();
        archive.folder(&format!("sys/{}", "a".repeat(120))).unwrap();
        archive.file("sys/short", b"one\n").unwrap();
        archive.file(&long, &[7; 1_000]).unwrap();
        archive.file(&longest, b"").unwrap();
        archive.link("sys/link", "short").unwrap();
        archive.link("sys/far", &"d/".repeat(80)).unwrap();
        std::fs::write(keep.path().join("a.tar"), archive.end().unwrap()).unwrap();
        let ran = Command::new("tar")
            .current_dir(&keep)
            .args(["-xf", "a.tar"])
            .output()
            .unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        let read = |path: &str| std::fs::read(keep.path().join(path)).unwrap();
        assert_eq!(read("sys/link"), b"one\n");
        assert_eq!(read(&long), [7; 1_000]);
        assert_eq!(read(&longest), b"");
        let far = std::fs::read_link(keep.path().join("sys/far")).unwrap();
        assert_eq!(far.to_str().unwrap(), "d/".repeat(80));
    }
}
