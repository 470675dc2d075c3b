//! The state of one rack: what is configured, what was promised and journaled, what was seen last.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use facts::{Moment, Power};
use rack_api::v1::{Asked, DomainState};
use serde::{Deserialize, Serialize};

use super::drives::KeptDrives;
use super::order::Order;
use super::person::{Known, Pause, Scope, Swap};
use super::sight::Sight;
use super::switch::Switch;
use crate::bay::Bay;
use crate::claim::{Answered, Claim, ClaimId};
use crate::config::RackConfig;

/// One rack. Only [`evolve`](super::evolve()) changes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rack {
    /// What it is made of.
    pub config: Arc<RackConfig>,
    /// What the journal holds: replaying it gives exactly this again.
    pub kept: Kept,
    /// What was seen last.
    pub sight: Sight,
}

/// Everything that the journal brings back; written down whole in its snapshots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// How many journaled events made this.
    pub sequence: u64,
    /// Bays by place.
    pub bays: BTreeMap<String, Bay>,
    /// Claims in force. Shared between copies, because each decision works on a copy of the rack.
    #[serde(with = "shared")]
    pub claims: Arc<BTreeMap<ClaimId, Claim>>,
    /// The number of the next claim.
    pub next_claim: u64,
    /// Answered asks by idempotency key, and their keys, the oldest first. Shared as the claims are.
    #[serde(with = "shared")]
    pub answered: Arc<Answers>,
    /// Bays whose LED somebody wants lit, and until when.
    pub located: BTreeMap<String, Moment>,
    /// Bays whose LED we lit and have not put out.
    pub lit: BTreeSet<String>,
    /// Caps that we set at BMCs, by node.
    pub caps: BTreeMap<String, Power>,
    /// Domains by name.
    pub domains: BTreeMap<String, DomainStanding>,
    /// Nodes whose agent answered last time it was asked.
    pub ready_nodes: BTreeSet<String>,
    /// The caps that agents shall hold, by node. Shared as the claims are.
    #[serde(with = "shared")]
    pub orders: Arc<BTreeMap<String, Order>>,
    /// Claims that have their revocable watts.
    #[serde(with = "shared")]
    pub granted: Arc<BTreeSet<ClaimId>>,
    /// Claims whose firm watts cannot be served, because not enough is installed.
    #[serde(with = "shared")]
    pub shed: Arc<BTreeSet<ClaimId>>,
    /// The last claims that others took the watts of, the latest last.
    #[serde(default, with = "shared")]
    pub preempted: Arc<VecDeque<Preempted>>,
    /// How many claims others took the watts of, ever.
    #[serde(default)]
    pub preemptions: u64,
    /// What nodes lend of their firm watts. Shared as the claims are.
    #[serde(default, with = "shared")]
    pub lent: Arc<BTreeMap<String, Lent>>,
    /// Nodes that shall have back what they lent, and since when.
    #[serde(default)]
    pub recalled: BTreeMap<String, Moment>,
    /// The longest within an hour that giving lent watts back took, from the recall to the lender's answer, and when that was.
    #[serde(default)]
    pub slowest_return: Option<(Duration, Moment)>,
    /// How the clocks stood at the last start; `None` before the first that told.
    #[serde(default)]
    pub clock: Option<ClockMark>,
    /// Nodes whose cap was held under load in a drill: the lowest that was.
    pub proofs: BTreeMap<String, Proof>,
    /// The longest that lowering a node took, from the order to the agent's answer, and when that was; `None` before the first.
    pub slowest_lowering: Option<(Duration, Moment)>,
    /// The latest swap of each bay.
    pub swaps: BTreeMap<String, Swap>,
    /// Doubts that somebody knows of, by name.
    pub known: BTreeMap<String, Known>,
    /// Where the controller does not act.
    pub pauses: BTreeMap<Scope, Pause>,
    /// Nodes that are switched off or on.
    #[serde(default)]
    pub switches: BTreeMap<String, Switch>,
    /// Pooled drives and claims of them.
    #[serde(default)]
    pub drives: KeptDrives,
}

/// A claim that ended because another one took its watts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preempted {
    /// It, as it was.
    pub claim: Claim,
    /// The one that took its watts.
    pub by: ClaimId,
    /// What that one is for.
    pub by_for: String,
    /// That one's priority.
    pub by_priority: u8,
    /// When.
    pub at: Moment,
    /// Who asked for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// Whether drives were claimed with its watts: they are held for whoever asks again for the same.
    #[serde(default)]
    pub had_drives: bool,
}

/// How the rack's clock stood to the time since the machine's boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockMark {
    /// Which boot.
    pub boot_id: String,
    /// Milliseconds since it.
    pub boot_millis: u64,
    /// The rack's clock at that time.
    pub at: Moment,
}

/// What a node lends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lent {
    /// How much of its firm watts.
    pub watts: Power,
    /// What it keeps: its cap.
    pub keeps: Power,
    /// Since when.
    pub since: Moment,
}

/// What a drill showed of a node's caps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The cap that was in force.
    pub cap: Power,
    /// What the node drew before it, at its input.
    pub before: Power,
    /// What it drew under it.
    pub under: Power,
    /// When.
    pub at: Moment,
}

/// Answered asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    by_key: BTreeMap<String, Answered>,
    order: VecDeque<String>,
}

impl Answers {
    /// What this key was answered.
    pub fn get(&self, key: &str) -> Option<&Answered> {
        self.by_key.get(key)
    }

    /// Forgets what was answered with this claim.
    pub fn forget(&mut self, claim: ClaimId) {
        self.by_key.retain(|_, answered| answered.claim.id != claim);
        let kept = &self.by_key;
        self.order.retain(|key| kept.contains_key(key));
    }

