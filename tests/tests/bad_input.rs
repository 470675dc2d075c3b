//! Bad input is met with a clear error, at the real binaries, and nothing is lost by it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use house_tests::http;
use house_tests::raise::{AgentPlan, Binaries, House, RackPlan, Said, Scratch, World};
use house_tests::wait;
use serde_json::{Value, json};

/// A BMC that never answers is known as such after its deadline, and looked at again after its pause.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the rack's four nodes can draw: no agent caps them, so that all of it is held.
const UNCAPPED_WATTS: f64 = 11_600.0;

/// The rack's journal.
const JOURNAL: &str = "rack.sqlite";

fn run(program: &Path, words: &[&str]) -> anyhow::Result<Said> {
    let output = Command::new(program).args(words).env("NO_COLOR", "1").output();
    Ok(output
        .with_context(|| format!("cannot start {}", program.display()))?
        .into())
}

/// A refusal with an exit code of its own, no panic, and every one of `words`.
fn refuses(said: &Said, words: &[&str]) -> anyhow::Result<()> {
    ensure!(said.code > 0 && said.code < 100, "a refusal, no crash: {said:?}");
    let all = format!("{}{}", said.out, said.err);
    ensure!(!all.contains("panicked"), "{said:?}");
    for word in words {
        ensure!(all.contains(word), "{word:?} is missing: {said:?}");
    }
    Ok(())
}

/// The line number of the first line that holds `words`.
fn line_of(text: &str, words: &str) -> usize {
    text.lines().position(|line| line.contains(words)).unwrap() + 1
}

#[test]
fn an_agents_configuration() -> anyhow::Result<()> {
    let binaries = Binaries::find()?;
    let scratch = Scratch::new("badagent")?;
    let agent = binaries.path(Binaries::AGENT);
    let good = AgentPlan::in_folder(scratch.path(), "n01", "observe").toml();
    let file = scratch.join("agent.toml");
    for (from, to, words) in [
        (
            "listen_address",
            "lissen_address",
            vec!["lissen_address", "listen_address"],
        ),
        (
            "cpu = \"observe\"",
            "cpu = \"enforce\"",
            vec!["cpu", "enforce", "observe"],
        ),
        ("mode = \"observe\"", "mode = \"obey\"", vec!["obey", "observe"]),
        ("mode = \"observe\"", "mode = 3", vec!["mode"]),
        ("127.0.0.1:0", "0.0.0.0:9711", vec!["0.0.0.0:9711", "tls"]),
    ] {
        let bad = good.replacen(from, to, 1);
        fs::write(&file, &bad)?;
        let line = format!("agent.toml:{}", line_of(&bad, to.split(' ').next().unwrap_or(to)));
        let path = file.display().to_string();
        for verb in [vec!["check-config", &path], vec!["run", "--config", &path]] {
            let said = run(&agent, &verb)?;
            refuses(&said, &words).with_context(|| format!("{verb:?} with {to}"))?;
            refuses(&said, &[&line]).with_context(|| format!("{verb:?} with {to}"))?;
        }
    }
    Ok(())
}

#[test]
fn a_racks_configuration() -> anyhow::Result<()> {
    let binaries = Binaries::find()?;
    let scratch = Scratch::new("badrack")?;
    let rack = binaries.path(Binaries::RACK);
    let world = World::start(
        &binaries,
        &scratch.join("world"),
        &scratch.join("world.log"),
        house_tests::raise::Group::Starters,
        &[],
    )?;
    let good = RackPlan::in_folder(scratch.path(), "observe", None).toml(&world.addresses);
    let file = scratch.join("rack.toml");
    let path = file.display().to_string();
    // The BMCs tell the ratings; here they are written down, so that the sums can be shown without asking anybody.
    fs::write(&file, good.replace("\nfeed = ", "\nrated_watts = 3000\nfeed = "))?;
    let said = run(&rack, &["check-config", &path])?;
    ensure!(
        said.code == 0 && said.out.contains("18.0"),
        "the sums are shown: {said:?}"
    );
    for (from, to, words) in [
        ("redundancy", "redundency", vec!["redundency", "redundancy"]),
        (
            "overload_for = \"1s\"",
            "overload_for = \"1 kW\"",
            vec!["1 kW", "overload_for"],
        ),
        (
            "max_draw_watts = 4000",
            "max_draw_watts = \"4 kW\"",
            vec!["max_draw_watts"],
        ),
        ("shelf/psu-1", "shelf/psu-0", vec!["shelf/psu-0"]),
        ("feed = \"A\"", "feed = \"C\"", vec!["\"C\""]),
        ("127.0.0.1:0", "0.0.0.0:9712", vec!["0.0.0.0:9712", "tls"]),
    ] {
        let bad = good.replacen(from, to, 1);
        ensure!(bad != good, "{from} is not in the configuration");
        fs::write(&file, &bad)?;
        for verb in [vec!["check-config", &path], vec!["serve", "--config", &path]] {
            let said = run(&rack, &verb)?;
            refuses(&said, &words).with_context(|| format!("{verb:?} with {to}"))?;
            refuses(&said, &["rack.toml:"]).with_context(|| format!("{verb:?} with {to}"))?;
        }
    }
    ensure!(
        !scratch.join("rack").join(JOURNAL).exists(),
        "no journal was made for a refused configuration"
    );
    Ok(())
}

