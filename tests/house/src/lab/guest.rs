//! One guest: an initramfs with our real binaries, a boot, and the checks that its story prints.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Checks;
use super::companion::{self, Around, Start};
use super::kernel::{self, Kernel};
use super::pack;
use super::relay::Lines;
use super::story::Story;
use super::tree;
use crate::place::{Place, on_path};
use crate::progress::{Running, Screen, Verdict};

/// The emulator.
pub const EMULATOR: &str = "qemu-system-x86_64";

/// A story that takes longer hangs, unless it says how long it lasts: the others take half a minute on two busy cores.
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

/// What the story prints before the name of a check that held and of one that did not.
const HELD: &str = "CHECK ok ";
const BROKE: &str = "CHECK FAIL ";
/// What it prints before the name of a check that cannot be made here, with the reason.
const SKIPPED: &str = "CHECK SKIP ";
/// What it prints before something that it measured.
const MEASURED: &str = "MEASURED ";
/// What the guest's kernel says when one of its CPUs makes nothing of 20 s: the emulator lost an interrupt of it, or a timer, and no
/// program in the guest can bring that about or go on from there.
const STUCK: &str = "watchdog: BUG: soft lockup";
/// How often that is looked for.
const LOOKED_FOR: Duration = Duration::from_secs(2);
/// What `init` prints when the story has ended.
const END: &str = "STORY END";

/// What came of one story.
pub enum Told {
    /// It ran.
    Checks(Checks),
    /// Something that it needs is not there: what.
    Skipped(String),
}

/// Runs a story, and once more where its guest died or stood still in the middle: an emulator crashes or loses an interrupt now and
/// then, and a guest that dies of what we do dies again.
pub fn run(
    place: &Place,
    screen: &Screen,
    kernel: &Kernel,
    script: &Path,
    may: bool,
) -> Result<Told, String> {
    match once(place, screen, kernel, script, may)? {
        Told::Checks(checks) if checks.is_cut => {
            screen.line("    its guest died or stood still in the middle of it, so once more");
            once(place, screen, kernel, script, may)
        }
        told @ (Told::Checks(_) | Told::Skipped(_)) => Ok(told),
    }
}

/// Boots a guest, runs one story in it, and counts its checks.
fn once(place: &Place, screen: &Screen, kernel: &Kernel, script: &Path, may: bool) -> Result<Told, String> {
    let story = Story::read(script)?;
    let name = story.name();
    let title = format!("lab {name}");
    let failed = |why: String| kernel::failed(screen, &title, &why);
    let packages = match needs(place, screen, &story, may) {
        Ok(packages) => packages,
        Err(why) => {
            screen.begin(&title, None).end(Verdict::Skip, &why);
            return Ok(Told::Skipped(why));
        }
    };
    let folder = Folder::new(&name)?;
    let initramfs = place.records.join(format!("lab-{name}.cpio"));
    let archive = pack::pack(place, kernel, &story, packages.as_deref()).map_err(failed)?;
    fs::write(&initramfs, archive).map_err(|err| format!("cannot write {}: {err}", initramfs.display()))?;
    let around = Around {
        root: &place.root,
        folder: &folder.0,
        programs: &place.binaries(story.is_measured),
        kernel: &kernel.image,
        initramfs: &initramfs,
    };
    let mut companion = match beside(place, &story, &around).map_err(failed)? {
        None => None,
        Some(Start::Ready(companion)) => Some(companion),
        Some(Start::Skip(why)) => {
            screen.begin(&title, None).end(Verdict::Skip, &why);
            return Ok(Told::Skipped(why));
        }
    };
    let log = place.log(&format!("lab-{name}"));
    let lines = Lines::within(&folder.0);
    let mut command = emulator(kernel, &initramfs, &log, &story);
    command.args(lines.words()).args(&story.devices);
    if let Some(companion) = &companion {
        command.args(&companion.devices);
    }
    let mut running = screen.begin(&title, None);
    running.advance(&format!("a guest with Linux {}", kernel::name(&kernel.image)));
    let errors = place.log(&format!("lab-{name}-emulator"));
    let written =
        fs::File::create(&errors).map_err(|err| format!("cannot write {}: {err}", errors.display()))?;
    let child = command
        .stderr(written)
        .spawn()
        .map_err(|err| format!("cannot start {EMULATOR}: {err}"))?;
    let mut child = Emulator(child);
    if let Err(why) = lines.pass_on(companion.as_mut()) {
        running.end(Verdict::Fail, &format!("{why}: {}", kernel::end_of(&errors)));
        return Ok(Told::Checks(Checks {
            failed: 1,
            broken: vec![format!("{title}: {why}")],
            ..Checks::default()
        }));
    }
    let deadline = story.lasts.map_or(DEADLINE, Duration::from_secs);
    let (ended, in_time) = child.wait(&log, deadline, || running.draw());
    // The emulator ends first: the companion's input ends with it.
    drop(child);
    drop(companion);
    let mut checks = tell(screen, running, kernel, &title, &log, &ended);
    checks.is_cut &= in_time;
    if checks.is_cut {
        // What the next run would write over.
        let _ = fs::rename(&log, place.log(&format!("lab-{name}-cut")));
    }
    Ok(Told::Checks(checks))
}

/// The story's companion, where it has one.
fn beside(place: &Place, story: &Story, around: &Around<'_>) -> Result<Option<Start>, String> {
    let log = place.log(&format!("lab-{}-host", story.name()));
    let start = |script: &PathBuf| companion::start(script, around, &log);
    story.companion.as_ref().map(start).transpose()
}

