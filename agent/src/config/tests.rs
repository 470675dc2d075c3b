//! Tests of the configuration: every fault with its line, and no text that panics.
#![allow(clippy::unwrap_used)]

use agent_api::v1::{Grade, InterferenceMode};
use proptest::prelude::*;

use super::*;
use crate::{interfere::Allowed, reconcile::Drift};

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse("agent.toml", text, Overrides::default())
}

/// The message of a text with faults.
fn faults(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn nothing_said_is_observe_on_loopback() {
    let config = parse("").unwrap();
    assert_eq!(config, Config::default());
    assert!(config.listen.ip().is_loopback());
    assert!(
        Actuator::ALL
            .into_iter()
            .all(|actuator| !config.actuators.may_act(actuator))
    );
}

#[test]
fn proofs_and_drift_are_named_with_their_line() {
    assert_eq!(
        parse("").unwrap().proof_every,
        None,
        "off unless somebody wishes it"
    );
    for bad in ["9s", "25h", "60", "1d", "-1m", "99999999999999999999h"] {
        let said = faults(&format!("[proof]\nevery = \"{bad}\"\n"));
        assert!(
            said.starts_with("agent.toml:2: every = ") && said.contains("expected 10s to 24h"),
            "{said}"
        );
    }
    let said = faults("[isolation]\ncdi_dir = \"cdi\"\n");
    assert!(
        said.contains("agent.toml:2: cdi_dir") && said.contains("/var/run/cdi"),
        "{said}"
    );
    assert_eq!(
        parse("[isolation]\ncdi_dir = \"none\"\n")
            .unwrap()
            .isolation
            .cdi_dir,
        None
    );
    let said = faults("[isolation]\ndrift = \"ignore\"\n");
    assert_eq!(
        said,
        "agent.toml:2: drift = \"ignore\" is none; expected repair or report"
    );
}

#[test]
fn the_interference_loop_is_off_and_each_number_has_its_bounds() {
    assert_eq!(parse("").unwrap().interference.mode, InterferenceMode::Off);
    let text = "[interference]\nmode = \"act\"\nwindow = \"10s\"\nsigmas = 3\noutliers = \"4/6\"\ncorrelation = 0.25\n\
                leave_cpus = 0.5\nact_for = \"10m\"\nprotect_up_to = \"3\"\n";
    let found = parse(text).unwrap().interference;
    assert_eq!(found.mode, InterferenceMode::Act);
    let t = found.thresholds;
    assert_eq!((t.outliers, t.of, t.cap_millicpus), (4, 6, 500));
    assert_eq!(
        (t.window, t.act_for),
        (Duration::from_secs(10), Duration::from_secs(600))
    );
    assert!(t.sigmas == 3.0 && t.correlation == 0.25 && t.protect_up_to.get() == 3);
    for (bad, expected) in [
        ("mode = \"on\"", "expected off or advise or act"),
        ("window = \"1s\"", "expected 10s to 600s"),
        ("sigmas = nan", "expected a number"),
        ("sigmas = 0", "expected 1 to 10"),
        (
            "sigmas = \"2\"",
            "sigmas is a string; expected a number without quotes",
        ),
        ("outliers = \"6/5\"", "expected K/M"),
        ("outliers = \"0/5\"", "expected K/M"),
        ("correlation = 1e300", "expected 0.05 to 1"),
        ("leave_cpus = 0", "expected 0.01 to 64"),
        ("act_for = \"2h\"", "expected 30s to 3600s"),
        ("protect_up_to = \"0\"", "expected 1 (kept longest) to 9"),
        ("sigma = 2", "did you mean \"sigmas\"?"),
        ("leave_cache = 1", "expected 0.01 to 0.9"),
        ("leave_bandwidth = \"10%\"", "leave_bandwidth is a string"),
        ("grades = \"freeze\"", "expected a list of texts"),
        (
            "grades = [\"kill\"]",
            "expected some of cache, cpu_max, move, freeze",
        ),
        ("priority = { 0 = [] }", "expected 1 (kept longest) to 9"),
        ("priority = { 9 = [\"stop\"] }", "is no grade"),
        ("workload = { \"../x\" = [] }", "[interference.workload] ../x: "),
    ] {
        let said = faults(&format!("[interference]\n{bad}\n"));
        assert!(
            said.starts_with("agent.toml:2: ") && said.contains(expected),
            "{said}"
        );
    }
}

#[test]
fn grades_are_allowed_for_all_for_a_priority_and_for_a_workload() {
    let default = parse("[interference]\nmode = \"act\"\n")
        .unwrap()
        .interference
        .allowed;
    assert_eq!(
        default,
        Allowed::only(&[Grade::CpuMax]),
        "nothing moves or stands still unless it is said"
    );
    let text = "[interference]\ngrades = []\nleave_cache = 0.2\nleave_bandwidth = 0.05\n[interference.priority]\n9 = [\"cache\", \"freeze\"]\n\
                [interference.workload]\nbatch = [\"move\"]\n";
    let found = parse(text).unwrap().interference;
    assert_eq!(
        (
            found.thresholds.cache_thousandths,
            found.thresholds.bandwidth_thousandths
        ),
        (200, 50)
    );
    let about = |name: &str, priority| {
        let priority = intent::Priority::new(priority).unwrap();
        found.allowed.about(&name.parse().unwrap(), priority).to_vec()
    };
    assert_eq!(about("x", 9), [Grade::Cache, Grade::Freeze]);
    assert_eq!(about("batch", 9), [Grade::Move]);
    assert_eq!(about("x", 8), []);
}

#[test]
fn everything_can_be_said() {
    let text = r#"
        [agent]
        name = "n01.example"
        mode = "enforce"
        listen_address = "192.0.2.1:9711"
        socket = "/run/a.sock"
        state_dir = "/var/lib/a"
        tls_certificate_file = "cert.pem"
        tls_key_file = "key.pem"
        token_file = "/etc/token"
        [actuators]
        power_cap = "observe"
        [reserved]
        cpus = "0-1,8"
        [isolation]
        drift = "report"
        [proof]
        every = "10m"
        [metrics]
        profile = "alone"
        names = ["node"]
        per_cpu = true
        per_workload = true
        include = ["busbar_gpu_*"]
        exclude = ["*_total", "busbar_x?"]
    "#;
    let config = parse(text).unwrap();
    assert!(config.actuators.may_act(Actuator::Cpu));
    assert!(!config.actuators.may_act(Actuator::PowerCap));
    assert_eq!(config.reserved_cpus.unwrap().to_string(), "0-1,8");
    assert_eq!(config.isolation.drift, Drift::Report);
    assert_eq!(config.isolation.cdi_dir, Some("/var/run/cdi".into()));
    assert_eq!(config.proof_every, Some(Duration::from_secs(600)));
    assert_eq!(config.tls.unwrap().key, PathBuf::from("key.pem"));
    assert!(config.wishes.node_names && config.wishes.per_cpu && config.metrics.per_workload);
    let selection = &config.metrics.selection;
    assert!(selection.shows("busbar_gpu_energy_joules_total") && selection.shows("busbar_memory_bytes"));
    assert!(!selection.shows("busbar_agent_events_total"));
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() {
    let message = faults("[agent]\nmode = \"observe\"\n\n\n\n\nlissen_address = \"127.0.0.1:1\"\n");
    assert!(
        message.starts_with("agent.toml:7: unknown key \"lissen_address\" in [agent]; "),
        "{message}"
    );
    assert!(
        message.contains("did you mean \"listen_address\"? expected one of name, mode"),
        "{message}"
    );
    assert!(faults("[agnet]\n").contains("agent.toml:1: unknown key \"agnet\"; did you mean \"agent\"?"));
    assert!(faults("[actuators]\nfans = \"observe\"").contains("expected one of power_cap, cpu, "));
}

#[test]
fn all_faults_are_found_at_once_in_the_order_of_the_file() {
    let message =
        faults("[reserved]\ncpus = \"3-1\"\n[agent]\nmode = \"enforced\"\nname = 7\nsocket = \"\"\n");
    let lines: Vec<&str> = message.lines().collect();
    assert_eq!(lines.len(), 4, "{message}");
    assert!(
        lines[0].starts_with("agent.toml:2: cpus: \"3-1\" is no list"),
        "{message}"
    );
    assert!(
        lines[1].ends_with("\"enforced\" is no mode; expected observe, advise or enforce"),
        "{message}"
    );
    assert!(
        lines[2].ends_with("name is an integer; expected a text in quotes"),
        "{message}"
    );
    assert!(
        lines[3].starts_with("agent.toml:6: socket = \"\" is no path"),
        "{message}"
    );
}

#[test]
fn wrong_values_say_what_was_expected() {
    for (text, expected) in [
        (
            "[agent]\nmode = [1]",
            "agent.toml:2: mode is an array; expected a text",
        ),
        (
            "agent = 3",
            "agent.toml:1: agent is an integer; expected a section [agent]",
        ),
        ("[agent]\nlisten_address = \"9711\"", "expected IP:PORT"),
        ("[agent]\nname = \"a b\"", "is no name of a node"),
        ("[reserved]\ncpus = \"\"", "keeps no CPU for the host"),
        (
            "[agent]\ntls_key_file = \"k\"",
            "agent.toml:2: tls_key_file is set and tls_certificate_file is not",
        ),
        (
            "[agent]\nmode = \"observe\"\nmode = \"advise\"",
            "agent.toml:3: no TOML: duplicate key",
        ),
        ("[agent\n", "agent.toml:1: no TOML"),
    ] {
        let message = faults(text);
        assert!(message.contains(expected), "{text:?} gave {message:?}");
    }
    let long = format!("[agent]\nsocket = \"/{}\"", "x".repeat(120));
    assert!(faults(&long).contains("longer than 107 bytes"));
}

#[test]
fn faults_of_metrics_name_their_line_and_what_was_expected() {
    for (text, expected) in [
        (
            "[metrics]\nprofile = \"besides\"",
            "agent.toml:2: profile = \"besides\" is none; expected beside-node-exporter or alone",
        ),
        (
            "[metrics]\nnames = [\n  \"node\",\n  \"dcgm\",\n]",
            "agent.toml:4: names: there are no names \"dcgm\"; expected \"node\"",
        ),
        (
            "[metrics]\nnames = \"node\"",
            "agent.toml:2: names is a string; expected a list of texts, as in names = [",
        ),
        (
            "[metrics]\nper_cpu = 1",
            "agent.toml:2: per_cpu is an integer; expected true or false",
        ),
        (
            "[metrics]\ninclude = [\"busbar_*\", \"a-b\", 7]",
            "agent.toml:2: include: \"a-b\" is no pattern of family names; expected letters",
        ),
        (
            "[metrics]\nexclude = [7]",
            "agent.toml:2: exclude holds an integer; expected texts in quotes",
        ),
        ("[metrics]\nexcludes = []", "did you mean \"exclude\"?"),
    ] {
        let message = faults(text);
        assert!(message.contains(expected), "{text:?} gave {message:?}");
    }
    let said = parse("[metrics]\nexclude = [\"busbar_nothing_*\"]")
        .unwrap()
        .to_string();
    assert!(said.contains("profile beside-node-exporter; "), "{said}");
    assert!(
        said.contains("exclude busbar_nothing_* stands for no family of this version"),
        "{said}"
    );
}

#[test]
fn an_actuator_laxer_than_the_mode_is_refused_with_its_line() {
    let message = faults("[agent]\nmode = \"advise\"\n[actuators]\nled = \"observe\"\ncpu = \"enforce\"\n");
    assert!(
        message.starts_with("agent.toml:5: actuator cpu is set to enforce, laxer than the mode advise"),
        "{message}"
    );
    assert!(faults("[actuators]\ncpu = \"enforce\"").contains("laxer than the mode observe"));
    assert!(faults("[actuators]\ncpu = \"on\"").contains("agent.toml:2: cpu: \"on\" is no mode"));
}

#[test]
fn nothing_listens_beyond_loopback_without_tls_and_a_token() {
    let message = faults("[agent]\nlisten_address = \"0.0.0.0:9711\"");
    assert!(
        message.starts_with("agent.toml:2: 0.0.0.0:9711 is beyond loopback"),
        "{message}"
    );
    assert!(
        message.contains("tls_certificate_file and tls_key_file, token_file is not set"),
        "{message}"
    );
    let half = "[agent]\nlisten_address = \"[2001:db8::1]:9711\"\ntoken_file = \"/t\"";
    assert!(faults(half).contains("and tls_certificate_file and tls_key_file is not set"));
    let overrides = Overrides {
        listen: Some("0.0.0.0:1".parse().unwrap()),
        ..Overrides::default()
    };
    let message = Config::parse("agent.toml", "", overrides)
        .unwrap_err()
        .to_string();
    assert!(
        message.starts_with("--listen: 0.0.0.0:1 is beyond loopback"),
        "{message}"
    );
}

#[test]
fn the_command_lines_words_stand_over_the_files() {
    let overrides = Overrides {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        socket: Some(PathBuf::from("/tmp/s")),
        state_dir: Some(PathBuf::from("/tmp/d")),
    };
    let config = Config::parse("agent.toml", "[agent]\nsocket = \"/run/a\"", overrides).unwrap();
    assert_eq!(
        (config.listen.port(), config.socket, config.state_dir),
        (0, "/tmp/s".into(), "/tmp/d".into())
    );
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load(Some(Path::new("/nowhere/agent.toml")), Overrides::default()).unwrap_err();
    assert!(
        error.to_string().starts_with("/nowhere/agent.toml: cannot read"),
        "{error}"
    );
}

#[test]
fn the_example_that_is_shipped_is_right_and_safe() {
    let text = include_str!("../../deploy/agent.toml");
    let config = parse(text).unwrap();
    assert!(
        Actuator::ALL
            .into_iter()
            .all(|actuator| !config.actuators.may_act(actuator))
    );
    // Every line that is commented out as `#key = value` is right as well.
    let spoken: String = text
        .lines()
        .map(|line| {
            line.strip_prefix('#')
                .filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()))
                .unwrap_or(line)
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let config = parse(&spoken).unwrap();
    assert!(config.tls.is_some() && config.token_file.is_some() && config.reserved_cpus.is_some());
}

proptest! {
    #[test]
    fn any_text_is_a_configuration_or_an_error(text in ".*") {
        let _ = parse(&text);
    }

    #[test]
    fn any_text_of_our_words_is_a_configuration_or_an_error(
        words in proptest::collection::vec(
            proptest::sample::select(vec![
                "[agent]", "[actuators]", "[reserved]", "mode", "cpu", "cpus", "name", "listen_address", "socket",
                "=", "\"observe\"", "\"enforce\"", "\"0-3\"", "\"127.0.0.1:0\"", "\n", "\n", "#", "{", "}", "[", "]", "'", "7", ".",
            ]),
            0..40,
        )
    ) {
        if let Err(error) = parse(&words.join(" ")) {
            prop_assert!(error.to_string().lines().all(|line| line.contains(": ")), "{}", error);
        }
    }
}
