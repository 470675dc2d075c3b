//! Metrics of the interference loop, and of waits: a few series for each workload that is watched, none where nothing is.

use agent_api::v1::Interference;

use super::draft::Draft;
use super::family as f;
use crate::view::View;

pub(super) fn write(draft: &mut Draft<'_>, view: &View) {
    let workloads = view.kept.workloads.iter();
    let known: Vec<&Interference> = workloads
        .filter_map(|workload| view.interference.get(&workload.id))
        .filter(|known| known.protected)
        .collect();
    let states = || {
        known
            .iter()
            .flat_map(|known| known.signals.iter().map(|state| (known.id.as_str(), state)))
    };
    let mut samples = draft.family(&f::WORKLOAD_INTERFERENCE);
    for (id, state) in states() {
        samples.add(&[id, state.signal.word()], Some(state.suffering));
    }
    let mut samples = draft.family(&f::WORKLOAD_DEVIATIONS);
    for (id, state) in states().filter(|(_, state)| state.windows >= state.judged_from) {
        let above = state.value.map(|value| (value - state.mean) / state.deviation);
        samples.add(
            &[id, state.signal.word()],
            above.filter(|above| above.is_finite()),
        );
    }
    let mut samples = draft.family(&f::WORKLOAD_INCIDENTS);
    for known in &known {
        samples.add(&[known.id.as_str()], Some(known.incidents));
    }
    let mut samples = draft.family(&f::WORKLOAD_ANTAGONIST);
    for known in &known {
        let lasting = known.last.iter().filter(|incident| incident.over.is_none());
        for one in lasting.flat_map(|incident| &incident.antagonists) {
            samples.add(&[known.id.as_str(), one.id.as_str()], Some(one.score));
        }
    }
    let mut samples = draft.family(&f::WORKLOAD_WAITS);
    let waits = view
        .waits
        .iter()
        .filter(|(id, _)| view.kept.workloads.iter().any(|workload| workload.id == **id));
    for (id, waits) in waits {
        for (resource, count) in waits {
            samples.add(&[id.as_str(), resource.word()], Some(*count));
        }
    }
    let mut samples = draft.family(&f::WORKLOAD_HELD_BACK);
    for workload in &view.kept.workloads {
        let cpus = workload
            .held_to_millicpus
            .map(|thousandths| f64::from(thousandths) / 1_000.0);
        samples.add(&[workload.id.as_str()], cpus);
    }
    let mut samples = draft.family(&f::WORKLOAD_HELD);
    for workload in &view.kept.workloads {
        if let Some(grade) = workload.held {
            samples.add(&[workload.id.as_str(), grade.word()], Some(1.0));
        }
    }
}
