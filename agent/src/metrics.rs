//! `/metrics`: written from the view at scrape time and never stored, so that a part that is gone vanishes by itself.

mod family;
mod gpu;
mod machine;
mod page;
mod service;

use std::time::{Duration, Instant};

use crate::view::View;

pub use family::{Family, Kind, TABLE};
pub use page::Format;
use page::Page;

/// What the agent says of its own process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Own {
    /// CPU time that it has used; `None` where the kernel does not tell.
    pub cpu_time: Option<Duration>,
    /// Memory that it holds (`VmRSS` in `/proc/self/status`), in bytes.
    pub resident_bytes: Option<u64>,
}

impl Own {
    /// Reads them now.
    pub fn now() -> Own {
        let clock = nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID;
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let kibibytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        Own {
            cpu_time: clock.now().ok().map(Duration::from),
            resident_bytes: kibibytes.and_then(|text| text.parse::<u64>().ok()?.checked_mul(1024)),
        }
    }
}

/// The whole page.
pub fn render(view: &View, own: &Own, format: Format) -> String {
    let started = Instant::now();
    let mut page = Page::new(format);
    service::write_agent(&mut page, view, own);
    machine::write(&mut page, &view.seen);
    service::write_sources(&mut page, &view.seen);
    service::write_workloads(&mut page, view);
    service::write_page(&mut page, started);
    page.finish()
}

#[cfg(test)]
#[path = "metrics/tests.rs"]
mod tests;
