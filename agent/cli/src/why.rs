//! `busbar why --workload`: what the interference loop knows of a workload on this machine.

use std::fmt::Write as _;
use std::process::ExitCode;

use agent_api::client::AgentClient;
use agent_api::v1::{Incident, Interference, Resource, SignalState, Squeezed, Workload};
use clap::Args;
use intent::WorkloadId;

use crate::args::{Cli, Output};
use crate::vm;

/// `busbar why`.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// A claim's name or id, a node's name, a pooled drive's serial number, or a bay for drives.
    #[arg(required_unless_present = "workload")]
    pub what: Option<String>,
    /// A workload on this machine: whether it suffers, which neighbour goes with that, and what was done.
    #[arg(long, value_name = "NAME", conflicts_with = "what")]
    pub workload: Option<WorkloadId>,
}

/// Asks the agent, and prints what it says.
pub async fn workload(cli: &Cli, id: &WorkloadId) -> anyhow::Result<ExitCode> {
    let agent = AgentClient::unix(&cli.agent);
    if cli.output == Output::Text {
        // Where it runs is known also where the loop is off.
        let all = agent.workloads().await?;
        all.iter()
            .filter(|workload| workload.id == *id)
            .for_each(|workload| print!("{}", place(workload)));
    }
    let known = agent.interference(id).await?;
    match cli.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&known)?),
        Output::Text => print!("{}", told(&known)),
    }
    Ok(ExitCode::SUCCESS)
}

/// `db runs on CPUs 2-4, alone, with memory of NUMA nodes 0`, and where a virtual machine's CPUs are.
fn place(workload: &Workload) -> String {
    let how = if workload.exclusive {
        ", alone"
    } else {
        ", which it shares"
    };
    let begun = if workload.adopted { ", adopted" } else { "" };
    let mut text = format!(
        "{} runs on CPUs {}{how}, with memory of NUMA nodes {}{begun}\n",
        workload.id, workload.cpus, workload.numa_nodes
    );
    if let Some(watts) = workload.watts {
        let how = if workload.revocable {
            "revocable"
        } else {
            "under a cap too"
        };
        let _ = writeln!(text, "  {watts} are promised to it, {how}");
    } else if workload.revocable {
        let _ = writeln!(
            text,
            "  it is revocable: the first to give up when power runs short"
        );
    }
    if let Some(Squeezed { to, because }) = &workload.squeezed {
        let _ = writeln!(text, "  it {to}: {because}");
    }
    if let Some(why) = &workload.uncounted {
        let _ = writeln!(text, "  its memory traffic is not counted: {why}");
    }
    if let Some(machine) = &workload.vm {
        let _ = writeln!(text, "  {}", vm::told(machine));
        if !machine.trouble.is_empty() {
            let _ = writeln!(text, "  {}", machine.trouble);
        }
    }
    text
}

fn told(known: &Interference) -> String {
    let suffers = known.signals.iter().any(|state| state.suffering);
    let headline = match (known.protected, suffers) {
        (true, true) => "suffers",
        (true, false) => "does not suffer",
        (false, _) => "is not watched as a victim",
    };
    let mut text = format!("{} {headline}; as of {}\n", known.id, known.at);
    if !known.because.is_empty() {
        let _ = writeln!(text, "  {}", known.because);
    }
    for state in &known.signals {
        let _ = writeln!(text, "  {}", signal(state));
    }
    if let Some(incident) = &known.last {
        text.push_str(&last(incident));
    }
    text
}

/// `pressure 0.450, usually 0.050 and at most 0.120 (90 windows); 3 of the last 5 windows were outliers`.
fn signal(state: &SignalState) -> String {
    let value = state
        .value
        .map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
    format!(
        "{} {value}, usually {:.3} and at most {:.3} ({} windows); {} of the last {} windows were outliers",
        state.signal.word(),
        state.mean,
        state.threshold,
        state.windows,
        state.outliers,
        state.of
    )
}

