//! A rack of 64 nodes of which eight lend 32 drives each: found, enrolled, erased with proof, so that they are free.

use std::sync::Arc;
use std::time::Duration;

use agent_api::v1::{DriveAccess, DrivesView, EraseMethod, Erasure, ErasureState, FabricHost, PooledDrive};
use anyhow::{Context, ensure};
use facts::{Bytes, Identity, Moment};
use rack_api::v1::{DriveClaimAsk, EraseDrive};
use rack_controller::config::RackConfig;
use rack_controller::decide::{DrivesInput, Input, decide};
use rack_controller::pools::drives::{DriveId, Tenancy};
use rack_controller::rack::{Event, Rack, evolve};

/// Nodes of the rack, how many of them lend, and how many drives each.
pub const NODES: u64 = 64;
const LENDERS: u64 = 8;
const EACH: u64 = 32;
/// All drives.
pub const DRIVES: u64 = LENDERS * EACH;

/// A rack whose agents were heard.
pub struct Pool {
    pub rack: Rack,
    pub now: Moment,
}

fn config() -> anyhow::Result<RackConfig> {
    let mut text = "[rack]\nname = \"r\"\nmode = \"enforce\"\nstate_dir = \"/nowhere\"\n[[domain]]\nname = \"b\"\nsource = \"budget\"\n\
                    budget_watts = 64000\nredundancy = \"n\"\nmargin = 0.0\nfixed_load_watts = 0\noverload_factor = 1.2\n\
                    overload_for = \"1s\"\n"
        .to_owned();
    for node in 1..=NODES {
        text.push_str(&format!(
            "[[node]]\nname = \"{}\"\ndomain = \"b\"\nmax_draw_watts = 400\nagent = \"http://127.0.0.1:1\"\n",
            name(node)
        ));
    }
    for lender in 1..=LENDERS {
        text.push_str(&format!(
            "[[enclosure]]\nname = \"e{lender}\"\nagent = \"{}\"\nbays = {EACH}\n",
            name(lender)
        ));
    }
    RackConfig::from_text(&text, std::path::Path::new("/nowhere")).map_err(anyhow::Error::from)
}

pub fn name(node: u64) -> String {
    format!("n{node:02}")
}

fn identity(lender: u64, bay: u64) -> Identity {
    Identity {
        maker: None,
        model: Some("M1".to_owned()),
        serial: Some(format!("S{lender:02}{bay:02}")),
    }
}

impl Pool {
    /// Every drive is free, and every node may use some.
    pub fn raise() -> anyhow::Result<Pool> {
        let mut pool = Pool {
            rack: Rack::new(&config()?),
            now: Moment::from_millis(1_000),
        };
        let version = "0".to_owned();
        pool.take(&Input::Started { version })?;
        pool.heard()?;
        let serials: Vec<String> = pool
            .rack
            .kept
            .drives
            .all()
            .map(|drive| drive.id.serial().to_owned())
            .collect();
        ensure!(
            serials.len() as u64 == DRIVES,
            "{} drives were found",
            serials.len()
        );
        for serial in serials {
            let request = EraseDrive {
                serial: serial.clone(),
                model: None,
            };
            pool.take(&Input::Drives(DrivesInput::Enrol { serial, request }))?;
        }
        pool.heard()?;
        let free = pool
            .rack
            .kept
            .drives
            .all()
            .filter(|drive| matches!(drive.tenancy, Tenancy::Free { .. }));
        let free = free.count() as u64;
        ensure!(free == DRIVES, "{free} drives are free");
        Ok(pool)
    }

    /// All agents say how they stand: nobody is let in anywhere, and what was to be erased is.
    fn heard(&mut self) -> anyhow::Result<()> {
        self.now = self.now.after(Duration::from_secs(1));
        for node in 1..=NODES {
            let view = Arc::new(self.view(node)?);
            let node = name(node);
            self.take(&Input::Drives(DrivesInput::Seen { node, view }))?;
        }
        Ok(())
    }

    fn view(&self, node: u64) -> anyhow::Result<DrivesView> {
        let lends = node <= LENDERS;
        let drives = (1..=EACH).filter(|_| lends).map(|bay| self.drive(node, bay));
        Ok(DrivesView {
            boot_id: "b".to_owned(),
            node: Some(name(node)),
            host: Some(FabricHost {
                nqn: format!("nqn.2014-08.org.nvmexpress:uuid:{node}"),
                id: node.to_string(),
                proves: false,
            }),
            target: lends
                .then(|| "127.0.0.1:4420".parse())
                .transpose()
                .context("an address")?,
            drives: drives.collect::<anyhow::Result<_>>()?,
            attached: Vec::new(),
            leds: None,
        })
    }

    fn drive(&self, lender: u64, bay: u64) -> anyhow::Result<PooledDrive> {
        let identity = identity(lender, bay);
        let id = DriveId::of(&identity)?;
        let generation = self.rack.kept.drives.get(&id).map_or(0, |drive| drive.generation);
        let erasure = (generation > 0).then(|| Erasure {
            generation,
            method: EraseMethod::Format,
            began: self.now,
            refused: Vec::new(),
            state: ErasureState::Done {
                ended: self.now,
                identity: identity.clone(),
                log_page: None,
                samples: 64,
                dirty: 0,
                written: Some(1),
            },
        });
        Ok(PooledDrive {
            identity,
            nguid: None,
            device: format!("nvme{bay}n1"),
            slot: bay.to_string(),
            arrival: 1,
            // Three sizes, so that the choice has something to weigh.
            size: Bytes::new((1 + bay % 3) << 40),
            percent_used: u8::try_from(bay).ok(),
            predicts_failure: false,
            is_hung: false,
            written: Some(1),
            obstacles: Vec::new(),
            access: DriveAccess {
                closed: generation,
                ..DriveAccess::default()
            },
            erasure,
        })
    }

    pub fn take(&mut self, input: &Input) -> anyhow::Result<Vec<Event>> {
        let events = decide(&self.rack, input, self.now).map_err(|refusal| anyhow::anyhow!("{refusal}"))?;
        for event in &events {
            evolve(&mut self.rack, event);
        }
        Ok(events)
    }
}

/// An ask for drives of one node.
pub fn ask(number: u64, count: u32) -> DriveClaimAsk {
    DriveClaimAsk {
        purpose: format!("w{number}"),
        node: name(1 + number % NODES),
        count,
        at_least_bytes: Bytes::new(1 << 40),
        model: Some("M1".to_owned()),
        most_worn_percent: None,
        spread: count > 1,
        tenant: None,
        priority: None,
        ttl_seconds: None,
        erase_after_seconds: None,
        replace: false,
        watts: facts::Power::ZERO,
    }
}

/// The input of an ask.
pub fn asked(ask: DriveClaimAsk) -> Input {
    Input::Drives(DrivesInput::Claim {
        ask: Box::new(ask),
        key: None,
    })
}
