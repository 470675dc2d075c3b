//! A recorded tree has no kernel: what a kernel does by itself with a cgroup's files is done here by hand.

use std::fs;
use std::io;
use std::path::Path;

use crate::host::Host;
use crate::step::CGROUP_PROCS;

/// A cgroup is removed with its files; in a plain directory they go first. Directories in it stay, as in the kernel.
pub(super) fn clear(host: &Host, dir: &Path) -> io::Result<()> {
    let real = host.real(dir);
    if !real.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(real)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// A process leaves one list and joins the other.
pub(super) fn move_process(host: &Host, pid: u32, from: &Path, to: &Path) -> io::Result<()> {
    let pid = pid.to_string();
    let left = host.read(&from.join(CGROUP_PROCS))?.unwrap_or_default();
    let left: Vec<&str> = left.lines().filter(|line| *line != pid).collect();
    let joined = host.read(&to.join(CGROUP_PROCS))?.unwrap_or_default();
    let joined: Vec<&str> = joined
        .lines()
        .filter(|line| *line != pid)
        .chain([pid.as_str()])
        .collect();
    write(host, from, &left)?;
    write(host, to, &joined)
}

fn write(host: &Host, dir: &Path, lines: &[&str]) -> io::Result<()> {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(host.real(&dir.join(CGROUP_PROCS)), text)
}
