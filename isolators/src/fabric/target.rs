//! The kernel's NVMe target (nvmet): a subsystem a drive, one host in each, all below one port. Planned from configfs, and read back there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use intent::DriveKey;
use serde::{Deserialize, Serialize};

use super::configfs::{
    ADDRESS, ALLOWED_HOSTS, ANY_HOST, DEVICE_PATH, ENABLE, HOSTS, SERIAL, SERVICE, SUBSYSTEMS, list,
    namespace, nvmet, port, subsystem, text,
};
pub use super::configfs::{Standing, listens, standing};
use super::keys;
use super::name::{DriveIdentity, Nqn, OURS};
use super::step::FabricStep;
use crate::block::{CLASS_BLOCK, in_use};
use crate::host::Host;
use crate::isolator::{IsolateError, Phase};
use crate::step::{Reads, Step};

/// What gives it.
const GIVES: &str = "modprobe nvmet-tcp, with configfs mounted at /sys/kernel/config";
const CONTROLLER: &str = "nvmet";

/// A drive that one host may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Export {
    /// Its subsystem.
    pub nqn: Nqn,
    /// What the OS calls the drive today: `nvme0n1`.
    pub device: String,
    /// Who it is; read again from the device before it is offered.
    pub drive: DriveIdentity,
    /// The one host that is let in.
    pub host: Nqn,
    /// What it must prove to know; for a target that knows keys. `None` where its name is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<DriveKey>,
}

/// Everything that this node's target shall offer. What is ours and not among it is withdrawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offered {
    /// The number of the target's port, a name for it in configfs.
    pub port: u16,
    /// Where it listens.
    pub address: SocketAddr,
    /// The drives.
    pub exports: Vec<Export>,
}

/// Whether this kernel can offer drives to other nodes.
pub fn is_there(host: &Host) -> bool {
    host.has(nvmet())
}

/// The steps that are missing until the target offers these drives to these hosts and to nobody else. Who loses access loses it in the
/// first of them.
///
/// # Errors
/// When the kernel has no target, a drive is not the one that is meant or is used by somebody, or a name or the port belongs to others.
pub fn steps(host: &Host, offered: &Offered) -> Result<Vec<(Phase, Step)>, IsolateError> {
    let all = standing(host)?;
    let mut steps = exported(host, &all, offered, &|_, _| true)?;
    if offered.exports.is_empty() {
        close(host, &all, offered, &mut steps)?;
    }
    steps.sort_by_key(|(phase, _)| *phase);
    Ok(steps)
}

/// The same for some of our subsystems alone, those that are `mine`: whatever else is offered stays as it is, so that a drive on which a
/// step hangs holds nobody up but itself. The port stays; [`steps`] removes it.
///
/// # Errors
/// As [`steps`].
pub fn steps_of(
    host: &Host,
    offered: &Offered,
    mine: &dyn Fn(&str, &Standing) -> bool,
) -> Result<Vec<(Phase, Step)>, IsolateError> {
    let all = standing(host)?;
    let mut steps = exported(host, &all, offered, mine)?;
    steps.sort_by_key(|(phase, _)| *phase);
    Ok(steps)
}

/// What is offered is there, and what is mine, ours and not offered is withdrawn.
fn exported(
    host: &Host,
    all: &BTreeMap<String, Standing>,
    offered: &Offered,
    mine: &dyn Fn(&str, &Standing) -> bool,
) -> Result<Vec<(Phase, Step)>, IsolateError> {
    check(offered)?;
    if !offered.exports.is_empty() && !is_there(host) {
        return Err(IsolateError::Lacks {
            what: "a drive for another node".to_owned(),
            controller: CONTROLLER,
            file: nvmet().to_owned(),
            gives: GIVES,
        });
    }
    let mut steps = Vec::new();
    let (mut stay, mut lost): (BTreeSet<&str>, BTreeSet<&str>) = Default::default();
    for export in &offered.exports {
        let is = all.get(export.nqn.as_str());
        if is.is_none_or(|is| differs(is, export, offered.port)) {
            if let Some(is) = is {
                withdraw(host, export.nqn.as_str(), is, &mut steps);
                lost.insert(export.nqn.as_str());
            }
            may_be_offered(host, all, export)?;
            offer(host, offered, export, &mut steps);
        } else if is.is_some_and(|is| is.ports.is_empty()) {
            // Made and not offered yet: a kill came in between.
            may_be_offered(host, all, export)?;
            steps.push((Phase::Grant, link(offered.port, &export.nqn)));
        }
        if let Some(key) = export.key.as_ref().filter(|_| is.is_some()) {
            let said = text(host, &keys::file(export.host.as_str()))?;
            if said.as_deref() != Some(key.as_str()) {
                steps.push((Phase::Shape, keys::step(&export.host, key)));
            }
        }
        stay.insert(export.nqn.as_str());
    }
    let ours = all.iter().filter(|(nqn, _)| nqn.starts_with(OURS));
    for (nqn, is) in ours.filter(|(nqn, is)| mine(nqn, is) && !stay.contains(nqn.as_str())) {
        withdraw(host, nqn, is, &mut steps);
        lost.insert(nqn);
    }
    forsaken(host, all, offered, &lost, &mut steps);
    if !offered.exports.is_empty() {
        listen(host, offered, &mut steps)?;
    }
    Ok(steps)
}

