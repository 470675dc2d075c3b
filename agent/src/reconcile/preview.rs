//! What would be given: for one ask, for many at once, and after moves. A copy of what the keeper knows answers, so that a long
//! search holds nobody up; it changes nothing and holds nothing.

use std::collections::BTreeSet;

use agent_api::v1::{
    Ask, BatchAnswer, BatchOffer, BatchRequest, Defrag, DefragRequest, Offer, ProposedMove, Stays, Unplaced,
};
use facts::{Bytes, Inventory};
use intent::{Intent, WorkloadId};
use isolators::Host;
use isolators::cgroup::Layout;

use super::cap::unkept;
use super::devices::not_lendable;
use super::entry::isolation_of;
use super::hand::unplanned;
use super::keeper::taken;
use super::start::{made_up, refused, with_advice};
use super::{Keeper, KeeperError};
use crate::drives::Lent;
use crate::ledger::CapInForce;
use crate::place::{self, Batch, DEFAULT_RATE, Machine, Move, Proposal, Refusal, Taken};

/// For how many refused asks of a batch a way out is sought: each is a search of some ten milliseconds.
const MOST_ADVISED: usize = 16;

/// What placement must know, copied from the keeper.
#[derive(Clone, Debug)]
pub struct Preview {
    machine: Machine,
    taken: Vec<Taken>,
    intent: Intent,
    layout: Layout,
    host: Host,
    drained: Option<String>,
    cap: Option<CapInForce>,
    pooled: Lent,
}

impl Keeper {
    /// What placement must know, copied: previews are made from it.
    pub fn preview(&self, inventory: &Inventory) -> Preview {
        let machine = if self.machine_of.is_some() && self.machine_of == inventory.at {
            self.machine.clone()
        } else {
            self.machine_from(inventory)
        };
        Preview {
            machine,
            taken: taken(&self.ledger),
            intent: self.ledger.intent.clone(),
            layout: self.layout.clone(),
            host: self.host.clone(),
            drained: self.why_drained(),
            cap: self.ledger.cap.clone(),
            pooled: self.pooled(),
        }
    }

    /// What would be offered. Changes nothing and holds nothing.
    ///
    /// # Errors
    /// With what is missing, and who has it.
    pub fn offer(&self, ask: &Ask, inventory: &Inventory) -> Result<Offer, KeeperError> {
        self.preview(inventory).offer(ask)
    }
}

impl Preview {
    /// What would be offered for one ask.
    ///
    /// # Errors
    /// With what is missing, and who has it.
    pub fn offer(&self, ask: &Ask) -> Result<Offer, KeeperError> {
        let (machine, taken) = (&self.machine, self.taken.as_slice());
        let mut offer = place::place(ask, machine, taken, self.intent.generation)
            .map_err(|refusal| with_advice(refusal, ask, machine, taken))?;
        self.remark(ask, &mut offer)?;
        Ok(offer)
    }

    /// What would be offered for many asks at once; none of the offers overlap.
    ///
    /// # Errors
    /// When there are none or too many, or not all fit and all or nothing was wanted.
    pub fn offers(&self, request: &BatchRequest) -> Result<BatchOffer, KeeperError> {
        if request.asks.is_empty() {
            return Err(KeeperError::BadAsk(
                "no ask at all; expected one or more".to_owned(),
            ));
        }
        let mut asks = request.asks.clone();
        let names = names(&mut asks)?;
        let clashes: Vec<Option<String>> = self.clashes(&names);
        if let Some(clash) = clashes.iter().flatten().next().filter(|_| request.all_or_nothing) {
            return Err(KeeperError::Conflict(clash.clone()));
        }
        let right: Vec<usize> = (0..asks.len()).filter(|at| clashes[*at].is_none()).collect();
        let chosen: Vec<Ask> = right.iter().map(|at| asks[*at].clone()).collect();
        let generation = self.intent.generation;
        if chosen.is_empty() {
            let answers = names
                .into_iter()
                .zip(clashes)
                .map(|(name, clash)| refusal(name, "conflict", clash));
            return Ok(BatchOffer {
                generation,
                placed: 0,
                answers: answers.collect(),
                order: Vec::new(),
            });
        }
        let (machine, taken) = (&self.machine, self.taken.as_slice());
        let batch =
            place::place_all(&chosen, machine, taken, generation, request.all_or_nothing).map_err(refused)?;
        let order = batch.order.iter().map(|at| number(right[*at])).collect();
        let placed = number(batch.placed());
        let mut searched = 0;
        let mut answers = Vec::new();
        for (at, (name, clash)) in names.into_iter().zip(clashes).enumerate() {
            answers.push(match right.iter().position(|one| *one == at) {
                Some(place) => self.answer(name, &batch, place, &chosen, &mut searched)?,
                None => refusal(name, "conflict", clash),
            });
        }
        Ok(BatchOffer {
            generation,
            placed,
            answers,
            order,
        })
    }

