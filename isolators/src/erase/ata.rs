//! What an ATA drive says of its SECURITY feature set in IDENTIFY DEVICE (ACS-4, 7.13.6). Pure.

use std::time::Duration;

use super::Method;

/// Bytes of IDENTIFY DEVICE.
pub(crate) const SECTOR: usize = 512;
/// The password that is set for the time of an erase: in every manual of ours, because a drive that loses its power meanwhile comes back
/// locked with it. It keeps no secret.
pub(crate) const PASSWORD: &[u8] = b"busbar";

/// Word 82, bit 1: the feature set is there. Word 128: how it stands.
const SUPPORTED_SETS: usize = 82;
const SECURITY_STATUS: usize = 128;
/// Words 89 and 90: how long the erase takes, and the enhanced one.
const ERASE_TIME: usize = 89;
const ENHANCED_TIME: usize = 90;
/// Bit 15 of a time: fifteen bits follow instead of eight. The unit is two minutes, and the highest value means "longer".
const EXTENDED: u16 = 1 << 15;
const UNIT_SECONDS: u64 = 120;

/// What IDENTIFY DEVICE says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identify {
    pub(crate) serial: Option<String>,
    pub(crate) model: Option<String>,
    /// The SECURITY feature set is there.
    pub(crate) has_security: bool,
    /// A password stands.
    pub(crate) is_enabled: bool,
    /// Nothing can be read or written before it is unlocked.
    pub(crate) is_locked: bool,
    /// No order of this feature set is taken until the drive loses its power.
    pub(crate) is_frozen: bool,
    /// It offers the enhanced erase.
    pub(crate) has_enhanced: bool,
    erase: Option<Duration>,
    enhanced: Option<Duration>,
}

impl Identify {
    /// `None` where the page is cut short, or all one byte.
    pub(crate) fn parse(page: &[u8]) -> Option<Identify> {
        let page = page.get(..SECTOR)?;
        if page.iter().all(|byte| Some(byte) == page.first()) {
            return None;
        }
        let word = |at: usize| {
            let two = page.get(at.checked_mul(2)?..)?.get(..2)?;
            Some(u16::from_le_bytes(two.try_into().ok()?))
        };
        let status = word(SECURITY_STATUS)?;
        Some(Identify {
            serial: text(page.get(20..40)?),
            model: text(page.get(54..94)?),
            has_security: word(SUPPORTED_SETS)? & 2 != 0 && status & 1 != 0,
            is_enabled: status & 2 != 0,
            is_locked: status & 4 != 0,
            is_frozen: status & 8 != 0,
            has_enhanced: status & 32 != 0,
            erase: time(word(ERASE_TIME)?),
            enhanced: time(word(ENHANCED_TIME)?),
        })
    }

    /// The methods that it offers, and why it does not offer more.
    pub(crate) fn methods(&self) -> (Vec<Method>, Vec<String>) {
        if !self.has_security {
            return (
                Vec::new(),
                vec!["it has no SECURITY feature set (ATA)".to_owned()],
            );
        }
        if self.is_frozen {
            let why = "its SECURITY feature set is frozen until it loses its power (ATA); pull it and put it back, or put the machine to sleep once";
            return (Vec::new(), vec![why.to_owned()]);
        }
        let enhanced = self.has_enhanced.then_some(Method::AtaEnhanced);
        (enhanced.into_iter().chain([Method::Ata]).collect(), Vec::new())
    }

    /// How long the drive itself expects this to take; `None` where it does not say.
    pub(crate) const fn estimate(&self, method: Method) -> Option<Duration> {
        match method {
            Method::AtaEnhanced => self.enhanced,
            Method::Ata => self.erase,
            Method::SanitizeCrypto
            | Method::SanitizeBlock
            | Method::FormatCrypto
            | Method::FormatBlock
            | Method::Overwrite => None,
        }
    }
}

fn time(word: u16) -> Option<Duration> {
    let units = if word & EXTENDED == 0 {
        word & 0xff
    } else {
        word & !EXTENDED
    };
    (units != 0).then(|| Duration::from_secs(u64::from(units) * UNIT_SECONDS))
}

/// The two bytes of each word are exchanged.
fn text(bytes: &[u8]) -> Option<String> {
    let all: Vec<u8> = bytes
        .chunks_exact(2)
        .flat_map(|pair| pair.iter().rev().copied())
        .collect();
    let text = std::str::from_utf8(&all).ok()?.trim_matches(['\0', ' ']);
    (!text.is_empty()).then(|| text.to_owned())
}

/// The sector that SECURITY SET PASSWORD and SECURITY ERASE UNIT bring: word 0, then the password. Bit 0 of word 0: 0 is the user's
/// password; bit 1: the enhanced erase.
pub(crate) fn password_sector(is_enhanced: bool) -> Vec<u8> {
    let mut sector = vec![0; SECTOR];
    if let Some(first) = sector.first_mut() {
        *first = u8::from(is_enhanced) << 1;
    }
    if let Some(place) = sector.get_mut(2..2 + PASSWORD.len()) {
        place.copy_from_slice(PASSWORD);
    }
    sector
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn page(status: u16) -> Vec<u8> {
        let mut page = vec![0; SECTOR];
        page[20..24].copy_from_slice(b"1S  ");
        page[54..58].copy_from_slice(b"1M  ");
        page[164] = 2;
        page[178] = 30;
        page[180..182].copy_from_slice(&(EXTENDED | 500).to_le_bytes());
        page[256..258].copy_from_slice(&status.to_le_bytes());
        page
    }

    #[test]
    fn a_drive_offers_its_erases_unless_it_is_frozen() {
        let both = Identify::parse(&page(1 | 32)).unwrap();
        assert_eq!(
            both.methods(),
            (vec![Method::AtaEnhanced, Method::Ata], Vec::new())
        );
        assert_eq!(
            (both.serial.as_deref(), both.model.as_deref()),
            (Some("S1"), Some("M1"))
        );
        assert_eq!(both.estimate(Method::Ata), Some(Duration::from_secs(3_600)));
        assert_eq!(
            both.estimate(Method::AtaEnhanced),
            Some(Duration::from_secs(60_000))
        );
        let frozen = Identify::parse(&page(1 | 8 | 32)).unwrap().methods();
        assert!(
            frozen.0.is_empty() && frozen.1[0].contains("frozen"),
            "{frozen:?}"
        );
        let none = Identify::parse(&page(0)).unwrap().methods();
        assert!(none.0.is_empty() && none.1[0].contains("no SECURITY"), "{none:?}");
        assert_eq!(Identify::parse(&[0xff; SECTOR]), None, "a bus without a drive");
    }

    #[test]
    fn the_sector_says_which_erase_and_the_users_password() {
        assert_eq!(&password_sector(true)[..9], b"\x02\0busbar\0");
        assert_eq!(&password_sector(false)[..9], b"\0\0busbar\0");
    }

    proptest! {
        #[test]
        fn any_page_is_read_or_refused(page in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Identify::parse(&page).map(|about| about.methods());
        }
    }
}
