//! How a node's cap is shared out, pure: what may least be squeezed gets its watts first.
//!
//! Each part has the least that it takes. What is left after that goes to what was promised in watts, then to the packages until
//! they can work at all (whatever runs on GPUs needs them too), then to the parts of the workloads that are kept longest, down to
//! those that are shed first and to GPUs that nobody holds. Within one rank everybody gets the same fraction of what it could draw.

use facts::Power;

/// Something that takes a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The lowest limit that it takes.
    pub least: Power,
    /// Below this little gets done; given before anybody's rank is asked.
    pub working: Power,
    /// What was found before the first cap.
    pub most: Power,
    /// 1 is kept longest; the higher, the earlier it is squeezed.
    pub rank: u8,
}

/// Firm watts that one workload has of one part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// Whose: a number that the caller gives it.
    pub who: usize,
    /// Which part, in the order of the parts.
    pub part: usize,
    /// How much of it.
    pub watts: Power,
    /// The workload's rank.
    pub rank: u8,
}

/// The watts of each part, in their order; `None` where not even what all of them take at least fits. Promises that do not all
/// fit are kept in the order of their ranks.
pub(super) fn shares(watts: Power, parts: &[Part], claims: &[Claim]) -> Option<Vec<Power>> {
    let most = |part: &Part| part.most.max(part.least);
    let mut given: Vec<u64> = parts.iter().map(|part| part.least.milliwatts()).collect();
    let least = given.iter().try_fold(0_u64, |sum, one| sum.checked_add(*one))?;
    let mut left = watts.milliwatts().checked_sub(least)?;
    let all: Vec<usize> = (0..parts.len()).collect();
    let mut promised = vec![0_u64; parts.len()];
    for rank in sorted(claims.iter().map(|claim| claim.rank)) {
        for claim in claims.iter().filter(|claim| claim.rank == rank) {
            let sum = promised[claim.part].saturating_add(claim.watts.milliwatts());
            promised[claim.part] = sum.min(most(&parts[claim.part]).milliwatts());
        }
        left -= fill(&mut given, &all, &promised, left);
    }
    let working = parts.iter().map(|part| part.working.min(most(part)).milliwatts());
    left -= fill(&mut given, &all, &working.collect::<Vec<_>>(), left);
    let targets: Vec<u64> = parts.iter().map(|part| most(part).milliwatts()).collect();
    for rank in sorted(parts.iter().map(|part| part.rank)) {
        let of_rank: Vec<usize> = all.iter().copied().filter(|at| parts[*at].rank == rank).collect();
        left -= fill(&mut given, &of_rank, &targets, left);
    }
    Some(given.into_iter().map(Power::from_milliwatts).collect())
}

/// Each rank once, the one that is kept longest first.
pub(super) fn sorted(ranks: impl Iterator<Item = u8>) -> Vec<u8> {
    let each: std::collections::BTreeSet<u8> = ranks.collect();
    each.into_iter().collect()
}