    /// Which moves would make room for an ask, or for as many CPUs on one NUMA node as moving can bring together.
    ///
    /// # Errors
    /// When the ask makes no sense, or nothing is known of the machine yet.
    pub fn defrag(&self, request: &DefragRequest) -> Result<Defrag, KeeperError> {
        let rate = request.bytes_per_second.unwrap_or(DEFAULT_RATE);
        if rate == Bytes::ZERO {
            let expected = "bytes_per_second is 0; expected more, or leave it out";
            return Err(KeeperError::BadAsk(expected.to_owned()));
        }
        let (machine, taken) = (&self.machine, self.taken.as_slice());
        if machine.is_empty() {
            return Err(refused(Refusal::Unknown));
        }
        let holders = taken.iter().filter(|one| !one.cpus.is_empty());
        let stays = holders.filter_map(|one| {
            Some(Stays {
                workload: one.workload.clone(),
                why: place::why_it_stays(one)?.to_owned(),
            })
        });
        let mut answer = Defrag {
            generation: self.intent.generation,
            ask: request.ask.clone(),
            largest_now: None,
            fits: false,
            moves: Vec::new(),
            offer: None,
            memory_bytes: Bytes::ZERO,
            milliseconds: 0,
            why: String::new(),
            stays: stays.collect(),
        };
        match &request.ask {
            Some(ask) => match place::place(ask, machine, taken, self.intent.generation) {
                Ok(offer) => {
                    answer.why = "it fits as it is: nothing has to move".to_owned();
                    (answer.fits, answer.offer) = (true, Some(offer));
                }
                Err(refusal @ (Refusal::BadAsk(_) | Refusal::Unknown)) => return Err(refused(refusal)),
                Err(refusal) => match place::propose(ask, machine, taken, rate) {
                    Some(proposal) => answer.propose(proposal),
                    None => answer.why = format!("no moves were found after which it fits: {refusal}"),
                },
            },
            None => {
                let room = place::roomiest(machine, taken, rate);
                answer.largest_now = Some(room.now);
                match room.more {
                    Some((ask, proposal)) => {
                        answer.ask = Some(ask);
                        answer.propose(proposal);
                    }
                    None => {
                        answer.why = format!(
                            "moving gives no more: {} exclusive CPUs fit on one NUMA node, and no moves were found for more",
                            room.now
                        );
                    }
                }
            }
        }
        Ok(answer)
    }

    fn answer(
        &self,
        name: WorkloadId,
        batch: &Batch,
        at: usize,
        asks: &[Ask],
        searched: &mut usize,
    ) -> Result<BatchAnswer, KeeperError> {
        Ok(match &batch.answers[at] {
            Ok(offer) => {
                let mut offer = offer.clone();
                self.remark(&asks[at], &mut offer)?;
                BatchAnswer {
                    name,
                    offer: Some(offer),
                    refused: None,
                }
            }
            Err(refusal) => {
                let mut would_fit = Vec::new();
                if matches!(refusal, Refusal::Shortfall(_)) && *searched < MOST_ADVISED {
                    *searched += 1;
                    would_fit = batch.ways(at, asks, &self.machine, &self.taken);
                }
                let error = refused(refusal.clone());
                let refused = Unplaced {
                    code: error.code().to_owned(),
                    why: error.to_string(),
                    would_fit,
                };
                BatchAnswer {
                    name,
                    offer: None,
                    refused: Some(refused),
                }
            }
        })
    }

