//! Tables of SMBIOS as firmware writes them, cut short, and of any bytes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use facts::NoData;
use proptest::prelude::*;

use super::*;

/// A memory device of SMBIOS 3.7 with these fields set, and its strings.
fn device(fields: &[(usize, &[u8])], strings: &[&str]) -> Vec<u8> {
    let mut bytes = vec![0_u8; 0x5C];
    (bytes[0], bytes[1]) = (MEMORY_DEVICE, 0x5C);
    for (at, value) in fields {
        bytes[*at..at + value.len()].copy_from_slice(value);
    }
    for string in strings {
        bytes.extend_from_slice(string.as_bytes());
        bytes.push(0);
    }
    if strings.is_empty() {
        bytes.push(0);
    }
    bytes.push(0);
    bytes
}

fn module(fields: &[(usize, &[u8])], strings: &[&str]) -> Option<MemoryModule> {
    modules_of(&device(fields, strings)).unwrap().pop()
}

#[test]
fn a_module_is_read_in_our_units() {
    let strings = ["DIMM_A1", "Bank 0", "Samsung", "S-12", "M393", "Unknown"];
    let read = module(
        &[
            (SIZE, &[0xFF, 0x7F]),
            (EXTENDED_SIZE, &[0, 0, 2, 0]),
            (LOCATOR, &[1, 2, 0x22]),
            (SPEED, &[0xC0, 0x12]),
            (MANUFACTURER, &[3, 4, 6, 5]),
            (CONFIGURED_SPEED, &[0xFF, 0xFF]),
            (EXTENDED_CONFIGURED_SPEED, &[0xA0, 0x0F, 1, 0]),
            (TECHNOLOGY, &[3]),
        ],
        &strings,
    );
    let read = read.unwrap();
    assert_eq!(
        (read.locator.as_str(), read.bank.as_deref()),
        ("DIMM_A1", Some("Bank 0"))
    );
    assert_eq!(read.size_bytes, Some(Bytes::new(128 << 30)));
    assert_eq!(read.kind.as_deref(), Some("DDR5"));
    assert_eq!(read.rated_transfers_per_second, Some(4_800_000_000));
    assert_eq!(read.transfers_per_second, Some(69_536_000_000));
    let who = read.identity;
    assert_eq!(who.maker.as_deref(), Some("Samsung"));
    assert_eq!(
        (who.model.as_deref(), who.serial.as_deref()),
        (Some("M393"), Some("S-12"))
    );
    assert!(!read.is_persistent);
}

#[test]
fn sizes_are_in_two_units_and_empty_places_are_no_modules() {
    let size =
        |word: u16| module(&[(SIZE, &word.to_le_bytes()), (KIND, &[0x1A])], &[]).map(|read| read.size_bytes);
    assert_eq!(size(0), None);
    assert_eq!(size(0xFFFF), Some(None), "installed, and nobody knows how much");
    assert_eq!(size(0x7FFF), Some(None), "the extended size is 0");
    assert_eq!(size(4096), Some(Some(Bytes::new(4 << 30))));
    assert_eq!(size(0x8000 | 512), Some(Some(Bytes::new(512 << 10))));
    assert!(
        module(&[(SIZE, &[16, 0]), (KIND, &[0x09])], &[]).is_none(),
        "the firmware's flash"
    );
    let persistent = |fields| module(fields, &[]).unwrap().is_persistent;
    assert!(persistent(&[(SIZE, &[16, 0]), (KIND, &[0x1F])]));
    assert!(persistent(&[
        (SIZE, &[16, 0]),
        (KIND, &[0x1A]),
        (TECHNOLOGY, &[7])
    ]));
}

#[test]
fn a_table_ends_at_its_end_and_one_cut_short_is_none() {
    let one = device(&[(SIZE, &[16, 0]), (KIND, &[0x1A])], &["A"]);
    let end = [127, 4, 0, 0, 0, 0];
    let other = [1, 8, 0, 0, 1, 2, 3, 4, b'x', 0, 0];
    let table = [&other[..], &one, &end, &one, b"what lies behind it"].concat();
    assert_eq!(modules_of(&table).unwrap().len(), 1);
    assert_eq!(modules_of(&[&one[..], &one].concat()).unwrap().len(), 2, "no end");
    for length in 1..one.len() {
        assert!(modules_of(&one[..length]).is_none(), "{length}");
    }
    assert!(modules_of(&[17, 3, 0, 0, 0]).is_none(), "shorter than its header");
}

#[test]
fn edac_is_named_where_its_label_is_one_place() {
    let machine = tempfile::tempdir().unwrap();
    let write = |path: &str, bytes: &[u8]| {
        let path = machine.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    let fields: [(usize, &[u8]); 3] = [(SIZE, &[16, 0]), (KIND, &[0x1A]), (LOCATOR, &[1, 2])];
    let table = [("A1", "P0"), ("A2", "P0"), ("A2", "P1"), ("B1", "P1")];
    let table: Vec<u8> = table
        .iter()
        .flat_map(|(place, bank)| device(&fields, &[place, bank]))
        .collect();
    write(TABLE, &table);
    write("sys/devices/system/edac/mc/mc0/dimm0/dimm_label", b"A1\n");
    write("sys/devices/system/edac/mc/mc0/dimm1/dimm_label", b"A2\n");
    write("sys/devices/system/edac/mc/mc1/dimm0/dimm_label", b"P1 A2\n");
    write(
        "sys/devices/system/edac/mc/mc1/dimm1/dimm_label",
        b"CPU_SrcID#1_Ha#0_Chan#0_DIMM#1\n",
    );
    let root = Root::at(machine.path()).unwrap();
    let modules = modules(&root).unwrap().unwrap();
    let edac: Vec<Option<&str>> = modules.iter().map(|module| module.edac.as_deref()).collect();
    assert_eq!(edac, [Some("mc0/dimm0"), None, Some("mc1/dimm0"), None]);
    write(TABLE, b"\x11\x5c\0\0half of it");
    let error = super::modules(&root).unwrap_err();
    assert_eq!(error.reason, NoData::Garbled);
    assert!(error.to_string().contains("tables/DMI"), "{error}");
}

proptest! {
    #[test]
    fn any_bytes_are_modules_or_none(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = modules_of(&bytes);
    }

    #[test]
    fn any_memory_device_is_a_module_or_none(
        formatted in prop::collection::vec(any::<u8>(), 2..0x70),
        strings in prop::collection::vec("\\PC{1,12}", 0..6),
    ) {
        let length = u8::try_from(formatted.len() + 2).unwrap();
        let mut bytes = vec![MEMORY_DEVICE, length];
        bytes.extend(formatted);
        for string in &strings {
            bytes.extend_from_slice(string.as_bytes());
            bytes.push(0);
        }
        // Two zeros end the strings, also where there are none.
        bytes.extend(if strings.is_empty() { &[0, 0][..] } else { &[0] });
        let read = modules_of(&bytes);
        prop_assert!(read.is_some());
        for module in read.unwrap() {
            prop_assert!(module.size_bytes.is_none_or(|size| size.get() > 0));
            prop_assert!(module.transfers_per_second.is_none_or(|speed| speed >= MILLION));
        }
    }
}
