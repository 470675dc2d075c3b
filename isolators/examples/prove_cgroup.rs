//! Proves isolation on the kernel that it runs on, as root: partitions made, processes moved, read back, undone.
//!
//! Prints a line for each proof and ends with 0 when all held. Uses a cgroup of its own name and removes it. Made for
//! virtual machines with cgroup v2 (it needs no other program, and can be linked statically); on v1 it proves what v1 can.
//! Build: `cargo build -p isolators --example prove_cgroup`, with `RUSTFLAGS='-C target-feature=+crt-static'` for a guest
//! without libraries.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

use facts::{Bytes, CpuId, CpuSet};
use intent::{Actuator, Actuators, Intent, Isolation, Mode};
use isolators::cgroup::{
    CgroupMode, Controller, Layout, Origin, Version, enter, members, nearest_living, origins, started,
};
use isolators::{Host, Outcome, Step, apply, plan};

/// Our own cgroup here.
const NAME: &str = "busbar-proof";
/// A cgroup that stands for somebody else's, in the proof that the kernel refuses.
const RIVAL: &str = "busbar-proof-rival";
/// The argument with which the program waits for the end of its input: the process that is moved.
const WAIT: &str = "wait";
/// Plan and apply alternate at most this often.
const MOST_ROUNDS: usize = 5;
/// The limit that is set and read back.
const MEMORY: u64 = 64 << 20;

type Proof = Result<(), Box<dyn Error>>;

struct Prover {
    host: Host,
    layout: Layout,
    gate: Actuators,
    held: u32,
    failed: u32,
}

/// A copy of this program that waits, and where it came from.
struct Waiter {
    child: Child,
    isolation: Isolation,
    origins: Vec<Origin>,
}

impl Waiter {
    fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        // It ends by itself when our end of its input closes; this is for a kernel that froze it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prover {
    fn say(&mut self, held: bool, what: &str) {
        println!("{} {what}", if held { "proved:" } else { "FAILED:" });
        if held {
            self.held += 1;
        } else {
            self.failed += 1;
        }
    }

    /// Plans and applies until nothing is left; what the kernel refused is remembered.
    fn converge(&mut self, intent: &Intent) -> Proof {
        for _ in 0..MOST_ROUNDS {
            let steps = plan(&self.layout, &self.host, intent)?;
            let steps: Vec<Step> = steps.into_iter().map(|(_, step)| step).collect();
            if steps.is_empty() {
                return Ok(());
            }
            self.act(&steps)?;
        }
        let left = plan(&self.layout, &self.host, intent)?;
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("never converges: {left:?}").into())
        }
    }

    fn act(&mut self, steps: &[Step]) -> Proof {
        let outcome = apply(&self.gate, Actuator::Cpu, &self.host, steps, &mut |step| {
            println!("  {step}")
        });
        let outcome = outcome.map_err(|error| format!("{error}: {:?}", error.cause))?;
        if let Outcome::Done(applied) = outcome {
            for refused in applied.refused {
                println!("  no partition for {}: {}", refused.workload, refused.why);
                self.layout.refused.insert(refused.workload);
            }
        }
        Ok(())
    }

    fn bring(&mut self, isolation: Isolation) -> Result<Waiter, Box<dyn Error>> {
        let child = Command::new(std::env::current_exe()?)
            .arg(WAIT)
            .stdin(Stdio::piped())
            .spawn()?;
        let origins = origins(&self.host, &self.layout, &isolation, child.id())?;
        let waiter = Waiter {
            child,
            isolation,
            origins,
        };
        let start = started(&self.host, waiter.pid()).ok_or("the child has ended")?;
        let steps = enter(
            &self.layout,
            &waiter.isolation,
            waiter.pid(),
            start,
            &waiter.origins,
        )?;
        self.act(&steps)?;
        Ok(waiter)
    }

    fn allowed(&self, process: &str) -> Result<CpuSet, Box<dyn Error>> {
        let text = fs::read_to_string(format!("/proc/{process}/status"))?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        Ok(line.ok_or("no Cpus_allowed_list")?.trim().parse()?)
    }

    fn prove_where(&mut self, waiter: &Waiter) -> Proof {
        let cpus = self.allowed(&waiter.pid().to_string())?;
        let wanted = waiter.isolation.cpus.clone();
        let name = waiter.isolation.workload.clone();
        self.say(
            cpus == wanted,
            &format!("{name} may run on CPUs {cpus}, wanted {wanted}"),
        );
        Ok(())
    }

    fn back(&mut self, waiter: &Waiter) -> Proof {
        let mut steps = Vec::new();
        for place in self.layout.hierarchies(&waiter.isolation)? {
            let from = self.layout.group(place, &waiter.isolation);
            let Some(origin) = waiter.origins.iter().find(|origin| origin.mount == place.mount) else {
                continue;
            };
            for pid in members(&self.host, &from)? {
                let started = started(&self.host, pid).ok_or("a process has ended")?;
                let to = nearest_living(&self.host, origin);
                steps.push(Step::MoveProcess {
                    pid,
                    started,
                    from: from.clone(),
                    to,
                });
            }
        }
        self.act(&steps)
    }
}

fn isolation(name: &str, cpus: CpuSet, exclusive: bool, memory: bool) -> Result<Isolation, Box<dyn Error>> {
    Ok(Isolation {
        exclusive,
        memory_max: memory.then(|| Bytes::new(MEMORY)),
        ..Isolation::new(name.parse()?, cpus, "0".parse()?)
    })
}

