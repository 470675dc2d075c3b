//! A workload survives the agent's violent end, and the next run knows it. Needs root and cgroups that can be written.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use agent_api::AgentClient;
use agent_api::v1::{ProofRequest, RunRequest, StopRequest, Workload};
use nix::sys::signal::Signal;

use crate::stand::{Agent, Home, PROGRAM, until, wait};

/// Set in the child that asks for a place: the socket.
const ASK: &str = "BUSBAR_TEST_ASK";
/// What the child is called by the test harness.
const ASKER: &str = "placed::asks_and_waits";

/// A process that asked for a place, and sits in it until its standard input ends.
struct Asker {
    child: Child,
    workload: Result<Workload, String>,
}

impl Asker {
    fn start(home: &Home) -> Asker {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", ASKER, "--nocapture"])
            .env(ASK, home.socket())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let mut answers =
            lines.filter_map(|line| line.split_once("answer: ").map(|(_, answer)| answer.to_owned()));
        let answer = answers.next().expect("the child tells what came of it");
        let workload = serde_json::from_str(&answer).map_err(|_| answer);
        Asker { child, workload }
    }

    fn allowed(&self) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        line.unwrap().trim().to_owned()
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The child that asks for a place; by itself it has nothing to ask.
#[test]
fn asks_and_waits() {
    let Some(socket) = std::env::var_os(ASK) else {
        return;
    };
    let request: RunRequest = serde_json::from_str(
        r#"{"ask":{"cpus":1,"exclusive":true,"memory_bytes":268435456},"command":"sleep"}"#,
    )
    .unwrap();
    let answer = wait(AgentClient::unix(&PathBuf::from(socket)).start(&request));
    let text = answer.map_or_else(
        |error| error.to_string(),
        |workload| serde_json::to_string(&workload).unwrap(),
    );
    println!("answer: {text}");
    std::io::stdout().flush().unwrap();
    let _ = std::io::stdin().read_line(&mut String::new());
}

/// An agent that enforces in a cgroup of its own, and a process placed by it; `None` where this host gives no cgroup to write.
fn placed(home: &Home, words: &[&str]) -> Option<(Agent, Asker, Workload)> {
    let loop_ = "[interference]\nmode = \"advise\"\nwindow = \"10s\"\n";
    home.write("agent.toml", &format!("[agent]\nmode = \"enforce\"\n{loop_}"));
    let agent = home.start(words);
    let cgroup = wait(home.client().status()).unwrap().cgroup;
    let asker = Asker::start(home);
    match asker.workload.clone() {
        Ok(workload) => Some((agent, asker, workload)),
        Err(why) if cgroup.mode == "none" || why.contains("Read-only file system") => {
            println!(
                "skipped: this host gives no cgroup to write ({why}; {})",
                cgroup.why
            );
            None
        }
        Err(why) => panic!("{why}\n{}", home.log()),
    }
}

#[test]
fn a_workload_is_proven_and_stopped_through_the_api() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: cgroups are written by root alone");
        return;
    }
    let home = Home::new();
    let cgroup = format!("busbar-test-proof-{}", std::process::id());
    let Some((agent, mut asker, workload)) = placed(&home, &["--cgroup", cgroup.as_str()]) else {
        return;
    };
    let never = wait(home.client().proof(&workload.id)).unwrap_err();
    assert_eq!(never.code(), Some("not_found"), "{never}");
    assert!(
        !agent
            .get("/metrics")
            .contains("busbar_workload_exclusive_proven{")
    );
    for bad in [0, 99, 60_001, u32::MAX] {
        let request = ProofRequest {
            for_milliseconds: bad,
        };
        let error = wait(home.client().prove(&workload.id, request)).unwrap_err();
        assert_eq!(error.code(), Some("bad_request"), "{error}");
    }
    let request = ProofRequest {
        for_milliseconds: 300,
    };
    let proof = wait(home.client().prove(&workload.id, request)).unwrap();
    assert_eq!((&proof.id, &proof.cpus), (&workload.id, &workload.cpus));
    assert!(
        proof.outstanding.is_empty() && proof.watched_milliseconds >= 300,
        "{proof:?}"
    );
    let allowed = proof
        .controls
        .iter()
        .find(|control| control.file.ends_with("cpuset.cpus"));
    assert_eq!(
        allowed.map(|control| control.says.clone()),
        Some(workload.cpus.to_string())
    );
    assert_eq!(wait(home.client().proof(&workload.id)).unwrap(), proof);
    let page = agent.get("/metrics");
    let holds = u8::from(proof.verdict.holds());
    let series = format!(
        "busbar_workload_exclusive_proven{{workload=\"{}\"}} {holds}\n",
        workload.id
    );
    assert!(page.contains(&series), "{page}");
    // Over TCP the last proof is told, and none is made.
    let path = format!("/v1/workloads/{}/proof", workload.id);
    assert_eq!(
        agent.json(&path)["verdict"],
        serde_json::to_value(proof.verdict).unwrap()
    );
    assert_eq!(agent.ask("POST", &path, "Content-Length: 0\r\n").0, 405);

    let request = StopRequest {
        grace_milliseconds: 60_000,
    };
    let stopped = wait(home.client().stop(&workload.id, request)).unwrap();
    assert_eq!((stopped.asked, stopped.killed), (1, 0));
    assert!(!asker.child.wait().unwrap().success());
    let again = wait(home.client().stop(&workload.id, request)).unwrap_err();
    assert_eq!(again.code(), Some("not_found"), "{again}");
    assert!(wait(home.client().workloads()).unwrap().is_empty());
    assert_eq!(agent.stop().code(), Some(0), "{}", home.log());
}

