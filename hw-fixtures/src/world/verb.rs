//! What a hand can do to the world: pull, insert, break, cut a feed, change a workload.

use serde::{Deserialize, Serialize};

use super::{Answer, DriveManner, Happening, Part, Phase, World};
use crate::quantity::watts_text;

/// One deed. Bays are named `SHELF/BAY`, such as `shelf/psu-3`; powers are in milliwatts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Verb {
    /// Takes the supply out of its bay.
    Pull {
        /// The bay.
        place: String,
    },
    /// Puts a supply into an empty bay: the one that stood there first, or another.
    Insert {
        /// The bay.
        place: String,
        /// Another maker than the first supply's.
        maker: Option<String>,
        /// Another model than the first supply's.
        model: Option<String>,
        /// Another serial number than the first supply's.
        serial: Option<String>,
        /// Another rating than the first supply's.
        milliwatts: Option<u64>,
        /// Of a drive: another size than the first drive's, in bytes; 0 is one that lies.
        #[serde(default)]
        bytes: Option<u64>,
    },
    /// Breaks the supply.
    Fail {
        /// The bay.
        place: String,
    },
    /// Makes a broken or tripped supply whole.
    Repair {
        /// The bay.
        place: String,
    },
    /// Resets every tripped supply of the shelf at once.
    Restart,
    /// Takes the power from a feed.
    FeedLoss {
        /// The feed.
        feed: String,
    },
    /// Gives the power back to a feed.
    FeedRestore {
        /// The feed.
        feed: String,
    },
    /// Sets what a node's workload wants.
    Demand {
        /// The node.
        node: String,
        /// How much.
        milliwatts: u64,
    },
    /// Sets how a BMC answers.
    Bmc {
        /// The BMC.
        bmc: String,
        /// How.
        answer: Answer,
    },
    /// Starts a BMC anew: nobody is logged in any more, and nobody is told of events.
    Reboot {
        /// The BMC.
        bmc: String,
    },
    /// Sets how a drive, its bay or its erasure behaves.
    Drive {
        /// The bay, such as `jbof/bay-3`.
        place: String,
        /// How.
        manner: DriveManner,
    },
    /// Switches a node on or off.
    Power {
        /// The node.
        node: String,
        /// On or off.
        on: bool,
    },
}

/// Why a deed cannot be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such place, feed, node or BMC.
    #[error("there is no {what} \"{name}\"; known: {known}")]
    Unknown {
        /// What was looked for.
        what: &'static str,
        /// How it was named.
        name: String,
        /// What there is instead.
        known: String,
    },
    /// It exists and is not in a state for this deed.
    #[error("{0}")]
    NotNow(String),
}

impl World {
    /// Does a deed now and answers in one sentence what happened.
    ///
    /// # Errors
    /// [`Refusal`] when there is no such part, or its state does not allow the deed; nothing has changed then.
    pub fn act(&mut self, verb: &Verb) -> Result<String, Refusal> {
        if let Some(said) = self.act_on_drive(verb) {
            return said;
        }
        let said = match verb {
            Verb::Pull { place } => self.pull(place),
            Verb::Insert {
                place,
                maker,
                model,
                serial,
                milliwatts,
                ..
            } => self.insert(place, [maker, model, serial], *milliwatts),
            Verb::Fail { place } => self.fail(place),
            Verb::Repair { place } => self.repair(place),
            Verb::Restart => self.restart(),
            Verb::FeedLoss { feed } => self.set_feed(feed, false),
            Verb::FeedRestore { feed } => self.set_feed(feed, true),
            Verb::Demand { node, milliwatts } => self.set_demand(node, *milliwatts),
            Verb::Bmc { bmc, answer } => Ok(self.set_answer(bmc, *answer)),
            Verb::Reboot { bmc } => Ok(self.reboot(bmc)),
            // It would have been one of drives.
            Verb::Drive { place, .. } => match self.bay_index(place) {
                Ok(_) => Err(Refusal::NotNow(format!("{place} is no bay for a drive"))),
                Err(unknown) => Err(unknown),
            },
            Verb::Power { node, on } => self.set_power(node, *on),
        }?;
        self.settle();
        Ok(said)
    }

