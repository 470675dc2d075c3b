//! What lstopo says of a machine: its XML, read here by hand so that nothing of ours stands between.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use facts::{CpuId, CpuSet};

const LSTOPO: &str = "lstopo-no-graphics";

#[derive(Default)]
pub struct Exported {
    packages: usize,
    cores: usize,
    pub cpus: CpuSet,
    /// CPUs and memory of each NUMA node.
    pub numa_nodes: BTreeMap<u32, (CpuSet, u64)>,
    pub caches: usize,
    /// CPUs that are known and not shown.
    pub missing: CpuSet,
}

impl Exported {
    pub fn of_tree(directory: &Path, env: &[(String, String)]) -> Option<Exported> {
        let mut command = Command::new(LSTOPO);
        command
            .env("HWLOC_FSROOT", directory)
            .env("HWLOC_COMPONENTS", "linux,stop");
        command.envs(env.iter().cloned());
        Exported::of(command)
    }

    /// lstopo 2 refuses exports of hwloc 3 for their version alone; what computes is written alike.
    pub fn of_xml(file: &Path) -> Option<Exported> {
        let text = std::fs::read_to_string(file).unwrap();
        let keep = tempfile::tempdir().unwrap();
        let alike = keep.path().join("alike.xml");
        std::fs::write(
            &alike,
            text.replace("<topology version=\"3.0\">", "<topology version=\"2.0\">"),
        )
        .unwrap();
        let mut command = Command::new(LSTOPO);
        command.arg("-i").arg(&alike);
        Exported::of(command)
    }

    fn of(mut command: Command) -> Option<Exported> {
        match command.args(["--of", "xml", "-"]).output() {
            Ok(output) => {
                assert!(
                    output.status.success(),
                    "{command:?}: {}",
                    String::from_utf8_lossy(&output.stderr)
                );
                Some(parse(&String::from_utf8(output.stdout).unwrap()))
            }
            Err(error) => {
                println!("skipped the comparison with {LSTOPO}: {error}");
                None
            }
        }
    }

    pub fn counts(&self) -> [usize; 4] {
        [self.packages, self.numa_nodes.len(), self.cores, self.cpus.len()]
    }
}

fn parse(xml: &str) -> Exported {
    let mut found = Exported::default();
    for element in xml.split("<object ").skip(1) {
        let tag = &element[..element.find('>').unwrap()];
        let attribute = |name: &str| {
            let start = tag.find(&format!("{name}=\""))? + name.len() + 2;
            Some(tag[start..].split('"').next().unwrap())
        };
        let number = |name: &str| attribute(name).map_or(0, |text| text.parse::<u64>().unwrap());
        match attribute("type").unwrap() {
            "Machine" => {
                let [complete, shown] =
                    ["complete_cpuset", " cpuset"].map(|name| set(attribute(name).unwrap()));
                found.missing = complete.difference(&shown);
            }
            "Package" => found.packages += 1,
            "Core" => found.cores += 1,
            "PU" => {
                found
                    .cpus
                    .insert(CpuId(u32::try_from(number("os_index")).unwrap()));
            }
            "NUMANode" => {
                let id = u32::try_from(number("os_index")).unwrap();
                found
                    .numa_nodes
                    .insert(id, (set(attribute(" cpuset").unwrap()), number("local_memory")));
            }
            kind if kind.ends_with("Cache") && kind != "MemCache" => found.caches += 1,
            _ => {}
        }
    }
    found
}

/// hwloc's sets: 32-bit words in hexadecimal, the highest first; an empty word is zero.
fn set(text: &str) -> CpuSet {
    let words = text.split(',').rev().map(|word| {
        let digits = word.trim_start_matches("0x");
        if digits.is_empty() {
            0
        } else {
            u32::from_str_radix(digits, 16).unwrap()
        }
    });
    let mut members = CpuSet::new();
    for (index, word) in (0_u32..).zip(words) {
        for bit in (0..32).filter(|bit| word & (1 << bit) != 0) {
            members.insert(CpuId(index * 32 + bit));
        }
    }
    members
}
