//! Where sources must agree: what the BMC believes of the node against what the node sees of itself. Pure.

use crate::doubt::Doubt;
use crate::filler::{is_filler, is_filler_uuid};
use crate::inventory::Inventory;
use crate::unit::Bytes;

/// Codes of the doubts.
const IDENTITY: &str = "identity";
const CPU_COUNT: &str = "cpu_count";
const MEMORY_TOTAL: &str = "memory_total";
const MEMORY_INSTALLED: &str = "memory_installed";
/// What they are about.
const BMC: &str = "bmc";
const MACHINE: &str = "machine";

/// Of a hundred parts of the memory that the BMC counts, the kernel shows at least this many. What it keeps for itself (its own
/// text, the map of pages, a crash kernel) is 2 to 6 on servers.
const LEAST_PERCENT: u64 = 85;
/// And at most this many: whole GiB are rounded.
const MOST_PERCENT: u64 = 102;
/// What the kernel and the firmware may keep of a small machine, which is more than so many parts of a hundred.
const LEAST_RESERVED: Bytes = Bytes::new(512 << 20);

/// What cannot all be true of a whole inventory.
pub(crate) fn doubts(whole: &Inventory) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    uuids(whole, &mut doubts);
    serials(whole, &mut doubts);
    counts(whole, &mut doubts);
    memory(whole, &mut doubts);
    installed(whole, &mut doubts);
    doubts
}

/// The sixteen bytes of a UUID; `None` for another text, and for a filler.
fn uuid(text: &str) -> Option<[u8; 16]> {
    if is_filler_uuid(text) {
        return None;
    }
    let digits: Vec<u8> = text
        .trim()
        .bytes()
        .filter(|byte| *byte != b'-')
        .map(|byte| {
            char::from(byte)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        })
        .collect::<Option<_>>()?;
    let mut bytes = [0; 16];
    if digits.len() != 32 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = high << 4 | low;
    }
    let is_empty = bytes.iter().all(|byte| *byte == 0) || bytes.iter().all(|byte| *byte == 0xFF);
    (!is_empty).then_some(bytes)
}

/// Whether two texts are one UUID. SMBIOS keeps the first three fields little-endian, and not everybody swaps them back; IPMI
/// sends all of it from its last byte to its first.
pub fn is_same_uuid(one: &str, other: &str) -> bool {
    let (Some(one), Some(other)) = (uuid(one), uuid(other)) else {
        return false;
    };
    let [a, b, c, d, e, f, g, h, rest @ ..] = one;
    let mut swapped = [d, c, b, a, f, e, h, g, 0, 0, 0, 0, 0, 0, 0, 0];
    for (to, from) in swapped.iter_mut().skip(8).zip(rest) {
        *to = from;
    }
    let reversed = |mut bytes: [u8; 16]| {
        bytes.reverse();
        bytes
    };
    [one, swapped, reversed(one), reversed(swapped)].contains(&other)
}

fn uuids(whole: &Inventory, doubts: &mut Vec<Doubt>) {
    let Some(bmc) = &whole.bmc else { return };
    let Some(host) = known_uuid(whole.machine.uuid.as_deref()) else {
        return;
    };
    let redfish = bmc.redfish.as_ref().and_then(|system| system.uuid.as_deref());
    for (who, theirs) in [("Redfish", redfish), ("IPMI's system GUID", bmc.guid.as_deref())] {
        let Some(theirs) = known_uuid(theirs) else {
            continue;
        };
        if !is_same_uuid(host, theirs) {
            let message = format!("the UUID is {host} by SMBIOS and {theirs} by {who}");
            doubts.push(Doubt::new(IDENTITY, BMC, message));
        }
    }
}

fn known_uuid(text: Option<&str>) -> Option<&str> {
    text.filter(|text| uuid(text).is_some())
}

fn known(text: &Option<String>) -> Option<&str> {
    text.as_deref()
        .map(str::trim)
        .filter(|text| !text.is_empty() && !is_filler(text))
}

