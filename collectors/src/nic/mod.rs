//! Network interfaces with hardware behind them (Documentation/ABI/testing/sysfs-class-net).

use std::time::Duration;

use facts::nic::Nic;
use facts::observation::Observation;

use crate::attribute;
use crate::classes;
use crate::collector::{CollectError, Collector};
use crate::root::Root;

const NET: &str = "sys/class/net";
const PCI_DEVICES: &str = "sys/bus/pci/devices";
/// What a kernel before 5.x or a driver that does not know writes for SPEED_UNKNOWN, beside -1.
const UNKNOWN_SPEEDS: [i64; 2] = [65_535, 4_294_967_295];
/// RFC 2863's word for an interface whose driver tells nothing.
const STATE_UNKNOWN: &str = "unknown";

/// Reads `/sys/class/net`.
pub struct NicCollector {
    root: Root,
}

impl NicCollector {
    /// Of this root.
    pub fn new(root: Root) -> NicCollector {
        NicCollector { root }
    }

    fn nic(&self, name: &str) -> Nic {
        let root = &self.root;
        let interface = format!("{NET}/{name}");
        let class = classes::net(root, &interface);
        let class = class.as_ref();
        let pci = attribute::pci_function(root, &format!("{interface}/device"));
        let function = pci.map(|pci| format!("{PCI_DEVICES}/{pci}"));
        let function = function.as_deref();
        let word = |text: Option<String>| text.and_then(|text| attribute::cleaned(text.as_bytes()));
        Nic {
            device: name.to_owned(),
            mac: word(class.and_then(|class| class.address().ok())),
            pci,
            pci_id: function.and_then(|function| attribute::pci_id(root, function)),
            numa_node: function.and_then(|function| attribute::numa_node(root, function)),
            driver: attribute::link_name(root, &format!("{interface}/device/driver")),
            speed_megabits: speed(attribute::number(root, &format!("{interface}/speed")).ok()),
            state: word(class.and_then(|class| class.operstate().ok()))
                .unwrap_or_else(|| STATE_UNKNOWN.to_owned()),
            virtual_functions: function.and_then(|function| virtual_functions(root, function)),
        }
    }
}

impl Collector for NicCollector {
    fn name(&self) -> &'static str {
        "nic"
    }

    fn beat(&self) -> Duration {
        // Interfaces that come and go are told by uevents; a link that goes up or down is not.
        Duration::from_secs(5)
    }

    fn subsystems(&self) -> &'static [&'static str] {
        &["net", "pci"]
    }

    fn collect(&mut self) -> Result<Observation, CollectError> {
        let names = self.root.list(NET)?;
        let nics = names
            .iter()
            .filter(|name| self.root.has(&format!("{NET}/{name}/device")))
            .map(|name| self.nic(name))
            .collect();
        Ok(Observation {
            nics: Some(nics),
            ..Observation::default()
        })
    }
}

/// -1 and its unsigned forms mean that the driver does not know.
fn speed(megabits: Option<i64>) -> Option<u64> {
    let megabits = megabits.filter(|megabits| *megabits > 0 && !UNKNOWN_SPEEDS.contains(megabits))?;
    u64::try_from(megabits).ok()
}

/// Virtual functions in use, and the most there can be.
fn virtual_functions(root: &Root, function: &str) -> Option<(u32, u32)> {
    let most = attribute::number(root, &format!("{function}/sriov_totalvfs")).ok()?;
    let used = attribute::number(root, &format!("{function}/sriov_numvfs")).unwrap_or(0);
    Some((used, most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_that_is_not_known_is_none() {
        for (told, meant) in [
            (-1, None),
            (0, None),
            (65_535, None),
            (4_294_967_295, None),
            (400_000, Some(400_000)),
        ] {
            assert_eq!(speed(Some(told)), meant);
        }
    }
}
