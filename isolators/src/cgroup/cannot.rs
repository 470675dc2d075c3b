//! What this host's cgroups cannot do, with what would give it: a line for people before anybody asks for it.

use super::layout::{Layout, Partitions};
use super::mount::{Controller, Version};

/// What gives what v1 does not have.
const V2_GIVES: &str = "cgroup v2: boot with systemd.unified_cgroup_hierarchy=1";

/// Something that cannot be done here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cannot {
    /// What is asked for, as an isolation calls it.
    pub what: &'static str,
    /// Why not.
    pub why: String,
    /// What would give it.
    pub gives: String,
}

/// What v1 has no file for: the controller, what it is, and why.
const NOT_IN_V1: [(Controller, &str, &str); 6] = [
    (
        Controller::Memory,
        "memory_min",
        "v1 keeps no memory for a cgroup",
    ),
    (
        Controller::Memory,
        "memory_high",
        "v1 slows no cgroup down that has too much memory",
    ),
    (
        Controller::Memory,
        "memory_oom_group",
        "v1 ends one process at a time for want of memory",
    ),
    (
        Controller::Io,
        "io.weight",
        "the I/O schedulers of v1 weigh whole cgroups only",
    ),
    (Controller::Io, "io.latency", "v1 has no io.latency"),
    (
        Controller::Io,
        "limits of buffered writes",
        "v1 counts writes of the page cache to nobody, so blkio.throttle.write_* reach direct writes only",
    ),
];

/// Everything that cannot be done here.
pub fn cannot(layout: &Layout) -> Vec<Cannot> {
    let mut all = Vec::new();
    for (controller, why) in &layout.cgroups.missing {
        let word = controller.word();
        all.push(Cannot {
            what: word,
            why: why.clone(),
            gives: format!("a kernel with the {word} controller, mounted where the agent may write"),
        });
    }
    if let Partitions::Unavailable(why) = &layout.partitions {
        all.push(Cannot {
            what: "partition",
            why: why.clone(),
            gives: V2_GIVES.to_owned(),
        });
    }
    for (controller, what, why) in NOT_IN_V1 {
        let place = layout.cgroups.places.get(&controller);
        if place.is_some_and(|place| place.version == Version::V1) {
            all.push(Cannot {
                what,
                why: why.to_owned(),
                gives: V2_GIVES.to_owned(),
            });
        }
    }
    all
}
