//! What a person reads: this machine in one line, the rack's address, what to try next, and in the end what was removed.

use std::fs;
use std::time::Duration;

use anyhow::Context;
use house_tests::{http, wait};
use serde_json::Value;

use crate::args::Args;
use crate::raised::{Raised, shown};
use crate::state::State;

/// hwloc needs a moment on a large machine.
const TOPOLOGY_WITHIN: Duration = Duration::from_secs(30);

/// Says what this machine is and what may be done to it.
pub fn machine(raised: &Raised) -> anyhow::Result<()> {
    let agent = raised.agent.as_ref().context("the agent is down")?;
    let facts = wait::until("the agent's topology", TOPOLOGY_WITHIN, || {
        let facts = http::get(agent.daemon.url(), "/v1/facts")?;
        let pending = sources(&facts).any(|source| source["state"] == "pending");
        Ok((!pending).then_some(facts))
    })?;
    println!("\n{}", machine_line(&facts));
    let status = http::get(agent.daemon.url(), "/v1/status")?;
    if let Some(line) = cgroup_line(&status) {
        println!("{line}");
    }
    Ok(())
}

/// Says where everything is and what to try, and leaves the same in the file `env`.
pub fn next(args: &Args, state: &State, raised: &Raised) {
    let rack = raised.rack_url().unwrap_or_default();
    println!("\nthe rack:    {rack}/");
    match (&raised.prometheus, &raised.no_prometheus) {
        (Some(prometheus), _) => println!("Prometheus:  {}/", prometheus.daemon.url()),
        (None, why) => println!(
            "Prometheus:  none ({})",
            why.as_deref().unwrap_or("not asked for")
        ),
    }
    if let Err(error) = env(state, raised) {
        println!("cannot write {}: {error:#}", state.join("env").display());
    }
    println!(
        "\nin another terminal:\n  . {}\n  busbar show power\n  busbar drain shelf/psu-3\n  busbar run --cpus 1 --exclusive -- sh -c 'grep Cpus_allowed_list /proc/self/status'\n",
        shown(&state.join("env"))
    );
    if args.once.is_none() {
        println!("Ctrl-C takes everything down.");
    }
}

fn env(state: &State, raised: &Raised) -> anyhow::Result<()> {
    let agent = raised.agent.as_ref().context("the agent is down")?;
    let prometheus = raised
        .prometheus
        .as_ref()
        .map_or("", |prometheus| prometheus.daemon.url());
    let text = format!(
        "# Written by cargo up; read it with:  . {}\nexport PATH={}:\"$PATH\"\nexport BUSBAR_RACK={}\nexport BUSBAR_AGENT={}\nexport BUSBAR_AGENT_URL={}\nexport BUSBAR_WORLD={}\nexport BUSBAR_PROMETHEUS={}\n",
        shown(&state.join("env")),
        quoted(&state.binaries.folder().display().to_string()),
        quoted(raised.rack_url()?),
        quoted(&agent.plan.socket.display().to_string()),
        quoted(agent.daemon.url()),
        quoted(&state.join("world").display().to_string()),
        quoted(prometheus),
    );
    let (path, fresh) = (state.join("env"), state.join("env.new"));
    fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, &path))?;
    Ok(())
}

/// `text` as one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Says what was removed. Whether nothing is left.
pub fn removed(left: &anyhow::Result<String>, processes: u32) -> bool {
    let processes = counted(processes, "process", "processes");
    match left.as_ref().map(|said| cgroups(said)) {
        Ok(Ok(0)) => println!("removed: {processes}; nothing left"),
        Ok(Ok(groups)) => println!(
            "removed: {}, {processes}; nothing left",
            counted(groups, "cgroup", "cgroups")
        ),
        Ok(Err(said)) => println!("removed: {processes}; {said}"),
        Err(error) => println!("removed: {processes}; this is left: {error:#}"),
    }
    left.is_ok()
}

