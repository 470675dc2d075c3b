//! The devices that a workload may use: no others of the kinds that it was given some of; devices of other kinds stay as they are.
//! A GPU or a drive that one workload was given is kept from all other workloads too, as long as it is (v2).
//!
//! In v2 the rules become a program that is attached to the cgroup; in v1 they become the lists of the devices controller.

use std::path::Path;

use intent::{DeviceKind, DeviceWish, Intent, Isolation};

use super::device_list;
use super::gpu::{NVIDIA_CAPS, NVIDIA_LAST_GPU, NVIDIA_MAJOR, is_gpu, nodes};
use super::layout::Layout;
use super::mount::{Controller, Version};
use crate::block::{CLASS_BLOCK, DeviceNumber, disk_and_partitions, number_of};
use crate::host::Host;
use crate::isolator::{IsolateError, Isolator, Phase};
use crate::rule::{Access, DeviceRule, Kind, program_name};
use crate::step::Step;

/// Majors by the driver's name.
const DEVICES: &str = "/proc/devices";
/// The major of DRM devices.
const DRM_MAJOR: u32 = 226;
/// The kernel's own name of a drive for ever.
const WWID: &str = "wwid";
/// Character devices that reach past a block device to what is behind it, by their drivers.
const BEHIND_BLOCK: [&str; 4] = ["nvme", "nvme-generic", "sg", "bsg"];

/// Plans the rules of devices.
#[derive(Clone, Debug)]
pub struct Devices {
    layout: Layout,
}

impl Devices {
    /// For this layout.
    pub fn new(layout: &Layout) -> Devices {
        Devices {
            layout: layout.clone(),
        }
    }

