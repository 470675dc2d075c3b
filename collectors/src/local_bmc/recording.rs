//! The node's own BMC for a recording: its records, inventories and event log, byte by byte.

use std::path::Path;
use std::time::Duration;

use bmc::ipmi::{Dump, InBand, Ipmi, IpmiError};
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
pub struct BmcRecording(Dump);

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
        Answer::Came(Ok(Ok(dump))) => Ok(BmcRecording(dump)),
        Answer::Came(Ok(Err(error))) => Err(CollectError::new(error.no_data(), error.whole())),
        Answer::Came(Err(cause)) => Err(unstarted(&shown, cause)),
        Answer::Late => Err(late(&shown, PATIENCE)),
        Answer::Broke => Err(broke(&shown)),
    }
}

fn read(path: &Path) -> std::io::Result<Result<Dump, IpmiError>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let read = async {
        // Inside the runtime: the device is watched by it.
        let ipmi = Ipmi::in_band(InBand::new(path));
        Dump::read(&ipmi).await
    };
    Ok(runtime.block_on(read))
}

fn from_files(root: &Root) -> Result<Dump, CollectError> {
    let mut files = Vec::new();
    for name in root.list(RECORDED)? {
        let path = format!("{RECORDED}/{name}");
        files.push((path.clone(), root.read(&path)?));
    }
    let named = files
        .iter()
        .filter_map(|(path, text)| Some((path.strip_prefix(ABOVE)?, text.as_str())));
    Dump::of_files(named).ok_or_else(|| {
        let shown = root.shown(RECORDED);
        let message = format!(
            "{} holds other files than those of a BMC in hexadecimal digits",
            shown.display()
        );
        CollectError::new(NoData::Garbled, message)
    })
}
