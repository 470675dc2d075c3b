//! Enclosures, drives and nodes that do what their agents would: they keep to stays and grants, and whoever is let in writes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use agent_api::v1::{
    AttachedDrive, BayLed, DriveAccess, DriveAnswer, DriveOrder, DrivesView, EraseMethod, Erasure,
    ErasureState, FabricHost, PooledDrive,
};
use facts::{Bytes, Identity, Moment};

/// A drive as it really is.
#[derive(Clone, Debug)]
pub struct Part {
    pub serial: String,
    pub size: u64,
    /// Whose data is on it.
    pub content: Option<String>,
    pub written: u64,
    pub worn: u8,
    pub predicts_failure: bool,
    pub is_hung: bool,
    pub obstacles: Vec<String>,
    /// Samples that an erasure of it leaves dirty.
    pub dirty: u32,
}

impl Part {
    pub fn new(serial: &str) -> Part {
        Part {
            serial: serial.to_owned(),
            size: 4_000_000_000_000,
            content: Some("somebody before us".to_owned()),
            written: 1,
            worn: 3,
            predicts_failure: false,
            is_hung: false,
            obstacles: Vec::new(),
            dirty: 0,
        }
    }

    fn identity(&self) -> Identity {
        Identity {
            maker: Some("ACME".to_owned()),
            // As NVMe pads it.
            model: Some("M1   ".to_owned()),
            serial: Some(self.serial.clone()),
        }
    }
}

/// One stay of a drive in a bay.
#[derive(Clone, Debug)]
struct Stay {
    part: Part,
    arrival: u64,
    granted: u64,
    closed: u64,
    open: Option<(u64, String)>,
    erasure: Option<Erasure>,
}

impl Stay {
    fn nqn(&self) -> Option<String> {
        let (grant, _) = self.open.as_ref()?;
        Some(format!(
            "nqn.2026-11.dev.busbar:drive:{}:{grant}",
            self.part.serial
        ))
    }

    fn view(&self, slot: &str) -> PooledDrive {
        let part = &self.part;
        PooledDrive {
            identity: part.identity(),
            nguid: None,
            device: format!("nvme{slot}n1"),
            slot: slot.to_owned(),
            arrival: self.arrival,
            size: Bytes::new(part.size),
            percent_used: Some(part.worn),
            predicts_failure: part.predicts_failure,
            is_hung: part.is_hung,
            written: Some(part.written),
            obstacles: part.obstacles.clone(),
            access: DriveAccess {
                authentication: None,
                nqn: self.nqn(),
                hosts: self.open.iter().map(|(_, host)| host.clone()).collect(),
                granted: self.granted,
                closed: self.closed,
            },
            erasure: self.erasure.clone(),
        }
    }
}

/// One node with its agent.
#[derive(Clone, Debug, Default)]
pub struct Node {
    pub nqn: String,
    pub target: Option<SocketAddr>,
    slots: BTreeMap<String, Stay>,
    attached: Vec<AttachedDrive>,
    leds: BTreeSet<String>,
    pub is_silent: bool,
    /// The how-manieth boot this is.
    boot: u64,
}

/// Everything outside the controller.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub nodes: BTreeMap<String, Node>,
    arrivals: u64,
    /// What goes for a node's writes: the purpose that it works for.
    pub works_for: BTreeMap<String, String>,
    /// Every erasure that began, by serial number.
    pub erased: Vec<String>,
    /// The nodes' clocks are behind the rack's by so much.
    pub behind_millis: u64,
}

impl World {
    pub fn node(&mut self, name: &str, target: Option<SocketAddr>) {
        let node = Node {
            nqn: format!("nqn.2014-08.org.nvmexpress:uuid:{name}"),
            target,
            ..Node::default()
        };
        self.nodes.insert(name.to_owned(), node);
    }

    pub fn put(&mut self, node: &str, slot: &str, part: Part) {
        self.arrivals += 1;
        let stay = Stay {
            part,
            arrival: self.arrivals,
            granted: 0,
            closed: 0,
            open: None,
            erasure: None,
        };
        let slots = &mut self.nodes.get_mut(node).unwrap().slots;
        assert!(slots.insert(slot.to_owned(), stay).is_none(), "{slot} is full");
    }

