//! System packages: what is missing, why it is wanted, and how it gets here. Nothing that would start a service is installed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Wrong;
use crate::place::{Place, on_path};
use crate::progress::{Screen, Verdict};
use crate::steps::{self, Ran};

mod tools;

pub use tools::{alertmanager, node_exporter, prometheus};

/// How to find out whether something is there.
enum Probe {
    /// A program on the path.
    Program(&'static str),
    /// A file.
    File(&'static str),
    /// A library that pkg-config knows, at least of this version.
    Library(&'static str, &'static str),
    /// A command that ends well.
    Runs(&'static [&'static str]),
}

/// One package of Debian and Ubuntu, and what it is for.
struct Package {
    name: &'static str,
    why: &'static str,
    probe: Probe,
}

/// What the build cannot do without.
const BUILD: [Package; 5] = [
    Package {
        name: "gcc",
        why: "links what Rust builds and compiles SQLite",
        probe: Probe::Program("cc"),
    },
    Package {
        name: "libc6-dev",
        why: "the C headers that gcc needs",
        probe: Probe::File("/usr/include/stdio.h"),
    },
    Package {
        name: "pkg-config",
        why: "tells the build where hwloc is",
        probe: Probe::Program("pkg-config"),
    },
    Package {
        name: "libhwloc-dev",
        why: "hwloc reads the topology of the machine",
        probe: Probe::Library("hwloc", "2.8.0"),
    },
    Package {
        name: "libudev-dev",
        why: "hwloc is linked with it",
        probe: Probe::Library("libudev", "1"),
    },
];

/// What `cargo verify` asks as strangers; without one of them the checks that need it are skipped.
const STRANGERS: [Package; 9] = [
    Package {
        name: "openipmi",
        why: "ipmi_sim, the BMC that our IPMI client is tried against",
        probe: Probe::Program("ipmi_sim"),
    },
    Package {
        name: "libopenipmi-dev",
        why: "headers with which that BMC learns DCMI",
        probe: Probe::File("/usr/include/OpenIPMI/extcmd.h"),
    },
    Package {
        name: "ipmitool",
        why: "reads the same sensors as our IPMI client",
        probe: Probe::Program("ipmitool"),
    },
    Package {
        name: "hwloc-nox",
        why: "lstopo, against which our topology is compared",
        probe: Probe::Program("lstopo"),
    },
    Package {
        name: "crun",
        why: "runs containers in the lab, where `busbar run --oci` starts them",
        probe: Probe::Program("crun"),
    },
    Package {
        name: "runc",
        why: "the same on this machine where it has cgroup v1",
        probe: Probe::Program("runc"),
    },
    Package {
        name: "bzip2",
        why: "unpacks the recorded machines",
        probe: Probe::Program("bzip2"),
    },
    Package {
        name: "python3-venv",
        why: "the DMTF's Redfish validators run in a Python of their own",
        probe: Probe::Runs(&["python3", "-c", "import ensurepip, venv"]),
    },
    Package {
        name: "ca-certificates",
        why: "the validators are fetched over HTTPS",
        probe: Probe::File("/etc/ssl/certs/ca-certificates.crt"),
    },
];

/// What `cargo lab` runs its guests in.
const EMULATOR: Package = Package {
    name: "qemu-system-x86",
    why: "the lab's guests run in it, emulated",
    probe: Probe::Program("qemu-system-x86_64"),
};

/// What builds libFuzzer.
const FUZZER: Package = Package {
    name: "g++",
    why: "compiles libFuzzer, which feeds the parsers",
    probe: Probe::Program("c++"),
};

/// Distributions whose packages are named above, as `ID` and `ID_LIKE` of /etc/os-release have them.
const KNOWN: [&str; 2] = ["debian", "ubuntu"];

/// Sees to it that everything which the build needs is there, and what `cargo verify` asks when `strangers` is set.
pub fn see_to(place: &Place, screen: &Screen, install: bool, strangers: bool) -> Result<(), Wrong> {
    let needed: Vec<&Package> = BUILD.iter().filter(|package| !is_there(&package.probe)).collect();
    let wanted: Vec<&Package> = STRANGERS
        .iter()
        .filter(|package| strangers && !is_there(&package.probe))
        .collect();
    if needed.is_empty() && wanted.is_empty() {
        screen
            .begin("packages", None)
            .end(Verdict::Pass, "all there, nothing to install");
        return Ok(());
    }
    let names: Vec<&str> = needed.iter().chain(&wanted).map(|package| package.name).collect();
    screen.line("packages that are missing:");
    for package in needed.iter().chain(&wanted) {
        screen.line(&format!("  {:<16} {}", package.name, package.why));
    }
    let Some(words) = install_words(&names) else {
        let say = format!(
            "this is neither Debian nor Ubuntu; install what these packages hold there: {}",
            names.join(" ")
        );
        return missing(screen, &needed, &say);
    };
    let command = words.join(" ");
    if !install {
        return missing(
            screen,
            &needed,
            &format!("--no-install: install them with\n  {command}"),
        );
    }
    if !may_install() {
        let say = format!("no right to install (neither root nor sudo); install them with\n  {command}");
        return missing(screen, &needed, &say);
    }
    let ran = install_now(place, screen, &words);
    if ran.ok && needed.iter().all(|package| is_there(&package.probe)) {
        return Ok(());
    }
    missing(
        screen,
        &needed,
        &format!("could not install ({}); try\n  {command}", ran.why),
    )
}

/// Sees to it that the emulator for `cargo lab` is there.
pub fn emulator(place: &Place, screen: &Screen, install: bool) -> Result<(), Wrong> {
    one(place, screen, install, &EMULATOR, "the lab needs")
}

/// Sees to it that the compiler for `cargo shake` is there.
pub fn fuzzer(place: &Place, screen: &Screen, install: bool) -> Result<(), Wrong> {
    one(place, screen, install, &FUZZER, "the fuzzer needs")
}

fn one(place: &Place, screen: &Screen, install: bool, package: &Package, say: &str) -> Result<(), Wrong> {
    if is_there(&package.probe) {
        return Ok(());
    }
    screen.line(&format!("  {:<16} {}", package.name, package.why));
    let words = install_words(&[package.name]).filter(|_| install && may_install());
    if let Some(words) = words {
        install_now(place, screen, &words);
    }
    missing(screen, &[package], &format!("{say} {}", package.name))
}

/// Whether packages can be fetched and unpacked here without installing them.
pub fn can_fetch() -> bool {
    is_known() && on_path("apt-get").is_some() && on_path("dpkg").is_some()
}

/// Goes on without what only the strangers' checks want, and stops without what the build needs.
fn missing(screen: &Screen, needed: &[&Package], say: &str) -> Result<(), Wrong> {
    screen.line(say);
    let names: Vec<&str> = needed
        .iter()
        .filter(|package| !is_there(&package.probe))
        .map(|package| package.name)
        .collect();
    if names.is_empty() {
        return Ok(());
    }
    Err(Wrong::Failed(format!(
        "cannot build without: {}",
        names.join(" ")
    )))
}

fn install_now(place: &Place, screen: &Screen, words: &[&str]) -> Ran {
    let mut running = screen.begin("packages", None);
    running.advance("apt-get install");
    let log = place.log("packages");
    let mut ran = steps::follow(as_root(place, words), &log, &mut running, |_, _| {});
    if !ran.ok {
        // The package lists may be empty or old; they are fetched only when installing did not work without.
        running.advance("apt-get update");
        steps::follow(
            as_root(place, &["apt-get", "update"]),
            &log,
            &mut running,
            |_, _| {},
        );
        running.advance("apt-get install");
        ran = steps::follow(as_root(place, words), &log, &mut running, |_, _| {});
    }
    steps::finish(screen, "packages", running, &ran, &log, "");
    ran
}

/// The command that installs; `None` on distributions whose package names are not known.
fn install_words<'a>(names: &[&'a str]) -> Option<Vec<&'a str>> {
    if !is_known() || on_path("apt-get").is_none() {
        return None;
    }
    let mut words = vec!["apt-get", "install", "--yes", "--no-install-recommends"];
    words.extend(names);
    Some(words)
}

