//! What the agent says of its own process.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;
use std::time::Duration;

/// Sizes of our memory in pages, the second of them resident (proc_pid_statm(5)).
const STATM: &str = "/proc/self/statm";
/// Its longest line: seven numbers of 64 bits.
const LONGEST_STATM: usize = 160;

/// What the agent says of itself at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Own {
    /// CPU time that it has used; `None` where the kernel does not tell.
    pub cpu_time: Option<Duration>,
    /// Memory that it holds, in bytes.
    pub resident_bytes: Option<u64>,
    /// Events told in this run.
    pub events: Option<u64>,
    /// Who follows the events now.
    pub listeners: Option<usize>,
}

impl Own {
    /// Reads the process' own values now.
    pub fn now() -> Own {
        let clock = nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID;
        Own {
            cpu_time: clock.now().ok().map(Duration::from),
            resident_bytes: resident_bytes(),
            ..Own::default()
        }
    }
}

fn resident_bytes() -> Option<u64> {
    // Opened once: a page is asked for as often as scrapers like.
    static STATM_FILE: OnceLock<Option<File>> = OnceLock::new();
    let file = STATM_FILE.get_or_init(|| File::open(STATM).ok()).as_ref()?;
    let mut buffer = [0; LONGEST_STATM];
    let length = file.read_at(&mut buffer, 0).ok()?;
    let text = std::str::from_utf8(buffer.get(..length)?).ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok()??;
    pages.checked_mul(u64::try_from(page).ok()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_kernel_tells_what_we_hold() {
        let own = Own::now();
        assert!(own.resident_bytes.unwrap() > 1 << 16);
        assert!(own.cpu_time.unwrap() > Duration::ZERO);
    }
}
