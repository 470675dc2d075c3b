//! Whom we trust at the other end of TLS: a CA, one pinned certificate, the first one we meet, or (by name only) anybody.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};

use super::error::BmcError;

/// The SHA-256 of a leaf certificate's DER. Text: `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a certificate in DER.
    pub fn of(der: &[u8]) -> Fingerprint {
        Fingerprint(Sha256::digest(der).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no fingerprint.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no fingerprint; expected sha256: and 64 hexadecimal digits (colons between them are fine)")]
pub struct NotAFingerprint(String);

impl FromStr for Fingerprint {
    type Err = NotAFingerprint;

    /// As shown by us or by openssl: `sha256:` may be left out, colons between bytes and either case are taken.
    fn from_str(text: &str) -> Result<Fingerprint, NotAFingerprint> {
        let not = || NotAFingerprint(text.to_owned());
        let trimmed = text.trim();
        let digits = trimmed
            .get(..7)
            .filter(|prefix| prefix.eq_ignore_ascii_case("sha256:"))
            .and_then(|_| trimmed.get(7..))
            .unwrap_or(trimmed)
            .replace(':', "");
        if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(not());
        }
        let mut bytes = [0_u8; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            let pair = digits.get(index * 2..index * 2 + 2).ok_or_else(not)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| not())?;
        }
        Ok(Fingerprint(bytes))
    }
}

/// Keeps the first certificate that was met; an error refuses the connection.
pub type KeepPin = Arc<dyn Fn(Fingerprint) -> Result<(), String> + Send + Sync>;

/// Whose certificate is taken.
#[derive(Clone)]
pub enum Trust {
    /// Certificates signed by one of these (PEM), for the host's name.
    Ca(String),
    /// This one certificate, whatever name and date it carries.
    Fingerprint(Fingerprint),
    /// The known one; where none is known yet, the first one that comes, once it has been kept.
    PinOnFirstUse {
        /// What was kept before.
        known: Option<Fingerprint>,
        /// Keeps what is met first.
        keep: KeepPin,
    },
    /// Any certificate, and plain HTTP. Only where somebody asked for it by name.
    Insecure,
}

/// Where systems keep the certificates of the authorities that they trust: Debian and Ubuntu, Fedora, openSUSE, Alpine.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

impl Trust {
    /// The authorities that this system trusts.
    ///
    /// # Errors
    /// Where none of the usual files can be read; the text names them.
    pub fn system() -> Result<Trust, String> {
        let bundle = SYSTEM_BUNDLES
            .iter()
            .find_map(|path| std::fs::read_to_string(path).ok());
        bundle.map(Trust::Ca).ok_or_else(|| {
            format!(
                "this system has no list of authorities (looked for {})",
                SYSTEM_BUNDLES.join(", ")
            )
        })
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trust::Ca(_) => f.write_str("Ca"),
            Trust::Fingerprint(pin) => write!(f, "Fingerprint({pin})"),
            Trust::PinOnFirstUse { known, .. } => write!(f, "PinOnFirstUse({known:?})"),
            Trust::Insecure => f.write_str("Insecure"),
        }
    }
}

/// A refused certificate: what was expected and what came.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    pub(super) expected: String,
    pub(super) seen: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "certificate {}, expected {}", self.seen, self.expected)
    }
}

impl std::error::Error for Refused {}

enum Rule {
    Ca(Arc<WebPkiServerVerifier>),
    FirstUse(KeepPin),
    Any,
}

/// What the handshakes have shown so far.
#[derive(Default)]
struct Met {
    pin: Option<Fingerprint>,
    seen: Option<Fingerprint>,
    refused: Option<Refused>,
}

/// rustls asks this one at each handshake; signatures are always checked, whatever the rule.
pub(super) struct Verifier {
    rule: Rule,
    provider: Arc<CryptoProvider>,
    met: Mutex<Met>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

impl Verifier {
    fn met(&self) -> std::sync::MutexGuard<'_, Met> {
        self.met.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The certificate of the last handshake.
    pub(super) fn seen(&self) -> Option<Fingerprint> {
        self.met().seen
    }

