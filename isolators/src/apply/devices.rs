//! Device rules are put in force and read back: a program on the cgroup (v2), or lines of its list (v1).

use std::fs;
use std::path::Path;

use super::{StepError, failed, read, write};
use crate::host::Host;
use crate::rule::{DeviceRule, program_name};
use crate::step::{DEVICES_ALLOW, DEVICES_DENY, DEVICES_LIST};

/// What denies and allows everything.
const ALL: &str = "a";

pub(super) fn attach(host: &Host, dir: &Path, rules: &[DeviceRule]) -> Result<(), StepError> {
    if !host.is_kernels(dir) {
        return super::recorded::attach(host, dir, rules).map_err(StepError::Refused);
    }
    let real = host.real(dir);
    crate::bpf::attach(&real, rules).map_err(StepError::Refused)?;
    let said = crate::bpf::ours(&real).map_err(StepError::Refused)?;
    let said = said.map(|program| program.name).unwrap_or_default();
    let wrote = program_name(rules);
    if said == wrote {
        return Ok(());
    }
    Err(StepError::ReadBack {
        file: dir.to_owned(),
        wrote,
        said,
    })
}

pub(super) fn list(host: &Host, dir: &Path, entry: &str, allow: bool) -> Result<(), StepError> {
    let file = dir.join(if allow { DEVICES_ALLOW } else { DEVICES_DENY });
    let listing = dir.join(DEVICES_LIST);
    let all = entry.starts_with(ALL);
    if host.is_kernels(dir) {
        write(host, &file, if all { ALL } else { entry })?;
    } else {
        // A recorded tree has no kernel that would keep the list.
        let before = host.read(&listing).ok().flatten().unwrap_or_default();
        let mut lines: Vec<&str> = before.lines().filter(|line| !all && *line != entry).collect();
        if allow {
            lines.push(entry);
        }
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(host.real(&listing), text).map_err(|error| failed(&listing, error))?;
    }
    let said = read(host, &listing)?;
    let listed = said.lines().any(|line| line.trim() == entry);
    if listed == allow {
        return Ok(());
    }
    Err(StepError::ReadBack {
        file: listing,
        wrote: entry.to_owned(),
        said,
    })
}
