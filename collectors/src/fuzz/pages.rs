//! What is read without a source around it: pages of drives, the words of a PMU, lists of CPUs.

use facts::topology::Topology;

use crate::Root;
use crate::drive_health;
use crate::perf::pmu::Pmu;
use crate::topology::doubts;

/// A drive that answers each page with the next piece of the data: two bytes say how long it is.
fn pieces(data: &[u8]) -> impl FnMut() -> Option<Vec<u8>> + '_ {
    let mut rest = data;
    move || {
        let (head, tail) = rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_le_bytes(*head)).min(tail.len());
        let (piece, left) = tail.split_at_checked(length)?;
        rest = left;
        Some(piece.to_vec())
    }
}

/// A controller's log and identity.
pub(super) fn nvme(data: &[u8]) {
    drive_health::fuzz::nvme(&mut pieces(data));
}

/// Registers, identity, attributes and statistics of a SATA drive.
pub(super) fn ata(data: &[u8]) {
    drive_health::fuzz::ata(&mut pieces(data));
}

/// Sense data and log pages of a SAS drive.
pub(super) fn scsi(data: &[u8]) {
    drive_health::fuzz::scsi(&mut pieces(data));
}

/// A PMU in files: its type, its CPUs, a field's format, an event and its scale, a line each.
pub(super) fn pmu(data: &[u8]) {
    const FILES: [&str; 5] = [
        "type",
        "cpumask",
        "format/event",
        "events/reads",
        "events/reads.scale",
    ];
    super::with_tree(|folder| {
        let mut lines = data.split(|byte| *byte == b'\n');
        let device = folder.join("sys/bus/event_source/devices/uncore");
        for file in FILES {
            let file = device.join(file);
            let _ = file.parent().map(std::fs::create_dir_all);
            let _ = std::fs::write(file, lines.next().unwrap_or_default());
        }
        let Ok(root) = Root::at(folder) else { return };
        let Ok(pmu) = Pmu::read(&root, "uncore") else {
            return;
        };
        if let Ok(event) = pmu.event(&root, "reads") {
            assert!(
                event.scale.is_finite() && event.scale > 0.0,
                "a scale of {}",
                event.scale
            );
        }
    });
}

/// The kernel's lists of CPUs and NUMA nodes, which must not all be true.
pub(super) fn cpu_lists(data: &[u8]) {
    const FILES: [&str; 6] = [
        "sys/devices/system/cpu/online",
        "sys/devices/system/cpu/present",
        "sys/devices/system/cpu/possible",
        "sys/devices/system/node/online",
        "sys/devices/system/node/node0/cpulist",
        "sys/devices/system/node/node0/distance",
    ];
    super::with_tree(|folder| {
        let mut lines = data.split(|byte| *byte == b'\n');
        for file in FILES {
            let _ = std::fs::write(folder.join(file), lines.next().unwrap_or_default());
        }
        if let Ok(root) = Root::at(folder) {
            let told = doubts(&root, &Topology::default());
            assert!(told.iter().all(|doubt| !doubt.message.is_empty()));
        }
    });
}
