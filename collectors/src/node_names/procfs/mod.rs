//! The source `node`: what node_exporter reads of the kernel's own memory and no other source of ours does.

pub(super) mod families;
mod lines;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use facts::observation::Observation;
use facts::sheet::{Pad, Writing};
use facts::{Family, NoData};

use super::chosen::Chosen;
use super::keyed::named;
use super::select::Select;
use super::sockets::Sockets;
use super::{netstat, timex};
use crate::collector::{CollectError, Collector};
use crate::columns;
use crate::root::{Kept, Root};
use families as f;
use lines::Labels;
pub(super) use lines::write_udp;

/// How often it is asked when nobody scrapes, and how long what an admin sets is taken as it was.
const BEAT: Duration = Duration::from_secs(10);
const CLOCK: &str = "sys/devices/system/clocksource/clocksource0";
/// The kernel's names, in the order of the labels.
const NAMES: [&str; 6] = ["ostype", "osrelease", "version", "arch", "hostname", "domainname"];
const MACHINE: usize = 3;
/// Files that hold one number.
const NUMBERS: [(&str, &Family); 4] = [
    ("proc/sys/kernel/random/entropy_avail", &f::ENTROPY),
    ("proc/sys/kernel/random/poolsize", &f::ENTROPY_POOL),
    ("proc/sys/net/netfilter/nf_conntrack_count", &f::CONNTRACK),
    ("proc/sys/net/netfilter/nf_conntrack_max", &f::CONNTRACK_LIMIT),
];

/// Reads the files.
pub struct KernelCollector {
    root: Root,
    load: Kept,
    softnet: Kept,
    schedstat: Kept,
    files: Kept,
    numbers: Vec<(Kept, &'static Family)>,
    arp: Kept,
    snmp: [(Kept, Select); 2],
    snmp6: (Kept, Chosen),
    vmstat: (Kept, Chosen),
    sockstat: [(Kept, Sockets); 2],
    names: Vec<Kept>,
    clocks: [Kept; 2],
    labels: Labels,
    buffer: Vec<u8>,
    pad: Pad,
    names_read_at: Option<Instant>,
    words: [String; NAMES.len()],
    clock_words: [Vec<u8>; 2],
}

impl KernelCollector {
    /// Of this root.
    pub fn new(root: Root) -> KernelCollector {
        let kept = |file: &str| Kept::new(&root, file);
        KernelCollector {
            load: kept("proc/loadavg"),
            softnet: kept("proc/net/softnet_stat"),
            schedstat: kept("proc/schedstat"),
            files: kept("proc/sys/fs/file-nr"),
            numbers: NUMBERS
                .iter()
                .map(|(file, family)| (kept(file), *family))
                .collect(),
            arp: kept("proc/net/arp"),
            snmp: ["proc/net/netstat", "proc/net/snmp"].map(|file| (kept(file), Select::default())),
            snmp6: (kept("proc/net/snmp6"), Chosen::default()),
            vmstat: (kept("proc/vmstat"), Chosen::default()),
            sockstat: ["proc/net/sockstat", "proc/net/sockstat6"]
                .map(|file| (kept(file), Sockets::default())),
            names: NAMES
                .iter()
                .map(|name| kept(&format!("proc/sys/kernel/{name}")))
                .collect(),
            clocks: ["current_clocksource", "available_clocksource"]
                .map(|file| kept(&format!("{CLOCK}/{file}"))),
            names_read_at: None,
            words: Default::default(),
            clock_words: Default::default(),
            labels: Labels::default(),
            buffer: Vec::new(),
            pad: Pad::default(),
            root,
        }
    }

    /// Files of a few lines; those that are missing are no word worth, a machine has them or not.
    fn write_small(&mut self, sheet: &mut Writing<'_>) {
        let buffer = &mut self.buffer;
        if let Ok(text) = self.load.read(buffer) {
            lines::write_load(text, sheet);
        }
        if let Ok(text) = self.files.read(buffer) {
            let mut numbers = columns::words(text.trim_ascii()).map(columns::whole);
            sheet.add(&f::FILES_ALLOCATED, &[], numbers.next().flatten());
            sheet.add(&f::FILES_MAXIMUM, &[], numbers.nth(1).flatten());
        }
        for (file, family) in &mut self.numbers {
            if let Ok(number) = file.number(buffer) {
                sheet.add(family, &[], number);
            }
        }
        if let Ok(text) = self.arp.read(buffer) {
            self.labels.write_arp(text, sheet);
        }
        for (file, sockets) in &mut self.sockstat {
            if let Ok(text) = file.read(buffer) {
                sockets.write(text, sheet);
            }
        }
    }

