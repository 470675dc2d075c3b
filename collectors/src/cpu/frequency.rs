//! Clocks (`cpufreq/scaling_cur_freq`) and throttles (`thermal_throttle/*_throttle_count`): a file a CPU, so on a beat of its own.
//!
//! Kernels before 5.17 answer `scaling_cur_freq` by waking each CPU and waiting up to 10 ms for it; even where they do not, four
//! files for each of 256 CPUs are 1,024 readings. Both stay out of the scrape.

use std::time::Duration;

use facts::observation::Observation;
use facts::sheet::{Pad, Writing};

use super::families as f;
use super::place::Places;
use crate::collector::{CollectError, Collector};
use crate::columns;
use crate::node_names::frequency as n;
use crate::root::{ReadError, Root};
use crate::roster::Wishes;

const CPU: &str = "sys/devices/system/cpu";
const CURRENT: &str = "cpufreq/scaling_cur_freq";
const CORE_THROTTLES: &str = "thermal_throttle/core_throttle_count";
const PACKAGE_THROTTLES: &str = "thermal_throttle/package_throttle_count";
const CORE_ID: &str = "topology/core_id";

/// cpufreq tells kilohertz.
const HERTZ_OF_KILOHERTZ: f64 = 1000.0;

/// The fastest clock that can be true, in kilohertz: 20 GHz. Drivers that know none write 0, broken firmware writes anything.
const FASTEST: u64 = 20_000_000;

/// One CPU of a turn.
struct One {
    name: String,
    socket: Option<u32>,
    core: Option<u32>,
}

/// Clocks of one socket.
struct Clocks {
    least: u64,
    most: u64,
    sum: u64,
    count: u64,
}

/// Reads cpufreq and thermal_throttle.
pub struct FrequencyCollector {
    root: Root,
    wishes: Wishes,
    pad: Pad,
}

impl FrequencyCollector {
    /// Of this root.
    pub fn new(root: Root, wishes: &Wishes) -> FrequencyCollector {
        FrequencyCollector {
            root,
            wishes: wishes.clone(),
            pad: Pad::default(),
        }
    }

    /// The CPUs that are there, with their sockets and cores.
    fn cpus(&self) -> Result<Vec<One>, ReadError> {
        let places = Places::read(&self.root);
        let names = self.root.list(CPU)?;
        let cpus = names.iter().filter_map(|name| {
            let id: u32 = name.strip_prefix("cpu")?.parse().ok()?;
            let core = number(&self.root, &format!("{CPU}/{name}/{CORE_ID}"));
            Some(One {
                name: id.to_string(),
                socket: places.of(id).socket,
                core: core.and_then(|core| u32::try_from(core).ok()),
            })
        });
        Ok(cpus.collect())
    }
}

/// A whole number in a file; `None` where there is none.
fn number(root: &Root, file: &str) -> Option<u64> {
    let bytes = root.read_bytes(file).ok()?;
    columns::whole(bytes.trim_ascii())
}

fn label(id: Option<u32>) -> String {
    id.map(|id| id.to_string()).unwrap_or_default()
}

impl FrequencyCollector {
    /// Least, mean and most of each socket.
    fn write_clocks(&self, cpus: &[One], sheet: &mut Writing<'_>) -> bool {
        let mut sockets: std::collections::BTreeMap<Option<u32>, Clocks> = Default::default();
        for cpu in cpus {
            let file = format!("{CPU}/cpu{}/{CURRENT}", cpu.name);
            let Ok(bytes) = self.root.read_bytes(&file) else {
                continue;
            };
            // `<unknown>` of a CPU whose driver cannot tell; 0 of one that sleeps in firmware.
            let kilohertz = columns::whole(bytes.trim_ascii()).filter(|clock| (1..=FASTEST).contains(clock));
            let Some(kilohertz) = kilohertz else {
                sheet.invalid();
                continue;
            };
            let clocks = sockets.entry(cpu.socket).or_insert(Clocks {
                least: u64::MAX,
                most: 0,
                sum: 0,
                count: 0,
            });
            clocks.least = clocks.least.min(kilohertz);
            clocks.most = clocks.most.max(kilohertz);
            clocks.sum = clocks.sum.saturating_add(kilohertz);
            clocks.count += 1;
            if self.wishes.per_cpu {
                let hertz = columns::float(kilohertz) * HERTZ_OF_KILOHERTZ;
                sheet.add(&f::FREQUENCY, &[&label(cpu.socket), &cpu.name, ""], Some(hertz));
            }
        }
        for (socket, clocks) in &sockets {
            let mean = columns::float(clocks.sum) / columns::float(clocks.count);
            let stats = [
                ("min", columns::float(clocks.least)),
                ("avg", mean),
                ("max", columns::float(clocks.most)),
            ];
            for (stat, kilohertz) in stats {
                let hertz = kilohertz * HERTZ_OF_KILOHERTZ;
                sheet.add(&f::FREQUENCY, &[&label(*socket), "", stat], Some(hertz));
            }
        }
        !sockets.is_empty()
    }

