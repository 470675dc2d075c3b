//! What a drive is asked before and after: who it is, how it can be erased, what stands at its samples.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::machine::Proven;
use super::sample::{CANDIDATES, SAMPLE_BYTES, SAMPLES, Sample, candidates, chosen, fingerprint, is_dirty};
use super::{EraseError, Method, Options, ata, nvme};
use crate::apply::{Drive, Tongue, Unobeyed};
use crate::block::CLASS_BLOCK;
use crate::fabric::DriveIdentity;
use crate::host::Host;

/// SCSI: where INQUIRY has the product (SPC-4, 6.6.2), the page with the serial number, and how much of both is asked for.
const PRODUCT: std::ops::Range<usize> = 16..32;
const UNIT_SERIAL: u8 = 0x80;
const INQUIRY_BYTES: u8 = 96;

/// What the drive says in words.
pub(super) fn words(unobeyed: Unobeyed) -> String {
    match unobeyed {
        Unobeyed::Refused(why) | Unobeyed::Trouble(why) => why,
    }
}

fn garbled(what: &str) -> String {
    format!("{what} is cut short, or none")
}

fn controller(drive: &Drive) -> Result<nvme::Controller, String> {
    let page = drive.identify(true, nvme::IDENTIFY_BYTES).map_err(words)?;
    nvme::Controller::parse(&page).ok_or_else(|| garbled("Identify Controller"))
}

pub(super) fn namespace(drive: &Drive) -> Result<nvme::Namespace, String> {
    let page = drive.identify(false, nvme::IDENTIFY_BYTES).map_err(words)?;
    nvme::Namespace::parse(&page).ok_or_else(|| garbled("Identify Namespace"))
}

pub(super) fn ata(drive: &Drive) -> Result<ata::Identify, String> {
    let page = drive.identify_device().map_err(words)?;
    ata::Identify::parse(&page).ok_or_else(|| garbled("IDENTIFY DEVICE"))
}

/// Serial number, model and NGUID, as the device itself tells them now.
type TellsItself = (Option<String>, Option<String>, Option<String>);

fn scsi(drive: &Drive) -> Result<TellsItself, String> {
    let about = drive.inquiry(None, INQUIRY_BYTES).map_err(words)?;
    let page = drive.inquiry(Some(UNIT_SERIAL), INQUIRY_BYTES).map_err(words)?;
    let length = usize::from(page.get(3).copied().unwrap_or(0));
    let text = |bytes: Option<&[u8]>| {
        let text = std::str::from_utf8(bytes?).ok()?.trim_matches(['\0', ' ']);
        (!text.is_empty()).then(|| text.to_owned())
    };
    let serial = text(page.get(4..4 + length));
    Ok((serial, text(about.get(PRODUCT)), None))
}

/// The kernel asks a virtio disk each time that somebody reads this file (drivers/block/virtio_blk.c, `serial_show`).
fn plain(host: &Host, drive: &Drive) -> Result<TellsItself, String> {
    let dir = Path::new(CLASS_BLOCK).join(&drive.name);
    let said = |file: &str| {
        host.read(&dir.join(file))
            .map_err(|error| format!("{file}: {error}"))
    };
    let serial = match said("serial")? {
        Some(serial) => Some(serial),
        None => said("device/serial")?,
    };
    Ok((serial, said("device/model")?, None))
}

/// Who the drive says it is, where that is who it is to be.
pub(super) fn who(host: &Host, drive: &Drive, expected: &DriveIdentity) -> Result<DriveIdentity, EraseError> {
    let told = match drive.tongue {
        Tongue::Nvme(_) => controller(drive).and_then(|about| {
            let nguid = namespace(drive)?.nguid;
            Ok((about.serial, about.model, nguid))
        }),
        Tongue::Ata => ata(drive).map(|about| (about.serial, about.model, None)),
        Tongue::Scsi => scsi(drive),
        Tongue::Plain => plain(host, drive),
    };
    let (serial, model, nguid) = told.map_err(|what| EraseError::Device {
        device: drive.name.clone(),
        what: format!("it does not tell who it is: {what}"),
    })?;
    let other = |found: String| EraseError::OtherDrive {
        device: drive.name.clone(),
        expected: expected.clone(),
        found,
    };
    let serial = serial.unwrap_or_default();
    let found = DriveIdentity::new(&serial, model.as_deref(), nguid.as_deref())
        .map_err(|error| other(error.to_string()))?;
    // What is expected may be less than what it tells, and never more.
    let is_it = found.serial() == expected.serial()
        && (expected.model().is_none() || expected.model() == found.model())
        && (expected.nguid().is_none() || expected.nguid() == found.nguid());
    if is_it {
        return Ok(found);
    }
    let nguid = found
        .nguid()
        .map_or(String::new(), |nguid| format!(", NGUID {nguid}"));
    Err(other(format!("{found}{nguid}")))
}

