//! A scraper: GET /metrics over a kept HTTP/1.1 connection, as Prometheus does it, with how long each took.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What Prometheus 2.42 says that it takes.
const ACCEPT: &str = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                      text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

/// A scraper gives up after this; Prometheus' own default is 10 s.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// The text format, not compressed.
    Plain,
    /// What Prometheus asks for: OpenMetrics, compressed.
    AsPrometheus,
}

/// One kept connection.
pub struct Scraper {
    reader: BufReader<TcpStream>,
    request: String,
    body: Vec<u8>,
}

impl Scraper {
    /// Connects.
    pub fn connect(address: SocketAddr, path: &str, wish: Wish) -> Result<Scraper, String> {
        let wrong = |err| format!("{address}: {err}");
        let stream = TcpStream::connect(address).map_err(wrong)?;
        stream.set_nodelay(true).map_err(wrong)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(wrong)?;
        let headers = match wish {
            Wish::Plain => "Accept: text/plain;version=0.0.4\r\n".to_owned(),
            Wish::AsPrometheus => format!("Accept: {ACCEPT}\r\nAccept-Encoding: gzip\r\n"),
        };
        Ok(Scraper {
            reader: BufReader::with_capacity(64 << 10, stream),
            request: format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n"),
            body: Vec::new(),
        })
    }

    /// One scrape: the body, until the next one.
    pub fn scrape(&mut self) -> Result<&[u8], String> {
        let wrong = |err: std::io::Error| err.to_string();
        self.reader
            .get_mut()
            .write_all(self.request.as_bytes())
            .map_err(wrong)?;
        let mut line = String::new();
        self.line(&mut line)?;
        if !line.contains(" 200 ") {
            return Err(format!("it answered {:?}", line.trim_end()));
        }
        let (mut length, mut is_chunked) = (0_usize, false);
        loop {
            self.line(&mut line)?;
            if line.trim_end().is_empty() {
                break;
            }
            let header = line.to_ascii_lowercase();
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(|_| format!("no length: {line:?}"))?;
            }
            is_chunked |= header.starts_with("transfer-encoding:") && header.contains("chunked");
        }
        self.body.clear();
        if is_chunked {
            self.chunks()?;
        } else {
            self.take(length)?;
        }
        Ok(&self.body)
    }

    fn chunks(&mut self) -> Result<(), String> {
        let mut line = String::new();
        loop {
            self.line(&mut line)?;
            let length = usize::from_str_radix(line.trim(), 16).map_err(|_| format!("no chunk: {line:?}"))?;
            self.take(length)?;
            self.line(&mut line)?;
            if length == 0 {
                return Ok(());
            }
        }
    }

    fn take(&mut self, length: usize) -> Result<(), String> {
        let start = self.body.len();
        self.body.resize(start + length, 0);
        self.reader
            .read_exact(&mut self.body[start..])
            .map_err(|err| format!("the body breaks off: {err}"))
    }

    fn line(&mut self, line: &mut String) -> Result<(), String> {
        line.clear();
        match self.reader.read_line(line) {
            Ok(0) => Err("the connection was closed".to_owned()),
            Ok(_) => Ok(()),
            Err(err) => Err(err.to_string()),
        }
    }
}

/// How long scrapes took, sorted.
pub struct Latencies(Vec<Duration>);

impl Latencies {
    /// Of these.
    pub fn of(mut all: Vec<Duration>) -> Latencies {
        all.sort();
        Latencies(all)
    }

    /// Of several scrapers together.
    pub fn all(each: Vec<Latencies>) -> Latencies {
        Latencies::of(each.into_iter().flat_map(|one| one.0).collect())
    }

    /// The one that this many of a hundred do not exceed.
    pub fn percentile(&self, percent: usize) -> Duration {
        let place = (self.0.len() * percent).div_ceil(100).max(1) - 1;
        self.0.get(place).copied().unwrap_or_default()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

/// Scrapes one after the other with a pause between them.
pub fn paced(
    address: SocketAddr,
    path: &str,
    wish: Wish,
    count: usize,
    pause: Duration,
) -> Result<Latencies, String> {
    let mut scraper = Scraper::connect(address, path, wish)?;
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        scraper.scrape()?;
        all.push(begun.elapsed());
        thread::sleep(pause);
    }
    Ok(Latencies::of(all))
}

/// Scrapers that all ask as fast as they are answered, for this long.
pub fn crowd(
    address: SocketAddr,
    path: &str,
    wish: Wish,
    scrapers: usize,
    time: Duration,
) -> Result<Latencies, String> {
    let over = AtomicBool::new(false);
    let one = || {
        let mut scraper = Scraper::connect(address, path, wish)?;
        let mut all = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let begun = Instant::now();
            scraper.scrape()?;
            all.push(begun.elapsed());
        }
        Ok::<Vec<Duration>, String>(all)
    };
    let all = thread::scope(|scope| {
        let running: Vec<_> = (0..scrapers).map(|_| scope.spawn(one)).collect();
        thread::sleep(time);
        over.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for scraper in running {
            all.extend(scraper.join().map_err(|_| "a scraper broke".to_owned())??);
        }
        Ok::<Vec<Duration>, String>(all)
    })?;
    Ok(Latencies::of(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_what_was_measured() {
        let ms = |all: &[u64]| Latencies::of(all.iter().map(|ms| Duration::from_millis(*ms)).collect());
        let all: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(ms(&all).percentile(50), Duration::from_millis(50));
        assert_eq!(ms(&all).percentile(99), Duration::from_millis(99));
        assert_eq!(ms(&[7]).percentile(99), Duration::from_millis(7));
        assert_eq!(ms(&[]).percentile(99), Duration::ZERO);
    }
}
