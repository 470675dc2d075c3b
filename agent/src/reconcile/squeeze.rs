//! Who must give up what under a package's limit, pure: who is shed first gives first, and all that it has before the next one.
//!
//! A package slows all that run on it down alike, whoever they are. It may draw as much as leaves each of those that are kept what
//! it was promised, or where nothing was, the part without which little gets done. What it would draw above that is taken from
//! those of the last rank, then from the next; those that are kept longest give nothing.

use super::share::sorted;

/// Nothing was taken.
pub(super) const WHOLE: u32 = 1_000;
/// Who would be left with less than this part of its CPU time, in thousandths, stands still: it would get next to nothing done and
/// keep others waiting for its locks.
const LEAST_LEFT: u32 = 50;
/// Who is left with less than one part in so many of what it could draw hardly works.
pub(super) const WORKING_PART: u64 = 4;

/// What a workload can give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gives {
    /// Nothing: it is squeezed by its rank among the parts only.
    Nothing,
    /// A part of its CPU time, or all of it, where it shares its CPUs; else all or nothing.
    Time,
    /// All or nothing.
    All,
}

/// A workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// 1 is kept longest; the higher, the earlier it is squeezed.
    pub rank: u8,
    /// What it can give.
    pub gives: Gives,
}

/// A workload on a package, in milliwatts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Its number among the candidates.
    pub who: usize,
    /// What it may draw there.
    pub draw: u64,
    /// What was promised to it there; no more than it may draw.
    pub firm: u64,
    /// Whether it shares its CPUs there.
    pub shares: bool,
}

/// A package under a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Package {
    /// The limit, in milliwatts.
    pub share: u64,
    /// What all those that share CPUs there may draw together, in milliwatts, however many they are.
    pub room: u64,
    /// Who runs there.
    pub members: Vec<Member>,
}

/// What is taken from a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// What is left of its CPU time, in thousandths; 0 is to stand still.
    pub left: u32,
    /// For which package.
    pub package: usize,
    /// For whose sake, among those that are kept.
    pub kept: usize,
}

/// What is taken from each candidate.
pub(super) fn squeezes(packages: &[Package], candidates: &[Candidate]) -> Vec<Option<Cut>> {
    let mut cuts: Vec<Option<Cut>> = vec![None; candidates.len()];
    for (at, package) in packages.iter().enumerate() {
        relieve(package, at, candidates, &mut cuts);
    }
    cuts
}

fn relieve(package: &Package, at: usize, candidates: &[Candidate], cuts: &mut [Option<Cut>]) {
    let rank = |member: &Member| candidates[member.who].rank;
    for last in sorted(package.members.iter().map(rank)).into_iter().rev() {
        let kept = package.members.iter().filter(|member| rank(member) < last);
        let Some((kept, allowed)) = tightest(package, kept, cuts) else {
            return;
        };
        if drawn(package, cuts) <= allowed {
            return;
        }
        let giving = package.members.iter().filter(|member| rank(member) == last);
        let giving = giving.filter(|member| candidates[member.who].gives != Gives::Nothing);
        let (timed, whole): (Vec<&Member>, Vec<&Member>) =
            giving.partition(|member| member.shares && candidates[member.who].gives == Gives::Time);
        let left = left_of_time(package, &timed, allowed, cuts);
        for member in timed {
            take(cuts, member.who, left, at, kept);
        }
        for member in whole {
            if drawn(package, cuts) > allowed {
                take(cuts, member.who, 0, at, kept);
            }
        }
    }
}

/// Of those that are kept the one that bears the least, and what the package may draw for its sake.
fn tightest<'a>(
    package: &Package,
    kept: impl Iterator<Item = &'a Member>,
    cuts: &[Option<Cut>],
) -> Option<(usize, u64)> {
    let running = kept.filter(|member| now(member, cuts) > 0);
    let each = running.map(|member| {
        let need = member.firm.max(member.draw / WORKING_PART).max(1);
        let allowed = u128::from(package.share) * u128::from(member.draw) / u128::from(need);
        (member.who, u64::try_from(allowed).unwrap_or(u64::MAX))
    });
    each.min_by_key(|(_, allowed)| *allowed)
}

/// What is left to these of their time, in thousandths of what they have now, so that the package draws what is allowed.
fn left_of_time(package: &Package, timed: &[&Member], allowed: u64, cuts: &[Option<Cut>]) -> u32 {
    let theirs: u64 = timed.iter().map(|member| now(member, cuts)).sum();
    let sharing = package.members.iter().filter(|member| member.shares);
    let shared: u64 = sharing.map(|member| now(member, cuts)).sum();
    let fixed = drawn(package, cuts) - shared.min(package.room);
    // What they leave free others of the shared CPUs take, as long as there is less room than they would fill.
    let others = shared - theirs;
    let stays = allowed.saturating_sub(fixed).saturating_sub(others);
    let left = u128::from(stays) * u128::from(WHOLE) / u128::from(theirs.max(1));
    u32::try_from(left).unwrap_or(WHOLE).min(WHOLE)
}

/// What all of them draw at most, after the cuts.
fn drawn(package: &Package, cuts: &[Option<Cut>]) -> u64 {
    let sum = |shares: bool| -> u64 {
        let those = package.members.iter().filter(|member| member.shares == shares);
        those.map(|member| now(member, cuts)).sum()
    };
    sum(false) + sum(true).min(package.room)
}

fn now(member: &Member, cuts: &[Option<Cut>]) -> u64 {
    let left = cuts[member.who].map_or(WHOLE, |cut| cut.left);
    let part = u128::from(member.draw) * u128::from(left) / u128::from(WHOLE);
    u64::try_from(part).unwrap_or(member.draw)
}

/// Leaves a workload this part of what it has now.
fn take(cuts: &mut [Option<Cut>], who: usize, left: u32, package: usize, kept: usize) {
    let before = cuts[who].map_or(WHOLE, |cut| cut.left);
    let left = before * left / WHOLE;
    if left < before {
        let left = if left < LEAST_LEFT { 0 } else { left };
        cuts[who] = Some(Cut { left, package, kept });
    }
}

#[cfg(test)]
#[path = "squeeze_tests.rs"]
mod tests;
