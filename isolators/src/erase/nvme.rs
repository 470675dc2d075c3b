//! What an NVMe drive says of how it can be erased, and how far it is (NVM Express Base 2.0). Pure.

use super::Method;

/// Bytes of Identify Controller and Identify Namespace (5.17.2).
pub(crate) const IDENTIFY_BYTES: usize = 4_096;
/// Bytes of the Sanitize Status log, page 81h (5.16.1.25).
pub(crate) const SANITIZE_LOG_BYTES: usize = 512;
/// What is kept of it as evidence: everything that has a meaning.
pub(crate) const SANITIZE_LOG_TOLD: usize = 32;
/// Bytes of the SMART log, page 02h (5.16.1.3).
pub(crate) const HEALTH_LOG_BYTES: usize = 512;

/// Sanitize actions (SANACT, Command Dword 10 bits 2 to 0).
const EXIT_FAILURE_MODE: u32 = 0b001;
const BLOCK_ERASE: u32 = 0b010;
const CRYPTO_ERASE: u32 = 0b100;
/// Allow Unrestricted Sanitize Exit (bit 3): after a failure the drive may be brought back by the exit alone, and be erased in another way.
/// What the pool thinks of it does not hang on that: without a proof it stays out.
const UNRESTRICTED_EXIT: u32 = 1 << 3;
/// "No time is reported" in the estimates.
const NO_ESTIMATE: u32 = u32::MAX;

/// Command Dword 10 of Sanitize for this method; `None` for one that is no sanitize.
pub(crate) const fn sanitize_order(method: Method) -> Option<u32> {
    match method {
        Method::SanitizeCrypto => Some(CRYPTO_ERASE | UNRESTRICTED_EXIT),
        Method::SanitizeBlock => Some(BLOCK_ERASE | UNRESTRICTED_EXIT),
        Method::FormatCrypto
        | Method::FormatBlock
        | Method::AtaEnhanced
        | Method::Ata
        | Method::Overwrite => None,
    }
}

/// Command Dword 10 of Sanitize that leaves the failure mode.
pub(crate) const fn exit_failure_mode() -> u32 {
    EXIT_FAILURE_MODE
}

fn text(bytes: &[u8], range: std::ops::Range<usize>) -> Option<String> {
    let text = std::str::from_utf8(bytes.get(range)?).ok()?;
    let text = text.trim_matches(['\0', ' ']);
    (!text.is_empty()).then(|| text.to_owned())
}

fn dword(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}

/// What Identify Controller says (CNS 01h).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Controller {
    /// SN, bytes 23 to 4.
    pub(crate) serial: Option<String>,
    /// MN, bytes 63 to 24.
    pub(crate) model: Option<String>,
    /// SANICAP bit 0.
    pub(crate) sanitizes_crypto: bool,
    /// SANICAP bit 1.
    pub(crate) sanitizes_blocks: bool,
    /// OACS bit 1.
    pub(crate) formats: bool,
    /// FNA bit 2: Format NVM can throw away the key.
    pub(crate) formats_crypto: bool,
}

impl Controller {
    /// `None` where the page is cut short.
    pub(crate) fn parse(page: &[u8]) -> Option<Controller> {
        const SANICAP: usize = 328;
        const OACS: usize = 256;
        const FNA: usize = 524;
        let sanitize = dword(page, SANICAP)?;
        let optional = page.get(OACS)?;
        let format = page.get(FNA)?;
        Some(Controller {
            serial: text(page, 4..24),
            model: text(page, 24..64),
            sanitizes_crypto: sanitize & 1 != 0,
            sanitizes_blocks: sanitize & 2 != 0,
            formats: optional & 2 != 0,
            formats_crypto: format & 4 != 0,
        })
    }

    /// The methods that it offers, the best first. Format NVM with "user data erase" has no bit of its own: who does not know it refuses it.
    pub(crate) fn methods(&self) -> Vec<Method> {
        let offered = [
            (self.sanitizes_crypto, Method::SanitizeCrypto),
            (self.sanitizes_blocks, Method::SanitizeBlock),
            (self.formats && self.formats_crypto, Method::FormatCrypto),
            (self.formats, Method::FormatBlock),
        ];
        let offered = offered.into_iter().filter(|(is_offered, _)| *is_offered);
        offered.map(|(_, method)| method).collect()
    }
}

/// What Identify Namespace says (CNS 00h).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Namespace {
    /// Its NGUID in hexadecimal; `None` where it has none.
    pub(crate) nguid: Option<String>,
    /// Command Dword 10 of a Format NVM that leaves the format as it is, without a secure erase setting.
    pub(crate) same_format: u32,
    /// Percent that remain of a Format NVM that runs (FPI); `None` where it does not tell.
    pub(crate) remains: Option<u8>,
}

