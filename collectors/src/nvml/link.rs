//! Links of a GPU to other GPUs and to switches (NVLink): state, generation, the other end, bytes and errors.

use std::collections::BTreeMap;

use facts::gpu::NvLink;
use facts::{NoData, PciAddress, Reading};
use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::nv_link::ErrorCounter;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::sys_exports::field_id::{
    NVML_FI_DEV_NVLINK_ERROR_DL_CRC, NVML_FI_DEV_NVLINK_ERROR_DL_RECOVERY,
    NVML_FI_DEV_NVLINK_ERROR_DL_REPLAY, NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX,
    NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX,
};

use super::device::is_count;
use super::reason::{known, reading, reading_if};
use super::scoped::{self, Scoped};

/// `NVML_NVLINK_MAX_LINKS`: no GPU has more.
const MOST_LINKS: u32 = 18;

/// NVML counts the bytes of a link in these.
const BYTES_OF_KIBIBYTE: u64 = 1024;

/// Fields that are asked of each link, by the link's number as their scope.
const FIELDS: [u32; 5] = [
    NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX,
    NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX,
    NVML_FI_DEV_NVLINK_ERROR_DL_REPLAY,
    NVML_FI_DEV_NVLINK_ERROR_DL_RECOVERY,
    NVML_FI_DEV_NVLINK_ERROR_DL_CRC,
];

/// The links of a GPU; none where it has none.
///
/// # Errors
/// When the GPU is gone.
pub(super) fn read(device: &Device<'_>) -> Result<Vec<NvLink>, NvmlError> {
    let mut links = Vec::new();
    for number in 0..MOST_LINKS {
        let active = reading(device.link_wrapper_for(number).is_active())?;
        match active {
            Reading::None {
                no_data: NoData::Unsupported,
            } if number == 0 => return Ok(Vec::new()),
            // A number that the GPU does not have, between or behind those that it has.
            Reading::None {
                no_data: NoData::Unsupported | NoData::Garbled,
            } => {}
            Reading::Value(_) | Reading::None { .. } => links.push((number, active)),
        }
    }
    let fields = fields(device, &links)?;
    links
        .into_iter()
        .map(|(number, active)| link(device, number, active, &fields))
        .collect()
}

/// All fields of all links in one call, by field and link.
fn fields(
    device: &Device<'_>,
    links: &[(u32, Reading<bool>)],
) -> Result<BTreeMap<(u32, u32), Reading<u64>>, NvmlError> {
    let wanted: Vec<Scoped> = links
        .iter()
        .flat_map(|(link, _)| FIELDS.map(|field| Scoped { field, scope: *link }))
        .collect();
    let answers = match reading(scoped::values(device, &wanted))? {
        Reading::Value(answers) => answers,
        Reading::None { no_data } => {
            let all = wanted.iter();
            return Ok(all
                .map(|one| ((one.field, one.scope), Reading::none(no_data)))
                .collect());
        }
    };
    let mut values = BTreeMap::new();
    for (one, answer) in wanted.iter().zip(answers) {
        let value = reading_if(answer, |value| is_count(*value))?;
        values.insert((one.field, one.scope), value);
    }
    Ok(values)
}

fn link(
    device: &Device<'_>,
    number: u32,
    active: Reading<bool>,
    fields: &BTreeMap<(u32, u32), Reading<u64>>,
) -> Result<NvLink, NvmlError> {
    let wrapper = device.link_wrapper_for(number);
    let field = |id: u32| fields.get(&(id, number)).copied().unwrap_or_default();
    let bytes = |id: u32| match field(id).map(|kibibytes| kibibytes.checked_mul(BYTES_OF_KIBIBYTE)) {
        Reading::Value(Some(bytes)) => Reading::Value(bytes),
        Reading::Value(None) => Reading::none(NoData::Garbled),
        Reading::None { no_data } => Reading::none(no_data),
    };
    // GPUs before Hopper count errors behind a call of their own.
    let counted = |counter| reading_if(wrapper.error_counter(counter), |count| is_count(*count));
    let either = |id: u32, counter| match field(id) {
        Reading::Value(count) => Ok(Reading::Value(count)),
        Reading::None {
            no_data: NoData::Garbled,
        } => Ok(Reading::none(NoData::Garbled)),
        Reading::None { .. } => counted(counter),
    };
    let (version, remote) = if active == Reading::Value(true) {
        (known(wrapper.version())?, known(wrapper.remote_pci_info())?)
    } else {
        (None, None)
    };
    Ok(NvLink {
        link: number,
        active,
        version: version.filter(|version| *version != u32::MAX),
        remote_pci: remote.and_then(|pci| pci.bus_id.parse::<PciAddress>().ok()),
        sent_bytes: bytes(NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX),
        received_bytes: bytes(NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX),
        crc_flit_errors: either(NVML_FI_DEV_NVLINK_ERROR_DL_CRC, ErrorCounter::DlCrcFlit)?,
        crc_data_errors: counted(ErrorCounter::DlCrcData)?,
        replays: either(NVML_FI_DEV_NVLINK_ERROR_DL_REPLAY, ErrorCounter::DlReplay)?,
        recoveries: either(NVML_FI_DEV_NVLINK_ERROR_DL_RECOVERY, ErrorCounter::DlRecovery)?,
    })
}
