//! The files that limit a node's packages, as the kernel lays them out below `/sys/class/powercap`. Whoever writes them, an agent in a
//! mount namespace of its own, limits the node: the world reads what they really hold, and nobody tells it anything else.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::plan::Plan;
use crate::world::World;

/// How a package's folder begins; a colon more is a part of a package.
const PACKAGE: &str = "intel-rapl:";
/// The file of a package's limit, in microwatts.
const LIMIT: &str = "constraint_0_power_limit_uw";
/// No limit is longer.
const LONGEST: usize = 32;

/// The limits of all nodes that have such files, open.
#[derive(Debug, Default)]
pub struct Powercaps {
    nodes: Vec<Packages>,
}

#[derive(Debug)]
struct Packages {
    node: String,
    rest: u64,
    limits: Vec<File>,
}

/// Why the files of a node could not be opened.
#[derive(Debug, thiserror::Error)]
#[error(
    "node \"{node}\": cannot read {path}; expected a folder as /sys/class/powercap with intel-rapl:N/{LIMIT}"
)]
pub struct PowercapError {
    /// The node.
    node: String,
    /// What was read.
    path: PathBuf,
    /// What the system said.
    #[source]
    source: std::io::Error,
}

impl Powercaps {
    /// Opens what the plan names.
    ///
    /// # Errors
    /// [`PowercapError`] naming node and path.
    pub fn open(plan: &Plan) -> Result<Self, PowercapError> {
        let mut nodes = Vec::new();
        for node in &plan.nodes {
            let Some(folder) = &node.powercap else { continue };
            let name = node.name.get_ref().clone();
            let limits = packages(folder).map_err(|(path, source)| PowercapError {
                node: name.clone(),
                path,
                source,
            })?;
            nodes.push(Packages {
                node: name,
                rest: node.rest.0,
                limits,
            });
        }
        Ok(Self { nodes })
    }

    /// Tells the world what the files hold now. A file that is being written, or holds no number, changes nothing.
    pub fn tell(&self, world: &mut World) {
        for packages in &self.nodes {
            if let Some(cap) = packages.read() {
                world.set_cap(&packages.node, Some(cap));
            }
        }
    }
}

impl Packages {
    fn read(&self) -> Option<u64> {
        self.limits
            .iter()
            .try_fold(self.rest, |sum, file| Some(sum.saturating_add(milliwatts(file)?)))
    }
}

fn packages(folder: &Path) -> Result<Vec<File>, (PathBuf, std::io::Error)> {
    let at = |path: &Path| {
        let path = path.to_path_buf();
        move |source| (path, source)
    };
    let mut limits = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(at(folder))? {
        let entry = entry.map_err(at(folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name
            .strip_prefix(PACKAGE)
            .is_some_and(|number| !number.contains(':'))
        {
            let path = entry.path().join(LIMIT);
            limits.push(File::open(&path).map_err(at(&path))?);
        }
    }
    if limits.is_empty() {
        return Err((
            folder.to_path_buf(),
            std::io::Error::new(std::io::ErrorKind::NotFound, "it has no package"),
        ));
    }
    Ok(limits)
}

/// The first line of a file as microwatts. A shorter number that is written over a longer one leaves the end of that behind.
fn milliwatts(file: &File) -> Option<u64> {
    let mut bytes = [0; LONGEST];
    let length = file.read_at(&mut bytes, 0).ok()?;
    let text = std::str::from_utf8(bytes.get(..length)?).ok()?;
    let (number, _) = text.split_once('\n')?;
    Some(number.parse::<u64>().ok()? / 1_000)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_world_learns_a_cap_from_what_the_files_hold() {
        let folder = tempfile::tempdir().unwrap();
        let limit = |number: u32| folder.path().join(format!("intel-rapl:{number}/{LIMIT}"));
        for number in 0..2 {
            std::fs::create_dir_all(limit(number).parent().unwrap()).unwrap();
            std::fs::write(limit(number), "200000000\n").unwrap();
        }
        std::fs::create_dir_all(folder.path().join("intel-rapl:0:0")).unwrap();
        let text = format!(
            "name = \"w\"\nseed = 1\nfeed = []\n[shelf]\nname = \"s\"\nmaker = \"\"\nmodel = \"\"\nserial = \"\"\nsupply = []\n\
             [[node]]\nname = \"n1\"\nmaker = \"\"\nmodel = \"\"\nserial = \"\"\nidle = \"50 W\"\nmax_draw = \"600 W\"\npackages = 2\n\
             cores_per_package = 1\nmemory = \"1 GiB\"\nrest = \"40 W\"\npowercap = {:?}\n",
            folder.path()
        );
        let plan = Plan::parse(&text, Path::new("w.toml")).unwrap();
        let caps = Powercaps::open(&plan).unwrap();
        let mut world = World::new(plan);
        caps.tell(&mut world);
        assert_eq!(world.node("n1").unwrap().cap(), Some(440_000));
        std::fs::write(limit(1), "90000000\n").unwrap();
        caps.tell(&mut world);
        assert_eq!(world.node("n1").unwrap().cap(), Some(330_000));
        // Half a write is none.
        std::fs::write(limit(1), "9").unwrap();
        caps.tell(&mut world);
        assert_eq!(world.node("n1").unwrap().cap(), Some(330_000));
    }

    #[test]
    fn a_folder_without_packages_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = packages(folder.path()).unwrap_err();
        assert_eq!(path, folder.path());
    }
}
