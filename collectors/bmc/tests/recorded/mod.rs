//! The recorded BMCs that stand beside the project, unpacked once below the build folder.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder with the recorded trees' archives, where there is one.
pub fn archives() -> Option<PathBuf> {
    let shared = std::env::var_os("BUSBAR_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let folder = shared.join("bmc-trees");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no shared folder at {}", folder.display());
    None
}

/// Unpacked once for all tests and runs, below the build folder.
pub fn unpack(archives: &Path, tree: &str) -> PathBuf {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bmc-trees");
    let dir = kept.join(tree);
    if dir.is_dir() {
        return dir;
    }
    std::fs::create_dir_all(&kept).unwrap();
    let fresh = tempfile::tempdir_in(&kept).unwrap();
    let archive = archives.join(format!("{tree}.tar.xz"));
    let status = Command::new("tar")
        .arg("xJf")
        .arg(&archive)
        .arg("-C")
        .arg(fresh.path())
        .status()
        .unwrap();
    assert!(status.success(), "cannot unpack {}", archive.display());
    // Another test may have been faster: then its copy stands there, which is as good.
    let _ = std::fs::rename(fresh.path().join(tree), &dir);
    assert!(dir.is_dir(), "{} holds no {tree}", archive.display());
    dir
}
