//! Redundancy computed from per-supply facts, beside what the BMC claims: what runs, what may fail, and where the two differ.

use facts::supply::{Doubt, RedundancyClaim, Supply, SupplyDomain, SupplyState};
use facts::{NoData, Power, Reading};
use serde::{Deserialize, Serialize};

/// What the supplies of one domain can bear, computed; never taken from a claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Redundancy {
    /// The domain's name.
    pub domain: String,
    /// Bays listed, fillers and empty ones included.
    pub bays: u32,
    /// Supplies that count: present, healthy, with input, no filler.
    pub usable: u32,
    /// Of those, how many name no rating; they count 0 W.
    pub unrated: u32,
    /// Fan fillers and blanks listed as supplies.
    pub fillers: u32,
    /// Empty bays.
    pub absent: u32,
    /// Present, but broken, without input, off, or not known to work.
    pub out: u32,
    /// Σ rated of the usable supplies; none where no rating is known or domains are mixed.
    pub installed_watts: Reading<Power>,
    /// What remains after the k largest are lost: first for k = 1.
    pub surviving_watts: Vec<Power>,
    /// What the domain draws now: as its chassis reports, else Σ of what its supplies deliver.
    pub load_watts: Reading<Power>,
    /// How many of the largest may be lost before the load seen is no longer carried; none where it cannot be computed.
    pub may_lose: Option<u32>,
    /// Whether the load seen survives the loss of the largest supply.
    pub n_plus_1: Option<bool>,
    /// Whether the load seen survives the loss of half of the supplies, the largest ones (which feed they hang on is not known).
    pub n_plus_n: Option<bool>,
}

impl Redundancy {
    /// Computes it.
    pub fn of(domain: &SupplyDomain) -> Redundancy {
        let count =
            |wanted: &dyn Fn(&Supply) -> bool| number(domain.supplies.iter().filter(|s| wanted(s)).count());
        let usable: Vec<&Supply> = domain
            .supplies
            .iter()
            .filter(|supply| is_usable(supply))
            .collect();
        let mut rated: Vec<Power> = usable
            .iter()
            .filter_map(|supply| supply.rated_watts.value())
            .collect();
        rated.sort_unstable_by(|one, other| other.cmp(one));
        let known = !rated.is_empty() && !domain.mixed;
        let installed = if known {
            Reading::Value(rated.iter().copied().sum())
        } else if domain.mixed {
            Reading::none(NoData::Garbled)
        } else {
            Reading::none(if usable.is_empty() {
                NoData::Absent
            } else {
                NoData::Unsupported
            })
        };
        let surviving: Vec<Power> = match known {
            true => (1..=rated.len())
                .map(|k| rated.iter().skip(k).copied().sum())
                .collect(),
            false => Vec::new(),
        };
        let load = load(domain);
        let may_lose = match (installed, load) {
            (Reading::Value(installed), Reading::Value(load)) if installed >= load => Some(number(
                surviving
                    .iter()
                    .filter(|left| **left >= load && !left.is_zero())
                    .count(),
            )),
            (Reading::Value(_), Reading::Value(_)) => Some(0),
            (Reading::Value(_) | Reading::None { .. }, _) => None,
        };
        let half = number(rated.len() / 2);
        Redundancy {
            domain: domain.name.clone(),
            bays: number(domain.supplies.len()),
            usable: number(usable.len()),
            unrated: number(usable.len() - rated.len()),
            fillers: count(&|supply| supply.is_filler),
            absent: count(&|supply| !supply.is_filler && supply.state == SupplyState::Absent),
            out: count(&|supply| {
                !supply.is_filler && !is_usable(supply) && supply.state != SupplyState::Absent
            }),
            installed_watts: installed,
            surviving_watts: surviving,
            load_watts: load,
            may_lose,
            n_plus_1: may_lose.map(|lost| lost >= 1),
            n_plus_n: may_lose.map(|lost| half >= 1 && lost >= half),
        }
    }

