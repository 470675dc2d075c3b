//! Specification files of the Container Device Interface (CDI): the GPUs that a workload was given, for whatever runs containers.
//!
//! One file a workload with GPUs, `busbar-NAME.json`, with one device, `busbar/workload=NAME`. The file is there as long as the
//! workload is. Nobody else's file is read for long, changed or removed.

use std::path::{Path, PathBuf};

use intent::{DeviceWish, Intent, Isolation, WorkloadId};
use serde_json::{Value, json};

use crate::cgroup::{Layout, device_nodes, is_gpu};
use crate::host::Host;
use crate::isolator::{IsolateError, Isolator, Phase};
use crate::step::Step;

/// The first version of the specification (https://github.com/cncf-tags/container-device-interface, SPEC.md) that has all words which
/// are used here: a runtime refuses a file of a version that it does not know, and Podman 4.3 knows none after 0.5.0.
const CDI_VERSION: &str = "0.3.0";
/// The first one in which a device's name may begin with a digit, as a workload's may.
const CDI_VERSION_OF_DIGITS: &str = "0.5.0";
/// Vendor and class of our devices.
const KIND: &str = "busbar/workload";
/// What begins and ends the names of our files.
const PREFIX: &str = "busbar-";
const SUFFIX: &str = ".json";
/// Devices that every user of an NVIDIA GPU opens.
const FOR_ALL: [&str; 4] = [
    "/dev/nvidiactl",
    "/dev/nvidia-uvm",
    "/dev/nvidia-uvm-tools",
    "/dev/nvidia-modeset",
];
/// A GPU's own device begins so.
const NVIDIA: &str = "/dev/nvidia";
/// NVIDIA's older hook is told to leave the container alone: what it may use stands here.
const LEGACY_HOOK_OFF: &str = "NVIDIA_VISIBLE_DEVICES=void";
/// Which GPUs these are, for programs in the container.
const GPUS: &str = "BUSBAR_GPUS";

/// Plans the specification files.
#[derive(Clone, Debug)]
pub struct Cdi {
    layout: Layout,
}

impl Cdi {
    /// For this layout.
    pub fn new(layout: &Layout) -> Cdi {
        Cdi {
            layout: layout.clone(),
        }
    }
}

/// The file of a workload in this directory.
pub fn file_of(dir: &Path, workload: &WorkloadId) -> PathBuf {
    dir.join(format!("{PREFIX}{workload}{SUFFIX}"))
}

/// Whether a workload has such a file.
pub fn has_file(isolation: &Isolation) -> bool {
    isolation.devices.iter().flatten().any(is_gpu)
}

/// Our files in this directory; none where it does not exist.
///
/// # Errors
/// When it cannot be listed.
pub fn files(host: &Host, dir: &Path) -> Result<Vec<PathBuf>, IsolateError> {
    let names = host.entries(dir).map_err(|cause| IsolateError::Unreadable {
        path: dir.to_owned(),
        cause,
    })?;
    let ours = |name: &&String| {
        let id = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.strip_suffix(SUFFIX));
        id.is_some_and(|id| id.parse::<WorkloadId>().is_ok())
    };
    let files = names.iter().filter(ours).map(|name| dir.join(name));
    // Somebody may call a file of another kind the same.
    Ok(files.filter(|file| is_ours(host, file)).collect())
}

fn is_ours(host: &Host, file: &Path) -> bool {
    let text = host.read(file).ok().flatten().unwrap_or_default();
    let spec: Value = serde_json::from_str(&text).unwrap_or_default();
    spec.get("kind").and_then(Value::as_str) == Some(KIND)
}

/// What the file of a workload says.
fn specification(host: &Host, workload: &WorkloadId, wishes: &[DeviceWish]) -> Result<String, IsolateError> {
    let gpus: Vec<&DeviceWish> = wishes.iter().filter(|wish| is_gpu(wish)).collect();
    let mut paths = Vec::new();
    for wish in &gpus {
        paths.extend(device_nodes(host, wish)?);
    }
    if paths.iter().any(|path| path.starts_with(NVIDIA)) {
        let there = FOR_ALL.iter().filter(|path| host.has(Path::new(path)));
        paths.extend(there.map(|path| (*path).to_owned()));
    }
    paths.sort();
    paths.dedup();
    let nodes: Vec<Value> = paths
        .iter()
        .map(|path| json!({"path": path, "permissions": "rw"}))
        .collect();
    let names: Vec<String> = gpus.iter().map(|wish| wish.name()).collect();
    let edits = json!({
        "deviceNodes": nodes,
        "env": [format!("{GPUS}={}", names.join(",")), LEGACY_HOOK_OFF],
    });
    let begins_with_digit = workload.as_str().starts_with(|c: char| c.is_ascii_digit());
    let spec = json!({
        "cdiVersion": if begins_with_digit { CDI_VERSION_OF_DIGITS } else { CDI_VERSION },
        "kind": KIND,
        "devices": [{"name": workload.as_str(), "containerEdits": edits}],
    });
    Ok(format!("{spec:#}"))
}

impl Isolator for Cdi {
    fn name(&self) -> &'static str {
        "cdi"
    }

    fn steps(&self, host: &Host, intent: &Intent) -> Result<Vec<(Phase, Step)>, IsolateError> {
        let Some(dir) = &self.layout.cdi else {
            return Ok(Vec::new());
        };
        let mut steps = Vec::new();
        let mut stale = files(host, dir)?;
        for isolation in intent.isolations.iter().filter(|isolation| has_file(isolation)) {
            let file = file_of(dir, &isolation.workload);
            stale.retain(|other| *other != file);
            let wishes = isolation.devices.as_deref().unwrap_or_default();
            let text = match specification(host, &isolation.workload, wishes) {
                Ok(text) => text,
                // One that went while its workload runs: the file stays as it is.
                Err(IsolateError::NoDevice { .. }) if host.has(&file) => continue,
                Err(error) => return Err(error),
            };
            let is = host.read(&file).map_err(|cause| IsolateError::Unreadable {
                path: file.clone(),
                cause,
            })?;
            if is.as_deref() == Some(text.as_str()) {
                continue;
            }
            if is.is_some() && !is_ours(host, &file) {
                return Err(IsolateError::NoneLeft {
                    wanted: format!("the file {}", file.display()),
                    left: "somebody else has one of that name; remove it, or name the workload otherwise"
                        .to_owned(),
                });
            }
            steps.push((Phase::Shape, Step::PlaceFile { file, text }));
        }
        steps.extend(
            stale
                .into_iter()
                .map(|file| (Phase::Release, Step::RemoveFile { file })),
        );
        Ok(steps)
    }
}