    /// Keeps one more; the oldest go when there are more than `most`.
    pub fn keep(&mut self, key: &str, answered: Answered, most: usize) {
        if self.by_key.insert(key.to_owned(), answered).is_none() {
            self.order.push_back(key.to_owned());
        }
        while self.order.len() > most {
            if let Some(oldest) = self.order.pop_front() {
                self.by_key.remove(&oldest);
            }
        }
    }
}

/// How a domain is, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainStanding {
    /// How it is.
    pub state: DomainState,
    /// Since when.
    pub since: Moment,
}

impl Rack {
    /// A rack of which nothing was seen and in which nothing is promised. Domains with supplies are blind, not empty.
    pub fn new(config: &RackConfig) -> Rack {
        let standing = |blind: bool| DomainStanding {
            state: if blind {
                DomainState::Blind
            } else {
                DomainState::Redundant
            },
            since: Moment::EPOCH,
        };
        Rack {
            kept: Kept {
                sequence: 0,
                bays: config
                    .bays
                    .iter()
                    .map(|bay| (bay.place.clone(), Bay::unseen()))
                    .collect(),
                claims: Arc::default(),
                next_claim: 1,
                answered: Arc::default(),
                located: BTreeMap::new(),
                lit: BTreeSet::new(),
                caps: BTreeMap::new(),
                domains: config
                    .domains
                    .iter()
                    .map(|domain| (domain.name.clone(), standing(domain.source.has_bays())))
                    .collect(),
                ready_nodes: BTreeSet::new(),
                orders: Arc::default(),
                granted: Arc::default(),
                shed: Arc::default(),
                preempted: Arc::default(),
                preemptions: 0,
                lent: Arc::default(),
                recalled: BTreeMap::new(),
                slowest_return: None,
                clock: None,
                proofs: BTreeMap::new(),
                slowest_lowering: None,
                swaps: BTreeMap::new(),
                known: BTreeMap::new(),
                pauses: BTreeMap::new(),
                switches: BTreeMap::new(),
                drives: KeptDrives::default(),
            },
            sight: Sight::default(),
            config: Arc::new(config.clone()),
        }
    }

    /// A rack as a snapshot of the journal has it. What is configured now stands: bays and domains that are new begin as in a new rack, and
    /// those that are gone are forgotten, as [`evolve`](super::evolve()) forgets them.
    pub fn restored(config: &RackConfig, kept: Kept) -> Rack {
        let mut rack = Rack::new(config);
        let Kept {
            mut bays,
            mut domains,
            ..
        } = rack.kept;
        for (place, bay) in &mut bays {
            if let Some(known) = kept.bays.get(place) {
                bay.clone_from(known);
            }
        }
        for (name, standing) in &mut domains {
            if let Some(known) = kept.domains.get(name) {
                *standing = *known;
            }
        }
        let mut located = kept.located.clone();
        located.retain(|place, _| bays.contains_key(place) || config.drive_bay(place).is_some());
        let (mut lent, mut recalled) = (kept.lent.clone(), kept.recalled.clone());
        if lent.keys().any(|node| config.node(node).is_none()) {
            Arc::make_mut(&mut lent).retain(|node, _| config.node(node).is_some());
        }
        recalled.retain(|node, _| config.node(node).is_some());
        rack.kept = Kept {
            bays,
            domains,
            located,
            lent,
            recalled,
            ..kept
        };
        rack
    }

    /// The claim in force of this id or name.
    pub fn claim(&self, id_or_name: &str) -> Option<&Claim> {
        ClaimId::read(id_or_name)
            .and_then(|id| self.kept.claims.get(&id))
            .or_else(|| self.claim_named(id_or_name))
    }

    /// The claim in force of this name.
    pub fn claim_named(&self, name: &str) -> Option<&Claim> {
        self.kept.claims.values().find(|claim| claim.purpose == name)
    }

    /// Whether a claim that draws on this node lends what it leaves unused.
    pub fn has_lendable(&self, node: &str) -> bool {
        let mut claims = self.kept.claims.values();
        claims.any(|claim| claim.lendable && claim.draws_on() == Some(node))
    }

    /// Whether nothing shall be done in a domain now, because somebody said so.
    pub fn is_domain_paused(&self, domain: &str, now: Moment) -> bool {
        self.is_paused(&Scope::Rack, now) || self.is_paused(&Scope::Domain(domain.to_owned()), now)
    }

    /// Whether nothing shall be done at a node now, because somebody said so.
    pub fn is_node_paused(&self, node: &str, now: Moment) -> bool {
        // Asked for each drive of a decision, and nearly always nothing is.
        if self.kept.pauses.is_empty() {
            return false;
        }
        let domain = self.config.node(node).map(|node| node.domain.as_str());
        self.is_paused(&Scope::Node(node.to_owned()), now)
            || self.is_domain_paused(domain.unwrap_or_default(), now)
    }

    fn is_paused(&self, scope: &Scope, now: Moment) -> bool {
        self.kept.pauses.get(scope).is_some_and(|pause| now < pause.until)
    }

    /// Whether a bay can be seen now.
    pub fn sees(&self, place: &str) -> bool {
        self.sight.bays.get(place).is_some_and(|bay| bay.seen)
    }

    /// Whether a BMC answers now.
    pub fn bmc_up(&self, name: &str) -> bool {
        self.sight.bmcs.get(name).is_some_and(|bmc| bmc.up)
    }
}

/// What is shared between copies is written down as if it were not.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<T: Serialize, S: Serializer>(shared: &Arc<T>, serializer: S) -> Result<S::Ok, S::Error> {
        shared.as_ref().serialize(serializer)
    }

    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<T>, D::Error> {
        T::deserialize(deserializer).map(Arc::new)
    }
}
