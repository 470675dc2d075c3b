//! TLS of the TCP face: certificate and key from files, HTTP/2 and HTTP/1.1 offered.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::TlsFiles;

/// The protocols of a TLS handshake (RFC 7301), the better one first.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Permission bits of group and others.
const OTHERS_BITS: u32 = 0o077;

/// Why there can be no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate cannot be read.
    #[error("cannot read the certificate {path}: {why}; expected PEM, the leaf first")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The key cannot be read.
    #[error("cannot read the private key {path}: {why}; expected PEM")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Others can read the key.
    #[error(
        "private key {path} has mode {mode:04o}: group or others can reach it; expected 0600 (chmod 600 {path})"
    )]
    OpenKey {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// They do not belong together, or cannot be used.
    #[error("cannot use the certificate {path} with its key: {why}")]
    Unusable {
        /// The certificate's file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

pub(super) fn server_config(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let of_certificate = |why: String| TlsError::Certificate {
        path: files.certificate.clone(),
        why,
    };
    let of_key = |why: String| TlsError::Key {
        path: files.key.clone(),
        why,
    };
    let unusable = |error: rustls::Error| TlsError::Unusable {
        path: files.certificate.clone(),
        why: error.to_string(),
    };
    let mut chain: Vec<CertificateDer<'static>> = Vec::new();
    for certificate in CertificateDer::pem_file_iter(&files.certificate)
        .map_err(|error| of_certificate(error.to_string()))?
    {
        chain.push(certificate.map_err(|error| of_certificate(error.to_string()))?);
    }
    if chain.is_empty() {
        return Err(of_certificate("it holds no certificate".to_owned()));
    }
    let mode = std::fs::metadata(&files.key)
        .map_err(|error| of_key(error.to_string()))?
        .mode()
        & 0o7777;
    if mode & OTHERS_BITS != 0 {
        return Err(TlsError::OpenKey {
            path: files.key.clone(),
            mode,
        });
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| of_key(error.to_string()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(unusable)?;
    config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
    Ok(config)
}
