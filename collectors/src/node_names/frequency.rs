//! Names of node_exporter's `cpufreq`, and the throttles of its `cpu`.

use facts::Family;
use facts::sheet::Writing;

use crate::columns;
use crate::root::Root;

facts::families! {
    CORE_THROTTLES Counter "node_cpu_core_throttles_total" ["core", "package"]
        "Times that heat slowed down a core." from "sysfs thermal_throttle";
    PACKAGE_THROTTLES Counter "node_cpu_package_throttles_total" ["package"]
        "Times that heat slowed down a package." from "sysfs thermal_throttle";
    CURRENT Gauge "node_cpu_frequency_hertz" ["cpu"]
        "Clock of a CPU as its hardware tells it; root alone may ask." from "sysfs cpufreq";
    LEAST Gauge "node_cpu_frequency_min_hertz" ["cpu"]
        "Slowest clock that a CPU can have." from "sysfs cpufreq";
    MOST Gauge "node_cpu_frequency_max_hertz" ["cpu"]
        "Fastest clock that a CPU can have." from "sysfs cpufreq";
    SCALING Gauge "node_cpu_scaling_frequency_hertz" ["cpu"]
        "Clock of a CPU as its driver last knew it." from "sysfs cpufreq";
    SCALING_LEAST Gauge "node_cpu_scaling_frequency_min_hertz" ["cpu"]
        "Slowest clock that a CPU may have now." from "sysfs cpufreq";
    SCALING_MOST Gauge "node_cpu_scaling_frequency_max_hertz" ["cpu"]
        "Fastest clock that a CPU may have now." from "sysfs cpufreq";
}

const FILES: [(&Family, &str); 6] = [
    (&CURRENT, "cpuinfo_cur_freq"),
    (&LEAST, "cpuinfo_min_freq"),
    (&MOST, "cpuinfo_max_freq"),
    (&SCALING, "scaling_cur_freq"),
    (&SCALING_LEAST, "scaling_min_freq"),
    (&SCALING_MOST, "scaling_max_freq"),
];

/// cpufreq tells kilohertz.
const HERTZ_OF_KILOHERTZ: u64 = 1000;

/// One CPU's clocks.
pub(crate) fn write(root: &Root, directory: &str, cpu: &str, sheet: &mut Writing<'_>) {
    for (family, file) in FILES {
        let Ok(bytes) = root.read_bytes(&format!("{directory}/{file}")) else {
            continue;
        };
        let hertz =
            columns::whole(bytes.trim_ascii()).and_then(|clock| clock.checked_mul(HERTZ_OF_KILOHERTZ));
        if hertz.is_none() {
            sheet.invalid();
        }
        sheet.add(family, &[cpu], hertz);
    }
}