    /// A node starts anew: nothing that its kernel did is left, and each drive's stay is another one.
    pub fn reboot(&mut self, node: &str) {
        let node = self.nodes.get_mut(node).unwrap();
        node.boot += 1;
        node.attached.clear();
        for stay in node.slots.values_mut() {
            self.arrivals += 1;
            *stay = Stay {
                arrival: self.arrivals,
                granted: 0,
                closed: 0,
                open: None,
                erasure: None,
                part: stay.part.clone(),
            };
        }
    }

    /// Agents lose what they have on disk: they count stays from the beginning.
    pub fn forget(&mut self) {
        self.arrivals = 0;
    }

    pub fn pull(&mut self, node: &str, slot: &str) -> Part {
        self.nodes.get_mut(node).unwrap().slots.remove(slot).unwrap().part
    }

    pub fn part(&mut self, serial: &str) -> &mut Part {
        let stays = self.nodes.values_mut().flat_map(|node| node.slots.values_mut());
        stays
            .map(|stay| &mut stay.part)
            .find(|part| part.serial == serial)
            .unwrap()
    }

    /// Slots that hold something.
    pub fn filled(&self, node: &str) -> Vec<String> {
        self.nodes[node].slots.keys().cloned().collect()
    }

    /// What is on each drive that is in a bay.
    pub fn contents(&self) -> BTreeMap<String, Option<String>> {
        let stays = self.nodes.values().flat_map(|node| node.slots.values());
        stays
            .map(|stay| (stay.part.serial.clone(), stay.part.content.clone()))
            .collect()
    }

    /// The stay that a drive is in.
    pub fn arrival(&self, serial: &str) -> Option<u64> {
        let mut stays = self.nodes.values().flat_map(|node| node.slots.values());
        stays
            .find(|stay| stay.part.serial == serial)
            .map(|stay| stay.arrival)
    }

    pub fn is_lit(&self, node: &str, slot: &str) -> bool {
        self.nodes[node].leds.contains(slot)
    }

    /// All LEDs of a node go out, by nobody's order.
    pub fn put_out(&mut self, node: &str) {
        self.nodes.get_mut(node).unwrap().leds.clear();
    }

    /// Nodes that can write to a drive now, by their names.
    pub fn reach(&self, serial: &str) -> BTreeSet<String> {
        let stays = self.nodes.values().flat_map(|node| node.slots.values());
        let open: Vec<&String> = stays
            .filter(|stay| stay.part.serial == serial)
            .filter_map(|stay| stay.open.as_ref().map(|(_, host)| host))
            .collect();
        let nodes = self.nodes.iter().filter(|(_, node)| open.contains(&&node.nqn));
        nodes.map(|(name, _)| name.clone()).collect()
    }

    pub fn view(&self, name: &str) -> DrivesView {
        let node = &self.nodes[name];
        DrivesView {
            boot_id: format!("{name}-{}", node.boot),
            node: Some(name.to_owned()),
            host: Some(FabricHost {
                nqn: node.nqn.clone(),
                id: "00000000-0000-4000-8000-000000000001".to_owned(),
                proves: false,
            }),
            target: node.target,
            drives: node.slots.iter().map(|(slot, stay)| stay.view(slot)).collect(),
            attached: node.attached.clone(),
            leds: Some(node.leds.iter().map(|slot| lit(slot)).collect()),
        }
    }

    /// Whoever is let in and connected writes, all the time.
    pub fn write(&mut self) {
        let mut writes: Vec<(String, String)> = Vec::new();
        for (name, node) in &self.nodes {
            for attached in &node.attached {
                if let Some(purpose) = self.works_for.get(name) {
                    writes.push((attached.nqn.clone(), purpose.clone()));
                }
            }
        }
        for node in self.nodes.values_mut() {
            for stay in node.slots.values_mut() {
                let mine = writes.iter().find(|(nqn, _)| stay.nqn().as_ref() == Some(nqn));
                if let Some((_, purpose)) = mine {
                    stay.part.content = Some(purpose.clone());
                    stay.part.written += 1;
                }
            }
        }
    }

