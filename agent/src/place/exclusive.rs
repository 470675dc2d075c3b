//! Exclusive CPUs: which of the free ones fit the ask at all, which NUMA nodes they come from, and which rule refuses that.

use agent_api::v1::{Ask, CoreWish, GpuWish, Policy, Siblings, TopologyRule};
use facts::CpuSet;
use intent::Share;

use super::books::Books;
use super::machine::{Kind, Machine};
use super::near::{self, Wanted};
use super::sets::{Amount, Choice, Question};
use super::{Refusal, Taken, reason, rule};

/// CPUs for an ask, and where they lie.
#[derive(Debug)]
pub(super) struct Chosen {
    pub cpus: CpuSet,
    pub because: Vec<String>,
    /// How many NUMA nodes the empty machine would need for it, and how far from what it shall be near; `None` where even
    /// that holds it only with memory or GPUs of other NUMA nodes.
    pub narrowest: Option<(usize, u32)>,
    pub far: u32,
}

/// Free CPUs of one kind of core, or of all kinds.
struct Variant<'a> {
    kind: Option<&'a Kind>,
    free: CpuSet,
    unit: usize,
}

/// Everything that stays the same while variants are tried.
pub(super) struct Choosing<'a> {
    pub ask: &'a Ask,
    pub machine: &'a Machine,
    pub books: &'a Books,
    pub taken: &'a [Taken],
    pub near: &'a [Wanted<'a>],
    pub cpus: usize,
}

