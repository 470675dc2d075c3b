//! Beside systemd and crun where systemd is the first process: in a machine of its own (`tests/lab/peers.sh`), as a ratio.

use super::super::figure::Figure;
use super::turns::BESIDE;
use crate::lab;
use crate::place::Place;
use crate::progress::Screen;

/// The story.
const STORY: &str = "peers";
/// Ours beside theirs.
const MOST: f64 = 0.5;
/// Whom the story starts beside `busbar run`, as it names them.
const PEERS: [&str; 2] = ["systemd-run", "crun"];

/// How soon a command runs beside each peer in the emulated machine, where times of their own are worth nothing.
pub fn peers(place: &Place, screen: &Screen) -> Vec<Figure> {
    let came = lab::measured(place, screen, STORY);
    PEERS.map(|peer| figure(peer, &came)).into()
}

fn figure(peer: &str, came: &Result<lab::Checks, String>) -> Figure {
    let what =
        format!("busbar run → its command runs, beside {peer} in an emulated machine with systemd, medians");
    let checks = match came {
        Ok(checks) => checks,
        Err(why) => return Figure::told(&what, format!("not measured: {why}")),
    };
    let wanted = format!("{BESIDE}{peer}: ");
    let line = checks
        .measured
        .iter()
        .find_map(|line| Some(line.split_once(&wanted)?.1));
    let Some((line, ratio)) = line.and_then(|line| Some((line, median(line)?))) else {
        let why = checks
            .broken
            .first()
            .map_or("it measured nothing", String::as_str);
        return Figure {
            what,
            value: why.to_owned(),
            target: target(),
            verdict: Some(false),
        };
    };
    Figure {
        what,
        value: line.to_owned(),
        target: target(),
        verdict: Some(ratio <= MOST && checks.failed == 0),
    }
}

fn target() -> String {
    format!("≤ {MOST:.2} of it")
}

/// The number of `p50 0.250 of it, …`.
fn median(line: &str) -> Option<f64> {
    line.strip_prefix("p50 ")?.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_ratio_is_judged_and_a_story_that_could_not_run_is_told() {
        let measured = |line: &str| {
            Ok(lab::Checks {
                measured: vec!["busbar: p50 9.0 ms, p99 10.0 ms of 9".to_owned(), line.to_owned()],
                ..lab::Checks::default()
            })
        };
        let held = figure(
            "crun",
            &measured("busbar beside crun: p50 0.449 of it, p99 0.700"),
        );
        assert_eq!(
            (held.verdict, held.value.as_str()),
            (Some(true), "p50 0.449 of it, p99 0.700")
        );
        let missed = figure(
            "crun",
            &measured("busbar beside crun: p50 0.511 of it, p99 0.500"),
        );
        assert_eq!(missed.verdict, Some(false));
        assert_eq!(
            figure("systemd-run", &measured("busbar beside crun: p50 0.1 of it")).verdict,
            Some(false)
        );
        let absent = figure("crun", &Err("no emulator".to_owned()));
        assert_eq!(
            (absent.verdict, absent.value.as_str()),
            (None, "not measured: no emulator")
        );
    }
}
