//! `busbar run --vm` with a real agent and a real QEMU: its virtual CPUs are where the grant says, through the agent's death, and
//! nothing is left of it. Needs root, cgroups that can be written, and qemu-system-x86_64; emulated, so no /dev/kvm.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use house_tests::raise::{Agent, AgentPlan, Binaries, Group, Turn};
use house_tests::wait;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use serde_json::Value;

const QEMU: &str = "qemu-system-x86_64";
/// The smallest machine: firmware that finds nothing to boot. Its power button does something only where a guest hears it.
const MACHINE: &str =
    "-M q35 -accel tcg,thread=multi -cpu max -m 64 -nodefaults -no-user-config -display none";
/// Debug builds on a loaded machine included.
const WITHIN: Duration = Duration::from_secs(60);

/// Why this machine cannot run the test; nothing where it can.
fn lacking() -> Option<String> {
    if !geteuid().is_root() {
        return Some("not root".to_owned());
    }
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).any(|folder| folder.join(QEMU).is_file());
    (!found).then(|| format!("no {QEMU} in PATH (Debian package qemu-system-x86)"))
}

/// A real agent in a folder of its own.
struct Stand {
    binaries: Binaries,
    home: tempfile::TempDir,
    socket: PathBuf,
    agent: Option<Agent>,
    _turn: Turn,
}

/// A `busbar run` that ends with the test: it passes SIGTERM on to its QEMU.
struct Run(Child);

impl Drop for Run {
    fn drop(&mut self) {
        if let (Ok(None), Ok(pid)) = (self.0.try_wait(), i32::try_from(self.0.id())) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
            let _ = self.0.wait();
        }
    }
}

impl Stand {
    fn raise() -> anyhow::Result<Stand> {
        let mut stand = Stand {
            binaries: Binaries::find()?,
            home: tempfile::tempdir()?,
            socket: PathBuf::new(),
            agent: None,
            _turn: Turn::wait()?,
        };
        stand.start()?;
        Ok(stand)
    }

    fn plan(&self) -> AgentPlan {
        AgentPlan::in_folder(self.home.path(), "n01", "enforce")
    }

    fn start(&mut self) -> anyhow::Result<()> {
        let (plan, home) = (self.plan(), self.home.path());
        self.socket = plan.socket.clone();
        self.agent = Some(Agent::start(
            &self.binaries,
            plan,
            &home.join("agent.toml"),
            &home.join("agent.log"),
            Group::Starters,
        )?);
        Ok(())
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(self.binaries.path(Binaries::CLI));
        command
            .env("BUSBAR_AGENT", &self.socket)
            .args(words.split_whitespace());
        command
    }

    fn busbar(&self, words: &str) -> anyhow::Result<Output> {
        self.command(words).output().context("cannot start busbar")
    }

    /// Starts a machine and leaves it running.
    fn run(&self, name: &str, more: &str) -> anyhow::Result<Run> {
        let words = format!("run --cpus 1 --exclusive --name {name} --vm -- {QEMU} {MACHINE} {more}");
        let errors = fs::File::create(self.told_at(name))?;
        let mut command = self.command(&words);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors);
        Ok(Run(command.spawn().context("cannot start busbar")?))
    }

    fn told_at(&self, name: &str) -> PathBuf {
        self.home.path().join(format!("{name}.err"))
    }

    /// What the agent says of the one workload, once its virtual machine has so many virtual CPUs.
    fn vm(&self, name: &str, vcpus: usize) -> anyhow::Result<Value> {
        let url = self.agent.as_ref().context("no agent")?.daemon.url().to_owned();
        wait::until(&format!("{vcpus} virtual CPUs"), WITHIN, || {
            let all = house_tests::http::get(&url, "/v1/workloads")?;
            let one = all.as_array().into_iter().flatten().find(|one| one["id"] == name);
            let vm = one.map(|one| one["vm"].clone()).unwrap_or_default();
            let seen = vm["vcpus"].as_array().map_or(0, Vec::len);
            Ok((seen == vcpus && vm["trouble"].is_null()).then_some(vm))
        })
    }
}

/// Where the kernel lets a thread run.
fn allowed(vm: &Value, thread: &Value) -> anyhow::Result<String> {
    let file = format!("/proc/{}/task/{thread}/status", vm["pid"]);
    let text = fs::read_to_string(&file).with_context(|| file)?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    Ok(line.context("no Cpus_allowed_list")?.trim().to_owned())
}

