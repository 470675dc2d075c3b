//! A tar archive in the ustar format (POSIX.1-1988), written and read by hand: folders, files and links, nothing else.

use std::collections::BTreeMap;
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

/// Bytes that are no archive of files.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no tar archive: byte {at}: {why}")]
pub struct NotAnArchive {
    /// Where.
    pub at: usize,
    /// What is wrong there, and what was expected.
    pub why: &'static str,
}

/// The files of an archive by their paths; folders and links are left out, and of two files with one path the last counts.
/// Nothing is written anywhere, so a path may be anything.
///
/// # Errors
/// Where a header is none, or the archive ends within a file.
pub fn files(bytes: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, NotAnArchive> {
    let mut files = BTreeMap::new();
    let mut long = None;
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let not = |why| NotAnArchive { at, why };
        let Some((header, rest)) = rest.split_first_chunk::<BLOCK>() else {
            return Err(not("it ends within a header; expected 512 bytes"));
        };
        if header.iter().all(|byte| *byte == 0) {
            break;
        }
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        let own: u32 = header.iter().skip(148).take(8).map(|byte| u32::from(*byte)).sum();
        if octal(header.get(148..156)) != usize::try_from(sum - own + 8 * u32::from(b' ')).ok() {
            return Err(not("the header's checksum is wrong"));
        }
        let size = octal(header.get(124..136)).ok_or(not("the size is no octal number"))?;
        let contents = rest.get(..size).ok_or(not("it ends within a file"))?;
        match header.get(156) {
            Some(b'L') => long = Some(text(contents)),
            Some(b'0' | 0) => {
                let (prefix, name) = (
                    text(header.get(345..500).unwrap_or_default()),
                    text(header.get(..NAME).unwrap_or_default()),
                );
                // GNU's own format has times where ustar has the prefix.
                let is_ustar = header.get(257..263) == Some(b"ustar\0".as_slice());
                let whole = match prefix.is_empty() || !is_ustar {
                    true => name,
                    false => format!("{prefix}/{name}"),
                };
                files.insert(long.take().unwrap_or(whole), contents.to_vec());
            }
            _ => long = None,
        }
        at += BLOCK + size.next_multiple_of(BLOCK);
    }
    Ok(files)
}

/// A text that ends at the first zero byte.
fn text(bytes: &[u8]) -> String {
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

fn octal(field: Option<&[u8]>) -> Option<usize> {
    let text = text(field?);
    usize::from_str_radix(text.trim(), 8).ok()
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
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(named in proptest::collection::btree_map("[a-z][a-z/]{1,300}[a-z]", proptest::collection::vec(any::<u8>(), 0..1100), 0..6)) {
            let mut archive = Archive::new(Vec::new());
            archive.folder("top").unwrap();
            for (path, contents) in &named {
                archive.file(path, contents).unwrap();
                archive.link(&format!("{path}/link"), path).unwrap();
            }
            let mut bytes = archive.end().unwrap();
            prop_assert_eq!(files(&bytes).unwrap(), named);
            // Any change of a header is seen; any cut is an end or an error.
            bytes.truncate(700);
            if let Some(byte) = bytes.get_mut(3) {
                *byte ^= 1;
            }
            prop_assert!(files(&bytes).is_err());
        }

        #[test]
        fn any_bytes_are_an_archive_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..1600)) {
            let _ = files(&bytes);
        }
    }

    #[test]
    fn what_tar_packs_is_read() {
        let keep = tempfile::tempdir().unwrap();
        let long = format!("{}/{}", "a".repeat(90), "b".repeat(90));
        std::fs::create_dir(keep.path().join("a".repeat(90))).unwrap();
        std::fs::write(keep.path().join(&long), "far").unwrap();
        std::fs::write(keep.path().join("short"), "near").unwrap();
        for format in ["gnu", "ustar"] {
            let ran = Command::new("tar")
                .current_dir(&keep)
                .args(["--format", format, "-cf", "a.tar", "short", &"a".repeat(90)])
                .output()
                .unwrap();
            assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
            let found = files(&std::fs::read(keep.path().join("a.tar")).unwrap()).unwrap();
            assert_eq!(found.len(), 2, "{format}: {:?}", found.keys());
            assert_eq!(
                (found["short"].as_slice(), found[&long].as_slice()),
                (&b"near"[..], &b"far"[..])
            );
        }
    }

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
