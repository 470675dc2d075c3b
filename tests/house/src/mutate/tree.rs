//! A copy of the tree in which something may be broken: the checkout itself is never touched.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

/// What no build needs.
const LEFT_OUT: [&str; 3] = [".git", ".jj", "target"];

/// Makes `to` what `from` is. A file that is the same already is left alone, so that what was built of it stands.
pub fn copy(from: &Path, to: &Path, target: &Path) -> Result<(), String> {
    let said =
        |what: &str, path: &Path, err: std::io::Error| format!("cannot {what} {}: {err}", path.display());
    fs::create_dir_all(to).map_err(|err| said("make", to, err))?;
    let mut here = BTreeSet::new();
    for entry in fs::read_dir(from).map_err(|err| said("read", from, err))? {
        let entry = entry.map_err(|err| said("read", from, err))?;
        let (path, name) = (entry.path(), entry.file_name());
        if LEFT_OUT.iter().any(|left_out| name == OsStr::new(left_out)) || path == target {
            continue;
        }
        let into = to.join(&name);
        let kind = entry.file_type().map_err(|err| said("read", &path, err))?;
        if kind.is_dir() {
            copy(&path, &into, target)?;
        } else if kind.is_file() {
            let is_same = match (fs::read(&path), fs::read(&into)) {
                (Ok(one), Ok(other)) => one == other,
                _ => false,
            };
            if !is_same {
                fs::copy(&path, &into).map_err(|err| said("copy", &path, err))?;
            }
        } else {
            // Links lead out of the tree; no build needs them.
            continue;
        }
        here.insert(name);
    }
    for entry in fs::read_dir(to).map_err(|err| said("read", to, err))? {
        let entry = entry.map_err(|err| said("read", to, err))?;
        let path = entry.path();
        if here.contains(&entry.file_name()) {
            continue;
        }
        let gone = if path.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        gone.map_err(|err| said("remove", &path, err))?;
    }
    Ok(())
}
