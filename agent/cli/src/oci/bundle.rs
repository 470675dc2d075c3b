//! An OCI bundle's `config.json` (runtime-spec 1.x): read, checked, and copied with the grant in it. The user's file is never written.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use agent_api::v1::Workload;
use facts::CpuSet;
use serde_json::{Map, Value, json};

/// The file of a bundle that says what runs in it.
pub const CONFIG: &str = "config.json";
/// The longest that is read: with a long seccomp profile a container's has some hundred kilobytes.
const LONGEST: u64 = 8 << 20;
/// The versions of the specification that are understood begin so.
const VERSION: &str = "1.";

/// Why a directory is no bundle that can be run.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// It cannot be read.
    #[error("cannot read {}; a bundle is a directory with {CONFIG} and a root filesystem, as `crun spec` begins one", .path.display())]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        cause: io::Error,
    },
    /// It is longer than any.
    #[error("{} is longer than {LONGEST} bytes", .0.display())]
    Long(PathBuf),
    /// It is no JSON.
    #[error("{} is no JSON", .path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where reading stopped.
        #[source]
        cause: serde_json::Error,
    },
    /// Something in it is not what the specification says.
    #[error("{}: {key} is {found}; expected {expected}", .path.display())]
    Strange {
        /// The file.
        path: PathBuf,
        /// The key, with dots.
        key: &'static str,
        /// What stands there, shortened.
        found: String,
        /// What the specification says.
        expected: &'static str,
    },
}

/// A bundle that can be run.
#[derive(Clone, Debug)]
pub struct Bundle {
    dir: PathBuf,
    config: Map<String, Value>,
}

/// A copy of a bundle's configuration with the grant in it.
#[derive(Clone, Debug)]
pub struct Granted {
    /// The configuration.
    pub config: Value,
    /// What it asked for and does not get as it was asked, a sentence each.
    pub changed: Vec<String>,
}

impl Bundle {
    /// Reads and checks what will be looked at; all else is for the runtime to check.
    ///
    /// # Errors
    /// With the file, the key and what was expected.
    pub fn read(dir: &Path) -> Result<Bundle, BundleError> {
        let dir = dir.canonicalize().map_err(|cause| BundleError::Unreadable {
            path: dir.to_owned(),
            cause,
        })?;
        let path = dir.join(CONFIG);
        let unreadable = |cause| BundleError::Unreadable {
            path: path.clone(),
            cause,
        };
        let mut bytes = Vec::new();
        let file = File::open(&path).map_err(unreadable)?;
        file.take(LONGEST + 1)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        if u64::try_from(bytes.len()).map_or(true, |length| length > LONGEST) {
            return Err(BundleError::Long(path));
        }
        let bundle = Bundle::parse(dir, &bytes)?;
        let root = bundle.root();
        if root.is_dir() {
            return Ok(bundle);
        }
        Err(BundleError::Strange {
            path,
            key: "root.path",
            found: format!("{:?}", root.display().to_string()),
            expected: "the directory of the root filesystem",
        })
    }

    /// Reads a configuration from bytes.
    pub(super) fn parse(dir: PathBuf, bytes: &[u8]) -> Result<Bundle, BundleError> {
        let path = dir.join(CONFIG);
        let value: Value = serde_json::from_slice(bytes).map_err(|cause| BundleError::Json {
            path: path.clone(),
            cause,
        })?;
        let strange = |key, found: &Value, expected| BundleError::Strange {
            path: path.clone(),
            key,
            found: shortened(found),
            expected,
        };
        let Value::Object(config) = value else {
            return Err(strange("the whole", &value, "an object"));
        };
        let at = |pointer: &[&str]| look(&config, pointer);
        let checks: [(&'static str, &[&str], Check, &'static str); 6] = [
            (
                "ociVersion",
                &["ociVersion"],
                is_version,
                "a version 1.x, as in \"1.0.2\"",
            ),
            (
                "process.args",
                &["process", "args"],
                is_command,
                "a list of words with the command first",
            ),
            (
                "root.path",
                &["root", "path"],
                is_path,
                "the directory of the root filesystem",
            ),
            (
                "linux",
                &["linux"],
                Value::is_object,
                "the object with the namespaces of a Linux container",
            ),
            (
                "linux.resources",
                &["linux", "resources"],
                is_object_or_none,
                "an object",
            ),
            ("mounts", &["mounts"], is_list_or_none, "a list"),
        ];
        for (key, pointer, is_right, expected) in checks {
            let found = at(pointer);
            if !is_right(found) {
                return Err(strange(key, found, expected));
            }
        }
        Ok(Bundle { dir, config })
    }

    /// The command's first word.
    pub fn command(&self) -> &str {
        let words = look(&self.config, &["process", "args"]).as_array();
        words
            .and_then(|words| words.first()?.as_str())
            .unwrap_or_default()
    }

    fn root(&self) -> PathBuf {
        let path = look(&self.config, &["root", "path"]).as_str().unwrap_or_default();
        self.dir.join(path)
    }

