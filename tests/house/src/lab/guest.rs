//! One guest: an initramfs with our real binaries, a boot, and the checks that its story prints.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::Checks;
use super::archive::Archive;
use super::kernel::{self, Kernel};
use crate::place::Place;
use crate::progress::{Screen, Verdict};

/// The emulator.
pub const EMULATOR: &str = "qemu-system-x86_64";

/// Programs of ours in the guest.
const PROGRAMS: [&str; 2] = ["busbar-agent", "busbar"];

/// A story that takes longer hangs: the longest takes half a minute on two busy cores.
const DEADLINE: Duration = Duration::from_secs(300);

/// Four CPUs on two NUMA nodes with a distance: enough for an exclusive CPU, a shared one, and one to switch off.
const MACHINE: [&str; 28] = [
    "-machine",
    "q35",
    "-cpu",
    "max",
    "-m",
    "1024",
    "-smp",
    "4,sockets=2,cores=2,threads=1",
    "-object",
    "memory-backend-ram,id=m0,size=512M",
    "-object",
    "memory-backend-ram,id=m1,size=512M",
    "-numa",
    "node,nodeid=0,memdev=m0",
    "-numa",
    "node,nodeid=1,memdev=m1",
    "-numa",
    "cpu,node-id=0,socket-id=0",
    "-numa",
    "cpu,node-id=1,socket-id=1",
    "-numa",
    "dist,src=0,dst=1,val=21",
    "-nodefaults",
    "-no-user-config",
    "-no-reboot",
    "-display",
    "none",
    "-serial",
];

/// What the story prints before the name of a check that held, of one that did not, and at its end.
const HELD: &str = "CHECK ok ";
const BROKE: &str = "CHECK FAIL ";
const END: &str = "STORY END";

/// Boots a guest, runs one story in it, and counts its checks.
pub fn run(place: &Place, screen: &Screen, kernel: &Kernel, story: &Path) -> Result<Checks, String> {
    let name = story
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default();
    let title = format!("lab {name}");
    let initramfs = place.records.join(format!("lab-{name}.cpio"));
    let archive = pack(place, kernel, story).map_err(|why| kernel::failed(screen, &title, &why))?;
    fs::write(&initramfs, archive).map_err(|err| format!("cannot write {}: {err}", initramfs.display()))?;
    let log = place.log(&format!("lab-{name}"));
    let mut running = screen.begin(&title, None);
    running.advance(&format!("a guest with Linux {}", kernel::name(&kernel.image)));
    let mut child = emulator(kernel, &initramfs, &log)
        .spawn()
        .map_err(|err| format!("cannot start {EMULATOR}: {err}"))?;
    let began = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(_)) => break,
            Ok(None) if began.elapsed() < DEADLINE => std::thread::sleep(Duration::from_millis(100)),
            Ok(None) | Err(_) => {
                // It is ours and past its time; that it may just have ended is no error.
                let _ = child.kill();
                let _ = child.wait();
                break;
            }
        }
        running.draw();
    }
    let text = fs::read_to_string(&log).unwrap_or_default();
    let checks = count(&text);
    let whole = text.lines().any(|line| line.trim_end() == END);
    let broken: Vec<&str> = text.lines().filter(|line| line.starts_with(BROKE)).collect();
    if whole && checks.failed == 0 {
        running.end(
            Verdict::Pass,
            &format!(
                "{} checks on Linux {}",
                checks.passed,
                kernel::name(&kernel.image)
            ),
        );
        return Ok(checks);
    }
    broken
        .iter()
        .for_each(|line| screen.line(&format!("    {}", line.trim_end())));
    if !whole {
        screen.line(&format!("    {}", kernel::end_of(&log)));
    }
    running.end(Verdict::Fail, &format!("log: {}", log.display()));
    let unfinished = usize::from(!whole);
    Ok(Checks {
        passed: checks.passed,
        failed: checks.failed + unfinished,
    })
}

fn count(text: &str) -> Checks {
    let lines = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
    Checks {
        passed: lines(HELD),
        failed: lines(BROKE),
    }
}

fn emulator(kernel: &Kernel, initramfs: &Path, log: &Path) -> Command {
    let mut command = Command::new(EMULATOR);
    command
        .args(MACHINE)
        .arg(format!("file:{}", log.display()))
        .args(["-accel", "tcg,thread=multi"]);
    command
        .arg("-kernel")
        .arg(&kernel.image)
        .arg("-initrd")
        .arg(initramfs);
    command.args(["-append", "console=ttyS0 quiet panic=-1 tsc=unstable"]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn pack(place: &Place, kernel: &Kernel, story: &Path) -> Result<Vec<u8>, String> {
    let mut archive = Archive::new();
    for folder in ["proc", "sys", "tmp", "run", "etc", "root"] {
        archive.directory(folder);
    }
    archive.copy(&kernel.busybox, "bin/busybox")?;
    archive.link("bin/sh", "busybox");
    archive.copy(&place.root.join("tests/lab/guest/init"), "init")?;
    archive.copy(story, "story")?;
    for program in PROGRAMS {
        let file = place.binaries(false).join(program);
        archive.copy(&file, &format!("bin/{program}"))?;
        for library in libraries(&file)? {
            let path = library.to_string_lossy().trim_start_matches('/').to_owned();
            archive.copy(&library, &path)?;
        }
    }
    Ok(archive.finish())
}

/// The shared libraries of a program, as the loader finds them.
fn libraries(program: &Path) -> Result<Vec<PathBuf>, String> {
    let answer = Command::new("ldd")
        .arg(program)
        .output()
        .map_err(|err| format!("cannot start ldd: {err}"))?;
    let text = String::from_utf8_lossy(&answer.stdout).into_owned();
    // A line is `libhwloc.so.15 => /usr/lib/…/libhwloc.so.15 (0x…)` or `/lib64/ld-linux-x86-64.so.2 (0x…)`.
    let paths = text
        .lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    Ok(paths.map(PathBuf::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_counted_by_their_lines() {
        let text = "boot\nCHECK ok one\nCHECK FAIL two: why\nCHECK ok three\r\nSTORY END\n";
        assert_eq!(count(text), Checks { passed: 2, failed: 1 });
        assert_eq!(count("CHECK okay"), Checks::default());
    }
}
