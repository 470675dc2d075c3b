//! The source `node_parts`: node_exporter's `netclass`, `nvme`, `rapl` and `udp_queues`. Drivers answer some of these, and the
//! kernel walks its whole table of UDP sockets for the last, so it has a beat of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use facts::observation::Observation;
use facts::sheet::{Pad, Writing};
use facts::{Family, NoData};

use super::network::{LEFT_OUT, class};
use super::procfs::write_udp;
use super::select::float;
use crate::collector::{CollectError, Collector};
use crate::columns;
use crate::root::Root;

facts::families! {
    NVME_INFO Info "node_nvme_info" ["device", "firmware_revision", "model", "serial", "state"]
        "What an NVMe controller is; always 1." from "sysfs nvme";
    RAPL_PACKAGE Counter "node_rapl_package_joules_total" ["index", "path"]
        "Energy of a package, as the kernel counts it, with its wraps." from "powercap";
    RAPL_CORE Counter "node_rapl_core_joules_total" ["index", "path"]
        "Energy of a package's cores, as the kernel counts it, with its wraps." from "powercap";
    RAPL_UNCORE Counter "node_rapl_uncore_joules_total" ["index", "path"]
        "Energy of a package's rest, as the kernel counts it, with its wraps." from "powercap";
    RAPL_DRAM Counter "node_rapl_dram_joules_total" ["index", "path"]
        "Energy of a package's memory, as the kernel counts it, with its wraps." from "powercap";
    RAPL_PSYS Counter "node_rapl_psys_joules_total" ["index", "path"]
        "Energy of the platform, as the kernel counts it, with its wraps." from "powercap";
}

const NET: &str = "sys/class/net";
const NVME: &str = "sys/class/nvme";
const POWERCAP: &str = "sys/class/powercap";
const ZONE: &str = "intel-rapl";
/// Sockets with their queues, and the family that the name says.
const UDP: [(&str, &str); 2] = [("proc/net/udp", "v4"), ("proc/net/udp6", "v6")];

/// Bytes a second of one megabit a second.
const BYTES_OF_MEGABIT: f64 = 125_000.0;
const MICROJOULES: f64 = 1e6;

/// Zones by their names.
const ZONES: [(&str, &Family); 5] = [
    ("package", &RAPL_PACKAGE),
    ("core", &RAPL_CORE),
    ("uncore", &RAPL_UNCORE),
    ("dram", &RAPL_DRAM),
    ("psys", &RAPL_PSYS),
];

/// Reads sysfs.
pub struct PartsCollector {
    root: Root,
    pad: Pad,
}

impl PartsCollector {
    /// Of this root.
    pub fn new(root: Root) -> PartsCollector {
        PartsCollector {
            root,
            pad: Pad::default(),
        }
    }

    fn text(&self, file: &str) -> String {
        let bytes = self.root.read_bytes(file).unwrap_or_default();
        String::from_utf8_lossy(bytes.trim_ascii()).into_owned()
    }

    /// A number, decimal or after `0x`; `None` where the driver gives none.
    fn number(&self, file: &str) -> Option<f64> {
        let bytes = self.root.read_bytes(file).ok()?;
        let text = bytes.trim_ascii();
        if text.starts_with(b"0x") {
            return columns::hexadecimal(text).map(columns::float);
        }
        columns::signed(text).map(float)
    }

    fn write_interface(&self, device: &str, sheet: &mut Writing<'_>) {
        let directory = format!("{NET}/{device}");
        let word = |file: &str| self.text(&format!("{directory}/{file}"));
        let operstate = word("operstate");
        let words = ["address", "broadcast", "duplex", "ifalias"].map(word);
        let [address, broadcast, duplex, alias] = words.each_ref().map(String::as_str);
        let labels = [address, broadcast, device, duplex, alias, &operstate];
        sheet.add(&class::INFO, &labels, Some(1_u64));
        sheet.add(&class::UP, &[device], Some(operstate == "up"));
        for (family, file) in class::NUMBERS {
            if device == LEFT_OUT && std::ptr::eq(family, &class::NO_HANDLER) {
                continue;
            }
            if let Some(number) = self.number(&format!("{directory}/{file}")) {
                sheet.add(family, &[device], Some(number));
            }
        }
        // -1 of a link that is down is no speed; node_exporter shows it as -125000.
        let speed = self
            .number(&format!("{directory}/speed"))
            .filter(|speed| *speed >= 0.0);
        if let Some(megabits) = speed {
            sheet.add(&class::SPEED, &[device], Some(megabits * BYTES_OF_MEGABIT));
        }
    }

    fn write_zones(&self, sheet: &mut Writing<'_>) {
        let mut uses: BTreeMap<String, u32> = BTreeMap::new();
        for zone in self.root.list(POWERCAP).unwrap_or_default() {
            if !zone.starts_with(ZONE) {
                continue;
            }
            let directory = format!("{POWERCAP}/{zone}");
            let name = self.text(&format!("{directory}/name"));
            // `package-1` carries its index; of the others each name is counted.
            let named = name
                .split_once('-')
                .and_then(|(name, index)| Some((name, index.parse::<u32>().ok()?)));
            let (name, index) = named.unwrap_or_else(|| {
                let count = uses.entry(name.clone()).or_default();
                *count += 1;
                (&name, *count - 1)
            });
            let Some((_, family)) = ZONES.iter().find(|(known, _)| *known == name) else {
                continue;
            };
            // A counter below zero is a driver's fault and no energy.
            let energy = self.number(&format!("{directory}/energy_uj"));
            let Some(energy) = energy.filter(|energy| *energy >= 0.0) else {
                continue;
            };
            let path = self.root.shown(&directory);
            let labels = [&*index.to_string(), &path.to_string_lossy()];
            sheet.add(family, &labels, Some(energy / MICROJOULES));
        }
    }
}

impl Collector for PartsCollector {
    fn name(&self) -> &'static str {
        "node_parts"
    }

    fn beat(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn subsystems(&self) -> &'static [&'static str] {
        &["net", "nvme", "powercap"]
    }

    fn collect(&mut self) -> Result<Observation, CollectError> {
        if self.root.is_nothing() {
            return Err(CollectError::new(NoData::Absent, "there is no /sys"));
        }
        let mut pad = std::mem::take(&mut self.pad);
        let mut sheet = pad.begin();
        for device in self.root.list(NET).unwrap_or_default() {
            // `bonding_masters` is a file among the interfaces.
            if self.root.has(&format!("{NET}/{device}/ifindex")) {
                self.write_interface(&device, &mut sheet);
            }
        }
        for device in self.root.list(NVME).unwrap_or_default() {
            let words = ["firmware_rev", "model", "serial", "state"];
            let words = words.map(|file| self.text(&format!("{NVME}/{device}/{file}")));
            let [firmware, model, serial, state] = words.each_ref().map(String::as_str);
            sheet.add(
                &NVME_INFO,
                &[&device, firmware, model, serial, state],
                Some(1_u64),
            );
        }
        self.write_zones(&mut sheet);
        for (file, ip) in UDP {
            if let Ok(text) = self.root.read_bytes(file) {
                write_udp(&text, ip, &mut sheet);
            }
        }
        let sheet = sheet.finish();
        self.pad = pad;
        Ok(Observation {
            sheet: Some(sheet),
            ..Observation::default()
        })
    }
}
