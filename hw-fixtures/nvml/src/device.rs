//! Who a GPU is, where it sits, and its memory.

use std::ffi::{c_char, c_uint};

use nvml_wrapper_sys::bindings::*;

use crate::abi::{Handle, exported, put, put_text, take, text_in};
use crate::state::offered;

/// `NVML_STRUCT_VERSION(Memory, 2)`: the length of the structure, and 2 in the highest byte.
const MEMORY_VERSION: c_uint = 0x0200_0028;

/// The parts of `DOMAIN:BUS:DEVICE.FUNCTION`, but for the function, which NVML always names 0.
fn place(address: &str) -> Option<[c_uint; 3]> {
    let (domain, rest) = address.split_once(':')?;
    let (bus, rest) = rest.split_once(':')?;
    let (device, _) = rest.split_once('.')?;
    let number = |text| c_uint::from_str_radix(text, 16).ok();
    Some([number(domain)?, number(bus)?, number(device)?])
}

/// A place on PCI as NVML writes it.
pub(crate) fn pci_info(address: &str, device_id: c_uint) -> Result<nvmlPciInfo_t, nvmlReturn_t> {
    let [domain, bus, slot] = place(address).ok_or(nvmlReturn_enum_NVML_ERROR_UNKNOWN)?;
    Ok(nvmlPciInfo_t {
        busIdLegacy: text_in(&format!("{domain:04X}:{bus:02X}:{slot:02X}.0")),
        domain,
        bus,
        device: slot,
        pciDeviceId: device_id,
        pciSubSystemId: 0,
        // NVML writes domains with eight digits, in capital letters.
        busId: text_in(&format!("{domain:08X}:{bus:02X}:{slot:02X}.0")),
    })
}

exported! {
    fn nvmlDeviceGetName(world, device: nvmlDevice_t, name: *mut c_char, length: c_uint) {
        match world.mig("nvmlDeviceGetName", device)? {
            Some(mig) => put_text(name, length, &mig.name),
            None => {
                let gpu = world.gpu("nvmlDeviceGetName", device)?;
                put_text(name, length, &offered(gpu.name.clone())?)
            }
        }
    }

    fn nvmlDeviceGetUUID(world, device: nvmlDevice_t, uuid: *mut c_char, length: c_uint) {
        match world.mig("nvmlDeviceGetUUID", device)? {
            Some(mig) => put_text(uuid, length, &mig.uuid),
            None => {
                let gpu = world.gpu("nvmlDeviceGetUUID", device)?;
                put_text(uuid, length, &offered(gpu.uuid.clone())?)
            }
        }
    }

    fn nvmlDeviceGetSerial(world, device: nvmlDevice_t, serial: *mut c_char, length: c_uint) {
        let gpu = world.gpu("nvmlDeviceGetSerial", device)?;
        put_text(serial, length, &offered(gpu.serial.clone())?)
    }

    fn nvmlDeviceGetVbiosVersion(world, device: nvmlDevice_t, version: *mut c_char, length: c_uint) {
        let gpu = world.gpu("nvmlDeviceGetVbiosVersion", device)?;
        put_text(version, length, &offered(gpu.vbios.clone())?)
    }

    fn nvmlDeviceGetIndex(world, device: nvmlDevice_t, index: *mut c_uint) {
        world.gpu("nvmlDeviceGetIndex", device)?;
        put(index, c_uint::try_from(Handle::of(device)?.gpu).unwrap_or(c_uint::MAX))
    }

    fn nvmlDeviceGetMinorNumber(world, device: nvmlDevice_t, minor: *mut c_uint) {
        let gpu = world.gpu("nvmlDeviceGetMinorNumber", device)?;
        put(minor, offered(gpu.minor)?)
    }

    fn nvmlDeviceGetNumaNodeId(world, device: nvmlDevice_t, node: *mut c_uint) {
        let gpu = world.gpu("nvmlDeviceGetNumaNodeId", device)?;
        put(node, offered(gpu.numa_node)?)
    }

    fn nvmlDeviceGetPciInfo_v3(world, device: nvmlDevice_t, pci: *mut nvmlPciInfo_t) {
        let gpu = world.gpu("nvmlDeviceGetPciInfo_v3", device)?;
        let info = pci_info(offered(gpu.pci.as_deref())?, gpu.pci_device_id)?;
        put(pci, info)
    }

    fn nvmlDeviceGetMemoryInfo_v2(world, device: nvmlDevice_t, memory: *mut nvmlMemory_v2_t) {
        let mig = world.mig("nvmlDeviceGetMemoryInfo_v2", device)?;
        let gpu = world.gpu("nvmlDeviceGetMemoryInfo_v2", device)?;
        let seen = offered(mig.map(|mig| mig.memory).or(gpu.memory))?;
        if take(memory)?.version != MEMORY_VERSION {
            return Err(nvmlReturn_enum_NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
        }
        put(memory, nvmlMemory_v2_t {
            version: MEMORY_VERSION,
            total: seen.total,
            reserved: seen.reserved,
            free: seen.total.saturating_sub(seen.reserved).saturating_sub(seen.used),
            used: seen.used,
        })
    }
}
