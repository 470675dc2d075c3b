//! `busbar-rack replay`: a journal as a story, from its folder or from a copied file, also beside a controller that writes it. Writes nothing.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use facts::Power;
use rusqlite::{Connection, OpenFlags};
use serde_json::json;

use super::FILE;
use super::chain::Link;
use super::error::JournalError;
use super::verify::{base, check_format, open_for_reading};
use super::walk::{Pace, walk};
use crate::bay::Bay;
use crate::config::RackConfig;
use crate::rack::state::DomainStanding;
use crate::rack::{Event, Rack, What, evolve};

/// How a journal is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// A line an event, for people.
    Lines,
    /// A JSON object a line.
    Json,
    /// Nothing but the count.
    Quiet,
}

/// What was replayed.
#[derive(Clone, Debug, PartialEq)]
pub struct Replayed {
    /// The rack after the last good event, without a configuration: bays and domains are those that the journal names.
    pub rack: Rack,
    /// The last good event.
    pub last: Link,
    /// Events that were read.
    pub events: u64,
    /// How long that took.
    pub took: Duration,
    /// What is wrong where it ends early.
    pub damage: Option<String>,
}

/// Tells a journal: `path` is its folder, or the file itself. Events before `from` are replayed and not told.
///
/// # Errors
/// There is none, it is foreign or newer, or the output is closed.
pub fn replay(path: &Path, from: u64, telling: Telling, out: &mut dyn Write) -> anyhow::Result<Replayed> {
    let path = file_of(path);
    let connection = open(&path)?;
    let format = check_format(&connection, &path)?;
    let began = Instant::now();
    let mut out = BufWriter::new(out);
    let (base, mut damage) = match base(&connection, format) {
        Ok(base) => (base, None),
        Err(why) => (None, Some(why)),
    };
    let mut story = Story::new()?;
    let mut last = Link::FIRST;
    if let Some(base) = base {
        last = base.link;
        story.rack.kept = base.kept;
    }
    let first = last.sequence;
    let mut unsaid = None;
    if damage.is_none() {
        damage = walk(&connection, last, Pace::Quick, |link, _, _, event| {
            story.happen(&event);
            last = link;
            if link.sequence >= from && telling != Telling::Quiet && unsaid.is_none() {
                unsaid = story.tell(&mut out, link.sequence, &event, telling).err();
            }
        });
    }
    let flushed = out.flush();
    if let Some(cause) = unsaid.or(flushed.err()) {
        return Err(JournalError::file("print", &path, cause).into());
    }
    Ok(Replayed {
        rack: story.rack,
        last,
        events: last.sequence.saturating_sub(first),
        took: began.elapsed(),
        damage,
    })
}

fn file_of(path: &Path) -> PathBuf {
    if path.is_dir() {
        path.join(FILE)
    } else {
        path.to_owned()
    }
}

/// A copy whose write-ahead log is not beside it is whole by itself; it is read as it is, also where nothing can be written.
pub(super) fn open(path: &Path) -> Result<Connection, JournalError> {
    if let Err(cause) = std::fs::File::open(path) {
        return Err(JournalError::file("open", path, cause));
    }
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    if Path::new(&log).exists() {
        return open_for_reading(path);
    }
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            uri.push_str(&format!("%{byte:02x}"));
        }
    }
    uri.push_str("?immutable=1");
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(uri, flags).map_err(|cause| JournalError::sqlite("open", path, cause))
}

/// A rack of which nobody says what it has.
pub(super) fn nothing() -> anyhow::Result<Rack> {
    let config = RackConfig::from_text("[rack]\nname = \"journal\"\n", Path::new(""));
    Ok(Rack::new(
        &config.context("a rack without anything in it is refused")?,
    ))
}

/// The rack as the story has it so far, and what it told last of each domain.
struct Story {
    rack: Rack,
    installed: BTreeMap<String, Power>,
}

