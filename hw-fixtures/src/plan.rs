//! The rack file: what stands in the world before anything happens, read from TOML and checked once.

mod jbof;
mod manners;

pub use jbof::{DriveBayPlan, DrivePlan, JbofPlan};
pub use manners::{Limiter, Restore};

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use crate::quantity::{Gibibytes, Millis, Milliwatts, Permille};

/// A rack file with more parts than this is a mistake: the world steps every part 200 times a second.
pub const MAX_PARTS: usize = 256;

/// Why a rack file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The file could not be read.
    #[error("cannot read the rack file {path}")]
    Read {
        /// The file as it was named.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file was read and says something that a rack cannot be.
    #[error("{path}:{line}: {what}")]
    Wrong {
        /// The file as it was named.
        path: PathBuf,
        /// The line, counted from one.
        line: usize,
        /// What is wrong and what was expected.
        what: String,
    },
}

/// A whole rack as its file describes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What people call this rack.
    pub name: String,
    /// Seed of everything that is random: meter errors, derived serial numbers and UUIDs.
    pub seed: u64,
    /// How far a meter may be off, either way.
    #[serde(default = "default_meter_error")]
    pub meter_error: Permille,
    /// Where the supplies take their power from.
    #[serde(rename = "feed")]
    pub feeds: Vec<FeedPlan>,
    /// The power shelf.
    pub shelf: ShelfPlan,
    /// The nodes that hang on the shelf's busbar.
    #[serde(rename = "node", default)]
    pub nodes: Vec<NodePlan>,
    /// Enclosures of drives.
    #[serde(rename = "jbof", default)]
    pub jbofs: Vec<JbofPlan>,
}

/// One feed: a line from the room's distribution.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedPlan {
    /// Its name, such as `A`.
    pub name: Spanned<String>,
}

/// The shelf: a box of supplies that share one busbar.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShelfPlan {
    /// The name of the shelf and of its BMC.
    pub name: Spanned<String>,
    /// Maker, as its BMC reports it.
    pub maker: String,
    /// Model, as its BMC reports it.
    pub model: String,
    /// Serial number, as its BMC reports it.
    pub serial: String,
    /// What fans and switches draw, always.
    #[serde(default)]
    pub fixed_load: Milliwatts,
    /// How long a supply delivers full load after its input is gone.
    #[serde(default = "default_hold_up")]
    pub hold_up: Millis,
    /// How long a supply bears more than its rating before it switches itself off.
    #[serde(default = "default_overload_time")]
    pub overload_time: Millis,
    /// The share of its rating beyond which a supply switches itself off at once.
    #[serde(default = "default_overload_factor")]
    pub overload_factor: Permille,
    /// How long a supply needs from input to output.
    #[serde(default = "default_start_time")]
    pub start_time: Millis,
    /// Output over input of a supply.
    #[serde(default = "default_efficiency")]
    pub efficiency: Permille,
    /// The bays, in the order of their positions, each with the supply that is in it at first.
    #[serde(rename = "supply")]
    pub supplies: Vec<SupplyPlan>,
}

/// One bay and its first supply.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupplyPlan {
    /// The bay's name, such as `psu-3`.
    pub bay: Spanned<String>,
    /// The feed its inlet hangs on.
    pub feed: Spanned<String>,
    /// What the supply can deliver.
    pub rated: Milliwatts,
    /// Maker of the supply.
    pub maker: String,
    /// Model of the supply.
    pub model: String,
    /// Serial number of the supply.
    pub serial: String,
    /// Part number of the supply.
    #[serde(default)]
    pub part_number: String,
    /// Firmware that runs in the supply.
    #[serde(default = "default_firmware")]
    pub firmware: String,
}

/// One node: a server with its BMC.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodePlan {
    /// The name of the node and of its BMC.
    pub name: Spanned<String>,
    /// Maker, as its BMC reports it.
    pub maker: String,
    /// Model, as its BMC reports it.
    pub model: String,
    /// Serial number, as its BMC reports it.
    pub serial: String,
    /// SMBIOS UUID; derived from seed and name when it is not given.
    pub uuid: Option<String>,
    /// What it draws with nothing to do; no limit goes below.
    pub idle: Milliwatts,
    /// What it can draw with no limit.
    pub max_draw: Milliwatts,
    /// What its workload wants at first; idle when it is not given.
    pub demand: Option<Milliwatts>,
    /// CPU packages.
    pub packages: u32,
    /// Cores of each package.
    pub cores_per_package: u32,
    /// Hardware threads of each core.
    #[serde(default = "default_threads")]
    pub threads_per_core: u32,
    /// Memory.
    pub memory: Gibibytes,
    /// How long the BMC's limiter needs until a new limit is in force.
    #[serde(default = "default_limit_lag")]
    pub limit_lag: Millis,
    /// How long the draw needs to follow the workload.
    #[serde(default = "default_demand_lag")]
    pub demand_lag: Millis,
    /// Where the limits of its packages stand in files, as in `/sys/class/powercap`: whoever writes them limits the node.
    pub powercap: Option<PathBuf>,
    /// What of its draw those limits do not cover: fans, drives, losses.
    #[serde(default)]
    pub rest: Milliwatts,
    /// What its BMC does with it when the busbar has power again. Where nothing is said it is as before, and Redfish does not tell it.
    pub restore: Option<Restore>,
    /// Whether its BMC's limiter can hold a limit.
    #[serde(default)]
    pub limiter: Limiter,
}

