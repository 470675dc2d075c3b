//! Observe writes nothing: not on a recorded machine, and no kernel file of this one.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::stand::{Agent, Home, until, wait};

/// System calls that can change a file, a directory or a process' limits.
const WRITERS: &str = "open,openat,openat2,creat,truncate,ftruncate,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,\
     rmdir,link,linkat,symlink,symlinkat,mknod,mknodat,chmod,fchmodat,chown,fchownat,mount,umount2,sched_setaffinity,kill";

/// Every file below a directory with what a write would change.
fn picture(directory: &Path, seen: &mut BTreeMap<PathBuf, (u64, i64, i64)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        seen.insert(
            path.clone(),
            (metadata.len(), metadata.mtime(), metadata.mtime_nsec()),
        );
        if metadata.is_dir() {
            picture(&path, seen);
        }
    }
}

/// Scrapes, asks, and waits until the keeper has swept some times.
fn use_it(home: &Home, agent: &Agent) {
    let cpu_time = || {
        agent
            .get("/metrics")
            .lines()
            .filter(|line| line.contains("source=\"cpu\""))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let first = cpu_time();
    until("some beats", || (cpu_time() != first).then_some(()));
    let ask = serde_json::from_str(r#"{"ask":{"cpus":1,"exclusive":true},"command":"make"}"#).unwrap();
    // In observe an order is answered with what would be done, or with why not; this process stays where it is.
    let before = fs::read_to_string("/proc/self/cgroup").unwrap();
    wait(async {
        let error = home.client().start(&ask).await.unwrap_err();
        assert!(error.code().is_some(), "{error}");
        assert!(home.client().workloads().await.unwrap().is_empty());
        assert!(home.client().plan().await.is_ok());
    });
    assert_eq!(fs::read_to_string("/proc/self/cgroup").unwrap(), before);
}

#[test]
fn a_recorded_machine_stays_as_it_is() {
    let home = Home::new();
    home.write("machine/proc/stat", "cpu  1 2 3 4\ncpu0 1 2 3 4\n");
    home.write("machine/sys/class/net/eth0/operstate", "up\n");
    fs::create_dir_all(home.path("machine/sys/class/net/eth0/device")).unwrap();
    fs::create_dir_all(home.path("machine/sys/fs/cgroup")).unwrap();
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    picture(&home.path("machine"), &mut before);
    let root = home.path("machine");
    let agent = home.start(&["--root", root.to_str().unwrap()]);
    use_it(&home, &agent);
    assert_eq!(agent.stop().code(), Some(0), "{}", home.log());
    picture(&home.path("machine"), &mut after);
    assert_eq!(before, after);
    let (code, said) = home.fail(&["--root", "/nowhere"]);
    assert_eq!(code, Some(1), "{said}");
    home.write("agent.toml", "[agent]\nmode = \"enforce\"\n");
    let (code, said) = home.fail(&["--root", root.to_str().unwrap()]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("expected mode observe"), "{said}");
}

#[test]
fn no_kernel_file_of_this_machine_is_opened_for_writing() {
    if Command::new("strace")
        .arg("-V")
        .stdout(Stdio::null())
        .status()
        .is_err()
    {
        println!("skipped: strace is not installed");
        return;
    }
    let home = Home::new();
    let plain = home.command(&[]);
    let mut traced = Command::new("strace");
    let trace = home.path("trace");
    traced
        .args(["-f", "-qq", "-s", "4096", "-e", &format!("trace={WRITERS}"), "-o"])
        .arg(&trace);
    traced
        .arg(plain.get_program())
        .args(plain.get_args())
        .stdin(Stdio::null());
    traced.env_remove("NOTIFY_SOCKET").env_remove("RUST_LOG");
    let agent = Agent::of(traced, &home.path("log"));
    use_it(&home, &agent);
    // strace passes its own end on to nobody: the agent is told by its own pid.
    let status = agent.json("/v1/status");
    assert_eq!(status["actuators"]["mode"], "observe");
    let lock = home.path("agent.sock.lock");
    let inode = fs::metadata(&lock).unwrap().ino();
    let pid = holder_of(inode);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM).unwrap();
    assert_eq!(agent.ended().code(), Some(0), "{}", home.log());
    let own = home.0.path().to_str().unwrap().to_owned();
    let trace = fs::read_to_string(trace).unwrap();
    let writes: Vec<&str> = trace
        .lines()
        .filter(|line| is_write(line) && !line.contains(&own))
        .collect();
    assert!(trace.contains("/proc/stat"), "the trace shows what is read");
    assert!(writes.is_empty(), "{}", writes.join("\n"));
}

/// The process that holds the lock of this inode (`/proc/locks`, proc(5)).
fn holder_of(inode: u64) -> i32 {
    let locks = fs::read_to_string("/proc/locks").unwrap();
    let suffix = format!(":{inode}");
    let line = locks
        .lines()
        .find(|line| line.split_whitespace().any(|word| word.ends_with(&suffix)));
    line.and_then(|line| line.split_whitespace().nth(4)?.parse().ok())
        .expect(&locks)
}

/// Whether a line of the trace is a call that could change something. Opening to read is none, nor is /dev/null.
fn is_write(line: &str) -> bool {
    let opens = ["open(", "openat(", "openat2("]
        .iter()
        .any(|call| line.contains(call));
    if opens {
        return ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"]
            .iter()
            .any(|flag| line.contains(flag))
            && !line.contains("/dev/null");
    }
    // hwloc asks each CPU what it is from that CPU: for that it moves its own thread, and back.
    let moves_itself = line.contains("sched_setaffinity(0, ");
    !moves_itself && !line.contains("resumed>") && !line.contains("+++") && !line.contains("--- SIG")
}
