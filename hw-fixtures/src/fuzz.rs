//! Every parser of this crate behind one door, for the fuzzer (tests/fuzz) and for a short run of any input in the tests.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::face::ipmi::Kind;
use crate::face::ipmi::{Account, Face};
use crate::live::Live;
use crate::plan::Plan;
use crate::scenario;
use crate::state_dir::StateDir;
use crate::world::{Verb, World};

/// A parser: it may refuse what it is given, and must never panic.
pub type Target = (&'static str, fn(&[u8]));

/// The rack whose shelf answers.
const DEMO: &str = include_str!("../racks/demo.toml");

/// All of them, by name.
pub const TARGETS: &[Target] = &[
    ("bmc_datagrams", |data| {
        // Several datagrams one after another, so that a session may be begun: a byte says how long each is.
        FACE.with_borrow_mut(|face| {
            let Some(face) = face.as_mut() else { return };
            let mut rest = data;
            while let Some((length, tail)) = rest.split_first() {
                let (datagram, left) = tail.split_at(usize::from(*length).min(tail.len()));
                let _ = face.answer(datagram);
                rest = left;
            }
        });
    }),
    ("rack_plan", |data| {
        let text = String::from_utf8_lossy(data);
        if let Err(error) = Plan::parse(&text, Path::new("rack.toml")) {
            assert!(error.to_string().contains("rack.toml"), "{error} names no file");
        }
    }),
    ("scenario", |data| {
        let text = String::from_utf8_lossy(data);
        let _ = scenario::parse(&text, Path::new("scenario.toml"));
    }),
    ("verb", |data| {
        let _ = serde_json::from_slice::<Verb>(data);
    }),
];

thread_local! {
    static FACE: RefCell<Option<Face>> = RefCell::new(raise());
}

/// The shelf's BMC. Its world is never saved: nothing is written below the folder that it is given.
fn raise() -> Option<Face> {
    let plan = Plan::parse(DEMO, Path::new("demo.toml")).ok()?;
    let folder: PathBuf = std::env::temp_dir().join(format!("busbar-fuzz-world-{}", std::process::id()));
    let dir = StateDir::find(Some(folder)).ok()?;
    let live = Arc::new(Live::new(
        World::new(plan),
        dir,
        crate::powercap::Powercaps::default(),
    ));
    let account = Account {
        user: "operator".to_owned(),
        password: "a-password".to_owned(),
    };
    let uuid = "11111111-2222-4333-8444-555555555555";
    Some(Face::new("shelf", Kind::Shelf, uuid, live, account))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(data in proptest::collection::vec(any::<u8>(), 0..256)) {
            for (_, target) in TARGETS {
                target(&data);
            }
        }
    }
}
