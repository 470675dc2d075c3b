//! What speaks against erasing a drive: who uses it now, and what on it belongs to something larger than itself. Reads only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use nix::libc::{O_CLOEXEC, O_NONBLOCK};

use super::signature::{LOOK, found};
use crate::block::{self, CLASS_BLOCK, number_of};
use crate::drive_holder;
use crate::fabric::target::standing;
use crate::host::Host;
use crate::isolator::IsolateError;

/// Where an NVMe controller's namespaces stand beside this one.
const NSID: &str = "nsid";

/// What speaks against erasing this whole block device, a sentence each; none where it is blank, or holds a plain file system that nobody
/// has mounted. Reads the host and the drive's first and last MiB, and writes nothing.
///
/// Whether a workload of this agent holds it is not known here: that stands in the agent's ledger.
///
/// # Errors
/// When there is no such device, it is a partition, or it cannot be read: what cannot be looked at is not erased.
pub fn obstacles(host: &Host, device: &str) -> Result<Vec<String>, IsolateError> {
    number_of(host, device)?;
    let mut all = drive_holder::uses(host, device)?;
    all.extend(drive_holder::of_another_machine(
        host,
        &Path::new(CLASS_BLOCK).join(device),
    ));
    all.extend(targets(host, device, false)?);
    all.extend(siblings(host, device));
    all.extend(drive_holder::partitioned(
        host,
        &Path::new(CLASS_BLOCK).join(device),
    ));
    all.extend(lies_on(host, device)?);
    all.extend(block::claimed(host, device).filter(|_| all.is_empty()));
    Ok(all)
}

/// The same while the drive is ours alone, so that the kernel's word "in use" would mean ourselves; and no target may offer it, ours
/// neither. With `holds_ours`, whatever lies on it is what is to be erased.
pub(super) fn in_the_way(host: &Host, device: &str, holds_ours: bool) -> Result<Vec<String>, IsolateError> {
    let mut all = drive_holder::uses(host, device)?;
    all.extend(drive_holder::of_another_machine(
        host,
        &Path::new(CLASS_BLOCK).join(device),
    ));
    all.extend(targets(host, device, true)?);
    all.extend(siblings(host, device));
    if !holds_ours {
        all.extend(drive_holder::partitioned(
            host,
            &Path::new(CLASS_BLOCK).join(device),
        ));
        all.extend(lies_on(host, device)?);
    }
    Ok(all)
}

/// Subsystems of the kernel's own target that have it as their namespace.
fn targets(host: &Host, device: &str, ours_too: bool) -> Result<Vec<String>, IsolateError> {
    let is_it = |path: &str| {
        let named = Path::new(path);
        // `/dev/disk/by-id/…` is a link to it.
        let real = fs::canonicalize(host.real(named)).unwrap_or_else(|_| named.to_owned());
        real.file_name().is_some_and(|name| name == device)
    };
    let all = standing(host)?.into_iter().filter(|(nqn, standing)| {
        let is_ours = nqn.starts_with(crate::fabric::OURS);
        standing.device.as_deref().is_some_and(is_it) && (!is_ours || ours_too && !standing.is_fenced())
    });
    Ok(all
        .map(|(nqn, _)| format!("this machine's NVMe target offers it as {nqn}; take it out of there first"))
        .collect())
}

/// Other namespaces of the same controller: what erases one may erase all.
fn siblings(host: &Host, device: &str) -> Option<String> {
    let folder = Path::new(CLASS_BLOCK).join(device).join("device");
    let others: Vec<String> = host.entries(&folder).unwrap_or_default();
    let others: Vec<&String> = others
        .iter()
        .filter(|name| *name != device && host.has(&folder.join(name).join(NSID)))
        // A path of a drive with several (`nvme0c0n1`) is no other namespace.
        .filter(|name| !is_path(name))
        .collect();
    let first = others.first()?;
    Some(format!(
        "its controller has another namespace ({first}), and what erases one may erase all; a pooled drive has one"
    ))
}

/// `nvme0c1n1` is a path to `nvme0n1`.
fn is_path(name: &str) -> bool {
    name.strip_prefix("nvme").is_some_and(|rest| rest.contains('c'))
}

fn lies_on(host: &Host, device: &str) -> Result<Vec<String>, IsolateError> {
    let path = Path::new("/dev").join(device);
    let unreadable = |cause: io::Error| IsolateError::Unreadable {
        path: path.clone(),
        cause,
    };
    let (first, last, size) = ends(&host.real(&path)).map_err(unreadable)?;
    let all = found(&first, &last, size).into_iter();
    Ok(all
        .map(|what| format!("it holds {what}; if that may be lost: wipefs -a /dev/{device}"))
        .collect())
}

fn ends(path: &Path) -> io::Result<(Vec<u8>, Vec<u8>, u64)> {
    // A medium that is not there is not waited for.
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(O_NONBLOCK | O_CLOEXEC)
        .open(path)?;
    let size = file.seek(SeekFrom::End(0))?;
    let look = u64::try_from(LOOK).unwrap_or(u64::MAX).min(size);
    let piece = |at: u64| read(&file, at, usize::try_from(look).unwrap_or(0));
    Ok((piece(0)?, piece(size - look)?, size))
}

fn read(file: &File, at: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}
