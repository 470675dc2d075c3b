//! SCSI: log pages of SAS drives, where the drive is awake (SPC-5 7.3, SBC-4 6.4).

use facts::drive::{DriveHealth, DriveState, DriveWarning};
use facts::{Bytes, NoData, Reading};

use super::page::{Fetch, Page, asleep};
use super::target::Target;
use super::told::Told;
use crate::collector::CollectError;

/// Log pages.
const SUPPORTED: u8 = 0x00;
const WRITE_ERRORS: u8 = 0x02;
const READ_ERRORS: u8 = 0x03;
const TEMPERATURE: u8 = 0x0d;
const SOLID_STATE: u8 = 0x11;
const BACKGROUND: u8 = 0x15;
const EXCEPTIONS: u8 = 0x2f;

/// Parameters of the pages that count errors.
const BYTES_PROCESSED: u16 = 0x0005;
const NOT_CORRECTED: u16 = 0x0006;

/// Sense data: NOT READY, and its reason that the drive was stopped (04h/02h).
const NOT_READY: u8 = 0x02;
const STOPPED: (u8, u8) = (0x04, 0x02);
/// Additional sense code of low power conditions, and those of its qualifiers that are standby (SPC-5, annex F).
const LOW_POWER: u8 = 0x5e;
const STANDBY: [u8; 5] = [0x00, 0x02, 0x04, 0x09, 0x0a];

/// Additional sense codes of informational exceptions: a failure is predicted; a warning, and which one is of temperature.
const PREDICTED: u8 = 0x5d;
const WARNS: u8 = 0x0b;
const TOO_WARM: u8 = 0x01;

/// What a drive without a sensor says.
const NO_SENSOR: u8 = 0xff;
const SECONDS_OF_MINUTE: u64 = 60;

/// The most parameters of one page that are looked at; a page has at most a hundred here.
const MOST_PARAMETERS: usize = 512;

/// Asks a drive.
pub(super) fn told(target: &Target, fetch: &mut Fetch<'_>) -> Result<Told, CollectError> {
    if sleeps(&fetch(Page::ScsiSense)?) {
        return Ok(asleep(target));
    }
    let mut health = DriveHealth::silent(&target.name, NoData::Unsupported);
    let pages = match fetch(Page::ScsiLog(SUPPORTED)) {
        Ok(page) => payload(&page, SUPPORTED).unwrap_or_default().to_vec(),
        Err(error) if error.reason == NoData::Unsupported => Vec::new(),
        Err(error) => return Err(error),
    };
    let mut read = |page: u8, into: fn(&mut DriveHealth, &[u8])| {
        if pages.contains(&page)
            && let Ok(bytes) = fetch(Page::ScsiLog(page))
        {
            into(&mut health, &bytes);
        }
    };
    read(EXCEPTIONS, exceptions);
    read(TEMPERATURE, temperature);
    read(SOLID_STATE, solid_state);
    read(WRITE_ERRORS, write_errors);
    read(READ_ERRORS, read_errors);
    read(BACKGROUND, background);
    Ok(Told { health, serial: None })
}

/// Whether sense data, in either format, say that the drive stands by or was stopped.
pub(super) fn sleeps(sense: &[u8]) -> bool {
    let Some((key, code, qualifier)) = sense_codes(sense) else {
        return false;
    };
    (key == NOT_READY && (code, qualifier) == STOPPED) || (code == LOW_POWER && STANDBY.contains(&qualifier))
}

/// Sense key, additional sense code and its qualifier (SPC-5, 4.4).
pub(super) fn sense_codes(sense: &[u8]) -> Option<(u8, u8, u8)> {
    match sense.first()? & 0x7f {
        0x70 | 0x71 => Some((sense.get(2)? & 0x0f, *sense.get(12)?, *sense.get(13)?)),
        0x72 | 0x73 => Some((sense.get(1)? & 0x0f, *sense.get(2)?, *sense.get(3)?)),
        _ => None,
    }
}

/// What follows the header of a log page, where it is the page that was asked for.
fn payload(page: &[u8], code: u8) -> Option<&[u8]> {
    let is_it = page.first()? & 0x3f == code;
    let length = usize::from(u16::from_be_bytes([*page.get(2)?, *page.get(3)?]));
    let end = length.checked_add(4)?.min(page.len());
    page.get(4..end).filter(|_| is_it)
}

