//! The command line of `busbar-up`, as `cargo up` hands it on.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};

/// Agent, rack and Prometheus take this port and the next two where nobody else has them.
const PORT_BASE: u16 = 9711;

pub const HELP: &str = "\
busbar-up [--fresh] [--port-base N] [--once [SECONDS]] [--prometheus FILE] [--state DIR]

Raises the simulated rack, the rack controller, this machine's agent and Prometheus; `cargo up --help` says more.
";

/// What was asked for.
#[derive(Debug)]
pub enum Asked {
    /// To raise.
    Up(Args),
    /// To explain.
    Help,
}

/// How to raise.
#[derive(Debug, PartialEq)]
pub struct Args {
    /// Forget earlier runs.
    pub fresh: bool,
    /// The agent's port; the rack's and Prometheus' follow.
    pub port_base: u16,
    /// Go down after that long.
    pub once: Option<Duration>,
    /// Prometheus' binary.
    pub prometheus: Option<PathBuf>,
    /// Where the state lies; `up/` in the build outputs where it is not said.
    pub state: Option<PathBuf>,
}

/// Reads the command line.
pub fn read(words: impl Iterator<Item = String>) -> anyhow::Result<Asked> {
    let mut args = Args {
        fresh: false,
        port_base: PORT_BASE,
        once: None,
        prometheus: None,
        state: None,
    };
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--help" | "-h" => return Ok(Asked::Help),
            "--fresh" => args.fresh = true,
            "--port-base" => {
                let port = words.next().and_then(|port| port.parse().ok());
                let port = port.filter(|port| *port < u16::MAX - 2);
                args.port_base = port.context("--port-base wants a port, as in --port-base 9711")?;
            }
            "--once" => {
                let seconds = words.peek().and_then(|word| word.parse().ok());
                if seconds.is_some() {
                    words.next();
                }
                args.once = Some(Duration::from_secs(seconds.unwrap_or(0)));
            }
            "--prometheus" => {
                let file = words.next().context("--prometheus wants a file")?;
                args.prometheus = Some(file.into());
            }
            "--state" => args.state = Some(words.next().context("--state wants a folder")?.into()),
            other => bail!("unknown word {other:?}"),
        }
    }
    Ok(Asked::Up(args))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn args(line: &str) -> anyhow::Result<Args> {
        match read(line.split_whitespace().map(str::to_owned))? {
            Asked::Up(args) => Ok(args),
            Asked::Help => panic!("no help was asked for"),
        }
    }

    #[test]
    fn the_command_line_is_read() {
        let read = args("--fresh --port-base 9800 --once 5 --state /s").unwrap();
        assert!(read.fresh);
        assert_eq!((read.port_base, read.once), (9800, Some(Duration::from_secs(5))));
        assert_eq!(args("--once").unwrap().once, Some(Duration::ZERO));
        for wrong in [
            "--port-base",
            "--port-base 65535",
            "--port-base x",
            "--prometheus",
            "now",
        ] {
            assert!(args(wrong).is_err(), "{wrong}");
        }
    }
}
