//! What is inspected, opened: a BMC or a recording of one, over Redfish or IPMI; and what to say where it cannot be.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bmc::ipmi::{Ipmi, IpmiError, NotARecording, Recording};
use bmc::{Bmc, BmcError};
use facts::archive::{self, NotAnArchive};

use super::target::{Access, Target, WrongTarget};

/// Exit code of the command line: wrong usage.
const USAGE: u8 = 2;
/// Exit code of the command line: nobody answers, or somebody else does.
const UNREACHABLE: u8 = 4;
/// A longer archive or file is no recording of one BMC: the largest recorded tree has 30 MiB.
const MOST_BYTES: u64 = 256 << 20;
/// The folder of an IPMI recording's files, and a file that every such recording has.
const IPMI_FOLDER: &str = "ipmi";
const IPMI_FILE: &str = "ipmi/device.hex";

/// A BMC or a recording of one.
pub(crate) enum Opened {
    Redfish(Bmc),
    Ipmi(Box<Ipmi>),
}

/// Why there is none, or why it cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error(transparent)]
    Usage(#[from] WrongTarget),
    #[error(transparent)]
    Redfish(#[from] BmcError),
    #[error(transparent)]
    Ipmi(#[from] IpmiError),
    #[error("cannot read {path}", path = path.display())]
    File {
        path: PathBuf,
        #[source]
        cause: std::io::Error,
    },
    #[error("{path}", path = path.display())]
    Archive {
        path: PathBuf,
        #[source]
        cause: NotAnArchive,
    },
    #[error("{path}", path = path.display())]
    Recording {
        path: PathBuf,
        #[source]
        cause: NotARecording,
    },
}

impl Failed {
    /// Says it on stderr as the command `who`; the exit code.
    pub(crate) fn told(&self, who: &str) -> ExitCode {
        eprintln!("{who}: {}", crate::eyes::chain(self));
        match self {
            Failed::Redfish(BmcError::WrongCertificate { seen, .. }) => {
                eprintln!(
                    "Compare {seen} with what the BMC's own page shows; then give --fingerprint {seen}, or --ca FILE, or --insecure."
                );
                ExitCode::from(UNREACHABLE)
            }
            Failed::Redfish(error) if error.is_unreachable() => ExitCode::from(UNREACHABLE),
            Failed::Ipmi(error) if error.is_unreachable() => ExitCode::from(UNREACHABLE),
            Failed::Usage(_) | Failed::Redfish(BmcError::Address { .. }) => ExitCode::from(USAGE),
            Failed::Ipmi(IpmiError::Unusable { .. }) => ExitCode::from(USAGE),
            Failed::Redfish(_)
            | Failed::Ipmi(_)
            | Failed::File { .. }
            | Failed::Archive { .. }
            | Failed::Recording { .. } => ExitCode::FAILURE,
        }
    }
}

/// Opens it.
pub(crate) async fn open(target: &str, access: &Access) -> Result<Opened, Failed> {
    Ok(match Target::of(target)? {
        Target::Url(url) => Opened::Redfish(Bmc::connect(access.endpoint(&url)?).await?),
        Target::Ipmi(address) => Opened::Ipmi(Box::new(Ipmi::new(access.ipmi_endpoint(&address)?))),
        Target::Dir(dir) if dir.join(IPMI_FILE).is_file() => recorded(&dir, &folder(&dir)?)?,
        Target::Dir(dir) => Opened::Redfish(Bmc::open_tree(&dir)?),
        Target::Archive(path) => {
            let files = archive::files(&read(&path)?).map_err(|cause| Failed::Archive {
                path: path.clone(),
                cause,
            })?;
            // Our own archives have all in one folder; others may have none.
            let top = files
                .keys()
                .find_map(|file| Some(file.strip_suffix(IPMI_FILE)?.to_owned()));
            match top {
                None => Opened::Redfish(Bmc::open_archive(&path, files)?),
                Some(top) => {
                    let within = files.into_iter();
                    let within =
                        within.filter_map(|(file, bytes)| Some((file.strip_prefix(&top)?.to_owned(), bytes)));
                    recorded(&path, &within.collect())?
                }
            }
        }
    })
}

fn recorded(path: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<Opened, Failed> {
    let recording = Recording::of(files).map_err(|cause| Failed::Recording {
        path: path.to_owned(),
        cause,
    })?;
    Ok(Opened::Ipmi(Box::new(Ipmi::recorded(
        path.display().to_string(),
        recording,
    ))))
}

/// The files of an IPMI recording in a folder.
fn folder(dir: &Path) -> Result<BTreeMap<String, Vec<u8>>, Failed> {
    let within = dir.join(IPMI_FOLDER);
    let failed = |cause| Failed::File {
        path: within.clone(),
        cause,
    };
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(&within).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if let Some(name) = path
            .file_name()
            .and_then(|name| name.to_str())
            .filter(|_| path.is_file())
        {
            files.insert(format!("{IPMI_FOLDER}/{name}"), read(&path)?);
        }
    }
    Ok(files)
}

fn read(path: &Path) -> Result<Vec<u8>, Failed> {
    let failed = |cause| Failed::File {
        path: path.to_owned(),
        cause,
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MOST_BYTES {
        let why = format!("longer than {MOST_BYTES} bytes, which no recording is");
        return Err(failed(std::io::Error::other(why)));
    }
    Ok(bytes)
}
