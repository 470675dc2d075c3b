//! `[bmc]` of the configuration: how the node's own BMC is asked.

use std::path::{Path, PathBuf};

use collectors::local_bmc::{BmcWish, DeviceWish, RedfishTrust, RedfishWish};

use super::reader::{Faults, Reader};

const KEYS: [&str; 6] = [
    "device",
    "redfish",
    "credentials_file",
    "ca_file",
    "fingerprint",
    "insecure",
];
/// The keys that mean something only beside `redfish`.
const OF_REDFISH: [&str; 4] = ["credentials_file", "ca_file", "fingerprint", "insecure"];
/// What switches the kernel's device off.
const NONE: &str = "none";

/// Reads the section.
pub(super) fn read(section: &Reader<'_>, faults: &mut Faults<'_>) -> BmcWish {
    section.only(&KEYS, faults);
    let device = match section.text("device", faults) {
        None => DeviceWish::Auto,
        Some((NONE, _)) => DeviceWish::None,
        Some((path, _)) if path.starts_with('/') => DeviceWish::Path(PathBuf::from(path)),
        Some((other, place)) => {
            let expected = "expected a whole path, as in \"/dev/ipmi0\", or \"none\"";
            faults.add(place, format!("device = {other:?} is no device; {expected}"));
            DeviceWish::Auto
        }
    };
    let redfish = redfish(section, faults);
    BmcWish { device, redfish }
}

fn redfish(section: &Reader<'_>, faults: &mut Faults<'_>) -> Option<RedfishWish> {
    let Some((url, place)) = section.text("redfish", faults) else {
        for key in OF_REDFISH {
            if let Some(place) = section.place(key, faults) {
                let message = format!("{key} is set and redfish is not; expected redfish = \"https://HOST\"");
                faults.add(place, message);
            }
        }
        return None;
    };
    let url = url.trim_end_matches('/').to_owned();
    let trust = trust(section, faults);
    let host = url.strip_prefix("https://");
    let plain = url.strip_prefix("http://");
    let is_whole = |host: &str| !host.is_empty() && !host.contains(['/', '@', ' ', '?', '#']);
    match (host, plain) {
        (Some(host), _) if is_whole(host) => {}
        (_, Some(host)) if is_whole(host) && trust == RedfishTrust::Insecure => {}
        (_, Some(host)) if is_whole(host) => {
            let message = format!("redfish = {url:?} sends the password in the clear; expected https://");
            faults.add(place, message);
        }
        _ => {
            let expected = "expected https://HOST[:PORT] without a user or a path";
            faults.add(place, format!("redfish = {url:?} is no BMC; {expected}"));
        }
    }
    Some(RedfishWish {
        url,
        credentials_file: section.path("credentials_file", faults),
        trust,
    })
}

fn trust(section: &Reader<'_>, faults: &mut Faults<'_>) -> RedfishTrust {
    let insecure = section.switch("insecure", faults).unwrap_or_default();
    let ca_file = section.path("ca_file", faults);
    let fingerprint = section
        .text("fingerprint", faults)
        .map(|(text, place)| (text.to_owned(), place));
    let said = [insecure, ca_file.is_some(), fingerprint.is_some()];
    if said.into_iter().filter(|is_said| *is_said).count() > 1 {
        let place = section.place("redfish", faults).unwrap_or_default();
        let message =
            "more than one of ca_file, fingerprint and insecure is set; expected one of them".to_owned();
        faults.add(place, message);
    }
    if let Some((text, place)) = fingerprint {
        return match RedfishTrust::fingerprint(&text) {
            Ok(trust) => trust,
            Err(error) => {
                faults.add(place, format!("fingerprint: {error}"));
                RedfishTrust::System
            }
        };
    }
    match ca_file {
        Some(file) => RedfishTrust::CaFile(file),
        None if insecure => RedfishTrust::Insecure,
        None => RedfishTrust::System,
    }
}

/// Files that are named without a leading slash stand beside the configuration.
pub(super) fn stand_below(wish: &mut BmcWish, directory: &Path) {
    let Some(redfish) = &mut wish.redfish else { return };
    if let Some(file) = &mut redfish.credentials_file {
        *file = directory.join(&*file);
    }
    if let RedfishTrust::CaFile(file) = &mut redfish.trust {
        *file = directory.join(&*file);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::super::{Config, Overrides};
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse("agent.toml", text, Overrides::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_bmc_is_found_by_itself_or_as_it_is_written() {
        assert_eq!(parse("").unwrap().wishes.bmc, BmcWish::default());
        let none = parse("[bmc]\ndevice = \"none\"\n").unwrap().wishes.bmc;
        assert_eq!(none.device, DeviceWish::None);
        let text = "[bmc]\ndevice = \"/dev/ipmi1\"\nredfish = \"https://192.0.2.7/\"\n\
                    credentials_file = \"bmc.toml\"\nca_file = \"/etc/ca.pem\"\n";
        let mut wish = parse(text).unwrap().wishes.bmc;
        stand_below(&mut wish, Path::new("/etc/busbar"));
        assert_eq!(wish.device, DeviceWish::Path(PathBuf::from("/dev/ipmi1")));
        let redfish = wish.redfish.unwrap();
        assert_eq!(redfish.url, "https://192.0.2.7");
        assert_eq!(
            redfish.credentials_file.unwrap(),
            PathBuf::from("/etc/busbar/bmc.toml")
        );
        assert_eq!(redfish.trust, RedfishTrust::CaFile(PathBuf::from("/etc/ca.pem")));
        let open = parse("[bmc]\nredfish = \"http://127.0.0.1:8000\"\ninsecure = true\n").unwrap();
        assert_eq!(open.wishes.bmc.redfish.unwrap().trust, RedfishTrust::Insecure);
    }

    #[test]
    fn what_cannot_be_meant_is_named_with_its_line() {
        for (text, words) in [
            (
                "[bmc]\n\ndevice = \"ipmi0\"\n",
                "agent.toml:3: device = \"ipmi0\"",
            ),
            (
                "[bmc]\ndevise = \"x\"\n",
                "agent.toml:2: unknown key \"devise\" in [bmc]; did you mean \"device\"?",
            ),
            (
                "[bmc]\ncredentials_file = \"x\"\n",
                "agent.toml:2: credentials_file is set and redfish is not",
            ),
            (
                "[bmc]\nredfish = \"http://192.0.2.7\"\n",
                "agent.toml:2: redfish = \"http://192.0.2.7\" sends the password",
            ),
            ("[bmc]\nredfish = \"192.0.2.7\"\n", "expected https://HOST[:PORT]"),
            ("[bmc]\nredfish = \"https://u:p@h\"\n", "agent.toml:2"),
            (
                "[bmc]\nredfish = \"https://h\"\nfingerprint = \"12\"\n",
                "agent.toml:3: fingerprint: \"12\" is no fingerprint",
            ),
            (
                "[bmc]\nredfish = \"https://h\"\nca_file = \"x\"\ninsecure = true\n",
                "expected one of them",
            ),
            (
                "[bmc]\ninsecure = 1\nredfish = \"https://h\"\n",
                "agent.toml:2: insecure is",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