/// Raises these parts towards their targets, all to the same fraction of them, with at most so much; gives what it took.
fn fill(given: &mut [u64], who: &[usize], targets: &[u64], left: u64) -> u64 {
    let wish = |at: &usize, parts: u128| {
        let shall = u128::from(targets[*at]) * parts / WHOLE;
        u64::try_from(shall)
            .unwrap_or(u64::MAX)
            .saturating_sub(given[*at])
    };
    let cost = |parts: u128| who.iter().map(|at| u128::from(wish(at, parts))).sum::<u128>();
    // The highest fraction that can be paid for.
    let (mut low, mut high) = (0, WHOLE);
    while low < high {
        let middle = (low + high).div_ceil(2);
        if cost(middle) <= u128::from(left) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    let wishes: Vec<u64> = who.iter().map(|at| wish(at, low)).collect();
    who.iter().zip(&wishes).for_each(|(at, more)| given[*at] += more);
    wishes.iter().sum()
}

/// Fractions are counted in parts of this.
const WHOLE: u128 = 1 << 40;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn part(least: u64, working: u64, most: u64, rank: u8) -> Part {
        let watts = |watts| Power::from_watts(watts).unwrap();
        Part {
            least: watts(least),
            working: watts(working),
            most: watts(most),
            rank,
        }
    }

    fn watts(cap: u64, parts: &[Part]) -> Option<Vec<u64>> {
        let shares = shares(Power::from_watts(cap).unwrap(), parts, &[])?;
        Some(
            shares
                .iter()
                .map(|share| share.milliwatts().div_ceil(1_000))
                .collect(),
        )
    }

    fn claim(part: usize, watts: u64, rank: u8) -> Claim {
        Claim {
            who: 0,
            part,
            watts: Power::from_watts(watts).unwrap(),
            rank,
        }
    }

    #[test]
    fn what_was_promised_is_given_before_ranks_are_asked() {
        let parts = [part(1, 50, 200, 1), part(1, 50, 200, 9)];
        let given = |cap, claims: &[Claim]| {
            let given = shares(Power::from_watts(cap).unwrap(), &parts, claims).unwrap();
            given
                .iter()
                .map(|share| share.milliwatts().div_ceil(1_000))
                .collect::<Vec<_>>()
        };
        assert_eq!(given(250, &[]), [200, 50]);
        assert_eq!(given(250, &[claim(1, 120, 9)]), [130, 120]);
        // Both do not fit: the one that is kept longer is whole.
        assert_eq!(given(201, &[claim(0, 120, 5), claim(1, 120, 3)]), [81, 120]);
    }

    #[test]
    fn who_is_shed_first_is_squeezed_first() {
        let packages = [part(1, 50, 200, 3), part(1, 50, 200, 5)];
        let gpus = [
            part(200, 200, 700, 3),
            part(200, 200, 700, 7),
            part(200, 200, 700, 10),
        ];
        let parts = [packages.as_slice(), gpus.as_slice()].concat();
        assert_eq!(
            watts(2_500, &parts).unwrap(),
            [200, 200, 700, 700, 700],
            "nothing is short"
        );
        assert_eq!(
            watts(2_000, &parts).unwrap(),
            [200, 200, 700, 700, 200],
            "nobody's GPU"
        );
        assert_eq!(watts(1_600, &parts).unwrap(), [200, 200, 700, 300, 200]);
        assert_eq!(
            watts(1_100, &parts).unwrap(),
            [145, 50, 506, 200, 200],
            "the same fraction of a rank"
        );
        // Only now the packages go below what they need to work.
        assert_eq!(watts(650, &parts).unwrap(), [25, 25, 200, 200, 200]);
        assert_eq!(watts(601, &parts), None);
        assert_eq!(
            watts(300, &[part(1, 51, 205, 5), part(1, 51, 205, 5)]).unwrap(),
            [150, 150]
        );
    }

    prop_compose! {
        fn any_part()(least in 0_u64..400, more in 0_u64..600, working in 0_u64..400, rank in 1_u8..=10) -> Part {
            part(least, working, least + more, rank)
        }
    }

    proptest! {
        #[test]
        fn no_share_leaves_its_bounds_and_their_sum_never_the_cap(
            cap in 0_u64..5_000, parts in prop::collection::vec(any_part(), 0..12),
            claims in prop::collection::vec((0_usize..12, 1_u64..400, 1_u8..=9), 0..8),
        ) {
            let cap = Power::from_watts(cap).unwrap();
            let least: u64 = parts.iter().map(|part| part.least.milliwatts()).sum();
            let claims = claims.into_iter().filter(|(part, _, _)| *part < parts.len());
            let claims: Vec<Claim> = claims.map(|(part, watts, rank)| claim(part, watts, rank)).collect();
            let owed = |at: usize, least_rank: u8| -> u64 {
                let those = claims.iter().filter(|claim| claim.part == at && claim.rank <= least_rank);
                let sum: u64 = those.map(|claim| claim.watts.milliwatts()).sum();
                sum.min(parts[at].most.milliwatts()).max(parts[at].least.milliwatts())
            };
            let Some(given) = shares(cap, &parts, &claims) else {
                prop_assert!(least > cap.milliwatts());
                return Ok(());
            };
            let sum: u64 = given.iter().map(|share| share.milliwatts()).sum();
            prop_assert!(sum <= cap.milliwatts());
            for (share, part) in given.iter().zip(&parts) {
                prop_assert!((part.least..=part.most).contains(share), "{share} {part:?}");
            }
            let most: u64 = parts.iter().map(|part| part.most.milliwatts()).sum();
            // Nothing is held back that nobody else gets: a milliwatt a part is lost to rounding.
            let slack = u64::try_from(parts.len()).unwrap();
            prop_assert!(sum + slack >= cap.milliwatts().min(most), "{sum} of {cap}");
            // Whoever is kept longer is full before a later rank gets more than it needs to work.
            // Promises are kept as far as there are watts for them, in the order of ranks: before anybody's priority is asked.
            for rank in 1..=9 {
                let all: u64 = (0..parts.len()).map(|at| owed(at, rank)).sum();
                if all <= cap.milliwatts() {
                    for (at, share) in given.iter().enumerate() {
                        prop_assert!(share.milliwatts() >= owed(at, rank), "{share} of {at}, rank {rank}");
                    }
                }
            }
            for (at, (share, part)) in given.iter().zip(&parts).enumerate() {
                let fed = part.least.max(part.working.min(part.most)).max(Power::from_milliwatts(owed(at, 9)));
                if share.milliwatts() > fed.milliwatts() + slack {
                    for (other, kept) in given.iter().zip(&parts).filter(|(_, kept)| kept.rank < part.rank) {
                        prop_assert_eq!(*other, kept.most);
                    }
                }
            }
        }
    }
}