#[test]
fn a_bmc_that_answers_wrongly_or_never() -> anyhow::Result<()> {
    let house = House::raise("badbmc", "enforce")?;
    house.all_counted()?;
    house.busbar_ok(&["claim", "power", "--watts", "3000", "--for", "web"])?;
    for answer in ["401", "404", "half", "never"] {
        house.world.act(&["bmc", "shelf", "answer", answer])?;
        let bmc = wait::until(&format!("the rack to notice: {answer}"), PATIENCE, || {
            let bmc = bmc(&house)?;
            ensure!(bmc["up"] == false, "{bmc}");
            Ok(Some(bmc))
        })?;
        ensure!(
            bmc["reason"].as_str().is_some_and(|reason| !reason.is_empty()),
            "{answer}: a reason is given: {bmc}"
        );
        let shelf = house.shelf()?;
        ensure!(shelf["state"] == "blind", "{answer}: {shelf}");
        ensure!(
            shelf["held_watts"].as_f64() == Some(UNCAPPED_WATTS + 3000.0),
            "{answer}: promises stand: {shelf}"
        );
        let refused = house.busbar(&["claim", "power", "--watts", "1", "--for", "new"])?;
        ensure!(refused.code == 3, "{answer}: nothing new is offered: {refused:?}");
        house.world.act(&["bmc", "shelf", "answer", "ok"])?;
        house
            .shelf_until("the shelf to be seen again", |shelf| {
                shelf["state"] == "redundant" && shelf["installed_watts"].as_f64() == Some(18_000.0)
            })
            .with_context(|| format!("after {answer}"))?;
    }
    let shelf = house.shelf()?;
    ensure!(
        shelf["held_watts"].as_f64() == Some(UNCAPPED_WATTS + 3000.0),
        "{shelf}"
    );
    house.take_down()?;
    Ok(())
}

fn bmc(house: &House) -> anyhow::Result<Value> {
    let view = house.rack()?.view()?;
    let bmcs = view["bmcs"].as_array().context("bmcs is an array")?;
    bmcs.iter()
        .find(|bmc| bmc["name"] == "shelf")
        .cloned()
        .context("no BMC called shelf")
}

#[test]
fn a_recorded_tree_with_a_file_missing() -> anyhow::Result<()> {
    let binaries = Binaries::find()?;
    let scratch = Scratch::new("badtree")?;
    let put = |path: &str, value: Value| -> anyhow::Result<()> {
        let folder = scratch.join("tree").join(path);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("index.json"), value.to_string())?;
        Ok(())
    };
    put(
        "redfish/v1",
        json!({"@odata.id": "/redfish/v1", "Id": "RootService", "Name": "Root", "RedfishVersion": "1.15.0",
               "Chassis": {"@odata.id": "/redfish/v1/Chassis"}}),
    )?;
    put(
        "redfish/v1/Chassis",
        json!({"@odata.id": "/redfish/v1/Chassis", "Name": "Chassis", "Members@odata.count": 1,
               "Members": [{"@odata.id": "/redfish/v1/Chassis/gone"}]}),
    )?;
    let tree = scratch.join("tree").display().to_string();
    let said = run(&binaries.path(Binaries::RACK), &["inspect", &tree])?;
    let all = format!("{}{}", said.out, said.err);
    ensure!(!all.contains("panicked") && said.code < 100, "{said:?}");
    ensure!(all.contains("Chassis/gone"), "what is missing is named: {said:?}");
    ensure!(all.contains("0 writes"), "and nothing is written: {said:?}");
    let nowhere = scratch.join("no-such-tree").display().to_string();
    refuses(
        &run(&binaries.path(Binaries::RACK), &["inspect", &nowhere])?,
        &["no-such-tree"],
    )
}

