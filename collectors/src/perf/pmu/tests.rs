//! Tests of the reader of PMUs on trees as kernels write them. Their content follows the kernel's drivers (uncore_snbep.c, rapl.c,
//! intel/core.c); no recorded machine that we have holds a PMU.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;

use super::*;

pub(in crate::perf) fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir_all(directory.path().join(DEVICES)).unwrap();
    for (file, text) in files {
        let path = directory.path().join(DEVICES).join(Path::new(file));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let root = Root::at(directory.path()).unwrap();
    (directory, root)
}

#[test]
fn an_uncore_pmu_is_read_with_its_units_and_places() {
    let (_tree, root) = tree(&[
        ("uncore_imc_0/type", "14\n"),
        ("uncore_imc_0/cpumask", "0,28\n"),
        ("uncore_imc_0/format/event", "config:0-7\n"),
        ("uncore_imc_0/format/umask", "config:8-15\n"),
        ("uncore_imc_0/format/broken", "who knows\n"),
        ("uncore_imc_0/events/cas_count_read", "event=0x04,umask=0x03\n"),
        ("uncore_imc_0/events/cas_count_read.scale", "6.103515625e-5\n"),
        ("uncore_imc_0/events/cas_count_read.unit", "MiB\n"),
        ("uncore_imc_0/events/odd", "broken=0x1\n"),
    ]);
    let pmu = Pmu::read(&root, "uncore_imc_0").unwrap();
    assert_eq!((pmu.kind, pmu.cpus.to_string()), (14, "0,28".to_owned()));
    assert_eq!(pmu.events(&root), ["cas_count_read", "odd"]);
    let event = pmu.event(&root, "cas_count_read").unwrap();
    assert_eq!(event.config, [0x0304, 0, 0, 0]);
    assert_eq!((event.scale, event.unit.as_str()), (1.0 / 16_384.0, "MiB"));
    assert!(expect_unit(&pmu, "cas_count_read", &event, "MiB").is_ok());
    assert!(expect_unit(&pmu, "cas_count_read", &event, "Joules").is_err());
    let error = pmu.event(&root, "odd").unwrap_err().explain();
    assert!(error.contains("\"broken\" is no field"), "{error}");
    assert!(pmu.event(&root, "missing").is_err());
}

#[test]
fn what_is_garbled_is_an_error_with_its_file() {
    let (_tree, root) = tree(&[
        ("a/type", "N/A\n"),
        ("b/type", "12\n"),
        ("b/cpumask", "-1\n"),
        ("c/type", "12\n"),
        ("c/events/e", "event=1\n"),
        ("c/format/event", "config:0-7\n"),
        ("c/events/e.scale", "0\n"),
    ]);
    assert!(Pmu::read(&root, "a").unwrap_err().explain().contains("a/type"));
    assert!(Pmu::read(&root, "b").unwrap_err().explain().contains("b/cpumask"));
    let pmu = Pmu::read(&root, "c").unwrap();
    assert!(pmu.cpus.is_empty());
    assert!(pmu.event(&root, "e").unwrap_err().explain().contains("e.scale"));
}

#[test]
fn generic_events_of_hybrid_cores_name_their_pmu() {
    let (_tree, root) = tree(&[
        ("cpu_core/type", "4\n"),
        ("cpu_core/cpus", "0-11\n"),
        ("cpu_atom/type", "10\n"),
        ("cpu_atom/cpus", "12-19\n"),
        ("power/type", "9\n"),
    ]);
    let kinds = CoreKinds::read(&root);
    assert_eq!(kinds.core_type(CpuId(3)), "core");
    assert_eq!(kinds.core_type(CpuId(12)), "atom");
    assert_eq!(kinds.core_type(CpuId(99)), "");
    assert_eq!(kinds.config(CpuId(0), 1), 4 << 32 | 1);
    assert_eq!(kinds.config(CpuId(19), 3), 10 << 32 | 3);
}

#[test]
fn cores_that_are_all_alike_have_no_kind_and_arms_need_no_extension() {
    let (_tree, root) = tree(&[("armv8_pmuv3_0/type", "8\n"), ("armv8_pmuv3_0/cpus", "0-3\n")]);
    assert_eq!(CoreKinds::read(&root), CoreKinds::default());
    let (_tree, root) = tree(&[
        ("armv8_cortex_a53/type", "8\n"),
        ("armv8_cortex_a53/cpus", "0-3\n"),
        ("armv8_cortex_a72/type", "9\n"),
        ("armv8_cortex_a72/cpus", "4-5\n"),
    ]);
    let kinds = CoreKinds::read(&root);
    assert_eq!(kinds.core_type(CpuId(4)), "armv8_cortex_a72");
    assert_eq!(kinds.config(CpuId(4), 1), 1);
}

#[test]
fn this_machines_pmus_can_be_read() {
    let root = Root::host();
    let Ok(names) = names(&root) else {
        println!("skipped: no {DEVICES}");
        return;
    };
    for name in names {
        let pmu = Pmu::read(&root, &name).expect("a PMU of the kernel");
        for event in pmu.events(&root) {
            // Some need a parameter; none may panic.
            let _ = pmu.event(&root, &event);
        }
    }
}
