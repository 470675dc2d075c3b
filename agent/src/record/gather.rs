//! Reads a picture: each file once, with a deadline, links kept inside the root, nothing of unbounded size.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use collectors::{ReadError, Root};

use super::picture::{Part, takes};
use crate::doctor::fits;

/// The longest file that is taken: a kernel's configuration or `/proc/stat` of 8192 CPUs; sysfs attributes have a page.
const LONGEST_FILE: usize = 2 << 20;
/// The first part of a PCI function's configuration space; behind it stand serial numbers.
const PCI_CONFIG: usize = 256;
/// The largest picture: a server with 256 CPUs has some 40 MiB of small files.
const LARGEST_PICTURE: usize = 256 << 20;
/// The most files of a picture.
const MOST_FILES: usize = 400_000;
/// How long one file may take; a sensor behind a slow bus takes a tenth of it.
const PATIENCE: Duration = Duration::from_secs(2);
/// After so many files that hang, the rest of the picture is taken without asking drivers any more.
const MOST_HUNG: usize = 8;
/// Links that one path may go through, as in path_resolution(7).
const MOST_LINKS: usize = 40;
/// Modes: somebody may read it.
const READABLE: u32 = 0o444;

/// What was read.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Folders, files and links by their paths below the root.
    pub folders: BTreeSet<String>,
    /// Files.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Links and where they lead, relative to where they stand.
    pub links: BTreeMap<String, String>,
    /// What was left out, and why.
    pub left_out: Vec<(String, String)>,
    /// Bytes of all files.
    pub bytes: usize,
}

/// Reads all parts of a picture.
pub fn gather(root: &Root, parts: &[Part]) -> Gathered {
    let mut walk = Walk {
        root,
        hand: Hand::new(root),
        got: Gathered::default(),
    };
    for part in parts {
        for path in walk.expand(part.path) {
            walk.take(part, &path, part.depth);
        }
    }
    walk.got
}

struct Walk<'r> {
    root: &'r Root,
    hand: Hand,
    got: Gathered,
}

impl Walk<'_> {
    /// The paths that fit a pattern, links on the way recorded and followed. What the kernel makes for each process
    /// (`/proc/net` is a link into one) stays as it is named.
    fn expand(&mut self, pattern: &str) -> Vec<String> {
        let mut paths = vec![String::new()];
        for name in pattern.split('/') {
            let mut below = Vec::new();
            for path in &paths {
                let names = if name.contains('*') {
                    let names = self.root.list(path).unwrap_or_default();
                    names.into_iter().filter(|entry| fits(entry, name)).collect()
                } else {
                    vec![name.to_owned()]
                };
                for entry in names {
                    let joined = join(path, &entry);
                    if pattern.starts_with("proc/") {
                        below.extend(self.root.has(&joined).then_some(joined));
                    } else {
                        below.extend(self.follow(joined));
                    }
                }
            }
            paths = below;
        }
        paths
    }

    /// Where a path really is; a link is recorded with the folder that it leads to. `None` where it leads nowhere or out.
    fn follow(&mut self, path: String) -> Option<String> {
        let mut path = path;
        for _ in 0..MOST_LINKS {
            let about = fs::symlink_metadata(self.root.path(&path)).ok()?;
            if !about.is_symlink() {
                return Some(path);
            }
            let target = self.link(&path)?;
            // Folders on the way to the target may be links too, in /sys they are not.
            path = target;
        }
        None
    }

    /// Records a link; gives where it leads.
    fn link(&mut self, path: &str) -> Option<String> {
        let said = fs::read_link(self.root.path(path)).ok()?;
        let parent = Path::new(path).parent().unwrap_or(Path::new(""));
        let inside = match said.strip_prefix("/") {
            Ok(absolute) => normal(
                Path::new(""),
                absolute.strip_prefix(self.below()).unwrap_or(absolute),
            ),
            Err(_) => normal(parent, &said),
        };
        let Some(target) = inside else {
            self.leave_out(path, "a link that leads out of the machine");
            return None;
        };
        if !self.root.has(&target) {
            // In sysfs these are a device's neighbours of which the picture holds nothing.
            let leads_out = self.root.path(&target).exists();
            if leads_out || said.is_absolute() {
                self.leave_out(path, "a link that leads out of the machine");
            }
            return None;
        }
        self.got.links.insert(path.to_owned(), relative(parent, &target));
        if self.root.path(&target).is_dir() {
            self.got.folders.insert(target.clone());
        }
        Some(target)
    }

    /// The root without its leading slash: absolute links of a recorded machine may name it.
    fn below(&self) -> PathBuf {
        let directory = self.root.directory();
        directory.strip_prefix("/").unwrap_or(directory).to_owned()
    }

    fn take(&mut self, part: &Part, path: &str, depth: usize) {
        let real = self.root.path(path);
        let Ok(about) = fs::metadata(&real) else { return };
        if about.is_file() {
            let name = path.rsplit('/').next().unwrap_or_default();
            if (part.depth == 0 || takes(part, name)) && about.permissions().mode() & READABLE != 0 {
                self.file(path);
            }
            return;
        }
        if !about.is_dir() || depth == 0 {
            return;
        }
        self.got.folders.insert(path.to_owned());
        for name in self.root.list(path).unwrap_or_default() {
            let below = join(path, &name);
            match fs::symlink_metadata(self.root.path(&below)) {
                Ok(about) if about.is_symlink() => {
                    self.link(&below);
                }
                Ok(about) if about.is_file() || about.is_dir() && depth > 1 && name != "power" => {
                    self.take(part, &below, depth - 1);
                }
                Ok(_) | Err(_) => {}
            }
        }
    }

    fn file(&mut self, path: &str) {
        if self.got.files.contains_key(path) {
            return;
        }
        if self.got.files.len() >= MOST_FILES || self.got.bytes >= LARGEST_PICTURE {
            self.leave_out(path, "the picture is full");
            return;
        }
        match self.hand.read(path) {
            Ok(mut bytes) => {
                if path.starts_with("sys/") && path.ends_with("/config") {
                    bytes.truncate(PCI_CONFIG);
                }
                if bytes.len() > LONGEST_FILE {
                    self.leave_out(path, "too long");
                    return;
                }
                self.got.bytes += bytes.len();
                self.got.files.insert(path.to_owned(), bytes);
            }
            Err(why) => self.leave_out(path, &why),
        }
    }

    fn leave_out(&mut self, path: &str, why: &str) {
        self.got.left_out.push((path.to_owned(), why.to_owned()));
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}/{name}")
    }
}

