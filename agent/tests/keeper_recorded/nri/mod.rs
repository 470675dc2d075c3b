//! The agent as a plugin of a container runtime, over a real socket; the runtime's side is `runtime.rs`.

mod refused;
mod runtime;

use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use agent::clock::Clock;
use agent::events::Events;
use agent::keeping::{self, Asker, Desk};
use agent::nri::{self, Nri};
use agent::reconcile::{Drift, Keeper, KeeperConfig};
use intent::Mode;
use tokio::sync::watch;

use crate::drift::board;
use crate::fixture::{Fixture, request};
use runtime::{Runtime, about, container, listen, number, number_at, pod, text, text_at, updates};

const EXCLUSIVE: [(&str, &str); 3] = [
    ("busbar.dev/cpus", "2"),
    ("busbar.dev/exclusive", "true"),
    ("busbar.dev/memory", "256MiB"),
];
const SHARED: [(&str, &str); 1] = [("busbar.dev/cpus", "1")];
/// Far longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// An agent that is a plugin of the runtime at this fixture's socket.
struct Agent {
    desk: Desk,
    stop: watch::Sender<bool>,
}

impl Agent {
    fn start(fixture: &Fixture, mode: Mode) -> Agent {
        Agent::with(fixture, fixture.config(mode), mode)
    }

    fn with(fixture: &Fixture, config: KeeperConfig, mode: Mode) -> Agent {
        let clock = Clock::start();
        let events = Events::new(clock);
        let drift = config.drift;
        let keeper = opened(KeeperConfig { nri: true, ..config });
        let desk = keeping::start(keeper, clock, board(), events.clone(), Duration::from_millis(50)).unwrap();
        let (stop, stopping) = watch::channel(false);
        let nri = Nri {
            socket: fixture.path("nri.sock"),
            index: "90".to_owned(),
            name: "busbar".to_owned(),
        };
        tokio::spawn(nri::run(nri, mode, drift, desk.clone(), events, stopping));
        Agent { desk, stop }
    }

    async fn end(self) {
        self.stop.send_replace(true);
        self.desk.stop().await;
    }

    async fn held(&self) -> Vec<String> {
        let all = self.desk.containers().await.unwrap();
        all.iter()
            .map(|given| format!("{}={}", given.container, given.cpus))
            .collect()
    }
}

