//! The source `node_filesystem`: node_exporter's `filesystem`, of local file systems. One on a sick disk hangs whoever asks for it;
//! those of other machines (NFS, CIFS, FUSE and their like) are never asked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use facts::NoData;
use facts::observation::Observation;
use facts::sheet::{Pad, Writing};
use nix::sys::statfs::statfs;

use crate::collector::{CollectError, Collector};
use crate::root::Root;

facts::families! {
    SIZE Gauge "node_filesystem_size_bytes" ["device", "mountpoint", "fstype"]
        "Size of a file system." from "statfs";
    FREE Gauge "node_filesystem_free_bytes" ["device", "mountpoint", "fstype"]
        "Bytes that are free." from "statfs";
    AVAILABLE Gauge "node_filesystem_avail_bytes" ["device", "mountpoint", "fstype"]
        "Bytes that are free for everybody." from "statfs";
    FILES Gauge "node_filesystem_files" ["device", "mountpoint", "fstype"]
        "Inodes of a file system." from "statfs";
    FILES_FREE Gauge "node_filesystem_files_free" ["device", "mountpoint", "fstype"]
        "Inodes that are free." from "statfs";
    READ_ONLY Gauge "node_filesystem_readonly" ["device", "mountpoint", "fstype"]
        "Whether it is mounted read-only: 1 or 0." from "mounts";
    ERROR Gauge "node_filesystem_device_error" ["device", "mountpoint", "fstype"]
        "Whether it could not be asked: 1 or 0." from "statfs";
}

/// The mounts of the first process; our own where we may not see them.
const MOUNTS: [&str; 2] = ["proc/1/mounts", "proc/self/mounts"];

/// Mount points that Debian's node_exporter leaves out, with all below them.
const LEFT_OUT: [&str; 6] = ["/dev", "/proc", "/run", "/sys", "/mnt", "/media"];
/// And what lies below these.
const LEFT_OUT_BELOW: [&str; 2] = ["/var/lib/docker/", "/var/lib/containers/storage/"];

/// Types that it leaves out.
const NO_STORAGE: &str = "autofs binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs fusectl hugetlbfs iso9660 mqueue \
    nsfs overlay proc procfs pstore rpc_pipefs securityfs selinuxfs squashfs sysfs tracefs";

/// Types whose storage is on another machine or in another process: asking may hang for ever.
const ELSEWHERE: &str = "nfs nfs4 cifs smb3 smbfs ncpfs afs ceph 9p virtiofs glusterfs lustre beegfs gpfs ocfs2 gfs2 orangefs pvfs2 coda";

/// The most mounts that are asked; a host of containers has thousands of them, most left out above.
const MOST_MOUNTS: usize = 1024;

/// The most threads that wait for a file system which does not answer. With so many hung, nothing new is asked.
const MOST_HUNG: usize = 4;

/// How long one file system may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Mount {
    device: String,
    point: String,
    kind: String,
    is_read_only: bool,
}

/// Sizes of one mount: block size, blocks, free, available, files, free files.
type Sizes = [u64; 6];

/// Asks local file systems.
pub struct FilesystemCollector {
    root: Root,
    hung: BTreeMap<String, Receiver<Option<Sizes>>>,
    pad: Pad,
}

/// The mounts that are asked, each mount point once.
fn mounts(text: &str) -> Vec<Mount> {
    let mut seen = BTreeSet::new();
    let mounts = text.lines().filter_map(mount);
    mounts
        .filter(|mount| seen.insert((mount.device.clone(), mount.point.clone(), mount.kind.clone())))
        .take(MOST_MOUNTS)
        .collect()
}

