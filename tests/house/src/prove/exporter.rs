//! An exporter that is measured: started, scraped, and looked at through /proc.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::ask::Running;
use super::figure::median;
use super::scrape::{self, Latencies, Scraper, Wish};
use crate::Wrong;

/// Starts of which the median is taken.
const STARTS: usize = 10;

/// Scrapes before anything is counted.
const WARM: usize = 10;

/// Scrapes of which CPU time and latency are taken, and the pause between two of them: longer than any sharing of one
/// collection between scrapers, so that each scrape pays for its own.
const SCRAPES: usize = 100;
const PAUSE: Duration = Duration::from_millis(150);

/// How long the crowd scrapes.
const CROWD: Duration = Duration::from_secs(6);
const SCRAPERS: usize = 16;

/// How long nothing is asked, for the time that it takes by itself.
const IDLE: Duration = Duration::from_secs(30);

/// CPU time of a scrape.
#[derive(Clone, Copy)]
pub struct Cost {
    /// What scraping adds: all that was used, less what would have been used in that time while nobody asks.
    pub added: Duration,
    /// All that was used.
    pub whole: Duration,
}

impl Cost {
    fn of(used: Duration, took: Duration, idle: f64) -> Cost {
        let each = |time: Duration| time / u32::try_from(SCRAPES).unwrap_or(1);
        Cost {
            added: each(used.saturating_sub(took.mul_f64(idle))),
            whole: each(used),
        }
    }
}

/// What was measured of one exporter.
pub struct Measured {
    /// From the start of the process to the last byte of the first page.
    pub first_scrape: Duration,
    /// Series on the page.
    pub series: usize,
    /// One scraper.
    pub one: Latencies,
    /// Sixteen at once.
    pub crowd: Latencies,
    /// Memory after the hundredth scrape, in bytes.
    pub memory: u64,
    /// Memory after the crowd, in bytes.
    pub memory_after_crowd: u64,
    /// Threads after the crowd.
    pub threads: usize,
}

/// What an exporter uses, measured in turns with another one.
pub struct Used {
    /// CPU time of a scrape: text, not compressed.
    pub plain: Cost,
    /// CPU time of a scrape as Prometheus asks.
    pub as_prometheus: Cost,
    /// Share of one core that it takes while nobody asks.
    pub idle: f64,
}

/// How an exporter is started: everything but the address that it listens on.
pub struct Exporter {
    /// For messages and the name of its log.
    pub name: &'static str,
    /// Where its log goes.
    pub folder: PathBuf,
    /// The command, for an address.
    pub command: Box<dyn Fn(SocketAddr) -> Command>,
}

/// An exporter while it runs.
pub struct Started {
    running: Running,
    /// Where it listens.
    pub address: SocketAddr,
    /// How long it took to the first page.
    pub first_scrape: Duration,
}

impl Exporter {
    /// Starts it and waits for its first page.
    pub fn start(&self) -> Result<Started, Wrong> {
        let address = free_address()?;
        let log = self.folder.join(format!("{}.log", self.name));
        let command = (self.command)(address);
        let begun = Instant::now();
        let running = Running::start(command, &log)?;
        let ((), first_scrape) = super::ask::until("the first page", begun, || {
            let page = Scraper::connect(address, "/metrics", Wish::Plain)
                .and_then(|mut scraper| scraper.scrape().map(<[u8]>::len));
            Ok(page.is_ok_and(|length| length > 0).then_some(()))
        })?;
        Ok(Started {
            running,
            address,
            first_scrape,
        })
    }

    /// Measures it.
    pub fn measure(&self) -> Result<Measured, Wrong> {
        let mut starts = Vec::new();
        for _ in 0..STARTS {
            let started = self.start()?;
            starts.push(started.first_scrape);
            started.stop()?;
        }
        let started = self.start()?;
        let wrong = |err: String| Wrong::Failed(format!("{}: {err}", self.name));
        let paced =
            |wish, count| scrape::paced(started.address, "/metrics", wish, count, PAUSE).map_err(wrong);
        paced(Wish::Plain, WARM)?;
        let one = paced(Wish::Plain, SCRAPES)?;
        let memory = started.memory()?;
        paced(Wish::AsPrometheus, SCRAPES)?;
        let page = Scraper::connect(started.address, "/metrics", Wish::Plain)
            .and_then(|mut scraper| scraper.scrape().map(<[u8]>::to_vec))
            .map_err(wrong)?;
        let crowd =
            scrape::crowd(started.address, "/metrics", Wish::AsPrometheus, SCRAPERS, CROWD).map_err(wrong)?;
        let (memory_after_crowd, threads) = (started.memory()?, started.threads()?);
        started.stop()?;
        Ok(Measured {
            first_scrape: median(starts),
            series: series(&page),
            one,
            crowd,
            memory,
            memory_after_crowd,
            threads,
        })
    }
}

