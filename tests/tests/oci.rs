//! `busbar run --oci` with a real agent and a real runtime: the container is where the grant says, and nothing is left of it.
//! Needs root, cgroups that can be written, a static busybox, and runc (or crun where the host has cgroup v2 alone).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, ensure};
use house_tests::raise::{Agent, AgentPlan, Binaries, Group};
use nix::unistd::geteuid;
use serde_json::{Value, json};

/// What the container says of itself before it ends with 7.
const SCRIPT: &str = "/bin/cat /proc/self/cgroup; /bin/grep Cpus_allowed_list /proc/self/status; \
                      /bin/grep Mems_allowed_list /proc/self/status; exit 7";
/// Programs of busybox that the container needs.
const PROGRAMS: [&str; 3] = ["sh", "cat", "grep"];

/// Why this machine cannot run the test; nothing where it can.
fn lacking() -> Option<String> {
    if !geteuid().is_root() {
        return Some("not root".to_owned());
    }
    let unified = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let runtimes: &[&str] = if unified { &["crun", "runc"] } else { &["runc"] };
    if runtimes.iter().all(|name| on_path(name).is_none()) {
        return Some(format!("no {} in PATH", runtimes.join(" and no ")));
    }
    let Some(busybox) = on_path("busybox") else {
        return Some("no busybox in PATH".to_owned());
    };
    let dynamic = Command::new("ldd")
        .arg(&busybox)
        .output()
        .is_ok_and(|said| said.status.success());
    dynamic.then(|| "busybox is not static (Debian package busybox-static)".to_owned())
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// A bundle with a shell in it.
fn bundle(dir: &Path, config: &Value) -> anyhow::Result<()> {
    let bin = dir.join("rootfs/bin");
    fs::create_dir_all(&bin)?;
    for folder in ["proc", "dev", "sys"] {
        fs::create_dir_all(dir.join("rootfs").join(folder))?;
    }
    let busybox = on_path("busybox").context("no busybox in PATH")?;
    fs::copy(busybox, bin.join("busybox"))?;
    for program in PROGRAMS {
        std::os::unix::fs::symlink("busybox", bin.join(program))?;
    }
    fs::write(dir.join("config.json"), serde_json::to_vec_pretty(config)?)?;
    Ok(())
}

fn config() -> Value {
    json!({
        "ociVersion": "1.0.2",
        "process": { "user": { "uid": 0, "gid": 0 }, "args": ["/bin/sh", "-c", SCRIPT], "cwd": "/", "env": ["PATH=/bin"] },
        "root": { "path": "rootfs", "readonly": true },
        "mounts": [{ "destination": "/proc", "type": "proc", "source": "proc" }],
        "linux": {
            "namespaces": [{ "type": "pid" }, { "type": "mount" }, { "type": "ipc" }, { "type": "uts" }],
            "cgroupsPath": "/somewhere/else",
            "resources": { "devices": [{ "allow": false, "access": "rwm" }], "cpu": { "cpus": "0" } }
        }
    })
}

/// The one line of an output that begins with a word, without it.
fn line<'o>(output: &'o str, word: &str) -> anyhow::Result<&'o str> {
    let found = output.lines().find_map(|line| line.strip_prefix(word));
    found
        .map(str::trim)
        .with_context(|| format!("no {word:?} in {output}"))
}

fn busbar(binaries: &Binaries, socket: &Path, words: &[&str]) -> anyhow::Result<Output> {
    let mut command = Command::new(binaries.path(Binaries::CLI));
    command.env("BUSBAR_AGENT", socket).args(words);
    command.output().context("cannot start busbar")
}

