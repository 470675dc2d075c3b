//! What happened to pooled drives in this process: erasures by method and end, and how long a drive took from its grant to its node.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use facts::Moment;
use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts};

use super::own::BUCKETS;
use crate::pools::drives::{DriveId, Tenancy};
use crate::rack::event::DriveCause;
use crate::rack::{Event, What};

/// Counts what happens to drives. A clone counts into the same.
#[derive(Clone, Debug)]
pub struct DriveMeter {
    erasures: IntCounterVec,
    attach_seconds: HistogramVec,
    lent: Arc<Mutex<BTreeMap<DriveId, Moment>>>,
}

impl DriveMeter {
    pub(super) fn new() -> prometheus::Result<DriveMeter> {
        let erasures = "busbar_rack_drive_erasures_total";
        let attach = "busbar_rack_drive_attach_seconds";
        Ok(DriveMeter {
            erasures: IntCounterVec::new(Opts::new(erasures, erasures), &["method", "outcome"])?,
            attach_seconds: HistogramVec::new(
                HistogramOpts::new(attach, attach).buckets(BUCKETS.to_vec()),
                &["enclosure"],
            )?,
            lent: Arc::default(),
        })
    }

    pub(super) fn gather(&self) -> Vec<MetricFamily> {
        let all: [&dyn Collector; 2] = [&self.erasures, &self.attach_seconds];
        all.into_iter().flat_map(Collector::collect).collect()
    }

    /// An event happened, whatever it is.
    pub fn happened(&self, event: &Event) {
        let What::DriveChanged(change) = &event.what else {
            return;
        };
        let drive = &change.drive;
        let mut lent = self.lent.lock().unwrap_or_else(PoisonError::into_inner);
        match &change.cause {
            DriveCause::Lent { .. } => {
                lent.insert(drive.id.clone(), event.at);
            }
            // One that was lent before this process began is timed by nobody.
            DriveCause::Attached => {
                let place = drive.seat.as_ref().map(|seat| seat.place.as_str());
                let enclosure = place.and_then(|place| place.split_once('/'));
                if let (Some(since), Some((enclosure, _))) = (lent.remove(&drive.id), enclosure) {
                    let took = event.at.since(since).as_secs_f64();
                    self.attach_seconds.with_label_values(&[enclosure]).observe(took);
                }
            }
            DriveCause::Ending | DriveCause::Pulled { .. } => {
                lent.remove(&drive.id);
            }
            DriveCause::Erased => {
                if let Tenancy::Free { proof } = &drive.tenancy {
                    self.erased(crate::view::erase_method(proof.method).word(), "done");
                }
            }
            // What was tried stands in the reason; which method it was at the end, nobody says.
            DriveCause::NotErased { .. } => self.erased("", "failed"),
            DriveCause::Found
            | DriveCause::Returned
            | DriveCause::Restarted
            | DriveCause::Enrolled
            | DriveCause::GivenUp
            | DriveCause::HoldOver
            | DriveCause::Admitted
            | DriveCause::Fenced
            | DriveCause::Vouched
            | DriveCause::WillFail
            | DriveCause::WillNotFail
            | DriveCause::Resized
            | DriveCause::Worn => {}
        }
    }

    fn erased(&self, method: &str, outcome: &str) {
        self.erasures.with_label_values(&[method, outcome]).inc();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use facts::{Bytes, Identity};

    use super::*;
    use crate::claim::ClaimId;
    use crate::pools::drives::{Drive, EraseMethod, FEWEST_SAMPLES, Holder, Proof, Seat};
    use crate::rack::event::DriveChange;

    fn at(seconds: u64) -> Moment {
        Moment::from_millis(seconds * 1_000)
    }

    fn told(meter: &DriveMeter, cause: DriveCause, drive: &Drive, seconds: u64) {
        let drive = drive.clone();
        let change = What::DriveChanged(Box::new(DriveChange { cause, drive }));
        meter.happened(&Event::new(at(seconds), change));
    }

    /// An erased drive.
    fn free() -> Drive {
        let identity = Identity {
            serial: Some("S1".to_owned()),
            ..Identity::default()
        };
        let seat = Seat {
            place: "jbof/bay-1".to_owned(),
            arrival: 1,
        };
        let found = Drive::found(DriveId::of(&identity).unwrap(), Bytes::new(100), seat, at(1));
        let proof = Proof {
            drive: found.id.clone(),
            method: EraseMethod::Format,
            began: at(3),
            ended: at(4),
            log_page: None,
            samples: FEWEST_SAMPLES,
            dirty: 0,
            written: None,
            asked_by: "ada".to_owned(),
        };
        let wiping = found.enrol("S1", &Vec::new(), "ada", at(2)).unwrap();
        wiping.erased(proof, at(5)).unwrap()
    }

    #[test]
    fn an_attach_is_timed_from_its_grant_and_an_erasure_is_counted_by_its_end() {
        let meter = DriveMeter::new().unwrap();
        let free = free();
        told(&meter, DriveCause::Erased, &free, 5);
        let reason = "it stopped at 99 %".to_owned();
        told(&meter, DriveCause::NotErased { reason }, &free, 6);
        let holder = Holder {
            claim: ClaimId(1),
            purpose: "db".to_owned(),
            tenant: None,
            node: "n01".to_owned(),
        };
        let lent = free.lend(holder, at(10)).unwrap();
        // One that was lent before this process began is timed by nobody.
        told(&meter, DriveCause::Attached, &lent, 11);
        let kept = false;
        told(&meter, DriveCause::Lent { kept, replaces: None }, &lent, 20);
        told(&meter, DriveCause::Attached, &lent, 22);
        // One that left before it was there took no time.
        told(&meter, DriveCause::Lent { kept, replaces: None }, &lent, 30);
        told(&meter, DriveCause::Ending, &lent, 31);
        told(&meter, DriveCause::Attached, &lent, 40);
        let count = |method: &str, outcome: &str| meter.erasures.with_label_values(&[method, outcome]).get();
        assert_eq!((count("format", "done"), count("", "failed")), (1, 1));
        let seconds = meter.attach_seconds.with_label_values(&["jbof"]);
        assert_eq!((seconds.get_sample_count(), seconds.get_sample_sum()), (1, 2.0));
    }
}