fn last(incident: &Incident) -> String {
    let over = incident
        .over
        .map_or_else(|| "it lasts".to_owned(), |over| format!("over since {over}"));
    let mut text = format!("last named at {}, {over}\n", incident.at);
    for one in &incident.antagonists {
        let _ = writeln!(
            text,
            "  {} (priority {}): score {:.2} by {}",
            one.id,
            one.priority,
            one.score,
            one.resource.word()
        );
        for point in &one.evidence {
            let said = point
                .signal
                .map_or_else(|| "-".to_owned(), |said| format!("{said:.3}"));
            let used = match one.resource {
                Resource::CpuTime => format!("{:.2} CPUs", point.used),
                Resource::MemoryBandwidth => format!("{:.2} GB/s", point.used / 1e9),
            };
            let _ = writeln!(
                text,
                "      {}  {} {said}  {used}",
                point.at,
                incident.signal.word()
            );
        }
        if !one.untouchable.is_empty() {
            let _ = writeln!(text, "      {}", one.untouchable);
        }
    }
    for act in &incident.acts {
        let word = if act.done { "done" } else { "advice" };
        let _ = writeln!(text, "  {word} at {}: {}", act.since, act.message);
        if let Some(undone) = act.undone {
            let came = match act.helped {
                Some(true) => "it helped",
                Some(false) => "it did not help",
                None => "nobody knows whether it helped",
            };
            let _ = writeln!(text, "      undone at {undone}; {came}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const KNOWN: &str = r#"{"id":"web","mode":"advise","at":"2026-11-22T03:29:21.041Z","window_seconds":60,"protected":true,
        "signals":[{"signal":"pressure","value":0.5,"mean":0.05,"deviation":0.02,"threshold":0.09,"windows":93,"judged_from":60,
        "outliers":3,"of":5,"suffering":true}],"incidents":1,"last":{"at":"2026-11-22T03:29:21.041Z","signal":"pressure",
        "value":0.5,"threshold":0.09,"antagonists":[{"id":"batch","resource":"cpu_time","score":0.81,"priority":9,
        "evidence":[{"at":"2026-11-22T03:28:21.041Z","signal":null,"used":3.9}]}],"over":null,"acts":[{"grade":"cpu_max",
        "antagonist":"batch","since":"2026-11-22T03:29:21.041Z","until":"2026-11-22T03:34:21.041Z","done":false,
        "message":"hold it back"}]}}"#;

    #[test]
    fn where_it_runs_is_told_with_its_virtual_cpus() {
        let text = r#"{"id":"db","command":"qemu","uid":0,"pid":7,"cpus":"2-4","numa_nodes":"0","exclusive":true,
            "memory_bytes":null,"since":"2026-11-22T03:29:21.041Z","cgroups":[],"exclusivity":"partition","steps":[],
            "vm":{"monitor":"/m","pid":7,"vcpus":[{"index":0,"thread":8,"wanted":"2","cpus":"2"}],"emulator":"3-4",
            "trouble":"it does not answer"}}"#;
        let told = place(&serde_json::from_str(text).unwrap());
        assert_eq!(
            told,
            "db runs on CPUs 2-4, alone, with memory of NUMA nodes 0\n  virtual CPU 0 on 2; the emulator on 3-4\n  it does not answer\n"
        );
    }

    #[test]
    fn what_it_gives_up_for_a_cap_is_told_with_the_reason() {
        let text = r#"{"id":"batch","command":"make","uid":0,"pid":7,"cpus":"2-4","numa_nodes":"0","exclusive":false,
            "memory_bytes":null,"since":"2026-11-22T03:29:21.041Z","cgroups":[],"exclusivity":"none","steps":[],"revocable":true,
            "squeezed":{"to":{"cpu_time":{"millicpus":800}},"because":"the cap of 120 W asks it"}}"#;
        let told = place(&serde_json::from_str(text).unwrap());
        assert_eq!(
            told,
            "batch runs on CPUs 2-4, which it shares, with memory of NUMA nodes 0\n  it is revocable: the first to give up when power \
             runs short\n  it gets the time of 0.800 CPUs: the cap of 120 W asks it\n"
        );
        let still = text.replace(r#"{"cpu_time":{"millicpus":800}}"#, r#""still""#);
        let still = still.replace(r#""steps":[],"#, r#""steps":[],"watts":200,"#);
        let told = place(&serde_json::from_str(&still).unwrap());
        assert!(
            told.ends_with(
                "  200 W are promised to it, revocable\n  it stands still: the cap of 120 W asks it\n"
            ),
            "{told}"
        );
    }

    #[test]
    fn a_victim_is_told_with_its_evidence() {
        let known: Interference = serde_json::from_str(KNOWN).unwrap();
        let expected = "web suffers; as of 2026-11-22T03:29:21.041Z\n  pressure 0.500, usually 0.050 and at most 0.090 (93 windows); \
                        3 of the last 5 windows were outliers\nlast named at 2026-11-22T03:29:21.041Z, it lasts\n  batch (priority \
                        9): score 0.81 by cpu_time\n      2026-11-22T03:28:21.041Z  pressure -  3.90 CPUs\n  advice at \
                        2026-11-22T03:29:21.041Z: hold it back\n";
        assert_eq!(told(&known), expected);
        let over = KNOWN.replace(
            "\"done\":false,",
            "\"done\":true,\"undone\":\"2026-11-22T03:34:21.041Z\",\"helped\":false,",
        );
        let told = told(&serde_json::from_str(&over).unwrap());
        assert!(
            told.ends_with("undone at 2026-11-22T03:34:21.041Z; it did not help\n"),
            "{told}"
        );
    }
}
