//! How a node leaves the pool while no agent runs: whoever is let in to its drives is put out, and drives of other nodes are let go.
//! A person orders it, so it is done in every mode.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use collectors::Root;
use intent::{Actuator, Actuators, Mode, WorkloadId};
use isolators::Host;
use isolators::fabric::target::{self, Offered, Standing};
use isolators::fabric::{Nqn, OURS, initiator};

use super::hand::converge;
use super::leds;
use super::offer::key_of;
use super::refusal::{Refusal, told};
use super::shown;
use super::state::{Books, BooksError, DRIVES_FILE, LOCK_FILE, Lock, NEXT_FILE, locked};

/// How long all of them together may take; the rest is told as left. A drive that hangs holds up no other one.
const PATIENCE: Duration = Duration::from_secs(30);
/// How the files begin in which erasures are kept.
const ERASURE: &str = "erase-";

/// A node that is to leave. No agent writes its state as long as this is held.
#[derive(Debug)]
pub struct Leaving {
    host: Host,
    /// What was kept; where it cannot be read, why, and the hold on it.
    books: Result<Books, (String, Lock)>,
}

/// What came of leaving.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gone {
    /// Drives of this node to which nobody is let in any more.
    pub withdrawn: usize,
    /// Drives of other nodes that were let go.
    pub detached: usize,
    /// What is left, and why.
    pub kept: Vec<String>,
}

impl Leaving {
    /// Takes hold of what was kept; `None` where no agent with this state directory ever had to do with pooled drives: then what stands
    /// in the kernel is not its own.
    ///
    /// # Errors
    /// An agent runs, or the disk fails.
    pub fn look(root: &Root, state_dir: &Path) -> Result<Option<Leaving>, BooksError> {
        if !state_dir.join(DRIVES_FILE).exists() {
            return Ok(None);
        }
        let books = match Books::open(state_dir) {
            Ok(mut books) => {
                books.hold()?;
                Ok(books)
            }
            Err(error @ BooksError::Damaged { .. }) => Err((told(&error), locked(state_dir)?)),
            Err(error @ (BooksError::Io { .. } | BooksError::Held { .. })) => return Err(error),
        };
        let host = Host::at(root.directory());
        Ok(Some(Leaving { host, books }))
    }

    /// What speaks against leaving: who would lose a drive. `held` is which workload has which drive, by what the OS calls it.
    pub fn against(&self, held: &BTreeMap<String, WorkloadId>) -> Vec<String> {
        let books = match &self.books {
            Ok(books) => books,
            Err((why, _)) => return vec![why.clone()],
        };
        let lent = books.state().stays.iter().filter_map(|stay| {
            let open = stay.open.as_ref()?;
            let who = shown(&stay.identity);
            Some(format!(
                "drive {who} in bay {} is lent to {}",
                stay.slot, open.host
            ))
        });
        let mut against: Vec<String> = lent.collect();
        // What cannot be listed is told when it is to be let go.
        for is in initiator::attached(&self.host).unwrap_or_default() {
            let device = is.device.unwrap_or_default();
            if let Some(workload) = held.get(&device) {
                against.push(format!("workload {workload} has {device} of another node"));
            }
        }
        against
    }

    /// Closes every grant for ever, then takes away what stands. Each drive by itself: what hangs or is in use is told, all else goes.
    pub fn go(mut self) -> Gone {
        let mut gone = Gone::default();
        if let Err(why) = self.close_grants() {
            gone.kept.push(why);
        }
        let by = Instant::now() + PATIENCE;
        match initiator::attached(&self.host) {
            Ok(attached) => {
                let names = attached.into_iter().map(|is| is.nqn).collect();
                self.detach(names, by, &mut gone);
            }
            Err(error) => gone.kept.push(told(&error)),
        }
        match target::standing(&self.host) {
            Ok(standing) => self.withdraw(&standing, by, &mut gone),
            Err(error) => gone.kept.push(told(&error)),
        }
        if let Ok(books) = &mut self.books {
            gone.kept.extend(leds::put_out(&self.host, &books.state().lit));
            if let Err(error) = books.change(|state| state.lit.clear()) {
                gone.kept.push(told(&error));
            }
        }
        gone
    }

    fn close_grants(&mut self) -> Result<(), String> {
        let books = self.books.as_mut().map_err(|(why, _)| why.clone())?;
        let closed = books.change(|state| {
            for stay in &mut state.stays {
                stay.closed = stay.closed.max(stay.granted);
                stay.open = None;
            }
        });
        closed.map_err(|error| format!("grants are not closed for ever: {}", told(&error)))
    }

    fn withdraw(&self, standing: &BTreeMap<String, Standing>, by: Instant, gone: &mut Gone) {
        let ours = standing.iter().filter(|(nqn, _)| nqn.starts_with(OURS));
        let ours: BTreeMap<&String, &Standing> = ours.collect();
        let ports = self.ports(ours.values().copied());
        let work = {
            let host = self.host.clone();
            move |nqn: &str| withdrawn(&host, nqn)
        };
        let names: BTreeSet<String> = ours.keys().map(|nqn| (*nqn).clone()).collect();
        let all = names.len();
        let done = each(names, by, work, &mut gone.kept);
        gone.withdrawn = done.iter().filter(|nqn| key_of(nqn).is_some()).count();
        for (port, address) in ports {
            let none = Offered {
                port,
                address,
                exports: Vec::new(),
            };
            // Where one of ours hangs still, its port cannot go and was told.
            if done.len() == all
                && let Err(why) = acted(&self.host, Actuator::Drives, || target::steps(&self.host, &none))
            {
                gone.kept.push(format!("port {port} of the NVMe target: {why}"));
            }
        }
    }

