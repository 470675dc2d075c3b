//! A recorded tree has no kernel: what a kernel does by itself with a cgroup's files is done here by hand.

use std::fs;
use std::io;
use std::path::Path;

use crate::host::Host;
use crate::rule::{DeviceRule, program_name};
use crate::step::CGROUP_PROCS;

/// Stands in a recorded cgroup for the program that a kernel would have attached: its name.
const PROGRAM: &str = "busbar.device_program";
/// Files of a line a device or a resource, of which a write changes one.
const OF_LINES: [&str; 7] = [
    "io.max",
    "io.latency",
    "blkio.throttle.read_bps_device",
    "blkio.throttle.write_bps_device",
    "blkio.throttle.read_iops_device",
    "blkio.throttle.write_iops_device",
    "io.weight",
];
/// The same for resctrl: a line a resource, with a value a domain.
const SCHEMATA: &str = "schemata";

/// What a file says after this was written to it.
pub(super) fn merged(host: &Host, file: &Path, value: &str) -> String {
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let of_lines = OF_LINES.contains(&name);
    if !of_lines && name != SCHEMATA {
        return format!("{value}\n");
    }
    let before = host.read(file).ok().flatten().unwrap_or_default();
    if of_lines {
        return lines(&before, value);
    }
    value.lines().fold(before, |text, line| schemata(&text, line))
}

/// One line, `8:16 rbps=1 wbps=2`, into those that are there. What the kernel shows no more is left out.
fn lines(before: &str, value: &str) -> String {
    let (key, words) = value.split_once(' ').unwrap_or((value, ""));
    let mut rest: Vec<String> = Vec::new();
    let mut own: Vec<(String, String)> = Vec::new();
    for line in before.lines() {
        match line.split_once(' ') {
            Some((found, words)) if found == key => own.extend(words.split(' ').map(pair)),
            _ => rest.push(line.to_owned()),
        }
    }
    for (name, number) in words.split(' ').map(pair) {
        own.retain(|(known, _)| *known != name);
        own.push((name, number));
    }
    let nothing = |(_, number): &(String, String)| ["max", "0", "default"].contains(&number.as_str());
    if !own.iter().all(nothing) {
        let words = own.iter().map(|(name, number)| match name.as_str() {
            "" => number.clone(),
            name => format!("{name}={number}"),
        });
        rest.push(format!("{key} {}", words.collect::<Vec<_>>().join(" ")));
    }
    rest.iter().map(|line| format!("{line}\n")).collect()
}

fn pair(word: &str) -> (String, String) {
    let (name, number) = word.split_once('=').unwrap_or(("", word));
    (name.to_owned(), number.to_owned())
}

/// One line, `L3:1=3`, into a schemata.
fn schemata(before: &str, line: &str) -> String {
    let Some((resource, changed)) = line.split_once(':') else {
        return before.to_owned();
    };
    let mut found = false;
    let mut text = String::new();
    for old in before.lines() {
        let Some((name, domains)) = old.trim().split_once(':').filter(|(name, _)| *name == resource) else {
            text.push_str(&format!("{old}\n"));
            continue;
        };
        found = true;
        let domains = domains.split(';').map(|domain| {
            let key = domain.split('=').next();
            let new = changed.split(';').find(|new| new.split('=').next() == key);
            new.unwrap_or(domain)
        });
        text.push_str(&format!("{name}:{}\n", domains.collect::<Vec<_>>().join(";")));
    }
    if !found {
        text.push_str(&format!("{line}\n"));
    }
    text
}

/// The name of the program that is attached to a recorded cgroup.
pub(crate) fn program(host: &Host, dir: &Path) -> Option<String> {
    host.read(&dir.join(PROGRAM)).ok().flatten()
}

/// Attaches a program to a recorded cgroup.
pub(super) fn attach(host: &Host, dir: &Path, rules: &[DeviceRule]) -> io::Result<()> {
    fs::write(
        host.real(&dir.join(PROGRAM)),
        format!("{}\n", program_name(rules)),
    )
}

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
