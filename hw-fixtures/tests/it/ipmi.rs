//! The IPMI face as a stranger sees it: `ipmitool` with cipher suites 3 and 17, and a raw socket.

use std::net::UdpSocket;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use super::raised::Raised;

struct Tool {
    host: String,
    port: String,
    user: String,
    password: String,
}

impl Tool {
    /// `None`, with a line that says so, where there is no `ipmitool`.
    fn of(world: &Raised, name: &str) -> Option<Tool> {
        let there = Command::new("ipmitool")
            .arg("-V")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if there.is_err() {
            println!("skipped: ipmitool is not installed");
            return None;
        }
        let address = address(world, name);
        let (host, port) = address.split_once(':').unwrap();
        let bmc = world.bmc(name);
        Some(Tool {
            host: host.to_owned(),
            port: port.to_owned(),
            user: bmc.user,
            password: bmc.password,
        })
    }

    fn run(&self, suite: &str, password: &str, words: &[&str]) -> Output {
        Command::new("ipmitool")
            .args(["-I", "lanplus", "-C", suite, "-N", "2", "-R", "3"])
            .args([
                "-H", &self.host, "-p", &self.port, "-U", &self.user, "-P", password,
            ])
            .args(words)
            .output()
            .unwrap()
    }

    fn says(&self, suite: &str, words: &[&str]) -> String {
        let output = self.run(suite, &self.password, words);
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        );
        assert!(output.status.success(), "{words:?}: {out}{err}");
        out
    }
}

fn address(world: &Raised, name: &str) -> String {
    let bmcs = world.addresses["bmcs"].as_array().unwrap();
    let found = bmcs.iter().find(|bmc| bmc["name"] == name).unwrap();
    found["ipmi"].as_str().unwrap().to_owned()
}

#[test]
fn ipmitool_reads_the_shelf_with_both_suites_and_its_log_tells_of_a_pull() {
    let world = Raised::demo();
    let Some(tool) = Tool::of(&world, "shelf") else {
        return;
    };
    for suite in ["3", "17"] {
        let sensors = tool.says(suite, &["sdr", "elist", "full"]);
        assert!(
            sensors.contains("psu-0 Output") && sensors.contains("Watts"),
            "{sensors}"
        );
    }
    let ciphers = tool.says("17", &["channel", "getciphers", "ipmi"]);
    for suite in [
        ["3 ", "hmac_sha1 ", "hmac_sha1_96", "aes_cbc_128"],
        ["17 ", "hmac_sha256", "sha256_128", "aes_cbc_128"],
    ] {
        let is_it = |line: &str| line.starts_with(suite[0]) && suite.iter().all(|word| line.contains(word));
        assert!(ciphers.lines().any(is_it), "{suite:?}: {ciphers}");
    }
    assert_eq!(ciphers.lines().count(), 3, "a head and two suites: {ciphers}");
    let supplies = tool.says("17", &["sdr", "type", "Power Supply"]);
    assert!(
        supplies.contains("psu-3 Status") && supplies.contains("Presence detected"),
        "{supplies}"
    );
    let parts = tool.says("17", &["fru", "print"]);
    assert!(
        parts.contains("DN26-4401") && parts.contains("ECD-3000"),
        "{parts}"
    );
    assert!(tool.says("3", &["sel", "info"]).contains("Entries          : 0"));
    world.act(&["pull", "shelf/psu-3"]);
    let log = tool.says("3", &["sel", "elist"]);
    assert!(
        log.contains("psu-3 Status") && log.contains("Deasserted"),
        "{log}"
    );
    let info = tool.says("17", &["mc", "info"]);
    assert!(info.contains("IPMI Version              : 2.0"), "{info}");
}

#[test]
fn ipmitool_switches_lights_and_limits_a_node() {
    let world = Raised::demo();
    let Some(tool) = Tool::of(&world, "n01") else {
        return;
    };
    assert!(tool.says("17", &["power", "status"]).contains("is on"));
    tool.says("17", &["chassis", "identify", "force"]);
    let node = |world: &Raised| world.status()["nodes"][0].clone();
    assert_eq!(node(&world)["locate"], true);
    tool.says("3", &["chassis", "identify", "0"]);
    assert_eq!(node(&world)["locate"], false);
    assert!(
        tool.says("3", &["dcmi", "power", "reading"])
            .contains("Instantaneous power reading")
    );
    tool.says("17", &["dcmi", "power", "set_limit", "limit", "900"]);
    assert_eq!(
        node(&world)["limit_watts"],
        serde_json::Value::Null,
        "set is not in force"
    );
    tool.says("17", &["dcmi", "power", "activate"]);
    assert_eq!(node(&world)["limit_watts"].as_f64(), Some(900.0));
    tool.says("17", &["dcmi", "power", "deactivate"]);
    assert_eq!(node(&world)["limit_watts"], serde_json::Value::Null);
    tool.says("3", &["power", "off"]);
    assert_eq!(node(&world)["on"], false);
    assert!(tool.says("3", &["power", "status"]).contains("is off"));
}

#[test]
fn suite_0_and_a_wrong_password_are_refused() {
    let world = Raised::demo();
    let Some(tool) = Tool::of(&world, "shelf") else {
        return;
    };
    assert!(!tool.run("0", &tool.password, &["mc", "info"]).status.success());
    assert!(
        !tool
            .run("17", "another-password", &["mc", "info"])
            .status
            .success()
    );
    tool.says("17", &["mc", "info"]);
}

#[test]
fn a_bmc_that_was_told_to_hang_answers_nothing_and_its_neighbour_does() {
    let world = Raised::demo();
    let ping = [6, 0, 0xFF, 6, 0, 0, 0x11, 0xBE, 0x80, 1, 0, 0];
    let answers = |name: &str, wait: Duration| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(wait)).unwrap();
        socket.send_to(&ping, address(&world, name)).unwrap();
        socket.recv(&mut [0; 64]).is_ok()
    };
    world.act(&["bmc", "shelf", "answer", "never"]);
    assert!(answers("n01", Duration::from_secs(30)));
    assert!(!answers("shelf", Duration::from_millis(300)));
    world.act(&["bmc", "shelf", "answer", "ok"]);
    assert!(answers("shelf", Duration::from_secs(30)));
}