fn mount(line: &str) -> Option<Mount> {
    let mut words = line.split_whitespace();
    let (device, point, kind, options) = (words.next()?, words.next()?, words.next()?, words.next()?);
    // The kernel writes blanks and tabs in octal.
    let plain = |word: &str| word.replace("\\040", " ").replace("\\011", "\t");
    let point = plain(point);
    let is_below = |above: &str| {
        let rest = point.strip_prefix(above);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let is_kind = |kinds: &str| kinds.split_whitespace().any(|known| known == kind);
    let is_left_out = LEFT_OUT.into_iter().any(is_below)
        || LEFT_OUT_BELOW
            .iter()
            .any(|above| point.strip_prefix(above).is_some_and(|rest| !rest.is_empty()))
        || is_kind(NO_STORAGE)
        || is_kind(ELSEWHERE)
        || kind.starts_with("fuse");
    (!is_left_out).then(|| Mount {
        device: plain(device),
        kind: kind.to_owned(),
        is_read_only: options.split(',').any(|option| option == "ro"),
        point,
    })
}

fn ask(point: &str) -> Option<Sizes> {
    let told = statfs(Path::new(point)).ok()?;
    Some([
        u64::try_from(told.block_size()).ok()?,
        told.blocks(),
        told.blocks_free(),
        told.blocks_available(),
        told.files(),
        told.files_free(),
    ])
}

impl FilesystemCollector {
    /// Of this root; a recorded machine's file systems cannot be asked.
    pub fn new(root: Root) -> FilesystemCollector {
        FilesystemCollector {
            root,
            hung: BTreeMap::new(),
            pad: Pad::default(),
        }
    }

    /// Asks one on a thread of its own; `None` where it does not answer in time.
    fn sizes(&mut self, point: &str) -> Option<Sizes> {
        if let Some(waited) = self.hung.get(point) {
            // Somebody waits for it already.
            let answer = waited.try_recv().ok()?;
            self.hung.remove(point);
            return answer;
        }
        if self.hung.len() >= MOST_HUNG {
            return None;
        }
        let (tell, told) = channel();
        let place = point.to_owned();
        // Without a thread the sender is dropped, and there is no answer.
        let _ = std::thread::Builder::new()
            .name("see statfs".to_owned())
            .spawn(move || {
                // Fails only where nobody waits any more.
                let _ = tell.send(ask(&place));
            });
        match told.recv_timeout(PATIENCE) {
            Ok(answer) => answer,
            Err(_) => {
                self.hung.insert(point.to_owned(), told);
                None
            }
        }
    }

    fn write(&mut self, mounts: &[Mount], sheet: &mut Writing<'_>) {
        for mount in mounts {
            let labels = [&*mount.device, &mount.point, &mount.kind];
            let sizes = self.sizes(&mount.point);
            sheet.add(&ERROR, &labels, Some(sizes.is_none()));
            sheet.add(&READ_ONLY, &labels, Some(mount.is_read_only));
            let Some([block, blocks, free, available, files, files_free]) = sizes else {
                continue;
            };
            for (family, count) in [(&SIZE, blocks), (&FREE, free), (&AVAILABLE, available)] {
                sheet.add(family, &labels, count.checked_mul(block));
            }
            sheet.add(&FILES, &labels, Some(files));
            sheet.add(&FILES_FREE, &labels, Some(files_free));
        }
    }
}

impl Collector for FilesystemCollector {
    fn name(&self) -> &'static str {
        "node_filesystem"
    }

    fn beat(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn collect(&mut self) -> Result<Observation, CollectError> {
        if !self.root.is_host() {
            let message = "a recorded machine's file systems cannot be asked";
            return Err(CollectError::new(NoData::Unsupported, message));
        }
        let [first, own] = MOUNTS;
        let text = self.root.read(first).or_else(|_| self.root.read(own))?;
        let mounts = mounts(&text);
        let mut pad = std::mem::take(&mut self.pad);
        let mut sheet = pad.begin();
        self.hung
            .retain(|point, _| mounts.iter().any(|mount| mount.point == *point));
        self.write(&mounts, &mut sheet);
        let sheet = sheet.finish();
        self.pad = pad;
        Ok(Observation {
            sheet: Some(sheet),
            ..Observation::default()
        })
    }
}

/// A list of mounts, for the fuzzer: nothing of the kernel's own is ever asked.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn fuzz(data: &[u8]) {
    for mount in mounts(&String::from_utf8_lossy(data)) {
        assert!(!mount.point.starts_with("/proc/"), "{mount:?} is asked");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_local_storage_is_asked() {
        let text = "/dev/sda1 / ext4 rw,relatime 0 0\n/dev/sda1 / ext4 rw 0 0\nproc /proc proc rw 0 0\n\
            nas:/x /home nfs4 rw 0 0\n/dev/sdb1 /srv/my\\040data xfs ro,noatime 0 0\nsshfs /s fuse.sshfs rw 0 0\n\
            tmpfs /run/user/0 tmpfs rw 0 0\ntmpfs /runner tmpfs rw 0 0\n/dev/sdc /mnt/x ext4 rw 0 0\n\
            o /var/lib/docker/overlay2 ext4 rw 0 0\ncut /cut";
        let points: Vec<(String, bool)> = mounts(text)
            .into_iter()
            .map(|mount| (mount.point, mount.is_read_only))
            .collect();
        let expected = [("/", false), ("/srv/my data", true), ("/runner", false)];
        assert_eq!(
            points,
            expected.map(|(point, is_read_only)| (point.to_owned(), is_read_only))
        );
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "(\\PC{0,20} /\\PC{0,9} (ext4|nfs|\\PC{0,3}) (ro|rw)\\n){0,5}\\PC*") {
            for mount in mounts(&text) {
                prop_assert!(!mount.point.starts_with("/proc/"));
            }
        }
    }
}
