//! An erasure of one drive, step by step: asked to go on by whoever wants to know how far it is.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use facts::Moment;
use intent::Actuators;

use super::asked::{self, words};
use super::machine::{Answer, Machine, Order};
use super::nvme::{SANITIZE_LOG_BYTES, SanitizeLog, exit_failure_mode, format_order, sanitize_order};
use super::obstacle::in_the_way;
use super::record::Record;
use super::{EraseError, Erasing, Method, Options, State, ata};
use crate::apply::{Drive, NotOurs, Unobeyed};
use crate::fabric::DriveIdentity;
use crate::host::Host;

/// How much is written at once.
const PIECE: usize = 1 << 20;
/// So long one poll overwrites.
const WORK: Duration = Duration::from_millis(250);
/// How often a drive that erases itself is asked how far it is.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How many times a drive's own estimate the kernel waits for a command that returns when it is done.
const PATIENCE: u32 = 4;
/// In the place of an estimate: of a Format NVM no drive tells one, of a security erase some do not. When it passes, the kernel resets the
/// drive, which ends nothing well; a disk of 30 TB that writes all of itself takes two days.
const NO_ESTIMATE: Duration = Duration::from_secs(4 * 86_400);
/// Steps that one poll takes at most: from the first to the order that destroys there are four, and each method that is refused brings
/// three more.
const MOST_STEPS: usize = 32;

/// An erasure of one drive. Blocking: it is polled in a thread of that drive. While it stands, nobody else can mount or take the drive.
///
/// Dropped, it stops where it is: a sanitize, a format and a security erase go on in the drive, an overwriting does not.
#[derive(Debug)]
pub struct Eraser {
    host: Host,
    drive: Arc<Drive>,
    journal: PathBuf,
    machine: Machine,
    /// A command that returns when it is done, in a thread of its own.
    running: Option<JoinHandle<Result<(), Unobeyed>>>,
    /// How far an overwriting is, in bytes.
    overwritten: u64,
}

/// The wall clock.
fn now() -> Moment {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let millis = since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    Moment::from_millis(millis)
}

fn not_ours(device: &str, error: NotOurs) -> EraseError {
    let device = device.to_owned();
    match error {
        NotOurs::Mode(mode) => EraseError::Mode { device, mode },
        NotOurs::Host(error) => EraseError::Host(error),
        NotOurs::Busy => EraseError::InUse {
            device,
            obstacles: vec![
                "the kernel says that it is in use (mounted, or a part of something); lsblk -f says more"
                    .to_owned(),
            ],
        },
        NotOurs::Device(what) => EraseError::Device { device, what },
    }
}

/// Asks the host who uses it, and the drive who it is.
fn known(host: &Host, drive: &Drive, expected: &DriveIdentity, was_lent: bool) -> Result<(), EraseError> {
    asked::who(host, drive, expected)?;
    let obstacles = in_the_way(host, &drive.name, was_lent)?;
    if obstacles.is_empty() {
        return Ok(());
    }
    Err(EraseError::InUse {
        device: drive.name.clone(),
        obstacles,
    })
}

/// What lies on it is what shall go: its tenant left it, or the drive has taken the order to destroy it, and may not even be readable.
const fn holds_ours(record: &Record) -> bool {
    record.was_lent || record.taken
}

impl Eraser {
    /// Begins to erase this whole block device, if it is this very drive and nobody uses it. Nothing is written to it before the first
    /// [`Eraser::poll`]. `journal` is a file for this erasure alone, which is replaced.
    ///
    /// # Errors
    /// The mode forbids it; it is another drive, or in use; it offers no method that is allowed. Nothing was done.
    pub fn begin(
        gate: &Actuators,
        host: &Host,
        device: &str,
        expected: &DriveIdentity,
        options: Options,
        journal: &Path,
    ) -> Result<Eraser, EraseError> {
        let drive = Drive::open(gate, host, device).map_err(|error| not_ours(device, error))?;
        known(host, &drive, expected, options.was_lent)?;
        let found = asked::methods(&drive, options).map_err(|what| EraseError::Device {
            device: device.to_owned(),
            what,
        });
        let (methods, why) = found?;
        if methods.is_empty() {
            return Err(EraseError::NoMethod {
                device: device.to_owned(),
                why,
            });
        }
        let record = Record {
            drive: expected.clone(),
            was_lent: options.was_lent,
            methods,
            began: now(),
            taken: false,
            refused: why,
            samples: Vec::new(),
            outcome: None,
        };
        Ok(Eraser::new(host, drive, journal, Machine::begin(record)))
    }

