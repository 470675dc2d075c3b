//! Bodies of leases and of their ends, and what is noted of them, from anybody.

use agent_api::v1::{Lease, LeaseEnd};

use super::{Here, Leases};
use crate::ledger::Lately;

/// Whatever is taken keeps its promise: no more in force than granted, and after its end no more than level 1.
pub(crate) fn fuzz(data: &[u8]) {
    let mut leases = Leases::default();
    if let Ok(lately) = serde_json::from_slice::<Lately>(data) {
        let text = serde_json::to_vec(&lately).unwrap_or_default();
        assert_eq!(serde_json::from_slice(&text).ok(), Some(lately.clone()));
        leases = leases.or_later(lately.leases).after_boot();
    }
    // Bodies stand a line each; the clock goes on by a second from one to the next.
    let bodies = data.split(|byte| *byte == b'\n');
    for (now, body) in (1_000_u64..).step_by(1_000).zip(bodies) {
        if let Some(next) = leases.expire(now) {
            leases = next.leases;
        }
        if let Ok(lease) = serde_json::from_slice::<Lease>(body)
            && let Ok(next) = leases.take(&lease, &at(&lease.boot_id, now))
        {
            leases = next.leases;
            let held = leases.held.iter();
            held.for_each(|held| assert!(held.target <= held.grant.wants(), "{held:?}"));
        }
        if let Ok(end) = serde_json::from_slice::<LeaseEnd>(body)
            && let Ok(Some(next)) = leases.end(&end, &at(&end.boot_id, now))
        {
            leases = next.leases;
        }
    }
}

fn at(boot_id: &str, now: u64) -> Here<'_> {
    Here {
        boot_id,
        now,
        cap: None,
    }
}
