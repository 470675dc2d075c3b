//! Every context switch on some CPUs, as the kernel records it (perf_event_open(2), `PERF_RECORD_SWITCH_CPU_WIDE`).

use facts::{CpuId, CpuSet, NoData};
use perf_event2::events::Software;
use perf_event2::{Builder, Clock, SampleFlag, Sampler};

use super::refusal::Refusal;
use crate::collector::CollectError;

/// `PERF_RECORD_*` of perf_event_open(2).
const LOST: u32 = 2;
const COMM: u32 = 3;
const FORK: u32 = 7;
const SWITCH_CPU_WIDE: u32 = 15;
/// `PERF_RECORD_MISC_SWITCH_OUT`: the record is of who leaves.
const SWITCH_OUT: u16 = 1 << 13;
/// pid, tid, time, CPU and four bytes of nothing: what `sample_id_all` puts behind each record.
const TRAILER: usize = 24;

/// The buffer of one CPU. A switch takes two records of 40 bytes: read every 20 ms, it holds 80,000 switches a second.
const BUFFER: usize = 128 << 10;
/// The most CPUs that are watched at once: their buffers are 32 MiB of memory that cannot be paged out.
const MOST_CPUS: usize = 256;
/// The most records that are read of one CPU in one go: those of a full buffer, and no more however fast others come.
const MOST_RECORDS: usize = BUFFER / 32;

/// A thread, by the kernel's numbers. Thread 0 is a CPU with nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Task {
    /// Its process.
    pub pid: u32,
    /// The thread.
    pub tid: u32,
}

/// What the kernel recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A thread left the CPU, and another came.
    Left {
        /// When, in nanoseconds of `CLOCK_MONOTONIC`.
        at: u64,
        /// Who left.
        task: Task,
        /// Who came.
        next: Task,
    },
    /// A thread got a name.
    Named {
        /// Who.
        task: Task,
        /// The name (`comm`).
        name: String,
    },
    /// A thread began.
    Born {
        /// Who.
        task: Task,
        /// Who made it.
        parent: Task,
    },
    /// So many records found no place in the buffer.
    Lost(u64),
}

/// The switches of some CPUs from now on.
pub struct Switches {
    lanes: Vec<(CpuId, Sampler)>,
}

impl Switches {
    /// Begins to record.
    ///
    /// # Errors
    /// When perf is not permitted or not there, or these are more CPUs than can be watched.
    pub fn open(cpus: &CpuSet) -> Result<Switches, CollectError> {
        if cpus.len() > MOST_CPUS {
            let message = format!(
                "{} CPUs are more than the {MOST_CPUS} whose switches are recorded at once",
                cpus.len()
            );
            return Err(CollectError::new(NoData::Unsupported, message));
        }
        let mut lanes = Vec::with_capacity(cpus.len());
        for cpu in cpus.iter() {
            let lane = lane(cpu).map_err(|error| Refusal::from(&error).error("context switches"))?;
            lanes.push((cpu, lane));
        }
        for (_, lane) in &mut lanes {
            let enabled = lane.as_counter_mut().enable();
            enabled.map_err(|error| Refusal::from(&error).error("context switches"))?;
        }
        Ok(Switches { lanes })
    }

    /// Tells what was recorded since the last call, each CPU's in its order.
    pub fn drain(&mut self, mut tell: impl FnMut(CpuId, Told)) {
        for (cpu, lane) in &mut self.lanes {
            for _ in 0..MOST_RECORDS {
                let Some(record) = lane.next_record() else {
                    break;
                };
                if let Some(told) = parse(record.ty(), record.misc(), &record.to_contiguous()) {
                    tell(*cpu, told);
                }
            }
        }
    }
}

