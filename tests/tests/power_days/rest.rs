//! The end of a day: with everything whole, nothing is left to do and everybody has what was promised.

use rack_api::v1::DomainState;
use rack_controller::rack::state::DomainStanding;
use rack_controller::rack::{Rack, evolve};

use crate::controller::moment;
use crate::day::{Day, Mail};
use crate::node::State;

impl Day {
    pub fn come_to_rest(&mut self) {
        // What was about to be lost stays; what was lost comes back.
        self.mail
            .retain(|(_, mail)| !matches!(mail, Mail::Inlet(..) | Mail::Contact(..)));
        for site in 0..self.sites.len() {
            for bay in 0..self.sites[site].world.supplies().len() {
                self.inlet(site, bay, true);
                if self.sites[site].world.supplies()[bay].part().is_none() {
                    self.contact(site, bay, true);
                }
            }
        }
        self.meters.exact = true;
        self.loses_messages = false;
        // Machines boot for 45 s; contacts that flapped settle for two minutes at the most.
        self.pass(50_000);
        if self.went_dark() {
            return;
        }
        // A part that is too weak goes only now: that is a loss, and somebody has to be there who answers it.
        for site in 0..self.sites.len() {
            for bay in 0..self.sites[site].world.supplies().len() {
                self.contact(site, bay, true);
            }
        }
        for _ in 0..10 {
            let whole = |standing: &DomainStanding| standing.state == DomainState::Redundant;
            let rack = self.controller.as_ref().map(|controller| &controller.rack);
            if rack.is_none_or(|rack| !rack.kept.domains.values().all(whole)) {
                self.pass(10_000);
            }
        }
        // Nodes come on one by one: each boots for 22 s at the most, and BMCs fail.
        for _ in 0..60 {
            if self.somebody_comes_on() {
                self.pass(10_000);
            }
        }
        // Raises wait for one another, and each of them for the journal: up to 3 s.
        self.pass(20_000);
        let rack = &self.controller.as_ref().expect("it is back").rack;
        let (orders, rations) = rack_controller::pools::power::plan::orders(rack, moment(self.now));
        assert!(orders.is_empty(), "at rest: {orders:?}");
        if self.scene.switches() {
            self.nobody_is_forgotten();
        }
        for node in self.nodes.iter().filter(|node| node.state != State::Off) {
            let (cap, _) = rations.caps[&node.name];
            let world = &self.sites[node.site].world;
            assert!(
                node.cap(world) == cap.milliwatts(),
                "at rest: {} has {} mW in force, and {cap} is due; it is {:?}, ordered is {:?}",
                node.name,
                node.cap(world),
                node.state,
                rack.kept.orders.get(&node.name)
            );
        }
        let mut again = Rack::new(&self.config);
        for event in &self.journal {
            evolve(&mut again, event);
        }
        assert_eq!(again.kept, rack.kept, "the journal gives another rack");
    }
}
