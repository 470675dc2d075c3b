//! The sums of one domain from bare numbers: no rack, no time. The policy's levels are counted here.

use facts::Power;
use rack_api::v1::DomainState;

use crate::config::Redundancy;

/// One supply in service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Supply<'a> {
    /// What it can deliver.
    pub rated: Power,
    /// The feed it hangs from.
    pub feed: Option<&'a str>,
}

/// What one domain has, keeps and has promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sums {
    /// Σ rated of supplies in service, or the feed's or budget's capacity.
    pub installed: Power,
    /// Installed after the worst loss that is still covered.
    pub surviving: Power,
    /// surviving × (1 − margin) − fixed load.
    pub firm: Power,
    /// Installed after every loss that the policy covers, whether the promises fit that or not.
    pub survives: Power,
    /// What can be promised firm of that: only this is sold.
    pub firm_full: Power,
    /// What is promised firm.
    pub held: Power,
    /// Firm watts that may still be promised in this domain alone.
    pub headroom: Power,
    /// By how much promises and fixed load exceed what is installed, margin kept; zero unless the state is deficit.
    pub deficit: Power,
    /// How many losses are still covered.
    pub covered: u32,
    /// How it is, as far as the numbers go: never blind.
    pub state: DomainState,
}

/// Installed after the worst loss of `losses` units under a policy: the largest supplies, or feeds for `n+n`.
pub fn surviving(policy: Redundancy, losses: u32, supplies: &[Supply<'_>]) -> Power {
    let installed: Power = supplies.iter().map(|supply| supply.rated).sum();
    let mut units: Vec<Power> = match policy {
        Redundancy::N | Redundancy::Plus(_) => supplies.iter().map(|supply| supply.rated).collect(),
        Redundancy::Feeds => feeds(supplies),
    };
    units.sort_unstable_by(|one, other| other.cmp(one));
    let losses = usize::try_from(losses).unwrap_or(usize::MAX);
    let lost: Power = units.into_iter().take(losses).sum();
    installed.saturating_sub(lost)
}

/// What each feed carries. A supply whose feed is unknown could hang from any, so it is counted as lost with each.
fn feeds(supplies: &[Supply<'_>]) -> Vec<Power> {
    let unknown: Power = supplies
        .iter()
        .filter(|supply| supply.feed.is_none())
        .map(|supply| supply.rated)
        .sum();
    let mut by_feed: std::collections::BTreeMap<&str, Power> = std::collections::BTreeMap::new();
    for supply in supplies {
        if let Some(feed) = supply.feed {
            let carried = by_feed.entry(feed).or_insert(unknown);
            *carried = carried.saturating_add(supply.rated);
        }
    }
    if by_feed.is_empty() {
        vec![unknown]
    } else {
        by_feed.into_values().collect()
    }
}

/// What supplies ride for their overload time after the worst covered loss: factor × surviving, at most what is installed.
pub fn ride_limit(sums: &Sums, factor_ppm: u32) -> Power {
    ride_limit_of(sums.survives, sums.installed, factor_ppm)
}

/// The same of bare numbers.
pub fn ride_limit_of(surviving: Power, installed: Power, factor_ppm: u32) -> Power {
    let whole = surviving.share(factor_ppm.min(crate::config::PPM));
    let over = surviving.share(factor_ppm.saturating_sub(crate::config::PPM));
    whole.saturating_add(over).min(installed)
}

/// The supplies that are left after the worst loss of `losses` units under a policy.
pub fn without_worst<'a>(policy: Redundancy, losses: u32, supplies: &[Supply<'a>]) -> Vec<Supply<'a>> {
    let mut left = supplies.to_vec();
    let losses = usize::try_from(losses).unwrap_or(usize::MAX);
    match policy {
        Redundancy::N | Redundancy::Plus(_) => {
            left.sort_by_key(|supply| std::cmp::Reverse(supply.rated));
            left.drain(..losses.min(left.len()));
        }
        Redundancy::Feeds => {
            for _ in 0..losses.min(supplies.len()) {
                let Some(worst) = worst_feed(&left) else { break };
                left.retain(|supply| supply.feed.is_some_and(|feed| feed != worst));
            }
        }
    }
    left
}

/// The feed that carries the most; supplies of unknown feed go with it.
fn worst_feed<'a>(supplies: &[Supply<'a>]) -> Option<&'a str> {
    let mut by_feed: std::collections::BTreeMap<&str, Power> = std::collections::BTreeMap::new();
    for supply in supplies {
        if let Some(feed) = supply.feed {
            let carried = by_feed.entry(feed).or_default();
            *carried = carried.saturating_add(supply.rated);
        }
    }
    by_feed
        .into_iter()
        .max_by_key(|(_, carried)| *carried)
        .map(|(feed, _)| feed)
}

/// What is kept back and what is used before anything can be promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Which losses promises must survive.
    pub policy: Redundancy,
    /// Kept back of what survives, in parts per million.
    pub margin_ppm: u32,
    /// Fans, switches, losses.
    pub fixed_load: Power,
}

impl Kept {
    /// What can be promised of a sum: sum × (1 − margin) − fixed load.
    pub fn firm(&self, sum: Power) -> Power {
        self.less_margin(sum).saturating_sub(self.fixed_load)
    }

    fn less_margin(&self, sum: Power) -> Power {
        sum.share(crate::config::PPM.saturating_sub(self.margin_ppm))
    }