fn counted(number: u32, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// How many cgroups `busbar-agent leave` removed: `removed: 1 cgroup; nothing left`. Its own words where they are others.
fn cgroups(said: &str) -> Result<u32, String> {
    if said.is_empty() {
        return Ok(0);
    }
    let line = said.lines().last().unwrap_or(said);
    let counted = || {
        let (what, left) = line.strip_prefix("removed: ")?.split_once("; ")?;
        let (number, unit) = what.split_once(' ')?;
        let plain = unit.starts_with("cgroup") && left == "nothing left";
        number.parse().ok().filter(|_| plain)
    };
    match counted() {
        Some(number) => Ok(number),
        None if line == "removed: nothing; nothing left" => Ok(0),
        None => Err(line.to_owned()),
    }
}

fn sources(facts: &Value) -> impl Iterator<Item = &Value> {
    facts["sources"].as_array().into_iter().flatten()
}

/// `this machine: 2 CPUs, 1 NUMA node, RAPL absent (reason), no BMC (reason). Real hardware: OBSERVE. Simulated rack: ENFORCE.`
fn machine_line(facts: &Value) -> String {
    let count = |list: &str| facts[list].as_array().map_or(0, Vec::len);
    let number = |list: &str| u32::try_from(count(list)).unwrap_or(u32::MAX);
    let rapl = match (count("power_zones"), why_down(facts, "powercap")) {
        (0, Some(why)) => format!("RAPL absent ({why})"),
        (0, None) => "RAPL absent".to_owned(),
        _ => "RAPL readable".to_owned(),
    };
    let bmc = why_down(facts, "bmc").map_or_else(|| "a BMC".to_owned(), |why| format!("no BMC ({why})"));
    format!(
        "this machine: {}, {}, {rapl}, {bmc}. Real hardware: OBSERVE. Simulated rack: ENFORCE.",
        counted(number("cpus"), "CPU", "CPUs"),
        counted(number("numa_nodes"), "NUMA node", "NUMA nodes"),
    )
}

fn why_down(facts: &Value, name: &str) -> Option<String> {
    let source = sources(facts).find(|source| source["name"] == name)?;
    (source["state"] == "down").then(|| {
        let reason = source["message"].as_str().or(source["reason"].as_str());
        reason.unwrap_or("no reason given").to_owned()
    })
}

/// Where this machine's kernel lets no cgroup be made, `busbar run` cannot pin: facts and power only.
fn cgroup_line(status: &Value) -> Option<String> {
    let cgroup = &status["cgroup"];
    let why = cgroup["why"].as_str().unwrap_or_default();
    (cgroup["mode"] == "none" || cgroup["exclusivity"] == "none").then(|| {
        format!("no cgroup can be made here ({why}): facts and power only; `busbar run` will be refused")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_machine_is_told_in_one_line() {
        let facts = json!({
            "cpus": [0, 1], "numa_nodes": [0], "power_zones": [],
            "sources": [
                {"name": "powercap", "state": "down", "reason": "absent", "message": "no power zone"},
                {"name": "bmc", "state": "down", "reason": "absent", "message": "/dev/ipmi0 is not there"},
            ],
        });
        assert_eq!(
            machine_line(&facts),
            "this machine: 2 CPUs, 1 NUMA node, RAPL absent (no power zone), no BMC (/dev/ipmi0 is not there). \
             Real hardware: OBSERVE. Simulated rack: ENFORCE."
        );
    }

    #[test]
    fn the_agents_parting_words_are_counted() {
        assert_eq!(cgroups("removed: 1 cgroup; nothing left"), Ok(1));
        assert_eq!(cgroups("removed: 3 cgroups; nothing left"), Ok(3));
        assert_eq!(cgroups("removed: nothing; nothing left"), Ok(0));
        assert_eq!(cgroups(""), Ok(0));
        assert!(cgroups("removed: 1 cgroup; busbar/w1 is busy").is_err());
    }

    #[test]
    fn without_cgroups_it_says_so() {
        let none = json!({"cgroup": {"mode": "none", "exclusivity": "none", "why": "read-only"}});
        assert!(cgroup_line(&none).is_some_and(|line| line.contains("facts and power only")));
        let legacy = json!({"cgroup": {"mode": "legacy", "exclusivity": "among_busbar", "why": ""}});
        assert_eq!(cgroup_line(&legacy), None);
    }

    #[test]
    fn shell_words_survive_quotes() {
        assert_eq!(quoted("a'b"), "'a'\\''b'");
    }
}