/// Names and devices that are wanted twice, and names that are not ours to make.
fn check(offered: &Offered) -> Result<(), IsolateError> {
    let (mut names, mut devices) = (BTreeSet::new(), BTreeSet::new());
    for export in &offered.exports {
        if !export.nqn.is_ours() {
            return Err(refused(
                export,
                format!("its subsystem {} does not begin with {OURS}", export.nqn),
            ));
        }
        if !names.insert(&export.nqn) || !devices.insert(&export.device) {
            return Err(refused(
                export,
                "it is wanted twice: one drive, one host".to_owned(),
            ));
        }
    }
    Ok(())
}

fn refused(export: &Export, why: String) -> IsolateError {
    IsolateError::NoDevice {
        device: export.device.clone(),
        why,
    }
}

/// Whether a subsystem must be made anew: what is connected there must not see the drive, the host or the identity change under it.
fn differs(is: &Standing, export: &Export, number: u16) -> bool {
    let host: BTreeSet<String> = [export.host.to_string()].into();
    let elsewhere = is.ports.iter().any(|port| *port != number.to_string());
    is.any_host
        || is.hosts != host
        || elsewhere
        || !is.enabled
        || is.device.as_deref() != Some(&device_path(export))
        || is.serial.as_deref() != Some(export.drive.serial())
}

fn device_path(export: &Export) -> String {
    format!("/dev/{}", export.device)
}

/// The identity is read again, and nobody else may have the drive.
fn may_be_offered(
    host: &Host,
    all: &BTreeMap<String, Standing>,
    export: &Export,
) -> Result<(), IsolateError> {
    let file = Path::new(CLASS_BLOCK).join(&export.device).join("device/serial");
    let says = text(host, &file)?;
    if says.as_deref() != Some(export.drive.serial()) {
        let says = says.map_or_else(
            || "says no serial number".to_owned(),
            |says| format!("says {says}"),
        );
        return Err(refused(
            export,
            format!("{} {says}; expected {}", file.display(), export.drive.serial()),
        ));
    }
    let path = device_path(export);
    let other = |(nqn, is): &(&String, &Standing)| {
        nqn.as_str() != export.nqn.as_str() && is.device.as_deref() == Some(&path) && !nqn.starts_with(OURS)
    };
    if let Some((nqn, _)) = all.iter().find(other) {
        return Err(refused(
            export,
            format!("it is offered by {nqn}, which somebody else made; remove that first"),
        ));
    }
    match in_use(host, &export.device)? {
        // Our own target does not hold a device alone, so whoever is found here is somebody else.
        Some(why) => Err(refused(export, why)),
        None => Ok(()),
    }
}

fn write(file: PathBuf, value: impl Into<String>) -> Step {
    Step::WriteFile {
        file,
        value: value.into(),
        before: None,
        reads: Reads::Same,
        partition_of: Vec::new(),
        refusal_to: None,
    }
}

fn link(number: u16, nqn: &Nqn) -> Step {
    Step::Fabric(FabricStep::Link {
        link: port(&number.to_string()).join(SUBSYSTEMS).join(nqn.as_str()),
        to: subsystem(nqn.as_str()),
    })
}

/// The port's link is the last: until then nobody can connect.
fn offer(host: &Host, offered: &Offered, export: &Export, steps: &mut Vec<(Phase, Step)>) {
    let nqn = export.nqn.as_str();
    let (dir, first) = (subsystem(nqn), namespace(nqn));
    let guest = nvmet().join(HOSTS).join(export.host.as_str());
    let make = |dir: &Path| Step::Fabric(FabricStep::Make { dir: dir.to_owned() });
    let mut all = vec![
        make(&dir),
        write(dir.join(ANY_HOST), "0"),
        write(dir.join(SERIAL), export.drive.serial()),
    ];
    all.extend(
        export
            .drive
            .model()
            .map(|model| write(dir.join("attr_model"), model)),
    );
    all.push(make(&first));
    all.push(write(first.join(DEVICE_PATH), device_path(export)));
    all.extend(
        export
            .drive
            .nguid()
            .map(|nguid| write(first.join("device_nguid"), nguid)),
    );
    all.push(write(first.join(ENABLE), "1"));
    if !host.has(&guest) {
        all.push(make(&guest));
    }
    // Before anybody is let in.
    all.extend(export.key.as_ref().map(|key| keys::step(&export.host, key)));
    all.push(Step::Fabric(FabricStep::Link {
        link: dir.join(ALLOWED_HOSTS).join(export.host.as_str()),
        to: guest,
    }));
    steps.extend(all.into_iter().map(|step| (Phase::Shape, step)));
    steps.push((Phase::Grant, link(offered.port, &export.nqn)));
}

