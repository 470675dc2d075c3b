//! The node's own BMC for a recording: its records, inventories and event log, byte by byte.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bmc::ipmi::{InBand, Ipmi, IpmiError, Recording};
use facts::NoData;
use tokio::runtime::Builder;

use super::asker::{Answer, Asker};
use super::{BmcWish, LocalBmcCollector, broke, late, unstarted};
use crate::collector::CollectError;
use crate::root::Root;

/// Where a recorded machine keeps what its BMC said.
pub const RECORDED: &str = "busbar/ipmi";
/// The folder in which the names of a dump's files begin.
const ABOVE: &str = "busbar/";
/// How long a BMC is read. 2 min: over KCS a request takes some 10 ms, records and log of a large BMC are some 8,000 requests.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a BMC said, and where it belongs in a recorded machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BmcRecording(Recording);

impl BmcRecording {
    /// The same without what names a machine or a part. What its maker called its sensors stays.
    #[must_use]
    pub fn masked(self) -> BmcRecording {
        BmcRecording(self.0.masked())
    }

    /// Paths below the machine's root and their texts.
    pub fn files(&self) -> Vec<(String, String)> {
        let files = self.0.files().into_iter();
        files
            .map(|(name, text)| (format!("{ABOVE}{name}"), text))
            .collect()
    }
}

/// Reads the BMC of this root: through the kernel's device, or the files of a recorded machine. Nothing is changed there.
///
/// # Errors
/// `absent` where there is none; where it does not answer in time, or its files hold something else.
pub fn record(root: &Root) -> Result<BmcRecording, CollectError> {
    if !root.is_host() {
        return from_files(root).map(BmcRecording);
    }
    let path = LocalBmcCollector::new(root.clone(), BmcWish::default()).path()?;
    let shown = path.display().to_string();
    let asked = path.clone();
    let asker = Asker::start("record bmc", move || read(&asked));
    let mut asker = asker.map_err(|cause| unstarted(&shown, cause))?;
    match asker.ask(PATIENCE) {
        Answer::Came(Ok(Ok(read))) => Ok(BmcRecording(read)),
        Answer::Came(Ok(Err(error))) => Err(CollectError::new(error.no_data(), error.whole())),
        Answer::Came(Err(cause)) => Err(unstarted(&shown, cause)),
        Answer::Late => Err(late(&shown, PATIENCE)),
        Answer::Broke => Err(broke(&shown)),
    }
}

fn read(path: &Path) -> std::io::Result<Result<Recording, IpmiError>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let read = async {
        // Inside the runtime: the device is watched by it.
        let ipmi = Ipmi::in_band(InBand::new(path));
        Recording::read(&ipmi).await
    };
    Ok(runtime.block_on(read))
}

fn from_files(root: &Root) -> Result<Recording, CollectError> {
    let mut files = BTreeMap::new();
    for name in root.list(RECORDED)? {
        let path = format!("{RECORDED}/{name}");
        let text = root.read(&path)?;
        if let Some(name) = path.strip_prefix(ABOVE) {
            files.insert(name.to_owned(), text.into_bytes());
        }
    }
    Recording::of(&files).map_err(|wrong| {
        let message = format!("{}: {wrong}", root.shown(RECORDED).display());
        CollectError::new(NoData::Garbled, message)
    })
}
