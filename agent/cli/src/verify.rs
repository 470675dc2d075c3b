//! `busbar verify`: who really ran on a workload's CPUs, and where its memory lies.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use agent_api::client::AgentClient;
use agent_api::v1::{Intruder, Proof, ProofRequest, Verdict, Witness};
use clap::Args;
use intent::WorkloadId;

use crate::amount::parse_watch;
use crate::args::{Cli, Output};
use crate::failure::REFUSED;
use crate::paint::{Paint, Tone};

/// What an answer may take beyond the watching: a busy machine reads its tasks twice.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
/// The most files that are shown of those that are as they shall be.
const MOST_FILES: usize = 4;

/// `busbar verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The workload.
    pub workload: WorkloadId,
    /// How long to watch, as in 500ms, 5s or 1m (at most 1m).
    #[arg(long = "for", default_value = "5s", value_parser = parse_watch, value_name = "TIME")]
    pub for_milliseconds: u32,
}

/// Asks the agent to watch, and prints what came of it.
pub async fn verify(cli: &Cli, args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let for_milliseconds = args.for_milliseconds;
    let deadline = Duration::from_millis(for_milliseconds.into()) + ANSWERED_WITHIN;
    let agent = AgentClient::unix(&cli.agent).with_deadline(deadline);
    let proof = agent
        .prove(&args.workload, ProofRequest { for_milliseconds })
        .await?;
    match cli.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&proof)?),
        Output::Text => print!("{}", told(&proof, Paint::stdout())),
    }
    Ok(match proof.verdict {
        Verdict::NotProven => ExitCode::from(REFUSED),
        Verdict::Proven | Verdict::ProvenButKernel | Verdict::Shared => ExitCode::SUCCESS,
    })
}

fn told(proof: &Proof, paint: Paint) -> String {
    let mut text = format!("{}\n", headline(proof, paint));
    for reason in &proof.because {
        let _ = writeln!(text, "  {reason}");
    }
    for (heading, list) in [
        ("others that were there", &proof.intruders),
        (
            "belonging to these CPUs, kept away by no setting",
            &proof.unavoidable,
        ),
    ] {
        if !list.is_empty() {
            let _ = writeln!(text, "{}", paint.tone(Tone::Strong, heading));
        }
        for one in list {
            let _ = writeln!(text, "  {}", line(one, proof));
            if !one.advice.is_empty() {
                let _ = writeln!(text, "      {}", one.advice);
            }
        }
    }
    if proof.left_out > 0 {
        let _ = writeln!(text, "  and {} more", proof.left_out);
    }
    if let Some(memory) = &proof.memory {
        let places = memory
            .numa_nodes
            .iter()
            .map(|one| format!("{} on NUMA node {}", one.bytes, one.numa_node.0));
        let places: Vec<String> = places.collect();
        let _ = writeln!(
            text,
            "memory: {}; {} of {} on other NUMA nodes than its own ({})",
            if places.is_empty() {
                "none".to_owned()
            } else {
                places.join(", ")
            },
            memory.foreign_bytes,
            memory.total_bytes,
            memory.source
        );
    }
    let right = proof
        .controls
        .iter()
        .filter(|control| control.trouble.is_empty() && !control.says.is_empty());
    for control in right
        .clone()
        .filter(|control| control.file.contains("cpuset"))
        .take(MOST_FILES)
    {
        let _ = writeln!(text, "read back: {} says {}", control.file, control.says);
    }
    for control in right.filter(|control| control.file.contains("/task/")) {
        let _ = writeln!(text, "read back: {} says {}", control.file, control.says);
    }
    text
}

fn headline(proof: &Proof, paint: Paint) -> String {
    let seconds = Duration::from_millis(proof.watched_milliseconds).as_secs_f64();
    let how = match proof.witness {
        Witness::ContextSwitches => "every context switch recorded",
        Witness::Polled => "run times read again and again",
    };
    let (Proof { id, cpus, .. }, watched) = (proof, format!("watched for {seconds:.1} s, {how}"));
    match proof.verdict {
        Verdict::Proven => format!(
            "{}: CPUs {cpus} were {id}'s alone; {watched}",
            paint.tone(Tone::Good, "proven")
        ),
        Verdict::ProvenButKernel => format!(
            "{}: CPUs {cpus} were {id}'s alone, but for what belongs to them; {watched}",
            paint.tone(Tone::Good, "proven")
        ),
        Verdict::NotProven => format!(
            "{}: CPUs {cpus} were not {id}'s alone, or it could not be seen; {watched}",
            paint.tone(Tone::Bad, "not proven")
        ),
        Verdict::Shared => format!("{id} shares CPUs {cpus}: there is nothing exclusive to prove"),
    }
}

/// `cron (pid 73, /system.slice/cron.service) on CPU 2 for 0.15 s, 3.0 %`.
fn line(one: &Intruder, proof: &Proof) -> String {
    let mut text = one.name.clone();
    let who = match (one.pid, one.tid) {
        (Some(pid), Some(tid)) if pid != tid => format!("thread {tid} of pid {pid}"),
        (Some(pid), _) => format!("pid {pid}"),
        (None, _) => String::new(),
    };
    let about: Vec<&str> = [who.as_str(), one.kind.word(), one.cgroup.as_str()]
        .into_iter()
        .filter(|word| !word.is_empty())
        .collect();
    let _ = write!(text, " ({}) on CPU {}", about.join(", "), one.cpus);
    if let Some(microseconds) = one.run_microseconds {
        let ran = Duration::from_micros(microseconds).as_secs_f64();
        let watched = Duration::from_millis(proof.watched_milliseconds).as_secs_f64();
        let cpus = u32::try_from(proof.cpus.len()).map_or(1.0, f64::from);
        let _ = write!(text, " for {:.3} ms", ran * 1_000.0);
        if watched > 0.0 {
            let _ = write!(text, ", {:.2} % of its CPU time", 100.0 * ran / (watched * cpus));
        }
    }
    if let Some(times) = one.times {
        let _ = write!(text, ", {times} times");
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const PROOF: &str = r#"{"id":"web-1","at":"2026-11-22T03:29:21.041Z","watched_milliseconds":1000,"cpus":"2-3",
        "verdict":"not_proven","because":["1 others were there: cron"],"is_enforced":false,"witness":"context_switches",
        "controls":[],"outstanding":[],"intruders":[{"kind":"host_process","name":"cron","tid":74,"pid":73,"cgroup":"/a",
        "cpus":"2","run_microseconds":20000,"times":null,"advice":"taskset"}],"unavoidable":[],"left_out":0,"memory":null}"#;

    #[test]
    fn an_intruder_is_named_with_its_share_and_what_helps() {
        let proof: Proof = serde_json::from_str(PROOF).unwrap();
        let text = told(&proof, Paint::plain());
        let expected = "not proven: CPUs 2-3 were not web-1's alone, or it could not be seen; watched for 1.0 s, every context \
                        switch recorded\n  1 others were there: cron\nothers that were there\n  \
                        cron (thread 74 of pid 73, host_process, /a) on CPU 2 for 20.000 ms, 1.00 % of its CPU time\n      taskset\n";
        assert_eq!(text, expected);
    }
}
