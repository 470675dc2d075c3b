//! What others take for the same: `systemd-run --scope` with AllowedCPUs, and crun with a cpuset, on this kernel in this run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::figure::{Figure, millis};
use super::super::scrape::Latencies;
use super::starts::{SAYS_WHEN, Starts, timed};
use crate::Wrong;
use crate::fetch;
use crate::packages;
use crate::place::{Place, on_path};
use crate::progress::Screen;

/// How often each peer is started.
const STARTS: usize = 50;

/// Ours beside theirs.
const MOST: f64 = 0.5;

/// crun and what it is linked with, of Debian and of Ubuntu; one that a release does not have is left out.
const CRUN: [&str; 3] = ["crun", "libyajl2", "libseccomp2"];

/// systemd gives CPUs to a scope only where it is the init system (sd_booted(3)).
const SYSTEMD: &str = "/run/systemd/system";

/// Each peer that is here.
pub fn runtimes(place: &Place, screen: &Screen, folder: &Path, own: &Starts) -> Result<Vec<Figure>, Wrong> {
    let mut figures = Vec::new();
    if Path::new(SYSTEMD).is_dir() && on_path("systemd-run").is_some() {
        let peer = starts(|_| {
            let mut command = Command::new("systemd-run");
            command.args(["--scope", "--quiet", "--collect", "-p", "AllowedCPUs=1"]);
            command.args(SAYS_WHEN);
            Ok(command)
        })?;
        figures.push(beside("systemd-run --scope -p AllowedCPUs=1", own, &peer));
    } else {
        figures.push(Figure::told(
            "beside systemd-run --scope -p AllowedCPUs=1",
            "not measured: systemd is not the init system here".to_owned(),
        ));
    }
    match crun(place, screen) {
        Ok((program, libraries)) => {
            let peer = starts(|number| {
                let bundle = bundle(folder, number)?;
                let mut command = Command::new(&program);
                command
                    .env("LD_LIBRARY_PATH", &libraries)
                    .arg("--root")
                    .arg(folder.join("crun"))
                    .args(["run", "--bundle"])
                    .arg(&bundle)
                    .arg(format!("prove-{number}"));
                Ok(command)
            });
            figures.push(match peer {
                Ok(peer) => beside("crun run with a cpuset", own, &peer),
                Err(Wrong::Usage(why) | Wrong::Failed(why)) => Figure::told(
                    "beside crun run with a cpuset",
                    format!("not measured: {}", why.trim()),
                ),
            });
        }
        Err(why) => figures.push(Figure::told(
            "beside crun run with a cpuset",
            format!("not measured: {why}"),
        )),
    }
    Ok(figures)
}

fn starts(command: impl Fn(usize) -> Result<Command, Wrong>) -> Result<Latencies, Wrong> {
    let mut took = Vec::with_capacity(STARTS);
    for number in 0..STARTS {
        took.push(timed(command(number)?)?.0);
    }
    Ok(Latencies::of(took))
}

fn beside(name: &str, own: &Starts, peer: &Latencies) -> Figure {
    let (ours, theirs) = (own.whole.percentile(50), peer.percentile(50));
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    Figure {
        what: format!("busbar run → its command runs, beside {name}, medians"),
        value: format!("{} beside {}: {ratio:.3} of it", millis(ours), millis(theirs)),
        target: format!("≤ {MOST:.2} of it"),
        verdict: Some(ratio <= MOST),
    }
}

/// crun, and where its libraries lie: the system's own, else Debian's or Ubuntu's unpacked below the build outputs.
fn crun(place: &Place, screen: &Screen) -> Result<(PathBuf, String), String> {
    if let Some(own) = on_path("crun") {
        return Ok((own, String::new()));
    }
    let tools = place.tools().join("crun");
    let program = tools.join("usr/bin/crun");
    if !program.is_file() {
        if !packages::can_fetch() {
            return Err("crun is not here, and it can only be fetched on Debian and Ubuntu".to_owned());
        }
        for package in CRUN {
            fetch::unpack(place, screen, package, &tools)?;
        }
    }
    let libraries = fs::read_dir(tools.join("usr/lib")).map_err(|err| err.to_string())?;
    let libraries: Vec<String> = libraries
        .filter_map(|entry| Some(entry.ok()?.path().display().to_string()))
        .collect();
    Ok((program, libraries.join(":")))
}

/// The least bundle: this machine's own root, CPU 1, and the command that says when it runs.
fn bundle(folder: &Path, number: usize) -> Result<PathBuf, Wrong> {
    let bundle = folder.join(format!("bundle-{number}"));
    let words: Vec<String> = SAYS_WHEN.iter().map(|word| format!("{word:?}")).collect();
    let text = format!(
        "{{\"ociVersion\": \"1.0.0\", \"root\": {{\"path\": \"/\"}}, \"mounts\": [], \
         \"process\": {{\"cwd\": \"/\", \"args\": [{}], \"env\": [\"PATH=/usr/bin:/bin\"]}}, \
         \"linux\": {{\"cgroupsPath\": \"/prove-crun-{number}\", \"namespaces\": [{{\"type\": \"mount\"}}], \
         \"resources\": {{\"cpu\": {{\"cpus\": \"1\"}}}}}}}}",
        words.join(", "),
    );
    fs::create_dir_all(&bundle)
        .and_then(|()| fs::write(bundle.join("config.json"), text))
        .map_err(|err| Wrong::Failed(format!("{}: {err}", bundle.display())))?;
    Ok(bundle)
}