/// The one before lets its ledger go when its thread has ended.
fn opened(config: KeeperConfig) -> Keeper {
    let begin = Instant::now();
    loop {
        match Keeper::open(config.clone()) {
            Ok(keeper) => return keeper,
            Err(error) => assert!(begin.elapsed() < DEADLINE, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A host whose runtime has its socket.
fn host() -> (Fixture, UnixListener) {
    let fixture = Fixture::v2();
    let listener = listen(&fixture.path("nri.sock"));
    (fixture, listener)
}

/// What a container has: its cgroup as the runtime made it.
fn made(fixture: &Fixture, id: &str, cpus: &str, pid: &str) {
    fixture.write(&format!("sys/fs/cgroup/kubepods/pod1/{id}/cpuset.cpus"), cpus);
    fixture.write(&format!("sys/fs/cgroup/kubepods/pod1/{id}/cpuset.mems"), "0");
    fixture.write(&format!("sys/fs/cgroup/kubepods/pod1/{id}/cgroup.procs"), pid);
}

async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begin = Instant::now();
    while !is_so().await {
        assert!(begin.elapsed() < DEADLINE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// `CPUS on NUMA NODES, MEMORY, QUOTA` of an answer to CreateContainer.
fn adjusted(answer: &[u8]) -> String {
    let at = |path: &[u64]| text_at(answer, &[&[1, 6, 2], path].concat());
    let number = |path: &[u64]| number_at(answer, &[&[1, 6, 2], path].concat());
    format!(
        "{} on {}, {:?}, {:?}",
        at(&[2, 6]),
        at(&[2, 7]),
        number(&[1, 1, 1]),
        number(&[2, 2, 1])
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_has_its_place_before_its_runtime_makes_it() {
    let (fixture, listener) = host();
    let agent = Agent::start(&fixture, Mode::Enforce);
    let (mut runtime, told) = Runtime::accept(&listener, &[], &[]);
    assert_eq!(runtime.registered, ("busbar".to_owned(), "90".to_owned()));
    // CREATE_CONTAINER 4, UPDATE_CONTAINER 8, STOP_CONTAINER 10, REMOVE_CONTAINER 11.
    assert_eq!((runtime.events, told), (0b110_1000_1000, vec![]));
    let before = fixture.all("sys");

    // Who asks for nothing is left alone, whatever the runtime gives it.
    let nothing = runtime.call(
        "CreateContainer",
        &about(&pod("p0", &[]), &container("c0", "0-7")),
    );
    assert_eq!(nothing, Ok(vec![]));

    let asking = about(&pod("p1", &EXCLUSIVE), &container("c1", ""));
    let answer = runtime.call("CreateContainer", &asking).unwrap();
    assert_eq!(adjusted(&answer), "1-2 on 0, Some(268435456), None");
    let ledger = fixture.read("state/ledger.json");
    assert!(
        ledger.contains("\"id\": \"c1\"") && ledger.contains("kubepods/pod1/c1"),
        "{ledger}"
    );
    assert_eq!(fixture.all("sys"), before, "its cgroup is its runtime's");
    // Asked again, it says the same.
    assert_eq!(runtime.call("CreateContainer", &asking), Ok(answer));

    // Nobody else gets its CPUs; who shares does not either.
    let own = agent
        .desk
        .start(request("db", 2, true), Asker { pid: 7, uid: 0 })
        .await
        .unwrap();
    assert_eq!(own.cpus.to_string(), "3-4");
    let asking = about(&pod("p2", &SHARED), &container("c2", ""));
    let answer = runtime.call("CreateContainer", &asking).unwrap();
    assert_eq!(adjusted(&answer), "0,5-7 on 0, None, Some(100000)");
    assert_eq!(fixture.read("sys/fs/cgroup/busbar/db/cpuset.cpus"), "3-4");

    // As it ends its CPUs are free, and who shares gets them from the runtime in the same answer.
    made(&fixture, "c2", "0,5-7", "9");
    let gone = runtime.call(
        "StopContainer",
        &about(&pod("p1", &EXCLUSIVE), &container("c1", "1-2")),
    );
    assert_eq!(updates(&gone.unwrap(), 1), ["c2=0-2,5-7"]);
    assert_eq!(agent.held().await, ["c2=0-2,5-7"]);
    agent.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_holds_is_free_when_nobody_is_left_in_its_cgroup() {
    let (fixture, listener) = host();
    let agent = Agent::start(&fixture, Mode::Enforce);
    let (mut runtime, _) = Runtime::accept(&listener, &[], &[]);
    runtime
        .call(
            "CreateContainer",
            &about(&pod("p1", &EXCLUSIVE), &container("c1", "")),
        )
        .unwrap();
    made(&fixture, "c1", "1-2", "8");
    // REMOVE_CONTAINER as runtimes before NRI 0.10 say it, while a process is still there.
    let removed = [number(1, 11), text(3, container("c1", "1-2"))].concat();
    runtime.call("StateChange", &removed).unwrap();
    let sweeps = agent.desk.sweeps();
    eventually("two sweeps", async || agent.desk.sweeps() > sweeps + 2).await;
    assert_eq!(agent.held().await, ["c1=1-2"]);
    made(&fixture, "c1", "1-2", "");
    eventually("free", async || agent.held().await.is_empty()).await;
    assert!(
        fixture.path("sys/fs/cgroup/kubepods/pod1/c1").is_dir(),
        "its runtime removes it"
    );
    agent.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_starts_again_knows_what_the_runtime_has() {
    let (fixture, listener) = host();
    let agent = Agent::start(&fixture, Mode::Enforce);
    let (mut runtime, _) = Runtime::accept(&listener, &[], &[]);
    for (id, pid) in [("c1", "7"), ("c2", "8"), ("c3", "")] {
        runtime
            .call(
                "CreateContainer",
                &about(&pod("p1", &EXCLUSIVE), &container(id, "")),
            )
            .unwrap();
        made(&fixture, id, "1-2", pid);
    }
    assert_eq!(agent.held().await, ["c1=1-2", "c2=3-4", "c3=5-6"]);
    agent.end().await;
    // Meanwhile c1 has ended and is not told of any more, c2 runs on where somebody had put it, c3 is made and was never started, and c4
    // came without us.
    made(&fixture, "c1", "1-2", "");
    made(&fixture, "c2", "0-7", "8");
    made(&fixture, "c3", "5-6", "");
    let agent = Agent::start(&fixture, Mode::Enforce);
    assert_eq!(
        agent.held().await,
        ["c1=1-2", "c2=3-4", "c3=5-6"],
        "nothing is lost before the runtime speaks"
    );
    let there = [
        container("c2", "3-4"),
        container("c3", "5-6"),
        container("c4", "0-7"),
    ];
    let (mut runtime, told) = Runtime::accept(&listener, &[pod("p1", &EXCLUSIVE)], &there);
    assert_eq!(agent.held().await, ["c2=3-4", "c3=5-6", "c4=1-2"]);
    assert_eq!(told, ["c2=3-4", "c4=1-2"]);
    // The connection breaks: the same again, and nobody loses anything.
    drop(runtime);
    made(&fixture, "c2", "3-4", "8");
    (runtime, _) = Runtime::accept(&listener, &[pod("p1", &EXCLUSIVE)], &there);
    assert_eq!(agent.held().await, ["c2=3-4", "c3=5-6", "c4=1-2"]);
    // One that does not speak to a runtime any more keeps whoever runs, and nobody else.
    drop(runtime);
    agent.end().await;
    made(&fixture, "c4", "1-2", "9");
    let keeper = opened(fixture.config(Mode::Enforce));
    let left: Vec<String> = keeper
        .containers()
        .into_iter()
        .map(|given| given.container)
        .collect();
    assert_eq!(left, ["c2", "c4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_runtime_is_told_until_the_kernel_shows_it() {
    let (fixture, listener) = host();
    let agent = Agent::start(&fixture, Mode::Enforce);
    let (mut runtime, _) = Runtime::accept(&listener, &[], &[]);
    runtime
        .call(
            "CreateContainer",
            &about(&pod("p1", &SHARED), &container("c1", "")),
        )
        .unwrap();
    made(&fixture, "c1", "0-7", "9");
    // Who takes CPUs away has it told in the answer already.
    let answer = runtime.call(
        "CreateContainer",
        &about(&pod("p2", &EXCLUSIVE), &container("c2", "")),
    );
    assert_eq!(updates(&answer.unwrap(), 2), ["c1=0,3-7"]);
    let check = agent
        .desk
        .check(agent.desk.containers().await.unwrap()[0].workload.clone())
        .await
        .unwrap();
    assert_eq!(check.workload.container.as_deref(), Some("containerd c1"));
    assert!(
        check.workload.cgroups[0].ends_with("/sys/fs/cgroup/kubepods/pod1/c1"),
        "{:?}",
        check.workload.cgroups
    );
    assert!(
        check.outstanding[0].contains("cpuset.cpus is \"0-7\", expected 0,3-7"),
        "{:?}",
        check.outstanding
    );
    // And by a call of ours, as long as the kernel shows something else.
    runtime.serve_one();
    assert_eq!(runtime.told, ["c1=0,3-7"]);
    runtime.serve_one();
    made(&fixture, "c1", "0,3-7", "9");
    // Somebody else's change is taken back by the runtime.
    let wrong = [
        about(&pod("p1", &SHARED), &container("c1", "0,3-7")),
        text(3, text(2, text(6, "2"))),
    ]
    .concat();
    assert_eq!(
        updates(&runtime.call("UpdateContainer", &wrong).unwrap(), 1),
        ["c1=0,3-7"]
    );
    let same = [
        about(&pod("p1", &SHARED), &container("c1", "0,3-7")),
        text(3, text(1, text(1, number(1, 9)))),
    ]
    .concat();
    assert_eq!(
        runtime.call("UpdateContainer", &same),
        Ok(vec![]),
        "other limits are the kubelet's"
    );
    runtime.told.clear();
    made(&fixture, "c1", "2", "9");
    runtime.serve_one();
    assert_eq!(runtime.told, ["c1=0,3-7"]);
    agent.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_left_where_that_is_the_policy() {
    let (fixture, listener) = host();
    let config = KeeperConfig {
        drift: Drift::Report,
        ..fixture.config(Mode::Enforce)
    };
    let agent = Agent::with(&fixture, config, Mode::Enforce);
    let (mut runtime, _) = Runtime::accept(&listener, &[], &[]);
    runtime
        .call(
            "CreateContainer",
            &about(&pod("p1", &SHARED), &container("c1", "")),
        )
        .unwrap();
    made(&fixture, "c1", "2", "9");
    // Our own change is told all the same: c1 must not stay where c2 is alone.
    let answer = runtime.call(
        "CreateContainer",
        &about(&pod("p2", &EXCLUSIVE), &container("c2", "")),
    );
    assert_eq!(updates(&answer.unwrap(), 2), ["c1=0,3-7"]);
    let gone = runtime.call(
        "StopContainer",
        &about(&pod("p2", &EXCLUSIVE), &container("c2", "1-2")),
    );
    assert_eq!(updates(&gone.unwrap(), 1), ["c1=0-7"]);
    let gone = runtime.call(
        "StopContainer",
        &about(&pod("p2", &EXCLUSIVE), &container("c2", "1-2")),
    );
    assert_eq!(updates(&gone.unwrap(), 1), Vec::<String>::new(), "told once");
    agent.end().await;
}