    /// Names that somebody has here already, or that stand twice in the batch.
    fn clashes(&self, names: &[WorkloadId]) -> Vec<Option<String>> {
        let mut seen: BTreeSet<&WorkloadId> = BTreeSet::new();
        let clash = |name| {
            if self.intent.of(name).is_some() {
                return Some(format!(
                    "workload {name} is here already; choose another name or end it first"
                ));
            }
            (!seen.insert(name)).then(|| format!("{name} stands twice in this batch; choose another name"))
        };
        names.iter().map(clash).collect()
    }

    /// What keeps an offer from being brought about here, among its reasons.
    fn remark(&self, ask: &Ask, offer: &mut Offer) -> Result<(), KeeperError> {
        offer.because.extend(self.drained.clone());
        offer
            .because
            .extend(not_lendable(&self.host, &self.layout, &self.pooled, ask, offer));
        if let (Some(_), Some(record)) = (ask.watts, &self.layout.record) {
            let id = ask.name.clone().map_or_else(|| made_up("", 0), Ok)?;
            let with = self.intent.with(isolation_of(&id, ask, offer));
            let cap = self.cap.as_ref();
            let why = unkept(&self.host, record, &self.machine, &with, cap, &id);
            offer
                .because
                .extend(why.unwrap_or_else(|error| Some(error.to_string())));
        }
        if !offer.hugepages.is_empty() || !offer.cache.is_empty() {
            let id = ask.name.clone().map_or_else(|| made_up("", 0), Ok)?;
            let with = self.intent.with(isolation_of(&id, ask, offer));
            let missing = isolators::plan(&self.layout, &self.host, &with).map_err(unplanned);
            offer.because.extend(missing.err().map(|error| error.to_string()));
        }
        Ok(())
    }
}

/// The names of all asks; one that has none gets one that nobody else in the batch has given itself.
fn names(asks: &mut [Ask]) -> Result<Vec<WorkloadId>, KeeperError> {
    let mut names = Vec::new();
    for (at, ask) in asks.iter_mut().enumerate() {
        let name = place::name(ask, at).map_err(refused)?;
        ask.name = Some(name.clone());
        names.push(name);
    }
    Ok(names)
}

fn refusal(name: WorkloadId, code: &str, why: Option<String>) -> BatchAnswer {
    let refused = Unplaced {
        code: code.to_owned(),
        why: why.unwrap_or_default(),
        would_fit: Vec::new(),
    };
    BatchAnswer {
        name,
        offer: None,
        refused: Some(refused),
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// What a proposal puts into the answer.
trait Proposes {
    fn propose(&mut self, proposal: Proposal);
}

impl Proposes for Defrag {
    fn propose(&mut self, proposal: Proposal) {
        let (memory, cpus, count) = proposal.cost();
        self.memory_bytes = memory;
        self.milliseconds = proposal
            .moves
            .iter()
            .fold(0, |sum, one| sum.saturating_add(one.milliseconds));
        self.why = format!(
            "it fits after {count} move{}: {cpus} CPUs change, {memory} of memory go to another NUMA node",
            if count == 1 { "" } else { "s" }
        );
        self.moves = proposal.moves.into_iter().map(proposed).collect();
        self.offer = Some(proposal.offer);
    }
}

fn proposed(one: Move) -> ProposedMove {
    ProposedMove {
        numa_nodes: one.to.numa_nodes.clone(),
        to: one.to.cpus.clone(),
        workload: one.workload,
        from: one.from,
        cpus_changed: number(one.cpus_changed),
        memory_bytes: one.memory_moved,
        milliseconds: one.milliseconds,
    }
}
