//! Every source with one of its files replaced by any bytes, for the fuzzer (tests/fuzz) and for a short run in the tests.
//!
//! The whole source is fed, not its parser alone: what a file holds must not break what is made of it either.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use facts::observation::SourceStatus;
use facts::{Inventory, Moment, NoData};

use crate::collector::Collector;
use crate::roster::{Wishes, roster};
use crate::topology::TopologySource;
use crate::uevent;
use crate::{CollectError, Root};

/// A parser: it may refuse what it is given, and must never panic.
pub type Target = (&'static str, fn(&[u8]));

/// Files in memory where there is such a place: the fuzzer writes one for each input.
const IN_MEMORY: &str = "/dev/shm";

/// All of them, by name.
pub const TARGETS: &[Target] = &[
    ("uevent", |data| drop(uevent::parse(data))),
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
    ("smbios", |data| {
        feed("machine", "sys/firmware/dmi/tables/DMI", data)
    }),
    ("dmi", |data| {
        feed("machine", "sys/class/dmi/id/product_uuid", data)
    }),
    ("wwid", |data| {
        feed("block", "sys/class/block/sda/device/wwid", data)
    }),
    ("nic_speed", |data| feed("nic", "sys/class/net/eth0/speed", data)),
    ("pci_link", |data| {
        feed("pci", "sys/bus/pci/devices/0000:18:00.0/current_link_speed", data)
    }),
    ("energy", |data| {
        feed("powercap", "sys/class/powercap/intel-rapl:0/energy_uj", data)
    }),
    ("temperature", |data| {
        feed("hwmon", "sys/class/hwmon/hwmon0/temp1_input", data)
    }),
    ("nvme_health_log", |data| {
        feed("drive_health", "busbar/drives/nvme0/health_log", data)
    }),
    ("node_netstat", |data| feed("node", "proc/net/netstat", data)),
    ("node_vmstat", |data| feed("node", "proc/vmstat", data)),
    ("node_softnet", |data| feed("node", "proc/net/softnet_stat", data)),
    ("node_schedstat", |data| feed("node", "proc/schedstat", data)),
];

/// What stands around the file that is fed, so that the sources look at it.
const AROUND: [(&str, &str); 22] = [
    (
        "proc/stat",
        "cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\nctxt 1\nbtime 2\nprocesses 3\n",
    ),
    (
        "proc/meminfo",
        "MemTotal: 1000 kB\nMemFree: 500 kB\nMemAvailable: 600 kB\n",
    ),
    ("proc/net/netstat", "TcpExt: A B\nTcpExt: 1 2\n"),
    ("proc/vmstat", "pgfault 12\n"),
    ("sys/devices/system/cpu/online", "0"),
    ("sys/devices/system/cpu/cpu0/topology/physical_package_id", "0"),
    ("sys/devices/system/cpu/cpu0/topology/core_id", "0"),
    ("sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "2500000"),
    ("sys/devices/system/cpu/cpu0/cache/index3/id", "0"),
    ("sys/devices/system/cpu/cpu0/cache/index3/level", "3"),
    ("sys/devices/system/node/online", "0"),
    ("sys/devices/system/node/node0/cpulist", "0"),
    (
        "sys/devices/system/node/node0/meminfo",
        "Node 0 MemTotal: 1000 kB\nNode 0 MemFree: 500 kB\n",
    ),
    ("sys/class/powercap/intel-rapl:0/name", "package-0"),
    (
        "sys/class/powercap/intel-rapl:0/max_energy_range_uj",
        "262143328850",
    ),
    ("sys/class/hwmon/hwmon0/name", "k10temp"),
    ("sys/class/block/sda/size", "1000"),
    ("sys/class/block/sda/device/type", "0"),
    ("sys/class/net/eth0/device/vendor", "0x8086"),
    ("sys/bus/pci/devices/0000:18:00.0/class", "0x010802"),
    (
        "sys/bus/pci/devices/0000:18:00.0/max_link_speed",
        "16.0 GT/s PCIe",
    ),
    ("sys/class/nvme/nvme0/model", "Fast"),
];

/// One source over a tree of its own, and the file that is fed.
struct Stand {
    folder: PathBuf,
    file: PathBuf,
    source: Box<dyn Collector>,
}

impl Drop for Stand {
    fn drop(&mut self) {
        // What cannot be removed is a few kilobytes in a place for scratch.
        let _ = fs::remove_dir_all(&self.folder);
    }
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

fn raise(source: &str, file: &str) -> std::io::Result<Stand> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let memory = Path::new(IN_MEMORY);
    let place = if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    };
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = place.join(format!("busbar-fuzz-{}-{number}", std::process::id()));
    let put = |path: &str, text: &str| -> std::io::Result<PathBuf> {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, text)?;
        Ok(path)
    };
    for (path, text) in AROUND {
        put(path, text)?;
    }
    let fed = put(file, "")?;
    let root = Root::at(&folder).map_err(std::io::Error::other)?;
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
        folder,
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