/// A command with the rights to install, through sudo where this is not root.
pub fn as_root(place: &Place, words: &[&str]) -> Command {
    let mut command;
    if is_root() {
        command = place.command(words[0]);
        command.args(&words[1..]);
    } else {
        command = place.command("sudo");
        command.arg("DEBIAN_FRONTEND=noninteractive").args(words);
    }
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// Whether packages may be installed: as root, or with sudo.
pub fn may_install() -> bool {
    is_root() || on_path("sudo").is_some()
}

/// Whether this process is root, as the kernel says (`Uid:` in /proc/self/status, the effective one).
fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    uid.and_then(|ids| ids.split_whitespace().nth(1)) == Some("0")
}

fn is_known() -> bool {
    is_known_release(&fs::read_to_string("/etc/os-release").unwrap_or_default())
}

fn is_known_release(text: &str) -> bool {
    text.lines()
        .filter_map(|line| line.strip_prefix("ID=").or_else(|| line.strip_prefix("ID_LIKE=")))
        .flat_map(|value| value.trim_matches('"').split(' '))
        .any(|id| KNOWN.contains(&id))
}

fn is_there(probe: &Probe) -> bool {
    let runs = |program: &str, words: &[&str]| {
        Command::new(program)
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    match probe {
        Probe::Program(name) => on_path(name).is_some(),
        Probe::File(path) => Path::new(path).exists(),
        Probe::Library(name, version) => runs("pkg-config", &["--atleast-version", version, name]),
        Probe::Runs(words) => words
            .split_first()
            .is_some_and(|(program, rest)| runs(program, rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_are_told_apart() {
        assert!(is_known_release(
            "PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n"
        ));
        assert!(is_known_release("ID=ubuntu\nID_LIKE=debian\n"));
        assert!(is_known_release("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"));
        assert!(!is_known_release("ID=fedora\n"));
        assert!(!is_known_release(""));
    }

    #[test]
    fn probes_tell_what_is_there() {
        assert!(is_there(&Probe::Program("sh")));
        assert!(!is_there(&Probe::Program("no-such-program")));
        assert!(is_there(&Probe::File("/proc/self/status")));
        assert!(!is_there(&Probe::Library("no-such-library", "1")));
        assert!(is_there(&Probe::Runs(&["true"])));
        assert!(!is_there(&Probe::Runs(&["false"])));
    }
}