fn prove(prover: &mut Prover) -> Proof {
    let all = prover.allowed("self")?;
    let mut last = all.iter().rev();
    let (Some(one), Some(two)) = (last.next(), last.next()) else {
        return Err("two CPUs are needed: one for the host and one to lend".into());
    };
    let v2 = prover.layout.place(Controller::Cpuset)?.version == Version::V2;
    let memory = prover.layout.place(Controller::Memory).is_ok();
    let three = last.next().is_some();

    // One alone, one that shares the rest, and, where there are CPUs enough, a second one alone.
    let only = |cpu: CpuId| -> CpuSet { [cpu].into_iter().collect() };
    let alone = isolation("alone", only(one), true, memory)?;
    let sharing = isolation("sharing", all.difference(&only(one)), false, false)?;
    let intent = Intent::default().with(alone.clone()).with(sharing.clone());
    prover.converge(&intent)?;
    let mut waiters = vec![prover.bring(alone.clone())?, prover.bring(sharing.clone())?];
    let mut lent = only(one);
    let mut last_intent = intent;
    if three {
        let second = isolation("second", only(two), true, false)?;
        lent = lent.union(&second.cpus);
        let shrunk = Isolation {
            cpus: all.difference(&lent),
            ..sharing
        };
        last_intent = last_intent.with(shrunk.clone()).with(second.clone());
        prover.converge(&last_intent)?;
        waiters.push(prover.bring(second)?);
        if let Some(waiter) = waiters.get_mut(1) {
            waiter.isolation = shrunk;
        }
    }
    for waiter in &waiters {
        prover.prove_where(waiter)?;
    }
    if v2 {
        prove_partition(prover, &alone, &last_intent, &lent)?;
    }
    prove_nothing_left(prover, &waiters, &all)?;
    if v2 { prove_refusal(prover, &alone) } else { Ok(()) }
}

/// The host itself is kept off, and a partition that somebody ends is made again.
fn prove_partition(prover: &mut Prover, alone: &Isolation, intent: &Intent, lent: &CpuSet) -> Proof {
    let partition = prover.layout.wants_partition(alone);
    prover.say(partition, "the kernel gave partitions");
    let host = prover.allowed("self")?;
    prover.say(
        host.is_disjoint(lent),
        &format!("a process of the host may run on CPUs {host}, without {lent}"),
    );
    let place = prover.layout.place(Controller::Cpuset)?.clone();
    let state = prover.layout.group(&place, alone).join("cpuset.cpus.partition");
    fs::write(&state, "member\n")?;
    let drift = plan(&prover.layout, &prover.host, intent)?.len();
    prover.converge(intent)?;
    let said = fs::read_to_string(&state)?;
    prover.say(
        drift > 0 && said.trim() == "root",
        &format!("a partition that was ended is {} again", said.trim()),
    );
    Ok(())
}

/// Another cgroup has the CPU in its list already: the kernel refuses the partition, and everything else is done.
fn prove_refusal(prover: &mut Prover, alone: &Isolation) -> Proof {
    let mount = prover.layout.place(Controller::Cpuset)?.mount.clone();
    let rival = mount.join(RIVAL);
    fs::create_dir_all(&rival)?;
    fs::write(rival.join("cpuset.cpus"), format!("{}\n", alone.cpus))?;
    let intent = Intent::default().with(alone.clone());
    prover.converge(&intent)?;
    let refused = prover.layout.refused.contains(&alone.workload);
    prover.say(
        refused,
        "a partition that overlaps another cgroup is refused, and that is told",
    );
    let waiter = prover.bring(alone.clone())?;
    prover.prove_where(&waiter)?;
    prover.back(&waiter)?;
    prover.converge(&Intent::default())?;
    prover.layout.refused.clear();
    fs::remove_dir(&rival)?;
    Ok(())
}

fn prove_nothing_left(prover: &mut Prover, waiters: &[Waiter], all: &CpuSet) -> Proof {
    for waiter in waiters {
        prover.back(waiter)?;
    }
    prover.converge(&Intent::default())?;
    for waiter in waiters {
        let cpus = prover.allowed(&waiter.pid().to_string())?;
        let name = &waiter.isolation.workload;
        prover.say(
            cpus == *all,
            &format!("the process of {name} is back and may run on CPUs {cpus}"),
        );
    }
    let host = prover.allowed("self")?;
    prover.say(
        host == *all,
        &format!("a process of the host may run on CPUs {host} again"),
    );
    let places = prover.layout.all_hierarchies();
    let left = places.into_iter().flat_map(|place| prover.layout.own(place));
    let left: Vec<_> = left.filter(|dir| prover.host.is_dir(dir)).collect();
    prover.say(left.is_empty(), &format!("no cgroup of ours is left {left:?}"));
    Ok(())
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(WAIT) {
        // Until the other end closes.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        return ExitCode::SUCCESS;
    }
    let host = Host::at("/");
    let layout = Layout::find(&host, NAME);
    let kernel = host
        .read(Path::new("/proc/sys/kernel/osrelease"))
        .ok()
        .flatten()
        .unwrap_or_default();
    println!(
        "kernel {kernel}, cgroups {}, partitions {:?}",
        layout.cgroups.mode.word(),
        layout.partitions
    );
    if layout.cgroups.mode == CgroupMode::None {
        println!("skipped: {:?}", layout.cgroups.missing);
        return ExitCode::SUCCESS;
    }
    let gate = Actuators {
        mode: Mode::Enforce,
        stricter: BTreeMap::new(),
    };
    let mut prover = Prover {
        host,
        layout,
        gate,
        held: 0,
        failed: 0,
    };
    let result = prove(&mut prover);
    if let Err(error) = &result {
        prover.say(false, &error.to_string());
    }
    println!("{} proved, {} failed", prover.held, prover.failed);
    if prover.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
