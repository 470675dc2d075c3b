//! Machines put together from files: each thing that is missing is named once, with what would give it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("proc")).unwrap();
    for (file, text) in files {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let root = Root::at(dir.path()).unwrap();
    (dir, root)
}

fn parts(files: &[(&str, &str)]) -> Vec<&'static str> {
    let (_dir, root) = machine(files);
    missing(&root).into_iter().map(|missing| missing.part).collect()
}

const METAL: (&str, &str) = (
    "proc/cpuinfo",
    "vendor_id : GenuineIntel\nflags : fpu cqm_mbm_total\n",
);
const GUEST: (&str, &str) = (
    "proc/cpuinfo",
    "vendor_id : GenuineIntel\nflags : fpu hypervisor\n",
);
const UNIFIED: (&str, &str) = (
    "proc/self/mountinfo",
    "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
);
const CPUSET: (&str, &str) = ("sys/fs/cgroup/cgroup.controllers", "cpuset cpu memory\n");

#[test]
fn bare_metal_without_drivers_misses_what_it_could_have() {
    assert_eq!(
        parts(&[METAL, UNIFIED, CPUSET]),
        ["resctrl", "edac", "power", "sensors"]
    );
}

#[test]
fn a_guest_is_not_told_to_load_what_it_cannot_have() {
    assert_eq!(parts(&[GUEST, UNIFIED, CPUSET]), Vec::<&str>::new());
    let no_counters = ("sys/bus/event_source/devices/software/type", "1\n");
    assert_eq!(parts(&[GUEST, UNIFIED, CPUSET, no_counters]), ["perf"]);
}

#[test]
fn what_is_there_is_not_missing() {
    let whole = [
        METAL,
        UNIFIED,
        CPUSET,
        ("sys/fs/resctrl/info/L3_MON/mon_features", "llc_occupancy\n"),
        ("sys/devices/system/edac/mc/mc0/ce_count", "0\n"),
        ("sys/class/powercap/intel-rapl:0/energy_uj", "1\n"),
        ("sys/class/hwmon/hwmon0/name", "coretemp\n"),
        ("sys/bus/event_source/devices/cpu/type", "4\n"),
    ];
    assert_eq!(parts(&whole), Vec::<&str>::new());
}

#[test]
fn kernel_options_that_are_off_cost_their_families() {
    let (_dir, root) = machine(&[
        GUEST,
        ("proc/sys/kernel/osrelease", "6.1.0\n"),
        (
            "boot/config-6.1.0",
            "CONFIG_NUMA=y\nCONFIG_POWERCAP=y\nCONFIG_HWMON=m\n",
        ),
    ]);
    let all = missing(&root);
    let psi = all
        .iter()
        .find(|missing| missing.what.contains("CONFIG_PSI"))
        .unwrap();
    assert!(psi.what.contains("/boot/config-6.1.0") && psi.families.contains(&"busbar_pressure_*"));
    assert!(!all.iter().any(|missing| missing.what.contains("CONFIG_NUMA")));
    assert!(all.iter().any(|missing| missing.part == "cgroups"));
}

#[test]
fn everything_that_is_missing_has_a_remedy() {
    let (_dir, root) = machine(&[METAL]);
    for missing in missing(&root) {
        assert!(
            !missing.remedy.is_empty() && !missing.costs.is_empty(),
            "{missing:?}"
        );
    }
    // The host that runs this test too, whatever it is.
    for missing in super::missing(&Root::host()) {
        assert!(!missing.remedy.is_empty(), "{missing:?}");
    }
}
