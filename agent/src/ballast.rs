//! Ballast: the allocator is told to hold little, and what the start needed and nobody needs again is given back, once.
//!
//! Reading the configuration and the topology, and the first turn of every source, touch most of the program and take heap
//! that is free afterwards. What was touched of the program stays mapped, and the allocator keeps the heap.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::fs;
use std::ptr::NonNull;
use std::time::Duration;

use nix::sys::mman::{MmapAdvise, madvise};

/// How long the start takes, generously: the first turns of all sources lie in it.
const START: Duration = Duration::from_secs(5);

/// Our mappings, with how much of each is whose (proc_pid_smaps(5)).
const SMAPS: &str = "/proc/self/smaps";
/// Pages of a mapping that are no pages of its file.
const ANONYMOUS: &str = "Anonymous:";
/// What a mapping is, in words of two letters.
const FLAGS: &str = "VmFlags:";

/// Flags of what does not come back from the page cache by itself: a device's memory (`io`, `pf`, `mm`), what is shared (`sh`,
/// `ms`), locked (`lo`) or made of huge pages (`ht`). A driver such as NVIDIA's fills a device's mapping once: whoever reads it
/// after it was dropped is killed by SIGBUS.
const NOT_OURS: [&str; 7] = ["io", "pf", "mm", "sh", "ms", "lo", "ht"];
/// Where devices lie.
const DEVICES: &str = "/dev/";

/// A part of our address space that shows a file and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shown {
    start: usize,
    length: usize,
}

/// Freed blocks of this size and more go back to the kernel at once, in bytes: pages of metrics are larger, and kept.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const GIVEN_BACK: i32 = 128 << 10;

/// Tells the allocator to hold little. Call it before the first thread is started.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn travel_light() {
    use nix::libc::{M_ARENA_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, mallopt};
    // One heap for some twenty threads that seldom allocate, instead of up to eight for each CPU.
    for (what, value) in [
        (M_ARENA_MAX, 1),
        (M_MMAP_THRESHOLD, GIVEN_BACK),
        (M_TRIM_THRESHOLD, GIVEN_BACK),
    ] {
        // SAFETY: mallopt(3) takes two numbers and changes the allocator's own settings under its own lock; what it refuses
        // stays as it was.
        unsafe { mallopt(what, value) };
    }
}

/// Other allocators are left as they are.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn travel_light() {}

/// Drops it as soon as the start is over.
pub async fn drop_after_start() {
    tokio::time::sleep(START).await;
    drop_it();
}