fn default_meter_error() -> Permille {
    Permille(50)
}
fn default_hold_up() -> Millis {
    Millis(20)
}
fn default_overload_time() -> Millis {
    Millis(1_000)
}
fn default_overload_factor() -> Permille {
    Permille(1_200)
}
fn default_start_time() -> Millis {
    Millis(500)
}
fn default_efficiency() -> Permille {
    Permille(960)
}
fn default_firmware() -> String {
    "1.0.0".to_owned()
}
fn default_threads() -> u32 {
    2
}
fn default_limit_lag() -> Millis {
    Millis(500)
}
fn default_demand_lag() -> Millis {
    Millis(50)
}

/// A complaint about a place in the file: byte offset and what is wrong there.
type Complaint = (usize, String);

impl Plan {
    /// Reads and checks a rack file.
    ///
    /// # Errors
    /// [`PlanError`] naming file, line and what was expected.
    pub fn read(path: &Path) -> Result<Self, PlanError> {
        let text = std::fs::read_to_string(path).map_err(|source| PlanError::Read {
            path: path.to_path_buf(),
            source,
        })?;
        Self::parse(&text, path)
    }

    /// Checks the text of a rack file; `path` is only for the messages.
    ///
    /// # Errors
    /// [`PlanError::Wrong`] naming file, line and what was expected.
    pub fn parse(text: &str, path: &Path) -> Result<Self, PlanError> {
        let wrong = |offset: usize, what: String| {
            let line = text
                .get(..offset)
                .map_or(1, |before| before.matches('\n').count().saturating_add(1));
            PlanError::Wrong {
                path: path.to_path_buf(),
                line,
                what,
            }
        };
        let plan: Self = toml::from_str(text)
            .map_err(|e| wrong(e.span().map_or(0, |span| span.start), e.message().to_owned()))?;
        plan.check().map_err(|(offset, what)| wrong(offset, what))?;
        Ok(plan)
    }

    fn check(&self) -> Result<(), Complaint> {
        if self.shelf.supplies.len() > MAX_PARTS || self.nodes.len() > MAX_PARTS {
            let what = format!("more than {MAX_PARTS} supplies or nodes; expected one rack");
            return Err((self.shelf.name.span().start, what));
        }
        distinct("feed", self.feeds.iter().map(|feed| &feed.name))?;
        distinct("bay", self.shelf.supplies.iter().map(|supply| &supply.bay))?;
        let nodes = self.nodes.iter().map(|node| &node.name);
        let jbofs = self.jbofs.iter().map(|jbof| &jbof.name);
        distinct("BMC", std::iter::once(&self.shelf.name).chain(nodes).chain(jbofs))?;
        for jbof in &self.jbofs {
            jbof.check()?;
        }
        self.check_supplies()?;
        for node in &self.nodes {
            check_node(node).map_err(|what| (node.name.span().start, what))?;
        }
        Ok(())
    }

    fn check_supplies(&self) -> Result<(), Complaint> {
        let feeds: Vec<&str> = self
            .feeds
            .iter()
            .map(|feed| feed.name.get_ref().as_str())
            .collect();
        for supply in &self.shelf.supplies {
            let feed = supply.feed.get_ref().as_str();
            if !feeds.contains(&feed) {
                let known = feeds.join(", ");
                let what = format!(
                    "bay \"{}\" hangs on feed \"{feed}\", which is not described; expected one of: {known}",
                    supply.bay.get_ref()
                );
                return Err((supply.feed.span().start, what));
            }
            if supply.rated.0 == 0 {
                let what = format!(
                    "the supply in bay \"{}\" is rated 0 W; expected more",
                    supply.bay.get_ref()
                );
                return Err((supply.bay.span().start, what));
            }
        }
        let shelf = &self.shelf;
        if shelf.efficiency.0 == 0 || shelf.efficiency.0 > 1_000 || shelf.overload_factor.0 < 1_000 {
            let what = "expected 0 % < efficiency <= 100 % and overload_factor >= 100 %".to_owned();
            return Err((shelf.name.span().start, what));
        }
        Ok(())
    }
}

fn distinct<'a>(what: &str, names: impl Iterator<Item = &'a Spanned<String>>) -> Result<(), Complaint> {
    let mut seen = BTreeSet::new();
    for name in names {
        let (offset, text) = (name.span().start, name.get_ref().as_str());
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if text.is_empty() || !text.chars().all(plain) {
            let rule = "expected letters, digits, '-' and '_' (it becomes part of URLs and file names)";
            return Err((offset, format!("{what} name \"{text}\": {rule}")));
        }
        if !seen.insert(text) {
            return Err((
                offset,
                format!("two {what}s are named \"{text}\"; expected each name once"),
            ));
        }
    }
    Ok(())
}

fn check_node(node: &NodePlan) -> Result<(), String> {
    let name = node.name.get_ref();
    if node.max_draw < node.idle || node.max_draw.0 == 0 {
        return Err(format!(
            "node \"{name}\": expected 0 W < max_draw and idle <= max_draw"
        ));
    }
    if node.packages == 0 || node.cores_per_package == 0 || node.threads_per_core == 0 {
        return Err(format!(
            "node \"{name}\": expected at least one package, core and thread"
        ));
    }
    if let Some(uuid) = &node.uuid {
        uuid::Uuid::try_parse(uuid).map_err(|e| {
            format!("node \"{name}\": uuid \"{uuid}\": {e}; expected 8-4-4-4-12 hexadecimal digits")
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
