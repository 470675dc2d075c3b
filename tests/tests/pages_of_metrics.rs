//! Dashboards and alert rules: only families that exist, expressions that promtool takes, an alert for each cause with its test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use house_tests::raise::promtool;
use serde_json::Value;

const RULES: [&str; 2] = ["node", "rack"];
/// What Prometheus itself makes for each target.
const OF_PROMETHEUS: [&str; 1] = ["up"];
/// What histograms add to their family's name.
const OF_HISTOGRAMS: [&str; 3] = ["_bucket", "_sum", "_count"];
/// Annotations and labels that each alert has.
const OF_EACH_ALERT: [&str; 4] = ["severity:", "about:", "summary:", "description:"];

fn house() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(path: &str) -> String {
    let path = house().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn board(name: &str) -> Value {
    serde_json::from_str(&text(&format!("docs/dashboards/{name}.json"))).unwrap()
}

/// The families of both tables.
fn families() -> BTreeSet<String> {
    ["docs/metrics-agent.md", "docs/metrics-rack.md"]
        .iter()
        .flat_map(|page| {
            let rows = text(page);
            let name = |line: &str| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned());
            rows.lines().filter_map(name).collect::<Vec<_>>()
        })
        .collect()
}

/// Names of ours in a text.
fn names(text: &str) -> BTreeSet<String> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !is_of_name(c));
    words
        .filter(|word| word.starts_with("busbar_"))
        .map(str::to_owned)
        .collect()
}

fn unknown(text: &str, families: &BTreeSet<String>) -> Vec<String> {
    let is_known = |name: &str| {
        let stem = OF_HISTOGRAMS.iter().find_map(|suffix| name.strip_suffix(suffix));
        families.contains(name) || stem.is_some_and(|stem| families.contains(stem))
    };
    names(text).into_iter().filter(|name| !is_known(name)).collect()
}

fn panels(board: &Value) -> Vec<&Value> {
    board["panels"].as_array().unwrap().iter().collect()
}

/// Every expression of a dashboard with its panel's title; variables stand for what they are replaced by.
fn expressions(board: &Value) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for panel in panels(board) {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap();
            let filled = expression.replace("$__rate_interval", "5m");
            let title = panel["title"].as_str().unwrap();
            all.push((
                title.to_owned(),
                filled.replace("$node", "n").replace("$rack", "r"),
            ));
        }
    }
    all
}

#[test]
fn every_name_is_a_family() {
    let families = families();
    assert!(families.len() > 80, "{}", families.len());
    for name in RULES {
        for page in [
            format!("docs/alerts/{name}.yml"),
            format!("docs/dashboards/{name}.json"),
        ] {
            assert_eq!(unknown(&text(&page), &families), Vec::<String>::new(), "{page}");
        }
    }
    assert_eq!(
        unknown("rate(busbar_made_up_total[5m])", &families),
        ["busbar_made_up_total"]
    );
}

#[test]
fn dashboards_are_whole() {
    for name in RULES {
        let board = board(name);
        assert_eq!(board["uid"], format!("busbar-{name}"));
        let mut ids = BTreeSet::new();
        let mut cells = BTreeSet::new();
        for panel in panels(&board) {
            let title = panel["title"].as_str().unwrap();
            assert!(
                ids.insert(panel["id"].as_u64().unwrap()),
                "{name}: two panels have one id: {title}"
            );
            let place = &panel["gridPos"];
            let at = |key: &str| place[key].as_u64().unwrap();
            assert!(at("x") + at("w") <= 24, "{name}: {title} is too wide");
            for cell in
                (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y)))
            {
                assert!(cells.insert(cell), "{name}: {title} lies on another panel");
            }
            if panel["type"] != "row" {
                assert_eq!(panel["datasource"]["uid"], "${datasource}", "{name}: {title}");
                assert!(
                    !panel["targets"].as_array().unwrap().is_empty(),
                    "{name}: {title}"
                );
            }
        }
        for (title, expression) in expressions(&board) {
            let of_ours = !names(&expression).is_empty();
            let of_prometheus = OF_PROMETHEUS.iter().any(|name| expression.starts_with(name));
            assert!(of_ours || of_prometheus, "{name}: {title}: {expression}");
        }
    }
}

#[test]
fn every_alert_has_what_an_alert_needs_and_a_test_that_sees_it_fire() {
    let silencing = text("docs/alerts/alertmanager.yml");
    let mut alerts = BTreeSet::new();
    for name in RULES {
        let rules = text(&format!("docs/alerts/{name}.yml"));
        let tests = text(&format!("docs/alerts/tests/{name}.yml"));
        for rule in rules.split("- alert: ").skip(1) {
            let alert = rule.lines().next().unwrap().trim();
            for needed in OF_EACH_ALERT {
                assert!(rule.contains(needed), "{alert} has no {needed}");
            }
            let asked = format!("alertname: {alert}\n");
            let mut seen = tests.split(&asked).skip(1);
            assert!(
                seen.any(|after| after.trim_start().starts_with("exp_alerts:\n")),
                "no test sees {alert} fire"
            );
            assert!(alerts.insert(alert.to_owned()), "{alert} stands twice");
        }
    }
    // What silences and what is silenced exists.
    let words = silencing.split(|c: char| !c.is_ascii_alphanumeric());
    for word in words.filter(|word| word.starts_with("Busbar") && *word != "Busbar") {
        assert!(alerts.contains(word), "alertmanager.yml names {word}");
    }
}

/// A rule file in which each expression of a dashboard is a rule: promtool 2.42 checks expressions in no other way.
fn as_rules(board: &Value) -> String {
    let mut rules = "groups:\n  - name: panels\n    rules:\n".to_owned();
    for (number, (_, expression)) in expressions(board).iter().enumerate() {
        let quoted = expression.replace('\'', "''");
        rules.push_str(&format!(
            "      - record: panel:{number}\n        expr: '{quoted}'\n"
        ));
    }
    rules
}

#[test]
fn promtool_takes_every_expression_and_sees_alerts_fire() {
    let target = std::env::current_exe().unwrap();
    let target = target.ancestors().nth(3).unwrap();
    let Some(promtool) = promtool(target) else {
        println!(
            "skipped: promtool is neither below {} nor on the path",
            target.display()
        );
        return;
    };
    let keep = tempfile();
    let check = |arguments: &[&str], files: Vec<PathBuf>| {
        let ran = Command::new(&promtool)
            .args(arguments)
            .args(&files)
            .output()
            .unwrap();
        let said = [ran.stdout, ran.stderr].concat();
        assert!(
            ran.status.success(),
            "{arguments:?} {files:?}\n{}",
            String::from_utf8_lossy(&said)
        );
    };
    let alerts = house().join("docs/alerts");
    check(
        &["check", "rules"],
        RULES.map(|name| alerts.join(format!("{name}.yml"))).to_vec(),
    );
    check(
        &["test", "rules"],
        RULES
            .map(|name| alerts.join(format!("tests/{name}.yml")))
            .to_vec(),
    );
    for name in RULES {
        let file = keep.join(format!("{name}.yml"));
        std::fs::write(&file, as_rules(&board(name))).unwrap();
        check(&["check", "rules"], vec![file]);
    }
    std::fs::remove_dir_all(&keep).unwrap();
}

fn tempfile() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("busbar-panels-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