/// Parameters of a log page: their code and their bytes.
fn parameters(page: &[u8], code: u8) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = payload(page, code).unwrap_or_default();
    std::iter::from_fn(move || {
        let [high, low, _control, length, tail @ ..] = rest else {
            return None;
        };
        let (value, after) = tail.split_at_checked(usize::from(*length))?;
        rest = after;
        Some((u16::from_be_bytes([*high, *low]), value))
    })
    .take(MOST_PARAMETERS)
}

fn parameter(page: &[u8], code: u8, wanted: u16) -> Option<&[u8]> {
    parameters(page, code)
        .find(|(found, _)| *found == wanted)
        .map(|(_, value)| value)
}

/// A counter of any length; it stops at what we can hold. All ones are no count.
fn count(bytes: &[u8]) -> Reading<u64> {
    if bytes.is_empty() || bytes.iter().all(|byte| *byte == u8::MAX) {
        return Reading::none(NoData::Garbled);
    }
    let add = |sum: u64, byte: &u8| sum.checked_mul(256)?.checked_add(u64::from(*byte));
    Reading::Value(bytes.iter().try_fold(0, add).unwrap_or(u64::MAX))
}

fn exceptions(health: &mut DriveHealth, page: &[u8]) {
    let Some([code, qualifier, ..]) = parameter(page, EXCEPTIONS, 0) else {
        return;
    };
    health.state = Reading::Value(DriveState::Ok);
    match *code {
        PREDICTED => health.warn(DriveWarning::Threshold),
        WARNS if *qualifier == TOO_WARM => health.warn(DriveWarning::Temperature),
        0 => {}
        _ => health.warn(DriveWarning::Unknown),
    }
}

fn temperature(health: &mut DriveHealth, page: &[u8]) {
    let degrees = |wanted| match parameter(page, TEMPERATURE, wanted) {
        Some([_, NO_SENSOR, ..]) | None => Reading::none(NoData::Unsupported),
        Some([_, celsius, ..]) => Reading::Value(i32::from(*celsius)),
        Some(_) => Reading::none(NoData::Garbled),
    };
    health.temperature_celsius = degrees(0);
    health.critical_celsius = degrees(1);
}

fn solid_state(health: &mut DriveHealth, page: &[u8]) {
    health.used_percent = match parameter(page, SOLID_STATE, 1) {
        Some([_, _, _, used, ..]) => Reading::Value(u32::from(*used)),
        Some(_) => Reading::none(NoData::Garbled),
        None => Reading::none(NoData::Unsupported),
    };
}

fn write_errors(health: &mut DriveHealth, page: &[u8]) {
    if let Some(bytes) = parameter(page, WRITE_ERRORS, BYTES_PROCESSED) {
        health.written_bytes = count(bytes).map(Bytes::new);
    }
    add_errors(health, parameter(page, WRITE_ERRORS, NOT_CORRECTED));
}

fn read_errors(health: &mut DriveHealth, page: &[u8]) {
    if let Some(bytes) = parameter(page, READ_ERRORS, BYTES_PROCESSED) {
        health.read_bytes = count(bytes).map(Bytes::new);
    }
    add_errors(health, parameter(page, READ_ERRORS, NOT_CORRECTED));
}

/// Writing and reading count their errors apart.
fn add_errors(health: &mut DriveHealth, bytes: Option<&[u8]>) {
    let Some(bytes) = bytes else { return };
    let so_far = health.media_errors.value().unwrap_or(0);
    health.media_errors = count(bytes).map(|count| count.saturating_add(so_far));
}

