//! Which cgroup hierarchies the host has, and which controller hangs in which of them.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::host::Host;

/// Where the kernel lists mounts, the best source first. A recorded machine may have only one of them.
const MOUNT_LISTS: [&str; 3] = ["/proc/self/mountinfo", "/proc/self/mounts", "/proc/mounts"];
/// Controllers of a v2 cgroup that its children may be given.
const CGROUP_CONTROLLERS: &str = "cgroup.controllers";
/// Where v2 stands when no list of mounts says so.
const USUAL_MOUNT: &str = "/sys/fs/cgroup";

/// What v1 calls the I/O controller.
const BLKIO: &str = "blkio";

/// A kernel controller that we use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Controller {
    /// Which CPUs, and memory from which NUMA nodes.
    Cpuset,
    /// How much memory.
    Memory,
    /// How much CPU time.
    Cpu,
    /// How much I/O of which block device.
    Io,
    /// How many processes and threads.
    Pids,
    /// How many huge pages of which size.
    Hugetlb,
    /// Which devices: in v2 no controller at all, but a program that is attached to the cgroup.
    Devices,
}

impl Controller {
    /// All of them.
    pub const ALL: [Controller; 7] = [
        Controller::Cpuset,
        Controller::Memory,
        Controller::Cpu,
        Controller::Io,
        Controller::Pids,
        Controller::Hugetlb,
        Controller::Devices,
    ];

    /// The kernel's name in v2, and in v1 where it has no other one there.
    pub const fn word(self) -> &'static str {
        match self {
            Controller::Cpuset => "cpuset",
            Controller::Memory => "memory",
            Controller::Cpu => "cpu",
            Controller::Io => "io",
            Controller::Pids => "pids",
            Controller::Hugetlb => "hugetlb",
            Controller::Devices => "devices",
        }
    }

    /// The kernel's name in a hierarchy of this version.
    pub const fn word_in(self, version: Version) -> &'static str {
        match (self, version) {
            (Controller::Io, Version::V1) => BLKIO,
            _ => self.word(),
        }
    }

    /// What makes a kernel offer it.
    const fn given_by(self) -> &'static str {
        match self {
            Controller::Cpuset => "a kernel with CONFIG_CPUSETS",
            Controller::Memory => "a kernel with CONFIG_MEMCG and without cgroup_disable=memory",
            Controller::Cpu => "a kernel with CONFIG_CGROUP_SCHED",
            Controller::Io => "a kernel with CONFIG_BLK_CGROUP",
            Controller::Pids => "a kernel with CONFIG_CGROUP_PIDS",
            Controller::Hugetlb => "a kernel with CONFIG_CGROUP_HUGETLB",
            Controller::Devices => "cgroup v2, or in v1 a kernel with CONFIG_CGROUP_DEVICE",
        }
    }

    /// Whether it is switched on in `cgroup.subtree_control` (v2).
    pub(super) const fn is_switched(self) -> bool {
        !matches!(self, Controller::Devices)
    }
}

/// The version of a hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// A hierarchy of its own for each controller, or for a few.
    V1,
    /// One hierarchy for all.
    V2,
}

/// Where a controller hangs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The hierarchy's version.
    pub version: Version,
    /// The mount point, as in `/sys/fs/cgroup/cpuset`.
    pub mount: PathBuf,
    /// Which cgroup of the hierarchy the mount point shows: `/`, or the container's own.
    pub shows: PathBuf,
}

/// What kind of host it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CgroupMode {
    /// v2 has the cpuset controller.
    Unified,
    /// v2 is mounted, but the cpuset controller is bound to v1.
    Hybrid,
    /// v1 only.
    Legacy,
    /// Neither has a cpuset controller.
    None,
}

impl CgroupMode {
    /// The word, as the API shows it.
    pub const fn word(self) -> &'static str {
        match self {
            CgroupMode::Unified => "unified",
            CgroupMode::Hybrid => "hybrid",
            CgroupMode::Legacy => "legacy",
            CgroupMode::None => "none",
        }
    }
}