    /// In one word, for the load seen: `n+2`, `n`, `overloaded` or `unknown`.
    pub fn word(&self) -> String {
        match (self.may_lose, self.installed_watts, self.load_watts) {
            (Some(_), Reading::Value(installed), Reading::Value(load)) if load > installed => {
                "overloaded".to_owned()
            }
            (Some(0), _, _) => "n".to_owned(),
            (Some(lost), _, _) => format!("n+{lost}"),
            (None, _, _) => "unknown".to_owned(),
        }
    }
}

/// Whether a supply counts.
pub fn is_usable(supply: &Supply) -> bool {
    supply.state == SupplyState::Ok && !supply.is_filler
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn load(domain: &SupplyDomain) -> Reading<Power> {
    if domain.drawn_watts.as_ref().is_some() {
        return domain.drawn_watts;
    }
    // A supply that does not say whether it works may well carry load: it is part of the sum, or there is none.
    let carrying = domain
        .supplies
        .iter()
        .filter(|supply| !supply.is_filler && matches!(supply.state, SupplyState::Ok | SupplyState::Unknown));
    let delivered: Option<Vec<Power>> = carrying.map(|supply| supply.output_watts.value()).collect();
    match delivered {
        Some(delivered) if !delivered.is_empty() => Reading::Value(delivered.into_iter().sum()),
        Some(_) | None => domain.drawn_watts,
    }
}

/// A claim in one word: `n+2`, or `n+1 to n+2` where its meaning is not known, or `nothing`.
pub fn claim_word(claim: &RedundancyClaim) -> String {
    let one = |lost: u32| {
        if lost == 0 {
            "n".to_owned()
        } else {
            format!("n+{lost}")
        }
    };
    match (claim.may_lose_least, claim.may_lose_most) {
        (Some(least), Some(most)) if least == most => one(least),
        (Some(least), Some(most)) => format!("{} to {}", one(least), one(most)),
        (_, _) => "nothing".to_owned(),
    }
}

/// *Claimed ≠ computed*: a claim is doubted where it promises more than was computed, where nothing could be computed,
/// or where it counts other supplies than there are. A claim that promises less is a policy, and no doubt.
pub fn doubts(domain: &SupplyDomain, computed: &Redundancy, resource: &str) -> Vec<Doubt> {
    let mut found = Vec::new();
    let mut doubt = |message: String| {
        found.push(Doubt {
            kind: "redundancy".to_owned(),
            message,
            resource: resource.to_owned(),
        });
    };
    for claim in &domain.claimed {
        let word = claim_word(claim);
        let name = &claim.group;
        if let Some(most) = claim.may_lose_most {
            match computed.may_lose {
                Some(lost) if most > lost => doubt(format!(
                    "{name:?} claims {word} over {} members; computed {} with {} usable at the load seen",
                    claim.members,
                    computed.word(),
                    computed.usable
                )),
                Some(_) => {}
                None => doubt(format!(
                    "{name:?} claims {word} over {} members; nothing can be computed ({})",
                    claim.members,
                    why_unknown(domain, computed)
                )),
            }
        }
        if claim.members > computed.usable && computed.usable > 0 {
            doubt(format!(
                "{name:?} counts {} members; {} are usable ({} fillers, {} empty bays, {} out)",
                claim.members, computed.usable, computed.fillers, computed.absent, computed.out
            ));
        }
        if claim.state.as_deref().is_some_and(|state| state != "Enabled") {
            doubt(format!(
                "{name:?} is {}: the claim is not in force",
                claim.state.as_deref().unwrap_or_default()
            ));
        }
    }
    found
}

fn why_unknown(domain: &SupplyDomain, computed: &Redundancy) -> &'static str {
    if domain.mixed {
        "domains that are not told apart"
    } else if computed.usable == 0 {
        "no supply that is known to work"
    } else if computed.installed_watts.as_ref().is_none() {
        "no supply names its capacity"
    } else {
        "the load is not known"
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use facts::Identity;
    use proptest::prelude::*;

    use super::*;

    fn supply(bay: usize, watts: u64, state: SupplyState, is_filler: bool) -> Supply {
        Supply {
            bay: bay.to_string(),
            resource: format!("/{bay}"),
            label: None,
            identity: Identity::default(),
            state,
            is_filler,
            rated_watts: Reading::Value(Power::from_watts(watts).unwrap()),
            output_watts: Reading::default(),
            input_watts: Reading::default(),
            hot_pluggable: None,
            led: None,
        }
    }

    fn domain(watts: &[u64], load: u64) -> SupplyDomain {
        SupplyDomain {
            name: "shelf".to_owned(),
            supplies: watts
                .iter()
                .enumerate()
                .map(|(bay, watts)| supply(bay, *watts, SupplyState::Ok, false))
                .collect(),
            drawn_watts: Reading::Value(Power::from_watts(load).unwrap()),
            ..SupplyDomain::default()
        }
    }

    #[test]
    fn the_worked_example_of_six_supplies() {
        let computed = Redundancy::of(&domain(&[3000; 6], 12_400));
        assert_eq!(
            computed.installed_watts,
            Reading::Value(Power::from_watts(18_000).unwrap())
        );
        assert_eq!(computed.surviving_watts[0], Power::from_watts(15_000).unwrap());
        assert_eq!(
            (computed.word().as_str(), computed.n_plus_n),
            ("n+1", Some(false))
        );
        assert_eq!(Redundancy::of(&domain(&[3000; 6], 18_001)).word(), "overloaded");
        assert_eq!(Redundancy::of(&domain(&[3000; 6], 9_000)).n_plus_n, Some(true));
    }

    #[test]
    fn fillers_and_what_is_out_carry_nothing() {
        let mut shelf = domain(&[3000, 3000], 2_000);
        shelf.supplies.push(supply(7, 3000, SupplyState::Ok, true));
        shelf
            .supplies
            .push(supply(8, 3000, SupplyState::InputLost, false));
        shelf.supplies.push(supply(9, 0, SupplyState::Absent, false));
        let computed = Redundancy::of(&shelf);
        assert_eq!(computed.usable, 2);
        assert_eq!((computed.fillers, computed.out, computed.absent), (1, 1, 1));
        assert_eq!(computed.word(), "n+1");
    }

    #[test]
    fn a_claim_is_doubted_where_it_promises_more() {
        let mut shelf = domain(&[3000; 4], 8_000);
        let claim = |least, most| RedundancyClaim {
            group: "g".to_owned(),
            members: 4,
            may_lose_least: Some(least),
            may_lose_most: Some(most),
            ..RedundancyClaim::default()
        };
        shelf.claimed = vec![claim(1, 1)];
        assert!(doubts(&shelf, &Redundancy::of(&shelf), "/r").is_empty());
        shelf.claimed = vec![claim(2, 2)];
        let found = doubts(&shelf, &Redundancy::of(&shelf), "/r");
        assert_eq!(found.len(), 1);
        assert!(found[0].message.contains("claims n+2") && found[0].message.contains("computed n+1"));
    }

    #[test]
    fn mixed_domains_have_no_sum() {
        let mut two = domain(&[2200; 4], 1_000);
        two.mixed = true;
        let computed = Redundancy::of(&two);
        assert_eq!(computed.installed_watts, Reading::none(NoData::Garbled));
        assert_eq!(computed.word(), "unknown");
    }

    proptest! {
        #[test]
        fn surviving_never_grows_and_carries_what_it_says(
            watts in proptest::collection::vec(1_u64..5_000, 0..12),
            load in 0_u64..40_000,
        ) {
            let computed = Redundancy::of(&domain(&watts, load));
            let left: Vec<u64> = computed.surviving_watts.iter().map(|p| p.milliwatts() / 1000).collect();
            prop_assert!(left.windows(2).all(|pair| pair[1] <= pair[0]));
            if let Some(lost) = computed.may_lose.filter(|lost| *lost > 0) {
                prop_assert!(left[usize::try_from(lost).unwrap() - 1] >= load);
            }
        }
    }
}
