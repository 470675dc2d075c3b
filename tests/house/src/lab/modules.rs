//! Kernel modules for a guest: found in the unpacked kernel package, with those that they need, in the order of loading.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where a package has its modules.
const MODULES: &str = "lib/modules";
/// The modules that the kernel has built in.
const BUILT_IN: &str = "modules.builtin";
/// How a module's own section names those that it needs (`.modinfo`).
const DEPENDS: &[u8] = b"\0depends=";
/// How module files end, and the program that unpacks each.
const ENDINGS: [(&str, Option<&str>); 3] = [(".ko", None), (".ko.xz", Some("xz")), (".ko.zst", Some("zstd"))];

/// The modules of one kernel.
pub struct Modules {
    files: BTreeMap<String, (PathBuf, Option<&'static str>)>,
    built_in: BTreeSet<String>,
}

/// One module as it goes into the guest.
#[derive(Debug, PartialEq, Eq)]
pub struct Module {
    /// Its name, with underscores.
    pub name: String,
    /// The whole file, unpacked.
    pub bytes: Vec<u8>,
}

impl Modules {
    /// Looks through an unpacked kernel package.
    pub fn of(folder: &Path) -> Result<Modules, String> {
        let mut modules = Modules {
            files: BTreeMap::new(),
            built_in: BTreeSet::new(),
        };
        modules.walk(&folder.join(MODULES))?;
        Ok(modules)
    }

    fn walk(&mut self, folder: &Path) -> Result<(), String> {
        let failed = |err: std::io::Error| format!("cannot read {}: {err}", folder.display());
        for entry in fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            // A link (`build`, `source`) leads out of the package.
            let kind = entry.file_type().map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if kind.is_dir() {
                self.walk(&path)?;
            } else if name == BUILT_IN {
                let text = fs::read_to_string(&path).map_err(failed)?;
                let names = text.lines().filter_map(|line| line.rsplit('/').next());
                self.built_in
                    .extend(names.map(|name| plain(name.trim_end_matches(".ko"))));
            } else {
                for (ending, unpack) in ENDINGS {
                    if let Some(name) = name.strip_suffix(ending) {
                        self.files.insert(plain(name), (path.clone(), unpack));
                    }
                }
            }
        }
        Ok(())
    }

    /// A module and all that it needs, those first; nothing where the kernel has it built in. `loaded` has those that come
    /// already, and is added to.
    pub fn with_needs(&self, name: &str, loaded: &mut BTreeSet<String>) -> Result<Vec<Module>, String> {
        let name = plain(name);
        if self.built_in.contains(&name) || !loaded.insert(name.clone()) {
            return Ok(Vec::new());
        }
        let Some((path, unpack)) = self.files.get(&name) else {
            return Err(format!("the guest's kernel has no module {name}"));
        };
        let bytes = read(path, *unpack)?;
        let mut all = Vec::new();
        for need in needs(&bytes) {
            all.extend(self.with_needs(&need, loaded)?);
        }
        all.push(Module { name, bytes });
        Ok(all)
    }
}

/// A module's name as the kernel shows it: files may have hyphens.
fn plain(name: &str) -> String {
    name.replace('-', "_")
}

fn read(path: &Path, unpack: Option<&str>) -> Result<Vec<u8>, String> {
    let Some(program) = unpack else {
        return fs::read(path).map_err(|err| format!("cannot read {}: {err}", path.display()));
    };
    let answer = Command::new(program)
        .args(["-d", "-c"])
        .arg(path)
        .output()
        .map_err(|err| format!("cannot start {program}: {err}"))?;
    if answer.status.success() {
        Ok(answer.stdout)
    } else {
        Err(format!("{program} cannot unpack {}", path.display()))
    }
}

/// The modules that one names as needed.
fn needs(bytes: &[u8]) -> Vec<String> {
    let found = bytes.windows(DEPENDS.len()).position(|window| window == DEPENDS);
    let list = found
        .and_then(|at| bytes.get(at + DEPENDS.len()..))
        .unwrap_or_default();
    let list = list.split(|byte| *byte == 0).next().unwrap_or_default();
    let list = String::from_utf8_lossy(list);
    let names = list.split(',').filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_a_module_needs_comes_first_and_once() {
        let folder = std::env::temp_dir().join(format!("busbar-modules-{}", std::process::id()));
        let kernel = folder.join("lib/modules/6.1/kernel");
        fs::create_dir_all(&kernel).unwrap();
        let put = |name: &str, needs: &str| {
            fs::write(
                kernel.join(format!("{name}.ko")),
                format!("ELF\0license=GPL\0depends={needs}\0x"),
            )
        };
        put("nvme", "nvme-core,built-in").unwrap();
        put("nvme-core", "t10-pi").unwrap();
        put("t10-pi", "").unwrap();
        fs::write(
            folder.join("lib/modules/6.1/modules.builtin"),
            "kernel/lib/built-in.ko\n",
        )
        .unwrap();
        let modules = Modules::of(&folder).unwrap();
        let mut loaded = BTreeSet::new();
        let names = |list: Vec<Module>| list.into_iter().map(|module| module.name).collect::<Vec<_>>();
        let first = modules.with_needs("nvme", &mut loaded).unwrap();
        assert_eq!(names(first), ["t10_pi", "nvme_core", "nvme"]);
        assert!(modules.with_needs("nvme_core", &mut loaded).unwrap().is_empty());
        assert!(
            modules
                .with_needs("nothing", &mut loaded)
                .unwrap_err()
                .contains("nothing")
        );
        fs::remove_dir_all(&folder).unwrap();
    }
}