    /// A copy with the grant in it, that stands for itself wherever it lies: `cgroups_path` is where the container's own cgroup
    /// is to be, and the CPUs are named only where they are its alone; others follow the cgroup above.
    pub fn granted(&self, workload: &Workload, cgroups_path: &str) -> Granted {
        let mut config = self.config.clone();
        let mut changed = Vec::new();
        put(&mut config, &["root", "path"], json!(self.root()));
        if let Some(Value::Array(mounts)) = config.get_mut("mounts") {
            mounts.iter_mut().for_each(|mount| self.make_whole(mount));
        }
        let asked = look(&self.config, &["linux", "cgroupsPath"]).as_str();
        if let Some(asked) = asked.filter(|asked| !asked.is_empty()) {
            changed.push(format!("its cgroup is {cgroups_path} and not {asked}"));
        }
        put(&mut config, &["linux", "cgroupsPath"], json!(cgroups_path));
        let numa_nodes = workload.numa_nodes.to_string();
        for (key, granted) in [("cpus", workload.cpus.to_string()), ("mems", numa_nodes)] {
            let pointer = ["linux", "resources", "cpu", key];
            let asked = look(&self.config, &pointer).as_str().unwrap_or_default();
            if !asked.is_empty() && !is_same_list(asked, &granted) {
                changed.push(format!("linux.resources.cpu.{key} is {granted} and not {asked}"));
            }
            if workload.exclusive && !granted.is_empty() {
                put(&mut config, &pointer, json!(granted));
            } else if !asked.is_empty() {
                remove(&mut config, &pointer);
            }
        }
        if let Some(most) = workload.memory_bytes.map(facts::Bytes::get) {
            let pointer = ["linux", "resources", "memory", "limit"];
            let asked = look(&self.config, &pointer).as_i64();
            let asked = asked.and_then(|asked| u64::try_from(asked).ok());
            if let Some(asked) = asked.filter(|asked| *asked > most) {
                changed.push(format!("linux.resources.memory.limit is {most} and not {asked}"));
            }
            put(
                &mut config,
                &pointer,
                json!(asked.map_or(most, |asked| asked.min(most))),
            );
        }
        Granted {
            config: Value::Object(config),
            changed,
        }
    }

    /// A bind mount's relative source is below the bundle.
    fn make_whole(&self, mount: &mut Value) {
        let is_bind = mount.get("type").and_then(Value::as_str) == Some("bind")
            || mount.get("options").and_then(Value::as_array).is_some_and(|all| {
                all.iter()
                    .any(|word| matches!(word.as_str(), Some("bind" | "rbind")))
            });
        if let Some(source) = mount.get_mut("source").filter(|_| is_bind)
            && let Some(path) = source.as_str()
        {
            // An absolute one stays as it is.
            *source = json!(self.dir.join(path));
        }
    }
}

type Check = fn(&Value) -> bool;

fn is_version(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with(VERSION))
}

fn is_command(value: &Value) -> bool {
    let words = value
        .as_array()
        .filter(|words| words.iter().all(Value::is_string));
    words.is_some_and(|words| words.first().is_some_and(is_path))
}

fn is_path(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}

fn is_object_or_none(value: &Value) -> bool {
    value.is_object() || value.is_null()
}

fn is_list_or_none(value: &Value) -> bool {
    value.is_array() || value.is_null()
}

/// Whether two lists name the same CPUs or NUMA nodes.
fn is_same_list(one: &str, other: &str) -> bool {
    let (one, other): (Result<CpuSet, _>, Result<CpuSet, _>) = (one.parse(), other.parse());
    matches!((one, other), (Ok(one), Ok(other)) if one == other)
}

/// What stands at a place; null where nothing does.
pub(super) fn look<'c>(config: &'c Map<String, Value>, pointer: &[&str]) -> &'c Value {
    let Some((first, rest)) = pointer.split_first() else {
        return &Value::Null;
    };
    let begin = config.get(*first).unwrap_or(&Value::Null);
    rest.iter()
        .fold(begin, |value, key| value.get(*key).unwrap_or(&Value::Null))
}

/// Puts a value at a place; what is no object on the way becomes one.
pub(super) fn put(config: &mut Map<String, Value>, pointer: &[&str], value: Value) {
    let Some((last, way)) = pointer.split_last() else {
        return;
    };
    let mut here = config;
    for key in way {
        let next = here.entry((*key).to_owned()).or_insert(Value::Null);
        if !next.is_object() {
            *next = json!({});
        }
        let Value::Object(next) = next else { return };
        here = next;
    }
    here.insert((*last).to_owned(), value);
}

fn remove(config: &mut Map<String, Value>, pointer: &[&str]) {
    let Some((last, way)) = pointer.split_last() else {
        return;
    };
    let mut here = config;
    for key in way {
        let Some(Value::Object(next)) = here.get_mut(*key) else {
            return;
        };
        here = next;
    }
    here.remove(*last);
}

/// A value in an error: a config may be long.
fn shortened(value: &Value) -> String {
    const LONGEST_SHOWN: usize = 80;
    if value.is_null() {
        return "not there".to_owned();
    }
    let text = value.to_string();
    let mut short: String = text.chars().take(LONGEST_SHOWN).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
#[path = "bundle_tests.rs"]
mod tests;
