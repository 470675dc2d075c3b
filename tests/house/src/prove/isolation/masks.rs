//! Which CPUs interrupts and the kernel's work queues may use: taken before the first workload, compared after the last.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use super::super::figure::Figure;

/// A directory an interrupt.
const INTERRUPTS: &str = "/proc/irq";
/// The CPUs of an interrupt.
const AFFINITY: &str = "smp_affinity_list";
/// Those of interrupts to come, and of the unbound work queues.
const OTHERS: [&str; 2] = [
    "/proc/irq/default_smp_affinity",
    "/sys/devices/virtual/workqueue/cpumask",
];
/// The last workload may just have ended.
const BACK_WITHIN: Duration = Duration::from_secs(10);

/// What each of these files says; those that cannot be read are left out.
#[derive(Debug, PartialEq, Eq)]
pub struct Masks(BTreeMap<PathBuf, String>);

impl Masks {
    /// As they are now.
    pub fn read() -> Masks {
        let interrupts = fs::read_dir(INTERRUPTS).into_iter().flatten().flatten();
        let files = interrupts
            .map(|entry| entry.path().join(AFFINITY))
            .chain(OTHERS.map(PathBuf::from));
        let says = files.filter_map(|file| {
            let text = fs::read_to_string(&file).ok()?;
            Some((file, text.trim().to_owned()))
        });
        Masks(says.collect())
    }

    /// The first file that says something else now. An interrupt that came or went since is nobody's fault.
    fn differs(&self, now: &Masks) -> Option<String> {
        self.0.iter().find_map(|(file, was)| {
            let is = now.0.get(file).filter(|is| *is != was)?;
            Some(format!("{} said {was} and says {is}", file.display()))
        })
    }

    /// Whether they are again what they were, as soon as they are.
    pub fn figure(&self) -> Figure {
        let begun = Instant::now();
        let mut differs = self.differs(&Masks::read());
        while differs.is_some() && begun.elapsed() < BACK_WITHIN {
            thread::sleep(Duration::from_millis(20));
            differs = self.differs(&Masks::read());
        }
        Figure {
            what: "after the last workload, CPUs of interrupts and of the kernel's work queues".to_owned(),
            verdict: Some(differs.is_none() && !self.0.is_empty()),
            value: differs.unwrap_or_else(|| format!("{} masks, each as it was", self.0.len())),
            target: "as before the first".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named_and_what_went_is_not() {
        let masks = |all: &[(&str, &str)]| {
            let all = all
                .iter()
                .map(|(file, says)| (PathBuf::from(file), (*says).to_owned()));
            Masks(all.collect())
        };
        let before = masks(&[("1", "0-1"), ("2", "0")]);
        assert_eq!(before.differs(&masks(&[("1", "0-1"), ("3", "1")])), None);
        let differs = before.differs(&masks(&[("1", "0"), ("2", "0")]));
        assert_eq!(differs.as_deref(), Some("1 said 0-1 and says 0"));
    }
}
