//! Pressure: how long tasks waited for CPU, memory and I/O (Documentation/accounting/psi.rst).

pub mod families;

use std::time::Duration;

use facts::Sheet;
use facts::observation::{Missing, Observation};
use facts::power::{Pressure, Stall};
use facts::sheet::Pad;

use crate::collector::{CollectError, Collector};
use crate::columns;
use crate::node_names::pressure as n;
use crate::root::{Kept, Root};
use crate::roster::Wishes;
use families as f;

const PRESSURE: &str = "proc/pressure";
/// `irq` came with Linux 6.1 and needs CONFIG_IRQ_TIME_ACCOUNTING; its absence is not worth a word.
const RESOURCES: [&str; 4] = ["cpu", "memory", "io", "irq"];
const EXPECTED: &str = "lines as in \"some avg10=0.00 avg60=0.00 avg300=0.00 total=0\"";
/// Totals are microseconds.
const MICROSECONDS: f64 = 1e6;

/// Reads `/proc/pressure`.
pub struct PressureCollector {
    root: Root,
    wishes: Wishes,
    files: [(&'static str, Kept); RESOURCES.len()],
    buffer: Vec<u8>,
    pad: Pad,
}

impl PressureCollector {
    /// Of this root.
    pub fn new(root: Root, wishes: &Wishes) -> PressureCollector {
        PressureCollector {
            wishes: wishes.clone(),
            files: RESOURCES.map(|resource| (resource, Kept::new(&root, format!("{PRESSURE}/{resource}")))),
            root,
            buffer: Vec::new(),
            pad: Pad::default(),
        }
    }

    /// All resources, and why one of them said nothing.
    fn read(&mut self) -> (Vec<Pressure>, Vec<(&'static str, CollectError)>) {
        let mut pressure = Vec::new();
        let mut silent = Vec::new();
        for (resource, file) in &mut self.files {
            match one(resource, file, &mut self.buffer) {
                Ok(one) => pressure.push(one),
                Err(error) if error.reason == facts::NoData::Absent => {}
                Err(error) => silent.push((*resource, error)),
            }
        }
        (pressure, silent)
    }

    fn write(&mut self, pressure: &[Pressure], silent: usize) -> Sheet {
        let mut sheet = self.pad.begin();
        for _ in 0..silent {
            sheet.invalid();
        }
        let seconds = |stall: &Stall| columns::float(stall.total_microseconds) / MICROSECONDS;
        for one in pressure {
            for (scope, stall) in [("some", &one.some), ("full", &one.full)] {
                let number = stall.as_ref().map(seconds);
                sheet.add(&f::PRESSURE, &[&one.resource, scope], number);
                if !self.wishes.node_names {
                    continue;
                }
                let name = n::NAMES
                    .iter()
                    .find(|(resource, known, _)| *resource == one.resource && *known == scope);
                if let Some((_, _, family)) = name {
                    sheet.add(family, &[], number);
                }
            }
        }
        sheet.finish()
    }
}

fn one(resource: &str, file: &mut Kept, buffer: &mut Vec<u8>) -> Result<Pressure, CollectError> {
    let bytes = file.read(buffer)?;
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    parse(resource, text)
        .ok_or_else(|| CollectError::garbled(&file.shown(), EXPECTED, &String::from_utf8_lossy(bytes)))
}

impl Collector for PressureCollector {
    fn name(&self) -> &'static str {
        "pressure"
    }

    fn beat(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn is_cheap(&self) -> bool {
        true
    }

    fn collect(&mut self) -> Result<Observation, CollectError> {
        let (pressure, mut silent) = self.read();
        if pressure.is_empty() {
            self.root.list(PRESSURE)?;
            // With `psi=0` every file refuses in the same way: one word for the whole source.
            if !silent.is_empty() {
                return Err(silent.remove(0).1);
            }
        }
        let sheet = self.write(&pressure, silent.len());
        let missing: Vec<Missing> = silent
            .into_iter()
            .map(|(resource, error)| error.into_missing(&format!("pressure/{resource}")))
            .collect();
        Ok(Observation {
            pressure: Some(pressure),
            missing,
            sheet: Some(sheet),
            ..Observation::default()
        })
    }
}

/// The lines `some` and `full`; either may be missing (`cpu` had no `full` before 5.13, `irq` has no `some`).
fn parse(resource: &str, text: &str) -> Option<Pressure> {
    let mut pressure = Pressure {
        resource: resource.to_owned(),
        some: None,
        full: None,
    };
    for line in text.lines() {
        let (kind, rest) = line.split_once(' ')?;
        match kind {
            "some" => pressure.some = Some(stall(rest)?),
            "full" => pressure.full = Some(stall(rest)?),
            // A later kernel may add lines; they are not ours to judge.
            _ => {}
        }
    }
    (pressure.some.is_some() || pressure.full.is_some()).then_some(pressure)
}

fn stall(fields: &str) -> Option<Stall> {
    let field = |name: &str| {
        fields
            .split_whitespace()
            .find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
    };
    let share = |name: &str| {
        let percent: f64 = field(name)?.parse().ok()?;
        (0.0..=100.0).contains(&percent).then_some(percent)
    };
    Some(Stall {
        avg10: share("avg10")?,
        avg60: share("avg60")?,
        avg300: share("avg300")?,
        total_microseconds: field("total")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn old_kernels_have_no_full_line_for_cpu() {
        let cpu = parse("cpu", "some avg10=0.05 avg60=0.45 avg300=1.00 total=21166649").unwrap();
        assert_eq!(cpu.some.unwrap().total_microseconds, 21_166_649);
        assert_eq!(cpu.full, None);
    }

    #[test]
    fn what_cannot_be_true_is_no_pressure() {
        for bad in [
            "",
            "some",
            "some avg10=nan avg60=0 avg300=0 total=1",
            "some avg10=101 avg60=0 avg300=0 total=1",
            "full avg10=0 avg60=0 avg300=0",
        ] {
            assert_eq!(parse("cpu", bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_pressure_or_nothing(text in "(some|full|\\PC*)[ =a-z0-9.\\n]*") {
            let _ = parse("io", &text);
        }
    }
}
