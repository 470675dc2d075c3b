//! `busbar place` and `busbar defrag`: where many asks would go, and which moves would make room. Nothing is held or moved.

mod draw;
mod list;
pub mod words;

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use agent_api::AgentClient;
use agent_api::v1::{BatchRequest, DefragRequest};
use clap::Args;
use facts::Bytes;

use crate::args::{Cli, Output};
use crate::ask::AskArgs;
use crate::failure::REFUSED;

use self::list::{LONGEST, ListError};

/// A search on a large and full machine takes some seconds.
const FOUND_WITHIN: Duration = Duration::from_secs(60);
/// Stands for standard input.
const STANDARD_INPUT: &str = "-";

/// `busbar place`.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    /// The file with the asks, TOML or JSON; `-` reads standard input.
    pub file: PathBuf,
    /// Offer nothing at all unless all of them fit.
    #[arg(long)]
    pub all_or_nothing: bool,
}

/// `busbar defrag`.
#[derive(Debug, Args)]
pub struct DefragArgs {
    /// What room is sought for; without any of these, for as many CPUs as moving can bring together.
    #[command(flatten)]
    pub ask: Option<AskArgs>,
    /// How much memory the kernel moves in a second on this machine, as in 4GiB; 1GiB where nobody measured it.
    #[arg(long, value_name = "BYTES")]
    pub rate: Option<Bytes>,
}

/// Why a file gives no asks.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// It cannot be read.
    #[error("cannot read {file}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the kernel said.
        #[source]
        cause: io::Error,
    },
    /// It holds something else.
    #[error(transparent)]
    List(#[from] ListError),
}

/// Says where all asks of a file would go.
pub async fn place(cli: &Cli, args: &PlaceArgs) -> anyhow::Result<ExitCode> {
    let (file, bytes) = read(args)?;
    let request = BatchRequest {
        asks: list::parse(&file, &bytes).map_err(PlaceError::from)?,
        all_or_nothing: args.all_or_nothing,
    };
    let agent = AgentClient::unix(&cli.agent).with_deadline(FOUND_WITHIN);
    let offer = agent.offer_all(&request).await?;
    match cli.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&offer)?),
        Output::Text => print!("{}", draw::batch(&offer)),
    }
    let all = offer.answers.iter().all(|answer| answer.offer.is_some());
    Ok(if all {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(REFUSED)
    })
}

/// Says which moves would make room.
pub async fn defrag(cli: &Cli, args: &DefragArgs) -> anyhow::Result<ExitCode> {
    let request = DefragRequest {
        ask: args.ask.as_ref().map(AskArgs::ask),
        bytes_per_second: args.rate,
    };
    let agent = AgentClient::unix(&cli.agent).with_deadline(FOUND_WITHIN);
    let found = agent.defrag(&request).await?;
    match cli.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&found)?),
        Output::Text => print!("{}", draw::defrag(&found)),
    }
    // Without an ask, that moving gives no more is an answer like any other.
    let is_answered = found.offer.is_some() || args.ask.is_none();
    Ok(if is_answered {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(REFUSED)
    })
}

/// The file's name for messages, and at most one byte more than it may hold.
fn read(args: &PlaceArgs) -> Result<(String, Vec<u8>), PlaceError> {
    let is_standard = args.file.as_os_str() == STANDARD_INPUT;
    let file = if is_standard {
        "standard input".to_owned()
    } else {
        args.file.display().to_string()
    };
    let most = u64::try_from(LONGEST).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let read = if is_standard {
        io::stdin().lock().take(most).read_to_end(&mut bytes)
    } else {
        File::open(&args.file).and_then(|open| open.take(most).read_to_end(&mut bytes))
    };
    match read {
        Ok(_) => Ok((file, bytes)),
        Err(cause) => Err(PlaceError::Unreadable { file, cause }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use clap::Parser;

    use crate::args::{Cli, Verb};

    fn defrag(words: &str) -> super::DefragArgs {
        let cli =
            Cli::try_parse_from(["busbar", "defrag"].into_iter().chain(words.split_whitespace())).unwrap();
        let Verb::Defrag(args) = cli.verb else {
            panic!("{:?}", cli.verb)
        };
        *args
    }

    #[test]
    fn without_an_option_of_an_ask_there_is_no_ask() {
        assert!(defrag("").ask.is_none());
        assert!(defrag("--rate 4GiB").ask.is_none());
        assert_eq!(defrag("--rate 4GiB").rate.unwrap().get(), 4 << 30);
        let ask = defrag("--exclusive").ask.unwrap().ask();
        assert_eq!((ask.cpus, ask.exclusive), (1, true));
        assert_eq!(defrag("--cpus 8").ask.unwrap().ask().cpus, 8);
    }
}