/// How it can be erased, the best first, and why not otherwise.
pub(super) fn methods(drive: &Drive, options: Options) -> Result<(Vec<Method>, Vec<String>), String> {
    let (mut methods, mut why) = match drive.tongue {
        Tongue::Nvme(_) => {
            let methods = controller(drive)?.methods();
            let why = if methods.is_empty() {
                vec!["it offers neither Sanitize nor Format NVM".to_owned()]
            } else {
                Vec::new()
            };
            (methods, why)
        }
        Tongue::Ata => ata(drive)?.methods(),
        Tongue::Scsi => (
            Vec::new(),
            vec!["it is a SCSI drive; no erasure of its own is known here".to_owned()],
        ),
        Tongue::Plain => (Vec::new(), vec!["it knows no erasure of its own".to_owned()]),
    };
    if options.overwrite {
        methods.push(Method::Overwrite);
    } else {
        why.push("overwriting every block was not allowed".to_owned());
    }
    Ok((methods, why))
}

/// Numbers that nobody foresees: a drive that knew its samples could keep everything else.
fn random() -> io::Result<impl FnMut() -> u64> {
    let mut bytes = vec![0; 8 * 2 * CANDIDATES];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let mut at = 0_usize;
    Ok(move || {
        let eight = bytes.get(at..at + 8).unwrap_or_default();
        at += 8;
        eight.try_into().map_or(0, u64::from_le_bytes)
    })
}

fn sample_bytes() -> usize {
    usize::try_from(SAMPLE_BYTES).unwrap_or(0)
}

/// Looks all over the drive, and chooses samples. A place that cannot be read counts as one where nothing is known to stand: a drive whose
/// last sanitize failed reads nothing at all.
pub(super) fn samples(drive: &Drive) -> Result<Vec<Sample>, String> {
    let mut random = random().map_err(|error| format!("no random numbers: /dev/urandom: {error}"))?;
    let looked_at = candidates(drive.size, &mut random).into_iter().map(|at| Sample {
        at,
        before: drive
            .read(at, sample_bytes())
            .ok()
            .and_then(|bytes| fingerprint(&bytes)),
    });
    let looked_at: Vec<Sample> = looked_at.collect();
    let all = chosen(looked_at, &mut random);
    debug_assert!(all.len() <= SAMPLES);
    Ok(all)
}

/// Reads the samples again, and asks who it is and how much was ever written to it. One sample that cannot be read is no proof at all.
pub(super) fn proven(
    host: &Host,
    drive: &Drive,
    expected: &DriveIdentity,
    method: Method,
    samples: &[Sample],
) -> Result<Proven, String> {
    let found = who(host, drive, expected).map_err(|error| error.to_string())?;
    let mut dirty = 0_u32;
    for sample in samples {
        let bytes = drive.read(sample.at, sample_bytes()).map_err(|error| {
            format!(
                "it says that it is erased, and cannot be read at byte {}: {error}",
                sample.at
            )
        })?;
        dirty += u32::from(is_dirty(method, sample.before.as_deref(), &bytes));
    }
    let written = match drive.tongue {
        Tongue::Nvme(_) => {
            let page = drive.log(0x02, nvme::HEALTH_LOG_BYTES).map_err(words)?;
            nvme::data_units_written(&page)
        }
        Tongue::Ata | Tongue::Scsi | Tongue::Plain => None,
    };
    Ok(Proven {
        drive: found,
        samples: u32::try_from(samples.len()).unwrap_or(u32::MAX),
        dirty,
        written,
    })
}