impl Choosing<'_> {
    pub(super) fn choose(&self) -> Result<Chosen, Refusal> {
        let fits = self.with_shares(&self.books.free)?;
        let variants = self.variants(&fits);
        let far = near::far(self.machine, self.near);
        let mut best: Option<((usize, u32), &Variant<'_>, Choice)> = None;
        let mut refused = None;
        for variant in &variants {
            self.whole_cores(variant.unit)?;
            if variant.free.len() < self.cpus {
                continue;
            }
            match self.cells(variant, &far) {
                Ok(choice) => {
                    let key = (choice.cells.len(), choice.far);
                    if best.as_ref().is_none_or(|(other, _, _)| key < *other) {
                        best = Some((key, variant, choice));
                    }
                }
                Err(refusal) => refused = refused.or(Some(refusal)),
            }
        }
        let Some((_, variant, choice)) = best else {
            return Err(refused.unwrap_or_else(|| self.short(&variants)));
        };
        let mut there = CpuSet::new();
        choice
            .cells
            .iter()
            .for_each(|cell| there.add(&self.machine.cells[*cell].cpus));
        let there = there.intersection(&variant.free);
        let cpus = self
            .machine
            .tree
            .pick(&there, self.cpus, self.ask.policy, variant.unit);
        if cpus.len() != self.cpus {
            return Err(self.short(&variants));
        }
        let mut because = reason::where_they_are(self.machine, &variant.free, &cpus);
        because.extend(
            variant
                .kind
                .map(|kind| format!("all of one kind of core: {}", kind.name)),
        );
        because.extend(reason::policy(self.ask.policy));
        because.extend(reason::near(self.machine, self.near, &cpus));
        because.extend(reason::siblings(self.machine, &cpus));
        because.extend(reason::kept(self.machine, self.taken, &self.books.pool));
        let narrowest = if choice.cells.len() == 1 && choice.far == 0 {
            Some((1, 0))
        } else {
            self.narrowest(variant, &far)
        };
        Ok(Chosen {
            cpus,
            because,
            narrowest,
            far: choice.far,
        })
    }

    /// Free CPUs under caches of which enough is left.
    fn with_shares(&self, free: &CpuSet) -> Result<CpuSet, Refusal> {
        let part = |share: Option<Share>| share.map_or(0, Share::get);
        let (l3, bandwidth) = (part(self.ask.l3_share), part(self.ask.memory_bandwidth_share));
        if l3 == 0 && bandwidth == 0 {
            return Ok(free.clone());
        }
        if self.machine.caches.is_empty() {
            return Err(Refusal::NotHere(
                "asked a share of an L3 cache; this node shows none: leave l3_share and memory_bandwidth_share out"
                    .to_owned(),
            ));
        }
        let mut fits = CpuSet::new();
        for (at, cpus) in self.machine.caches.iter().enumerate() {
            if self.books.l3[at] >= l3 && self.books.bandwidth[at] >= bandwidth {
                fits.add(cpus);
            }
        }
        Ok(free.intersection(&fits))
    }

    /// The kinds that may be taken, the fastest first. On a machine with one kind there is one variant.
    fn variants(&self, free: &CpuSet) -> Vec<Variant<'_>> {
        let kinds = &self.machine.kinds;
        let of = |kind: Option<&'_ Kind>| {
            let mine = kind.map_or_else(|| free.clone(), |kind| free.intersection(&kind.cpus));
            let (free, unit) = self.in_whole_cores(mine);
            (free, unit)
        };
        let chosen: Vec<Option<&Kind>> = match self.ask.core_kind.filter(|_| kinds.len() > 1) {
            None if kinds.len() > 1 => kinds.iter().rev().map(Some).collect(),
            None | Some(CoreWish::Any) => vec![None],
            Some(CoreWish::Performance) => vec![kinds.last()],
            Some(CoreWish::Efficient) => vec![kinds.first()],
        };
        let variants = chosen.into_iter().map(|kind| {
            let (free, unit) = of(kind);
            Variant { kind, free, unit }
        });
        variants.collect()
    }

    /// Where whole cores are asked: only cores that are free as a whole, the widest ones, and how wide they are.
    fn in_whole_cores(&self, free: CpuSet) -> (CpuSet, usize) {
        let cores = &self.machine.cores;
        if self.ask.siblings == Siblings::Blocked || cores.is_empty() {
            return (free, 1);
        }
        let widest = cores
            .iter()
            .filter(|core| !core.is_disjoint(&free))
            .map(CpuSet::len)
            .max();
        let unit = widest.unwrap_or(1);
        let mut whole = CpuSet::new();
        cores
            .iter()
            .filter(|core| core.len() == unit && core.is_subset(&free))
            .for_each(|core| whole.add(core));
        (whole, unit)
    }

    fn whole_cores(&self, unit: usize) -> Result<(), Refusal> {
        if self.cpus.is_multiple_of(unit) {
            return Ok(());
        }
        let below = self.cpus / unit * unit;
        let fits = if below == 0 {
            unit.to_string()
        } else {
            format!("{below} or {}", below + unit)
        };
        Err(Refusal::BadAsk(format!(
            "asked {} as whole cores; a core has {unit} here: ask for {fits}",
            reason::counted(self.cpus, "CPU")
        )))
    }

    fn question(&self, books: &Books, free: &CpuSet, far: &[u32], all: bool) -> Question<'_> {
        let machine = self.machine;
        let gpus = match &self.ask.gpus {
            Some(GpuWish::Count(count)) => usize::try_from(*count).unwrap_or(usize::MAX),
            Some(GpuWish::These(_)) | None => 0,
        };
        let has = machine.cells.iter().map(|cell| {
            let id = cell.numa.map(|at| machine.numa[at].id);
            let pages = self.ask.hugepages.iter().map(|wanted| {
                let pools = machine.pools.iter().zip(&books.pages);
                let mine = pools
                    .filter(|(pool, _)| Some(pool.numa_node) == id && pool.page_bytes == wanted.page_bytes);
                mine.map(|(_, free)| *free).sum()
            });
            let near = |gpu: &&super::machine::GpuPlace| {
                gpu.device.kind == intent::DeviceKind::Gpu
                    && !gpu.is_cut
                    && gpu.numa_node == id
                    && books.is_free(gpu)
            };
            Amount {
                cpus: cell.cpus.intersection_len(free),
                memory: match cell.numa {
                    Some(at) => books.memory[at].unwrap_or(u64::MAX),
                    // CPUs that no NUMA node names have no memory of their own where others do.
                    None if machine.numa.is_empty() => u64::MAX,
                    None => 0,
                },
                pages: pages.collect(),
                gpus: if gpus == 0 {
                    0
                } else {
                    machine.gpus.iter().filter(near).count()
                },
            }
        });
        let none = vec![0; self.ask.hugepages.len()];
        let wanted = if all {
            Amount {
                cpus: self.cpus,
                memory: self.ask.memory_bytes.map_or(0, |bytes| bytes.get()),
                pages: self
                    .ask
                    .hugepages
                    .iter()
                    .map(|wanted| wanted.bytes.get())
                    .collect(),
                gpus,
            }
        } else {
            Amount {
                cpus: self.cpus,
                pages: none,
                ..Amount::default()
            }
        };
        Question {
            machine,
            wanted,
            has: has.collect(),
            far: far.to_vec(),
            policy: self.ask.policy,
        }
    }

    /// How narrow the empty machine would have it.
    fn narrowest(&self, variant: &Variant<'_>, far: &[u32]) -> Option<(usize, u32)> {
        let empty = Books::empty(self.machine);
        let mine = variant
            .kind
            .map_or_else(|| empty.free.clone(), |kind| empty.free.intersection(&kind.cpus));
        let (free, _) = self.in_whole_cores(mine);
        let best = self.question(&empty, &free, far, true).best()?;
        Some((best.cells.len(), best.far))
    }

    fn cells(&self, variant: &Variant<'_>, far: &[u32]) -> Result<Choice, Refusal> {
        let question = self.question(self.books, &variant.free, far, true);
        let found = question.best();
        match self.ask.topology {
            TopologyRule::BestEffort => {}
            TopologyRule::SingleNumaNode => {
                return found
                    .filter(|one| one.cells.len() == 1 && one.far == 0)
                    .ok_or_else(|| Refusal::Shortfall(rule::single(self.machine, self.near, &question)));
            }
            TopologyRule::Restricted => {
                if let Some(narrowest) = self.narrowest(variant, far) {
                    let fits = |one: &Choice| one.cells.len() <= narrowest.0 && one.far <= narrowest.1;
                    let now = found.as_ref().map(|one| (one.cells.len(), one.far));
                    return found.filter(fits).ok_or_else(|| {
                        Refusal::Shortfall(rule::restricted(self.machine, narrowest, now, &question))
                    });
                }
            }
        }
        if self.ask.policy == Policy::Spread && self.ask.topology == TopologyRule::BestEffort {
            return Ok(self.everywhere(&question));
        }
        // Memory, huge pages or GPUs come from farther away where no NUMA nodes hold all of it.
        let cpus_only = || self.question(self.books, &variant.free, far, false).best();
        found.or_else(cpus_only).ok_or(Refusal::Unknown)
    }

    /// All cells that have a free CPU; only the nearest ones where it shall be near to something and they have enough.
    fn everywhere(&self, question: &Question<'_>) -> Choice {
        let with_cpus = (0..question.has.len()).filter(|cell| question.has[*cell].cpus > 0);
        let with_cpus: Vec<usize> = with_cpus.collect();
        let nearest = with_cpus
            .iter()
            .map(|cell| question.far[*cell])
            .min()
            .unwrap_or(0);
        let near = with_cpus
            .iter()
            .copied()
            .filter(|cell| question.far[*cell] == nearest);
        let near: Vec<usize> = near.collect();
        let enough = near.iter().map(|cell| question.has[*cell].cpus).sum::<usize>() >= self.cpus;
        let cells = if enough { near } else { with_cpus };
        let far = cells.iter().map(|cell| question.far[*cell]).sum();
        Choice { cells, far }
    }

    fn short(&self, variants: &[Variant<'_>]) -> Refusal {
        let most = variants
            .iter()
            .map(|variant| variant.free.len())
            .max()
            .unwrap_or(0);
        let what = match (self.ask.core_kind, variants) {
            (Some(CoreWish::Performance | CoreWish::Efficient), [Variant { kind: Some(kind), .. }]) => {
                format!(" of kind {}", kind.name)
            }
            (None, [_, _, ..]) => " of one kind of core (core_kind any would mix them)".to_owned(),
            _ => String::new(),
        };
        let cores = if self.ask.siblings == Siblings::Whole {
            " in whole cores"
        } else {
            ""
        };
        let caches = self.ask.l3_share.or(self.ask.memory_bandwidth_share);
        let caches = if caches.is_some() {
            " under caches with that share left"
        } else {
            ""
        };
        let asked = format!(
            "{}{what}{cores}{caches}",
            reason::counted(self.cpus, "exclusive CPU")
        );
        Refusal::Shortfall(reason::shortfall(
            &asked,
            most,
            self.machine,
            self.taken,
            &self.books.pool,
        ))
    }
}
