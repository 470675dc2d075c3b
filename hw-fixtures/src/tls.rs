//! Keys and certificates of the BMCs: made once, kept in the state folder, so that pins stay good.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};

use crate::state_dir::{StateDir, StateError};

/// The authority's certificate, for clients to trust.
pub const CA_FILE: &str = "ca.pem";
const CA_KEY_FILE: &str = "ca.key";

/// Why keys or certificates could not be had.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The folder could not be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// A key or certificate could not be made.
    #[error("cannot make {what}")]
    Make {
        /// What.
        what: String,
        /// What rcgen said.
        #[source]
        source: rcgen::Error,
    },
    /// A kept key or certificate cannot be read back.
    #[error("cannot use {file} in {dir}; remove both to have new ones made")]
    Kept {
        /// The file.
        file: String,
        /// The folder.
        dir: String,
        /// What is wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The authority that signs for every BMC of a world.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Whether it was made just now: then what it signed before is worth nothing.
    fresh: bool,
}

/// What a BMC shows to its clients.
pub struct Leaf {
    /// For the server.
    pub config: Arc<rustls::ServerConfig>,
    /// `sha256:` and the hexadecimal digest of the certificate in DER.
    pub fingerprint: String,
}

impl Authority {
    /// Takes the authority from the state folder, or makes one and keeps it there.
    ///
    /// # Errors
    /// [`TlsError`] naming the file.
    pub fn load_or_make(dir: &StateDir) -> Result<Self, TlsError> {
        let kept = dir.read(CA_KEY_FILE)?.filter(|_| dir.file(CA_FILE).exists());
        let fresh = kept.is_none();
        let key = match kept {
            Some(pem) => KeyPair::from_pem(&pem).map_err(|e| broken(dir, CA_KEY_FILE, e))?,
            None => KeyPair::generate().map_err(|source| make("the authority's key", source))?,
        };
        let params = authority_params().map_err(|source| make("the authority", source))?;
        if fresh {
            let cert = params
                .self_signed(&key)
                .map_err(|source| make("the authority", source))?;
            dir.write_secret(CA_KEY_FILE, key.serialize_pem().as_bytes())?;
            dir.write(CA_FILE, cert.pem().as_bytes(), 0o644)?;
        }
        Ok(Self {
            issuer: Issuer::new(params, key),
            fresh,
        })
    }

    /// Takes a BMC's key and certificate from the state folder, or makes them and keeps them there.
    ///
    /// # Errors
    /// [`TlsError`] naming the file.
    pub fn leaf(&self, dir: &StateDir, name: &str) -> Result<Leaf, TlsError> {
        let (cert_file, key_file) = (format!("{name}.pem"), format!("{name}.key"));
        let kept = match (dir.read(&cert_file)?, dir.read(&key_file)?) {
            (Some(cert), Some(key)) if !self.fresh => Some((cert, key)),
            _ => None,
        };
        let (cert, key) = match kept {
            Some(pair) => pair,
            None => {
                let (cert, key) = self.sign(name).map_err(|source| make(name, source))?;
                dir.write_secret(&key_file, key.as_bytes())?;
                dir.write(&cert_file, cert.as_bytes(), 0o644)?;
                (cert, key)
            }
        };
        let cert = CertificateDer::from_pem_slice(cert.as_bytes()).map_err(|e| broken(dir, &cert_file, e))?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|e| broken(dir, &key_file, e))?;
        let fingerprint = format!("sha256:{:x}", Sha256::digest(&cert));
        let mut config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![cert], key)
            .map_err(|e| broken(dir, &cert_file, e))?;
        // BMCs speak HTTP/1.1; offering more would make this world kinder than the real one.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Leaf {
            config: Arc::new(config),
            fingerprint,
        })
    }

    fn sign(&self, name: &str) -> Result<(String, String), rcgen::Error> {
        let key = KeyPair::generate()?;
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let mut params = CertificateParams::new(names)?;
        params
            .distinguished_name
            .push(DnType::CommonName, format!("{name} BMC"));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let cert = params.signed_by(&key, &self.issuer)?;
        Ok((cert.pem(), key.serialize_pem()))
    }
}

fn authority_params() -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params
        .distinguished_name
        .push(DnType::CommonName, "hw-fixtures simulated rack");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn make(what: &str, source: rcgen::Error) -> TlsError {
    TlsError::Make {
        what: what.to_owned(),
        source,
    }
}

fn broken(
    dir: &StateDir,
    file: &str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> TlsError {
    TlsError::Kept {
        file: file.to_owned(),
        dir: dir.path().display().to_string(),
        source: source.into(),
    }
}
