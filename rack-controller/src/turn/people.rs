//! What people ask of the turn beside watts and bays: swaps, doubts, pauses.

use rack_api::v1::{AckRequest, DoubtView, PauseRequest, PauseView, SwapAnswer, SwapRequest};

use super::NoAnswer;
use super::round::{Turn, refused};
use crate::decide::{self, Input, Refusal};
use crate::view;

impl Turn {
    pub(super) fn swap(&mut self, request: &SwapRequest) -> Result<SwapAnswer, NoAnswer> {
        let now = self.clock.now();
        let reason = self.asked.as_ref().and_then(|asked| asked.reason.clone());
        let gone = || refused(Refusal::NotFound(format!("there is no bay {:?}", request.place)));
        let answer = if request.cancel {
            let asked = crate::pools::power::plan::interlock(&self.rack, &request.place, now);
            let mut answer = asked.ok_or_else(gone)?;
            answer.begun = true;
            answer.sentence = format!("{} goes back", answer.label);
            answer
        } else {
            decide::swap_answer(&self.rack, request, reason.as_deref(), now).map_err(refused)?
        };
        // The interlock's no is an answer, not an error, and nothing begins by it.
        if answer.begun && !request.dry_run {
            self.remembers(&Input::Swap(request.clone()))?;
            self.take(&Input::Swap(request.clone()))?;
        }
        let swap = view::swap(&self.rack, &request.place);
        Ok(SwapAnswer {
            goes_on: answer.begun,
            answer: answer.answer,
            sentence: answer.sentence,
            would_help: answer.would_help,
            swap: swap.filter(|_| answer.begun),
        })
    }

    pub(super) fn acknowledge(&mut self, request: &AckRequest) -> Result<DoubtView, NoAnswer> {
        let doubts = self.shown().rack.doubts.clone();
        let doubt = doubts.into_iter().find(|doubt| doubt.id == request.id);
        let message = doubt.as_ref().map(|doubt| doubt.doubt.message.clone());
        self.take(&Input::Acknowledge {
            request: request.clone(),
            message,
        })?;
        let Some(doubt) = doubt else {
            return Err(refused(Refusal::NotFound(format!(
                "the doubt {:?} is gone by now; what was known of it is forgotten",
                request.id
            ))));
        };
        Ok(view::doubt(&self.rack, doubt.doubt, self.clock.now()))
    }

    pub(super) fn pause(&mut self, request: &PauseRequest) -> Result<Vec<PauseView>, NoAnswer> {
        self.take(&Input::Pause(request.clone()))?;
        Ok(view::pauses(&self.rack))
    }
}
