//! Metrics of the last proof of each workload.

use std::sync::Arc;

use agent_api::v1::{IntruderKind, Proof, Verdict};
use facts::Bytes;

use super::draft::Draft;
use super::family as f;
use super::service::seconds;
use crate::view::View;

pub(super) fn write(draft: &mut Draft<'_>, view: &View) {
    let workloads = view.kept.workloads.iter();
    let proofs: Vec<&Arc<Proof>> = workloads
        .filter_map(|workload| view.proof(&workload.id))
        .collect();
    let exclusive = || proofs.iter().filter(|proof| proof.verdict != Verdict::Shared);
    let mut samples = draft.family(&f::WORKLOAD_PROVEN);
    for proof in exclusive() {
        samples.add(&[proof.id.as_str()], Some(proof.verdict.holds()));
    }
    let mut samples = draft.family(&f::WORKLOAD_INTRUDERS);
    for proof in exclusive() {
        for kind in IntruderKind::ALL {
            let all = proof.intruders.iter().chain(&proof.unavoidable);
            let count = all.filter(|one| one.kind == kind).count();
            samples.add(&[proof.id.as_str(), kind.word()], Some(count));
        }
    }
    let mut samples = draft.family(&f::WORKLOAD_FOREIGN_MEMORY);
    for proof in &proofs {
        let ratio = proof.memory.as_ref().and_then(|memory| {
            let [foreign, total] = [memory.foreign_bytes, memory.total_bytes].map(Bytes::as_f64);
            (total > 0.0).then(|| foreign / total)
        });
        samples.add(&[proof.id.as_str()], ratio);
    }
    let mut samples = draft.family(&f::WORKLOAD_PROOF_TIME);
    for proof in &proofs {
        samples.add(&[proof.id.as_str()], Some(seconds(proof.at)));
    }
}
