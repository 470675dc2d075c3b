//! What an inspection found, as data: the JSON of `busbar-rack inspect --output json`; described in docs/inspect.md.

use std::path::PathBuf;

use bmc::redundancy::{Redundancy, claim_word};
use bmc::{Bmc, BmcError, NodeFacts};
use facts::supply::{Doubt, RedundancyClaim, Supplies, Supply, SupplyDomain};
use facts::{Power, Reading};
use serde::Serialize;

/// One supply, and the domain that it belongs to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SupplyRow {
    /// The domain's name.
    pub domain: String,
    /// The supply.
    #[serde(flatten)]
    pub supply: Supply,
}

/// What was computed for one domain, with its word: `n+1`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Computed {
    /// In one word, at the load seen.
    pub word: String,
    /// All of it.
    #[serde(flatten)]
    pub redundancy: Redundancy,
}

/// What was claimed for one domain, with its word: `n+7`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Claimed {
    /// The domain's name.
    pub domain: String,
    /// In one word.
    pub word: String,
    /// The claim.
    #[serde(flatten)]
    pub claim: RedundancyClaim,
}

/// Computed beside claimed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Compared {
    /// Computed from the supplies, one for each domain.
    pub computed: Vec<Computed>,
    /// Claimed by the BMC, any number for each domain.
    pub claimed: Vec<Claimed>,
}

/// One domain without its supplies.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Domain {
    /// Its name.
    pub name: String,
    /// Whether several domains are in here that cannot be told apart.
    pub mixed: bool,
    /// The bays in it.
    pub bays: Vec<String>,
    /// Σ rated of the supplies that count.
    pub installed_watts: Reading<Power>,
    /// What the BMC claims instead.
    pub capacity_claimed_watts: Option<Power>,
    /// What the domain draws.
    pub drawn_watts: Reading<Power>,
}

/// Everything that an inspection found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The address or the folder.
    pub source: String,
    /// `Vendor` of the service.
    pub vendor: Option<String>,
    /// `Product` of the service.
    pub product: Option<String>,
    /// `RedfishVersion`.
    pub redfish_version: Option<String>,
    /// Version of IPMI and of the BMC's firmware, where it was read over IPMI.
    pub ipmi: Option<String>,
    /// The certificate that was shown.
    pub fingerprint: Option<String>,
    /// The node behind the BMC, where there is one.
    pub node: Option<NodeFacts>,
    /// All supplies.
    pub supplies: Vec<SupplyRow>,
    /// All domains.
    pub domains: Vec<Domain>,
    /// Redundancy, computed beside claimed.
    pub redundancy: Compared,
    /// What cannot be believed as it stands.
    pub doubts: Vec<Doubt>,
    /// Requests sent that could change something, counted where they are sent.
    pub writes_made: u64,
    /// Log-ins and log-outs sent.
    pub session_requests: u64,
    /// Where the masked recording stands.
    pub saved: Option<PathBuf>,
}

impl Report {
    /// Reads all of it.
    ///
    /// # Errors
    /// Where the BMC as a whole cannot be read. A BMC without a node is no error.
    pub async fn read(bmc: &Bmc) -> Result<Report, BmcError> {
        // The service root was read before anything could be recorded.
        let _ = bmc.get("/redfish/v1").await;
        let supplies = bmc::supplies(bmc).await?;
        let node = match bmc::node(bmc).await {
            Ok(node) => Some(node),
            Err(error) if error.is_local() => None,
            Err(error) => return Err(error),
        };
        let root = bmc.root();
        Ok(Report {
            vendor: root.vendor.clone(),
            product: root.product.clone(),
            redfish_version: root.version.clone(),
            fingerprint: bmc.fingerprint().map(|print| print.to_string()),
            ..Report::of(bmc.name(), supplies, node)
        }
        .counted(bmc))
    }

    /// What was computed from supplies and a node; nothing is known of the BMC and of what was sent.
    pub(super) fn of(source: String, supplies: Supplies, node: Option<NodeFacts>) -> Report {
        let mut doubts = supplies.doubts;
        for doubt in node.iter().flat_map(|node| &node.doubts) {
            if !doubts.contains(doubt) {
                doubts.push(doubt.clone());
            }
        }
        Report {
            source,
            vendor: None,
            product: None,
            redfish_version: None,
            ipmi: None,
            fingerprint: None,
            node,
            redundancy: compare(&supplies.domains),
            domains: supplies.domains.iter().map(domain).collect(),
            supplies: supplies.domains.into_iter().flat_map(rows).collect(),
            doubts,
            writes_made: 0,
            session_requests: 0,
            saved: None,
        }
    }
}

impl Report {
    /// With the requests as they are counted now, the log-out among them.
    #[must_use]
    pub fn counted(mut self, bmc: &Bmc) -> Report {
        self.writes_made = bmc.writes_made();
        self.session_requests = bmc.session_requests();
        self
    }
}

fn compare(domains: &[SupplyDomain]) -> Compared {
    let computed = domains.iter().map(|domain| {
        let redundancy = Redundancy::of(domain);
        Computed {
            word: redundancy.word(),
            redundancy,
        }
    });
    let claimed = domains.iter().flat_map(|domain| {
        domain.claimed.iter().map(|claim| Claimed {
            domain: domain.name.clone(),
            word: claim_word(claim),
            claim: claim.clone(),
        })
    });
    Compared {
        computed: computed.collect(),
        claimed: claimed.collect(),
    }
}

fn domain(domain: &SupplyDomain) -> Domain {
    Domain {
        name: domain.name.clone(),
        mixed: domain.mixed,
        bays: domain.supplies.iter().map(|supply| supply.bay.clone()).collect(),
        installed_watts: Redundancy::of(domain).installed_watts,
        capacity_claimed_watts: domain.capacity_claimed_watts,
        drawn_watts: domain.drawn_watts,
    }
}

fn rows(domain: SupplyDomain) -> impl Iterator<Item = SupplyRow> {
    let name = domain.name;
    domain.supplies.into_iter().map(move |supply| SupplyRow {
        domain: name.clone(),
        supply,
    })
}