fn serials(whole: &Inventory, doubts: &mut Vec<Doubt>) {
    let Some(bmc) = &whole.bmc else { return };
    let Some(host) = known(&whole.machine.serial) else {
        return;
    };
    if let Some(theirs) = bmc.redfish.as_ref().and_then(|system| known(&system.serial))
        && !theirs.eq_ignore_ascii_case(host)
    {
        let message = format!("the serial number is {host} by SMBIOS and {theirs} by Redfish");
        doubts.push(Doubt::new(IDENTITY, BMC, message));
    }
    // Makers put the node's number into the product, the chassis or the board: one that agrees is enough.
    let Some(node) = bmc.inventories.iter().find(|inventory| inventory.id == 0) else {
        return;
    };
    let theirs: Vec<&str> = [&node.product.serial, &node.chassis_serial, &node.board.serial]
        .into_iter()
        .filter_map(known)
        .collect();
    if !theirs.is_empty() && !theirs.iter().any(|serial| serial.eq_ignore_ascii_case(host)) {
        let message = format!(
            "the serial number is {host} by SMBIOS and {} by the FRU inventory",
            theirs.join(", ")
        );
        doubts.push(Doubt::new(IDENTITY, BMC, message));
    }
}

fn counts(whole: &Inventory, doubts: &mut Vec<Doubt>) {
    let Some(system) = whole.bmc.as_ref().and_then(|bmc| bmc.redfish.as_ref()) else {
        return;
    };
    // A CPU that is switched off hides its core and, where it is the last one, its package: then only CPUs can be counted.
    let all_on = whole.offline_cpus.is_empty() && whole.disallowed_cpus.is_empty();
    let cpus = whole.cpus.len() + whole.offline_cpus.len() + whole.disallowed_cpus.len();
    for (what, ours, theirs, is_sure) in [
        ("packages", whole.packages.len(), system.packages, all_on),
        ("cores", whole.cores.len(), system.cores, all_on),
        ("CPUs", cpus, system.cpus, true),
    ] {
        // A BMC that was not told yet says 0.
        let Some(theirs) = theirs
            .and_then(|count| usize::try_from(count).ok())
            .filter(|count| *count > 0)
        else {
            continue;
        };
        if is_sure && ours > 0 && ours != theirs {
            let message = format!("the node sees {ours} {what} and Redfish says {theirs}");
            doubts.push(Doubt::new(CPU_COUNT, BMC, message));
        }
    }
}

fn memory(whole: &Inventory, doubts: &mut Vec<Doubt>) {
    let system = whole.bmc.as_ref().and_then(|bmc| bmc.redfish.as_ref());
    let theirs = system
        .and_then(|system| system.memory_bytes)
        .filter(|bytes| *bytes > Bytes::ZERO);
    let ours = whole.memory.as_ref().map(|memory| memory.total_bytes);
    let (Some(ours), Some(theirs)) = (ours, theirs) else {
        return;
    };
    if !is_most_of(ours, theirs) {
        let message = format!("the node sees {ours} of memory and Redfish says {theirs}");
        doubts.push(Doubt::new(MEMORY_TOTAL, BMC, message));
    }
}

/// Whether what the kernel shows is what there is, less what it and the firmware keep.
fn is_most_of(ours: Bytes, theirs: Bytes) -> bool {
    let percent = u128::from(ours.get()) * 100 / u128::from(theirs.get().max(1));
    percent >= u128::from(LEAST_PERCENT) && percent <= u128::from(MOST_PERCENT)
}

/// Memory that is installed beside memory that the kernel sees. Modules that keep their contents may be memory or a drive: where
/// there are some, nothing can be said.
fn installed(whole: &Inventory, doubts: &mut Vec<Doubt>) {
    let Some(seen) = whole.memory.as_ref().map(|memory| memory.total_bytes) else {
        return;
    };
    let modules = &whole.memory_modules;
    let sizes = modules
        .iter()
        .map(|module| module.size_bytes.filter(|_| !module.is_persistent));
    let Some(sizes) = sizes.collect::<Option<Vec<Bytes>>>() else {
        return;
    };
    let sum = sizes
        .iter()
        .fold(0_u64, |sum, size| sum.saturating_add(size.get()));
    let is_little = seen.get() < sum && sum - seen.get() <= LEAST_RESERVED.get();
    if sum == 0 || is_little || is_most_of(seen, Bytes::new(sum)) {
        return;
    }
    let message = format!(
        "{} modules of {} together are installed by SMBIOS, and the kernel sees {seen}",
        modules.len(),
        Bytes::new(sum)
    );
    doubts.push(Doubt::new(MEMORY_INSTALLED, MACHINE, message));
}

#[cfg(test)]
#[path = "agreement/tests.rs"]
mod tests;
