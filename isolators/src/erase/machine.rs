//! The order of things in an erasure: what is done next, given what the drive and the disk have answered. Pure.
//!
//! Before each method: what stands at the samples is known, the method is on disk, the drive has told once more who it is. After it: the
//! drive's own word that it is done, then the samples, then the outcome on disk. A method that does not do leaves a sentence, and the next
//! one takes its turn; after the last one the drive is not erased, and that is said. There is no way from here to "done" but through
//! [`Answer::ReadBack`].

use std::time::Duration;

use facts::Moment;

use super::nvme::{SanitizeLog, Sanitized, sanitize_order};
use super::record::Record;
use super::sample::{FEWEST, Sample};
use super::{Erasing, Method, State};
use crate::fabric::DriveIdentity;

/// A sanitize that has not come further for so many times its own estimate has stopped.
const STALLS_AFTER: u32 = 4;
/// The least that counts as an estimate: drives tell whole seconds, and 0 or 1 for a crypto erase.
const LEAST_ESTIMATE: Duration = Duration::from_secs(60);
/// In the place of an estimate, where the drive tells none: the standard lets it.
const NO_ESTIMATE: Duration = Duration::from_secs(3_600);
/// How often in a row, once a second, a drive may fail to say how far it is: a reset may take a controller 127 s (CAP.TO).
const MOST_TROUBLES: u32 = 130;

/// What is done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Look what stands at places all over the drive, and choose samples.
    Fingerprint,
    /// Keep the record.
    Note,
    /// Ask the drive who it is, and the host who uses it.
    Know,
    /// Give the order that destroys.
    Start(Method),
    /// Ask how far it is.
    Look(Method),
    /// Bring the drive back from the failure of a sanitize.
    LeaveFailureMode,
    /// Ask the drive who it is, and read the samples.
    ReadBack(Method),
    /// Nothing is left to do.
    Rest,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// These are the samples.
    Fingerprinted(Vec<Sample>),
    /// It is on disk.
    Noted,
    /// It is the very drive, and nobody uses it.
    Known,
    /// The drive has taken the order.
    Taken,
    /// The drive has refused the order, and nothing was done.
    Refused(String),
    /// The drive's log of its sanitize.
    Log(Box<SanitizeLog>),
    /// It runs, so far in thousandths.
    Going(Option<u16>),
    /// It is done, says the drive.
    Ended,
    /// It has ended in an error.
    Broke(String),
    /// The failure mode is left.
    Left,
    /// What was read back.
    ReadBack(Box<Proven>),
    /// There is no answer, or not one of these.
    Trouble(String),
}

/// What was read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proven {
    pub(crate) drive: DriveIdentity,
    pub(crate) samples: u32,
    pub(crate) dirty: u32,
    pub(crate) written: Option<u64>,
}

/// What follows when the record is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Know,
    Look,
    Rest,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Fingerprinting,
    Noting(Then),
    Knowing { resumes: bool },
    Starting,
    Looking(Watch),
    Leaving,
    ReadingBack { ended: Moment, log_page: Option<String> },
    Over,
}

/// How it comes on; `resumes`: somebody before us may have given the order.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Watch {
    resumes: bool,
    permille: Option<u16>,
    /// The drive's own measure when it was last seen to come on, and when that was.
    progress: u16,
    moved: Moment,
    troubles: u32,
}

impl Watch {
    const fn new(resumes: bool, now: Moment) -> Watch {
        Watch {
            resumes,
            permille: None,
            progress: 0,
            moved: now,
            troubles: 0,
        }
    }
}

/// An erasure.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    record: Record,
    phase: Phase,
}

impl Machine {
    /// One that begins. The record has at least one method.
    pub(crate) const fn begin(record: Record) -> Machine {
        Machine {
            record,
            phase: Phase::Fingerprinting,
        }
    }

    /// One that somebody began before us.
    pub(crate) fn resume(record: Record) -> Machine {
        let phase = match record.outcome {
            Some(_) => Phase::Over,
            None => Phase::Knowing { resumes: true },
        };
        Machine { record, phase }
    }

    /// What is under way, as it is to be kept.
    pub(crate) const fn record(&self) -> &Record {
        &self.record
    }

