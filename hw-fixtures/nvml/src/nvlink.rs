//! Links of a GPU to other GPUs and to switches (NVLink).

use std::ffi::{c_uint, c_ulonglong};

use nvml_wrapper_sys::bindings::field_id::{
    NVML_FI_DEV_NVLINK_ERROR_DL_CRC, NVML_FI_DEV_NVLINK_ERROR_DL_RECOVERY,
    NVML_FI_DEV_NVLINK_ERROR_DL_REPLAY, NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX,
    NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX,
};
use nvml_wrapper_sys::bindings::*;

use crate::abi::{exported, put};
use crate::device::pci_info;
use crate::state::{Gpu, NvLink, offered};

/// A link by its number: a GPU without any lacks them all, one with some refuses numbers beyond.
fn link(gpu: &Gpu, number: c_uint) -> Result<&NvLink, nvmlReturn_t> {
    if gpu.nvlinks.is_empty() {
        return Err(nvmlReturn_enum_NVML_ERROR_NOT_SUPPORTED);
    }
    usize::try_from(number)
        .ok()
        .and_then(|number| gpu.nvlinks.get(number))
        .ok_or(nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT)
}

/// A field of a link, whose number is the field's scope.
pub(crate) fn field(gpu: &Gpu, id: c_uint, scope: c_uint) -> Option<u64> {
    let link = link(gpu, scope).ok()?;
    let [sent, received] = link.kibibytes?;
    let [replays, recoveries, flits, _] = link.errors.unwrap_or_default();
    match id {
        NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX => Some(sent),
        NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX => Some(received),
        NVML_FI_DEV_NVLINK_ERROR_DL_REPLAY => Some(replays),
        NVML_FI_DEV_NVLINK_ERROR_DL_RECOVERY => Some(recoveries),
        NVML_FI_DEV_NVLINK_ERROR_DL_CRC => Some(flits),
        _ => None,
    }
}

exported! {
    fn nvmlDeviceGetNvLinkState(world, device: nvmlDevice_t, number: c_uint, state: *mut nvmlEnableState_t) {
        let gpu = world.gpu("nvmlDeviceGetNvLinkState", device)?;
        put(state, nvmlEnableState_t::from(link(gpu, number)?.active))
    }

    fn nvmlDeviceGetNvLinkVersion(world, device: nvmlDevice_t, number: c_uint, version: *mut c_uint) {
        let gpu = world.gpu("nvmlDeviceGetNvLinkVersion", device)?;
        put(version, offered(link(gpu, number)?.version)?)
    }

    fn nvmlDeviceGetNvLinkRemotePciInfo_v2(world, device: nvmlDevice_t, number: c_uint, pci: *mut nvmlPciInfo_t) {
        let gpu = world.gpu("nvmlDeviceGetNvLinkRemotePciInfo_v2", device)?;
        let info = pci_info(offered(link(gpu, number)?.remote.as_deref())?, 0)?;
        put(pci, info)
    }

    fn nvmlDeviceGetNvLinkErrorCounter(
        world, device: nvmlDevice_t, number: c_uint, counter: nvmlNvLinkErrorCounter_t, count: *mut c_ulonglong,
    ) {
        let gpu = world.gpu("nvmlDeviceGetNvLinkErrorCounter", device)?;
        let [replays, recoveries, flits, data] = offered(link(gpu, number)?.errors)?;
        put(count, match counter {
            nvmlNvLinkErrorCounter_enum_NVML_NVLINK_ERROR_DL_REPLAY => replays,
            nvmlNvLinkErrorCounter_enum_NVML_NVLINK_ERROR_DL_RECOVERY => recoveries,
            nvmlNvLinkErrorCounter_enum_NVML_NVLINK_ERROR_DL_CRC_FLIT => flits,
            nvmlNvLinkErrorCounter_enum_NVML_NVLINK_ERROR_DL_CRC_DATA => data,
            _ => return Err(nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT),
        })
    }
}