impl Namespace {
    /// `None` where the page is cut short.
    pub(crate) fn parse(page: &[u8]) -> Option<Namespace> {
        const FLBAS: usize = 26;
        const DPS: usize = 29;
        const FPI: usize = 32;
        const NGUID: std::ops::Range<usize> = 104..120;
        let flbas = u32::from(*page.get(FLBAS)?);
        let dps = u32::from(*page.get(DPS)?);
        let fpi = *page.get(FPI)?;
        let nguid = page.get(NGUID)?;
        let is_known = nguid.iter().any(|byte| *byte != 0);
        // LBAF: bits 3 to 0, and 13 to 12 from FLBAS 6 to 5. MSET: FLBAS bit 4. PI and PIL: DPS bits 2 to 0, and 3.
        let format = (flbas & 0xf) | ((flbas >> 5 & 3) << 12);
        let metadata = (flbas >> 4 & 1) << 4;
        let protection = ((dps & 7) << 5) | ((dps >> 3 & 1) << 8);
        Some(Namespace {
            nguid: is_known.then(|| hex(nguid)),
            same_format: format | metadata | protection,
            remains: (fpi & 0x80 != 0).then_some(fpi & 0x7f),
        })
    }
}

/// Command Dword 10 of a Format NVM that erases (SES: bits 11 to 9) and leaves the format as it is.
pub(crate) const fn format_order(namespace: &Namespace, throws_key_away: bool) -> u32 {
    let setting = if throws_key_away { 2 } else { 1 };
    namespace.same_format | (setting << 9)
}

/// How a sanitize stands (SSTAT bits 2 to 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sanitized {
    /// There was none.
    Never,
    /// The last one is done; also where blocks were deallocated against the wish of whoever asked.
    Done,
    /// One runs.
    Running,
    /// The last one failed.
    Failed,
    /// A number that has no meaning.
    Unknown(u8),
}

/// The Sanitize Status log (81h).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SanitizeLog {
    pub(crate) status: Sanitized,
    /// SPROG: of 65,536; only while one runs.
    pub(crate) progress: u16,
    /// SCDW10: Command Dword 10 of the last Sanitize that was taken.
    pub(crate) order: u32,
    /// Nothing was written since the last sanitize that was done (SSTAT bit 8).
    pub(crate) nothing_written: bool,
    /// Estimates in seconds: of a block erase (ETBE), of a crypto erase (ETCE); `None` where none is told.
    block_seconds: Option<u32>,
    crypto_seconds: Option<u32>,
    /// The page, as far as it has a meaning, in hexadecimal.
    pub(crate) page: String,
}

impl SanitizeLog {
    /// `None` where the page is cut short.
    pub(crate) fn parse(page: &[u8]) -> Option<SanitizeLog> {
        let told = page.get(..SANITIZE_LOG_TOLD)?;
        let first = dword(told, 0)?;
        let [low, high, status, flags] = first.to_le_bytes();
        let estimate = |at: usize| dword(told, at).map(|seconds| (seconds != NO_ESTIMATE).then_some(seconds));
        Some(SanitizeLog {
            progress: u16::from_le_bytes([low, high]),
            status: match status & 7 {
                0 => Sanitized::Never,
                1 | 4 => Sanitized::Done,
                2 => Sanitized::Running,
                3 => Sanitized::Failed,
                other => Sanitized::Unknown(other),
            },
            nothing_written: flags & 1 != 0,
            order: dword(told, 4)?,
            block_seconds: estimate(12)?,
            crypto_seconds: estimate(16)?,
            page: hex(told),
        })
    }

    /// How long the drive itself expects this method to take, in seconds.
    pub(crate) const fn estimate(&self, method: Method) -> Option<u32> {
        match method {
            Method::SanitizeCrypto => self.crypto_seconds,
            Method::SanitizeBlock => self.block_seconds,
            Method::FormatCrypto
            | Method::FormatBlock
            | Method::AtaEnhanced
            | Method::Ata
            | Method::Overwrite => None,
        }
    }

    /// Whether it speaks of the order that this method gives.
    pub(crate) fn is_of(&self, method: Method) -> bool {
        Some(self.order) == sanitize_order(method)
    }

    /// Thousandths; never all of them while it runs.
    pub(crate) fn permille(&self) -> u16 {
        u16::try_from((u32::from(self.progress) * 1_000) >> 16).unwrap_or(0)
    }
}

