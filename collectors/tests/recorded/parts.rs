//! Parts of recorded machines that their makers' firmware and PCI name: memory modules, links. Read from the machines' own bytes.

use collectors::collector::Collector;
use collectors::machine::MachineCollector;
use collectors::pci::PciCollector;
use collectors::{Root, TopologySource, facts_now};
use facts::{Bytes, NoData, Reading};

use crate::machines::{self, shared};

fn unpacked(name: &str) -> Option<machines::Unpacked> {
    let shared = shared()?;
    let all = machines::recorded(&shared);
    let machine = all.iter().find(|machine| machine.name == name);
    Some(machine.expect("a machine of that name").unpack())
}

/// Twenty-four places, of which eight hold 4 GiB each; firmware pads its texts with spaces, and writes spaces for nothing.
#[test]
fn memory_modules_of_a_dell_server() {
    let Some(machine) = unpacked("32em64t-2n8c+dax+nvme+mic+dimms") else {
        return;
    };
    let root = Root::at(&machine.directory).unwrap();
    let modules = MachineCollector::new(root.clone())
        .collect()
        .unwrap()
        .memory_modules
        .unwrap();
    let places: Vec<&str> = modules.iter().map(|module| module.locator.as_str()).collect();
    let expected = [
        "DIMM_A1", "DIMM_A2", "DIMM_A3", "DIMM_A4", "DIMM_B1", "DIMM_B2", "DIMM_B3", "DIMM_B4",
    ];
    assert_eq!(places, expected);
    for module in &modules {
        assert_eq!(module.size_bytes, Some(Bytes::new(4 << 30)), "{module:?}");
        assert_eq!(module.kind.as_deref(), Some("DDR3"));
        assert_eq!(module.transfers_per_second, Some(1_600_000_000));
        assert_eq!(module.rated_transfers_per_second, Some(1_600_000_000));
        assert_eq!(module.identity.model.as_deref(), Some("HMT351R7CFR8C-PB"));
        assert_eq!(module.bank, None);
        assert!(!module.is_persistent);
    }
    let first = modules.first().unwrap();
    assert_eq!(first.identity.maker.as_deref(), Some("00AD04B300AD"));
    assert_eq!(first.identity.serial.as_deref(), Some("48AAE639"));
    // 32 GiB are installed, and the kernel sees 31.3 of them.
    let whole = facts_now(
        &root,
        TopologySource::Root {
            directory: machine.directory.clone(),
            reader: machines::reader(),
        },
    );
    assert_eq!(whole.memory_modules, modules);
    assert!(!whole.doubts.iter().any(|doubt| doubt.code == "memory_installed"));
}

/// A NIC, a SATA controller and an InfiniBand adapter (PCI class 0c06) of a kernel that wrote no `PCIe` behind the speed, recorded
/// without the maximum.
#[test]
fn links_of_pci_functions() {
    let Some(machine) = unpacked("40intel64-2g2n4c+pcilocality") else {
        return;
    };
    let root = Root::at(&machine.directory).unwrap();
    let seen = PciCollector::new(root).collect().unwrap();
    let links = seen.pci_links.unwrap();
    let told: Vec<(String, Option<u64>, Option<u32>)> = links
        .iter()
        .map(|link| {
            (
                link.address.to_string(),
                link.transfers_per_second.value(),
                link.width.value(),
            )
        })
        .collect();
    let link = |address: &str, transfers, width| (address.to_owned(), Some(transfers), Some(width));
    assert_eq!(
        told,
        [
            link("0000:00:1f.2", 5_000_000_000, 2),
            link("0000:03:00.1", 2_500_000_000, 1),
            link("0000:43:00.0", 8_000_000_000, 4),
        ]
    );
    for link in &links {
        assert_eq!(link.max_transfers_per_second, Reading::none(NoData::Absent));
        assert_eq!(link.max_width, Reading::none(NoData::Absent));
    }
    let sheet = seen.sheet.unwrap();
    let rows: Vec<(&str, &str, facts::Number)> = sheet
        .iter()
        .filter(|(_, number)| *number != facts::Number::Nothing)
        .map(|(row, number)| (row.family.name, row.labels.get(0).unwrap(), number))
        .collect();
    assert_eq!(rows.len(), 6, "{rows:?}");
    assert!(rows.contains(&("busbar_pci_link_width", "0000:43:00.0", facts::Number::Whole(4))));
    assert_eq!(sheet.invalid(), 0);
}