    fn write_keyed(&mut self, sheet: &mut Writing<'_>) {
        for (file, select) in &mut self.snmp {
            if let Ok(text) = file.read(&mut self.buffer) {
                select.write(text, sheet);
            }
        }
        let is_fixed = self.root.is_host();
        let (file, chosen) = &mut self.snmp6;
        if let Ok(text) = file.read(&mut self.buffer) {
            // `Udp6InErrors`: the name begins behind the six.
            let find = |key: &str| {
                let (protocol, name) = key.split_at(key.find('6')? + 1);
                named(netstat::TABLE, &format!("node_netstat_{protocol}_{name}"))
            };
            chosen.write(text, is_fixed, find, sheet);
        }
        let (file, chosen) = &mut self.vmstat;
        if let Ok(text) = file.read(&mut self.buffer) {
            let find = |key: &str| named(netstat::TABLE, &format!("node_vmstat_{key}"));
            chosen.write(text, is_fixed, find, sheet);
        }
    }

    fn write_cpus(&mut self, sheet: &mut Writing<'_>) {
        if let Ok(text) = self.softnet.read(&mut self.buffer) {
            self.labels.write_softnet(text, sheet);
        }
        if let Ok(text) = self.schedstat.read(&mut self.buffer) {
            lines::write_schedstat(text, sheet);
        }
    }

    /// Reads what changes when an admin changes it: on the beat, not for each scrape.
    fn read_names(&mut self) {
        if self.names_read_at.is_some_and(|at| at.elapsed() < BEAT) {
            return;
        }
        self.names_read_at = Some(Instant::now());
        let words = &mut self.words;
        for (word, file) in words.iter_mut().zip(&mut self.names) {
            word.clear();
            if let Ok(text) = file.read(&mut self.buffer) {
                *word = String::from_utf8_lossy(text.trim_ascii()).into_owned();
            }
        }
        if self.root.is_host() && words.get(MACHINE).is_some_and(String::is_empty) {
            // Kernels before 6.1 have no file for it.
            let machine =
                nix::sys::utsname::uname().map(|name| name.machine().to_string_lossy().into_owned());
            if let (Ok(machine), Some(word)) = (machine, words.get_mut(MACHINE)) {
                *word = machine;
            }
        }
        for (text, file) in self.clock_words.iter_mut().zip(&mut self.clocks) {
            text.clear();
            text.extend_from_slice(file.read(&mut self.buffer).unwrap_or_default());
        }
    }

    fn write_names(&mut self, sheet: &mut Writing<'_>) {
        self.read_names();
        let labels = self.words.each_ref().map(String::as_str);
        let is_known = labels.iter().any(|label| !label.is_empty());
        if is_known {
            sheet.add(&f::UNAME, &labels, Some(1_u64));
        }
        let [current, available] = &self.clock_words;
        for (text, family) in [(current, &f::CLOCKSOURCE), (available, &f::CLOCKSOURCES)] {
            for clock in columns::words(text.trim_ascii()).filter_map(columns::name) {
                sheet.add(family, &["0", clock], Some(1_u64));
            }
        }
        // The clock and the kernel's discipline of it are this machine's, whatever tree is read.
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        sheet.add(&f::TIME, &[], now.ok().map(|now| now.as_secs_f64()));
        if self.root.is_host() {
            timex::write(sheet);
        }
    }
}

impl Collector for KernelCollector {
    fn name(&self) -> &'static str {
        "node"
    }

    fn beat(&self) -> Duration {
        BEAT
    }

    fn is_cheap(&self) -> bool {
        true
    }

    fn collect(&mut self) -> Result<Observation, CollectError> {
        if self.root.is_nothing() {
            return Err(CollectError::new(NoData::Absent, "there is no /proc"));
        }
        let mut pad = std::mem::take(&mut self.pad);
        let mut sheet = pad.begin();
        self.write_small(&mut sheet);
        self.write_keyed(&mut sheet);
        self.write_cpus(&mut sheet);
        self.write_names(&mut sheet);
        let sheet = sheet.finish();
        self.pad = pad;
        Ok(Observation {
            sheet: Some(sheet),
            ..Observation::default()
        })
    }
}
