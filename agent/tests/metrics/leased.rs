//! A lease of power on the page: nobody renewed it, and the disk takes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use agent::drives::Counted;
use agent::reconcile::Leased;
use agent_api::v1::{LeaseInForce, LeaseView, PowerCap};
use facts::{Moment, Power};

pub fn leased() -> Arc<Leased> {
    let watts = |watts| Power::from_watts(watts).unwrap();
    let lease = LeaseInForce {
        rack: "r1".to_owned(),
        sequence: 7,
        cap_watts: watts(400),
        levels: vec![watts(300), watts(250)],
        level: 0,
        expired: true,
        expires_millis: 6_000,
        in_force_watts: Some(watts(300)),
        applied: true,
        why_not: None,
    };
    Arc::new(Leased {
        view: LeaseView {
            boot_id: "boot".to_owned(),
            node: None,
            now_millis: 7_500,
            lease: Some(lease),
            head: None,
            not_capped: Vec::new(),
        },
        refused: BTreeMap::from([("stale", 2)]),
        unwritten: true,
    })
}

pub fn cap() -> Option<PowerCap> {
    let since = Moment::from_millis(1_795_000_000_000);
    Power::from_watts(300).map(|watts| PowerCap { watts, since })
}

/// Five drives, of which two are lent and one hangs, and four of other nodes.
pub fn pooled() -> Option<Arc<Counted>> {
    Some(Arc::new(Counted {
        lent: Some(2),
        shut: Some(3),
        hung: Some(1),
        answering: 3,
        broken: 1,
    }))
}