/// The host's controllers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroups {
    /// What kind of host it is.
    pub mode: CgroupMode,
    /// The controllers that can be used.
    pub places: BTreeMap<Controller, Place>,
    /// Why the others cannot.
    pub missing: BTreeMap<Controller, String>,
}

/// One mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    place: Place,
    read_only: bool,
    controllers: Vec<String>,
}

impl Mount {
    fn has(&self, controller: Controller) -> bool {
        let version = self.place.version;
        let always = version == Version::V2 && !controller.is_switched();
        always
            || self
                .controllers
                .iter()
                .any(|name| name == controller.word_in(version))
    }
}

impl Cgroups {
    /// Looks at the host's mounts. A host without any has mode `None`; that is no error.
    pub fn find(host: &Host) -> Cgroups {
        let mut mounts = listed(host);
        if mounts.is_empty() && host.has(&Path::new(USUAL_MOUNT).join(CGROUP_CONTROLLERS)) {
            mounts.push(Mount {
                place: Place {
                    version: Version::V2,
                    mount: USUAL_MOUNT.into(),
                    shows: "/".into(),
                },
                read_only: false,
                controllers: Vec::new(),
            });
        }
        for mount in mounts
            .iter_mut()
            .filter(|mount| mount.place.version == Version::V2)
        {
            let file = mount.place.mount.join(CGROUP_CONTROLLERS);
            let text = host.read(&file).ok().flatten().unwrap_or_default();
            mount.controllers = text.split_whitespace().map(str::to_owned).collect();
        }
        let mut found = Cgroups {
            mode: CgroupMode::None,
            places: BTreeMap::new(),
            missing: BTreeMap::new(),
        };
        for controller in Controller::ALL {
            match usable(host, &mounts, controller) {
                Ok(place) => {
                    found.places.insert(controller, place);
                }
                Err(why) => {
                    found.missing.insert(controller, why);
                }
            }
        }
        let has_v2 = mounts.iter().any(|mount| mount.place.version == Version::V2);
        found.mode = match found.places.get(&Controller::Cpuset).map(|place| place.version) {
            Some(Version::V2) => CgroupMode::Unified,
            Some(Version::V1) if has_v2 => CgroupMode::Hybrid,
            Some(Version::V1) => CgroupMode::Legacy,
            None => CgroupMode::None,
        };
        found
    }
}

fn usable(host: &Host, mounts: &[Mount], controller: Controller) -> Result<Place, String> {
    let mut why = format!(
        "no mounted cgroup hierarchy has it; {} offers it, in v2 to this cgroup where cgroup.controllers names it, in v1 \
         where its hierarchy is mounted",
        controller.given_by()
    );
    // A mount that shows the whole hierarchy is better than one that shows a part.
    let mut having: Vec<&Mount> = mounts.iter().filter(|mount| mount.has(controller)).collect();
    // On a hybrid host a v1 hierarchy is the one that other programs look at.
    having.sort_by_key(|mount| (mount.place.shows != Path::new("/"), mount.place.version));
    for mount in having {
        let shown = mount.place.mount.display();
        if mount.read_only {
            why = format!("{shown} is mounted read-only");
        } else if !host.may_write(&mount.place.mount) {
            why = format!("we may not make cgroups in {shown}");
        } else {
            return Ok(mount.place.clone());
        }
    }
    Err(why)
}

/// The cgroup mounts of the first list that can be read.
fn listed(host: &Host) -> Vec<Mount> {
    for list in MOUNT_LISTS {
        if let Ok(Some(text)) = host.read(Path::new(list)) {
            let parse = if list.ends_with("mountinfo") {
                of_mountinfo
            } else {
                of_mounts
            };
            return text.lines().filter_map(parse).collect();
        }
    }
    Vec::new()
}

/// A line of `/proc/PID/mountinfo`: `31 23 0:28 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu`.
fn of_mountinfo(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let mut before = before.split(' ').skip(3);
    let (shows, mount, options) = (before.next()?, before.next()?, before.next()?);
    let mut after = after.split(' ');
    let (kind, _source, own_options) = (after.next()?, after.next()?, after.next().unwrap_or_default());
    mount_of(kind, mount, shows, &[options, own_options])
}