/// A path without `.` and `..`; `None` where it would lead out.
fn normal(from: &Path, path: &Path) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in from.components().chain(path.components()) {
        match part {
            Component::Normal(name) => parts.push(name.to_str()?),
            Component::ParentDir => {
                parts.pop()?;
            }
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}

/// `target` as seen from the folder `from`.
fn relative(from: &Path, target: &str) -> String {
    let from: Vec<&str> = from.iter().filter_map(|part| part.to_str()).collect();
    let to: Vec<&str> = target.split('/').collect();
    let same = from
        .iter()
        .zip(&to)
        .take_while(|(one, other)| one == other)
        .count();
    let mut parts = vec![".."; from.len() - same];
    parts.extend(to.get(same..).unwrap_or_default());
    if parts.is_empty() {
        return ".".to_owned();
    }
    parts.join("/")
}

type Answer = Result<Vec<u8>, ReadError>;

/// Reads files on a thread of its own: one that hangs in a driver is left to itself, and another hand reads on.
struct Hand {
    root: Root,
    ask: Sender<String>,
    told: Receiver<Answer>,
    hung: usize,
}

impl Hand {
    fn new(root: &Root) -> Hand {
        let (ask, asked) = channel::<String>();
        let (tell, told) = channel::<Answer>();
        let own = root.clone();
        // Without a thread the other ends are dropped, and every read says so.
        let _ = std::thread::Builder::new()
            .name("record".to_owned())
            .spawn(move || {
                for path in asked {
                    if tell.send(own.read_bytes(&path)).is_err() {
                        return;
                    }
                }
            });
        Hand {
            root: root.clone(),
            ask,
            told,
            hung: 0,
        }
    }

    fn read(&mut self, path: &str) -> Result<Vec<u8>, String> {
        if self.hung >= MOST_HUNG {
            return Err(format!("{MOST_HUNG} files hung before it"));
        }
        let sent = self.ask.send(path.to_owned());
        match sent.ok().and_then(|()| self.told.recv_timeout(PATIENCE).ok()) {
            Some(answer) => answer.map_err(|error| error.reason().word().to_owned()),
            None => {
                let hung = self.hung + 1;
                *self = Hand::new(&self.root);
                self.hung = hung;
                Err(format!("no answer within {} s", PATIENCE.as_secs()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_kept_inside_and_followed() {
        let keep = tempfile::tempdir().unwrap();
        let at = |path: &str| keep.path().join(path);
        fs::create_dir_all(at("sys/devices/pci/net/eth0")).unwrap();
        fs::create_dir_all(at("sys/class/net")).unwrap();
        fs::create_dir_all(at("sys/drivers/igb")).unwrap();
        fs::write(at("sys/devices/pci/net/eth0/speed"), "1000\n").unwrap();
        fs::write(at("sys/devices/pci/net/eth0/uevent"), "SECRET=1\n").unwrap();
        symlink("../../devices/pci/net/eth0", at("sys/class/net/eth0")).unwrap();
        symlink("/etc", at("sys/class/net/evil")).unwrap();
        symlink("../..", at("sys/devices/pci/net/device")).unwrap();
        symlink("../../../../drivers/igb", at("sys/devices/pci/net/eth0/driver")).unwrap();
        let root = Root::at(keep.path()).unwrap();
        let part = Part {
            path: "sys/class/net/*",
            depth: 1,
            files: &[],
        };
        let got = gather(&root, &[part]);
        assert_eq!(
            got.files.keys().collect::<Vec<_>>(),
            ["sys/devices/pci/net/eth0/speed"]
        );
        assert_eq!(got.links["sys/class/net/eth0"], "../../devices/pci/net/eth0");
        assert_eq!(
            got.links["sys/devices/pci/net/eth0/driver"],
            "../../../../drivers/igb"
        );
        assert!(got.folders.contains("sys/drivers/igb"));
        assert_eq!(got.left_out[0].0, "sys/class/net/evil");
    }

    #[test]
    fn relative_links_lead_where_absolute_ones_did() {
        for (from, target, expected) in [
            ("sys/class/net", "sys/devices/a", "../../devices/a"),
            ("sys", "sys/a", "a"),
            ("a/b/c", "d", "../../../d"),
            ("a/b", "a/b", "."),
        ] {
            let link = relative(Path::new(from), target);
            assert_eq!(link, expected);
            assert_eq!(normal(Path::new(from), Path::new(&link)).as_deref(), Some(target));
        }
        assert_eq!(normal(Path::new("sys"), Path::new("../../etc")), None);
    }
}