    /// A core's count is told by each of its CPUs, a package's by all of them: each is taken once, from its first CPU.
    fn write_throttles(&self, cpus: &[One], sheet: &mut Writing<'_>) -> bool {
        use std::collections::{BTreeMap, BTreeSet};
        let mut cores: BTreeSet<(Option<u32>, u32)> = BTreeSet::new();
        let mut by_core: BTreeMap<Option<u32>, u64> = BTreeMap::new();
        let mut by_package: BTreeMap<Option<u32>, u64> = BTreeMap::new();
        // In the order of their names, as node_exporter takes them: siblings may differ.
        let mut by_name: Vec<&One> = cpus.iter().collect();
        by_name.sort_by(|one, other| one.name.cmp(&other.name));
        for cpu in by_name {
            let directory = format!("{CPU}/cpu{}", cpu.name);
            let is_first = cpu.core.is_none_or(|core| cores.insert((cpu.socket, core)));
            if is_first && let Some(count) = number(&self.root, &format!("{directory}/{CORE_THROTTLES}")) {
                let sum = by_core.entry(cpu.socket).or_default();
                *sum = sum.saturating_add(count);
                if let (true, Some(core)) = (self.wishes.node_names, cpu.core) {
                    let labels = [&*core.to_string(), &label(cpu.socket)];
                    sheet.add(&n::CORE_THROTTLES, &labels, Some(count));
                }
            }
            if !by_package.contains_key(&cpu.socket)
                && let Some(count) = number(&self.root, &format!("{directory}/{PACKAGE_THROTTLES}"))
            {
                by_package.insert(cpu.socket, count);
            }
        }
        for (scope, counts) in [("core", &by_core), ("package", &by_package)] {
            for (socket, count) in counts {
                sheet.add(&f::THROTTLES, &[&label(*socket), scope], Some(*count));
            }
        }
        if self.wishes.node_names {
            for (socket, count) in &by_package {
                sheet.add(&n::PACKAGE_THROTTLES, &[&label(*socket)], Some(*count));
            }
        }
        !by_core.is_empty() || !by_package.is_empty()
    }
}

impl Collector for FrequencyCollector {
    fn name(&self) -> &'static str {
        "cpu_frequency"
    }

    fn beat(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn subsystems(&self) -> &'static [&'static str] {
        &["cpu"]
    }

    fn collect(&mut self) -> Result<Observation, CollectError> {
        let cpus = self.cpus()?;
        let mut pad = std::mem::take(&mut self.pad);
        let mut sheet = pad.begin();
        let has_clocks = self.write_clocks(&cpus, &mut sheet);
        let has_throttles = self.write_throttles(&cpus, &mut sheet);
        if self.wishes.node_names {
            for cpu in &cpus {
                n::write(
                    &self.root,
                    &format!("{CPU}/cpu{}/cpufreq", cpu.name),
                    &cpu.name,
                    &mut sheet,
                );
            }
        }
        let sheet = sheet.finish();
        self.pad = pad;
        if !has_clocks && !has_throttles {
            let message = format!(
                "no CPU below {} tells its clock or its throttles; a virtual machine's do not",
                self.root.shown(CPU).display()
            );
            return Err(CollectError::new(facts::NoData::Absent, message));
        }
        Ok(Observation {
            sheet: Some(sheet),
            ..Observation::default()
        })
    }
}