    /// Why the last handshake was refused, told once.
    pub(super) fn take_refused(&self) -> Option<Refused> {
        self.met().refused.take()
    }

    fn judge(&self, der: &[u8]) -> Result<(), Refused> {
        let fingerprint = Fingerprint::of(der);
        let mut met = self.met();
        met.seen = Some(fingerprint);
        let verdict = match (met.pin, &self.rule) {
            (Some(pin), _) if pin == fingerprint => Ok(()),
            (Some(pin), _) => Err(format!("the pinned {pin}")),
            (None, Rule::FirstUse(keep)) => match keep(fingerprint) {
                Ok(()) => {
                    met.pin = Some(fingerprint);
                    Ok(())
                }
                Err(why) => Err(format!("to keep it on first use, which failed: {why}")),
            },
            (None, Rule::Ca(_) | Rule::Any) => Ok(()),
        };
        verdict.map_err(|expected| {
            let refused = Refused {
                expected,
                seen: fingerprint.to_string(),
            };
            met.refused = Some(refused.clone());
            refused
        })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.judge(end_entity).map_err(|refused| {
            rustls::Error::InvalidCertificate(rustls::CertificateError::Other(OtherError(Arc::new(refused))))
        })?;
        match &self.rule {
            Rule::Ca(webpki) => webpki
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
                .inspect_err(|error| {
                    self.met().refused = Some(Refused {
                        expected: format!("one that the given authorities signed for this address ({error})"),
                        seen: Fingerprint::of(end_entity).to_string(),
                    });
                }),
            Rule::FirstUse(_) | Rule::Any => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// The TLS settings for one BMC, and the verifier that remembers what it saw.
pub(super) fn tls(url: &str, trust: &Trust) -> Result<(ClientConfig, Arc<Verifier>), BmcError> {
    let bad = |why: String| BmcError::Tls {
        url: url.to_owned(),
        why,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let (rule, pin) = match trust {
        Trust::Ca(pem) => (Rule::Ca(roots(pem, &provider).map_err(bad)?), None),
        Trust::Fingerprint(pin) => (Rule::Any, Some(*pin)),
        Trust::PinOnFirstUse { known, keep } => (Rule::FirstUse(keep.clone()), *known),
        Trust::Insecure => (Rule::Any, None),
    };
    let met = Mutex::new(Met {
        pin,
        ..Met::default()
    });
    let verifier = Arc::new(Verifier {
        rule,
        provider: provider.clone(),
        met,
    });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier.clone())
        .with_no_client_auth();
    Ok((config, verifier))
}

fn roots(pem: &str, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, String> {
    let mut store = RootCertStore::empty();
    for der in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let der = der.map_err(|error| format!("the CA file is no PEM: {error:?}"))?;
        // A system's bundle may hold one that is too odd for us; the others still count.
        let _ = store.add(der);
    }
    if store.is_empty() {
        return Err(
            "the CA file holds no certificate that can be used; expected PEM with BEGIN CERTIFICATE"
                .to_owned(),
        );
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone())
        .build()
        .map_err(|error| format!("the CA file cannot be used: {error}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fingerprints_read_what_they_and_openssl_show() {
        let pin = Fingerprint::of(b"leaf");
        assert_eq!(pin.to_string().parse::<Fingerprint>().unwrap(), pin);
        let openssl: Vec<String> = pin.0.iter().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(openssl.join(":").parse::<Fingerprint>().unwrap(), pin);
        for bad in ["", "sha256:", "sha256:12", "md5:00", "sha256:ünïcode"] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_ca_file_without_a_certificate_is_refused() {
        let error = tls("https://192.0.2.1", &Trust::Ca("hello".to_owned())).unwrap_err();
        assert!(error.to_string().contains("holds no certificate"), "{error}");
    }

    proptest! {
        #[test]
        fn any_text_is_a_fingerprint_or_an_error(text in ".*") {
            let _ = text.parse::<Fingerprint>();
        }
    }
}
