//! Locate LEDs: an empty bay's too, whichever way the bay is named, and none of another bay.

use intent::Actuator;
use isolators::locate::{is_lit, steps};
use isolators::{Outcome, apply};

use super::tree::{Tree, enforce};

const SLOT_7: &str = "/sys/class/enclosure/0:0:9:0/Slot 07/locate";
const PORT: &str = "/sys/class/leds/0000:3a:05.0:enclosure:locate/brightness";
const OTHER_DOMAIN: &str = "/sys/class/leds/0001:3a:05.0:enclosure:locate/brightness";
const ATTENTION: &str = "/sys/bus/pci/slots/12/attention";

fn machine() -> Tree {
    let tree = Tree::v2();
    tree.write(SLOT_7, "0\n");
    tree.write("/sys/class/enclosure/0:0:9:0/Slot 08/locate", "1\n");
    tree.write("/sys/class/enclosure/0:0:9:0/components", "2\n");
    // Two slots of PCIe: one whose port has an LED, one with an indicator. Nothing sits in either.
    tree.write("/sys/bus/pci/slots/11/address", "0000:3b:00\n");
    tree.write("/sys/bus/pci/slots/11/attention", "0\n");
    tree.write("/sys/bus/pci/slots/12/address", "0000:3c:00\n");
    tree.write(ATTENTION, "0\n");
    tree.write("/sys/bus/pci/devices/0000:3a:05.0/secondary_bus_number", "59\n");
    tree.write("/sys/bus/pci/devices/0001:3a:05.0/secondary_bus_number", "59\n");
    tree.write("/sys/bus/pci/devices/0000:3a:06.0/secondary_bus_number", "60\n");
    tree.write(PORT, "0\n");
    tree.write(OTHER_DOMAIN, "0\n");
    tree
}

fn set(tree: &Tree, slot: &str, lit: bool) {
    let steps = steps(&tree.host, slot, lit).unwrap();
    assert_eq!(steps.len(), 1, "{slot}: {steps:?}");
    let outcome = apply(&enforce(), Actuator::Led, &tree.host, &steps, &mut |_| {}).unwrap();
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
}

#[test]
fn a_bay_is_lit_and_put_out_again_whoever_sits_there() {
    let tree = machine();
    let cases = [
        ("Slot 07", SLOT_7, "1"),
        ("0:0:9:0/Slot 07", SLOT_7, "1"),
        ("11", PORT, "1"),
        ("0000:3b:00.0", PORT, "1"),
        ("0001:3b:00.0", OTHER_DOMAIN, "1"),
        ("12", ATTENTION, "2"),
    ];
    for (slot, file, lit) in cases {
        assert!(!is_lit(&tree.host, slot).unwrap(), "{slot}");
        set(&tree, slot, true);
        assert_eq!(tree.read(file), lit, "{slot}");
        assert!(is_lit(&tree.host, slot).unwrap(), "{slot}");
        assert!(
            steps(&tree.host, slot, true).unwrap().is_empty(),
            "{slot} is lit already"
        );
        set(&tree, slot, false);
        assert_eq!(tree.read(file), "0", "{slot}");
    }
    assert_eq!(tree.read("/sys/bus/pci/slots/11/attention"), "0");
}

#[test]
fn a_bay_without_an_led_and_a_name_of_two_bays_are_refused() {
    let tree = machine();
    tree.write("/sys/class/enclosure/0:0:10:0/Slot 07      /locate", "0\n");
    let why = |slot: &str| is_lit(&tree.host, slot).unwrap_err().to_string();
    assert!(
        why("Slot 07").contains("name the enclosure as well"),
        "{}",
        why("Slot 07")
    );
    assert!(
        !is_lit(&tree.host, "0:0:10:0/Slot 07").unwrap(),
        "padded with spaces"
    );
    for slot in ["Slot 99", "13", "0000:3d:00.0"] {
        assert!(why(slot).contains("a locate LED of bay"), "{}", why(slot));
    }
    for slot in ["", "../../class", "a/../b", "..", "/"] {
        assert!(why(slot).contains("no name of a bay"), "{}", why(slot));
    }
}