    /// Takes up what a journal says is under way with this drive, or how it ended; `None` where there is no journal. What the drive does by
    /// itself is waited for; everything else begins anew.
    ///
    /// # Errors
    /// The journal cannot be read, or is about another drive; and what [`Eraser::begin`] refuses.
    pub fn resume(
        gate: &Actuators,
        host: &Host,
        device: &str,
        expected: &DriveIdentity,
        journal: &Path,
    ) -> Result<Option<Eraser>, EraseError> {
        let record = Record::read(journal).map_err(|cause| EraseError::Journal {
            device: device.to_owned(),
            path: journal.to_owned(),
            cause,
        })?;
        let Some(record) = record else { return Ok(None) };
        if record.drive != *expected {
            return Err(EraseError::OtherDrive {
                device: device.to_owned(),
                expected: expected.clone(),
                found: format!("{} in {}", record.drive, journal.display()),
            });
        }
        let drive = Drive::open(gate, host, device).map_err(|error| not_ours(device, error))?;
        known(host, &drive, expected, holds_ours(&record))?;
        Ok(Some(Eraser::new(host, drive, journal, Machine::resume(record))))
    }

    fn new(host: &Host, drive: Drive, journal: &Path, machine: Machine) -> Eraser {
        Eraser {
            host: host.clone(),
            drive: Arc::new(drive),
            journal: journal.to_owned(),
            machine,
            running: None,
            overwritten: 0,
        }
    }

