//! Who gives what: worked examples, and what holds for any packages and workloads.

use proptest::prelude::*;

use super::*;

fn candidate(rank: u8, gives: Gives) -> Candidate {
    Candidate { rank, gives }
}

fn member(who: usize, draw: u64, firm: u64, shares: bool) -> Member {
    Member {
        who,
        draw,
        firm,
        shares,
    }
}

fn left(cuts: &[Option<Cut>]) -> Vec<u32> {
    cuts.iter().map(|cut| cut.map_or(WHOLE, |cut| cut.left)).collect()
}

/// A holder of CPUs with 100 W that are promised to it, and two that share: one of its own rank's neighbours, and a revocable one.
fn under(share: u64) -> Vec<u32> {
    let members = vec![
        member(0, 100_000, 100_000, false),
        member(1, 40_000, 0, true),
        member(2, 60_000, 0, true),
    ];
    let package = Package {
        share,
        room: 100_000,
        members,
    };
    let candidates = [
        candidate(1, Gives::Nothing),
        candidate(9, Gives::Time),
        candidate(12, Gives::Time),
    ];
    left(&squeezes(&[package], &candidates))
}

#[test]
fn the_revocable_one_gives_all_before_the_next_gives_any() {
    assert_eq!(under(200_000), [1_000, 1_000, 1_000]);
    assert_eq!(under(170_000), [1_000, 1_000, 500]);
    // So little would be left that it stands still.
    assert_eq!(under(142_000), [1_000, 1_000, 0]);
    assert_eq!(under(130_000), [1_000, 750, 0]);
    assert_eq!(under(100_000), [1_000, 0, 0]);
    assert_eq!(
        under(10_000),
        [1_000, 0, 0],
        "who is kept longest is never squeezed"
    );
}

#[test]
fn without_a_promise_the_part_that_lets_it_work_is_what_it_is_owed() {
    let package = |share| Package {
        share,
        room: 100_000,
        members: vec![member(0, 100_000, 0, false), member(1, 100_000, 0, true)],
    };
    let candidates = [candidate(1, Gives::Nothing), candidate(5, Gives::Time)];
    assert_eq!(left(&squeezes(&[package(50_000)], &candidates)), [1_000, 1_000]);
    assert_eq!(left(&squeezes(&[package(40_000)], &candidates)), [1_000, 600]);
}

#[test]
fn time_that_others_would_take_is_no_gain() {
    // Four that share room for two of them: to free half of the room three of them have to give.
    let members: Vec<Member> = (1..5).map(|who| member(who, 50_000, 0, true)).collect();
    let package = Package {
        share: 150_000,
        room: 100_000,
        members: [vec![member(0, 100_000, 100_000, false)], members].concat(),
    };
    let rank = [1, 5, 6, 7, 8];
    let candidates = rank.map(|rank| candidate(rank, if rank == 1 { Gives::Nothing } else { Gives::Time }));
    assert_eq!(left(&squeezes(&[package], &candidates)), [1_000, 1_000, 0, 0, 0]);
}

prop_compose! {
    fn any_package(who: usize)(
        share in 0_u64..300_000,
        room in 0_u64..200_000,
        drawing in prop::collection::vec((0_u64..100_000, 0_u64..120_000, any::<bool>(), any::<bool>()), who),
    ) -> Package {
        let members = drawing.into_iter().enumerate().filter(|(_, (_, _, _, there))| *there);
        let members = members.map(|(who, (draw, firm, shares, _))| member(who, draw, firm.min(draw), shares));
        Package { share, room, members: members.collect() }
    }
}

fn any_gives() -> impl Strategy<Value = Gives> {
    prop_oneof![Just(Gives::Nothing), Just(Gives::Time), Just(Gives::All)]
}

proptest! {
    #[test]
    fn nobody_gives_while_one_that_is_shed_before_it_still_has_something_to_give(
        packages in prop::collection::vec(any_package(8), 1..4),
        candidates in prop::collection::vec((1_u8..20, any_gives()).prop_map(|(rank, gives)| candidate(rank, gives)), 8),
    ) {
        let cuts = squeezes(&packages, &candidates);
        let has = |member: &Member| candidates[member.who].gives != Gives::Nothing && now(member, &cuts) > 0;
        for (who, cut) in cuts.iter().enumerate() {
            let Some(cut) = cut else { continue };
            prop_assert!(candidates[who].gives != Gives::Nothing);
            prop_assert!(candidates[cut.kept].rank < candidates[who].rank, "for one that is kept longer");
            if candidates[who].gives == Gives::All {
                prop_assert_eq!(cut.left, 0);
            }
            prop_assert!(cut.left == 0 || cut.left >= LEAST_LEFT);
            // The later ones of the package that it gave for have given all.
            for other in &packages[cut.package].members {
                prop_assert!(!has(other) || candidates[other.who].rank <= candidates[who].rank, "{other:?} before {who}");
            }
        }
        for package in &packages {
            // Whoever is kept gets what it is owed, unless those after it have nothing left.
            let giving = package.members.iter().filter(|member| has(member));
            let Some(last) = giving.map(|member| candidates[member.who].rank).max() else { continue };
            let kept = package.members.iter().filter(|member| candidates[member.who].rank < last);
            if let Some((_, allowed)) = tightest(package, kept, &cuts) {
                prop_assert!(drawn(package, &cuts) <= allowed, "{package:?} {cuts:?}");
            }
        }
        prop_assert_eq!(squeezes(&packages, &candidates), cuts, "the same again");
    }

    #[test]
    fn where_nothing_is_short_nobody_gives(
        package in any_package(6),
        candidates in prop::collection::vec((1_u8..20, any_gives()).prop_map(|(rank, gives)| candidate(rank, gives)), 6),
    ) {
        let nothing = vec![None; 6];
        let package = Package { share: drawn(&package, &nothing), ..package };
        prop_assert_eq!(squeezes(&[package], &candidates), nothing);
    }
}
