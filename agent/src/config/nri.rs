//! `[nri]` of the configuration: which runtime the agent speaks to as a plugin, and as whom. Without a socket it speaks to none.

use super::reader::{Faults, Reader};
use crate::nri::Nri;

const KEYS: [&str; 3] = ["socket", "name", "index"];
/// Where containerd and CRI-O have it.
const USUAL_SOCKET: &str = "/var/run/nri/nri.sock";
/// After plugins that change what a container is, and before those that only look.
const USUAL_INDEX: &str = "90";
const USUAL_NAME: &str = "busbar";
/// The longest name: that of a label.
const LONGEST_NAME: usize = 63;

/// Reads the section; `None` where the agent speaks to no runtime.
pub(super) fn read(section: &Reader<'_>, faults: &mut Faults<'_>) -> Option<Nri> {
    section.only(&KEYS, faults);
    let index = word(
        section,
        "index",
        USUAL_INDEX,
        "two digits, as in \"90\"",
        faults,
        |index| index.len() == 2 && index.bytes().all(|byte| byte.is_ascii_digit()),
    );
    let expected = "1 to 63 letters, digits or dashes";
    let name = word(section, "name", USUAL_NAME, expected, faults, |name| {
        (1..=LONGEST_NAME).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    });
    if section.place("socket", faults).is_none() {
        let others = KEYS.iter().filter(|key| **key != "socket");
        if let Some(place) = others.filter_map(|key| section.place(key, faults)).next() {
            let message =
                format!("the runtime's socket is missing; expected socket = {USUAL_SOCKET:?} in [nri]");
            faults.add(place, message);
        }
        return None;
    }
    let place = section.place("socket", faults).unwrap_or_default();
    let socket = section.path("socket", faults)?;
    if !socket.is_absolute() {
        let message =
            format!("socket = {socket:?} is no place; expected one from the root on, as in {USUAL_SOCKET:?}");
        faults.add(place, message);
    }
    Some(Nri { socket, index, name })
}

fn word(
    section: &Reader<'_>,
    key: &str,
    usual: &str,
    expected: &str,
    faults: &mut Faults<'_>,
    is_right: impl Fn(&str) -> bool,
) -> String {
    let Some((word, place)) = section.text(key, faults) else {
        return usual.to_owned();
    };
    if !is_right(word) {
        faults.add(place, format!("{key} = {word:?} is none; expected {expected}"));
    }
    word.to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::config::{Config, Overrides};

    fn parsed(text: &str) -> Result<Config, String> {
        Config::parse("agent.toml", text, Overrides::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_runtime_is_spoken_to_where_its_socket_is_named() {
        assert_eq!(parsed("").unwrap().nri, None);
        assert_eq!(parsed("[nri]").unwrap().nri, None);
        let config = parsed("[nri]\nsocket = \"/var/run/nri/nri.sock\"").unwrap();
        assert!(
            config
                .to_string()
                .contains("NRI of /var/run/nri/nri.sock as 90-busbar"),
            "{config}"
        );
        let nri = config.nri.unwrap();
        assert_eq!((nri.index.as_str(), nri.name.as_str()), ("90", "busbar"));
        for (text, said) in [
            (
                "[nri]\nname = \"b\"",
                "agent.toml:2: the runtime's socket is missing",
            ),
            ("[nri]\nsocket = \"nri.sock\"", "agent.toml:2: socket"),
            (
                "[nri]\nsocket = \"/x\"\nindex = \"9\"",
                "agent.toml:3: index = \"9\" is none; expected two digits",
            ),
            ("[nri]\nsocket = \"/x\"\nname = \"a b\"", "agent.toml:3: name"),
            ("[nri]\nsokcet = \"/x\"", "did you mean \"socket\"?"),
        ] {
            let error = parsed(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