    /// How the last erasure of a journal ended, without the drive; `None` where there is none, or it is under way.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn outcome(device: &str, journal: &Path) -> Result<Option<Erasing>, EraseError> {
        let record = Record::read(journal).map_err(|cause| EraseError::Journal {
            device: device.to_owned(),
            path: journal.to_owned(),
            cause,
        })?;
        Ok(record.and_then(|record| record.outcome))
    }

    /// Goes on, for a second at most unless the drive hangs, and says how it stands.
    pub fn poll(&mut self) -> Erasing {
        for _ in 0..MOST_STEPS {
            let order = self.machine.next();
            let looks = matches!(order, Order::Look(_));
            if order == Order::Rest {
                break;
            }
            let answer = self.obey(order);
            let is_under_way =
                looks && matches!(answer, Answer::Going(_) | Answer::Log(_) | Answer::Trouble(_));
            self.machine.take(answer, now());
            if is_under_way && matches!(self.machine.next(), Order::Look(_)) {
                break;
            }
        }
        self.machine.erasing()
    }

    /// How long to wait before the next [`Eraser::poll`]; zero where the work is ours, or it is over.
    pub fn pause(&self) -> Duration {
        match (self.machine.next(), self.machine.erasing().state) {
            (Order::Look(method), State::Running { .. }) if method != Method::Overwrite => ASK_EVERY,
            _ => Duration::ZERO,
        }
    }

    fn obey(&mut self, order: Order) -> Answer {
        let record = self.machine.record();
        let refused = |unobeyed: Unobeyed| match unobeyed {
            Unobeyed::Refused(why) => Answer::Refused(why),
            Unobeyed::Trouble(why) => Answer::Trouble(why),
        };
        match order {
            Order::Fingerprint => {
                asked::samples(&self.drive).map_or_else(Answer::Trouble, Answer::Fingerprinted)
            }
            Order::Note => match record.keep(&self.journal) {
                Ok(()) => Answer::Noted,
                Err(error) => Answer::Trouble(format!(
                    "what is done to it cannot be kept in {}: {error}",
                    self.journal.display()
                )),
            },
            Order::Know => match known(&self.host, &self.drive, &record.drive, holds_ours(record)) {
                Ok(()) => Answer::Known,
                Err(error) => Answer::Trouble(error.to_string()),
            },
            Order::Start(method) => self.start(method).map_or_else(refused, |()| Answer::Taken),
            Order::Look(method) => self.look(method),
            Order::LeaveFailureMode => {
                let left = self.drive.sanitize(exit_failure_mode());
                left.map_or_else(refused, |()| Answer::Left)
            }
            Order::ReadBack(method) => {
                let (drive, samples) = (&record.drive, &record.samples);
                let proven = asked::proven(&self.host, &self.drive, drive, method, samples);
                proven.map_or_else(Answer::Trouble, |proven| Answer::ReadBack(Box::new(proven)))
            }
            Order::Rest => Answer::Noted,
        }
    }

    fn start(&mut self, method: Method) -> Result<(), Unobeyed> {
        if let Some(order) = sanitize_order(method) {
            return self.drive.sanitize(order);
        }
        let drive = Arc::clone(&self.drive);
        let work: Box<dyn FnOnce() -> Result<(), Unobeyed> + Send> = match method {
            Method::FormatCrypto | Method::FormatBlock => {
                let namespace = asked::namespace(&drive).map_err(Unobeyed::Trouble)?;
                let order = format_order(&namespace, method == Method::FormatCrypto);
                Box::new(move || drive.format(order, milliseconds(NO_ESTIMATE)))
            }
            Method::AtaEnhanced | Method::Ata => Box::new(move || security_erase(&drive, method)),
            Method::Overwrite | Method::SanitizeCrypto | Method::SanitizeBlock => {
                self.overwritten = 0;
                return Ok(());
            }
        };
        let spawned = thread::Builder::new().name("erase".to_owned()).spawn(work);
        let spawned = spawned.map_err(|error| Unobeyed::Trouble(format!("no thread for it: {error}")))?;
        self.running = Some(spawned);
        Ok(())
    }

    fn look(&mut self, method: Method) -> Answer {
        match method {
            Method::SanitizeCrypto | Method::SanitizeBlock => {
                match self.drive.log(0x81, SANITIZE_LOG_BYTES) {
                    Ok(page) => SanitizeLog::parse(&page).map_or_else(
                        || Answer::Trouble("log page 81h is cut short".to_owned()),
                        |log| Answer::Log(Box::new(log)),
                    ),
                    Err(error) => Answer::Trouble(words(error)),
                }
            }
            Method::FormatCrypto | Method::FormatBlock | Method::AtaEnhanced | Method::Ata => {
                self.look_at_thread(method)
            }
            Method::Overwrite => match self.overwrite() {
                Ok(true) => Answer::Ended,
                Ok(false) => Answer::Going(Some(permille(self.overwritten, self.drive.size))),
                Err(error) => Answer::Broke(format!("at byte {}: {error}", self.overwritten)),
            },
        }
    }

    fn look_at_thread(&mut self, method: Method) -> Answer {
        if self
            .running
            .as_ref()
            .is_some_and(|running| !running.is_finished())
        {
            let is_format = matches!(method, Method::FormatCrypto | Method::FormatBlock);
            let remains = is_format
                .then(|| asked::namespace(&self.drive).ok()?.remains)
                .flatten();
            let done = remains.map(|percent| 1_000_u16.saturating_sub(u16::from(percent.min(100)) * 10));
            return Answer::Going(done);
        }
        match self.running.take().map(JoinHandle::join) {
            Some(Ok(Ok(()))) => Answer::Ended,
            Some(Ok(Err(error))) => Answer::Broke(words(error)),
            Some(Err(_)) | None => Answer::Broke("whoever waited for it has gone".to_owned()),
        }
    }

    /// Whether every block is written.
    fn overwrite(&mut self) -> std::io::Result<bool> {
        let began = Instant::now();
        while self.overwritten < self.drive.size && began.elapsed() < WORK {
            let left = self.drive.size - self.overwritten;
            let length = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            self.drive.write_zeros(self.overwritten, length)?;
            self.overwritten += u64::try_from(length).unwrap_or(0);
        }
        if self.overwritten < self.drive.size {
            return Ok(false);
        }
        self.drive.flush()?;
        Ok(true)
    }
}

fn permille(done: u64, of: u64) -> u16 {
    let thousandths = u128::from(done) * 1_000 / u128::from(of.max(1));
    u16::try_from(thousandths).unwrap_or(1_000)
}

fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

/// Sets a password, because the standard wants one, and erases. A drive that lost its power meanwhile has that password already.
fn security_erase(drive: &Drive, method: Method) -> Result<(), Unobeyed> {
    let before = asked::ata(drive).map_err(Unobeyed::Trouble)?;
    let user = ata::password_sector(false);
    if !before.is_enabled {
        drive.set_password(&user)?;
    }
    let patience = before
        .estimate(method)
        .map_or(NO_ESTIMATE, |time| time.saturating_mul(PATIENCE));
    let sector = ata::password_sector(method == Method::AtaEnhanced);
    let erased = drive.security_erase(&sector, milliseconds(patience));
    let after = asked::ata(drive).map_err(Unobeyed::Trouble)?;
    if erased.is_ok() && !after.is_enabled {
        return Ok(());
    }
    if after.is_enabled && !after.is_locked {
        // What comes next should not meet a password of ours.
        drive.disable_password(&user)?;
    }
    erased?;
    Err(Unobeyed::Refused(
        "its password stands after the erase; expected that it went with the data".to_owned(),
    ))
}