/// A line of `/proc/mounts`: `cgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu 0 0`.
fn of_mounts(line: &str) -> Option<Mount> {
    let mut fields = line.split(' ').skip(1);
    let (mount, kind, options) = (fields.next()?, fields.next()?, fields.next()?);
    mount_of(kind, mount, "/", &[options])
}

fn mount_of(kind: &str, mount: &str, shows: &str, options: &[&str]) -> Option<Mount> {
    let version = match kind {
        "cgroup" => Version::V1,
        "cgroup2" => Version::V2,
        _ => return None,
    };
    let mount = PathBuf::from(unescaped(mount)?);
    let odd = |part: Component<'_>| !matches!(part, Component::RootDir | Component::Normal(_));
    if !mount.is_absolute() || mount.components().any(odd) {
        return None;
    }
    let words: Vec<&str> = options.iter().flat_map(|options| options.split(',')).collect();
    Some(Mount {
        place: Place {
            version,
            mount,
            shows: PathBuf::from(unescaped(shows)?),
        },
        read_only: words.contains(&"ro"),
        controllers: words.into_iter().map(str::to_owned).collect(),
    })
}

/// The kernel writes space, tab, newline and backslash as `\040` and so on.
fn unescaped(text: &str) -> Option<String> {
    let mut parts = text.split('\\');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(3)?;
        bytes.push(u8::from_str_radix(digits, 8).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    fn host(mountinfo: &str, files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::at(dir.path());
        for (file, text) in files.iter().chain([&("/proc/self/mountinfo", mountinfo)]) {
            let real = host.real(Path::new(file));
            fs::create_dir_all(real.parent().unwrap()).unwrap();
            fs::write(real, text).unwrap();
        }
        for line in mountinfo.lines() {
            fs::create_dir_all(host.real(Path::new(line.split(' ').nth(4).unwrap()))).unwrap();
        }
        (dir, host)
    }

    #[test]
    fn a_hybrid_host_uses_v1_for_what_is_bound_there() {
        let (_dir, host) = host(
            "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
             34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n\
             35 31 0:32 / /sys/fs/cgroup/memory ro,relatime - cgroup cgroup rw,memory\n\
             41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n",
            &[("/sys/fs/cgroup/unified/cgroup.controllers", "cpu hugetlb\n")],
        );
        let found = Cgroups::find(&host);
        assert_eq!(found.mode, CgroupMode::Hybrid);
        let mount = |controller| {
            found
                .places
                .get(&controller)
                .map(|place| place.mount.to_str().unwrap())
        };
        assert_eq!(mount(Controller::Cpuset), Some("/sys/fs/cgroup/cpuset"));
        assert_eq!(mount(Controller::Cpu), Some("/sys/fs/cgroup/unified"));
        assert_eq!(
            found.missing[&Controller::Memory],
            "/sys/fs/cgroup/memory is mounted read-only"
        );
    }

    #[test]
    fn v2_is_unified_and_nothing_is_none() {
        let (_dir, host) = host(
            "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n",
            &[("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory\n")],
        );
        assert_eq!(Cgroups::find(&host).mode, CgroupMode::Unified);
        let empty = tempfile::tempdir().unwrap();
        let found = Cgroups::find(&Host::at(empty.path()));
        assert_eq!((found.mode, found.places.len()), (CgroupMode::None, 0));
    }

    #[test]
    fn lines_of_the_kernel_are_read_and_others_are_left_out() {
        let mount =
            of_mountinfo(r"1 2 0:3 /docker/a /mnt/with\040space rw - cgroup cgroup rw,cpuset").unwrap();
        assert_eq!(mount.place.mount, Path::new("/mnt/with space"));
        assert_eq!(mount.place.shows, Path::new("/docker/a"));
        assert_eq!(of_mounts("cgroup /a/../b cgroup rw,cpuset 0 0"), None);
        assert_eq!(of_mounts("proc /proc proc rw 0 0"), None);
        assert_eq!(of_mountinfo("no line"), None);
        assert_eq!(unescaped(r"a\04"), None);
    }
}