#[test]
fn a_container_runs_where_the_grant_says_and_leaves_nothing() -> anyhow::Result<()> {
    if let Some(why) = lacking() {
        println!("skipped: {why}");
        return Ok(());
    }
    let binaries = Binaries::find()?;
    let folder = tempfile::tempdir()?;
    let home = folder.path();
    let plan = AgentPlan::in_folder(home, "n01", "enforce");
    let (socket, state) = (plan.socket.clone(), plan.state_dir.clone());
    let agent = Agent::start(
        &binaries,
        plan,
        &home.join("agent.toml"),
        &home.join("agent.log"),
        Group::Starters,
    )?;
    let dir = home.join("bundle");
    bundle(&dir, &config())?;
    let written = fs::read(dir.join("config.json"))?;
    let at = dir.display().to_string();

    let name = format!("oci-{}", std::process::id());
    let ask = format!("run --cpus 1 --exclusive --memory 64M --name {name} --oci");
    let words: Vec<&str> = ask.split(' ').chain([at.as_str()]).collect();
    let ran = busbar(&binaries, &socket, &words)?;
    let (said, told) = (String::from_utf8(ran.stdout)?, String::from_utf8(ran.stderr)?);
    println!("{told}{said}");
    if told.contains("Read-only file system") || told.contains("no cpuset controller") {
        println!("skipped: {told}");
        agent.daemon.stop()?;
        return Ok(());
    }
    ran_where_granted(&name, ran.status.code(), &said, &told)?;
    ensure!(
        fs::read(dir.join("config.json"))? == written,
        "the user's bundle was edited"
    );
    ensure!(
        !socket.with_file_name("oci").join(&name).exists(),
        "our copy is left"
    );

    refusals(&binaries, &socket, &at, home)?;
    agent.daemon.stop()?;
    let left = Agent::leave(&binaries, &state)?;
    ensure!(!left.contains(&name), "{left}");
    nothing_left(&name)
}

/// The container tells the granted CPU and a cgroup below the workload's.
fn ran_where_granted(name: &str, code: Option<i32>, said: &str, told: &str) -> anyhow::Result<()> {
    ensure!(code == Some(7), "{:?}: {said}{told}", code);
    let granted = told
        .split("runs on CPU ")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next());
    ensure!(
        line(said, "Cpus_allowed_list:")? == granted.context("no CPU was told")?,
        "{said}{told}"
    );
    let below = format!("/busbar/{name}/");
    ensure!(
        said.lines()
            .any(|line| (line.contains(":cpuset:") || line.starts_with("0::")) && line.contains(&below)),
        "its cgroup is not below the workload's: {said}"
    );
    ensure!(
        told.contains("not /somewhere/else") && told.contains("linux.resources.cpu.cpus is"),
        "{told}"
    );
    Ok(())
}

fn nothing_left(name: &str) -> anyhow::Result<()> {
    for hierarchy in fs::read_dir("/sys/fs/cgroup")? {
        let path = hierarchy?.path();
        let ours = [
            path.join(format!("busbar-{name}")),
            path.join(name),
            path.join("busbar").join(name),
        ];
        ensure!(ours.iter().all(|path| !path.exists()), "left: {ours:?}");
    }
    Ok(())
}

/// What cannot be run is refused before anything is placed.
fn refusals(binaries: &Binaries, socket: &Path, bundle: &str, home: &Path) -> anyhow::Result<()> {
    let none = busbar(binaries, socket, &["run", "--exclusive", "--oci", "/nowhere"])?;
    let told = String::from_utf8(none.stderr)?;
    ensure!(
        none.status.code() == Some(2) && told.contains("/nowhere"),
        "{told}"
    );
    let both = busbar(binaries, socket, &["run", "--oci", bundle, "--", "true"])?;
    ensure!(both.status.code() == Some(2), "{both:?}");
    let nobody = Command::new(binaries.path(Binaries::CLI))
        .env("BUSBAR_AGENT", socket)
        .env("PATH", home)
        .args(["run", "--exclusive", "--oci", bundle])
        .output()?;
    let told = String::from_utf8(nobody.stderr)?;
    ensure!(
        nobody.status.code() == Some(3) && told.contains("install the package crun"),
        "{told}"
    );
    Ok(())
}