    /// Whether promises and fixed load fit a sum.
    pub fn fits(&self, held: Power, sum: Power) -> bool {
        match held.checked_add(self.fixed_load) {
            Some(needed) => needed <= self.less_margin(sum),
            None => false,
        }
    }

    fn missing(&self, held: Power, sum: Power) -> Power {
        held.saturating_add(self.fixed_load)
            .saturating_sub(self.less_margin(sum))
    }
}

/// The sums of a domain: of as many covered losses as the promises leave.
///
/// While the promises fit what survives every loss that the policy covers, the state is redundant. Where they do not,
/// losses have been used up: the largest number of further losses that the promises still survive is what is covered,
/// and nothing new is promised. Where they fit not even what is installed, that is a deficit.
pub fn sums(kept: Kept, held: Power, supplies: &[Supply<'_>]) -> Sums {
    let covers = kept.policy.covers();
    let full = surviving(kept.policy, covers, supplies);
    let installed: Power = supplies.iter().map(|supply| supply.rated).sum();
    let still = (0..=covers)
        .rev()
        .map(|losses| (losses, surviving(kept.policy, losses, supplies)))
        .find(|(_, sum)| kept.fits(held, *sum));
    let (covered, surviving, state) = match still {
        Some((losses, sum)) if losses == covers => (losses, sum, DomainState::Redundant),
        Some((losses, sum)) => (losses, sum, DomainState::Exposed),
        None => (0, installed, DomainState::Deficit),
    };
    Sums {
        installed,
        surviving,
        firm: kept.firm(surviving),
        survives: full,
        firm_full: kept.firm(full),
        held,
        headroom: kept.firm(full).saturating_sub(held),
        deficit: match state {
            DomainState::Deficit => kept.missing(held, installed),
            DomainState::Redundant | DomainState::Exposed | DomainState::Blind => Power::ZERO,
        },
        covered,
        state,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::as_conversions)]
    use proptest::prelude::*;

    use super::*;

    fn kw(tenths: u64) -> Power {
        Power::from_milliwatts(tenths * 100_000)
    }

    fn shelf(count: usize) -> Vec<Supply<'static>> {
        (0..count)
            .map(|index| Supply {
                rated: kw(30),
                feed: Some(if index * 2 < count { "A" } else { "B" }),
            })
            .collect()
    }

    fn kept(policy: Redundancy, margin_ppm: u32) -> Kept {
        Kept {
            policy,
            margin_ppm,
            fixed_load: Power::ZERO,
        }
    }

    /// In tenths of a percent of installed.
    fn per_mille(part: Power, whole: Power) -> u64 {
        (part.milliwatts() * 1_000 + whole.milliwatts() / 2) / whole.milliwatts()
    }

    #[test]
    fn the_worked_example_comes_out() {
        let one = sums(kept(Redundancy::Plus(1), 0), Power::ZERO, &shelf(6));
        assert_eq!((one.installed, one.surviving), (kw(180), kw(150)));
        assert_eq!(per_mille(one.firm, one.installed), 833);
        let margin = sums(kept(Redundancy::Plus(1), 30_000), Power::ZERO, &shelf(6));
        assert_eq!(per_mille(margin.firm, margin.installed), 808);
        let both = sums(kept(Redundancy::Feeds, 0), Power::ZERO, &shelf(6));
        assert_eq!(both.surviving, kw(90));
        assert_eq!(per_mille(both.firm, both.installed), 500);
    }

    #[test]
    fn a_loss_beyond_the_promises_uses_up_levels() {
        let two = |held, count| sums(kept(Redundancy::Plus(2), 0), held, &shelf(count));
        assert_eq!(two(kw(120), 6).state, DomainState::Redundant);
        let after = two(kw(120), 5);
        assert_eq!((after.state, after.covered), (DomainState::Exposed, 1));
        assert_eq!((after.surviving, after.headroom), (kw(120), Power::ZERO));
        assert_eq!(two(kw(120), 4).covered, 0);
        let dark = two(kw(120), 3);
        assert_eq!((dark.state, dark.deficit), (DomainState::Deficit, kw(30)));
    }

    #[test]
    fn supplies_of_unknown_feed_are_lost_with_the_worst() {
        let mut supplies = shelf(4);
        supplies[3].feed = None;
        assert_eq!(surviving(Redundancy::Feeds, 1, &supplies), kw(30));
    }

    proptest! {
        #[test]
        fn extremes_never_panic(
            rated in proptest::collection::vec(prop_oneof![Just(u64::MAX), Just(0), any::<u64>()], 0..8),
            held in any::<u64>(), fixed in any::<u64>(), margin in 0_u32..=u32::MAX, covers in 0_u32..70,
        ) {
            let supplies: Vec<Supply<'_>> = rated
                .iter()
                .map(|milliwatts| Supply { rated: Power::from_milliwatts(*milliwatts), feed: Some("A") })
                .collect();
            for policy in [Redundancy::N, Redundancy::Plus(covers), Redundancy::Feeds] {
                let kept = Kept { policy, margin_ppm: margin, fixed_load: Power::from_milliwatts(fixed) };
                let sums = sums(kept, Power::from_milliwatts(held), &supplies);
                prop_assert!(sums.surviving <= sums.installed);
                prop_assert!(sums.deficit.is_zero() || sums.headroom.is_zero());
                prop_assert!(sums.state == DomainState::Redundant || sums.headroom.is_zero());
            }
        }
    }
}
