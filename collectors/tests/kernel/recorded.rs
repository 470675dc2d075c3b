//! Recorded machines: what the sheets say is what the recorded files say, read here by other means.

use std::path::Path;

use collectors::Root;

use crate::machines;
use crate::page::{Page, Sources, at, rows, wishes};

/// Sources that read procfs and sysfs alone.
const SOURCES: [&str; 12] = [
    "cpu",
    "memory",
    "pressure",
    "network",
    "disk_io",
    "cpu_frequency",
    "resctrl",
    "edac",
    "node",
    "node_parts",
    "node_hwmon",
    "node_filesystem",
];

/// The number of a line that begins with these words.
fn number(text: &str, key: &str) -> Option<f64> {
    let line = text
        .lines()
        .find(|line| line.split_whitespace().any(|word| word == key))?;
    let mut words = line.split_whitespace().skip_while(|word| *word != key);
    words.nth(1)?.parse().ok()
}

fn read(directory: &Path, file: &str) -> Option<String> {
    std::fs::read_to_string(directory.join(file)).ok()
}

fn assert_numa_nodes(name: &str, directory: &Path, page: &Page) -> usize {
    let Ok(entries) = std::fs::read_dir(directory.join("sys/devices/system/node")) else {
        return 0;
    };
    let mut checked = 0;
    for entry in entries {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let Some(id) = file.strip_prefix("node").filter(|id| id.parse::<u32>().is_ok()) else {
            continue;
        };
        let node = format!("sys/devices/system/node/{file}");
        let memory = |state| {
            at(
                page,
                "busbar_numa_memory_bytes",
                &[("numa_node", id), ("state", state)],
            )
        };
        if let Some(text) = read(directory, &format!("{node}/meminfo")) {
            for (key, state) in [("MemTotal:", "total"), ("MemFree:", "free")] {
                let expected = number(&text, key).map(|kibibytes| kibibytes * 1024.0);
                assert_eq!(memory(state), expected, "{name}: {state} of NUMA node {id}");
                checked += usize::from(expected.is_some());
            }
        }
        if let Some(text) = read(directory, &format!("{node}/numastat")) {
            for (key, result) in [
                ("numa_hit", "hit"),
                ("numa_foreign", "foreign"),
                ("other_node", "other"),
            ] {
                let labels = [("numa_node", id), ("result", result)];
                let told = at(page, "busbar_numa_allocations_total", &labels);
                assert_eq!(told, number(&text, key), "{name}: {key} of NUMA node {id}");
                let theirs = at(page, &format!("node_memory_numa_{key}_total"), &[("node", id)]);
                assert_eq!(theirs, told, "{name}: {key} of NUMA node {id}");
                checked += 1;
            }
        }
        for (size, bytes) in [
            ("2048kB", "2097152"),
            ("1048576kB", "1073741824"),
            ("16384kB", "16777216"),
        ] {
            let pages = read(
                directory,
                &format!("{node}/hugepages/hugepages-{size}/nr_hugepages"),
            );
            let expected: Option<f64> = pages.and_then(|pages| pages.trim().parse().ok());
            let labels = [("numa_node", id), ("page_bytes", bytes), ("state", "total")];
            assert_eq!(
                at(page, "busbar_hugepages", &labels),
                expected,
                "{name}: {size} of {id}"
            );
            checked += usize::from(expected.is_some());
        }
    }
    checked
}

#[test]
fn sheets_of_recorded_machines_agree_with_their_files() {
    let Some(shared) = machines::shared() else { return };
    let mut checked = 0;
    for machine in machines::recorded(&shared) {
        let unpacked = machine.unpack();
        let root = Root::at(&unpacked.directory).unwrap();
        for per_cpu in [false, true] {
            let mut sources = Sources::of(&root, &wishes(true, per_cpu), &SOURCES);
            let page = sources.page();
            // A second turn of files that did not change has the same rows.
            let again = sources.page();
            let but_time = |page: &Page| {
                page.keys()
                    .filter(|(name, _)| name != "node_time_seconds")
                    .cloned()
                    .collect::<Vec<_>>()
            };
            assert_eq!(but_time(&page), but_time(&again), "{}", machine.name);
            checked += assert_numa_nodes(&machine.name, &unpacked.directory, &page);
            let Some(meminfo) = read(&unpacked.directory, "proc/meminfo") else {
                continue;
            };
            let total = number(&meminfo, "MemTotal:").map(|kibibytes| kibibytes * 1024.0);
            assert_eq!(
                at(&page, "busbar_memory_bytes", &[("state", "total")]),
                total,
                "{}",
                machine.name
            );
            let lines = meminfo.lines().filter(|line| line.contains(':')).count();
            let told = page
                .keys()
                .filter(|(name, _)| {
                    name.starts_with("node_memory_") && !name.starts_with("node_memory_numa_")
                })
                .count();
            assert_eq!(told, lines, "{}: lines of meminfo that have a name", machine.name);
            assert!(rows(&page, "node_memory_MemTotal_bytes") == 1, "{}", machine.name);
            checked += 1;
        }
    }
    assert!(checked > 100, "only {checked} numbers were there to be checked");
}