/// Data Units Written of the SMART log (bytes 63 to 48); `None` where the page is cut short. It stops at 2^64 - 1.
pub(crate) fn data_units_written(page: &[u8]) -> Option<u64> {
    let number = u128::from_le_bytes(page.get(48..64)?.try_into().ok()?);
    Some(u64::try_from(number).unwrap_or(u64::MAX))
}

/// Two digits a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn log(status: u16, progress: u16, order: u32, block: u32, crypto: u32) -> Vec<u8> {
        let mut page = vec![0; SANITIZE_LOG_BYTES];
        page[..2].copy_from_slice(&progress.to_le_bytes());
        page[2..4].copy_from_slice(&status.to_le_bytes());
        page[4..8].copy_from_slice(&order.to_le_bytes());
        page[12..16].copy_from_slice(&block.to_le_bytes());
        page[16..20].copy_from_slice(&crypto.to_le_bytes());
        page
    }

    #[test]
    fn a_log_says_how_far_it_is_and_of_which_order() {
        let running = SanitizeLog::parse(&log(2, 0xfd80, 0xa, 120, u32::MAX)).unwrap();
        assert_eq!((running.status, running.permille()), (Sanitized::Running, 990));
        assert!(running.is_of(Method::SanitizeBlock) && !running.is_of(Method::SanitizeCrypto));
        assert_eq!(running.estimate(Method::SanitizeBlock), Some(120));
        assert_eq!(
            running.estimate(Method::SanitizeCrypto),
            None,
            "no time is reported"
        );
        let done = SanitizeLog::parse(&log(0x101, 0xffff, 0xc, 0, 0)).unwrap();
        assert_eq!((done.status, done.nothing_written), (Sanitized::Done, true));
        assert!(done.permille() < 1_000 && done.page.starts_with("ffff01010c000000"));
        let odd: Vec<Sanitized> = [0, 3, 4, 7]
            .map(|status| SanitizeLog::parse(&log(status, 0, 0, 0, 0)).unwrap().status)
            .into();
        assert_eq!(
            odd,
            [
                Sanitized::Never,
                Sanitized::Failed,
                Sanitized::Done,
                Sanitized::Unknown(7)
            ]
        );
        assert_eq!(SanitizeLog::parse(&[0; 31]), None, "cut short");
    }

    #[test]
    fn a_controller_offers_what_its_bits_say_the_best_first() {
        let mut page = vec![0; IDENTIFY_BYTES];
        page[4..24].copy_from_slice(b"S1                  ");
        page[24..28].copy_from_slice(b"M 1 ");
        assert_eq!(Controller::parse(&page).unwrap().methods(), []);
        page[256] = 2;
        assert_eq!(Controller::parse(&page).unwrap().methods(), [Method::FormatBlock]);
        page[524] = 4;
        page[328] = 3;
        let all = Controller::parse(&page).unwrap();
        assert_eq!(
            (all.serial.as_deref(), all.model.as_deref()),
            (Some("S1"), Some("M 1"))
        );
        let best = [
            Method::SanitizeCrypto,
            Method::SanitizeBlock,
            Method::FormatCrypto,
            Method::FormatBlock,
        ];
        assert_eq!(all.methods(), best);
        // It can throw its key away, but not by a format.
        page[256] = 0;
        assert_eq!(Controller::parse(&page).unwrap().methods(), best[..2]);
        assert_eq!(Controller::parse(&page[..500]), None, "cut short");
    }

    #[test]
    fn a_format_leaves_the_format_as_it_is() {
        let mut page = vec![0; IDENTIFY_BYTES];
        // LBA format 17 (lower 1, upper 1), metadata in line, protection of type 2 at the beginning; 40 % remain.
        page[26] = 0b011_0001 | 1 << 4;
        page[29] = 0b1010;
        page[32] = 0x80 | 40;
        page[104] = 0xab;
        let namespace = Namespace::parse(&page).unwrap();
        assert_eq!(namespace.remains, Some(40));
        assert_eq!(
            namespace.nguid.as_deref(),
            Some("ab000000000000000000000000000000")
        );
        let order = format_order(&namespace, true);
        assert_eq!((order & 0xf, order >> 12 & 3, order >> 4 & 1), (1, 1, 1));
        assert_eq!((order >> 5 & 7, order >> 8 & 1, order >> 9 & 7), (2, 1, 2));
        assert_eq!(format_order(&namespace, false) >> 9 & 7, 1);
    }

    proptest! {
        #[test]
        fn any_page_is_read_or_refused(page in proptest::collection::vec(any::<u8>(), 0..600)) {
            if let Some(log) = SanitizeLog::parse(&page) {
                prop_assert!(log.permille() < 1_000);
            }
            let _ = (Controller::parse(&page), Namespace::parse(&page), data_units_written(&page));
        }
    }
}
