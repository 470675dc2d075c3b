//! The device files of a GPU, and of a part of one (MIG): what a workload that holds it must be able to open.

use std::path::Path;

use intent::{DeviceKind, DeviceWish};

use super::devices::majors;
use crate::block::DeviceNumber;
use crate::host::Host;
use crate::isolator::IsolateError;

/// The driver's own list of GPUs, by their PCI address.
const NVIDIA_GPUS: &str = "/proc/driver/nvidia/gpus";
/// A line of its `information`.
const DEVICE_MINOR: &str = "Device Minor:";
/// What MIG devices are used by: `gpu0/mig/gi3/access` for a GPU instance, `gpu0/mig/gi3/ci0/access` for a compute instance in it.
const CAPABILITIES: &str = "/proc/driver/nvidia/capabilities";
const ACCESS: &str = "access";
/// A line of it: the number of `/dev/nvidia-caps/nvidia-capN`.
const DEVICE_FILE_MINOR: &str = "DeviceFileMinor:";
/// The major of NVIDIA's GPUs; minors up to 253 are GPUs, the last two are for all.
pub(super) const NVIDIA_MAJOR: u32 = 195;
pub(super) const NVIDIA_LAST_GPU: u32 = 253;
/// The name of a GPU's device: `nvidia0`.
const NVIDIA: &str = "nvidia";
/// The driver of the capabilities by which MIG devices are used.
pub(super) const NVIDIA_CAPS: &str = "nvidia-caps";
/// `card0`, `renderD128` of a GPU below its PCI device.
const PCI_DEVICES: &str = "/sys/bus/pci/devices";
const DRM: &str = "drm";
/// The names of DRM's device files (`drivers/gpu/drm/drm_drv.c`). sysfs also has `controlD64`, a link to `card0` for old programs,
/// without a device file of that name: a runtime that is told of it finds nothing.
const DRM_NODES: [&str; 2] = ["card", "renderD"];
const DEV: &str = "dev";

/// A device file.
pub(super) struct Node {
    /// Where it stands.
    pub path: String,
    /// Its number.
    pub number: DeviceNumber,
}

/// Whether a device is a GPU or a part of one.
pub(crate) fn is_gpu(wish: &DeviceWish) -> bool {
    matches!(wish.kind, DeviceKind::Gpu | DeviceKind::Mig)
}

/// The paths of the device files of a GPU or a part of one.
///
/// # Errors
/// When this host has none of it.
pub(crate) fn device_nodes(host: &Host, wish: &DeviceWish) -> Result<Vec<String>, IsolateError> {
    Ok(nodes(host, wish)?.into_iter().map(|node| node.path).collect())
}

/// Its device files.
pub(super) fn nodes(host: &Host, wish: &DeviceWish) -> Result<Vec<Node>, IsolateError> {
    match wish.kind {
        DeviceKind::Mig => part(host, wish),
        DeviceKind::Gpu | DeviceKind::Block => whole(host, wish),
    }
}

/// NVIDIA's own device, and the DRM devices of the PCI device that it is.
fn whole(host: &Host, wish: &DeviceWish) -> Result<Vec<Node>, IsolateError> {
    let name = wish.device.as_deref().and_then(|name| name.strip_prefix(NVIDIA));
    let mut nodes: Vec<Node> = nvidia(host, wish, name).into_iter().collect();
    if let Some(pci) = wish.pci {
        let drm = Path::new(PCI_DEVICES).join(pci.to_string()).join(DRM);
        let names = host.entries(&drm).unwrap_or_default();
        let is_node = |name: &&String| DRM_NODES.iter().any(|start| name.starts_with(start));
        for name in names.iter().filter(is_node) {
            let text = host.read(&drm.join(name).join(DEV)).ok().flatten();
            let number = text.as_deref().and_then(DeviceNumber::parse);
            nodes.extend(number.map(|number| Node {
                path: format!("/dev/dri/{name}"),
                number,
            }));
        }
    }
    if nodes.is_empty() {
        return Err(missing(
            wish,
            format!("neither {NVIDIA_GPUS} nor {PCI_DEVICES} has a device of it"),
        ));
    }
    Ok(nodes)
}

/// NVIDIA's own device of a GPU. The place is looked at first: names change with the order in which drivers found their devices.
fn nvidia(host: &Host, wish: &DeviceWish, by_name: Option<&str>) -> Option<Node> {
    let by_place = wish.pci.and_then(|pci| {
        let file = Path::new(NVIDIA_GPUS).join(pci.to_string()).join("information");
        number_after(host, &file, DEVICE_MINOR)
    });
    let minor = by_place.or_else(|| by_name?.parse().ok());
    let minor = minor.filter(|minor| *minor <= NVIDIA_LAST_GPU)?;
    let major = NVIDIA_MAJOR;
    Some(Node {
        path: format!("/dev/{NVIDIA}{minor}"),
        number: DeviceNumber { major, minor },
    })
}

/// A part of a GPU: NVIDIA's own device of the whole, and the capabilities of the GPU instance and of the compute instance in it.
fn part(host: &Host, wish: &DeviceWish) -> Result<Vec<Node>, IsolateError> {
    let place = wish.device.as_deref().unwrap_or_default();
    let [gpu, instance, compute] = instances(place).ok_or_else(|| {
        missing(
            wish,
            format!("which part of its GPU it is was not told by the driver ({place:?}); expected gpu0/mig/gi3/ci0"),
        )
    })?;
    let whole = nvidia(host, wish, Some(&gpu.to_string()));
    let whole = whole.ok_or_else(|| missing(wish, format!("{NVIDIA_GPUS} has no GPU {gpu}")))?;
    let major = majors(host).into_iter().find(|(name, _)| name == NVIDIA_CAPS);
    let (_, major) = major.ok_or_else(|| missing(wish, format!("/proc/devices has no {NVIDIA_CAPS}")))?;
    let mut nodes = vec![whole];
    let instance = format!("gpu{gpu}/mig/gi{instance}");
    for capability in [instance.clone(), format!("{instance}/ci{compute}")] {
        let file = Path::new(CAPABILITIES).join(capability).join(ACCESS);
        let minor = number_after(host, &file, DEVICE_FILE_MINOR)
            .ok_or_else(|| missing(wish, format!("{} does not name its device", file.display())))?;
        nodes.push(Node {
            path: format!("/dev/{NVIDIA_CAPS}/nvidia-cap{minor}"),
            number: DeviceNumber { major, minor },
        });
    }
    Ok(nodes)
}

/// The numbers in `gpu0/mig/gi3/ci0`.
fn instances(place: &str) -> Option<[u32; 3]> {
    let [gpu, mig, instance, compute] = place.split('/').collect::<Vec<_>>().try_into().ok()?;
    let number = |word: &str, before| word.strip_prefix(before)?.parse::<u32>().ok();
    let gpu = number(gpu, "gpu").filter(|_| mig == "mig")?;
    Some([gpu, number(instance, "gi")?, number(compute, "ci")?])
}

fn number_after(host: &Host, file: &Path, key: &str) -> Option<u32> {
    let text = host.read(file).ok().flatten()?;
    let number = text.lines().find_map(|line| line.strip_prefix(key))?;
    number.trim().parse().ok()
}

fn missing(wish: &DeviceWish, why: String) -> IsolateError {
    IsolateError::NoDevice {
        device: wish.name(),
        why,
    }
}
