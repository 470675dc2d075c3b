//! Memory modules for a recording: their structures of SMBIOS one by one, and the same without serial numbers and asset tags.

use super::smbios::{ASSET, ENTRIES, ENTRY_OF_MODULE, MEMORY_DEVICE, SERIAL, Structure, TABLE, structures};
use crate::root::Root;

/// The word that stands for an asset tag.
const TAG: &[u8] = b"MASKED-TAG";

/// Where a structure belongs below a recorded machine's root, and its bytes as the firmware wrote them. Nothing where there are
/// none, or they may not be read.
pub fn record(root: &Root) -> Vec<(String, Vec<u8>)> {
    if let Ok(table) = root.read_bytes(TABLE) {
        let (found, _) = structures(&table);
        let modules = found.iter().filter(|structure| structure.kind() == MEMORY_DEVICE);
        let numbered = (0_u32..).zip(modules);
        return numbered
            .map(|(number, structure)| (at(&format!("{ENTRY_OF_MODULE}{number}")), structure.bytes()))
            .collect();
    }
    let names = root.list(ENTRIES).unwrap_or_default();
    let paths = names
        .iter()
        .filter(|name| name.starts_with(ENTRY_OF_MODULE))
        .map(|name| at(name));
    paths
        .filter_map(|path| {
            let bytes = root.read_bytes(&path).ok()?;
            Some((path, bytes))
        })
        .collect()
}

fn at(name: &str) -> String {
    format!("{ENTRIES}/{name}/raw")
}

fn is_module(path: &str) -> bool {
    let name = path
        .strip_prefix(ENTRIES)
        .and_then(|path| path.strip_suffix("/raw"));
    name.and_then(|name| name.strip_prefix('/'))
        .is_some_and(|name| name.starts_with(ENTRY_OF_MODULE))
}

/// The serial number in a module's structure; `None` of another file, and where there is none.
pub fn serial(path: &str, bytes: &[u8]) -> Option<String> {
    let (structure, _) = Structure::first(bytes).filter(|_| is_module(path))?;
    structure.text(SERIAL)
}

/// A module's structure with `word` in the place of its serial number. `None` of another file; nothing of a structure that is cut
/// short, in which nobody knows what is what.
pub fn without_names(path: &str, bytes: &[u8], word: &str) -> Option<Vec<u8>> {
    if !is_module(path) {
        return None;
    }
    let Some((structure, _)) = Structure::first(bytes) else {
        return Some(Vec::new());
    };
    let number = |field: usize| {
        structure
            .text(field)
            .and_then(|_| structure.byte(field))
            .map(usize::from)
    };
    let (serial, tag) = (number(SERIAL), number(ASSET));
    let mut clean = structure.formatted.to_vec();
    let strings = structure.strings.split(|byte| *byte == 0);
    for (number, text) in (1_usize..).zip(strings).take_while(|(_, text)| !text.is_empty()) {
        let text = if Some(number) == serial {
            word.as_bytes()
        } else if Some(number) == tag {
            TAG
        } else {
            text
        };
        clean.extend_from_slice(text);
        clean.push(0);
    }
    // Without strings two zeros stand there.
    clean.resize(clean.len().max(structure.formatted.len() + 1) + 1, 0);
    Some(clean)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use proptest::prelude::*;

    use super::super::smbios;
    use super::*;

    const PATH: &str = "sys/firmware/dmi/entries/17-3/raw";

    #[test]
    fn a_module_keeps_its_place_and_loses_its_serial_number() {
        let machine = tempfile::tempdir().unwrap();
        let table = machine.path().join(TABLE);
        std::fs::create_dir_all(table.parent().unwrap()).unwrap();
        let mut module = [0_u8; 0x22];
        (module[0], module[1], module[2]) = (MEMORY_DEVICE, 0x22, 9);
        (module[0x0C], module[0x12]) = (16, 0x1A);
        (module[0x10], module[SERIAL], module[ASSET]) = (1, 2, 3);
        let module = [&module[..], b"DIMM_A1\0S-123456\0owner's tag\0\0"].concat();
        let bare = [&[MEMORY_DEVICE, 4, 0, 0, 0, 0][..]].concat();
        std::fs::write(
            &table,
            [
                &[1, 4, 0, 0, b'x', 0, 0][..],
                &module,
                &bare,
                &[127, 4, 0, 0, 0, 0],
            ]
            .concat(),
        )
        .unwrap();
        let root = Root::at(machine.path()).unwrap();
        let recorded = record(&root);
        assert_eq!(
            recorded,
            [(at("17-0"), module.clone()), (at("17-1"), bare.clone())]
        );
        assert_eq!(serial(PATH, &module).as_deref(), Some("S-123456"));
        let clean = without_names(PATH, &module, "MASKED-SERIAL-1").unwrap();
        let text = String::from_utf8_lossy(&clean);
        assert!(
            text.ends_with("DIMM_A1\0MASKED-SERIAL-1\0MASKED-TAG\0\0"),
            "{text:?}"
        );
        assert_eq!(without_names(PATH, &bare, "").unwrap(), bare);
        assert_eq!(
            without_names("sys/firmware/dmi/entries/1-0/raw", &module, ""),
            None
        );
        assert_eq!(without_names(PATH, &module[..30], ""), Some(Vec::new()));
        // What was recorded is read as the table was.
        let copy = tempfile::tempdir().unwrap();
        let path = copy.path().join(at("17-0"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &clean).unwrap();
        let read = smbios::modules(&Root::at(copy.path()).unwrap()).unwrap().unwrap();
        assert_eq!((read.len(), read[0].locator.as_str()), (1, "DIMM_A1"));
        assert_eq!(read[0].identity.serial.as_deref(), Some("MASKED-SERIAL-1"));
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_masked(bytes in prop::collection::vec(any::<u8>(), 0..200), word in "[A-Z-]{1,20}") {
            let clean = without_names(PATH, &bytes, &word).unwrap();
            prop_assert!(clean.is_empty() || Structure::first(&clean).is_some());
            if let Some(serial) = serial(PATH, &clean) {
                prop_assert_eq!(serial, word);
            }
        }
    }
}
