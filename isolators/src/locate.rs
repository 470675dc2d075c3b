//! Locate LEDs of bays: of an enclosure (SES), of a PCIe port (NPEM), or the attention indicator of a PCIe slot.
//!
//! An LED belongs to a bay and not to what sits in it: it is found by the bay's name alone, so it is lit for an empty bay, and put out
//! there, too. It is planned here and set by the usual hand, which reads it back: an LED that does not take an order is an error.

use std::path::{Path, PathBuf};

use crate::host::Host;
use crate::isolator::IsolateError;
use crate::step::{Reads, Step};

/// Enclosures and their slots (drivers/misc/enclosure.c); each slot that can be shown has a file `locate`.
const ENCLOSURES: &str = "/sys/class/enclosure";
const LOCATE: &str = "locate";
/// PCIe slots by the names that they have on the chassis (drivers/pci/slot.c), and the indicator of those that have one: 0 is dark,
/// 1 lit, 2 blinks (Documentation/PCI/pciehp; PCI Express Base 6.0, 6.7.1.1: it blinks so that somebody finds the slot).
const PCI_SLOTS: &str = "/sys/bus/pci/slots";
const ADDRESS: &str = "address";
const ATTENTION: &str = "attention";
const BLINKS: &str = "2";
/// PCI functions; a port tells the bus behind it.
const PCI_DEVICES: &str = "/sys/bus/pci/devices";
const SECONDARY_BUS: &str = "secondary_bus_number";
/// LEDs. Those of NPEM are called after their port (drivers/pci/npem.c, Linux 6.13 and later).
const LEDS: &str = "/sys/class/leds";
const NPEM: &str = ":enclosure:locate";
const BRIGHTNESS: &str = "brightness";
const LIT: &str = "1";
const DARK: &str = "0";
/// What would give one.
const GIVES: &str = "modprobe ses for an enclosure, Linux 6.13 with NPEM for a PCIe port, pciehp for a slot with an attention indicator; \
                     the BMC may have the LED instead";
/// The longest name of a bay that is shown.
const LONGEST: usize = 64;

/// The LED of a bay.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Led {
    file: PathBuf,
    lit: &'static str,
}

/// Whether a bay's locate LED is lit. The bay is named as the node knows it: the name of a PCIe slot, of an enclosure's slot (with
/// `ENCLOSURE/` in front where several have one of that name), or the PCI address of what sits, or sat, there.
///
/// # Errors
/// There is no such bay, or none with an LED; several have this name; its LED cannot be read.
pub fn is_lit(host: &Host, slot: &str) -> Result<bool, IsolateError> {
    Ok(said(host, &led(host, slot)?)? != DARK)
}

/// The steps until a bay's locate LED is lit, or dark; none where it is so already.
///
/// # Errors
/// As [`is_lit`].
pub fn steps(host: &Host, slot: &str, lit: bool) -> Result<Vec<Step>, IsolateError> {
    let led = led(host, slot)?;
    let value = if lit { led.lit } else { DARK };
    let before = said(host, &led)?;
    if before == value {
        return Ok(Vec::new());
    }
    Ok(vec![Step::WriteFile {
        file: led.file,
        value: value.to_owned(),
        before: Some(before),
        reads: Reads::Same,
        partition_of: Vec::new(),
        refusal_to: None,
    }])
}

fn said(host: &Host, led: &Led) -> Result<String, IsolateError> {
    let text = host.read(&led.file).map_err(|cause| IsolateError::Unreadable {
        path: led.file.clone(),
        cause,
    })?;
    text.ok_or_else(|| IsolateError::Unreadable {
        path: led.file.clone(),
        cause: std::io::ErrorKind::NotFound.into(),
    })
}