    fn of_one(
        &self,
        host: &Host,
        isolation: &Isolation,
        held: &[DeviceWish],
    ) -> Result<Vec<(Phase, Step)>, IsolateError> {
        let wishes = isolation.devices.as_deref().unwrap_or_default();
        let place = match self.layout.place(Controller::Devices) {
            Ok(place) => place,
            Err(_) if wishes.is_empty() => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        if place.version == Version::V1 && wishes.is_empty() {
            return Ok(Vec::new());
        }
        let dir = self.layout.group(place, isolation);
        let is_there = host.is_dir(&dir);
        let mut rules = match rules(host, wishes) {
            Ok(rules) => rules,
            // One that went while its workload runs: what it had stays as it is, and nobody else waits for it.
            Err(IsolateError::NoDevice { .. }) if is_there => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        if place.version == Version::V1 {
            return device_list::steps(host, &dir, &rules);
        }
        // Who was given some of a kind may use no others of it anyway. One that has gone is nobody's: nothing of it is kept away.
        for is_kind in [is_gpu, is_block] {
            if !wishes.iter().any(is_kind) {
                let theirs = held.iter().filter(|wish| is_kind(wish));
                let theirs = theirs.filter_map(|wish| allowing(host, wish).ok()).flatten();
                rules.extend(theirs.map(|rule| DeviceRule {
                    access: Access::Deny,
                    ..rule
                }));
            }
        }
        let before = is_there.then(|| attached(host, &dir)).flatten();
        if before.as_deref() == Some(program_name(&rules).as_str()) || before.is_none() && rules.is_empty() {
            return Ok(Vec::new());
        }
        let phase = match (rules.is_empty(), is_there) {
            (true, _) => Phase::Grant,
            (false, true) => Phase::Release,
            (false, false) => Phase::Shape,
        };
        Ok(vec![(phase, Step::AllowDevices { dir, rules, before })])
    }
}

/// The name of our program on this cgroup; `None` where there is none, or where we may not ask.
fn attached(host: &Host, dir: &Path) -> Option<String> {
    if host.is_kernels(dir) {
        crate::bpf::ours(&host.real(dir))
            .ok()
            .flatten()
            .map(|program| program.name)
    } else {
        crate::apply::recorded_program(host, dir)
    }
}

/// The rules, the first that fits decides; what none fits is allowed.
pub(super) fn rules(host: &Host, wishes: &[DeviceWish]) -> Result<Vec<DeviceRule>, IsolateError> {
    if wishes.is_empty() {
        return Ok(Vec::new());
    }
    let majors = majors(host);
    let mut rules = Vec::new();
    let any = |kinds: &[DeviceKind]| wishes.iter().any(|wish| kinds.contains(&wish.kind));
    for wish in wishes {
        rules.extend(allowing(host, wish)?);
    }
    let deny = |kind, major, first, last| DeviceRule {
        access: Access::Deny,
        kind,
        major,
        minors: (first, last),
    };
    if any(&[DeviceKind::Gpu, DeviceKind::Mig]) {
        rules.push(deny(Kind::Char, Some(NVIDIA_MAJOR), 0, NVIDIA_LAST_GPU));
        rules.push(deny(Kind::Char, Some(DRM_MAJOR), 0, u32::MAX));
        let caps = majors.iter().filter(|(name, _)| name == NVIDIA_CAPS);
        rules.extend(caps.map(|(_, major)| deny(Kind::Char, Some(*major), 0, u32::MAX)));
    }
    if any(&[DeviceKind::Block]) {
        rules.push(deny(Kind::Block, None, 0, u32::MAX));
        let behind = majors
            .iter()
            .filter(|(name, _)| BEHIND_BLOCK.contains(&name.as_str()));
        rules.extend(behind.map(|(_, major)| deny(Kind::Char, Some(*major), 0, u32::MAX)));
    }
    Ok(rules)
}

fn is_block(wish: &DeviceWish) -> bool {
    wish.kind == DeviceKind::Block
}

/// The rules that allow a device.
fn allowing(host: &Host, wish: &DeviceWish) -> Result<Vec<DeviceRule>, IsolateError> {
    match wish.kind {
        DeviceKind::Block => block(host, wish),
        DeviceKind::Gpu | DeviceKind::Mig => gpu(host, wish),
    }
}

fn allow(kind: Kind, number: DeviceNumber) -> DeviceRule {
    DeviceRule {
        access: Access::Allow,
        kind,
        major: Some(number.major),
        minors: (number.minor, number.minor),
    }
}

fn block(host: &Host, wish: &DeviceWish) -> Result<Vec<DeviceRule>, IsolateError> {
    let name = wish.device.as_deref().unwrap_or_default();
    number_of(host, name)?;
    refuse_stranger(host, name, wish)?;
    let numbers = disk_and_partitions(host, name)?;
    Ok(numbers
        .into_iter()
        .map(|number| allow(Kind::Block, number))
        .collect())
}

/// A name is given again: a drive that was pulled and another one in its place may be called the same.
fn refuse_stranger(host: &Host, name: &str, wish: &DeviceWish) -> Result<(), IsolateError> {
    let Some(wanted) = &wish.uuid else {
        return Ok(());
    };
    let dir = Path::new(CLASS_BLOCK).join(name);
    let mut files = [dir.join(WWID), dir.join("device").join(WWID)].into_iter();
    let said = files.find_map(|file| host.read(&file).ok().flatten());
    match said.filter(|said| said != wanted) {
        None => Ok(()),
        Some(said) => Err(IsolateError::NoDevice {
            device: wanted.clone(),
            why: format!("another drive is called {name} now ({said})"),
        }),
    }
}

/// The device files of a GPU, or of a part of one.
fn gpu(host: &Host, wish: &DeviceWish) -> Result<Vec<DeviceRule>, IsolateError> {
    let nodes = nodes(host, wish)?.into_iter();
    Ok(nodes.map(|node| allow(Kind::Char, node.number)).collect())
}

/// Names and majors of character devices: `195 nvidia` between two headings.
pub(super) fn majors(host: &Host) -> Vec<(String, u32)> {
    let text = host.read(Path::new(DEVICES)).ok().flatten().unwrap_or_default();
    let lines = text.lines().take_while(|line| !line.starts_with("Block"));
    lines
        .filter_map(|line| {
            let (major, name) = line.trim().split_once(' ')?;
            Some((name.trim().to_owned(), major.parse().ok()?))
        })
        .collect()
}

impl Isolator for Devices {
    fn name(&self) -> &'static str {
        Controller::Devices.word()
    }

    fn steps(&self, host: &Host, intent: &Intent) -> Result<Vec<(Phase, Step)>, IsolateError> {
        let all = intent
            .isolations
            .iter()
            .flat_map(|isolation| isolation.devices.iter().flatten());
        let held: Vec<DeviceWish> = all.cloned().collect();
        let mut steps = Vec::new();
        for isolation in &intent.isolations {
            steps.extend(self.of_one(host, isolation, &held)?);
        }
        Ok(steps)
    }
}