    fn method(&self) -> Method {
        // The last resort stands for "none" only where a record has no methods, which none of ours has.
        self.record.methods.first().copied().unwrap_or(Method::Overwrite)
    }

    /// What is done next.
    pub(crate) fn next(&self) -> Order {
        let method = self.method();
        match &self.phase {
            Phase::Fingerprinting => Order::Fingerprint,
            Phase::Noting(_) => Order::Note,
            Phase::Knowing { .. } => Order::Know,
            Phase::Starting => Order::Start(method),
            Phase::Looking(_) => Order::Look(method),
            Phase::Leaving => Order::LeaveFailureMode,
            Phase::ReadingBack { .. } => Order::ReadBack(method),
            Phase::Over => Order::Rest,
        }
    }

    /// How it stands, for whoever asks.
    pub(crate) fn erasing(&self) -> Erasing {
        if let Some(outcome) = &self.record.outcome {
            return outcome.clone();
        }
        let permille = match &self.phase {
            Phase::Looking(watch) => watch.permille,
            Phase::Fingerprinting
            | Phase::Noting(_)
            | Phase::Knowing { .. }
            | Phase::Starting
            | Phase::Leaving
            | Phase::ReadingBack { .. }
            | Phase::Over => None,
        };
        self.as_it(State::Running { permille })
    }

    fn as_it(&self, state: State) -> Erasing {
        Erasing {
            method: self.method(),
            began: self.record.began,
            refused: self.record.refused.clone(),
            state,
        }
    }

    /// Takes what came of the last order.
    pub(crate) fn take(&mut self, answer: Answer, now: Moment) {
        let phase = self.phase.clone();
        self.phase = match (phase, answer) {
            (Phase::Fingerprinting, Answer::Fingerprinted(samples)) if samples.len() >= FEWEST => {
                self.record.samples = samples;
                Phase::Noting(Then::Know)
            }
            (Phase::Fingerprinting, Answer::Fingerprinted(samples)) => self.failed(format!(
                "only {} places of it could be looked at; expected {FEWEST} at least: is it as large as it says?",
                samples.len()
            )),
            (Phase::Noting(Then::Know), Answer::Noted) => Phase::Knowing { resumes: false },
            (Phase::Noting(Then::Look), Answer::Noted) => Phase::Looking(Watch::new(false, now)),
            // What cannot be kept is told nevertheless: whoever comes after begins anew, which does no harm.
            (Phase::Noting(Then::Rest), _) => Phase::Over,
            (Phase::Knowing { resumes: true }, Answer::Known) if self.runs_by_itself() => {
                Phase::Looking(Watch::new(true, now))
            }
            (Phase::Knowing { .. }, Answer::Known) => {
                self.record.taken = false;
                Phase::Starting
            }
            (Phase::Starting, Answer::Taken) => {
                self.record.taken = true;
                Phase::Noting(Then::Look)
            }
            (Phase::Starting, Answer::Refused(why)) => self.another(&why),
            (Phase::Looking(watch), answer) => self.looked(watch, answer, now),
            (Phase::Leaving, Answer::Left) => self.or_fail(),
            (Phase::Leaving, Answer::Refused(why) | Answer::Trouble(why)) => {
                let note = format!("it does not come back from the failure of its sanitize: {why}");
                self.record.refused.push(note);
                self.or_fail()
            }
            (Phase::ReadingBack { ended, log_page }, Answer::ReadBack(proven)) => {
                let Proven { drive, samples, dirty, written } = *proven;
                self.over(State::Done {
                    ended,
                    drive,
                    log_page,
                    samples,
                    dirty,
                    written,
                })
            }
            (Phase::Over, _) => Phase::Over,
            (_, Answer::Trouble(why) | Answer::Refused(why) | Answer::Broke(why)) => self.failed(why),
            (phase, answer) => self.failed(format!("{answer:?} is no answer while {phase:?}")),
        };
    }

    /// Whether the drive goes on by itself, also over a loss of power.
    fn runs_by_itself(&self) -> bool {
        sanitize_order(self.method()).is_some()
    }