impl Story {
    fn new() -> anyhow::Result<Story> {
        Ok(Story {
            rack: nothing()?,
            installed: BTreeMap::new(),
        })
    }

    fn happen(&mut self, event: &Event) {
        // Nobody says here what the rack has: what the journal names, it has.
        let kept = &mut self.rack.kept;
        if let What::BayChanged(change) = &event.what {
            kept.bays.entry(change.place.clone()).or_insert_with(Bay::unseen);
            if let Some(effect) = &change.effect {
                self.installed
                    .insert(effect.domain.clone(), effect.installed_after);
            }
        } else if let What::DomainChanged {
            domain,
            to,
            installed,
            ..
        } = &event.what
        {
            let (state, since) = (*to, event.at);
            kept.domains
                .insert(domain.clone(), DomainStanding { state, since });
            self.installed.insert(domain.clone(), *installed);
        } else if let What::Located { place, .. } = &event.what {
            kept.bays.entry(place.clone()).or_insert_with(Bay::unseen);
        }
        evolve(&mut self.rack, event);
    }

    /// The domain that an event changes the sums of.
    fn domain<'a>(&self, event: &'a Event) -> Option<&'a str> {
        if let What::BayChanged(change) = &event.what {
            return change.effect.as_ref().map(|effect| effect.domain.as_str());
        }
        if let What::DomainChanged { domain, .. } = &event.what {
            return Some(domain);
        }
        if let What::ClaimAdmitted { claim, .. }
        | What::ClaimReleased { claim, .. }
        | What::ClaimWithdrawn { claim, .. }
        | What::ClaimRestored { claim, .. }
        | What::ClaimApplied { claim }
        | What::ClaimExpired { claim, .. } = &event.what
        {
            return Some(&claim.domain);
        }
        if let What::ClaimPreempted(preemption) = &event.what {
            return Some(&preemption.claim.domain);
        }
        None
    }

    /// Installed, firm claims and revocable watts that are granted.
    fn sums(&self, domain: &str) -> (Option<Power>, Power, Power) {
        let kept = &self.rack.kept;
        let claims = || kept.claims.values().filter(|claim| claim.domain == domain);
        let granted = claims().filter(|claim| kept.granted.contains(&claim.id));
        (
            self.installed.get(domain).copied(),
            claims().map(|claim| claim.watts).sum(),
            granted.map(|claim| claim.revocable).sum(),
        )
    }

    fn tell(
        &self,
        out: &mut dyn Write,
        sequence: u64,
        event: &Event,
        telling: Telling,
    ) -> std::io::Result<()> {
        let domain = self.domain(event);
        let sums = domain.map(|domain| (domain, self.sums(domain)));
        if telling == Telling::Json {
            let after = sums.map(|(domain, (installed, firm, revocable))| {
                json!({"domain": domain, "installed_watts": installed, "claimed_firm_watts": firm, "granted_revocable_watts": revocable})
            });
            let view = event.view(sequence);
            let line = json!({
                "sequence": sequence, "at": view.at, "kind": view.kind, "subject": view.subject,
                "message": view.message, "after": after, "event": view.event,
            });
            return writeln!(out, "{line}");
        }
        let (kind, subject) = (event.kind(), event.subject());
        write!(
            out,
            "{sequence:>6}  {}  {kind:<18}  {subject:<14}  {}",
            event.at,
            event.message()
        )?;
        if let Some((domain, (installed, firm, revocable))) = sums {
            write!(
                out,
                "\n{:>8}then in {domain}: {} claimed firm",
                "",
                firm.to_kilowatt_text()
            )?;
            if !revocable.is_zero() {
                write!(out, ", {} revocable granted", revocable.to_kilowatt_text())?;
            }
            if let Some(installed) = installed {
                write!(out, ", {} installed", installed.to_kilowatt_text())?;
            }
        }
        writeln!(out)
    }
}
