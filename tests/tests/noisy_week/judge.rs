//! promtool judges the week: which alerts began to fire, and which of them were told once the inhibitions are taken off.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::pages::Pages;

/// How often alerts began, by name; those for information only are in neither.
pub struct Counted {
    pub fired: BTreeMap<String, usize>,
    pub told: BTreeMap<String, usize>,
}

pub fn house() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub fn rules() -> String {
    std::fs::read_to_string(house().join("docs/alerts/rack.yml")).unwrap()
}

pub fn target() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).unwrap().to_owned()
}

pub fn promtool() -> Option<PathBuf> {
    let found = house_tests::raise::promtool(&target());
    if found.is_none() {
        println!(
            "skipped: promtool is neither below {} nor on the path",
            target().display()
        );
    }
    found
}

/// One rule of alertmanager.yml: matchers as PromQL writes them.
pub struct Inhibition {
    pub source: String,
    pub target: String,
    pub equal: String,
}

/// The inhibitions, as they stand in docs/alerts/alertmanager.yml.
pub fn inhibitions(text: &str) -> Vec<Inhibition> {
    let list = |line: &str| {
        let (_, list) = line.split_once('[').unwrap();
        let list = list.trim_end().trim_end_matches(']');
        let items = list.split("', '").map(|item| item.trim_matches('\''));
        items.collect::<Vec<_>>().join(",")
    };
    let of = |key: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        lines.filter(|line| line.contains(key)).map(list).collect()
    };
    let (sources, targets, equals) = (of("source_matchers:"), of("target_matchers:"), of("equal:"));
    assert!(sources.len() == targets.len() && sources.len() == equals.len() && !sources.is_empty());
    let all = sources.into_iter().zip(targets).zip(equals);
    all.map(|((source, target), equal)| Inhibition {
        source,
        target,
        equal,
    })
    .collect()
}

/// The alerts that fire and are told, as PromQL: Alertmanager mutes a target while a source with equal labels fires.
fn told(inhibitions: &[Inhibition]) -> String {
    let muted = inhibitions.iter().map(|rule| {
        format!(
            "(ALERTS{{alertstate=\"firing\",{}}} and on ({}) ALERTS{{alertstate=\"firing\",{}}})",
            rule.target, rule.equal, rule.source
        )
    });
    let muted: Vec<String> = muted.collect();
    format!(
        "(ALERTS{{alertstate=\"firing\",severity!=\"info\"}} unless ({}))",
        muted.join(" or ")
    )
}

/// Rules that count within the week how often a set of alerts began: promtool gives no query more than a few thousand samples.
fn counting(name: &str, alerts: &str) -> String {
    let (set, now, total) = (
        format!("set:{name}"),
        format!("now:{name}"),
        format!("total:{name}"),
    );
    let two = |series: &str, mark: &str| format!("label_replace({series}, \"of\", \"{mark}\", \"\", \"\")");
    let (fresh, before) = (two(&now, "now"), two(&format!("{total} offset 1m"), "before"));
    format!(
        "      - {{record: '{set}', expr: '{alerts}'}}\n\
         \u{20}     - {{record: '{now}', expr: 'count by (alertname) ({set} unless {set} offset 1m)'}}\n\
         \u{20}     - {{record: '{total}', expr: 'sum by (alertname) ({fresh} or {before})'}}\n"
    )
}

pub fn week(promtool: &Path, folder: &Path, pages: &Pages) -> Counted {
    let text = std::fs::read_to_string(house().join("docs/alerts/alertmanager.yml")).unwrap();
    // One group, so that each rule sees what those before it said at the same moment.
    let count = folder.join("count.yml");
    let fired = counting("fired", "ALERTS{alertstate=\"firing\",severity!=\"info\"}");
    let told = counting("told", &told(&inhibitions(&text)));
    let counters = format!("groups:\n  - name: count\n    rules:\n{fired}{told}");
    std::fs::write(&count, counters).unwrap();
    let file = folder.join("week.yml");
    let expect = |name: &str| {
        format!(
            "      - expr: 'total:{name}'\n        eval_time: {}m\n        exp_samples: [{{labels: '{{never=\"comes\"}}', value: 1}}]\n",
            pages.minutes()
        )
    };
    // It knows expectations only: we expect a series that never comes, and read what came instead.
    let text = format!(
        "rule_files: ['{}', '{}']\nevaluation_interval: 1m\ngroup_eval_order: [busbar-rack, count]\ntests:\n  - interval: 1m\n    \
         input_series:\n{}    promql_expr_test:\n{}{}",
        house().join("docs/alerts/rack.yml").display(),
        count.display(),
        pages.input_series(),
        expect("fired"),
        expect("told"),
    );
    std::fs::write(&file, text).unwrap();
    let ran = Command::new(promtool)
        .args(["test", "rules"])
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    let got: Vec<&str> = said.split("got:").skip(1).collect();
    assert_eq!(got.len(), 2, "promtool said: {said}");
    Counted {
        fired: counts(got[0]),
        told: counts(got[1]),
    }
}

/// `{alertname="X"} 2E+00, …`
fn counts(got: &str) -> BTreeMap<String, usize> {
    let each = got.split("alertname=\"").skip(1);
    each.map(|one| {
        let (name, rest) = one.split_once("\"}").unwrap();
        let number = rest.trim_start().split([',', ' ', '\n']).next().unwrap();
        let count: f64 = number.parse().unwrap_or_else(|_| panic!("no number: {one}"));
        (name.to_owned(), count as usize)
    })
    .collect()
}