#[test]
fn a_journal_that_was_cut_short() -> anyhow::Result<()> {
    let mut house = House::raise("badjournal", "enforce")?;
    house.all_counted()?;
    house.busbar_ok(&["claim", "power", "--watts", "3000", "--for", "web"])?;
    house.rack.take().context("the rack runs")?.daemon.stop()?;
    let folder = house.folder.join("rack");
    let file = folder.join(JOURNAL);
    let whole = fs::read(&file)?;
    let cut = &whole[..whole.len() / 2];
    fs::write(&file, cut)?;
    let config = house.folder.join("rack.toml").display().to_string();
    let rack = house.binaries.path(Binaries::RACK);
    let said = run(&rack, &["serve", "--config", &config])?;
    refuses(&said, &[JOURNAL, "journal salvage"])?;
    ensure!(fs::read(&file)? == cut, "a damaged journal is never written to");
    let state = folder.display().to_string();
    refuses(&run(&rack, &["journal", "verify", &state])?, &[JOURNAL])?;
    let saved = house.folder.join("saved").display().to_string();
    let said = run(&rack, &["journal", "salvage", &state, &saved])?;
    ensure!(said.code < 100 && !said.err.contains("panicked"), "{said:?}");
    ensure!(
        fs::read(&file)? == cut,
        "salvaging does not write to it either: {said:?}"
    );
    fs::write(&file, &whole)?;
    house.start_rack()?;
    let claims = http::get(house.rack()?.daemon.url(), "/v1/claims")?;
    ensure!(
        claims[0]["for"] == "web",
        "the whole journal still holds the claim: {claims}"
    );
    house.take_down()?;
    Ok(())
}

#[test]
fn claims_that_cannot_be() -> anyhow::Result<()> {
    let house = House::raise("badclaim", "enforce")?;
    house.all_counted()?;
    let claim = |watts: &str, more: &[&str]| {
        let mut words = vec!["claim", "power", "--for", "x", "--watts", watts];
        words.extend(more);
        house.busbar(&words)
    };
    for (said, words) in [
        (claim("0", &[])?, vec!["0"]),
        (claim("18446744073709551616", &[])?, vec!["18446744073709551616"]),
        (claim("-5", &[])?, vec![]),
        (claim("800", &["--domain", "cellar"])?, vec!["cellar", "shelf"]),
        (claim("800", &["--node", "n99"])?, vec!["n99"]),
    ] {
        refuses(&said, &words)?;
        ensure!(said.code == 2, "a bad ask is wrong usage: {said:?}");
    }
    let rack = house.rack()?.daemon.url().to_owned();
    for body in [
        json!({"watts": 0, "for": "x"}),
        json!({"watts": 1e30, "for": "x"}),
        json!({"watts": "800", "for": "x"}),
        json!({"watts": 800, "for": "x", "domain": "cellar"}),
        json!({"watts": 800, "for": "x", "wats": 1}),
        json!([]),
    ] {
        let answer = http::ask("POST", &rack, "/v1/claims", Some(&body))?;
        ensure!((400..410).contains(&answer.status), "{body}: {answer:?}");
        let message = answer.json()?["error"]["message"].as_str().map(str::len);
        ensure!(message > Some(10), "{body}: {answer:?}");
    }
    let shelf = house.shelf()?;
    ensure!(
        shelf["held_watts"].as_f64() == Some(UNCAPPED_WATTS),
        "nothing was taken: {shelf}"
    );
    house.take_down()?;
    Ok(())
}

#[test]
fn a_root_that_points_nowhere() -> anyhow::Result<()> {
    let binaries = Binaries::find()?;
    let scratch = Scratch::new("badroot")?;
    let agent = binaries.path(Binaries::AGENT);
    let nowhere = scratch.join("nowhere").display().to_string();
    refuses(&run(&agent, &["facts", "--root", &nowhere])?, &["nowhere"])?;
    let empty = scratch.path().display().to_string();
    refuses(&run(&agent, &["facts", "--root", &empty])?, &[&empty])?;
    let xml = scratch.join("half.xml");
    fs::write(&xml, "<?xml version=\"1.0\"?><topology><obj")?;
    let path = xml.display().to_string();
    refuses(&run(&agent, &["facts", "--hwloc-xml", &path])?, &["half.xml"])?;
    refuses(&run(&agent, &["facts", "--hwloc-xml", &nowhere])?, &["nowhere"])
}
