//! What agents know of the journal. One that lost its end still has a good chain: only those who were leased to under it can tell. Until they
//! have, who asks for a promise waits; and where events are missing, nothing is promised (power.md, rule 13).

use std::time::Duration;

use facts::supply::Doubt;
use rack_api::v1::{Asked, DoubtView};
use tokio::time::Instant;

use super::round::Turn;
use super::{NoAnswer, Question};
use crate::decide::{DrivesInput, Input};
use crate::rack::Rack;
use crate::view;

/// How long agents are waited for: one that is gone must not keep the rack from promising. An agent that answers does so within a
/// second, and one that does not is known as silent after a second and a half.
const HEARD_WITHIN: Duration = Duration::from_secs(3);
/// Nodes that a sentence names.
const NAMED: usize = 4;

/// How the journal stood at the start, and who waits.
pub(super) struct Memory {
    /// How many events it had.
    begun: u64,
    until: Instant,
    waiting: Vec<(Question, Option<Asked>)>,
}

impl Memory {
    pub fn begin(begun: u64) -> Memory {
        Memory {
            begun,
            until: Instant::now() + HEARD_WITHIN,
            waiting: Vec::new(),
        }
    }
}

/// Nodes whose agents know of events that the journal has not, and how far they know it had come.
fn ahead(rack: &Rack) -> Option<(Vec<&str>, u64)> {
    let nodes = rack.sight.nodes.iter();
    let ahead: Vec<(&str, u64)> = nodes
        .filter_map(|(node, seen)| Some((node.as_str(), seen.lease.as_ref()?.ahead?)))
        .collect();
    let furthest = ahead.iter().map(|(_, sequence)| *sequence).max()?;
    Some((ahead.into_iter().map(|(node, _)| node).collect(), furthest))
}

impl Turn {
    /// How many events are missing at least; 0 where none is that anybody knows of.
    pub(super) fn missing(&self) -> u64 {
        ahead(&self.rack).map_or(0, |(_, furthest)| {
            furthest.saturating_sub(self.memory.begun).max(1)
        })
    }

    fn forgot(&self) -> Option<String> {
        let (nodes, furthest) = ahead(&self.rack)?;
        let mut named = nodes.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
        if nodes.len() > NAMED {
            named = format!("{named} and {} more", nodes.len().saturating_sub(NAMED));
        }
        let (begun, folder) = (self.memory.begun, self.rack.config.state_dir.display());
        Some(format!(
            "it had {begun} events at the start, and is not the one under whose event {furthest} these agents were leased to: {named}; claims and \
             caps may be forgotten, so nothing is promised or raised; `busbar-rack recover {folder} --config RACK.toml` says what is missing \
             and how to go on"
        ))
    }

    /// What keeps the journal from being relied on: it lacks events, or takes none.
    pub(super) fn journal_doubts(&self) -> Vec<DoubtView> {
        let forgot = self
            .forgot()
            .map(|why| format!("the journal is missing events: {why}"));
        let trouble = self.store.trouble().map(|why| {
            format!("the journal cannot be written, so nothing new is promised and nothing raised: {why}")
        });
        let now = self.clock.now();
        forgot
            .into_iter()
            .chain(trouble)
            .map(|message| {
                let doubt = Doubt {
                    kind: "journal".to_owned(),
                    message,
                    resource: "journal".to_owned(),
                };
                view::doubt(&self.rack, doubt, now)
            })
            .collect()
    }

    /// Whether the sums that this input rests on are known. What gives back, and what somebody says with force, is taken all the same.
    pub(super) fn remembers(&self, input: &Input) -> Result<(), NoAnswer> {
        let by_force = matches!(input, Input::Drain(request) if request.force || request.cancel)
            || matches!(input, Input::Swap(request) if request.force || request.cancel);
        let rests_on_sums = matches!(
            input,
            Input::ClaimPower { .. }
                | Input::ApplyClaim { .. }
                | Input::PowerOn { .. }
                | Input::Calibrate { .. }
                | Input::Drain(_)
                | Input::Swap(_)
                | Input::Drives(
                    DrivesInput::Claim { .. } | DrivesInput::Enrol { .. } | DrivesInput::Erase { .. }
                )
        ) && !by_force;
        match self.forgot() {
            Some(why) if rests_on_sums => Err(NoAnswer::Forgot(why)),
            Some(_) | None => Ok(()),
        }
    }

    /// The question, where it may be answered now. One whose answer rests on the sums waits until the agents were heard.
    pub(super) fn postponed(
        &mut self,
        question: Question,
        asked: Option<Asked>,
    ) -> Option<(Question, Option<Asked>)> {
        let rests_on_sums = matches!(
            question,
            Question::Claim { .. }
                | Question::Apply { .. }
                | Question::PowerOn { .. }
                | Question::Calibrate { .. }
                | Question::Drain { .. }
                | Question::Swap { .. }
        ) || matches!(&question, Question::Drives(asks) if asks.rests_on_sums());
        if rests_on_sums && self.waits_for_agents() {
            self.memory.waiting.push((question, asked));
            return None;
        }
        Some((question, asked))
    }

    /// Whether an agent that is leased to has not been heard since the start.
    fn waits_for_agents(&self) -> bool {
        let is_heard = |node: &str| {
            let seen = self.rack.sight.nodes.get(node);
            seen.is_some_and(|seen| seen.lease.is_some())
        };
        Instant::now() < self.memory.until && !self.lessors.nodes().all(is_heard)
    }

    /// Who waited for the agents is answered, in the order of asking.
    pub(super) fn answer_postponed(&mut self) {
        if self.memory.waiting.is_empty() || self.waits_for_agents() {
            return;
        }
        for (question, asked) in std::mem::take(&mut self.memory.waiting) {
            self.answer_for(question, asked);
        }
    }
}