/// Gives back the free heap, and unmaps what is mapped of our program and its libraries; what of it runs next comes back from
/// the page cache by itself.
fn drop_it() {
    trim();
    let Ok(smaps) = fs::read_to_string(SMAPS) else {
        return;
    };
    for shown in shown(&smaps) {
        let Some(start) = NonNull::new(std::ptr::without_provenance_mut::<c_void>(shown.start)) else {
            continue;
        };
        // SAFETY: the mapping is private and cannot be written to, shows a plain file and no device, and the kernel says that
        // every page of it is its file's (no anonymous page), so that reading it again gives the same bytes (madvise(2),
        // MADV_DONTNEED). Relocated data fails that test. The kernel refuses what has been unmapped meanwhile, and nothing here
        // maps at run time but drivers' libraries.
        let _ = unsafe { madvise(start, shown.length, MmapAdvise::MADV_DONTNEED) };
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn trim() {
    // SAFETY: malloc_trim(3) takes a number and touches the allocator's own free memory only; it locks what it needs.
    unsafe { nix::libc::malloc_trim(0) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn trim() {}

/// The mappings that show nothing but a plain file of their own, of a text of [`SMAPS`].
fn shown(smaps: &str) -> Vec<Shown> {
    let mut found = Vec::new();
    let mut of_file = None;
    for line in smaps.lines() {
        if let Some(amount) = line.strip_prefix(ANONYMOUS) {
            of_file = of_file.filter(|_| amount.trim() == "0 kB");
        } else if let Some(flags) = line.strip_prefix(FLAGS) {
            // The last line of a mapping; a kernel that tells no flags tells too little.
            let is_ours = !flags
                .split_ascii_whitespace()
                .any(|flag| NOT_OURS.contains(&flag));
            found.extend(of_file.take().filter(|_| is_ours));
        } else if let Some(mapping) = mapping(line) {
            of_file = mapping;
        }
    }
    found
}

/// The head of a mapping: `None` where the line is none, `Some(None)` where it can be written to, is shared, or shows no file or
/// a device.
fn mapping(line: &str) -> Option<Option<Shown>> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    let (rights, inode) = (words.next()?, words.nth(2)?);
    let length = end.checked_sub(start)?;
    let is_file = words
        .next()
        .is_some_and(|path| path.starts_with('/') && !path.starts_with(DEVICES));
    let is_private = rights.starts_with("r-") && rights.ends_with('p');
    Some((is_private && is_file && inode != "0").then_some(Shown { start, length }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SAMPLE: &str = "\
55d000000000-55d000010000 r--p 00000000 fe:00 1234                       /usr/bin/busbar-agent
Size:                 64 kB
Anonymous:             0 kB
VmFlags: rd mr mw me sd
55d000010000-55d000030000 r-xp 00010000 fe:00 1234                       /usr/bin/busbar-agent
Anonymous:             0 kB
VmFlags: rd ex mr mw me sd
55d000030000-55d000040000 r--p 00030000 fe:00 1234                       /usr/bin/busbar-agent
Anonymous:            64 kB
VmFlags: rd mr mw me ac sd
55d000040000-55d000041000 rw-p 00040000 fe:00 1234                       /usr/bin/busbar-agent
Anonymous:             0 kB
VmFlags: rd wr mr mw me ac sd
7f1000000000-7f1000001000 r--s 00000000 00:06 412                        /dev/nvidiactl
Anonymous:             0 kB
VmFlags: rd sh mr me ms de dd mm
7f1000001000-7f1000002000 r--p 00000000 00:06 412                        /dev/nvidia0
Anonymous:             0 kB
VmFlags: rd mr mw me
7f1000002000-7f1000003000 r--p 00000000 fe:00 1235                       /opt/mapped by a driver
Anonymous:             0 kB
VmFlags: rd mr mw me mm
7f1000003000-7f1000004000 r--p 00000000 fe:00 1236                       /opt/of a kernel that tells no flags
Anonymous:             0 kB
7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0                          [vdso]
Anonymous:             0 kB
VmFlags: rd ex mr mw me de sd
";

    #[test]
    fn only_what_shows_a_file_and_nothing_else_is_given_back() {
        let expected = [(0x55d0_0000_0000, 0x10000), (0x55d0_0001_0000, 0x20000)];
        let expected = expected.map(|(start, length)| Shown { start, length });
        assert_eq!(shown(SAMPLE), expected);
        assert_eq!(shown("Anonymous: 0 kB\nzz-1 r-xp\n\n-\n"), []);
    }

    #[test]
    fn the_program_runs_on_after_its_ballast_is_dropped() {
        let before = fs::read_to_string(SMAPS).unwrap();
        assert!(!shown(&before).is_empty(), "{before}");
        let text = "a text that lies on the heap ".repeat(1000);
        let mapped = || {
            let status = fs::read_to_string("/proc/self/status").unwrap();
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("RssFile:"))
                .unwrap();
            line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
        };
        let whole = mapped();
        drop_it();
        assert!(mapped() < whole, "less of the program is mapped than {whole} kB");
        assert_eq!(text.len(), 29_000);
        assert_eq!(
            shown(&before)
                .iter()
                .map(|shown| shown.length % 4096)
                .sum::<usize>(),
            0
        );
    }
}