    /// Ports that lead to ours, and the one that was used last.
    fn ports<'a>(&self, ours: impl Iterator<Item = &'a Standing>) -> BTreeMap<u16, SocketAddr> {
        let led = ours.flat_map(|is| is.ports.iter()).filter_map(|port| {
            let port = port.parse().ok()?;
            Some((port, target::listens(&self.host, port).ok()??))
        });
        let last = self.books.as_ref().ok().and_then(|books| books.state().listens);
        led.chain(last.map(|last| (last.port, last.address))).collect()
    }

    fn detach(&mut self, names: BTreeSet<String>, by: Instant, gone: &mut Gone) {
        let work = {
            let host = self.host.clone();
            move |nqn: &str| detached(&host, nqn)
        };
        let there = names.clone();
        let done = each(names, by, work, &mut gone.kept);
        gone.detached = done.len();
        let Ok(books) = &mut self.books else { return };
        let is_left = |nqn: &Nqn| there.contains(nqn.as_str()) && !done.contains(nqn.as_str());
        if let Err(error) = books.change(|state| state.attached.retain(|one| is_left(&one.nqn))) {
            gone.kept.push(told(&error));
        }
    }
}

/// Does something to each, in a thread of its own; those for which it was done in time.
fn each(
    names: BTreeSet<String>,
    by: Instant,
    work: impl Fn(&str) -> Result<(), Refusal> + Clone + Send + 'static,
    kept: &mut Vec<String>,
) -> BTreeSet<String> {
    let (tell, told) = channel();
    let mut waited = BTreeSet::new();
    for name in names {
        let (tell, work, of) = (tell.clone(), work.clone(), name.clone());
        let thread = std::thread::Builder::new().name("leave".to_owned());
        let spawned = thread.spawn(move || {
            let done = work(&of);
            // Fails only where nobody waits for it any more.
            let _ = tell.send((of, done));
        });
        match spawned {
            Ok(_) => drop(waited.insert(name)),
            Err(error) => kept.push(format!("{name}: the kernel gives no thread: {error}")),
        }
    }
    let mut done = BTreeSet::new();
    while !waited.is_empty() {
        let left = by.saturating_duration_since(Instant::now());
        let Ok((name, what)) = told.recv_timeout(left) else {
            break;
        };
        waited.remove(&name);
        match what {
            Ok(()) => drop(done.insert(name)),
            Err(why) => kept.push(format!("{name}: {why}")),
        }
    }
    let late = waited.into_iter();
    kept.extend(late.map(|name| format!("{name}: it does not end within {} s", PATIENCE.as_secs())));
    done
}

/// Done in every mode: whoever leaves has ordered it himself.
pub(super) fn acted(
    host: &Host,
    actuator: Actuator,
    plan: impl FnMut() -> Result<Vec<(isolators::Phase, isolators::Step)>, isolators::IsolateError>,
) -> Result<(), Refusal> {
    let gate = Actuators::new(Mode::Enforce, BTreeMap::new());
    let gate = gate.map_err(|error| Refusal::Failed(error.to_string()))?;
    converge(&gate, host, actuator, plan)
}

fn withdrawn(host: &Host, nqn: &str) -> Result<(), Refusal> {
    let none = Offered {
        port: super::Lending::USUAL_PORT,
        address: super::Lending::USUAL_ADDRESS,
        exports: Vec::new(),
    };
    acted(host, Actuator::Drives, || {
        target::steps_of(host, &none, &|other, _| other == nqn)
    })
}

fn detached(host: &Host, nqn: &str) -> Result<(), Refusal> {
    let nqn: Nqn = nqn
        .parse()
        .map_err(|error: isolators::fabric::NotAName| Refusal::Failed(error.to_string()))?;
    acted(host, Actuator::Drives, || initiator::steps_of(host, &nqn, None))
}

/// What stands of ours in the kernel: subsystems of its NVMe target, and connections of its initiator.
///
/// # Errors
/// When configfs or sysfs cannot be read.
pub fn standing(root: &Root) -> Result<Vec<String>, isolators::IsolateError> {
    let host = Host::at(root.directory());
    let offered = target::standing(&host)?.into_keys();
    let offered = offered.filter(|nqn| nqn.starts_with(OURS));
    let offered = offered.map(|nqn| format!("{nqn}, offered"));
    let attached = initiator::attached(&host)?.into_iter();
    let attached = attached.map(|is| format!("{}, attached as {}", is.nqn, is.controller));
    Ok(offered.chain(attached).collect())
}

/// Files of the state directory that are about pooled drives.
pub fn files(state_dir: &Path) -> Vec<PathBuf> {
    let names = [DRIVES_FILE, NEXT_FILE, LOCK_FILE];
    let mut files: Vec<PathBuf> = names.iter().map(|name| state_dir.join(name)).collect();
    files.retain(|file| file.exists());
    // A directory that cannot be listed holds none that could be named.
    let entries = std::fs::read_dir(state_dir).into_iter().flatten().flatten();
    let mut erasures: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(ERASURE))
        .map(|entry| entry.path())
        .collect();
    erasures.sort();
    files.extend(erasures);
    files
}
