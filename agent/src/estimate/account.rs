//! The account: what each workload, idle time and the rest have got so far.

use std::collections::BTreeMap;
use std::time::Duration;

use collectors::perf::workloads::families as f;
use collectors::perf::workloads::{SocketTurn, Turn, WorkloadTurn};
use facts::Energy;
use facts::sheet::Writing;

use super::split::{Method, Package, Part, split};

/// What one workload has got by one method, in microjoules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Got {
    /// In all.
    total: u64,
    /// In the last turn.
    turn: Option<u64>,
}

/// What everybody has got. The sum of all parts is what was measured, always.
#[derive(Clone, Debug, Default)]
pub struct Account {
    workloads: BTreeMap<(String, Method), Got>,
    idle: u64,
    unattributed: u64,
    /// Of workloads that are no more: their series vanish, their energy does not.
    ended: u64,
    /// `None` until some package's energy was measured over a turn.
    measured: Option<u64>,
    length: Option<Duration>,
}

impl Account {
    /// Takes a turn.
    pub fn take(&mut self, turn: &Turn) {
        self.length = turn.length;
        for got in self.workloads.values_mut() {
            got.turn = None;
        }
        for (socket, at) in &turn.sockets {
            if let Some(microjoules) = at.microjoules {
                self.take_socket(socket, at, microjoules, &turn.workloads);
            }
        }
        let is_there = |id: &String| turn.workloads.iter().any(|workload| workload.id == *id);
        let ended = &mut self.ended;
        self.workloads.retain(|(id, _), got| {
            let stays = is_there(id);
            if !stays {
                *ended = ended.saturating_add(got.total);
            }
            stays
        });
    }

    fn take_socket(&mut self, socket: &str, at: &SocketTurn, microjoules: u64, workloads: &[WorkloadTurn]) {
        let parts: Vec<Part> = workloads
            .iter()
            .map(|workload| Part {
                cpu: workload.cpu.get(socket).copied().unwrap_or(0),
                cycles: workload.cycles.get(socket).copied(),
            })
            .collect();
        let package = Package {
            microjoules,
            busy: at.busy,
            idle: at.idle,
        };
        let split = split(package, &parts);
        self.measured = Some(self.measured.unwrap_or(0).saturating_add(microjoules));
        self.idle = self.idle.saturating_add(split.idle);
        self.unattributed = self.unattributed.saturating_add(split.unattributed);
        for (workload, part) in workloads.iter().zip(split.parts) {
            let got = self
                .workloads
                .entry((workload.id.clone(), split.method))
                .or_default();
            got.total = got.total.saturating_add(part);
            got.turn = Some(got.turn.unwrap_or(0).saturating_add(part));
        }
    }

    /// Writes the rows; none before anything was measured.
    pub fn write(&self, sheet: &mut Writing<'_>) {
        let Some(measured) = self.measured else {
            return;
        };
        for ((id, method), got) in &self.workloads {
            let labels = [id.as_str(), method.word()];
            sheet.add(&f::ENERGY, &labels, Some(Energy::from_microjoules(got.total)));
            let watts = got
                .turn
                .zip(self.length)
                .and_then(|(part, length)| watts(part, length));
            sheet.add(&f::POWER, &labels, watts);
        }
        for (kind, part) in [
            ("idle", self.idle),
            ("unattributed", self.unattributed),
            ("ended", self.ended),
        ] {
            sheet.add(&f::RESIDUAL, &[kind], Some(Energy::from_microjoules(part)));
        }
        sheet.add(&f::MEASURED, &[], Some(Energy::from_microjoules(measured)));
    }
}

fn watts(microjoules: u64, length: Duration) -> Option<f64> {
    let seconds = length.as_secs_f64();
    (seconds > 0.0).then(|| Energy::from_microjoules(microjoules).as_joules_f64() / seconds)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use facts::Number;
    use facts::sheet::{Pad, Sheet};
    use proptest::prelude::*;

    use super::*;

    fn turn(microjoules: Option<u64>, workloads: &[(&str, u64, Option<u64>)]) -> Turn {
        let on = |count: u64| BTreeMap::from([("0".to_owned(), count)]);
        let workload = |(id, cpu, cycles): &(&str, u64, Option<u64>)| WorkloadTurn {
            id: str::to_owned(id),
            cpu: on(*cpu),
            cycles: cycles.map(on).unwrap_or_default(),
        };
        let socket = SocketTurn {
            microjoules,
            busy: 500,
            idle: 500,
        };
        Turn {
            length: Some(Duration::from_secs(2)),
            sockets: BTreeMap::from([("0".to_owned(), socket)]),
            workloads: workloads.iter().map(workload).collect(),
        }
    }

    fn sheet(account: &Account) -> Sheet {
        let mut pad = Pad::default();
        let mut writing = pad.begin();
        account.write(&mut writing);
        writing.finish()
    }

    fn shown(account: &Account, family: &str) -> Vec<(Vec<String>, f64)> {
        let sheet = sheet(account);
        let rows = sheet.iter().filter(|(row, _)| row.family.name == family);
        rows.filter_map(|(row, number)| match number {
            Number::Float(float) => Some((row.labels.iter().map(ToString::to_string).collect(), float)),
            Number::Nothing => None,
            Number::Whole(whole) => panic!("{whole}"),
        })
        .collect()
    }

    #[test]
    fn methods_have_counters_of_their_own_and_what_ended_is_kept() {
        let mut account = Account::default();
        account.take(&turn(None, &[("a", 100, None)]));
        assert_eq!(sheet(&account).rows().len(), 0, "nobody measures");
        account.take(&turn(Some(10_000_000), &[("a", 100, None), ("b", 100, None)]));
        account.take(&turn(
            Some(10_000_000),
            &[("a", 100, Some(3)), ("b", 100, Some(1))],
        ));
        let row = |id: &str, method: &str| vec![id.to_owned(), method.to_owned()];
        assert_eq!(
            shown(&account, f::ENERGY.name),
            [
                (row("a", "cpu_time"), 1.0),
                (row("a", "cycles"), 1.5),
                (row("b", "cpu_time"), 1.0),
                (row("b", "cycles"), 0.5)
            ]
        );
        assert_eq!(
            shown(&account, f::POWER.name),
            [(row("a", "cycles"), 0.75), (row("b", "cycles"), 0.25)]
        );
        account.take(&turn(Some(10_000_000), &[("b", 0, None)]));
        let kind = |kind: &str| vec![kind.to_owned()];
        assert_eq!(
            shown(&account, f::RESIDUAL.name),
            [
                (kind("idle"), 15.0),
                (kind("unattributed"), 11.0),
                (kind("ended"), 2.5)
            ]
        );
    }

    proptest! {
        #[test]
        fn the_sum_of_all_parts_is_what_was_measured(
            turns in proptest::collection::vec(
                (0_u64..1 << 40, proptest::collection::btree_map("[a-e]", (0_u64..2_000, any::<Option<u32>>()), 0..5)),
                1..20,
            ),
        ) {
            let mut account = Account::default();
            for (microjoules, workloads) in &turns {
                let workloads: Vec<(&str, u64, Option<u64>)> = workloads
                    .iter()
                    .map(|(id, (cpu, cycles))| (id.as_str(), *cpu, cycles.map(u64::from)))
                    .collect();
                account.take(&turn(Some(*microjoules), &workloads));
            }
            let given: u64 = account.workloads.values().map(|got| got.total).sum();
            let all = given + account.idle + account.unattributed + account.ended;
            prop_assert_eq!(Some(all), account.measured);
        }
    }
}
