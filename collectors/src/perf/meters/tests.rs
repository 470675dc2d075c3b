//! Tests of which PMUs are found, on trees as Intel's and AMD's drivers write them.
#![allow(clippy::unwrap_used)]

use super::super::pmu::tests::tree;
use super::*;

const FIELD: &str = "config:0-7\n";
const MIB_SCALE: &str = "6.103515625e-5\n";
const ENERGY_SCALE: &str = "2.3283064365386962890625e-10\n";

fn shown(found: &[Found]) -> Vec<(String, &'static str, f64)> {
    found
        .iter()
        .map(|one| (format!("{}/{}", one.pmu.name, one.event), one.label, one.worth))
        .collect()
}

#[test]
fn a_server_counts_what_its_memory_controllers_and_energy_meters_offer() {
    let (_tree, root) = tree(&[
        ("uncore_imc_0/type", "14\n"),
        ("uncore_imc_0/cpumask", "0,28\n"),
        ("uncore_imc_0/format/event", FIELD),
        ("uncore_imc_0/format/umask", "config:8-15\n"),
        ("uncore_imc_0/events/cas_count_read", "event=0x04,umask=0x03\n"),
        ("uncore_imc_0/events/cas_count_read.scale", MIB_SCALE),
        ("uncore_imc_0/events/cas_count_read.unit", "MiB\n"),
        ("uncore_imc_0/events/clockticks", "event=0x00\n"),
        ("uncore_imc_free_running_0/type", "20\n"),
        ("uncore_imc_free_running_0/cpumask", "0\n"),
        ("uncore_imc_free_running_0/format/event", FIELD),
        ("uncore_imc_free_running_0/events/data_read", "event=0x20\n"),
        ("uncore_imc_free_running_0/events/data_read.unit", "MiB\n"),
        ("power/type", "9\n"),
        ("power/cpumask", "0,28\n"),
        ("power/format/event", FIELD),
        ("power/events/energy-pkg", "event=0x02\n"),
        ("power/events/energy-pkg.scale", ENERGY_SCALE),
        ("power/events/energy-pkg.unit", "Joules\n"),
        ("power/events/energy-gpu", "event=0x04\n"),
    ]);
    let (found, missing) = find(&root);
    assert_eq!(missing, []);
    assert_eq!(
        shown(&found),
        [
            ("uncore_imc_0/cas_count_read".to_owned(), "read", 64.0),
            ("power/energy-pkg".to_owned(), "package", 1.0 / 4_294_967_296.0),
        ],
        "free-running counters would count the same traffic twice"
    );
}

#[test]
fn a_laptop_has_free_running_counters_alone() {
    let (_tree, root) = tree(&[
        ("uncore_imc_free_running_0/type", "20\n"),
        ("uncore_imc_free_running_0/cpumask", "0\n"),
        ("uncore_imc_free_running_0/format/event", FIELD),
        ("uncore_imc_free_running_0/events/data_read", "event=0x20\n"),
        (
            "uncore_imc_free_running_0/events/data_read.scale",
            "6.103515625e-5\n",
        ),
        ("uncore_imc_free_running_0/events/data_read.unit", "MiB\n"),
        ("uncore_imc_free_running_0/events/data_write", "event=0x30\n"),
        (
            "uncore_imc_free_running_0/events/data_write.scale",
            "6.103515625e-5\n",
        ),
        ("uncore_imc_free_running_0/events/data_write.unit", "MiB\n"),
    ]);
    let directions: Vec<_> = find(&root).0.iter().map(|one| one.label).collect();
    assert_eq!(directions, ["read", "write"]);
}

#[test]
fn a_unit_that_is_not_known_is_no_number() {
    let (_tree, root) = tree(&[
        ("power/type", "9\n"),
        ("power/cpumask", "0\n"),
        ("power/format/event", FIELD),
        ("power/events/energy-pkg", "event=0x02\n"),
        ("power/events/energy-pkg.scale", ENERGY_SCALE),
        ("power/events/energy-pkg.unit", "Calories\n"),
    ]);
    let (found, missing) = find(&root);
    assert!(found.is_empty());
    let message = &missing.first().unwrap().message;
    assert!(message.contains("\"Calories\"; expected Joules"), "{message}");
}

#[test]
fn a_pmu_that_this_kernel_has_is_opened_by_its_type() {
    let root = Root::host();
    let Ok(msr) = Pmu::read(&root, "msr") else {
        println!("skipped: no PMU msr");
        return;
    };
    let event = msr.event(&root, "tsc").unwrap();
    let wanted = Wanted {
        kind: msr.kind,
        config: event.config,
    };
    let Some(cpu) = place::online(&root).unwrap().first() else {
        return;
    };
    let mut counters = match Counters::open(Target::Everybody(cpu), &[wanted], 1) {
        Ok(counters) => counters,
        Err(refusal) => {
            println!("skipped: {}", refusal.explain("msr/tsc"));
            return;
        }
    };
    let mut samples = Vec::new();
    for _ in 0..2 {
        counters.read(|_, sample| samples.push(sample)).unwrap();
    }
    let (first, second) = (samples.first().unwrap(), samples.last().unwrap());
    assert!(
        second.value > first.value && second.enabled > first.enabled,
        "{samples:?}"
    );
    assert_eq!(second.enabled, second.running);
}
