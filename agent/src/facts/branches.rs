//! Packages, NUMA nodes and caches as lines; many that are alike are one.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use facts::CpuSet;
use facts::topology::{Core, NumaNode, Package};

use super::draw::{Line, Painter};
use super::near::{self, Part};
use super::style::{count, numbers};
use super::tree::{Branch, What, amounts};

/// Packages and NUMA nodes that are alike are drawn one by one up to here.
const MOST_ALONE: usize = 8;
/// The same for packages that have no memory of their own.
const MOST_ALONE_WITHOUT_MEMORY: usize = 2;
/// NUMA nodes whose distances are written out.
const MOST_DISTANCES: usize = 8;

impl<'a> Painter<'a> {
    /// What lies in a branch: its own cores, its branches, the parts near it.
    pub(super) fn inside(&self, branch: &Branch<'a>, mut parts: Vec<&Part>) -> Vec<Line> {
        let mut lines = self.loose(branch);
        let mut here = Vec::new();
        let mut of_branches: Vec<Vec<&Part>> = branch.branches.iter().map(|_| Vec::new()).collect();
        for part in parts.drain(..) {
            let home = branch.branches.iter().position(|below| {
                let is_place = match below.what {
                    What::Package(_) | What::Numa(_) => true,
                    What::Cache(_) => !below.branches.is_empty(),
                    What::Machine | What::Beside(_) => false,
                };
                is_place && part.is_within(&below.cpus)
            });
            match home.and_then(|index| of_branches.get_mut(index)) {
                Some(list) => list.push(part),
                None => here.push(part),
            }
        }
        let mut alike: Vec<&Branch<'a>> = Vec::new();
        let mut pairs = branch.branches.iter().zip(of_branches).peekable();
        while let Some((below, parts)) = pairs.next() {
            let is_bare = parts.is_empty();
            let goes_on =
                |(next, parts): &(&Branch<'a>, Vec<&Part>)| parts.is_empty() && next.shape() == below.shape();
            if is_bare && pairs.peek().is_some_and(goes_on) {
                alike.push(below);
                continue;
            }
            if is_bare && !alike.is_empty() {
                alike.push(below);
                lines.extend(self.several(&std::mem::take(&mut alike)));
            } else {
                lines.push(self.one(below, parts));
            }
        }
        lines.extend(near::lines(&here, self.style).into_iter().map(Line::alone));
        lines
    }

    /// A branch by itself. What lies alone in it, with the same CPUs, shares its line.
    fn one(&self, branch: &Branch<'a>, parts: Vec<&Part>) -> Line {
        let mut text = self.title(branch);
        let mut inner = branch;
        while let ([only], true) = (inner.branches.as_slice(), inner.cores.is_empty()) {
            let What::Cache(_) = only.what else { break };
            if only.cpus != inner.cpus {
                break;
            }
            let _ = write!(text, "  {}", self.title(only));
            inner = only;
        }
        let mut below = self.inside(inner, parts);
        let bare = inner.branches.is_empty() && self.loose(inner).len() == 1;
        if bare && !below.is_empty() {
            let _ = write!(text, "  {}", below.remove(0).text);
        }
        Line { text, below }
    }

    /// Several branches that are alike.
    fn several(&self, branches: &[&Branch<'a>]) -> Vec<Line> {
        let [first, ..] = branches else { return Vec::new() };
        let most_alone = match first.what {
            What::Cache(_) => 1,
            What::Package(_) if first.numa_nodes().is_empty() => MOST_ALONE_WITHOUT_MEMORY,
            What::Package(_) | What::Numa(_) | What::Beside(_) | What::Machine => MOST_ALONE,
        };
        if branches.len() <= most_alone {
            return branches
                .iter()
                .map(|branch| self.one(branch, Vec::new()))
                .collect();
        }
        let title = match first.what {
            What::Cache(_) => format!("{} × {}", branches.len(), self.title(first)),
            What::Package(_) => self.packages(branches),
            What::Numa(_) | What::Beside(_) | What::Machine => self.numa_nodes(branches),
        };
        let cores: Vec<&Core> = branches.iter().flat_map(|branch| branch.all_cores()).collect();
        let text = format!("{title}{}", self.each(first, branches));
        let mut below = self.cores(&cores);
        match (below.pop(), below.is_empty()) {
            (Some(only), true) => vec![Line::alone(format!("{text}  {}", only.text))],
            (last, _) => {
                below.extend(last);
                vec![Line { text, below }]
            }
        }
    }

    /// What lies in each of several alike branches.
    fn each(&self, first: &Branch<'a>, branches: &[&Branch<'a>]) -> String {
        let mut words = Vec::new();
        if let What::Package(_) = first.what {
            let nodes: Vec<_> = branches.iter().flat_map(|branch| branch.numa_nodes()).collect();
            if !nodes.is_empty() {
                let memory = self
                    .style
                    .quantity(&amounts(nodes.iter().map(|node| node.memory_bytes)));
                words.push(format!(
                    "{} of {memory}",
                    count(first.numa_nodes().len(), "NUMA node")
                ));
            }
        }
        let cores = first.all_cores().len();
        if cores > 0 {
            words.push(count(cores, "core"));
        }
        if words.is_empty() {
            String::new()
        } else {
            format!("  each {}", words.join(", "))
        }
    }

    fn packages(&self, branches: &[&Branch<'a>]) -> String {
        let all = branches.iter().filter_map(|branch| match branch.what {
            What::Package(package) => Some(package),
            What::Machine | What::Numa(_) | What::Beside(_) | What::Cache(_) => None,
        });
        let packages: Vec<&Package> = all.collect();
        let ids: CpuSet = packages
            .iter()
            .map(|package| facts::CpuId(package.id.0))
            .collect();
        let model = packages.first().map(|package| model(package)).unwrap_or_default();
        format!(
            "{}  {model}",
            self.style.name(&format!("packages {}", numbers(&ids)))
        )
        .trim_end()
        .to_owned()
    }

    fn numa_nodes(&self, branches: &[&Branch<'a>]) -> String {
        let all = branches.iter().filter_map(|branch| match branch.what {
            What::Numa(node) | What::Beside(node) => Some(node),
            What::Machine | What::Package(_) | What::Cache(_) => None,
        });
        let nodes: Vec<&NumaNode> = all.collect();
        let ids: CpuSet = nodes.iter().map(|node| facts::CpuId(node.id.0)).collect();
        let memory = self
            .style
            .quantity(&amounts(nodes.iter().map(|node| node.memory_bytes)));
        format!(
            "{}  {memory} each",
            self.style.name(&format!("NUMA nodes {}", numbers(&ids)))
        )
    }

    fn title(&self, branch: &Branch<'a>) -> String {
        let style = self.style;
        match branch.what {
            What::Machine => String::new(),
            What::Package(package) => {
                let dies = if package.dies > 1 {
                    format!("  {} dies", package.dies)
                } else {
                    String::new()
                };
                let usable = if branch.cpus.is_empty() {
                    "  no CPUs for us"
                } else {
                    ""
                };
                let title = format!(
                    "{}  {}{dies}{usable}",
                    style.name(&format!("package {}", package.id)),
                    model(package)
                );
                title.trim_end().to_owned()
            }
            What::Numa(node) => self.numa_node(node),
            What::Beside(node) => format!("{}  near CPUs {}", self.numa_node(node), numbers(&branch.cpus)),
            What::Cache(cache) => {
                let size = cache
                    .size_bytes
                    .map(|bytes| format!(" {}", style.quantity(&bytes.to_string())));
                format!(
                    "{}{}",
                    style.name(&format!("L{}", cache.level)),
                    size.unwrap_or_default()
                )
            }
        }
    }

    fn numa_node(&self, node: &NumaNode) -> String {
        let style = self.style;
        let mut words = vec![
            style.name(&format!("NUMA node {}", node.id)),
            style.quantity(&amounts(std::iter::once(node.memory_bytes))),
        ];
        if !node.memory_kind.is_empty() {
            words.push(node.memory_kind.clone());
        }
        if node.cpus.is_empty() {
            words.push("no CPUs near".to_owned());
        }
        words.extend(self.distances(node));
        words.join("  ")
    }

    fn distances(&self, node: &NumaNode) -> Option<String> {
        let place = self
            .inventory
            .numa_nodes
            .iter()
            .position(|other| other.id == node.id)?;
        let own = node.distances.get(place)?;
        let others = node
            .distances
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != place);
        let others: BTreeSet<u32> = others.map(|(_, distance)| *distance).collect();
        let text = match (others.first()?, others.last()?) {
            (least, most) if least == most => format!("distance {own}, to others {least}"),
            _ if node.distances.len() <= MOST_DISTANCES => {
                let row: Vec<String> = node.distances.iter().map(u32::to_string).collect();
                format!("distances {}", row.join(" "))
            }
            (least, most) => format!("distance {own}, to others {least} to {most}"),
        };
        Some(self.style.aside(&text))
    }
}

fn model(package: &Package) -> String {
    let identity = &package.identity;
    let model = identity
        .model
        .as_deref()
        .or(identity.maker.as_deref())
        .unwrap_or_default();
    model.split_whitespace().collect::<Vec<_>>().join(" ")
}
