//! What is odd about each recorded machine, as a list that stays as it is until somebody looks; and nothing of this machine
//! among the facts of another.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use collectors::{Root, TopologySource, facts_now};

use crate::machines::{self, shared};

/// The list; `BUSBAR_BLESS=1 cargo test -p collectors --test recorded` writes it anew.
const LIST: &str = "tests/recorded/odd.txt";

fn list() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(LIST)
}

#[test]
fn what_is_odd_about_recorded_machines_is_listed() {
    let Some(shared) = shared() else { return };
    let own = facts_now(&Root::host(), TopologySource::Live).machine;
    let mut found = String::new();
    for machine in machines::recorded(&shared) {
        let unpacked = machine.unpack();
        let root = Root::at(&unpacked.directory).unwrap();
        let source = TopologySource::Root {
            directory: unpacked.directory.clone(),
            reader: machines::reader(),
        };
        let inventory = facts_now(&root, source);
        let prefix = format!("{}/", unpacked.directory.display());
        let _ = writeln!(found, "{}", machine.name);
        for doubt in &inventory.doubts {
            let message = doubt.message.replace(&prefix, "/");
            let _ = writeln!(found, "  {}  {}: {message}", doubt.code, doubt.about);
        }
        let said = &inventory.machine;
        assert!(
            said.kernel.is_none() || said.kernel != own.kernel,
            "{}: the kernel of this machine",
            machine.name
        );
        assert!(
            said.uuid.is_none() || said.uuid != own.uuid,
            "{}: the UUID of this machine",
            machine.name
        );
        for text in [&said.vendor, &said.product, &said.serial, &said.bios_version]
            .into_iter()
            .flatten()
        {
            assert!(!facts::filler::is_filler(text), "{}: {text:?}", machine.name);
        }
    }
    if std::env::var_os("BUSBAR_BLESS").is_some() {
        std::fs::write(list(), &found).unwrap();
    }
    let expected = std::fs::read_to_string(list()).unwrap_or_default();
    assert_eq!(
        found, expected,
        "what is odd has changed; look, then BUSBAR_BLESS=1"
    );
}
