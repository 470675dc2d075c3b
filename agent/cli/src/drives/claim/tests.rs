//! What is typed to have drives, and what that asks for.
#![allow(clippy::unwrap_used)]
use clap::Parser;

use super::*;
use crate::args::Verb;
use crate::power::Resource;

fn ask(flags: &str) -> Result<DriveClaimAsk, String> {
    let words = ["busbar", "claim", "drives"]
        .into_iter()
        .chain(flags.split_whitespace());
    let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
    let Verb::Claim { resource } = &cli.verb else {
        return Err(format!("{:?}", cli.verb));
    };
    match resource.as_ref() {
        Resource::Drives(args) => Ok(args.ask()),
        Resource::Power(args) => Err(format!("{args:?}")),
    }
}

#[test]
fn flags_become_the_ask() {
    let all = ask(
        "--for db --node n01 --count 2 --at-least 3TB --model M1 --most-worn 20 --spread --tenant blue --priority 2 --ttl 1h \
         --erase-after 0s --replace --watts 800",
    )
    .unwrap();
    let expected = DriveClaimAsk {
        purpose: "db".to_owned(),
        node: "n01".to_owned(),
        count: 2,
        at_least_bytes: Bytes::new(3_000_000_000_000),
        model: Some("M1".to_owned()),
        most_worn_percent: Some(20),
        spread: true,
        tenant: Some("blue".to_owned()),
        priority: Some(2),
        ttl_seconds: Some(3_600),
        erase_after_seconds: Some(0),
        replace: true,
        watts: Power::from_watts(800).unwrap(),
    };
    assert_eq!(all, expected);
    let least = ask("--for db --node n01").unwrap();
    assert_eq!((least.count, least.erase_after_seconds), (1, None));
    for bad in [
        "--for db",
        "--node n01",
        "--for db --node n01 --count 0",
        "--for db --node n01 --at-least 3PB",
        "--for db --node n01 --priority 10",
        "--for db --node n01 --no-wait --wait 3s",
    ] {
        assert!(ask(bad).is_err(), "{bad} was taken");
    }
}

#[test]
fn a_release_says_what_becomes_of_what_is_on_them() {
    assert_eq!(
        (words(86_400), words(90), words(5_400)),
        ("24 h".to_owned(), "90 s".to_owned(), "90 min".to_owned())
    );
}
