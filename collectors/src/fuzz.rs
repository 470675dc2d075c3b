//! Every source with one of its files replaced by any bytes, for the fuzzer (tests/fuzz) and for a short run in the tests.
//!
//! The whole source is fed, not its parser alone: what a file holds must not break what is made of it either.

mod around;
mod pages;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use facts::observation::SourceStatus;
use facts::{Inventory, Moment, NoData};

use crate::collector::Collector;
use crate::roster::{Wishes, roster};
use crate::topology::{self, TopologySource};
use crate::uevent;
use crate::{CollectError, Root};
use around::AROUND;

/// A parser: it may refuse what it is given, and must never panic.
pub type Target = (&'static str, fn(&[u8]));

/// Files in memory where there is such a place: the fuzzer writes one for each input.
const IN_MEMORY: &str = "/dev/shm";

/// All of them, by name.
pub const TARGETS: &[Target] = &[
    ("uevent", |data| drop(uevent::parse(data))),
    ("perf_records", |data| {
        if let [kind, misc, record @ ..] = data {
            let _ = crate::perf::switches::parse(u32::from(*kind), u16::from(*misc) << 8, record);
        }
    }),
    ("proc_stat", |data| feed("cpu", "proc/stat", data)),
    ("meminfo", |data| feed("memory", "proc/meminfo", data)),
    ("numa_meminfo", |data| {
        feed("memory", "sys/devices/system/node/node0/meminfo", data)
    }),
    ("numastat", |data| {
        feed("memory", "sys/devices/system/node/node0/numastat", data)
    }),
    ("pressure", |data| feed("pressure", "proc/pressure/cpu", data)),
    ("net_dev", |data| feed("network", "proc/net/dev", data)),
    ("diskstats", |data| feed("disk_io", "proc/diskstats", data)),
    ("cpu_frequency", |data| {
        feed(
            "cpu_frequency",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq",
            data,
        )
    }),
    ("resctrl_counts", |data| {
        if let Some(number) = crate::resctrl::bytes_of(data) {
            assert_eq!(
                crate::resctrl::bytes_of(number.to_string().as_bytes()),
                Some(number)
            );
        }
    }),
    ("resctrl", |data| {
        feed(
            "resctrl",
            "sys/fs/resctrl/mon_data/mon_L3_00/mbm_total_bytes",
            data,
        )
    }),
    ("edac", |data| {
        feed("edac", "sys/devices/system/edac/mc/mc0/ce_count", data)
    }),
    ("machine", |data| feed_one_of("machine", &around::MACHINE, data)),
    ("block", |data| feed_one_of("block", &around::BLOCK, data)),
    ("nic_speed", |data| feed("nic", "sys/class/net/eth0/speed", data)),
    ("pci", |data| feed_one_of("pci", &around::PCI, data)),
    ("gpu", |data| feed_one_of("gpu", &around::GPU, data)),
    ("powercap", |data| {
        feed_one_of("powercap", &around::POWERCAP, data)
    }),
    ("hwmon", |data| feed_one_of("hwmon", &around::HWMON, data)),
    ("nvme_pages", pages::nvme),
    ("ata_pages", pages::ata),
    ("scsi_pages", pages::scsi),
    ("pmu_words", pages::pmu),
    ("cpu_lists", pages::cpu_lists),
    ("topology_export", |data| {
        topology::fuzz::export(&String::from_utf8_lossy(data))
    }),
    ("topology_answer", topology::fuzz::answer),
    ("node_netstat", |data| feed("node", "proc/net/netstat", data)),
    ("node_vmstat", |data| feed("node", "proc/vmstat", data)),
    ("node_softnet", |data| feed("node", "proc/net/softnet_stat", data)),
    ("node_schedstat", |data| feed("node", "proc/schedstat", data)),
    ("node_files", |data| feed_one_of("node", &around::NODE, data)),
    ("node_parts", |data| {
        feed_one_of("node_parts", &around::NODE_PARTS, data)
    }),
    ("node_hwmon", |data| {
        feed_one_of("node_hwmon", &around::HWMON, data)
    }),
    ("node_filesystem", crate::node_names::fuzz_mounts),
];

/// One source over a tree of its own, and the file that is fed.
struct Stand {
    _tree: Tree,
    file: PathBuf,
    source: Box<dyn Collector>,
}

thread_local! {
    static STANDS: RefCell<BTreeMap<(&'static str, &'static str), Stand>> = const { RefCell::new(BTreeMap::new()) };
}

fn feed(source: &'static str, file: &'static str, data: &[u8]) {
    STANDS.with_borrow_mut(|stands| {
        let stand = stands
            .entry((source, file))
            .or_insert_with(|| raise(source, file).unwrap_or_else(|why| unreachable!("{source}: {why}")));
        if fs::write(&stand.file, data).is_ok() {
            judge(stand.source.name(), stand.source.collect());
        }
    });
}

/// One of several files of a source: the first byte chooses which.
fn feed_one_of(source: &'static str, files: &[&'static str], data: &[u8]) {
    if let Some((which, data)) = data.split_first()
        && let Some(file) = files.get(usize::from(*which) % files.len())
    {
        feed(source, file, data);
    }
}