impl Started {
    /// Ends it.
    pub fn stop(self) -> Result<(), Wrong> {
        self.running.stop()
    }

    /// CPU time of all its threads (schedstat, in nanoseconds: Documentation/scheduler/sched-stats.rst).
    pub fn cpu(&self) -> Result<Duration, Wrong> {
        let tasks = self.path("task");
        let entries =
            fs::read_dir(&tasks).map_err(|err| Wrong::Failed(format!("{}: {err}", tasks.display())))?;
        let nanoseconds: u64 = entries
            .filter_map(|task| fs::read_to_string(task.ok()?.path().join("schedstat")).ok())
            .filter_map(|text| text.split(' ').next()?.parse::<u64>().ok())
            .sum();
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Memory that it holds now, in bytes.
    pub fn memory(&self) -> Result<u64, Wrong> {
        let path = self.path("status");
        let status = fs::read_to_string(&path).unwrap_or_default();
        status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"))
            .and_then(|text| text.parse::<u64>().ok())
            .map(|kibibytes| kibibytes * 1024)
            .ok_or_else(|| Wrong::Failed(format!("no VmRSS in {}", path.display())))
    }

    /// How many threads it has now.
    pub fn threads(&self) -> Result<usize, Wrong> {
        let tasks = self.path("task");
        let entries =
            fs::read_dir(&tasks).map_err(|err| Wrong::Failed(format!("{}: {err}", tasks.display())))?;
        Ok(entries.count())
    }

    fn path(&self, file: &str) -> PathBuf {
        Path::new("/proc").join(self.running.id().to_string()).join(file)
    }
}

/// What both use, asked in turns: whatever the machine does meanwhile, it does to both.
pub fn in_turns(exporters: [&Exporter; 2]) -> Result<[Used; 2], Wrong> {
    let both = exporters.map(Exporter::start);
    let [one, other] = both;
    let both = [one?, other?];
    turns(&both, Wish::Plain, WARM)?;
    let plain = spent(&both, || turns(&both, Wish::Plain, SCRAPES))?;
    let packed = spent(&both, || turns(&both, Wish::AsPrometheus, SCRAPES))?;
    let rest = spent(&both, || {
        thread::sleep(IDLE);
        Ok(())
    })?;
    let used = |which: fn(&Spent) -> Duration| {
        let idle = which(&rest).as_secs_f64() / rest.took.as_secs_f64();
        Used {
            plain: Cost::of(which(&plain), plain.took, idle),
            as_prometheus: Cost::of(which(&packed), packed.took, idle),
            idle,
        }
    };
    let used = [used(|spent| spent.one), used(|spent| spent.other)];
    let [one, other] = both;
    one.stop()?;
    other.stop()?;
    Ok(used)
}

/// CPU time of two exporters while something was done, and how long that took.
struct Spent {
    one: Duration,
    other: Duration,
    took: Duration,
}

fn spent([one, other]: &[Started; 2], act: impl FnOnce() -> Result<(), Wrong>) -> Result<Spent, Wrong> {
    let (before, begun) = ((one.cpu()?, other.cpu()?), Instant::now());
    act()?;
    Ok(Spent {
        one: one.cpu()?.saturating_sub(before.0),
        other: other.cpu()?.saturating_sub(before.1),
        took: begun.elapsed(),
    })
}

/// Scrapes one, then the other, again and again; each as seldom as if it were asked alone.
fn turns(both: &[Started; 2], wish: Wish, count: usize) -> Result<(), Wrong> {
    let mut scrapers = Vec::new();
    for started in both {
        scrapers.push(Scraper::connect(started.address, "/metrics", wish).map_err(Wrong::Failed)?);
    }
    for _ in 0..count {
        for scraper in &mut scrapers {
            scraper.scrape().map_err(Wrong::Failed)?;
            thread::sleep(PAUSE / 2);
        }
    }
    Ok(())
}

/// An address that nobody listens on just now.
pub fn free_address() -> Result<SocketAddr, Wrong> {
    let wrong = |err: std::io::Error| Wrong::Failed(format!("no free port on loopback: {err}"));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(wrong)?;
    listener.local_addr().map_err(wrong)
}

/// Series on a page: lines that are no comment.
pub fn series(page: &[u8]) -> usize {
    let lines = page.split(|byte| *byte == b'\n');
    lines
        .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scrape_costs_what_it_adds() {
        // A hundred scrapes in 20 s used 250 ms, and 0.5 % of a core is used anyway.
        let cost = Cost::of(Duration::from_millis(250), Duration::from_secs(20), 0.005);
        assert_eq!(cost.whole, Duration::from_micros(2_500));
        assert_eq!(cost.added, Duration::from_micros(1_500));
    }

    #[test]
    fn comments_are_no_series() {
        assert_eq!(
            series(b"# HELP a b\n# TYPE a gauge\na 1\na{b=\"c\"} 2\n# EOF\n"),
            2
        );
    }
}
