//! What the interference loop knows of a workload for which it has named somebody.

use std::collections::BTreeMap;

use agent::waits::Resource as Waited;
use agent_api::v1::{Antagonist, Incident, Interference, InterferenceMode, Resource, Signal, SignalState};
use facts::Moment;
use intent::Priority;

/// A loop that has named somebody.
pub fn suffering() -> Interference {
    let at = Moment::from_millis(1_795_000_120_000);
    let antagonist = Antagonist {
        id: "batch-1".parse().unwrap(),
        resource: Resource::CpuTime,
        score: 0.5,
        priority: Priority::MOST,
        untouchable: String::new(),
        evidence: Vec::new(),
    };
    Interference {
        id: "web-1".parse().unwrap(),
        mode: InterferenceMode::Advise,
        at,
        window_seconds: 60,
        protected: true,
        because: String::new(),
        signals: vec![SignalState {
            signal: Signal::CyclesPerInstruction,
            value: Some(2.0),
            mean: 1.0,
            deviation: 0.25,
            threshold: 1.5,
            windows: 100,
            judged_from: 60,
            outliers: 3,
            of: 5,
            suffering: true,
        }],
        incidents: 2,
        last: Some(Incident {
            at,
            signal: Signal::CyclesPerInstruction,
            value: 2.0,
            threshold: 1.5,
            antagonists: vec![antagonist],
            over: None,
            acts: Vec::new(),
        }),
    }
}

/// How often it waited.
pub fn waits() -> BTreeMap<Waited, u64> {
    BTreeMap::from([(Waited::Cpu, 0), (Waited::Memory, 3)])
}
