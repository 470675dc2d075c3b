//! A disk of its own for the journal: an ext4 in a file, mounted where only the controller sees it.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use house_tests::raise::{Binaries, Fleet};
use house_tests::wait;

use crate::stand::PATIENCE;

/// Enough for a journal, and soon filled.
const SIZE: u64 = 32 << 20;
/// What fills it.
const BALLAST: &str = "ballast";

fn run(command: &mut Command, fine: &[i32]) -> anyhow::Result<String> {
    let done = command
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    let said = [done.stdout, done.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    ensure!(
        done.status.code().is_some_and(|code| fine.contains(&code)),
        "{command:?}: {said:?}"
    );
    Ok(said.concat())
}

/// The file that holds the disk.
pub fn image(fleet: &Fleet) -> PathBuf {
    fleet.folder.join("disk")
}

/// Makes it, with nothing in it.
pub fn make(fleet: &Fleet) -> anyhow::Result<()> {
    File::create(image(fleet))?.set_len(SIZE)?;
    run(
        Command::new("mkfs.ext4")
            .args(["-q", "-F", "-m", "0"])
            .arg(image(fleet)),
        &[0],
    )?;
    std::fs::create_dir_all(fleet.state_dir())?;
    Ok(())
}

/// What a machine does when its disk was sick: the file system is checked and mended.
pub fn mend(fleet: &Fleet) -> anyhow::Result<String> {
    let path = image(fleet);
    wait::until("the kernel to leave the disk", PATIENCE, || {
        let held = run(Command::new("losetup").arg("-j").arg(&path), &[0])?;
        ensure!(held.trim().is_empty(), "{held}");
        Ok(Some(()))
    })?;
    // 1: errors were corrected.
    run(Command::new("fsck.ext4").args(["-f", "-y"]).arg(path), &[0, 1])
}

/// Starts the controller with the disk below its state directory.
pub fn start_rack(fleet: &mut Fleet, options: &str) -> anyhow::Result<()> {
    let folder = fleet.folder.path().to_owned();
    let script =
        "mount --make-rprivate / && mount -o \"loop,$2\" \"$1/disk\" \"$1/rack\" && shift 2 && exec \"$@\"";
    let mut command = Command::new("unshare");
    command
        .args(["-m", "sh", "-c", script, "sh"])
        .arg(&folder)
        .arg(options);
    command.arg(fleet.binaries.path(Binaries::RACK));
    fleet.start_rack_within(command)
}

/// Whether this process may mount a file.
pub fn may_mount(folder: &Path) -> bool {
    let script = "mount --make-rprivate / && mkdir -p \"$1/try\" && truncate -s 8M \"$1/try.img\" && mkfs.ext4 -q -F \"$1/try.img\" && \
                  mount -o loop \"$1/try.img\" \"$1/try\" && fsfreeze -f \"$1/try\" && fsfreeze -u \"$1/try\" && \
                  command -v fsck.ext4 && command -v losetup";
    let mut command = Command::new("unshare");
    let done = command
        .args(["-m", "sh", "-c", script, "sh"])
        .arg(folder)
        .output();
    done.is_ok_and(|done| done.status.success())
}

/// The disk as the controller sees it.
pub fn mounted(fleet: &Fleet) -> anyhow::Result<PathBuf> {
    let rack = fleet.rack.as_ref().context("the controller is down")?;
    let root = PathBuf::from(format!("/proc/{}/root", rack.daemon.pid()));
    let folder = fleet.state_dir();
    Ok(root.join(folder.strip_prefix("/").unwrap_or(&folder)))
}

/// Fills the disk to its last block.
pub fn fill(fleet: &Fleet) -> anyhow::Result<()> {
    let mut ballast = File::create(mounted(fleet)?.join(BALLAST))?;
    for size in [1 << 20, 4096, 512] {
        let block = vec![0_u8; size];
        while ballast.write_all(&block).is_ok() {}
    }
    // What is only promised of the last block is not had yet.
    let _ = ballast.sync_all();
    Ok(())
}

/// The disk hangs: who writes to it sleeps in the kernel, and cannot even be killed.
pub fn freeze(mounted: &Path) -> anyhow::Result<()> {
    run(Command::new("fsfreeze").arg("-f").arg(mounted), &[0]).map(|_| ())
}

/// It goes on.
pub fn thaw(mounted: &Path) -> anyhow::Result<()> {
    run(Command::new("fsfreeze").arg("-u").arg(mounted), &[0]).map(|_| ())
}

/// Gives the room back.
pub fn empty(fleet: &Fleet) -> anyhow::Result<()> {
    std::fs::remove_file(mounted(fleet)?.join(BALLAST))?;
    Ok(())
}

/// An error of the disk, as the kernel sees one: from then on its file system is read-only.
pub fn fault(fleet: &Fleet) -> anyhow::Result<()> {
    let rack = fleet.rack.as_ref().context("the controller is down")?;
    let mounts = std::fs::read_to_string(format!("/proc/{}/mountinfo", rack.daemon.pid()))?;
    let folder = fleet.state_dir().display().to_string();
    let line = mounts
        .lines()
        .find(|line| line.split(' ').nth(4) == Some(&folder));
    let device = line.and_then(|line| line.split(" - ").nth(1)?.split(' ').nth(1)?.rsplit('/').next());
    let device = device.with_context(|| format!("no disk at {folder} in {mounts}"))?;
    let file = format!("/sys/fs/ext4/{device}/trigger_fs_error");
    std::fs::write(&file, "of a test\n").with_context(|| format!("cannot write {file}"))
}