fn lane(cpu: CpuId) -> std::io::Result<Sampler> {
    let mut builder = Builder::new(Software::DUMMY);
    builder
        .any_pid()
        .one_cpu(usize::try_from(cpu.0).unwrap_or(usize::MAX))
        .exclude_kernel(false)
        .exclude_hv(false)
        .sample(SampleFlag::TID | SampleFlag::TIME | SampleFlag::CPU)
        .sample_id_all(true)
        .context_switch(true)
        .comm(true)
        .task(true)
        .clockid(Clock::MONOTONIC);
    builder.build()?.sampled(BUFFER)
}

/// One record without its header; nothing of what we did not ask for, or of what is too short.
pub fn parse(kind: u32, misc: u16, data: &[u8]) -> Option<Told> {
    let (body, trailer) = data.split_at_checked(data.len().checked_sub(TRAILER)?)?;
    match kind {
        SWITCH_CPU_WIDE if misc & SWITCH_OUT != 0 => Some(Told::Left {
            at: long(trailer, 8)?,
            task: task(word(trailer, 0)?, word(trailer, 4)?),
            next: task(word(body, 0)?, word(body, 4)?),
        }),
        COMM => {
            let name = body.get(8..)?;
            let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
            Some(Told::Named {
                task: task(word(body, 0)?, word(body, 4)?),
                name: String::from_utf8_lossy(name.get(..end)?).into_owned(),
            })
        }
        FORK => Some(Told::Born {
            task: task(word(body, 0)?, word(body, 8)?),
            parent: task(word(body, 4)?, word(body, 12)?),
        }),
        LOST => Some(Told::Lost(long(body, 8)?)),
        _ => None,
    }
}

fn task(pid: u32, tid: u32) -> Task {
    Task { pid, tid }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(four.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    let eight = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_ne_bytes(eight.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn bytes(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    #[test]
    fn records_are_read_as_the_manual_page_lays_them_out() {
        let mut record = bytes(&[70, 71, 80, 81]);
        record.extend(5_u64.to_ne_bytes());
        record.extend(bytes(&[3, 0]));
        let left = Told::Left {
            at: 5,
            task: task(80, 81),
            next: task(70, 71),
        };
        assert_eq!(parse(SWITCH_CPU_WIDE, SWITCH_OUT, &record), Some(left));
        assert_eq!(
            parse(SWITCH_CPU_WIDE, 0, &record),
            None,
            "the same switch, told by who comes"
        );
        let mut named = bytes(&[7, 8]);
        named.extend(b"busy loop\0\0\0\0\0\0\0");
        named.extend([0; TRAILER]);
        let name = "busy loop".to_owned();
        assert_eq!(
            parse(COMM, 0, &named),
            Some(Told::Named {
                task: task(7, 8),
                name
            })
        );
        let mut born = bytes(&[10, 1, 11, 2, 0, 0]);
        born.extend([0; TRAILER]);
        let expected = Told::Born {
            task: task(10, 11),
            parent: task(1, 2),
        };
        assert_eq!(parse(FORK, 0, &born), Some(expected));
    }

    #[test]
    fn this_kernel_tells_who_leaves_a_cpu() {
        let online: CpuSet = std::fs::read_to_string("/sys/devices/system/cpu/online")
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        let mut switches = match Switches::open(&online) {
            Ok(switches) => switches,
            Err(error) => {
                println!("skipped: {}", error.explain());
                return;
            }
        };
        let us = std::process::id();
        let begin = std::time::Instant::now();
        let mut is_seen = false;
        while !is_seen && begin.elapsed().as_secs() < 60 {
            std::thread::sleep(std::time::Duration::from_millis(5));
            switches.drain(|cpu, told| {
                assert!(online.contains(cpu));
                is_seen |= matches!(told, Told::Left { task, at, .. } if task.pid == us && at > 0);
            });
        }
        assert!(is_seen, "we slept, and nobody saw us leave");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_record_or_none(kind in 0_u32..20, misc: u16, data in proptest::collection::vec(any::<u8>(), 0..96)) {
            let _ = parse(kind, misc, &data);
        }
    }
}
