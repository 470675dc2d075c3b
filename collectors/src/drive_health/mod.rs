//! How drives feel: the NVMe health log, SMART of SATA drives, log pages of SAS drives, each asked of the drive itself.
//!
//! **Invariant**: a drive is only read, never written and never woken: a disk that sleeps says `off`. A drive that hangs costs one
//! thread until the kernel lets it go, is named (`drive_health/nvme0`, `timeout`), and neither silences nor delays another one
//! beyond one deadline.
//!
//! **How a test makes a drive hang, with nothing of ours replaced.** On a real kernel: QEMU's
//! `qom-set /machine/peripheral/ID realized=false` silences an NVMe controller, and the ioctl blocks until the kernel's own
//! timeout (tests/lab/drives.sh). Without one: below a recorded root (`busbar-agent run --root`) the pages of a drive are files,
//! `busbar/drives/nvme0/health_log`, opened by that drive's own thread without O_NONBLOCK. A FIFO there blocks in open(2) for as
//! long as nobody writes to it, in the same thread and under the same deadline as an ioctl that hangs.

mod asking;
mod ata;
mod device;
mod families;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
mod ioctl;
mod nvme;
mod page;
pub mod recording;
mod rows;
mod scsi;
mod statistics;
mod target;
mod told;

use std::time::Duration;

use facts::observation::Observation;
use facts::{NoData, Pad};

use crate::collector::{CollectError, Collector};
use crate::root::Root;
use asking::Asking;
use told::Told;

pub use families::TABLE;
pub use page::RECORDED;

/// Asks each drive that keeps a log of its own.
pub struct DriveHealthCollector {
    root: Root,
    asking: Asking,
    pad: Pad,
}

impl DriveHealthCollector {
    /// Of this root.
    pub fn new(root: Root) -> DriveHealthCollector {
        DriveHealthCollector {
            root,
            asking: Asking::default(),
            pad: Pad::default(),
        }
    }
}

impl Collector for DriveHealthCollector {
    fn name(&self) -> &'static str {
        "drive_health"
    }

    fn beat(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn subsystems(&self) -> &'static [&'static str] {
        &["nvme", "block"]
    }

    fn collect(&mut self) -> Result<Observation, CollectError> {
        let targets = target::all(&self.root)?;
        if targets.is_empty() {
            let message = if self.root.is_host() {
                "no drive that keeps a health log (NVMe, SATA, SAS)".to_owned()
            } else {
                format!("this recorded machine has no pages of drives in {RECORDED}")
            };
            return Err(CollectError::new(NoData::Absent, message));
        }
        let answers = self.asking.turn(&self.root, &targets);
        if let Some(refused) = refused_by_all(&answers) {
            return Err(refused);
        }
        let (mut told, mut missing, mut broken) = (Vec::new(), Vec::new(), 0_u64);
        for (target, answer) in answers {
            match answer {
                Ok(said) => told.push((target, said)),
                Err(error) => {
                    broken += u64::from(error.reason == NoData::Garbled);
                    missing.push(error.into_missing(&format!("{}/{}", self.name(), target.name)));
                }
            }
        }
        Ok(Observation {
            doubts: told
                .iter()
                .filter_map(|(target, said)| said.doubt(target))
                .collect(),
            sheet: Some(rows::sheet(&mut self.pad, &told, broken)),
            drive_health: Some(told.into_iter().map(|(_, said)| said.health).collect()),
            missing,
            ..Observation::default()
        })
    }
}

/// Where no drive may be asked at all, the source as a whole is refused, with one reason and not one a drive.
fn refused_by_all(answers: &[(target::Target, Result<Told, CollectError>)]) -> Option<CollectError> {
    let mut first = None;
    for (_, answer) in answers {
        match answer {
            Err(error) if error.reason == NoData::Refused => first = first.or(Some(error)),
            Err(_) | Ok(_) => return None,
        }
    }
    first.map(|error| CollectError::new(NoData::Refused, error.explain()))
}
