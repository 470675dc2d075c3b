//! Closed by default: what listens beyond loopback needs TLS and a token.

use std::net::SocketAddr;

pub(super) fn check(address: SocketAddr, has_tls: bool, has_token: bool) -> Result<(), String> {
    if address.ip().is_loopback() || (has_tls && has_token) {
        return Ok(());
    }
    let missing = match (has_tls, has_token) {
        (false, false) => "tls_certificate_file, tls_key_file and token_file",
        (false, true) => "tls_certificate_file and tls_key_file",
        (true, _) => "token_file",
    };
    Err(format!(
        "{address} reaches beyond loopback without {missing}; expected an address as 127.0.0.1:9712, or TLS and a token"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn nothing_listens_beyond_loopback_without_both() {
        let open = "0.0.0.0:9712".parse().unwrap();
        assert!(check("127.0.0.1:0".parse().unwrap(), false, false).is_ok());
        assert!(check("[::1]:0".parse().unwrap(), false, false).is_ok());
        assert!(check(open, true, true).is_ok());
        for (tls, token) in [(false, false), (true, false), (false, true)] {
            assert!(check(open, tls, token).is_err());
        }
    }
}
