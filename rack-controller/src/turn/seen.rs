//! Inputs: those that nobody waits for, together where they came together, and those of whoever asks.

use rack_api::v1::Asked;
use tokio::time::Instant;

use super::round::{Turn, refused};
use super::{Message, NoAnswer, Question};
use crate::decide::{self, Input, decide_all, decide_for};
use crate::rack::evolve;

/// Inputs that are seen before the view goes out: one of each node of the largest rack.
const MOST_AT_ONCE: usize = 64;

impl Turn {
    /// An input that nobody waits for, and those that came with it: after a loss all agents answer at once. They are decided, journaled and
    /// shown together. Whoever asked meanwhile is answered after that.
    pub(super) fn see_all(&mut self, first: Input) {
        let mut seen = vec![first];
        let mut question = None;
        while seen.len() < MOST_AT_ONCE && question.is_none() {
            match self.inputs.try_recv() {
                Ok(Message::Seen(input)) => seen.push(input),
                Ok(Message::Asked(asks, asked)) => question = Some((asks, asked)),
                Err(_) => break,
            }
        }
        let now = self.clock.now();
        let mut news: Vec<Input> = Vec::new();
        for input in seen {
            // Behind a node's silence its answer is news again.
            let may_be_again = !news.iter().any(|seen| matches!(seen, Input::NodeSilent { .. }));
            let again = decide::seen_again(&self.rack, &input, now).filter(|_| may_be_again);
            match again {
                Some(event) => {
                    self.own.input();
                    evolve(&mut self.rack, &event);
                }
                None => news.push(input),
            }
        }
        if !news.is_empty() {
            self.see(&news);
        }
        if let Some((question, asked)) = question {
            self.answer_for(question, asked);
        }
    }

    /// What is seen or done is never refused, and what finds no room now is seen again.
    pub(super) fn see(&mut self, inputs: &[Input]) {
        if self.take_all(inputs).is_err() && inputs.len() > 1 {
            // One that finds no room keeps none of the others back.
            for input in inputs {
                let _ = self.take(input);
            }
        }
        self.after();
        self.tell_held();
        self.answer_postponed();
    }

    /// Answers, and whatever happens meanwhile happened because this one asked.
    pub(super) fn answer_for(&mut self, question: Question, asked: Option<Asked>) {
        let Some((question, asked)) = self.postponed(question, asked) else {
            return;
        };
        self.asked = asked;
        self.answer(question);
        self.asked = None;
    }

    /// input → decide → lower → evolve, and on to the journal.
    pub(super) fn take(&mut self, input: &Input) -> Result<(), NoAnswer> {
        self.own.input();
        self.decided = Instant::now();
        let asked = self.asked.as_ref();
        let events = decide_for(&self.rack, input, self.clock.now(), asked).map_err(refused)?;
        self.happen(events)
    }

    fn take_all(&mut self, inputs: &[Input]) -> Result<(), NoAnswer> {
        for _ in inputs {
            self.own.input();
        }
        self.decided = Instant::now();
        let events = decide_all(&self.rack, inputs, self.clock.now()).map_err(refused)?;
        self.happen(events)
    }
}
