//! Metrics of GPUs: what PCI shows of each, and what its driver's library reads.

use std::time::Duration;

use facts::gpu::{Gpu, GpuReadings, NvLink};
use facts::sheet::Number;
use facts::{Bytes, Reading};

use super::draft::Draft;
use super::family as f;

const HERTZ_OF_MEGAHERTZ: u64 = 1_000_000;

/// The driver counts in percent, Prometheus in parts of one.
const WHOLE_PERCENT: f64 = 100.0;

pub(super) fn write(draft: &mut Draft<'_>, gpus: &[Gpu]) {
    let mut samples = draft.family(&f::GPU_INFO);
    for gpu in gpus {
        let seen = gpu.readings.as_deref();
        let labels = [
            word(&gpu.device),
            word(&gpu.uuid),
            &place(gpu),
            word(&gpu.pci_id),
            word(&gpu.identity.model),
            &gpu.numa_node.map(|id| id.to_string()).unwrap_or_default(),
            seen.map_or("", |seen| word(&seen.vbios)),
            seen.map_or("", |seen| word(&seen.driver)),
        ];
        samples.add(&labels, Some(1_u64));
    }
    write_memory(draft, gpus);
    write_work(draft, gpus);
    write_power(draft, gpus);
    write_health(draft, gpus);
    write_bus(draft, gpus);
    write_links(draft, gpus);
    write_mig(draft, gpus);
}

/// One of an NVLink's counters.
type LinkCount = fn(&NvLink) -> Reading<u64>;

fn word(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or_default()
}

fn place(gpu: &Gpu) -> String {
    gpu.pci.map(|pci| pci.to_string()).unwrap_or_default()
}

