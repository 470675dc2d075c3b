//! Cores and CPUs as lines, all that are alike in one.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use facts::CpuSet;
use facts::topology::{Cache, CacheKind, Core};

use super::draw::{Line, Painter};
use super::style::{count, numbers};
use super::tree::{Branch, What};

/// What cores on one line have in common: their kind, and how many CPUs each has.
type Alike = (Option<u32>, usize);

const MEGAHERTZ_A_GIGAHERTZ: f64 = 1_000.0;

impl<'a> Painter<'a> {
    /// Cores that lie in this branch itself, and CPUs that lie in no core.
    pub(super) fn loose(&self, branch: &Branch<'a>) -> Vec<Line> {
        if let What::Beside(_) = branch.what {
            return Vec::new();
        }
        let mut lines = self.cores(&branch.cores);
        let in_branches = branch.branches.iter().flat_map(|below| below.cpus.iter());
        let in_cores = branch.cores.iter().flat_map(|core| core.cpus.iter());
        let placed: CpuSet = in_branches.chain(in_cores).collect();
        let rest = branch.cpus.difference(&placed);
        if !rest.is_empty() {
            lines.push(Line::alone(format!(
                "{}  {}",
                count(rest.len(), "CPU"),
                numbers(&rest)
            )));
        }
        lines
    }

    /// Cores, one line for all that are alike.
    pub(super) fn cores(&self, cores: &[&Core]) -> Vec<Line> {
        let mut groups: Vec<(Alike, Vec<&Core>)> = Vec::new();
        for core in cores {
            let alike = (core.kind, core.cpus.len());
            match groups.iter_mut().find(|(other, _)| *other == alike) {
                Some((_, group)) => group.push(core),
                None => groups.push((alike, vec![core])),
            }
        }
        // The fastest kind first, as people name them.
        groups.sort_by_key(|((kind, _), _)| std::cmp::Reverse(*kind));
        groups
            .into_iter()
            .map(|((kind, threads), group)| Line::alone(self.alike_cores(kind, threads, &group)))
            .collect()
    }

    fn alike_cores(&self, kind: Option<u32>, threads: usize, group: &[&Core]) -> String {
        let ids: CpuSet = group.iter().map(|core| facts::CpuId(core.id.0)).collect();
        let cpus: CpuSet = group.iter().flat_map(|core| core.cpus.iter()).collect();
        let kind = kind.and_then(|kind| self.kind(kind));
        let (adjective, of_kind, speed) = kind.unwrap_or_default();
        let one = format!("{adjective}core");
        let each = if threads > 1 {
            format!(", {} each", count(threads, "CPU"))
        } else {
            String::new()
        };
        let words = if cpus.len() == 1 { "CPU" } else { "CPUs" };
        let mut text = format!(
            "{} {}{of_kind}{each} = {words} {}",
            count(group.len(), &one),
            numbers(&ids),
            numbers(&cpus)
        );
        let caches = self.private_caches(&cpus, group.len());
        for aside in [speed, caches.join(", ")] {
            if !aside.is_empty() {
                let _ = write!(text, "  {}", self.style.aside(&aside));
            }
        }
        text
    }

    /// What is said before `core`, after its number, and beside it.
    fn kind(&self, id: u32) -> Option<(&'static str, String, String)> {
        let kinds = &self.inventory.core_kinds;
        let kind = kinds.iter().find(|kind| kind.id == id)?;
        let (adjective, of_kind) = match (kinds.len(), id) {
            (2, 0) => ("efficient ", String::new()),
            (2, _) => ("fast ", String::new()),
            (many, _) => ("", format!(" of kind {id} of {many}")),
        };
        let speed = kind
            .max_megahertz
            .map(|megahertz| format!("up to {:.1} GHz", f64::from(megahertz) / MEGAHERTZ_A_GIGAHERTZ));
        Some((adjective, of_kind, speed.unwrap_or_default()))
    }

    /// Level 2 caches inside of a group of cores.
    fn private_caches(&self, cpus: &CpuSet, cores: usize) -> Vec<String> {
        let inside = |cache: &&Cache| {
            cache.level == 2 && cache.kind != CacheKind::Instruction && cache.cpus.is_subset(cpus)
        };
        let caches: Vec<_> = self.inventory.caches.iter().filter(inside).collect();
        let sizes: BTreeSet<_> = caches.iter().map(|cache| cache.size_bytes).collect();
        let Some(Some(size)) = sizes.first().filter(|_| sizes.len() == 1) else {
            return Vec::new();
        };
        match cores / caches.len() {
            1 if cores == 1 => vec![format!("L2 {size}")],
            1 => vec![format!("L2 {size} each")],
            several => vec![format!("L2 {size} for {several}")],
        }
    }
}
