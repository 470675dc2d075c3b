//! `busbar calibrate`: a drill of one node's cap, followed to its end.

use std::process::ExitCode;
use std::time::Duration;

use rack_api::client::RackClient;
use tokio::time::Instant;

use crate::args::{Cli, Output};
use crate::failure::REFUSED;
use crate::paint::{Paint, Tone};

/// How often it is looked whether the drill is over.
const LOOK: Duration = Duration::from_millis(500);
/// Longer than both halves of a drill may take.
const PATIENCE: Duration = Duration::from_secs(150);

/// Begins a drill, and says what it showed.
pub async fn calibrate(cli: &Cli, rack: &RackClient, node: &str, dry_run: bool) -> anyhow::Result<ExitCode> {
    let mut after = rack.rack().await?.journal_sequence;
    rack.calibrate(node, dry_run).await?;
    if dry_run {
        match cli.output {
            Output::Json => println!("{}", serde_json::json!({"node": node, "would_begin": true})),
            Output::Text => println!("a drill of {node} would begin"),
        }
        return Ok(ExitCode::SUCCESS);
    }
    if cli.output == Output::Text {
        println!(
            "a drill of {node} has begun: its load may draw what it wants, then its cap is ordered; a minute each at most"
        );
    }
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        for event in rack.events(after).await? {
            after = after.max(event.sequence);
            let proven = event.kind == "cap_proven";
            let over = proven || ["cap_doubted", "drill_showed_nothing"].contains(&event.kind.as_str());
            if event.subject != node || !over {
                continue;
            }
            match cli.output {
                Output::Json => println!("{}", serde_json::to_string_pretty(&event)?),
                Output::Text => {
                    let tone = if proven { Tone::Good } else { Tone::Bad };
                    println!("{}", Paint::stdout().tone(tone, &event.message));
                }
            }
            return Ok(if proven {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(REFUSED)
            });
        }
        tokio::time::sleep(LOOK).await;
    }
    anyhow::bail!(
        "the drill of {node} did not end within {PATIENCE:?}; how it ends is an event: busbar events -f"
    )
}
