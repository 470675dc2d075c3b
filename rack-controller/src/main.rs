//! Entry point of `busbar-rack`.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = rack_controller::args::Cli::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(
            std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none(),
        )
        .init();
    rack_controller::args::run(cli)
}
