//! How a BMC is reached: its address, credentials, trust and pace, in `[[bmc]]` and where a node names one by its address.

use std::time::Duration;

use super::section::{Errors, Placed, Section};
use super::sections::RawBmc;
use super::{BmcTrust, words};

/// How often a BMC is read where nothing else is said (power.md: at least 5 s).
const USUAL_POLL: Duration = Duration::from_secs(5);
/// How often it is asked whether it still knows our subscription: BMCs drop them at a restart and say nothing (power.md, BMC manners).
const USUAL_RECONCILE: Duration = Duration::from_secs(60);
const FASTEST_RECONCILE: Duration = Duration::from_secs(1);
/// No BMC bears to be read more often than this.
const FASTEST_POLL: Duration = Duration::from_millis(50);

/// `url`, or `ipmi` with the host alone.
pub(super) fn address(section: &Section<'_>) -> Option<Placed<String>> {
    let host = section.text("ipmi", "HOST or HOST:PORT, as in \"192.0.2.5\"");
    if host.is_some() && section.has("url") {
        let message = "[[bmc]] has both url and ipmi; expected one of them".to_owned();
        section.errors.at_line(section.line, message);
    }
    match host {
        Some(host) => Some(Placed {
            line: host.line,
            value: format!("{}{}", super::IPMI, host.value),
        }),
        None => section.needed(
            "url",
            "its address, as in \"https://192.0.2.5\" or \"ipmi://192.0.2.5\"",
        ),
    }
}

/// Credentials, trust and pace of a BMC.
pub(super) fn access(section: &Section<'_>) -> RawBmc {
    let ca = section.path("ca_file");
    let print = section.text("fingerprint", "\"sha256:\" and 64 hexadecimal digits");
    let insecure = section.flag("insecure").unwrap_or(false);
    if usize::from(ca.is_some()) + usize::from(print.is_some()) + usize::from(insecure) > 1 {
        let message = "more than one of ca_file, fingerprint and insecure; expected one";
        section.errors.at_line(section.line, message.to_owned());
    }
    let trust = match (ca, print) {
        (Some(ca), _) => BmcTrust::CaFile(ca),
        (None, Some(print)) => {
            let digits = print.value.strip_prefix("sha256:").unwrap_or_default();
            if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                let message = format!(
                    "fingerprint: found {:?}; expected \"sha256:\" and 64 hexadecimal digits",
                    print.value
                );
                section.errors.at_line(print.line, message);
            }
            BmcTrust::Fingerprint(print.value.to_ascii_lowercase())
        }
        (None, None) if insecure => BmcTrust::Insecure,
        (None, None) => BmcTrust::System,
    };
    RawBmc {
        name: String::new(),
        url: None,
        credentials_file: section.path("credentials_file"),
        trust,
        poll_interval: section
            .duration("poll_interval", FASTEST_POLL)
            .unwrap_or(USUAL_POLL),
        reconcile_interval: section
            .duration("reconcile_interval", FASTEST_RECONCILE)
            .unwrap_or(USUAL_RECONCILE),
    }
}

/// Whether this address can be spoken to, with what is configured beside it.
pub(super) fn check_access(errors: &Errors<'_>, url: &Placed<String>, what: &str, raw: &RawBmc) {
    if let Some(wrong) = words::wrong_bmc_url(&url.value) {
        errors.at_line(url.line, format!("{what}: {wrong}"));
    } else if url.value.starts_with(super::IPMI) {
        if raw.credentials_file.is_none() {
            let message =
                "IPMI needs a user and a password (RMCP+ proves both sides by it); expected credentials_file";
            errors.at_line(url.line, format!("{what}: {message}"));
        }
        if raw.trust != BmcTrust::System {
            let message = "IPMI has no certificates; expected no ca_file, fingerprint or insecure";
            errors.at_line(url.line, format!("{what}: {message}"));
        }
    }
}
