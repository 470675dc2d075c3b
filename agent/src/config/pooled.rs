//! `[pooled_drives]` of the configuration: which of its own drives the node lends to others, and where. Without `lend` it lends none.

use super::reader::{Faults, Reader};
use crate::drives::{Authentication, Lending, Pick};

const KEYS: [&str; 4] = ["lend", "listen_address", "configfs_port", "authentication"];

/// Reads the section; `None` where nothing is lent.
pub(super) fn read(section: &Reader<'_>, faults: &mut Faults<'_>) -> Option<Lending> {
    section.only(&KEYS, faults);
    let mut picks: Vec<Pick> = Vec::new();
    for (text, place) in section.texts("lend", faults) {
        match text.parse() {
            Ok(pick) if picks.contains(&pick) => {
                let message = format!("lend names {text:?} twice; expected each once");
                faults.add(place, message);
            }
            Ok(pick) => picks.push(pick),
            Err(error) => faults.add(place, format!("lend: {error}")),
        }
    }
    let mut lending = Lending {
        picks,
        listen: Lending::USUAL_ADDRESS,
        port: Lending::USUAL_PORT,
        authentication: Authentication::default(),
    };
    if let Some((policy, place)) = section.text("authentication", faults) {
        match policy.parse() {
            Ok(policy) => lending.authentication = policy,
            Err(()) => {
                let expected = "expected \"require\", \"where_possible\" or \"off\"";
                faults.add(place, format!("authentication = {policy:?}; {expected}"));
            }
        }
    }
    if let Some((address, place)) = section.text("listen_address", faults) {
        match address.parse() {
            Ok(address) => lending.listen = address,
            Err(_) => {
                let expected = "expected IP:PORT of the network of drives, as in 10.0.0.7:4420";
                let message = format!("listen_address = {address:?} is no address; {expected}");
                faults.add(place, message);
            }
        }
        if lending.listen.ip().is_unspecified() || lending.listen.port() == 0 {
            let place = section.place("listen_address", faults).unwrap_or_default();
            let message = format!(
                "listen_address = {address:?} is no place to connect to; expected one address of this node and a port"
            );
            faults.add(place, message);
        }
    }
    if let Some((number, place)) = section.number("configfs_port", faults) {
        // Whole numbers up to 65535 are exact in a double.
        let whole = (1..=u16::MAX).find(|whole| f64::from(*whole) == number);
        match whole {
            Some(whole) => lending.port = whole,
            None => {
                let message = format!("configfs_port = {number} is no port's number; expected 1 to 65535");
                faults.add(place, message);
            }
        }
    }
    if lending.picks.is_empty() {
        let others = KEYS.iter().filter(|key| **key != "lend");
        if let Some(place) = others.filter_map(|key| section.place(key, faults)).next() {
            let message = "it is said where drives are lent and not which; expected lend = [\"all_but_boot\"], or slots, PCI \
                           addresses or serial numbers";
            faults.add(place, message.to_owned());
        }
        return None;
    }
    Some(lending)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::config::{Config, Overrides};
    use crate::drives::Pick;

    fn parsed(text: &str) -> Result<Config, String> {
        let text = format!("[pooled_drives]\n{text}");
        Config::parse("agent.toml", &text, Overrides::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_node_lends_what_is_named_and_nothing_else() {
        assert_eq!(parsed("").unwrap().pooled, None);
        assert_eq!(parsed("lend = []").unwrap().pooled, None);
        let text =
            "lend = [\"slot:7\", \"pci:0000:3b:00.0\", \"serial:S 1\"]\nlisten_address = \"10.0.0.7:4420\"";
        let config = parsed(text).unwrap();
        assert!(
            config.to_string().contains(
                "drives    lends slot:7, pci:0000:3b:00.0, serial:S 1 over NVMe/TCP at 10.0.0.7:4420"
            ),
            "{config}"
        );
        let pooled = config.pooled.unwrap();
        assert_eq!(pooled.picks.get(2), Some(&Pick::Serial("S 1".to_owned())));
        let pooled = parsed("lend = [\"all_but_boot\"]\nconfigfs_port = 7")
            .unwrap()
            .pooled;
        let pooled = pooled.unwrap();
        assert!(pooled.listen.ip().is_loopback());
        assert_eq!((pooled.port, pooled.picks), (7, vec![Pick::AllButBoot]));
    }

    #[test]
    fn what_cannot_be_meant_is_named_with_its_line() {
        for (text, words) in [
            (
                "lend = [\"nvme0n1\"]",
                "agent.toml:2: lend: \"nvme0n1\" names no drives; expected \"all_but_boot\"",
            ),
            ("lend = [\"slot:\"]", "names no drives"),
            ("lend = [\"pci:x\"]", "names no drives"),
            (
                "lend = [\"all_but_boot\"]\nauthentication = \"maybe\"",
                "agent.toml:3: authentication = \"maybe\"; expected \"require\"",
            ),
            ("lend = [\"slot:1\", \"slot:1\"]", "twice"),
            (
                "configfs_port = 2",
                "agent.toml:2: it is said where drives are lent and not which",
            ),
            (
                "lend = [\"slot:1\"]\nconfigfs_port = 65536",
                "agent.toml:3: configfs_port = 65536",
            ),
            ("lend = [\"slot:1\"]\nconfigfs_port = 1.5", "expected 1 to 65535"),
            (
                "lend = [\"slot:1\"]\nlisten_address = \"x\"",
                "agent.toml:3: listen_address = \"x\"",
            ),
            (
                "lend = [\"slot:1\"]\nlisten_address = \"0.0.0.0:4420\"",
                "no place to connect to",
            ),
            ("lent = []", "did you mean \"lend\"?"),
        ] {
            let error = parsed(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