#[test]
fn the_interference_loop_tells_of_a_real_workload() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: cgroups are written by root alone");
        return;
    }
    let home = Home::new();
    let cgroup = format!("busbar-test-loop-{}", std::process::id());
    let Some((agent, asker, workload)) = placed(&home, &["--cgroup", cgroup.as_str()]) else {
        return;
    };
    let never = wait(home.client().interference(&workload.id)).unwrap_err();
    assert_eq!(never.code(), Some("not_found"), "{never}");
    let known = until("two windows", || {
        wait(home.client().interference(&workload.id)).ok()
    });
    assert!(known.protected && known.window_seconds == 10, "{known:?}");
    assert!(
        !known.because.is_empty(),
        "nobody is judged by one window: {known:?}"
    );
    assert!(known.last.is_none() && known.incidents == 0, "{known:?}");
    let series = format!(
        "busbar_workload_interference_incidents_total{{workload=\"{}\"}} 0\n",
        workload.id
    );
    assert!(agent.get("/metrics").contains(&series));
    wait(home.client().end(&workload.id)).unwrap();
    drop(asker);
    assert_eq!(agent.stop().code(), Some(0), "{}", home.log());
}

#[test]
fn a_workload_outlives_a_killed_agent_and_the_next_one_knows_it() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: cgroups are written by root alone");
        return;
    }
    let home = Home::new();
    let cgroup = format!("busbar-test-{}", std::process::id());
    let words = ["--cgroup", cgroup.as_str()];
    let Some((agent, asker, workload)) = placed(&home, &words) else {
        return;
    };
    assert_eq!(asker.allowed(), workload.cpus.to_string());
    let series = format!("busbar_workload_cpus{{workload=\"{}\"}} 1", workload.id);
    assert!(agent.get("/metrics").contains(&series));
    agent.signal(Signal::SIGKILL);
    assert_eq!(agent.ended().code(), None);
    assert_eq!(
        asker.allowed(),
        workload.cpus.to_string(),
        "the workload keeps its core without an agent"
    );
    let agent = home.start(&words);
    let known = wait(home.client().workloads()).unwrap();
    assert_eq!(
        (&known[0].id, &known[0].cpus, known.len()),
        (&workload.id, &workload.cpus, 1)
    );
    // The plan of a converged host is empty; a stop in good order leaves the workload alone as well.
    until("a converged host", || {
        wait(home.client().plan()).unwrap().steps.is_empty().then_some(())
    });
    assert_eq!(agent.stop().code(), Some(0), "{}", home.log());
    assert_eq!(asker.allowed(), workload.cpus.to_string());
    let agent = home.start(&words);
    drop(asker);
    until("the empty workload's end", || {
        wait(home.client().workloads()).unwrap().is_empty().then_some(())
    });
    for directory in &workload.cgroups {
        assert!(!PathBuf::from(directory).exists(), "{directory} is left");
    }
    assert_eq!(agent.stop().code(), Some(0), "{}", home.log());
    let left = Command::new(PROGRAM)
        .arg("leave")
        .arg("--state-dir")
        .arg(home.path("state"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&left.stdout).into_owned() + &String::from_utf8_lossy(&left.stderr);
    assert!(left.status.success() && said.contains("nothing left"), "{said}");
}
