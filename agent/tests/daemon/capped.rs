//! A cap that falls and rises, asked of a whole agent over its API on a recorded machine: who gives what, what is shown of it, what a
//! kill of the agent leaves, and one that stands still and is stopped.

use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::time::Duration;

use agent_api::v1::{CapRequest, StopRequest};
use facts::Power;
use intent::Squeeze;
use nix::sys::signal::Signal;

use crate::rehearsal::{LIMIT, Machine, SHARED, end};
use crate::stand::{until, wait};

/// What no page has while nobody is squeezed, and what none has at all: `web` is kept longest.
const SQUEEZED: &str = "busbar_workload_squeezed{";
const NONE_OF_WEB: &str = "busbar_workload_squeezed{workload=\"web\"";
/// More than one that hears SIGTERM takes.
const GRACE: u32 = 60_000;

impl Machine {
    /// What the squeezed files of `batch` and `other` say: who stands still, and the CPU time of both.
    fn says(&self) -> (bool, String, String) {
        let still = self.read_or_empty(&format!("{SHARED}/batch/cgroup.freeze"));
        let max = |name: &str| self.read(&format!("{SHARED}/{name}/cpu.max"));
        (still.trim() == "1", max("batch"), max("other"))
    }

    fn files(&self) -> [(String, String); 4] {
        let files = [
            LIMIT.to_owned(),
            format!("{SHARED}/batch/cgroup.freeze"),
            format!("{SHARED}/batch/cpu.max"),
            format!("{SHARED}/other/cpu.max"),
        ];
        files.map(|file| (self.read_or_empty(&file), file))
    }

    /// A kernel's file says what it said or what was written; a plain one may be empty where its writer was killed.
    fn as_a_kernel_leaves(&self, before: &[(String, String)]) {
        for (text, file) in before {
            if self.read_or_empty(file).is_empty() && !text.is_empty() {
                self.write(file, text);
            }
        }
    }

    fn cap(&self, watts: u64) {
        let watts = Power::from_watts(watts).unwrap();
        wait(self.home.client().cap(CapRequest { watts })).unwrap();
    }

    fn squeezed(&self, name: &str) -> Option<Squeeze> {
        let workloads = wait(self.home.client().workloads()).unwrap();
        let one = workloads.into_iter().find(|one| one.id.as_str() == name).unwrap();
        one.squeezed.map(|squeezed| {
            assert!(squeezed.because.starts_with("the cap of "), "{squeezed:?}");
            squeezed.to
        })
    }
}

/// `web` has half of the CPUs and 100 W; `batch` is revocable, `other` is kept least of the rest.
fn placed(machine: &Machine) -> [Child; 3] {
    [
        r#"{"ask":{"cpus":4,"exclusive":true,"watts":100,"priority":1,"name":"web"},"command":"web"}"#,
        r#"{"ask":{"cpus":2,"exclusive":false,"revocable":true,"priority":2,"name":"batch"},"command":"batch"}"#,
        r#"{"ask":{"cpus":1,"exclusive":false,"priority":9,"name":"other"},"command":"other"}"#,
    ]
    .map(|ask| machine.place(ask))
}

fn words(still: bool, batch: &str, other: &str) -> (bool, String, String) {
    (still, format!("{batch} 100000"), format!("{other} 100000"))
}

#[test]
fn a_cap_falls_squeezes_outlives_the_agent_and_gives_back() {
    let machine = Machine::new();
    let agent = machine.start();
    let mut children = placed(&machine);
    machine.cap(180);
    assert_eq!(machine.says(), words(false, "200000", "100000"), "enough for all");
    machine.shows(&agent, &["busbar_power_cap_watts 180"], SQUEEZED);

    // It falls: first the revocable one gives of its time, then it stands still and the lowest priority gives.
    machine.cap(150);
    assert_eq!(machine.says(), words(false, "100000", "100000"));
    assert_eq!(
        machine.squeezed("batch"),
        Some(Squeeze::CpuTime { millicpus: 1_000 })
    );
    let timed = "busbar_workload_squeezed{workload=\"batch\",state=\"cpu_time\"} 1";
    machine.shows(&agent, &["busbar_power_cap_watts 150", timed], NONE_OF_WEB);
    machine.cap(120);
    assert_eq!(machine.says(), words(true, "200000", "80000"));
    assert_eq!(machine.read(LIMIT), "120000000");
    assert_eq!(machine.squeezed("batch"), Some(Squeeze::Still));
    assert_eq!(
        machine.squeezed("other"),
        Some(Squeeze::CpuTime { millicpus: 800 })
    );
    assert_eq!(machine.squeezed("web"), None);
    let still = "busbar_workload_squeezed{workload=\"batch\",state=\"still\"} 1";
    machine.shows(&agent, &["busbar_power_cap_watts 120", still], NONE_OF_WEB);
    machine.told("workload batch stands still: the cap of 120 W");
    machine.told("workload other gets the time of 0.800 CPUs: the cap of 120 W");

    // Nobody lets them go while no agent runs, and the next one goes on with what is in force.
    agent.signal(Signal::SIGKILL);
    assert_eq!(agent.ended().code(), None);
    assert_eq!(machine.says(), words(true, "200000", "80000"));
    machine.write(LIMIT, "200000000\n");
    let agent = machine.start();
    until("the limit of the cap", || {
        (machine.read(LIMIT) == "120000000").then_some(())
    });
    machine.shows(&agent, &["busbar_power_cap_watts 120", still], NONE_OF_WEB);
    until("the cap's reason", || {
        let workloads = agent.json("/v1/workloads");
        workloads
            .to_string()
            .contains("the cap of 120 W since")
            .then_some(())
    });
    assert_eq!(
        machine.squeezed("other"),
        Some(Squeeze::CpuTime { millicpus: 800 })
    );
    assert_eq!(machine.says(), words(true, "200000", "80000"));

    // It rises: everybody has again what was taken.
    machine.cap(190);
    assert_eq!(machine.says(), words(false, "200000", "100000"));
    machine.told("workload batch is squeezed no more: the cap of 190 W");
    machine.shows(&agent, &["busbar_power_cap_watts 190"], SQUEEZED);
    wait(machine.home.client().uncap()).unwrap();
    assert_eq!(machine.read(LIMIT), "200000000");
    machine.shows(&agent, &[], "busbar_power_cap_watts ");
    assert_eq!(agent.stop().code(), Some(0), "{}", machine.home.log());
    children
        .iter_mut()
        .for_each(|child| assert!(child.try_wait().unwrap().is_none(), "all of them run on"));
    end(children);
}

