//! `busbar run` as a job of a shell on a terminal: Ctrl-Z, `fg`, `kill -TSTP` and `kill -CONT`, and the exit status after all of it.
//! Needs root, cgroups that can be written, and setsid (util-linux).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, ensure};
use house_tests::http;
use house_tests::raise::{Agent, AgentPlan, Binaries, Group};
use house_tests::wait;
use nix::pty::openpty;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

/// Long enough for a loaded machine; nothing here judges how long a thing takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// Ctrl-Z.
const CTRL_Z: &str = "\u{1a}";

/// Changes the terminal's modes as an editor does, and takes its time to put them back when it is to stop. It runs until a file is there.
const SCRIPT: &str = r#"
saved=$(stty -g)
aside() {
    sleep 1 & wait $!
    stty "$saved"
    echo modes-put-back
    kill -STOP $$
    stty -echo
    echo goes-on
}
trap aside TSTP
# In the background too it may change the modes.
trap '' TTOU
stty -echo
echo "began $$ $PPID."
while ! [ -e "$1" ]; do sleep 0.1 & wait $!; done
stty "$saved"
exit 7
"#;

/// A shell on a terminal of its own.
struct Terminal {
    keys: File,
    said: Arc<Mutex<String>>,
    shell: Child,
}

impl Terminal {
    fn open(socket: &Path) -> anyhow::Result<Terminal> {
        let pty = openpty(None, None).context("openpty")?;
        let (keys, side) = (File::from(pty.master), File::from(pty.slave));
        let shell = Command::new("setsid")
            .args(["--ctty", "--wait", "sh", "-i"])
            .env("PS1", "ready> ")
            .env("BUSBAR_AGENT", socket)
            .env_remove("ENV")
            .stdin(side.try_clone()?)
            .stdout(side.try_clone()?)
            .stderr(side)
            .spawn()
            .context("setsid (package util-linux)")?;
        let said = Arc::new(Mutex::new(String::new()));
        let (mut screen, heard) = (keys.try_clone()?, Arc::clone(&said));
        // Ends by an error when nobody has the other side open any more.
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read) = screen.read(&mut bytes) {
                heard
                    .lock()
                    .unwrap()
                    .push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
        });
        Ok(Terminal { keys, said, shell })
    }

    fn types(&mut self, text: &str) -> anyhow::Result<()> {
        self.keys.write_all(text.as_bytes()).context("the terminal")
    }

    fn has(&self, words: &str) -> bool {
        self.said.lock().unwrap().contains(words)
    }

    /// What stands on the screen since it was last asked, as soon as these words are in it.
    fn shows(&self, words: &str) -> anyhow::Result<String> {
        wait::until(&format!("{words:?} on the screen"), PATIENCE, || {
            let mut said = self.said.lock().unwrap();
            let Some(at) = said.find(words) else {
                anyhow::bail!("it shows {said:?}");
            };
            let rest = said.split_off(at + words.len());
            Ok(Some(std::mem::replace(&mut *said, rest)))
        })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

/// Waits until a process stands still (`T`), or until it does not.
fn stands_still(pid: i32, wanted: bool) -> anyhow::Result<()> {
    wait::until(&format!("process {pid} stands still: {wanted}"), PATIENCE, || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let (_, rest) = stat.rsplit_once(") ").context("a stat")?;
        ensure!(rest.starts_with('T') == wanted, "its state is {rest:.1}");
        Ok(Some(()))
    })
}

#[test]
fn a_job_stops_and_goes_on_with_its_command() -> anyhow::Result<()> {
    if !geteuid().is_root() {
        println!("skipped: not root");
        return Ok(());
    }
    let binaries = Binaries::find()?;
    let folder = tempfile::tempdir()?;
    let home = folder.path();
    let plan = AgentPlan::in_folder(home, "n01", "enforce");
    let socket = plan.socket.clone();
    let (config, log) = (home.join("agent.toml"), home.join("agent.log"));
    let agent = Agent::start(&binaries, plan, &config, &log, Group::Starters)?;
    let status = http::get(agent.daemon.url(), "/v1/status")?;
    if status["cgroup"]["mode"] == "none" || status["cgroup"]["exclusivity"] == "none" {
        println!("skipped: no cgroup can be made here: {}", status["cgroup"]["why"]);
        return Ok(());
    }
    let (script, over) = (home.join("script"), home.join("over"));
    fs::write(&script, SCRIPT)?;

    let mut terminal = Terminal::open(&socket)?;
    terminal.shows("ready> ")?;
    let busbar = binaries.path(Binaries::CLI);
    let name = format!("job-{}", std::process::id());
    let (busbar, script) = (busbar.display(), script.display());
    let words = format!(
        "{busbar} run --quiet --cpus 1 --name {name} -- sh {script} {}\n",
        over.display()
    );
    terminal.types(&words)?;
    terminal.shows("began ")?;
    let line = terminal.shows(".")?;
    let pids: Vec<i32> = line
        .trim_end_matches('.')
        .split(' ')
        .map(|pid| pid.parse().unwrap())
        .collect();
    let [command, run] = pids[..] else {
        anyhow::bail!("two pids, not {line}");
    };

    stops_and_goes_on(&mut terminal, command, run)?;
    File::create(&over)?;
    terminal.shows("ready> ")?;
    terminal.types("echo status=$?\n")?;
    terminal.shows("status=7")?;
    terminal.types("exit\n")?;
    drop(terminal);
    agent.daemon.stop()
}

/// By a key, by who knows busbar's number alone, and by who stops the command itself.
fn stops_and_goes_on(terminal: &mut Terminal, command: i32, run: i32) -> anyhow::Result<()> {
    // A key: the shell has the terminal back after the command has put its modes back, and not before.
    terminal.types(CTRL_Z)?;
    let until_stopped = terminal.shows("Stopped")?;
    ensure!(until_stopped.contains("modes-put-back"), "{until_stopped}");
    terminal.shows("ready> ")?;
    stands_still(command, true)?;
    stands_still(run, true)?;
    terminal.types("fg\n")?;
    terminal.shows("goes-on")?;
    stands_still(command, false)?;
    stands_still(run, false)?;

    // The same for whoever knows busbar's number alone.
    kill(Pid::from_raw(run), Signal::SIGTSTP)?;
    terminal.shows("modes-put-back")?;
    terminal.shows("Stopped")?;
    stands_still(command, true)?;
    stands_still(run, true)?;
    kill(Pid::from_raw(run), Signal::SIGCONT)?;
    terminal.shows("goes-on")?;
    stands_still(run, false)?;

    // A command that somebody else stops takes its job along, so that the shell can let it go on.
    terminal.types("fg\n")?;
    wait::until("the job has stopped", PATIENCE, || {
        // Again and again: the shell may only now let it go on.
        kill(Pid::from_raw(command), Signal::SIGSTOP)?;
        Ok(terminal.has("Stopped").then_some(()))
    })?;
    terminal.shows("Stopped")?;
    stands_still(run, true)?;
    terminal.types("fg\n")?;
    stands_still(command, false)?;
    stands_still(run, false)?;
    Ok(())
}
