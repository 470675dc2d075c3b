//! Pressure: how long tasks waited for CPU, memory and I/O (Documentation/accounting/psi.rst).

use std::time::Duration;

use facts::observation::Observation;
use facts::power::{Pressure, Stall};

use crate::collector::{CollectError, Collector};
use crate::root::Root;

const PRESSURE: &str = "proc/pressure";
/// `irq` came with Linux 6.1 and needs CONFIG_IRQ_TIME_ACCOUNTING; its absence is not worth a word.
const RESOURCES: [&str; 4] = ["cpu", "memory", "io", "irq"];

/// Reads `/proc/pressure`.
pub struct PressureCollector {
    root: Root,
}

impl PressureCollector {
    /// Of this root.
    pub fn new(root: Root) -> PressureCollector {
        PressureCollector { root }
    }

    fn one(&self, resource: &str) -> Result<Pressure, CollectError> {
        let file = format!("{PRESSURE}/{resource}");
        let text = self.root.read(&file)?;
        parse(resource, &text).ok_or_else(|| {
            CollectError::garbled(
                &self.root.shown(&file),
                "lines as in \"some avg10=0.00 avg60=0.00 avg300=0.00 total=0\"",
                &text,
            )
        })
    }
}

impl Collector for PressureCollector {
    fn name(&self) -> &'static str {
        "pressure"
    }

    fn beat(&self) -> Duration {
        Duration::from_secs(2)
    }

    fn collect(&mut self) -> Result<Observation, CollectError> {
        self.root.list(PRESSURE)?;
        let mut pressure = Vec::new();
        let mut missing = Vec::new();
        let mut first = None;
        for resource in RESOURCES {
            match self.one(resource) {
                Ok(one) => pressure.push(one),
                Err(error) if error.reason == facts::NoData::Absent => {}
                Err(error) if first.is_none() => first = Some((resource, error)),
                Err(error) => missing.push(error.into_missing(&format!("pressure/{resource}"))),
            }
        }
        if let Some((resource, error)) = first {
            // With `psi=0` every file refuses in the same way: one word for the whole source.
            if pressure.is_empty() {
                return Err(error);
            }
            missing.insert(0, error.into_missing(&format!("pressure/{resource}")));
        }
        Ok(Observation {
            pressure: Some(pressure),
            missing,
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
