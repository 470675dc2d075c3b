//! The ports on which both daemons listen where nobody says otherwise, beside those of exporters that run on servers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::Path;

/// Examples of configurations with the ports that hold without one.
const OURS: [(&str, &str); 2] = [
    ("busbar-agent", "agent/deploy/agent.toml"),
    ("busbar-rack", "rack-controller/deploy/rack.toml"),
];

/// What else may listen on a server that has an agent, or on a machine that runs a rack controller: Prometheus' own programs, and
/// exporters of hosts, hardware and what servers usually run, by the defaults of their own documentation.
const THEIRS: [(u16, &str); 43] = [
    (2379, "etcd"),
    (4194, "cadvisor of old kubelets"),
    (5666, "NRPE"),
    (8080, "cadvisor"),
    (8125, "statsd"),
    (8428, "VictoriaMetrics"),
    (8429, "vmagent"),
    (8888, "OpenTelemetry collector"),
    (9000, "minio"),
    (9090, "Prometheus"),
    (9091, "Pushgateway"),
    (9093, "Alertmanager"),
    (9094, "Alertmanager's cluster"),
    (9100, "node_exporter"),
    (9101, "haproxy_exporter"),
    (9102, "statsd_exporter"),
    (9103, "collectd_exporter"),
    (9104, "mysqld_exporter"),
    (9113, "nginx exporter"),
    (9115, "blackbox_exporter"),
    (9116, "snmp_exporter"),
    (9117, "apache_exporter"),
    (9121, "redis_exporter"),
    (9127, "pgbouncer_exporter"),
    (9128, "ceph_exporter"),
    (9134, "zfs_exporter"),
    (9153, "CoreDNS"),
    (9162, "apcupsd_exporter"),
    (9177, "libvirt_exporter"),
    (9182, "windows_exporter"),
    (9187, "postgres_exporter"),
    (9256, "process-exporter"),
    (9273, "telegraf"),
    (9283, "ceph-mgr"),
    (9290, "ipmi_exporter"),
    (9323, "docker"),
    (9400, "dcgm-exporter"),
    (9435, "ebpf_exporter"),
    (9558, "systemd_exporter"),
    (9633, "smartctl_exporter"),
    (9835, "nvidia_gpu_exporter"),
    (10250, "kubelet"),
    (19999, "netdata"),
];

/// `listen_address = "127.0.0.1:9711"` in an example, commented out or not.
fn port_in(example: &str) -> u16 {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(example);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let line = text
        .lines()
        .find(|line| line.contains("listen_address = "))
        .unwrap();
    let address = line.split('"').nth(1).unwrap();
    address.rsplit(':').next().unwrap().parse().unwrap()
}

#[test]
fn nothing_that_runs_on_servers_has_one_of_our_ports() {
    let ours = OURS.map(|(name, example)| (port_in(example), name));
    assert_eq!(
        ours[0].0,
        agent::config::DEFAULT_PORT,
        "the example says what holds"
    );
    assert_ne!(ours[0].0, ours[1].0, "both may run on one machine");
    let theirs: BTreeMap<u16, &str> = THEIRS.into_iter().collect();
    assert_eq!(theirs.len(), THEIRS.len(), "a port stands twice");
    for (port, name) in ours {
        assert_eq!(theirs.get(&port), None, "{name} listens where another does");
    }
}

#[test]
fn the_page_for_operators_names_both() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operate.md");
    let page = std::fs::read_to_string(page).unwrap();
    for (name, example) in OURS {
        let row = format!("| {} | `{name}` |", port_in(example));
        assert!(page.contains(&row), "docs/operate.md has no row {row:?}");
    }
}
