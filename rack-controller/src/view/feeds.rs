//! Which feeds are only assumed: sums at `n+n` are as good as what is known of the cables.

use facts::supply::Doubt;

use crate::config::{BayConfig, DomainConfig};
use crate::rack::state::Rack;

/// One doubt for each domain with bays whose feed nobody has traced.
pub fn feed_doubts(rack: &Rack) -> Vec<Doubt> {
    let domains = rack.config.domains.iter();
    domains.filter_map(|domain| assumed(rack, domain)).collect()
}

fn assumed(rack: &Rack, domain: &DomainConfig) -> Option<Doubt> {
    let is_assumed = |bay: &&BayConfig| bay.domain == domain.name && bay.feed_assumed;
    let bays = rack.config.bays.iter().filter(is_assumed);
    let told: Vec<String> = bays
        .map(|bay| {
            format!(
                "{} on {}",
                bay.label,
                bay.feed.as_deref().unwrap_or("an unknown feed")
            )
        })
        .collect();
    (!told.is_empty()).then(|| Doubt {
        kind: "feed".to_owned(),
        message: format!(
            "assumed, and proven by nobody: {}; a feed that is lost may take other supplies with it than the sums say; \
             busbar commission {} --trace",
            told.join(", "),
            domain.name
        ),
        resource: domain.name.clone(),
    })
}