    fn bay_index(&self, place: &str) -> Result<usize, Refusal> {
        let shelf = self.plan().shelf.name.get_ref().as_str();
        let bay = place.strip_prefix(shelf).and_then(|rest| rest.strip_prefix('/'));
        let found = bay.and_then(|bay| self.supplies.iter().position(|supply| supply.bay() == bay));
        found.ok_or_else(|| {
            let supplies = self.supplies.iter().map(|s| format!("{shelf}/{}", s.bay()));
            let bays: Vec<String> = supplies.chain(self.drive_places()).collect();
            Refusal::Unknown {
                what: "bay",
                name: place.to_owned(),
                known: bays.join(", "),
            }
        })
    }

    fn node_index(&self, name: &str) -> Result<usize, Refusal> {
        self.nodes
            .iter()
            .position(|node| node.name() == name)
            .ok_or_else(|| {
                let nodes: Vec<&str> = self.nodes.iter().map(super::Node::name).collect();
                Refusal::Unknown {
                    what: "node",
                    name: name.to_owned(),
                    known: nodes.join(", "),
                }
            })
    }

    fn pull(&mut self, place: &str) -> Result<String, Refusal> {
        let index = self.bay_index(place)?;
        let supply = &mut self.supplies[index];
        let Some(part) = supply.take() else {
            return Err(Refusal::NotNow(format!(
                "{place} is empty already; nothing was pulled"
            )));
        };
        let bay = supply.bay().to_owned();
        self.say(Happening::Pulled { bay });
        Ok(format!(
            "pulled {place}: {} {} serial {}",
            part.maker, part.model, part.serial
        ))
    }

    fn insert(
        &mut self,
        place: &str,
        [maker, model, serial]: [&Option<String>; 3],
        rated: Option<u64>,
    ) -> Result<String, Refusal> {
        let index = self.bay_index(place)?;
        if let Some(part) = self.supplies[index].part() {
            let what = format!("{place} holds serial {} already; pull it first", part.serial);
            return Err(Refusal::NotNow(what));
        }
        if rated == Some(0) {
            return Err(Refusal::NotNow(
                "a supply of 0 W is none; expected more".to_owned(),
            ));
        }
        let first = &self.plan.shelf.supplies[index];
        let other = |told: &Option<String>, first: &str| told.as_deref().unwrap_or(first).to_owned();
        let part = Part {
            maker: other(maker, &first.maker),
            model: other(model, &first.model),
            serial: other(serial, &first.serial),
            part_number: first.part_number.clone(),
            firmware: first.firmware.clone(),
            rated_milliwatts: rated.unwrap_or(first.rated.0),
        };
        let supply = &mut self.supplies[index];
        let said = format!(
            "inserted {place}: {} {} serial {}, {} W",
            part.maker,
            part.model,
            part.serial,
            watts_text(part.rated_milliwatts)
        );
        let happening = Happening::Inserted {
            bay: supply.bay().to_owned(),
            serial: part.serial.clone(),
        };
        supply.put(part);
        self.say(happening);
        Ok(said)
    }

    fn fail(&mut self, place: &str) -> Result<String, Refusal> {
        let index = self.bay_index(place)?;
        let supply = &mut self.supplies[index];
        if supply.part().is_none() {
            return Err(Refusal::NotNow(format!(
                "{place} is empty; there is nothing to break"
            )));
        }
        if supply.failed {
            return Err(Refusal::NotNow(format!("{place} is broken already")));
        }
        supply.stop();
        supply.failed = true;
        let bay = supply.bay().to_owned();
        self.say(Happening::Failed { bay });
        Ok(format!(
            "broke {place}: it delivers nothing until it is repaired or replaced"
        ))
    }

