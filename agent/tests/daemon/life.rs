//! Start, second start, and every way to end.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::stand::{Agent, Home, LONG, until, wait};

/// hwloc reads this file first, and waits for as long as nobody writes into it where it is a FIFO.
const ONLINE: &str = "machine/sys/devices/system/cpu/online";

#[test]
fn the_first_scrape_does_not_wait_for_the_topology() {
    let home = Home::new();
    fs::create_dir_all(home.path("machine/proc")).unwrap();
    fs::create_dir_all(home.path("machine/sys/devices/system/cpu")).unwrap();
    mkfifo(&home.path(ONLINE), Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    let root = home.path("machine");
    let agent = home.start(&["--root", root.to_str().unwrap()]);
    let page = agent.get("/metrics");
    assert!(
        page.contains("busbar_source_status_info{source=\"topology\",reason=\"pending\"} 1"),
        "{page}"
    );
    assert!(page.contains("busbar_source_up{source=\"topology\"} 0"), "{page}");
    // An order waits for the topology for a while, and is then told to come again.
    let ask = serde_json::from_str(r#"{"cpus":1}"#).unwrap();
    let error = wait(home.client().offer(&ask)).unwrap_err();
    assert_eq!(error.code(), Some("busy"), "{error}");
    assert!(error.to_string().contains("it is still being read"), "{error}");
    // Let hwloc go on, or its process would stay behind: a FIFO that is opened for reading and writing never blocks.
    until("the topology, or why there is none", || {
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(home.path(ONLINE))
            .unwrap();
        drop(file);
        let page = agent.get("/metrics");
        (!page.contains("source=\"topology\",reason=\"pending\"")).then_some(())
    });
}

#[test]
fn a_second_agent_is_refused_and_the_first_goes_on() {
    let home = Home::new();
    let agent = home.start(&[]);
    let (code, said) = home.fail(&[]);
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains(&format!("served by another agent (pid {})", agent.pid())),
        "{said}"
    );
    let other = Home::new();
    let (code, said) = other.fail(&["--listen", agent.url.strip_prefix("http://").unwrap()]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("cannot listen on 127.0.0.1:"), "{said}");
    assert!(!other.socket().exists());
    assert_eq!(agent.get("/healthz"), "ok\n");
    assert!(!wait(home.client().status()).unwrap().node.is_empty());
}

#[test]
fn told_to_stop_it_ends_well_and_leaves_nothing() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let home = Home::new();
        let agent = home.start(&[]);
        let mode = fs::metadata(home.socket()).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o660);
        // Somebody who follows the events does not hold it up.
        let ended = wait(async {
            let mut events = home.client().events().await.unwrap();
            agent.signal(signal);
            let deadline = tokio::time::timeout(LONG, events.next()).await;
            deadline.expect("the stream ends").is_none()
        });
        assert!(ended, "the stream ends without an event");
        assert_eq!(agent.ended().code(), Some(0), "{}", home.log());
        assert!(!home.socket().exists() && !home.path("agent.sock.lock").exists());
    }
}

#[test]
fn a_killed_agents_socket_is_taken_over() {
    let home = Home::new();
    let agent = home.start(&[]);
    agent.signal(Signal::SIGKILL);
    assert_eq!(agent.ended().code(), None);
    assert!(home.socket().exists());
    let agent = home.start(&[]);
    assert_eq!(wait(home.client().workloads()).unwrap().len(), 0);
    assert_eq!(agent.stop().code(), Some(0), "{}", home.log());
}

#[test]
fn systemd_is_told() {
    let home = Home::new();
    let notify = home.path("notify");
    let systemd = UnixDatagram::bind(&notify).unwrap();
    systemd.set_read_timeout(Some(LONG)).unwrap();
    let mut command = home.command(&[]);
    // A watchdog needs the interval in microseconds; the pid is left out, so that it counts for every process.
    command
        .env("NOTIFY_SOCKET", &notify)
        .env("WATCHDOG_USEC", "4000000");
    let agent = Agent::of(command, &home.path("log"));
    let hears = |word: &str| {
        until(word, || {
            let mut bytes = [0_u8; 4096];
            let length = systemd.recv(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes[..length])
                .lines()
                .any(|line| line == word)
                .then_some(())
        });
    };
    hears("READY=1");
    hears("WATCHDOG=1");
    agent.signal(Signal::SIGTERM);
    hears("STOPPING=1");
    assert_eq!(agent.ended().code(), Some(0), "{}", home.log());
}