#[test]
fn virtual_cpus_are_where_the_grant_says_through_the_agents_death() -> anyhow::Result<()> {
    if let Some(why) = lacking() {
        println!("skipped: {why}");
        return Ok(());
    }
    let mut stand = Stand::raise()?;
    let name = format!("vm-{}", std::process::id());
    let mut run = stand.run(&name, "-smp 1,maxcpus=2")?;
    let vm = match stand.vm(&name, 1) {
        Ok(vm) => vm,
        Err(error) => {
            let told = fs::read_to_string(stand.told_at(&name))?;
            drop(run);
            if told.contains("Read-only file system") || told.contains("no cpuset controller") {
                println!("skipped: {told}");
                return Ok(());
            }
            return Err(error.context(told));
        }
    };
    let vcpu = &vm["vcpus"][0];
    println!("{vm}\n{}", fs::read_to_string(stand.told_at(&name))?);
    ensure!(vcpu["cpus"] == vcpu["wanted"], "{vm}");
    ensure!(
        allowed(&vm, &vcpu["thread"])? == vcpu["cpus"].as_str().context("CPUs")?,
        "{vm}"
    );

    let proof = stand.busbar(&format!("verify {name} --for 200ms"))?;
    let said = String::from_utf8(proof.stdout)?;
    println!("{said}");
    ensure!(said.contains("(virtual CPU 0)"), "{said}");

    // The agent dies; the machine runs on, and the next agent knows it and asks it again.
    stand.agent.as_mut().context("no agent")?.daemon.kill9();
    stand.agent = None;
    ensure!(allowed(&vm, &vcpu["thread"])? == vcpu["cpus"].as_str().context("CPUs")?);
    stand.start()?;
    let again = stand.vm(&name, 1)?;
    ensure!(
        again["vcpus"] == vm["vcpus"] && again["pid"] == vm["pid"],
        "{again}"
    );

    refusals(&stand)?;

    // Firmware hears no power button: after the grace QEMU is told to quit.
    let stopped = stand.busbar(&format!("stop {name} --grace 1s"))?;
    let said = String::from_utf8(stopped.stdout)?;
    ensure!(
        said.contains("QEMU was ended"),
        "{said}{}",
        String::from_utf8_lossy(&stopped.stderr)
    );
    ensure!(
        run.0.wait()?.code() == Some(0),
        "QEMU ends with 0 when it is told to quit"
    );
    let left = stand.socket.with_file_name("vm").join(format!("{name}.qmp"));
    ensure!(!left.exists(), "the monitor's socket is left");
    let state = stand.plan().state_dir;
    stand.agent.take().context("no agent")?.daemon.stop()?;
    let left = Agent::leave(&stand.binaries, &state)?;
    ensure!(!left.contains(&name), "{left}");
    Ok(())
}

/// Each says what to change, and leaves nothing running.
fn refusals(stand: &Stand) -> anyhow::Result<()> {
    for (words, code, expected) in [
        (format!("run --vm -- {QEMU} {MACHINE}"), 2, "--exclusive"),
        (
            format!("run --exclusive --vm -- {QEMU} -daemonize"),
            2,
            "-daemonize",
        ),
        (
            format!("run --exclusive --vm --oci /nowhere -- {QEMU}"),
            2,
            "--oci",
        ),
    ] {
        let came = stand.busbar(&words)?;
        let told = String::from_utf8(came.stderr)?;
        ensure!(
            came.status.code() == Some(code) && told.contains(expected),
            "{words}: {told}"
        );
    }
    Ok(())
}

#[test]
fn what_cannot_be_pinned_is_refused_before_its_guest_begins() -> anyhow::Result<()> {
    if let Some(why) = lacking() {
        println!("skipped: {why}");
        return Ok(());
    }
    let mut stand = Stand::raise()?;
    for (name, command, expected) in [
        (
            "many",
            format!("{QEMU} {MACHINE} -smp 2"),
            "start QEMU with -smp 1, or ask for 2 with --cpus",
        ),
        (
            "none",
            "true".to_owned(),
            "ended before its QMP monitor could be asked",
        ),
        ("one-thread", format!("{QEMU} -qmp nonsense"), "is it a QEMU?"),
    ] {
        let came = stand.busbar(&format!(
            "run --cpus 1 --exclusive --name {name} --vm -- {command}"
        ))?;
        let told = String::from_utf8(came.stderr)?;
        println!("{told}");
        if told.contains("Read-only file system") || told.contains("no cpuset controller") {
            println!("skipped: {told}");
            break;
        }
        ensure!(
            came.status.code() == Some(3) && told.contains(expected),
            "{:?} {told}",
            came.status
        );
        ensure!(nothing_of(name), "cgroups of {name} are left");
    }
    stand.agent.take().context("no agent")?.daemon.stop()?;
    Ok(())
}

fn nothing_of(name: &str) -> bool {
    let hierarchies = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
    let mut below = hierarchies.map(|hierarchy| hierarchy.path().join("busbar").join(name));
    below.all(|path| !Path::new(&path).exists())
}
