//! What must hold after everything that happens.

use std::collections::BTreeMap;

use rack_controller::pools::power::plan;
use rack_controller::view::view;

use super::oracle::{self, Book};

use super::day::Day;

impl Day {
    pub(super) fn check(&self) {
        assert_eq!(
            self.shadow.kept, self.rack.kept,
            "what is not journaled has changed what is kept"
        );
        assert_eq!(self.rack.kept.sequence, self.journal.len() as u64);
        let claims: Book = self
            .rack
            .kept
            .claims
            .values()
            .map(|claim| {
                let entry = (
                    u128::from(claim.watts.milliwatts()),
                    claim.domain.clone(),
                    claim.node.clone(),
                );
                (claim.purpose.clone(), entry)
            })
            .collect();
        assert_eq!(
            claims, self.book,
            "a claim has vanished, or one came from nowhere"
        );
        let mut headrooms = BTreeMap::new();
        for domain in &self.config.domains {
            let blind = domain.source.has_bays()
                && self.shelves.iter().any(|shelf| {
                    shelf.name == domain.name && (shelf.looked.is_none() || !self.rack.bmc_up(shelf.name))
                });
            let expected = oracle::opinion(&self.rack, &domain.name, &self.book, blind);
            let sums = plan::standing(&self.rack, &domain.name).unwrap();
            let got = oracle::Opinion {
                installed: u128::from(sums.installed.milliwatts()),
                surviving: u128::from(sums.surviving.milliwatts()),
                held: u128::from(sums.held.milliwatts()),
                headroom: u128::from(sums.headroom.milliwatts()),
                deficit: u128::from(sums.deficit.milliwatts()),
                state: sums.state,
            };
            assert_eq!(got, expected, "{}", domain.name);
            headrooms.insert(domain.name.clone(), expected.headroom);
        }
        // What people see is rendered from the same state; that takes a while, so not after everything.
        if !self.journal.len().is_multiple_of(8) {
            return;
        }
        for domain in &view(&self.rack, self.now).domains {
            let tightest = headrooms[&domain.name].min(headrooms["contract"]);
            assert_eq!(
                u128::from(domain.headroom_watts.milliwatts()),
                tightest,
                "{}",
                domain.name
            );
        }
    }
}
