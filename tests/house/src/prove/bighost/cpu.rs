//! One CPU of the large server: where it lies, its caches, its clock.

use super::{CPUS, Tree, cpus_of_socket, mask, of_socket, siblings, socket};
use crate::Wrong;

pub(super) fn write(tree: &Tree, cpu: usize) -> Result<(), Wrong> {
    let folder = format!("sys/devices/system/cpu/cpu{cpu}");
    let [first, second] = siblings(cpu);
    let threads = format!("{first},{second}");
    let package = socket(cpu);
    tree.put_all(
        &format!("{folder}/topology"),
        &[
            ("core_id", (cpu % (CPUS / 4)).to_string()),
            ("physical_package_id", package.to_string()),
            ("die_id", "0".to_owned()),
            ("thread_siblings", mask([first, second].into_iter())),
            ("thread_siblings_list", threads.clone()),
            ("core_cpus", mask([first, second].into_iter())),
            ("core_cpus_list", threads.clone()),
            ("core_siblings", mask(of_socket(package))),
            ("core_siblings_list", cpus_of_socket(package)),
            ("package_cpus", mask(of_socket(package))),
            ("package_cpus_list", cpus_of_socket(package)),
        ],
    )?;
    tree.put_all(
        &format!("{folder}/thermal_throttle"),
        &[
            ("core_throttle_count", (cpu % 3).to_string()),
            ("package_throttle_count", "1".to_owned()),
        ],
    )?;
    let clock = (2_500_000 + cpu).to_string();
    let clocks = [
        ("cpuinfo_cur_freq", clock.as_str()),
        ("scaling_cur_freq", clock.as_str()),
        ("cpuinfo_max_freq", "3800000"),
        ("scaling_max_freq", "3800000"),
        ("cpuinfo_min_freq", "800000"),
        ("scaling_min_freq", "800000"),
        ("cpuinfo_transition_latency", "0"),
        ("scaling_governor", "performance"),
        ("scaling_available_governors", "performance powersave"),
        ("scaling_driver", "intel_pstate"),
        ("scaling_setspeed", "<unsupported>"),
    ];
    tree.put_all(
        &format!("{folder}/cpufreq"),
        &clocks.map(|(name, text)| (name, text.to_owned())),
    )?;
    tree.put(&format!("{folder}/cpufreq/related_cpus"), cpu.to_string())?;
    caches(tree, &folder, cpu)
}

fn caches(tree: &Tree, folder: &str, cpu: usize) -> Result<(), Wrong> {
    let caches = [
        (1, "Data", "48K", false),
        (1, "Instruction", "32K", false),
        (2, "Unified", "2048K", false),
        (3, "Unified", "61440K", true),
    ];
    for (index, (level, kind, size, is_shared)) in caches.into_iter().enumerate() {
        let map = if is_shared {
            mask(of_socket(socket(cpu)))
        } else {
            mask(siblings(cpu).into_iter())
        };
        tree.put_all(
            &format!("{folder}/cache/index{index}"),
            &[
                ("level", level.to_string()),
                ("type", kind.to_owned()),
                ("size", size.to_owned()),
                ("shared_cpu_map", map),
                ("coherency_line_size", "64".to_owned()),
            ],
        )?;
    }
    Ok(())
}
