//! `busbar run --oci`: an OCI bundle through crun or runc, in a cgroup of its own below the workload's.
//!
//! This process asks for the place and is moved into the workload's cgroup; the runtime is its child and makes the container's cgroup
//! there. So the grant holds whatever the bundle says, and the container's own limits hold within it.

mod bundle;
mod edits;

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use agent_api::v1::Workload;
use nix::unistd::geteuid;

use self::bundle::{Bundle, BundleError, CONFIG};
use self::edits::Edits;

/// The runtimes, the one that is preferred first. Debian's packages have the same names.
const RUNTIMES: [&str; 2] = ["crun", "runc"];
/// The one that puts a container below the cgroup that it is started in where the host has cgroup v1.
const LEGACY_RUNTIME: &str = "runc";
/// Where v2 is mounted on hosts that have nothing else: runtimes look for it nowhere else.
const UNIFIED: &str = "/sys/fs/cgroup";
/// The controllers of a v2 cgroup.
const CGROUP_CONTROLLERS: &str = "cgroup.controllers";
/// The processes of a cgroup.
const CGROUP_PROCS: &str = "cgroup.procs";
/// The cgroup of the runtime and of this process, below the workload's: in v2 a cgroup with processes passes no controllers on.
const RUNTIME_GROUP: &str = "runtime";
/// The container's cgroup below the workload's.
const CONTAINER_GROUP: &str = "container";
/// Where our copies of configurations lie, beside the agent's socket: only who may give orders writes there.
const COPIES: &str = "oci";
/// Owner only: a container's environment may hold secrets.
const FILE_MODE: u32 = 0o600;
/// Owner only.
const DIR_MODE: u32 = 0o700;
/// Any execute bit.
const EXECUTABLE: u32 = 0o111;

/// Why a bundle cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// The bundle is none.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// There is no runtime.
    #[error(
        "no OCI runtime is in PATH: neither crun nor runc; install the package crun (apt-get install crun), or runc"
    )]
    NoRuntime,
    /// There is one that cannot do it here.
    #[error(
        "this host has cgroup v1, where only runc puts a container below the workload's cgroup, and it is not in PATH; \
         install the package runc (apt-get install runc)"
    )]
    NoLegacyRuntime,
    /// A container's own cpuset would be in the way of the keeper.
    #[error(
        "on cgroup v1 a container's own cpuset keeps shared CPUs from being moved; ask for CPUs of its own with --exclusive, \
         or boot the host with cgroup v2"
    )]
    OnlyExclusive,
    /// A file of ours.
    #[error("cannot {act} {}", .path.display())]
    File {
        /// What was tried.
        act: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        cause: io::Error,
    },
}

impl OciError {
    /// Whether the host says no, and not the words that were given.
    pub fn is_refusal(&self) -> bool {
        match self {
            OciError::NoRuntime | OciError::NoLegacyRuntime | OciError::OnlyExclusive => true,
            OciError::Bundle(_) | OciError::File { .. } => false,
        }
    }
}

/// A bundle, and what will run it.
#[derive(Debug)]
pub struct Container {
    bundle: Bundle,
    runtime: PathBuf,
    is_unified: bool,
}

/// What is started, with our copy of its configuration, which goes with this value.
#[derive(Debug)]
pub struct Prepared {
    /// The runtime.
    pub program: PathBuf,
    /// Its words.
    pub arguments: Vec<String>,
    /// Its words that forget a container of this name first: one whose runtime was killed is still on its list, and the agent has
    /// just said that no workload has the name.
    pub forget: Vec<String>,
    /// What the bundle asked for and does not get, a sentence each.
    pub changed: Vec<String>,
    copy: PathBuf,
}

impl Drop for Prepared {
    fn drop(&mut self) {
        // What is left is written over by the next run of this name.
        let _ = fs::remove_dir_all(&self.copy);
    }
}

impl Container {
    /// Reads the bundle and looks for a runtime; places nothing.
    ///
    /// # Errors
    /// With what is wrong in the bundle, or what the host lacks.
    pub fn find(dir: &Path, is_exclusive: bool) -> Result<Container, OciError> {
        let bundle = Bundle::read(dir)?;
        let is_unified = Path::new(UNIFIED).join(CGROUP_CONTROLLERS).exists();
        let path = env::var_os("PATH").unwrap_or_default();
        let places: Vec<PathBuf> = env::split_paths(&path).collect();
        let runtime = runtime(&places, is_unified)?;
        if !is_unified && !is_exclusive {
            return Err(OciError::OnlyExclusive);
        }
        Ok(Container {
            bundle,
            runtime,
            is_unified,
        })
    }

    /// The first word of the container's command.
    pub fn command(&self) -> &str {
        self.bundle.command()
    }

    /// Writes the copy with the grant in it, and steps aside in the workload's cgroup. `beside` is the agent's socket.
    ///
    /// # Errors
    /// When a file of ours cannot be written.
    pub fn prepare(&self, workload: &Workload, beside: &Path) -> Result<Prepared, OciError> {
        let id = format!("busbar-{}", workload.id);
        let cgroups_path = if self.is_unified {
            let group = unified(workload)?;
            step_aside(&group)?;
            let below = group.strip_prefix(UNIFIED).unwrap_or(&group);
            format!("/{}", below.join(CONTAINER_GROUP).display())
        } else {
            // Relative: below the cgroup that the runtime is in, in each hierarchy.
            id.clone()
        };
        let mut granted = self.bundle.granted(workload, &cgroups_path);
        if let (Some(file), Some(config)) = (&workload.cdi, granted.config.as_object_mut()) {
            let file = Path::new(file);
            let edits = Edits::read(file).map_err(|error| failed("read the devices in", file, error))?;
            let merged = edits.merge(config);
            merged.map_err(|(path, error)| failed("give the container", &path, error))?;
        }
        let copies = beside.parent().unwrap_or(Path::new("/")).join(COPIES);
        let copy = folder(&copies, workload.id.as_str())?;
        write(&copy.join(CONFIG), &granted.config)?;
        let bundle = copy.display().to_string();
        Ok(Prepared {
            program: self.runtime.clone(),
            arguments: ["run", "--bundle", &bundle, &id].map(str::to_owned).to_vec(),
            forget: ["delete", "--force", &id].map(str::to_owned).to_vec(),
            changed: granted.changed,
            copy,
        })
    }
}