/// What a story cannot do without, other than a companion: where its packages are, or what is missing.
fn needs(place: &Place, screen: &Screen, story: &Story, may: bool) -> Result<Option<PathBuf>, String> {
    if let Some(missing) = story.programs.iter().find(|program| on_path(program).is_none()) {
        return Err(format!("it needs {missing}, which is not installed"));
    }
    if let Some(missing) = pack::ours(place, story).iter().find(|file| !file.is_file()) {
        let name = story.name();
        return Err(format!("{} is not built (cargo lab {name})", missing.display()));
    }
    if story.packages.is_empty() {
        return Ok(None);
    }
    tree::fetch(place, screen, &story.packages, may).map(Some)
}

/// Counts the checks of a story whose emulator ended like this, and shows those that did not hold.
fn tell(
    screen: &Screen,
    running: Running<'_>,
    kernel: &Kernel,
    title: &str,
    log: &Path,
    ended: &str,
) -> Checks {
    let text = fs::read_to_string(log).unwrap_or_default();
    let mut checks = count(title, &text);
    let whole = text.lines().any(|line| line.trim_end() == END);
    for line in &checks.measured {
        screen.line(&format!("    {MEASURED}{line}"));
    }
    for line in text.lines().filter(|line| line.starts_with(SKIPPED)) {
        screen.line(&format!("    {}", line.trim_end()));
    }
    if whole && checks.failed == 0 {
        let linux = kernel::name(&kernel.image);
        running.end(
            Verdict::Pass,
            &format!("{} checks on Linux {linux}", checks.passed),
        );
        return checks;
    }
    for line in text.lines().filter(|line| line.starts_with(BROKE)) {
        screen.line(&format!("    {}", line.trim_end()));
    }
    if !whole {
        screen.line(&format!("    {ended}; {}", kernel::end_of(log)));
        let last = text.lines().next_back().unwrap_or_default();
        checks.failed += 1;
        checks.is_cut = true;
        checks.broken.push(format!(
            "{title}: it broke off ({ended}) after: {}",
            last.trim_end()
        ));
    }
    running.end(Verdict::Fail, &format!("log: {}", log.display()));
    checks
}

/// A folder with a short path for one story, removed with its contents.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Result<Folder, String> {
        let path = std::env::temp_dir().join(format!("busbar-lab-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).map_err(|err| format!("cannot make {}: {err}", path.display()))?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left lies among the temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The emulator's process; it never outlives its story.
struct Emulator(Child);

impl Emulator {
    /// Until it ends or is out of time; how it ended, for people, and whether it ended by itself.
    fn wait(&mut self, log: &Path, deadline: Duration, mut meanwhile: impl FnMut()) -> (String, bool) {
        let began = Instant::now();
        let mut looked = began;
        loop {
            match self.0.try_wait() {
                Ok(Some(status)) => return (format!("{EMULATOR} ended: {status}"), true),
                Err(err) => return (format!("{EMULATOR} cannot be waited for: {err}"), false),
                Ok(None) if began.elapsed() >= deadline => {
                    return (format!("not ended within {} s", deadline.as_secs()), false);
                }
                Ok(None) => {}
            }
            if looked.elapsed() >= LOOKED_FOR {
                looked = Instant::now();
                if is_stuck(&fs::read_to_string(log).unwrap_or_default()) {
                    return ("a CPU of the guest stands still".to_owned(), true);
                }
            }
            std::thread::sleep(Duration::from_millis(100));
            meanwhile();
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // It is ours and past its time; that it may have ended is no error.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn is_stuck(text: &str) -> bool {
    text.lines().any(|line| line.contains(STUCK))
}

fn count(title: &str, text: &str) -> Checks {
    let lines = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
    let broken = text.lines().filter_map(|line| line.strip_prefix(BROKE));
    let measured = text.lines().filter_map(|line| line.strip_prefix(MEASURED));
    Checks {
        passed: lines(HELD),
        failed: lines(BROKE),
        skipped: lines(SKIPPED),
        is_cut: false,
        broken: broken
            .map(|line| format!("{title}: {}", line.trim_end()))
            .collect(),
        measured: measured.map(|line| line.trim_end().to_owned()).collect(),
    }
}

fn emulator(kernel: &Kernel, initramfs: &Path, log: &Path, story: &Story) -> Command {
    let mut command = Command::new(EMULATOR);
    let threads = if story.has_one_thread { "single" } else { "multi" };
    command
        .args(MACHINE)
        .arg(format!("file:{}", log.display()))
        .args(["-accel", &format!("tcg,thread={threads}")]);
    command
        .arg("-kernel")
        .arg(&kernel.image)
        .arg("-initrd")
        .arg(initramfs);
    command.args(["-append", "console=ttyS0 quiet panic=-1 tsc=unstable"]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_counted_by_their_lines() {
        let text = "boot\nCHECK ok one\nCHECK FAIL two: why\nCHECK ok three\r\nCHECK SKIP four: no\nMEASURED a: 1 ms\r\nSTORY END\n";
        let (passed, failed, skipped) = (2, 1, 1);
        assert_eq!(
            count("lab x", text),
            Checks {
                passed,
                failed,
                skipped,
                is_cut: false,
                broken: vec!["lab x: two: why".to_owned()],
                measured: vec!["a: 1 ms".to_owned()],
            }
        );
        assert_eq!(count("lab x", "CHECK okay"), Checks::default());
        assert!(!is_stuck(text));
        assert!(is_stuck(
            "[   33.0] watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [see topology:279]\n"
        ));
    }
}
