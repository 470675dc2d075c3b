//! Beside node_exporter itself: the same names, labels and numbers on the same files.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use collectors::Root;

use crate::machines;
use crate::page::{Page, Sources, wishes};

/// The program's names, where it is not named by this variable.
const VARIABLE: &str = "BUSBAR_NODE_EXPORTER";
const PROGRAMS: [&str; 3] = ["prometheus-node-exporter", "node_exporter", "node-exporter"];

/// Sources that write its names and read a tree of files.
const SOURCES: [&str; 10] = [
    "cpu",
    "memory",
    "pressure",
    "network",
    "disk_io",
    "cpu_frequency",
    "edac",
    "node",
    "node_parts",
    "node_hwmon",
];

/// Names that are not of the tree: of the exporter itself, of this machine whatever tree is read, or left out by us
/// (docs/metrics-node-names.md says which and why).
const NOT_OF_THE_TREE: [&str; 10] = [
    "node_exporter_build_info",
    "node_scrape_collector_",
    "node_textfile_",
    "node_filesystem_",
    "node_timex_",
    "node_time_",
    "node_uname_info",
    "node_os_",
    "node_selinux_",
    "node_nf_conntrack_stat_",
];

/// How far two numbers may be apart: they are computed in another order (milliseconds times 0.001, or divided by 1000).
const TOLERANCE: f64 = 1e-12;

struct Exporter {
    child: Child,
    address: String,
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(VARIABLE) {
        return Some(PathBuf::from(named));
    }
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path)
        .flat_map(|directory| PROGRAMS.map(|name| directory.join(name)))
        .find(|program| program.is_file());
    if found.is_none() {
        println!("skipped: no node_exporter in the path, and {VARIABLE} names none");
    }
    found
}

impl Exporter {
    fn start(program: &Path, tree: &Path) -> Exporter {
        let mut child = Command::new(program)
            .arg("--web.listen-address=127.0.0.1:0")
            .arg(format!("--path.procfs={}", tree.join("proc").display()))
            .arg(format!("--path.sysfs={}", tree.join("sys").display()))
            // Without it interfaces are this machine's, whatever the tree says.
            .arg("--no-collector.netdev.netlink")
            .arg("--collector.meminfo_numa")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines
            .by_ref()
            .find_map(|line| {
                let line = line.unwrap();
                let address = line.split("address=").nth(1)?;
                line.contains("Listening").then(|| address.trim().to_owned())
            })
            .expect("it says where it listens");
        // What it says later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Exporter { child, address }
    }

    fn scrape(&self) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream
            .write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

/// Series of a page, and the kinds of its families.
fn parse(text: &str) -> (Page, Vec<(String, String)>) {
    let mut page = Page::new();
    let mut kinds = Vec::new();
    for line in text.lines().skip_while(|line| !line.is_empty()) {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            kinds.push((name.to_owned(), kind.to_owned()));
        }
        if line.starts_with('#') || !line.starts_with("node_") {
            continue;
        }
        let (series, number) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let mut pairs: Vec<(String, String)> = labels
            .trim_end_matches('}')
            .split("\",")
            .filter_map(|pair| {
                let (key, value) = pair.split_once("=\"")?;
                Some((key.to_owned(), value.trim_end_matches('"').to_owned()))
            })
            .filter(|(_, value)| !value.is_empty())
            .collect();
        pairs.sort();
        page.insert((name.to_owned(), pairs), number.parse().unwrap());
    }
    (page, kinds)
}

#[test]
fn names_and_numbers_are_those_of_node_exporter() {
    let (Some(program), Some(shared)) = (program(), machines::shared()) else {
        return;
    };
    let keep = tempfile::tempdir().unwrap();
    let tree = keep
        .path()
        .join("host")
        .canonicalize()
        .unwrap_or(keep.path().join("host"));
    let made = Command::new("python3")
        .arg(shared.join("tools/gen_bighost.py"))
        .arg(&tree)
        .arg("256")
        .stdout(Stdio::null())
        .status();
    if !made.is_ok_and(|status| status.success()) {
        println!("skipped: python3 made no tree of a large host");
        return;
    }
    let root = Root::at(&tree).unwrap();
    let ours = Sources::of(&root, &wishes(true, false), &SOURCES).page();
    let (theirs, kinds) = parse(&Exporter::start(&program, &tree).scrape());
    let is_of_the_tree = |name: &str| !NOT_OF_THE_TREE.iter().any(|prefix| name.starts_with(prefix));
    let mut equal = 0;
    let mut wrong = Vec::new();
    for (series, number) in theirs.iter().filter(|((name, _), _)| is_of_the_tree(name)) {
        match ours.get(series) {
            Some(our) if (our - number).abs() <= TOLERANCE * number.abs() => equal += 1,
            other => wrong.push(format!("{series:?}: theirs {number}, ours {other:?}")),
        }
    }
    let is_ours_alone = |(series, _): &(&(String, Vec<_>), &f64)| {
        series.0.starts_with("node_") && is_of_the_tree(&series.0) && !theirs.contains_key(*series)
    };
    wrong.extend(
        ours.iter()
            .filter(is_ours_alone)
            .map(|(series, _)| format!("{series:?}: ours alone")),
    );
    assert!(
        wrong.is_empty(),
        "{} of {}: {:#?}",
        wrong.len(),
        theirs.len(),
        &wrong[..wrong.len().min(20)]
    );
    println!("equal: {equal} of {} series", theirs.len());
    assert!(equal > 7_000, "only {equal} series");
    for family in collectors::roster::families().filter(|family| family.name.starts_with("node_")) {
        let known = kinds.iter().find(|(name, _)| name == family.name);
        let ours = match family.kind {
            facts::metric::Kind::Counter => "counter",
            facts::metric::Kind::Gauge | facts::metric::Kind::Info => "gauge",
            facts::metric::Kind::Untyped => "untyped",
            facts::metric::Kind::Histogram => "histogram",
        };
        assert!(
            known.is_none_or(|(_, theirs)| theirs == ours),
            "{}: {known:?}, ours {ours}",
            family.name
        );
    }
}