    /// What an agent does with an order.
    pub fn obey(&mut self, name: &str, order: &DriveOrder, now: Moment) -> Result<DriveAnswer, String> {
        let began = Moment::from_millis(now.millis().saturating_sub(self.behind_millis));
        match order {
            DriveOrder::Admit {
                drive,
                arrival,
                generation,
                host,
                ..
            } => self.at(name, drive, *arrival, |stay| {
                if *generation <= stay.closed || *generation < stay.granted {
                    return Err(format!("grants up to {} are closed", stay.closed));
                }
                stay.granted = *generation;
                stay.open = Some((*generation, host.clone()));
                Ok(())
            }),
            DriveOrder::Shut {
                drive,
                arrival,
                generation,
            } => self.at(name, drive, *arrival, |stay| {
                if *generation < stay.granted {
                    return Err("a later grant stands".to_owned());
                }
                stay.closed = stay.closed.max(*generation);
                stay.open = None;
                Ok(())
            }),
            DriveOrder::Erase {
                drive,
                arrival,
                generation,
                ..
            } => {
                let serial = drive.serial.clone().unwrap();
                let done = self.at(name, drive, *arrival, |stay| {
                    if stay.open.is_some() || stay.granted > *generation {
                        return Err("it is lent".to_owned());
                    }
                    stay.part.content = None;
                    stay.part.written += 1;
                    stay.erasure = Some(erasure(&stay.part, *generation, began));
                    Ok(())
                });
                if done.is_ok() {
                    self.erased.push(serial);
                }
                done
            }
            DriveOrder::Attach { generation, nqn, .. } => self.attach(name, *generation, nqn),
            DriveOrder::Detach { nqn } => {
                let node = self.nodes.get_mut(name).unwrap();
                node.attached.retain(|attached| attached.nqn != *nqn);
                Ok(DriveAnswer::Detached { nqn: nqn.clone() })
            }
            DriveOrder::Locate { slot, lit } => {
                let leds = &mut self.nodes.get_mut(name).unwrap().leds;
                if *lit {
                    leds.insert(slot.clone());
                } else {
                    leds.remove(slot);
                }
                Ok(DriveAnswer::Located {
                    slot: slot.clone(),
                    lit: *lit,
                })
            }
        }
    }

    fn at(
        &mut self,
        name: &str,
        drive: &Identity,
        arrival: u64,
        change: impl FnOnce(&mut Stay) -> Result<(), String>,
    ) -> Result<DriveAnswer, String> {
        let slots = &mut self.nodes.get_mut(name).unwrap().slots;
        let stay = slots
            .iter_mut()
            .find(|(_, stay)| stay.part.identity() == *drive && stay.arrival == arrival);
        let (slot, stay) = stay.ok_or_else(|| format!("there is no stay {arrival} of {drive:?}"))?;
        change(stay)?;
        Ok(DriveAnswer::Drive(Box::new(stay.view(slot))))
    }

    fn attach(&mut self, name: &str, generation: u64, nqn: &str) -> Result<DriveAnswer, String> {
        let host = self.nodes[name].nqn.clone();
        let stays = self.nodes.values().flat_map(|node| node.slots.values());
        let open = stays.filter(|stay| stay.nqn().as_deref() == Some(nqn));
        let mut open = open.filter(|stay| stay.open.as_ref().is_some_and(|(_, let_in)| *let_in == host));
        let stay = open.next().ok_or("nobody lets this host in there")?;
        let attached = AttachedDrive {
            nqn: nqn.to_owned(),
            generation,
            identity: Some(stay.part.identity()),
            device: Some("nvme7n1".to_owned()),
            state: "live".to_owned(),
            used_by: None,
        };
        let node = self.nodes.get_mut(name).unwrap();
        node.attached.retain(|other| other.nqn != nqn);
        node.attached.push(attached.clone());
        Ok(DriveAnswer::Attached(attached))
    }
}

fn erasure(part: &Part, generation: u64, began: Moment) -> Erasure {
    Erasure {
        generation,
        method: EraseMethod::SanitizeCrypto,
        began,
        refused: Vec::new(),
        state: ErasureState::Done {
            ended: began,
            identity: part.identity(),
            log_page: Some("ffff0101".to_owned()),
            samples: 16,
            dirty: part.dirty,
            written: Some(part.written),
        },
    }
}

fn lit(slot: &str) -> BayLed {
    BayLed {
        slot: slot.to_owned(),
        lit: Some(true),
        until: Moment::from_millis(1_800_000),
        trouble: None,
    }
}
