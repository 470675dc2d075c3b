//! The node's own BMC: through the kernel's device, and over Redfish where the configuration names it.
//!
//! **Invariant**: each way has one thread at most. A BMC that hangs costs its own facts only.

mod asker;
pub mod families;
mod in_band;
mod recording;
mod redfish;
mod say;
mod sensor;
mod sheet;
mod wish;

use std::path::PathBuf;
use std::time::Duration;

use bmc::ipmi::IpmiError;
use facts::local_bmc::LocalBmc;
use facts::observation::{Missing, Observation};
use facts::{NoData, Pad};

pub use recording::{BmcRecording, RECORDED, record};
pub use wish::{BmcWish, DeviceWish, RedfishTrust, RedfishWish};

use crate::collector::{CollectError, Collector};
use crate::root::Root;
use asker::{Answer, Asker};

/// Where the ipmi_devintf driver puts it; older names of the same device follow (IPMI driver document).
const DEVICES: [&str; 3] = ["dev/ipmi0", "dev/ipmi/0", "dev/ipmidev/0"];
/// How often it is asked. 10 s: sixty sensors over KCS take a real BMC a second, and its sensors change no faster.
const BEAT: Duration = Duration::from_secs(10);
/// How long a turn waits. Less than a beat, so that a late answer is there at the next one.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long the first turn waits, which reads all records: 5 to 20 s on a real BMC. Less than the agent waits for a source.
const FIRST_PATIENCE: Duration = Duration::from_secs(25);
/// Redfish is asked every so many turns: its service is a web server on a small processor.
const TURNS_OF_REDFISH: u32 = 3;
/// What Redfish said is kept over so many turns of its own without an answer.
const TURNS_KEPT: u32 = 3;
/// Names of the two ways where one of them says nothing.
const IN_BAND: &str = "bmc/ipmi";
const REDFISH: &str = "bmc/redfish";

type InBandAsker = Asker<Result<in_band::Seen, IpmiError>>;
type RedfishAsker = Asker<Result<redfish::Seen, CollectError>>;

/// Asks the node's own BMC.
pub struct LocalBmcCollector {
    root: Root,
    wish: BmcWish,
    pad: Pad,
    device: Option<(PathBuf, InBandAsker)>,
    has_answered: bool,
    redfish: Option<RedfishAsker>,
    redfish_seen: Option<redfish::Seen>,
    redfish_missed: u32,
    turns: u32,
}

impl LocalBmcCollector {
    /// Of this root, as wished.
    pub fn new(root: Root, wish: BmcWish) -> LocalBmcCollector {
        LocalBmcCollector {
            root,
            wish,
            pad: Pad::default(),
            device: None,
            has_answered: false,
            redfish: None,
            redfish_seen: None,
            redfish_missed: 0,
            turns: 0,
        }
    }

    /// The device to ask.
    fn path(&self) -> Result<PathBuf, CollectError> {
        let absent = |message: String| Err(CollectError::new(NoData::Absent, message));
        match &self.wish.device {
            DeviceWish::None => absent("the configuration says device = \"none\" in [bmc]".to_owned()),
            DeviceWish::Path(path) => Ok(path.clone()),
            DeviceWish::Auto => match DEVICES.iter().find(|device| self.root.has(device)) {
                // A recorded machine has no BMC to ask, and its files may lead anywhere.
                Some(device) if self.root.is_host() => Ok(self.root.path(device)),
                Some(device) => absent(format!(
                    "{} is of a recorded machine: its BMC cannot be asked",
                    self.root.shown(device).display()
                )),
                None => absent(format!(
                    "{} is not there: no BMC, or the driver ipmi_devintf is not loaded",
                    self.root.shown(DEVICES[0]).display()
                )),
            },
        }
    }

    fn ask_in_band(&mut self) -> Result<(String, in_band::Seen), CollectError> {
        let path = self.path()?;
        let shown = path.display().to_string();
        if self.device.as_ref().is_none_or(|(known, _)| *known != path) {
            let mut eye = in_band::Eye::new(path.clone()).map_err(|cause| unstarted(&shown, cause))?;
            let asker =
                Asker::start("ask bmc", move || eye.turn()).map_err(|cause| unstarted(&shown, cause))?;
            self.device = Some((path, asker));
        }
        let patience = if self.has_answered {
            PATIENCE
        } else {
            FIRST_PATIENCE
        };
        let Some((_, asker)) = &mut self.device else {
            return Err(broke(&shown));
        };
        match asker.ask(patience) {
            Answer::Came(Ok(seen)) => {
                self.has_answered = true;
                Ok((shown, seen))
            }
            Answer::Came(Err(error)) => Err(CollectError::new(error.no_data(), error.whole())),
            Answer::Late => Err(late(&shown, patience)),
            Answer::Broke => {
                self.device = None;
                Err(broke(&shown))
            }
        }
    }