/// Whatever a source makes of it can be merged, written as JSON and read again.
fn judge(name: &str, answer: Result<facts::observation::Observation, CollectError>) {
    let seen = match answer {
        Ok(seen) => seen,
        Err(error) => {
            assert!(!error.explain().is_empty(), "{name} refuses without a word");
            return;
        }
    };
    let finite = |number| !matches!(number, facts::Number::Float(float) if !float.is_finite());
    let rows = seen.sheet.iter().flat_map(|sheet| sheet.iter());
    assert!(
        rows.into_iter().all(|(_, number)| finite(number)),
        "{name} counts what is no number"
    );
    let merged = Inventory::merge(Moment::EPOCH, [&seen], Vec::new());
    let is_told = |reason: &NoData| !reason.word().is_empty();
    let all_told = merged.sources.iter().all(|source| match &source.status {
        SourceStatus::Down { reason, message } => is_told(reason) && !message.is_empty(),
        SourceStatus::Ok | SourceStatus::Pending => true,
    });
    assert!(all_told, "{name} misses something without a word");
}

/// A tree of its own for what is no source.
fn with_tree(look: impl FnOnce(&Path)) {
    thread_local! {
        static TREE: std::cell::LazyCell<Option<Tree>> = const { std::cell::LazyCell::new(|| Tree::plant().ok()) };
    }
    TREE.with(|tree| {
        if let Some(tree) = tree.as_ref() {
            look(&tree.0);
        }
    });
}

/// A machine in files, which goes when it is dropped.
struct Tree(PathBuf);

impl Tree {
    fn plant() -> std::io::Result<Tree> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let memory = Path::new(IN_MEMORY);
        let place = if memory.is_dir() {
            memory.to_owned()
        } else {
            std::env::temp_dir()
        };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let tree = Tree(place.join(format!("busbar-fuzz-{}-{number}", std::process::id())));
        for (path, text) in AROUND {
            tree.put(path, text)?;
        }
        Ok(tree)
    }

    fn put(&self, path: &str, text: &str) -> std::io::Result<PathBuf> {
        let path = self.0.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, text)?;
        Ok(path)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // What cannot be removed is a few kilobytes in a place for scratch.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn raise(source: &str, file: &str) -> std::io::Result<Stand> {
    let tree = Tree::plant()?;
    let fed = tree.put(file, "")?;
    let root = Root::at(&tree.0).map_err(std::io::Error::other)?;
    let wishes = Wishes {
        per_cpu: true,
        node_names: true,
        ..Wishes::default()
    };
    // It is made and never asked.
    let found = roster(&root, TopologySource::Live, &wishes)
        .into_iter()
        .find(|one| one.name() == source);
    Ok(Stand {
        _tree: tree,
        file: fed,
        source: found.ok_or_else(|| std::io::Error::other("no such source"))?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_bytes_are_read_or_refused(data in proptest::collection::vec(any::<u8>(), 0..256)) {
            for (_, target) in TARGETS {
                target(&data);
            }
        }
    }
}