fn led(host: &Host, slot: &str) -> Result<Led, IsolateError> {
    let refused = |why: String| IsolateError::NoDevice {
        device: slot.chars().take(LONGEST).collect(),
        why,
    };
    let mut parts = slot.split('/');
    if slot.is_empty() || parts.clone().count() > 2 || parts.any(|part| matches!(part, "" | "." | "..")) {
        return Err(refused("that is no name of a bay".to_owned()));
    }
    if let Some(bus) = bus_of(host, slot) {
        let indicator = Path::new(PCI_SLOTS).join(slot).join(ATTENTION);
        // A port's own LED is made for drives; the indicator may also tell of the slot's power.
        let of_port = ports(host, &bus)
            .into_iter()
            .map(|port| npem(&port))
            .find(|file| host.has(file));
        if let Some(file) = of_port {
            return Ok(Led { file, lit: LIT });
        }
        if host.has(&indicator) {
            return Ok(Led {
                file: indicator,
                lit: BLINKS,
            });
        }
    }
    let mut all = of_enclosures(host, slot);
    match (all.pop(), all.pop()) {
        (Some(file), None) => Ok(Led { file, lit: LIT }),
        (Some(one), Some(other)) => Err(refused(format!(
            "both {} and {} are called so; name the enclosure as well, as in 0:0:9:0/SLOT",
            one.display(),
            other.display()
        ))),
        (None, _) => Err(IsolateError::Lacks {
            what: format!(
                "a locate LED of bay {:?}",
                slot.chars().take(LONGEST).collect::<String>()
            ),
            controller: "enclosure, NPEM or slot",
            file: Path::new(ENCLOSURES).join("*").join(slot).join(LOCATE),
            gives: GIVES,
        }),
    }
}

fn npem(port: &str) -> PathBuf {
    Path::new(LEDS).join(format!("{port}{NPEM}")).join(BRIGHTNESS)
}

/// Domain and bus of what sits, or would sit, in a PCIe slot: `0000:3b`. From the slot's name or from an address.
fn bus_of(host: &Host, slot: &str) -> Option<String> {
    let file = Path::new(PCI_SLOTS).join(slot).join(ADDRESS);
    let address = host.read(&file).ok().flatten();
    let address = address.unwrap_or_else(|| slot.to_owned());
    let mut parts = address.split(':');
    let (domain, bus) = (parts.next()?, parts.next()?);
    parts.next()?;
    let is_hex = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_hex(domain) && is_hex(bus)).then(|| format!("{domain}:{bus}"))
}

/// Ports that lead to this bus: one.
fn ports(host: &Host, bus: &str) -> Vec<String> {
    let Some((domain, number)) = bus.split_once(':') else {
        return Vec::new();
    };
    let Ok(number) = u8::from_str_radix(number, 16) else {
        return Vec::new();
    };
    let devices = host.entries(Path::new(PCI_DEVICES)).unwrap_or_default();
    let leads_there = |port: &String| {
        let file = Path::new(PCI_DEVICES).join(port).join(SECONDARY_BUS);
        let behind = host.read(&file).ok().flatten();
        port.split(':').next() == Some(domain)
            && behind.and_then(|text| text.parse::<u8>().ok()) == Some(number)
    };
    devices.into_iter().filter(leads_there).collect()
}

/// The files of slots of this name. An enclosure pads names with spaces.
fn of_enclosures(host: &Host, slot: &str) -> Vec<PathBuf> {
    let (only, name) = match slot.split_once('/') {
        Some((enclosure, name)) => (Some(enclosure), name),
        None => (None, slot),
    };
    let all = host.entries(Path::new(ENCLOSURES)).unwrap_or_default();
    let all = all
        .into_iter()
        .filter(|enclosure| only.is_none_or(|only| only == enclosure));
    all.flat_map(|enclosure| {
        let dir = Path::new(ENCLOSURES).join(enclosure);
        let slots = host.entries(&dir).unwrap_or_default();
        let called_so = slots.into_iter().filter(|one| one.trim() == name);
        called_so
            .map(|one| dir.join(one).join(LOCATE))
            .collect::<Vec<_>>()
    })
    .filter(|file| host.has(file))
    .collect()
}
