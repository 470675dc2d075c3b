//! An export of hwloc 3, said in the words of hwloc 2, which is what distributions ship and which refuses it.
//!
//! Everything that computes is written alike. Different are the version, the types of OS devices (bits where hwloc 2 has numbers),
//! and what is said of the topology as a whole, which hwloc 2 expects inside the machine.

use std::borrow::Cow;

const VERSION_3: &str = "<topology version=\"3.";
const VERSION_2: &str = "<topology version=\"2.0\">";
const OS_DEVICE_TYPE: &str = "osdev_type=\"";

/// `HWLOC_OBJ_OSDEV_*` of hwloc 3 (hwloc.h, a set of bits) and of hwloc 2 (a number), the one that matters most first: a device
/// that is both OpenFabrics and network is OpenFabrics to hwloc 2, a GPU that can compute is a coprocessor.
const OS_DEVICES: [(u64, u64); 7] = [
    (1 << 5, 3), // OpenFabrics
    (1 << 3, 5), // coprocessor
    (1 << 2, 1), // GPU
    (1 << 4, 2), // network
    (1 << 0, 0), // storage
    (1 << 1, 0), // memory as a device
    (1 << 6, 4), // DMA engine
];

/// The text as hwloc 2 takes it; unchanged where it is of version 2 already.
pub(in crate::topology) fn in_words_of_version_2(text: &str) -> Cow<'_, str> {
    let Some(start) = text.find(VERSION_3) else {
        return Cow::Borrowed(text);
    };
    let (head, rest) = text.split_at(start);
    let Some((_, body)) = rest.split_once('>') else {
        return Cow::Borrowed(text);
    };
    // The last closing tag of an object is the machine's; what follows speaks of the whole topology.
    let end = body
        .rfind("</object>")
        .map_or(body.len(), |at| at + "</object>".len());
    let (machine, after) = body.split_at(end);
    let mut whole = String::with_capacity(text.len());
    whole.push_str(head);
    whole.push_str(VERSION_2);
    whole.push_str(&os_devices(machine));
    for line in after.lines() {
        let is_foreign = ["<info ", "<memtier "]
            .iter()
            .any(|tag| line.trim_start().starts_with(tag))
            && is_direct_child(line);
        if !is_foreign {
            whole.push_str(line);
        }
        whole.push('\n');
    }
    Cow::Owned(whole)
}

/// hwloc indents by two blanks a level: below `<topology>` stands one level.
fn is_direct_child(line: &str) -> bool {
    line.len() - line.trim_start().len() <= 2
}

fn os_devices(machine: &str) -> String {
    let mut pieces = machine.split(OS_DEVICE_TYPE);
    let mut whole = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        whole.push_str(OS_DEVICE_TYPE);
        let digits_end = piece.find(|c: char| !c.is_ascii_digit()).unwrap_or(piece.len());
        let (digits, rest) = piece.split_at(digits_end);
        let bits: u64 = digits.parse().unwrap_or(0);
        let number = OS_DEVICES
            .iter()
            .find(|(bit, _)| bits & bit != 0)
            .map(|(_, number)| number.to_string());
        whole.push_str(number.as_deref().unwrap_or(digits));
        whole.push_str(rest);
    }
    whole
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_differs_is_changed() {
        let three = "<?xml?>\n<topology version=\"3.0\">\n  <object type=\"Machine\">\n    <info name=\"a\" value=\"b\"/>\n    \
                     <object type=\"OSDev\" osdev_type=\"48\"/>\n  </object>\n  <info name=\"c\" value=\"d\"/>\n  \
                     <cpukind cpuset=\"0x1\">\n    <info name=\"e\" value=\"f\"/>\n  </cpukind>\n</topology>\n";
        let two = in_words_of_version_2(three);
        assert!(two.contains("<topology version=\"2.0\">"), "{two}");
        assert!(two.contains("osdev_type=\"3\""), "{two}");
        assert!(
            two.contains("name=\"a\"") && two.contains("name=\"e\"") && !two.contains("name=\"c\""),
            "{two}"
        );
        assert_eq!(in_words_of_version_2(&two), two);
    }

    proptest! {
        #[test]
        fn any_text_can_be_tried(text in "(<topology version=\"3.0\">)?(osdev_type=\"[0-9]*\"|</object>|\\PC|\\n)*") {
            let _ = in_words_of_version_2(&text);
        }
    }
}