fn background(health: &mut DriveHealth, page: &[u8]) {
    if let Some(minutes) = parameter(page, BACKGROUND, 0).and_then(|value| value.get(..4)) {
        health.power_on_seconds = count(minutes).map(|minutes| minutes.saturating_mul(SECONDS_OF_MINUTE));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm)]
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::target::Tongue;
    use super::*;

    fn target() -> Target {
        Target {
            name: "sda".to_owned(),
            device: "sda".to_owned(),
            tongue: Tongue::Scsi,
            turns: true,
            number: None,
            serial: None,
        }
    }

    fn page(code: u8, parameters: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (number, value) in parameters {
            body.extend_from_slice(&number.to_be_bytes());
            body.extend_from_slice(&[0x03, u8::try_from(value.len()).unwrap()]);
            body.extend_from_slice(value);
        }
        let mut page = vec![code, 0];
        page.extend_from_slice(&u16::try_from(body.len()).unwrap().to_be_bytes());
        page.extend(body);
        page
    }

    fn drive(sense: &[u8]) -> (Told, Vec<String>) {
        let mut pages = BTreeMap::new();
        pages.insert("request_sense".to_owned(), sense.to_vec());
        pages.insert(
            "log_00".to_owned(),
            [&[0, 0, 0, 7][..], &[0, 2, 3, 0x0d, 0x11, 0x15, 0x2f]].concat(),
        );
        pages.insert(
            "log_02".to_owned(),
            page(2, &[(5, &[0, 0, 0, 1, 0, 0]), (6, &[0, 3])]),
        );
        pages.insert("log_03".to_owned(), page(3, &[(6, &[2])]));
        pages.insert("log_0d".to_owned(), page(0x0d, &[(0, &[0, 41]), (1, &[0, 65])]));
        pages.insert("log_11".to_owned(), page(0x11, &[(1, &[0, 0, 0, 104])]));
        pages.insert(
            "log_15".to_owned(),
            page(0x15, &[(0, &[0, 0, 0, 90, 0, 0, 0, 0])]),
        );
        pages.insert("log_2f".to_owned(), page(0x2f, &[(0, &[0x5d, 0x10, 41])]));
        let mut asked = Vec::new();
        let told = told(&target(), &mut |page| {
            asked.push(page.file());
            pages
                .get(&page.file())
                .cloned()
                .ok_or_else(|| CollectError::new(NoData::Unsupported, page.file()))
        });
        (told.unwrap(), asked)
    }

    #[test]
    fn log_pages_are_read_in_our_units() {
        let (told, _) = drive(&[0x70, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let health = told.health;
        assert_eq!(health.state, Reading::Value(DriveState::Critical));
        assert_eq!(health.warnings, [DriveWarning::Threshold]);
        assert_eq!(health.temperature_celsius, Reading::Value(41));
        assert_eq!(health.critical_celsius, Reading::Value(65));
        assert_eq!(health.used_percent, Reading::Value(104));
        assert_eq!(health.written_bytes, Reading::Value(Bytes::new(65_536)));
        assert_eq!(health.read_bytes, Reading::none(NoData::Unsupported));
        assert_eq!(health.media_errors, Reading::Value(5));
        assert_eq!(health.power_on_seconds, Reading::Value(5400));
    }

    #[test]
    fn a_drive_that_stands_by_is_asked_for_nothing_more() {
        let stopped = [0x70, 0, 2, 0, 0, 0, 0, 10, 0, 0, 0, 0, 4, 2, 0, 0, 0, 0];
        for sense in [stopped.to_vec(), vec![0x72, 0, 0x5e, 0x04, 0, 0, 0, 0]] {
            let (told, asked) = drive(&sense);
            assert_eq!(asked, ["request_sense"]);
            assert_eq!(told.health, DriveHealth::silent("sda", NoData::Off));
        }
        let idle = vec![0x72, 0, 0x5e, 0x03, 0, 0, 0, 0];
        assert!(!sleeps(&idle), "an idle disk turns");
    }

    #[test]
    fn counters_of_any_length_stop_at_what_we_hold() {
        assert_eq!(count(&[1; 12]), Reading::Value(u64::MAX));
        assert_eq!(count(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 9]), Reading::Value(9));
        assert_eq!(count(&[255; 4]), Reading::none(NoData::Garbled));
    }

    proptest! {
        #[test]
        fn any_bytes_are_pages(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let told = told(&target(), &mut |page| Ok(match page {
                Page::ScsiSense => Vec::new(),
                _ => bytes.clone(),
            }));
            prop_assert!(told.is_ok());
            let _ = sleeps(&bytes);
            let mut health = DriveHealth::silent("sda", NoData::Unsupported);
            for read in [exceptions, temperature, solid_state, write_errors, read_errors, background] {
                read(&mut health, &bytes);
            }
        }
    }
}