    /// Asks Redfish where it is its turn; what it said stays for the turns between.
    fn ask_redfish(&mut self) -> Result<(), CollectError> {
        let Some(wish) = &self.wish.redfish else {
            return Ok(());
        };
        let is_due = self.turns.is_multiple_of(TURNS_OF_REDFISH) || self.redfish_seen.is_none();
        if !is_due {
            return Ok(());
        }
        let url = wish.url.clone();
        if self.redfish.is_none() {
            let mut eye = redfish::Eye::new(wish.clone()).map_err(|cause| unstarted(&url, cause))?;
            let asker =
                Asker::start("ask redfish", move || eye.turn()).map_err(|cause| unstarted(&url, cause))?;
            self.redfish = Some(asker);
        }
        let Some(asker) = &mut self.redfish else {
            return Err(broke(&url));
        };
        let error = match asker.ask(PATIENCE) {
            Answer::Came(Ok(seen)) => {
                (self.redfish_seen, self.redfish_missed) = (Some(seen), 0);
                return Ok(());
            }
            Answer::Came(Err(error)) => error,
            Answer::Late => late(&url, PATIENCE),
            Answer::Broke => {
                self.redfish = None;
                broke(&url)
            }
        };
        self.redfish_missed += 1;
        if self.redfish_missed >= TURNS_KEPT {
            self.redfish_seen = None;
        }
        Err(error)
    }

    /// Both ways together: IPMI's supplies and sensors before those of Redfish, which are the same ones.
    fn together(&mut self, in_band: Option<&(String, in_band::Seen)>, missing: Vec<Missing>) -> Observation {
        let redfish = self.redfish_seen.as_ref();
        let mut bmc = in_band.map_or_else(LocalBmc::default, |(device, seen)| say::of_in_band(device, seen));
        bmc.redfish = redfish.map(|seen| say::system(&seen.node));
        if let Some(seen) = redfish.filter(|_| bmc.supplies.is_empty()) {
            bmc.supplies = say::redfish_supplies(&seen.supplies);
        }
        let sensors = match (in_band, redfish) {
            (Some((_, seen)), _) => sensor::all(&seen.refresh),
            (None, Some(seen)) => sensor::of_redfish(&seen.sensors.sensors),
            (None, None) => Vec::new(),
        };
        let meters = [
            in_band.and_then(|(_, seen)| say::dcmi(seen)),
            redfish.and_then(say::redfish_power),
        ];
        let host_power: Vec<_> = meters.into_iter().flatten().collect();
        let mut doubts = in_band.map(|(_, seen)| say::doubts(seen)).unwrap_or_default();
        doubts.extend(redfish.map(say::redfish_doubts).unwrap_or_default());
        let requests = in_band.map(|(_, seen)| seen.requests);
        let sheet = sheet::write(&mut self.pad, &bmc, &sensors, &host_power, requests);
        Observation {
            bmc: Some(bmc),
            sensors: Some(sensors),
            host_power: Some(host_power),
            missing,
            doubts,
            sheet: Some(sheet),
            ..Observation::default()
        }
    }
}

impl Collector for LocalBmcCollector {
    fn name(&self) -> &'static str {
        "bmc"
    }

    fn beat(&self) -> Duration {
        BEAT
    }

    fn subsystems(&self) -> &'static [&'static str] {
        &["ipmi"]
    }

    fn collect(&mut self) -> Result<Observation, CollectError> {
        let in_band = self.ask_in_band();
        let redfish = self.ask_redfish();
        self.turns = self.turns.wrapping_add(1);
        let has_redfish = self.redfish_seen.is_some();
        let mut missing = Vec::new();
        if let Err(error) = redfish {
            if in_band.is_err() && !has_redfish {
                // Nobody speaks. Redfish was asked for by name, so what it says is what there is to know.
                return Err(error);
            }
            missing.push(error.into_missing(REDFISH));
        }
        let in_band = match in_band {
            Ok(seen) => Some(seen),
            Err(error) if !has_redfish => return Err(error),
            Err(error) => {
                if self.wish.device != DeviceWish::None {
                    missing.push(error.into_missing(IN_BAND));
                }
                None
            }
        };
        Ok(self.together(in_band.as_ref(), missing))
    }
}

fn late(who: &str, patience: Duration) -> CollectError {
    let seconds = patience.as_secs();
    CollectError::new(
        NoData::Timeout,
        format!("{who}: no answer within {seconds} s; it is still being asked"),
    )
}

fn broke(who: &str) -> CollectError {
    CollectError::new(
        NoData::Garbled,
        format!("{who}: the thread that asked it has ended"),
    )
}

fn unstarted(who: &str, cause: std::io::Error) -> CollectError {
    CollectError::new(
        NoData::Refused,
        format!("{who}: the system gives no thread to ask it"),
    )
    .because(cause)
}

#[cfg(test)]
mod tests;