/// The link to the port goes first: that ends connections. Removing a host from `allowed_hosts` would not.
fn withdraw(host: &Host, nqn: &str, is: &Standing, steps: &mut Vec<(Phase, Step)>) {
    let (dir, first) = (subsystem(nqn), namespace(nqn));
    let mut release = |step: Step| steps.push((Phase::Release, step));
    for number in &is.ports {
        release(Step::Fabric(FabricStep::Unlink {
            link: port(number).join(SUBSYSTEMS).join(nqn),
        }));
    }
    if is.enabled {
        release(write(first.join(ENABLE), "0"));
    }
    for guest in &is.hosts {
        release(Step::Fabric(FabricStep::Unlink {
            link: dir.join(ALLOWED_HOSTS).join(guest),
        }));
    }
    if host.has(&first) {
        release(Step::Fabric(FabricStep::Remove { dir: first }));
    }
    release(Step::Fabric(FabricStep::Remove { dir }));
}

/// The port is there and listens where it shall. One of another hand is not touched.
fn listen(host: &Host, offered: &Offered, steps: &mut Vec<(Phase, Step)>) -> Result<(), IsolateError> {
    let dir = port(&offered.port.to_string());
    let family = if offered.address.is_ipv4() { "ipv4" } else { "ipv6" };
    let wanted = [
        ("addr_trtype", "tcp".to_owned()),
        ("addr_adrfam", family.to_owned()),
        (ADDRESS, offered.address.ip().to_string()),
        (SERVICE, offered.address.port().to_string()),
    ];
    if !host.has(&dir) {
        steps.push((Phase::Shape, Step::Fabric(FabricStep::Make { dir: dir.clone() })));
    }
    let is_served = !list(host, &dir.join(SUBSYSTEMS))?.is_empty();
    for (name, value) in wanted {
        let file = dir.join(name);
        let says = text(host, &file)?;
        if says.as_deref() == Some(&value) {
            continue;
        }
        if is_served {
            return Err(IsolateError::NoDevice {
                device: format!("port {}", offered.port),
                why: format!(
                    "{} says {}; expected {value}; choose another number, or end what is offered there",
                    file.display(),
                    says.unwrap_or_default()
                ),
            });
        }
        steps.push((Phase::Shape, write(file, value)));
    }
    Ok(())
}

/// Hosts that nobody lets in any more but subsystems that are withdrawn.
fn forsaken(
    host: &Host,
    all: &BTreeMap<String, Standing>,
    offered: &Offered,
    lost: &BTreeSet<&str>,
    steps: &mut Vec<(Phase, Step)>,
) {
    let guests = |of_lost: bool| -> BTreeSet<&str> {
        all.iter()
            .filter(|(nqn, _)| lost.contains(nqn.as_str()) == of_lost)
            .flat_map(|(_, is)| is.hosts.iter().map(String::as_str))
            .collect()
    };
    let (put_out, kept) = (guests(true), guests(false));
    let wanted: BTreeSet<&str> = offered
        .exports
        .iter()
        .map(|export| export.host.as_str())
        .collect();
    for guest in put_out.difference(&kept).filter(|guest| !wanted.contains(*guest)) {
        let dir = nvmet().join(HOSTS).join(guest);
        if host.has(&dir) {
            steps.push((Phase::Release, Step::Fabric(FabricStep::Remove { dir })));
        }
    }
}

/// A port that led to nothing but ours, with nothing left to offer.
fn close(
    host: &Host,
    all: &BTreeMap<String, Standing>,
    offered: &Offered,
    steps: &mut Vec<(Phase, Step)>,
) -> Result<(), IsolateError> {
    let number = offered.port.to_string();
    let dir = port(&number);
    let listens = listens(host, offered.port)? == Some(offered.address);
    let mut served = all.iter().filter(|(_, is)| is.ports.contains(&number));
    if listens && served.all(|(nqn, _)| nqn.starts_with(OURS)) {
        steps.push((Phase::Release, Step::Fabric(FabricStep::Remove { dir })));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