/// The first runtime on the path that can do it on this host.
fn runtime(places: &[PathBuf], is_unified: bool) -> Result<PathBuf, OciError> {
    let on_path = |name: &str| {
        let mut files = places.iter().map(|place| place.join(name));
        files.find(|file| {
            fs::metadata(file)
                .is_ok_and(|about| about.is_file() && about.permissions().mode() & EXECUTABLE != 0)
        })
    };
    let mut found = RUNTIMES.iter().filter_map(|name| Some((*name, on_path(name)?)));
    if is_unified {
        return found.next().map(|(_, path)| path).ok_or(OciError::NoRuntime);
    }
    let all: Vec<(&str, PathBuf)> = found.collect();
    if all.is_empty() {
        return Err(OciError::NoRuntime);
    }
    let legacy = all.into_iter().find(|(name, _)| *name == LEGACY_RUNTIME);
    legacy.map(|(_, path)| path).ok_or(OciError::NoLegacyRuntime)
}

/// The workload's v2 cgroup.
fn unified(workload: &Workload) -> Result<PathBuf, OciError> {
    let mut groups = workload.cgroups.iter().map(PathBuf::from);
    let below = groups.find(|group| group.starts_with(UNIFIED) && group != Path::new(UNIFIED));
    below.ok_or_else(|| {
        let why = io::Error::other(format!(
            "the agent names {:?} for {}",
            workload.cgroups, workload.id
        ));
        failed("find the workload's cgroup below", Path::new(UNIFIED), why)
    })
}

/// Moves this process, and with it the runtime, into a cgroup beside the container's.
fn step_aside(group: &Path) -> Result<(), OciError> {
    let dir = group.join(RUNTIME_GROUP);
    match fs::create_dir(&dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(failed("make", &dir, error));
        }
        Ok(()) | Err(_) => {}
    }
    let file = dir.join(CGROUP_PROCS);
    // 0 is whoever writes.
    let written = OpenOptions::new()
        .write(true)
        .open(&file)
        .and_then(|mut file| file.write_all(b"0\n"));
    written.map_err(|error| failed("write", &file, error))
}

/// A directory of our own, whoever else may write beside it.
fn folder(copies: &Path, name: &str) -> Result<PathBuf, OciError> {
    let dir = copies.join(name);
    let made = DirBuilder::new().recursive(true).mode(DIR_MODE).create(&dir);
    made.map_err(|error| failed("make", &dir, error))?;
    for dir in [copies, &dir] {
        let about = fs::symlink_metadata(dir).map_err(|error| failed("look at", dir, error))?;
        if !about.is_dir() || about.uid() != geteuid().as_raw() {
            let why = io::Error::other("it is a link, or belongs to somebody else");
            return Err(failed("use", dir, why));
        }
    }
    Ok(dir)
}

fn write(path: &Path, config: &serde_json::Value) -> Result<(), OciError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("replace", path, error)),
        Ok(()) | Err(_) => {}
    }
    let opened: io::Result<File> = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path);
    let written = opened.and_then(|mut file| file.write_all(config.to_string().as_bytes()));
    written.map_err(|error| failed("write", path, error))
}

fn failed(act: &'static str, path: &Path, cause: io::Error) -> OciError {
    OciError::File {
        act,
        path: path.to_owned(),
        cause,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_runtime_is_what_the_host_has_and_can_use() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        for dir in [&one, &two] {
            fs::create_dir(dir).unwrap();
        }
        let places = [one.clone(), two.clone()];
        let said = |is_unified| runtime(&places, is_unified).map_err(|error| error.to_string());
        assert!(said(true).unwrap_err().contains("install the package crun"));
        assert!(said(false).unwrap_err().contains("install the package crun"));
        let put = |path: &Path, mode| {
            fs::write(path, "").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        put(&one.join("crun"), 0o644);
        assert!(said(true).is_err(), "it cannot be executed");
        put(&two.join("crun"), 0o755);
        assert_eq!(said(true), Ok(two.join("crun")));
        assert!(said(false).unwrap_err().contains("install the package runc"));
        put(&one.join("runc"), 0o755);
        assert_eq!(
            (said(true), said(false)),
            (Ok(two.join("crun")), Ok(one.join("runc")))
        );
    }

    #[test]
    fn a_copy_is_written_in_a_directory_of_our_own_only() {
        let dir = tempfile::tempdir().unwrap();
        let copies = dir.path().join(COPIES);
        let made = folder(&copies, "web").unwrap();
        assert_eq!(fs::metadata(&made).unwrap().mode() & 0o777, DIR_MODE);
        let file = made.join(CONFIG);
        // What lies there is replaced and not followed.
        std::os::unix::fs::symlink(dir.path().join("other"), &file).unwrap();
        write(&file, &serde_json::json!({"a": 1})).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "{\"a\":1}");
        assert_eq!(fs::symlink_metadata(&file).unwrap().mode() & 0o777, FILE_MODE);
        assert!(!dir.path().join("other").exists());
        std::os::unix::fs::symlink(&made, copies.join("db")).unwrap();
        assert!(folder(&copies, "db").unwrap_err().to_string().contains("db"));
    }
}
