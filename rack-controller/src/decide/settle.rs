//! The course of one decision: events as they are made, applied to a copy, so that each sees what the one before did.

use std::borrow::Cow;

use facts::Moment;
use rack_api::v1::{Asked, DomainState, DrainFor};

use crate::bay::{Bay, Life};
use crate::claim::ClaimId;
use crate::pools::power::plan::{self, Rations};
use crate::rack::event::{BayChange, Cause, Effect, Event, What};
use crate::rack::evolve::evolve;
use crate::rack::state::Rack;

/// How long a draining bay waits for its light; then it may be pulled without one.
const LIGHT_PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);

/// A decision in the making.
pub(super) struct Course<'a> {
    /// The rack as the events so far make it: a copy from the first of them on.
    pub rack: Cow<'a, Rack>,
    /// The moment of the decision.
    pub now: Moment,
    /// Who asks, while what they asked is done; nobody while what follows from it is.
    pub asked: Option<Asked>,
    events: Vec<Event>,
}

impl<'a> Course<'a> {
    pub const fn new(rack: &'a Rack, now: Moment, asked: Option<Asked>) -> Course<'a> {
        Course {
            rack: Cow::Borrowed(rack),
            now,
            asked,
            events: Vec::new(),
        }
    }

    pub fn into_events(self) -> Vec<Event> {
        self.events
    }

    /// One more event.
    pub fn happen(&mut self, what: What) {
        let mut event = Event::new(self.now, what);
        event.asked.clone_from(&self.asked);
        evolve(self.rack.to_mut(), &event);
        self.events.push(event);
    }

    /// A bay's life goes on; what that does to the sums is said with it.
    pub fn bay(&mut self, place: &str, bay: Bay, cause: Cause) {
        let Some(config) = self.rack.config.bay(place).cloned() else {
            return;
        };
        let before = self.sums_of(&config.domain);
        let change = BayChange {
            place: place.to_owned(),
            label: config.label,
            feed: config.feed,
            cause,
            bay,
            effect: None,
        };
        let mut event = Event::new(self.now, What::BayChanged(Box::new(change)));
        event.asked.clone_from(&self.asked);
        evolve(self.rack.to_mut(), &event);
        let after = self.sums_of(&config.domain);
        if let (What::BayChanged(change), Some(before), Some(after)) = (&mut event.what, before, after)
            && before != after
        {
            change.effect = Some(Effect {
                domain: config.domain,
                installed_before: before.0,
                installed_after: after.0,
                headroom_before: before.1,
                headroom_after: after.1,
            });
        }
        self.events.push(event);
    }

    fn sums_of(&self, domain: &str) -> Option<(facts::Power, facts::Power)> {
        let installed = plan::standing(&self.rack, domain)?.installed;
        let (_, headroom) = plan::tightest(&self.rack, domain)?;
        Some((installed, headroom))
    }

    /// What follows from the time and from what happened so far, whatever the input was.
    pub fn pass_time(&mut self) {
        self.asked = None;
        self.lights();
        self.bays_on_their_way_out();
        super::swap::pass_time(self);
        super::pause::pass_time(self);
        self.claims_that_end();
        super::drives::pass_time(self);
        self.domains();
        super::drill::pass_time(self);
        super::switch::pass_time(self);
        super::lend::pass_time(self);
        self.caps();
    }

    fn claims_that_end(&mut self) {
        let over: Vec<ClaimId> = self
            .rack
            .kept
            .claims
            .values()
            .filter(|claim| claim.until.is_some_and(|until| until <= self.now))
            .map(|claim| claim.id)
            .collect();
        for id in over {
            if let Some(claim) = self.rack.kept.claims.get(&id).cloned() {
                let headroom = super::ask::headroom_without(&self.rack, &claim);
                self.happen(What::ClaimExpired { claim, headroom });
            }
        }
    }

    /// Caps that agents shall hold from now on, and who has or loses what by that.
    fn caps(&mut self) {
        let config = &self.rack.config;
        // An order is a promise that somebody is sent it: where the mode forbids that, none is given.
        let may_order = config.enforces_caps();
        let has_agents = may_order && config.nodes.iter().any(|node| node.rest.is_some());
        let kept = &self.rack.kept;
        let is_short = kept
            .domains
            .values()
            .any(|domain| domain.state == DomainState::Deficit);
        if !has_agents && !is_short && kept.shed.is_empty() {
            return;
        }
        let (orders, rations) = if has_agents {
            plan::orders(&self.rack, self.now)
        } else {
            let shed = plan::rations(&self.rack, self.now).shed;
            (
                Vec::new(),
                Rations {
                    shed,
                    ..Rations::default()
                },
            )
        };
        let (had, has) = (&kept.granted, &rations.granted);
        if orders.is_empty() && **had == *has && *kept.shed == rations.shed {
            return;
        }
        let revocable = |ids: &mut dyn Iterator<Item = &ClaimId>| -> facts::Power {
            ids.filter_map(|id| kept.claims.get(id))
                .map(|claim| claim.revocable)
                .sum()
        };
        let given = revocable(&mut has.difference(had));
        let taken = revocable(&mut had.difference(has));
        self.happen(What::CapsOrdered {
            orders,
            granted: rations.granted.into_iter().collect(),
            shed: rations.shed.into_iter().collect(),
            given,
            taken,
        });
    }

    fn bays_on_their_way_out(&mut self) {
        let leaving: Vec<(String, Bay)> = self
            .rack
            .kept
            .bays
            .iter()
            .filter(|(_, bay)| bay.life.leaving().is_some())
            .map(|(place, bay)| (place.clone(), bay.clone()))
            .collect();
        for (place, bay) in leaving {
            let over = bay
                .life
                .leaving()
                .and_then(|leaving| leaving.back_at)
                .is_some_and(|back_at| back_at <= self.now);
            let rules = plan::rules(&self.rack, &place);
            if over && let Some(back) = rules.and_then(|rules| bay.given_back(self.now, &rules)) {
                self.bay(&place, back, Cause::GivenBack { expired: true });
            } else if matches!(bay.life, Life::Draining(_))
                && (bay
                    .life
                    .leaving()
                    .is_some_and(|leaving| leaving.purpose != DrainFor::Pull)
                    || self.is_lit_or_dark_for_good(&place, bay.since))
                && let Some(ready) = bay.ready(self.now)
            {
                self.bay(&place, ready, Cause::Ready);
            }
        }
    }

    /// Whether the bay's light is on, or there is none, or it was waited for long enough.
    fn is_lit_or_dark_for_good(&self, place: &str, since: Moment) -> bool {
        match self.rack.sight.bays.get(place).map(|bay| bay.led) {
            Some(Some(true) | None) => true,
            Some(Some(false)) | None => self.now.since(since) >= LIGHT_PATIENCE,
        }
    }

    fn lights(&mut self) {
        let over: Vec<String> = self
            .rack
            .kept
            .located
            .iter()
            .filter(|(_, until)| **until <= self.now)
            .map(|(place, _)| place.clone())
            .collect();
        for place in over {
            let label = self.label(&place);
            self.happen(What::LocateEnded { place, label });
        }
    }

    /// Why whoever asks does so; `None` where they did not say.
    pub fn reason(&self) -> Option<String> {
        let said = self.asked.as_ref()?.reason.as_ref()?;
        (!said.trim().is_empty()).then(|| said.clone())
    }

    /// A bay's printed label; its place where it is not configured any more.
    pub fn label(&self, place: &str) -> String {
        self.rack
            .config
            .bay(place)
            .map_or_else(|| place.to_owned(), |bay| bay.label.clone())
    }

    fn domains(&mut self) {
        let names: Vec<String> = self
            .rack
            .config
            .domains
            .iter()
            .map(|domain| domain.name.clone())
            .collect();
        for name in names {
            let (Some(sums), Some(standing)) = (
                plan::standing_now(&self.rack, &name, self.now),
                self.rack.kept.domains.get(&name),
            ) else {
                continue;
            };
            let from: DomainState = standing.state;
            if sums.state != from {
                self.happen(What::DomainChanged {
                    domain: name,
                    from,
                    to: sums.state,
                    installed: sums.installed,
                    held: sums.held,
                    deficit: sums.deficit,
                });
            }
        }
    }
}
