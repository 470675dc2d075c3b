//! Brings this host to an intent in a file, as root: `isolate INTENT.json`. Made for stories in virtual machines.
//!
//! `isolate INTENT.json` converges and prints the steps; `isolate INTENT.json plan` only prints them;
//! `isolate INTENT.json freeze|thaw|term|kill WORKLOAD` acts on one workload; `isolate INTENT.json around` tells what still
//! reaches exclusive CPUs. It ends with 0 when all of it was done, and with 3 when the host cannot do what is asked.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use intent::{Actuator, Actuators, Intent, Isolation, Mode};
use isolators::cgroup::{Layout, cannot, end, freeze, host_cgroups_on, thaw};
use isolators::step::Ending;
use isolators::{Host, Step, apply, irq, plan, workqueue};

/// Our own cgroup here.
const NAME: &str = "busbar";
/// Where it is noted what files said before.
const RECORD: &str = "/run/isolate/originals.json";
/// Plan and apply alternate at most this often.
const MOST_ROUNDS: usize = 5;
/// What the host cannot do.
const REFUSED: u8 = 3;

type Done = Result<(), Box<dyn Error>>;

struct Hand {
    host: Host,
    layout: Layout,
    gate: Actuators,
}

impl Hand {
    fn act(&self, steps: &[Step]) -> Done {
        let outcome = apply(&self.gate, Actuator::Cpu, &self.host, steps, &mut |step| {
            println!("{step}");
        });
        outcome.map_err(|error| format!("{error}: {}", error.cause))?;
        Ok(())
    }

    fn converge(&self, intent: &Intent) -> Done {
        for _ in 0..MOST_ROUNDS {
            let steps = plan(&self.layout, &self.host, intent)?;
            let steps: Vec<Step> = steps.into_iter().map(|(_, step)| step).collect();
            if steps.is_empty() {
                println!("converged");
                return Ok(());
            }
            self.act(&steps)?;
        }
        Err("never converges".into())
    }

    fn around(&self, intent: &Intent) -> Done {
        for stays in irq::staying(&self.host, &self.layout, intent)? {
            println!("irq {} stays on {}: {}", stays.irq, stays.cpus, stays.why);
        }
        for thread in workqueue::kernel_threads(&self.host, &intent.exclusive_cpus()) {
            let bound = if thread.bound { "bound" } else { "unbound" };
            println!(
                "kernel thread {} {} may run on {}: {bound}",
                thread.pid, thread.name, thread.cpus
            );
        }
        for (dir, cpus) in host_cgroups_on(&self.host, &self.layout, &intent.exclusive_cpus()) {
            println!("cgroup {} may run on {cpus}", dir.display());
        }
        for cannot in cannot(&self.layout) {
            println!("cannot {}: {}; {}", cannot.what, cannot.why, cannot.gives);
        }
        Ok(())
    }
}

fn run(words: &[String]) -> Done {
    let [file, rest @ ..] = words else {
        return Err("isolate INTENT.json [plan | around | freeze|thaw|term|kill WORKLOAD]".into());
    };
    let intent: Intent = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    let host = Host::at("/");
    let hand = Hand {
        layout: Layout::find(&host, NAME).noting_in(Path::new(RECORD)),
        gate: Actuators::new(Mode::Enforce, BTreeMap::new())?,
        host,
    };
    let one = || -> Result<&Isolation, Box<dyn Error>> {
        let name = rest.get(1).ok_or("which workload?")?.parse()?;
        Ok(intent.of(&name).ok_or("no such workload in the intent")?)
    };
    let (host, layout) = (&hand.host, &hand.layout);
    let steps = match rest.first().map(String::as_str) {
        None => return hand.converge(&intent),
        Some("around") => return hand.around(&intent),
        Some("plan") => {
            for (phase, step) in plan(layout, host, &intent)? {
                println!("{phase} {step}");
            }
            return Ok(());
        }
        Some("freeze") => freeze(host, layout, one()?)?,
        Some("thaw") => thaw(host, layout, one()?)?,
        Some("term") => end(host, layout, one()?, Ending::Term)?,
        Some("kill") => end(host, layout, one()?, Ending::Kill)?,
        Some(other) => return Err(format!("unknown order {other:?}").into()),
    };
    hand.act(&steps)
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("isolate: {error}");
            ExitCode::from(REFUSED)
        }
    }
}
