//! Links of PCI functions that carry data: how fast and wide they are, and how fast and wide they could be
//! (Documentation/ABI/testing/sysfs-bus-pci: `current_link_speed` and its three neighbours).
//!
//! A link below its maximum is no doubt: a card in a slower slot is one, and so is a link that saves power. It is two numbers side
//! by side, to alert on where they fall behind what the rack expects.

mod families;

use std::time::Duration;

use facts::observation::Observation;
use facts::pci::PciLink;
use facts::{NoData, Pad, PciAddress, Reading, Sheet};

use crate::attribute;
use crate::collector::{CollectError, Collector};
use crate::gpu;
use crate::root::Root;

pub use families::TABLE;

const PCI_DEVICES: &str = "sys/bus/pci/devices";
const SPEED: &str = "current_link_speed";
const MAX_SPEED: &str = "max_link_speed";
const WIDTH: &str = "current_link_width";
const MAX_WIDTH: &str = "max_link_width";

/// PCI base classes of what carries data: mass storage, network; accelerators are told by `gpu`.
const STORAGE: u32 = 0x01;
const NETWORK: u32 = 0x02;
/// PCI class of InfiniBand adapters that are no network controllers by their base class (serial bus, InfiniBand).
const INFINIBAND: u32 = 0x0c06;

/// What the kernel writes behind the number (drivers/pci/probe.c, `pci_speed_string`); before 5.7 it wrote no `PCIe`.
const UNITS: [&str; 2] = [" GT/s PCIe", " GT/s"];
/// Tenths of GT/s that PCI Express has, generations 1 to 7.
const SPEEDS: [u64; 7] = [25, 50, 80, 160, 320, 640, 1280];
const TRANSFERS_OF_TENTH: u64 = 100_000_000;
/// Lanes that a link can have; the kernel writes 0 for one that is down, and 63 or 255 for a function that does not answer.
const WIDTHS: [u32; 7] = [1, 2, 4, 8, 12, 16, 32];

/// Reads `/sys/bus/pci/devices`.
pub struct PciCollector {
    root: Root,
    pad: Pad,
}

impl PciCollector {
    /// Of this root.
    pub fn new(root: Root) -> PciCollector {
        PciCollector {
            root,
            pad: Pad::default(),
        }
    }

    /// The link of a function that carries data and has one.
    fn link(&self, name: &str) -> Option<PciLink> {
        let address: PciAddress = name.parse().ok()?;
        let function = format!("{PCI_DEVICES}/{name}");
        let whole_class = attribute::hexadecimal(&self.root, &format!("{function}/class"))?;
        let class = whole_class >> 16;
        let vendor = attribute::hexadecimal(&self.root, &format!("{function}/vendor")).unwrap_or(0);
        let carries_data = [STORAGE, NETWORK].contains(&class) || whole_class >> 8 == INFINIBAND;
        if !carries_data && !gpu::is_accelerator(class, vendor) {
            return None;
        }
        let speed = |file: &str| self.read(&format!("{function}/{file}"), speed);
        let width = |file: &str| self.read(&format!("{function}/{file}"), width);
        let link = PciLink {
            address,
            transfers_per_second: speed(SPEED),
            max_transfers_per_second: speed(MAX_SPEED),
            width: width(WIDTH),
            max_width: width(MAX_WIDTH),
        };
        let is_absent = link.transfers_per_second.reason() == Some(NoData::Absent)
            && link.max_width.reason() == Some(NoData::Absent);
        (!is_absent).then_some(link)
    }

    fn read<T>(&self, file: &str, parse: fn(&str) -> Reading<T>) -> Reading<T> {
        match self.root.read(file) {
            Ok(text) => parse(&text),
            // Functions of a root complex have the files and no link: the kernel answers EINVAL.
            Err(error) => Reading::none(error.reason()),
        }
    }
}

impl Collector for PciCollector {
    fn name(&self) -> &'static str {
        "pci"
    }

    fn beat(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn subsystems(&self) -> &'static [&'static str] {
        &["pci"]
    }

    fn collect(&mut self) -> Result<Observation, CollectError> {
        let names = self.root.list(PCI_DEVICES)?;
        let links: Vec<PciLink> = names.iter().filter_map(|name| self.link(name)).collect();
        Ok(Observation {
            sheet: Some(sheet(&mut self.pad, &links)),
            pci_links: Some(links),
            ..Observation::default()
        })
    }
}

fn sheet(pad: &mut Pad, links: &[PciLink]) -> Sheet {
    let mut sheet = pad.begin();
    for link in links {
        let at = link.address.to_string();
        let speeds = [
            (&families::SPEED, link.transfers_per_second),
            (&families::MAX_SPEED, link.max_transfers_per_second),
            (&families::WIDTH, link.width.map(u64::from)),
            (&families::MAX_WIDTH, link.max_width.map(u64::from)),
        ];
        for (family, reading) in speeds {
            sheet.add(family, &[&at], reading.value());
            if reading.reason() == Some(NoData::Garbled) {
                sheet.invalid();
            }
        }
    }
    sheet.finish()
}

/// `16.0 GT/s PCIe` in transfers a second; any other text (`Unknown`, PCI-X, a number that no generation has) is garbled.
fn speed(text: &str) -> Reading<u64> {
    let number = UNITS.iter().find_map(|unit| text.strip_suffix(unit));
    let tenths = number.and_then(|number| {
        let (whole, tenth) = number.split_once('.').unwrap_or((number, "0"));
        let whole: u64 = whole.parse().ok()?;
        let tenth = tenth.parse::<u64>().ok().filter(|tenth| *tenth < 10)?;
        whole.checked_mul(10)?.checked_add(tenth)
    });
    tenths
        .filter(|tenths| SPEEDS.contains(tenths))
        .map(|tenths| tenths * TRANSFERS_OF_TENTH)
        .ok_or(NoData::Garbled)
        .into()
}

/// Lanes; a link that is down has none.
fn width(text: &str) -> Reading<u32> {
    match text.parse() {
        Ok(0) => Reading::none(NoData::Off),
        Ok(lanes) if WIDTHS.contains(&lanes) => Reading::Value(lanes),
        Ok(_) | Err(_) => Reading::none(NoData::Garbled),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn speeds_are_those_of_pci_express_and_no_other() {
        for (text, transfers) in [
            ("2.5 GT/s PCIe", 2_500_000_000),
            ("8 GT/s", 8_000_000_000),
            ("16.0 GT/s PCIe", 16_000_000_000),
            ("64.0 GT/s PCIe", 64_000_000_000),
        ] {
            assert_eq!(speed(text), Reading::Value(transfers), "{text}");
        }
        for text in [
            "Unknown",
            "Unknown speed",
            "",
            "133 MHz PCI-X",
            "7.0 GT/s PCIe",
            "-8.0 GT/s",
            "16.0",
            "8.55 GT/s",
        ] {
            assert_eq!(speed(text), Reading::none(NoData::Garbled), "{text}");
        }
    }

    #[test]
    fn a_link_has_as_many_lanes_as_there_are_or_none() {
        assert_eq!(width("16"), Reading::Value(16));
        assert_eq!(width("0"), Reading::none(NoData::Off));
        for text in ["63", "255", "3", "-1", "x16", ""] {
            assert_eq!(width(text), Reading::none(NoData::Garbled), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_speed_and_a_width_or_garbled(text in ".*") {
            let _ = speed(&text);
            let _ = width(&text);
        }
    }
}
