//! `busbar top`: a live view of one node in the terminal, or one frame of it.

mod frame;
mod page;
mod picture;
mod screen;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use agent_api::{AgentClient, ClientError, Token};
use clap::Args;
use facts::Moment;

use crate::args::{Cli, Output};
use frame::{Frame, Read, frame};
use page::Page;

/// How long an agent may take for one answer before it counts as silent.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The shortest and the longest time between two frames, in seconds.
const INTERVALS: std::ops::RangeInclusive<f64> = 0.2..=60.0;

/// What `top` is asked.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// The node's agent: http://HOST:PORT, https://HOST:PORT, or its socket [default: the local agent's socket]
    #[arg(value_name = "URL|SOCKET")]
    pub node: Option<String>,
    /// Print one frame and end; so does an output that is no terminal
    #[arg(long)]
    pub once: bool,
    /// Seconds between two frames
    #[arg(long, default_value = "2", value_name = "SECONDS", value_parser = parse_seconds)]
    pub interval: Duration,
    /// CA certificate (PEM) that the agent's certificate must come from (https)
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// File with the bearer token for the agent (https; mode 0600)
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().unwrap_or(f64::NAN);
    if INTERVALS.contains(&seconds) {
        return Ok(Duration::from_secs_f64(seconds));
    }
    let (least, most) = (INTERVALS.start(), INTERVALS.end());
    Err(format!("{text:?} is no number of seconds from {least} to {most}"))
}

/// Shows a node.
///
/// # Errors
/// When its agent does not answer at all, or the terminal cannot be used.
pub async fn top(cli: &Cli, args: &TopArgs) -> anyhow::Result<ExitCode> {
    let mut eye = Eye::of(cli, args)?;
    let is_live = !args.once && cli.output == Output::Text && std::io::stdout().is_terminal();
    if is_live {
        screen::live(&mut eye, args.interval).await?;
        return Ok(ExitCode::SUCCESS);
    }
    eye.look().await?;
    // Rates need two readings.
    tokio::time::sleep(args.interval).await;
    let frame = eye.look().await?;
    match cli.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&frame)?),
        Output::Text => print!("{}", picture::text(&frame)),
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads a node again and again, and remembers the last turn.
struct Eye {
    agent: AgentClient,
    began: Instant,
    last: Option<Read>,
}

impl Eye {
    fn of(cli: &Cli, args: &TopArgs) -> anyhow::Result<Eye> {
        let agent = match args.node.as_deref() {
            Some(url) if url.contains("://") => {
                let token = args.token_file.as_deref().map(Token::from_file).transpose()?;
                AgentClient::http(url, args.ca.as_deref(), token)?
            }
            Some(socket) => AgentClient::unix(Path::new(socket)),
            None => AgentClient::unix(&cli.agent),
        };
        Ok(Eye {
            agent: agent.with_deadline(ANSWER_WITHIN),
            began: Instant::now(),
            last: None,
        })
    }

    async fn look(&mut self) -> Result<Frame, ClientError> {
        let facts = self.agent.facts().await?;
        let text = self.agent.metrics().await?;
        let now = Read {
            facts,
            page: Page::parse(&text),
            seconds: self.began.elapsed().as_secs_f64(),
        };
        let frame = frame(&now, self.last.as_ref(), moment());
        self.last = Some(now);
        Ok(frame)
    }
}

fn moment() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
