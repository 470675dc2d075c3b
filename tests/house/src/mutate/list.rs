//! The mutants: rules of the power pool, each broken by a line or two.

use super::{Edit, Mutant};

const ORDERS: &str = "rack-controller/src/pools/power/plan/orders.rs";
const RATION: &str = "rack-controller/src/pools/power/plan/ration.rs";
const SUMS: &str = "rack-controller/src/pools/power/plan/sums.rs";
const STANDING: &str = "rack-controller/src/pools/power/plan/standing.rs";
const BOOK: &str = "rack-controller/src/pools/power/plan/book.rs";
const PREEMPT: &str = "rack-controller/src/pools/power/plan/preempt.rs";
const TAKE_WATTS: &str = "rack-controller/src/decide/preempt.rs";
const SWITCH: &str = "rack-controller/src/pools/power/plan/switch.rs";
const LEND: &str = "rack-controller/src/pools/power/plan/lend.rs";
const MACHINE: &str = "rack-controller/src/pools/power/act/lessor/machine.rs";
const LEASE: &str = "agent/src/lease/mod.rs";
const TAKE: &str = "agent/src/lease/take.rs";

/// Rules of the controller's first, then those of the agent's: each change of a side builds more anew.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "raise-at-once",
        what: "a raise does not wait for the lowering that pays for it (rule 4)",
        edits: &[Edit {
            file: ORDERS,
            find: "let bears = remembers && !is_held_back && mine(&rooms);",
            instead: "let bears = remembers && !is_held_back;",
        }],
    },
    Mutant {
        name: "old-cap-forgotten",
        what: "an order counts with its new cap before the agent has answered it (rule 4)",
        edits: &[Edit {
            file: ORDERS,
            find: "let may = order.may.max(order.cap);",
            instead: "let may = order.cap;",
        }],
    },
    Mutant {
        name: "old-armed-forgotten",
        what: "an order counts with its new armed caps before the agent has answered it (rules 2 and 4)",
        edits: &[Edit {
            file: ORDERS,
            find: "next: at_level(&order.may_levels, 1, may).max(order.level(1)),",
            instead: "next: order.level(1),",
        }],
    },
    Mutant {
        name: "armed-as-in-force",
        what: "a node counts with its armed cap instead of the one in force (rule 1)",
        edits: &[Edit {
            file: ORDERS,
            find: "cap: in_force.max(order.cap),",
            instead: "cap: in_force.min(order.level(1)),",
        }],
    },
    Mutant {
        name: "never-capped-forgotten",
        what: "a node that was never capped counts with its first order instead of its max draw",
        edits: &[Edit {
            file: ORDERS,
            find: "may: node.max_draw,\n            may_levels: vec![node.max_draw],",
            instead: "may: cap,\n            may_levels: levels.to_vec(),",
        }],
    },
    Mutant {
        name: "uncapped-forgotten",
        what: "a node that was silent for long enough to boot counts with its old cap (rule 6)",
        edits: &[Edit {
            file: ORDERS,
            find: "return if never_heard || now.since(since) >= REBOOTS {",
            instead: "return if never_heard {",
        }],
    },
    Mutant {
        name: "restart-forgets-silence",
        what: "a controller that starts again gives nodes that it never heard another 20 s (rule 6)",
        edits: &[Edit {
            file: ORDERS,
            find: "let never_heard = lease.answered == 0;",
            instead: "let never_heard = false;",
        }],
    },
    Mutant {
        name: "silence-frees",
        what: "a node that does not answer counts with nothing: free on expiry (rule 6)",
        edits: &[Edit {
            file: ORDERS,
            find: "may,\n                \"its agent does not answer",
            instead: "Power::ZERO,\n                \"its agent does not answer",
        }],
    },
    Mutant {
        name: "silence-is-armed",
        what: "a node that does not answer counts with its armed cap after a loss (rule 6)",
        edits: &[Edit {
            file: ORDERS,
            find: "            whole(\n                may,\n                \"its agent does not answer: what was armed there may never be obeyed\",\n            )",
            instead: "            Counted { cap: may, next: order.level(1), reason: None }",
        }],
    },
    Mutant {
        name: "silence-risked-unasked",
        what: "what a silent rack would go on drawing is sold without accept_silence (rule 6)",
        edits: &[
            Edit {
                file: ORDERS,
                find: "if domain.accept_silence {",
                instead: "if true {",
            },
            Edit {
                file: RATION,
                find: "if losses == 0 && domain.accept_silence {",
                instead: "if losses == 0 {",
            },
        ],
    },
    Mutant {
        name: "armed-with-revocable",
        what: "the armed caps are those of before the loss (rule 2)",
        edits: &[Edit {
            file: RATION,
            find: "let mut armed: Vec<Power> = caps.collect();",
            instead: "let mut armed: Vec<Power> = caps.map(|_| usual).collect();",
        }],
    },
    Mutant {
        name: "revocable-unredundant",
        what: "revocable watts stay when no further loss is covered",
        edits: &[Edit {
            file: RATION,
            find: "let covers_one = sums.covered > 0 && losses",
            instead: "let covers_one = losses",
        }],
    },
    Mutant {
        name: "blind-for-ever",
        what: "revocable watts stay however long the supplies were not seen (rule 11)",
        edits: &[Edit {
            file: RATION,
            find: "DomainState::Blind if now.since(standing.since) >= BLIND_GRACE =>",
            instead: "DomainState::Blind if now < standing.since =>",
        }],
    },
    Mutant {
        name: "firm-oversold",
        what: "firm watts are sold of what is installed instead of what survives",
        edits: &[Edit {
            file: SUMS,
            find: "headroom: kept.firm(full).saturating_sub(held),",
            instead: "headroom: kept.firm(installed).saturating_sub(held),",
        }],
    },
    Mutant {
        name: "feed-as-a-supply",
        what: "n+n keeps back one supply instead of what a whole feed carries",
        edits: &[Edit {
            file: SUMS,
            find: "Redundancy::Feeds => feeds(supplies),",
            instead: "Redundancy::Feeds => supplies.iter().map(|supply| supply.rated).collect(),",
        }],
    },
    Mutant {
        name: "tightest-forgotten",
        what: "a claim is admitted by its own domain alone, whatever feeds it",
        edits: &[Edit {
            file: STANDING,
            find: "    above(&rack.config, domain)\n        .into_iter()\n        .filter_map(|name| Some(",
            instead: "    BTreeSet::from([domain])\n        .into_iter()\n        .filter_map(|name| Some(",
        }],
    },
    Mutant {
        name: "shed-the-first",
        what: "in a deficit whoever comes first in rank is shed first (rule 9)",
        edits: &[Edit {
            file: BOOK,
            find: "drawing.sort_by_key(|claim| claim.rank());",
            instead: "drawing.sort_by_key(|claim| std::cmp::Reverse(claim.rank()));",
        }],
    },
    Mutant {
        name: "equals-preempted",
        what: "an ask takes the watts of claims of its own priority",
        edits: &[Edit {
            file: PREEMPT,
            find: ".filter(|claim| claim.priority > priority &&",
            instead: ".filter(|claim| claim.priority >= priority &&",
        }],
    },
    Mutant {
        name: "preempts-unasked",
        what: "an ask that did not say preempt takes the watts of others",
        edits: &[Edit {
            file: TAKE_WATTS,
            find: "if !ask.preempt {",
            instead: "if false {",
        }],
    },
    Mutant {
        name: "off-first-in-rank",
        what: "whoever comes first in rank is switched off first (rule 9)",
        edits: &[Edit {
            file: SWITCH,
            find: "let last = may.max_by_key(",
            instead: "let last = may.min_by_key(",
        }],
    },
    Mutant {
        name: "host-switched-off",
        what: "the controller's own host is switched off like any other (rule 9)",
        edits: &[Edit {
            file: SWITCH,
            find: "        && rack.config.controller_host.as_deref() != Some(node.name.as_str())\n",
            instead: "",
        }],
    },
    Mutant {
        name: "trial-delivers-nothing",
        what: "nodes are switched off for want of supplies that are on trial",
        edits: &[Edit {
            file: SWITCH,
            find: "Life::Empty | Life::Faulted { .. } | Life::Condemned { .. } => Some(sum),",
            instead: "Life::Empty | Life::Faulted { .. } | Life::Condemned { .. } | Life::Settling { .. } | Life::Probation { .. } => Some(sum),",
        }],
    },
    Mutant {
        name: "on-all-at-once",
        what: "nodes come on without waiting for one another (dark start)",
        edits: &[Edit {
            file: SWITCH,
            find: "if switches.values().any(|switch| switch.wanted == Wanted::On) {",
            instead: "if switches.len() > 64 {",
        }],
    },
    Mutant {
        name: "boots-as-it-was",
        what: "a node that is switched on counts with its old cap until its agent answers (rule 6)",
        edits: &[Edit {
            file: ORDERS,
            find: "if is_coming(rack, node) && lease.is_none_or(",
            instead: "if node.name.is_empty() && lease.is_none_or(",
        }],
    },
    Mutant {
        name: "lends-what-is-not-lendable",
        what: "watts of claims are lent that said nothing of it",
        edits: &[Edit {
            file: LEND,
            find: "            if claim.lendable {\n                add(&mut lenders.lendable);\n            }",
            instead: "            add(&mut lenders.lendable);",
        }],
    },
    Mutant {
        name: "lends-without-margin",
        what: "a lender keeps what it drew at the most, and nothing above it",
        edits: &[Edit {
            file: LEND,
            find: "let whole = peak.saturating_add(peak.share(margin_ppm.min(PPM)));",
            instead: "let _ = (margin_ppm, PPM);\n    let whole = peak;",
        }],
    },
    Mutant {
        name: "silence-unnoticed",
        what: "a lessor never says that its agent is silent (rule 6)",
        edits: &[Edit {
            file: MACHINE,
            find: "if now.since(self.answered_at) < SILENT || before.silent_since.is_some() {",
            instead: "if now >= self.answered_at || before.silent_since.is_some() {",
        }],
    },
    Mutant {
        name: "older-lease-taken",
        what: "an agent takes a lease that is older than the last (rule 7)",
        edits: &[Edit {
            file: TAKE,
            find: "if lease.sequence < held.sequence {",
            instead: "if false {",
        }],
    },
    Mutant {
        name: "renewed-from-a-queue",
        what: "a lease is valid from its arrival instead of the reading that it names (rule 7)",
        edits: &[Edit {
            file: TAKE,
            find: "let ends = lease.heard_millis.saturating_add(lease.valid_millis);",
            instead: "let ends = here.now.saturating_add(lease.valid_millis);",
        }],
    },
    Mutant {
        name: "late-lease-taken",
        what: "a lease that came after its end is obeyed (rule 7)",
        edits: &[Edit {
            file: TAKE,
            find: "if ends > here.now {",
            instead: "if ends > 0 {",
        }],
    },
    Mutant {
        name: "lease-without-end",
        what: "a lease that nobody renews does not end (rule 5)",
        edits: &[Edit {
            file: LEASE,
            find: "held.any(|held| !held.expired && now >= held.expires_millis)",
            instead: "held.any(|held| !held.expired && now == u64::MAX)",
        }],
    },
    Mutant {
        name: "ended-in-name-only",
        what: "a lease that ended leaves its cap in force (rule 5)",
        edits: &[Edit {
            file: LEASE,
            find: "target: self.target.min(self.holds().at(1)),",
            instead: "target: self.target,",
        }],
    },
    Mutant {
        name: "boot-keeps-its-cap",
        what: "a node that booted has what was granted to the boot before (rule 5)",
        edits: &[Edit {
            file: LEASE,
            find: "expires_millis: 0,\n            ..held.ended()",
            instead: "expires_millis: 0,\n            ..held.clone()",
        }],
    },
];