#[test]
fn an_agent_that_is_killed_while_it_follows_a_cap_is_followed_by_one_that_keeps_it() {
    let machine = Machine::new();
    let mut agent = machine.start();
    let children = placed(&machine);
    let goals = [
        (120, words(true, "200000", "80000")),
        (190, words(false, "200000", "100000")),
        (150, words(false, "100000", "100000")),
    ];
    let mut kept = Vec::new();
    for (turn, (watts, _)) in goals.iter().cycle().take(9).enumerate() {
        let client = machine.home.client();
        let watts = Power::from_watts(*watts).unwrap();
        // The one before it is followed undisturbed.
        let (other, all) = &goals[(turn + 2) % goals.len()];
        machine.cap(*other);
        until("the cap before it", || (machine.says() == *all).then_some(()));
        let before = machine.files();
        let order = std::thread::spawn(move || wait(client.cap(CapRequest { watts })).is_ok());
        std::thread::sleep(Duration::from_micros(700 * u64::try_from(turn).unwrap()));
        agent.signal(Signal::SIGKILL);
        agent.ended();
        machine.as_a_kernel_leaves(&before);
        let answered = order.join().unwrap();
        agent = machine.start();
        let status = wait(machine.home.client().status()).unwrap();
        let cap = status.power_cap.expect("a cap is in force all the time").watts;
        assert!(cap == watts || !answered, "what was answered is kept");
        kept.push(cap == watts);
        let (_, goal) = goals
            .iter()
            .find(|(one, _)| Power::from_watts(*one) == Some(cap))
            .unwrap();
        until("what the cap in force asks", || {
            let limit = machine.read(LIMIT) == format!("{}000", cap.milliwatts());
            (machine.says() == *goal && limit).then_some(())
        });
    }
    println!("the killed agent had noted the cap in {kept:?}");
    drop(agent);
    end(children);
}

#[test]
fn one_that_stands_still_is_stopped_with_its_grace() {
    let machine = Machine::new();
    let agent = machine.start();
    let mut children = placed(&machine);
    machine.cap(120);
    assert!(machine.says().0);
    let client = machine.home.client();
    let stop = std::thread::spawn(move || {
        let request = StopRequest {
            grace_milliseconds: GRACE,
        };
        wait(client.stop(&"batch".parse().unwrap(), request)).unwrap()
    });
    // Not by wait(): that closes its standard input first, at which it ends too.
    let ended = until("its end", || children[1].try_wait().unwrap());
    assert_eq!(ended.signal(), Some(15), "it ended by SIGTERM");
    until("that it goes on", || (!machine.says().0).then_some(()));
    machine.told("workload batch goes on: it stood still and was asked to end");
    until("the least time", || {
        (machine.says() == words(false, "10000", "80000")).then_some(())
    });
    assert_eq!(machine.read(LIMIT), "120000000", "the cap holds meanwhile");
    assert_eq!(
        machine.squeezed("batch"),
        Some(Squeeze::CpuTime { millicpus: 100 })
    );
    // No kernel takes who has ended out of a recorded list.
    machine.write(&format!("{SHARED}/batch/cgroup.procs"), "");
    let stopped = stop.join().unwrap();
    assert_eq!((stopped.asked, stopped.killed), (1, 0));
    drop(agent);
    end(children);
}