    fn repair(&mut self, place: &str) -> Result<String, Refusal> {
        let index = self.bay_index(place)?;
        let supply = &mut self.supplies[index];
        if !supply.failed && !supply.tripped {
            return Err(Refusal::NotNow(format!("{place} is neither broken nor tripped")));
        }
        supply.failed = false;
        supply.tripped = false;
        let bay = supply.bay().to_owned();
        self.say(Happening::Repaired { bay });
        Ok(format!("repaired {place}: it starts as soon as it has input"))
    }

    fn restart(&mut self) -> Result<String, Refusal> {
        let tripped = self
            .supplies
            .iter()
            .filter(|supply| supply.phase() == Phase::Tripped);
        let bays: Vec<String> = tripped.map(|supply| supply.bay().to_owned()).collect();
        if bays.is_empty() {
            return Err(Refusal::NotNow(
                "no supply is tripped; there is nothing to restart".to_owned(),
            ));
        }
        for supply in self
            .supplies
            .iter_mut()
            .filter(|supply| bays.iter().any(|bay| bay == supply.bay()))
        {
            supply.tripped = false;
        }
        let said = format!("reset {}: they start as soon as they have input", bays.join(", "));
        for bay in bays {
            self.say(Happening::Repaired { bay });
        }
        Ok(said)
    }

    fn set_feed(&mut self, name: &str, live: bool) -> Result<String, Refusal> {
        let known: Vec<&str> = self.feeds.iter().map(|(feed, _)| feed.as_str()).collect();
        let known = known.join(", ");
        let Some((_, state)) = self.feeds.iter_mut().find(|(feed, _)| feed == name) else {
            return Err(Refusal::Unknown {
                what: "feed",
                name: name.to_owned(),
                known,
            });
        };
        if *state == live {
            let is = if live { "has power" } else { "is dead" };
            return Err(Refusal::NotNow(format!("feed {name} {is} already")));
        }
        *state = live;
        let bays = self
            .supplies
            .iter()
            .filter(|s| s.feed() == name && s.part().is_some());
        let bays: Vec<&str> = bays.map(super::Supply::bay).collect();
        let what = if live { "restored" } else { "lost" };
        Ok(format!("feed {name} {what}: {}", bays.join(", ")))
    }

    fn set_demand(&mut self, name: &str, demand: u64) -> Result<String, Refusal> {
        let index = self.node_index(name)?;
        let now = self.now_ms;
        let node = &mut self.nodes[index];
        node.set_demand(demand, now);
        let (wants, most) = (watts_text(demand), node.max_draw());
        self.say(Happening::Demand {
            node: name.to_owned(),
            demand_milliwatts: demand,
        });
        if demand > most {
            return Ok(format!(
                "{name} wants {wants} W and can draw {} W at most",
                watts_text(most)
            ));
        }
        Ok(format!("{name} wants {wants} W"))
    }

    fn set_answer(&mut self, bmc: &str, answer: Answer) -> String {
        if answer == Answer::Ok {
            self.answers.remove(bmc);
        } else {
            self.answers.insert(bmc.to_owned(), answer);
        }
        self.say(Happening::Answers {
            bmc: bmc.to_owned(),
            answer,
        });
        format!("the BMC of {bmc} answers {answer} from now on")
    }

    fn reboot(&mut self, bmc: &str) -> String {
        self.say(Happening::Rebooted { bmc: bmc.to_owned() });
        format!("the BMC of {bmc} started anew: its sessions and subscriptions are gone")
    }

    fn set_power(&mut self, name: &str, on: bool) -> Result<String, Refusal> {
        let index = self.node_index(name)?;
        let now = self.now_ms;
        let node = &mut self.nodes[index];
        let word = if on { "on" } else { "off" };
        if node.on == on {
            return Err(Refusal::NotNow(format!("{name} is switched {word} already")));
        }
        node.on = on;
        if on {
            node.boot(now);
        }
        self.say(Happening::Power {
            node: name.to_owned(),
            on,
        });
        Ok(format!("{name} is switched {word}"))
    }
}