    fn looked(&mut self, mut watch: Watch, answer: Answer, now: Moment) -> Phase {
        match answer {
            Answer::Log(log) => self.log_said(watch, &log, now),
            Answer::Going(permille) => {
                watch.permille = permille;
                watch.troubles = 0;
                Phase::Looking(watch)
            }
            Answer::Ended => Phase::ReadingBack {
                ended: now,
                log_page: None,
            },
            Answer::Broke(why) | Answer::Refused(why) => self.another(&why),
            Answer::Trouble(why) => {
                watch.troubles = watch.troubles.saturating_add(1);
                if watch.troubles >= MOST_TROUBLES {
                    return self.failed(format!("it does not say how far it is: {why}"));
                }
                Phase::Looking(watch)
            }
            Answer::Fingerprinted(_)
            | Answer::Noted
            | Answer::Known
            | Answer::Taken
            | Answer::Left
            | Answer::ReadBack(_) => self.failed(format!("{answer:?} does not say how far it is")),
        }
    }

    fn log_said(&mut self, watch: Watch, log: &SanitizeLog, now: Moment) -> Phase {
        let is_ours = log.is_of(self.method());
        // Whether the order that the log speaks of is the one of this erasure, and no earlier one that was the same.
        let was_taken = self.record.taken;
        match log.status {
            Sanitized::Running if is_ours => self.goes_on(watch, log, now),
            Sanitized::Running => self.failed(format!(
                "it does a sanitize that somebody else began (log page 81h: {})",
                log.page
            )),
            // Over a loss of power it may have been elsewhere: then only its own word helps that nothing was written since.
            Sanitized::Done if is_ours && (!watch.resumes || was_taken && log.nothing_written) => {
                Phase::ReadingBack {
                    ended: now,
                    log_page: Some(log.page.clone()),
                }
            }
            Sanitized::Failed if is_ours && (!watch.resumes || was_taken) => {
                self.no_more(&format!(
                    "the drive says that it failed (log page 81h: {})",
                    log.page
                ));
                Phase::Leaving
            }
            Sanitized::Never | Sanitized::Done | Sanitized::Failed | Sanitized::Unknown(_)
                if watch.resumes =>
            {
                // Immediately before the order, the drive is asked who it is.
                Phase::Knowing { resumes: false }
            }
            Sanitized::Never | Sanitized::Done | Sanitized::Failed | Sanitized::Unknown(_) => {
                self.another(&format!(
                    "the drive took the order, and its log page 81h ({}) knows nothing of it",
                    log.page
                ))
            }
        }
    }

    fn goes_on(&mut self, mut watch: Watch, log: &SanitizeLog, now: Moment) -> Phase {
        if log.progress > watch.progress || watch.permille.is_none() {
            watch.progress = log.progress;
            watch.moved = now;
        }
        watch.permille = Some(log.permille());
        watch.troubles = 0;
        watch.resumes = false;
        let method = self.method();
        let told = log
            .estimate(method)
            .map(|seconds| Duration::from_secs(seconds.into()));
        let estimate = told.unwrap_or(NO_ESTIMATE).max(LEAST_ESTIMATE);
        let still = now.since(watch.moved);
        if still <= estimate.saturating_mul(STALLS_AFTER) {
            return Phase::Looking(watch);
        }
        let expects = told.map_or_else(
            || "it tells no estimate".to_owned(),
            |told| format!("it expects {} s for the whole", told.as_secs()),
        );
        self.failed(format!(
            "it stopped at {}.{} % of {}, and has not come further for {} s; {expects}",
            log.permille() / 10,
            log.permille() % 10,
            method.words(),
            still.as_secs()
        ))
    }

    /// The sentence of a method that did not do.
    fn no_more(&mut self, why: &str) {
        let method = self.method();
        self.record.refused.push(format!("{}: {why}", method.words()));
    }

    fn another(&mut self, why: &str) -> Phase {
        self.no_more(why);
        self.or_fail()
    }

    /// On with the next method, or none did.
    fn or_fail(&mut self) -> Phase {
        if self.record.methods.len() > 1 {
            self.record.methods.remove(0);
            self.record.taken = false;
            return Phase::Noting(Then::Know);
        }
        let why = format!("no method did: {}", self.record.refused.join("; "));
        self.failed(why)
    }

    fn failed(&mut self, why: String) -> Phase {
        self.over(State::Failed { why })
    }

    fn over(&mut self, state: State) -> Phase {
        self.record.outcome = Some(self.as_it(state));
        Phase::Noting(Then::Rest)
    }
}

#[cfg(test)]
mod tests;
