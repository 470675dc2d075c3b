//! What a process uses, as the kernel counts it.

use std::fs;

use anyhow::Context;

/// Ticks of CPU time a second (USER_HZ; the same on every Linux that runs this).
const TICKS: f64 = 100.0;

/// CPU time of all threads so far, in seconds.
pub fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = stat.rsplit_once(')').context("a name")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field).and_then(|text| text.parse::<f64>().ok());
    let (user, system) = (ticks(11).context("utime")?, ticks(12).context("stime")?);
    Ok((user + system) / TICKS)
}

/// Resident memory of its own, not shared with other processes, in KiB, and all of it.
pub fn memory_kib(pid: u32) -> anyhow::Result<(u64, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let sum = |names: &[&str]| {
        text.lines()
            .filter(|line| names.iter().any(|name| line.starts_with(name)))
            .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
            .sum::<u64>()
    };
    Ok((sum(&["Private_Clean:", "Private_Dirty:"]), sum(&["Rss:"])))
}