/// One family with a sample for each value that a GPU's driver reads: the value of the third label, and the number.
fn add<const COUNT: usize, N: Into<Number>>(
    draft: &mut Draft<'_>,
    family: &'static f::Family,
    gpus: &[Gpu],
    values: impl Fn(&GpuReadings) -> [(&'static str, Option<N>); COUNT],
) {
    let mut samples = draft.family(family);
    for gpu in gpus {
        let Some(seen) = gpu.readings.as_deref() else {
            continue;
        };
        for (label, value) in values(seen) {
            samples.add(&[word(&gpu.device), word(&gpu.uuid), label], value);
        }
    }
}

fn write_memory(draft: &mut Draft<'_>, gpus: &[Gpu]) {
    let mut samples = draft.family(&f::GPU_MEMORY);
    for gpu in gpus {
        let seen = gpu.readings.as_deref();
        let of = |part: fn(&GpuReadings) -> Option<Bytes>| seen.and_then(part);
        for (state, bytes) in [
            ("total", gpu.memory_bytes),
            ("used", of(|seen| seen.memory_used_bytes.value())),
            ("free", of(|seen| seen.memory_free_bytes.value())),
            ("reserved", of(|seen| seen.memory_reserved_bytes.value())),
        ] {
            let labels = [word(&gpu.device), word(&gpu.uuid), &place(gpu), state];
            samples.add(&labels, bytes.map(|bytes| bytes.get()));
        }
    }
}

fn write_work(draft: &mut Draft<'_>, gpus: &[Gpu]) {
    add(draft, &f::GPU_UTILIZATION, gpus, |seen| {
        [
            ("sm", seen.sm_percent),
            ("memory", seen.memory_percent),
            ("encoder", seen.encoder_percent),
            ("decoder", seen.decoder_percent),
        ]
        .map(|(engine, percent)| {
            (
                engine,
                percent.value().map(|percent| f64::from(percent) / WHOLE_PERCENT),
            )
        })
    });
    add(draft, &f::GPU_CLOCK, gpus, |seen| {
        [
            ("graphics", seen.graphics_megahertz),
            ("sm", seen.sm_megahertz),
            ("memory", seen.memory_megahertz),
            ("video", seen.video_megahertz),
        ]
        .map(|(domain, clock)| {
            (
                domain,
                clock.value().map(|clock| u64::from(clock) * HERTZ_OF_MEGAHERTZ),
            )
        })
    });
}

fn write_power(draft: &mut Draft<'_>, gpus: &[Gpu]) {
    add(draft, &f::GPU_POWER, gpus, |seen| {
        [("", seen.power_watts.value().map(|power| power.as_watts_f64()))]
    });
    add(draft, &f::GPU_POWER_LIMIT, gpus, |seen| {
        [
            ("set", seen.power_limit_watts),
            ("enforced", seen.enforced_limit_watts),
            ("least", seen.least_limit_watts),
            ("most", seen.most_limit_watts),
        ]
        .map(|(constraint, limit)| (constraint, limit.value().map(|limit| limit.as_watts_f64())))
    });
    add(draft, &f::GPU_ENERGY, gpus, |seen| {
        [(
            "",
            seen.energy_microjoules
                .value()
                .map(|energy| energy.as_joules_f64()),
        )]
    });
}

fn write_health(draft: &mut Draft<'_>, gpus: &[Gpu]) {
    add(draft, &f::GPU_TEMPERATURE, gpus, |seen| {
        [
            ("core", seen.temperature_celsius.value()),
            ("memory", seen.memory_temperature_celsius.value()),
        ]
    });
    add(draft, &f::GPU_TEMPERATURE_LIMIT, gpus, |seen| {
        [
            ("slowdown", seen.slowdown_celsius.value()),
            ("shutdown", seen.shutdown_celsius.value()),
        ]
    });
    add(draft, &f::GPU_ECC, gpus, |seen| {
        [
            ("corrected", seen.ecc_corrected.value()),
            ("uncorrected", seen.ecc_uncorrected.value()),
        ]
    });
    add(draft, &f::GPU_REMAPPED, gpus, |seen| {
        [
            ("corrected", seen.remapped_corrected.value()),
            ("uncorrected", seen.remapped_uncorrected.value()),
        ]
    });
    add(draft, &f::GPU_REMAP, gpus, |seen| {
        [
            ("pending", seen.remap_pending.value()),
            ("failed", seen.remap_failed.value()),
        ]
    });
    write_events(draft, gpus);
}

/// What comes and goes: critical errors, and what holds the clocks back.
fn write_events(draft: &mut Draft<'_>, gpus: &[Gpu]) {
    let mut samples = draft.family(&f::GPU_XID);
    for (gpu, seen) in told(gpus) {
        for xid in &seen.xids {
            let number = xid.xid.to_string();
            samples.add(&[word(&gpu.device), word(&gpu.uuid), &number], Some(xid.count));
        }
    }
    let mut samples = draft.family(&f::GPU_XID_LAST);
    for (gpu, seen) in told(gpus) {
        for xid in &seen.xids {
            let at = Duration::from_millis(xid.last_at.millis()).as_secs_f64();
            let number = xid.xid.to_string();
            samples.add(&[word(&gpu.device), word(&gpu.uuid), &number], Some(at));
        }
    }
    let mut samples = draft.family(&f::GPU_THROTTLED);
    for (gpu, seen) in told(gpus) {
        for reason in seen.throttled_by.as_ref().into_iter().flatten() {
            samples.add(&[word(&gpu.device), word(&gpu.uuid), reason], Some(1_u64));
        }
    }
    let mut samples = draft.family(&f::GPU_THROTTLE);
    for (gpu, seen) in told(gpus) {
        for throttle in &seen.throttled {
            let time = throttle.nanoseconds.value().map(Duration::from_nanos);
            samples.add(
                &[word(&gpu.device), word(&gpu.uuid), &throttle.reason],
                time.map(|time| time.as_secs_f64()),
            );
        }
    }
}

fn write_bus(draft: &mut Draft<'_>, gpus: &[Gpu]) {
    add(draft, &f::GPU_PCIE, gpus, |seen| {
        [
            ("sent", seen.pcie_sent_bytes_per_second.value()),
            ("received", seen.pcie_received_bytes_per_second.value()),
        ]
    });
    add(draft, &f::GPU_REPLAYS, gpus, |seen| {
        [("", seen.pcie_replays.value())]
    });
}

fn write_links(draft: &mut Draft<'_>, gpus: &[Gpu]) {
    let mut samples = draft.family(&f::GPU_NVLINKS);
    for (gpu, seen) in told(gpus).filter(|(_, seen)| !seen.nvlinks.is_empty()) {
        for (state, active) in [("active", true), ("inactive", false)] {
            let of_state = seen
                .nvlinks
                .iter()
                .filter(|link| link.active == Reading::Value(active));
            let labels = [word(&gpu.device), word(&gpu.uuid), state];
            samples.add(&labels, Some(of_state.count()));
        }
    }
    let mut samples = draft.family(&f::GPU_NVLINK_BYTES);
    for (gpu, seen) in told(gpus) {
        for link in &seen.nvlinks {
            let number = link.link.to_string();
            for (direction, bytes) in [("sent", link.sent_bytes), ("received", link.received_bytes)] {
                let labels = [word(&gpu.device), word(&gpu.uuid), &number, direction];
                samples.add(&labels, bytes.value());
            }
        }
    }
    let mut samples = draft.family(&f::GPU_NVLINK_ERRORS);
    for (gpu, seen) in told(gpus) {
        // Summed over the links of a GPU: which of them it was is in the facts.
        let kinds: [(&str, LinkCount); 4] = [
            ("crc_flit", |link| link.crc_flit_errors),
            ("crc_data", |link| link.crc_data_errors),
            ("replay", |link| link.replays),
            ("recovery", |link| link.recoveries),
        ];
        for (kind, of) in kinds {
            let counts = seen.nvlinks.iter().filter_map(|link| of(link).value());
            let sum = counts.reduce(u64::saturating_add);
            samples.add(&[word(&gpu.device), word(&gpu.uuid), kind], sum);
        }
    }
}

fn write_mig(draft: &mut Draft<'_>, gpus: &[Gpu]) {
    let mut samples = draft.family(&f::GPU_MIG_INFO);
    for (gpu, seen) in told(gpus) {
        for part in &seen.mig_devices {
            let index = part.index.to_string();
            let labels = [
                word(&gpu.device),
                word(&gpu.uuid),
                &index,
                word(&part.uuid),
                word(&part.name),
            ];
            samples.add(&labels, Some(1_u64));
        }
    }
    let mut samples = draft.family(&f::GPU_MIG_MEMORY);
    for (gpu, seen) in told(gpus) {
        for part in &seen.mig_devices {
            let index = part.index.to_string();
            for (state, bytes) in [("total", part.memory_bytes), ("used", part.memory_used_bytes)] {
                let labels = [
                    word(&gpu.device),
                    word(&gpu.uuid),
                    &index,
                    word(&part.uuid),
                    state,
                ];
                samples.add(&labels, bytes.value().map(|bytes| bytes.get()));
            }
        }
    }
}

/// The GPUs whose driver's library speaks.
fn told(gpus: &[Gpu]) -> impl Iterator<Item = (&Gpu, &GpuReadings)> {
    gpus.iter()
        .filter_map(|gpu| Some((gpu, gpu.readings.as_deref()?)))
}
