//! One guest: an initramfs with our real binaries, a boot, and the checks that its story prints.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Checks;
use super::archive::Archive;
use super::companion::{self, Start};
use super::kernel::{self, Kernel};
use super::modules::Modules;
use super::relay::Lines;
use super::story::Story;
use crate::place::{Place, on_path};
use crate::progress::{Running, Screen, Verdict};

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

/// What the story prints before the name of a check that held and of one that did not.
const HELD: &str = "CHECK ok ";
const BROKE: &str = "CHECK FAIL ";
/// What it prints before the name of a check that cannot be made here, with the reason.
const SKIPPED: &str = "CHECK SKIP ";
/// What it prints before something that it measured.
const MEASURED: &str = "MEASURED ";
/// What `init` prints when the story has ended.
const END: &str = "STORY END";

/// What came of one story.
pub enum Told {
    /// It ran.
    Checks(Checks),
    /// Something that it needs is not there.
    Skipped,
}

/// Boots a guest, runs one story in it, and counts its checks.
pub fn run(place: &Place, screen: &Screen, kernel: &Kernel, script: &Path) -> Result<Told, String> {
    let story = Story::read(script)?;
    let name = story.name();
    let title = format!("lab {name}");
    let failed = |why: String| kernel::failed(screen, &title, &why);
    if let Some(missing) = story.programs.iter().find(|program| on_path(program).is_none()) {
        let why = format!("it needs {missing}, which is not installed");
        screen.begin(&title, None).end(Verdict::Skip, &why);
        return Ok(Told::Skipped);
    }
    let folder = Folder::new(&name)?;
    let companion_log = place.log(&format!("lab-{name}-host"));
    let mut companion = match &story.companion {
        None => None,
        Some(script) => {
            match companion::start(script, &place.root, &folder.0, &companion_log).map_err(failed)? {
                Start::Ready(companion) => Some(companion),
                Start::Skip(why) => {
                    screen.begin(&title, None).end(Verdict::Skip, &why);
                    return Ok(Told::Skipped);
                }
            }
        }
    };
    let initramfs = place.records.join(format!("lab-{name}.cpio"));
    let archive = pack(place, kernel, &story).map_err(failed)?;
    fs::write(&initramfs, archive).map_err(|err| format!("cannot write {}: {err}", initramfs.display()))?;
    let log = place.log(&format!("lab-{name}"));
    let lines = Lines::within(&folder.0);
    let mut command = emulator(kernel, &initramfs, &log);
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
    let ended = child.wait(|| running.draw());
    // The emulator ends first: the companion's input ends with it.
    drop(child);
    drop(companion);
    Ok(Told::Checks(tell(screen, running, kernel, &title, &log, &ended)))
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
    for line in text.lines().filter(|line| line.starts_with(MEASURED)) {
        screen.line(&format!("    {}", line.trim_end()));
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
    /// Until it ends or is out of time; how it ended, for people.
    fn wait(&mut self, mut meanwhile: impl FnMut()) -> String {
        let began = Instant::now();
        loop {
            match self.0.try_wait() {
                Ok(Some(status)) => return format!("{EMULATOR} ended: {status}"),
                Err(err) => return format!("{EMULATOR} cannot be waited for: {err}"),
                Ok(None) if began.elapsed() >= DEADLINE => {
                    return format!("not ended within {} s", DEADLINE.as_secs());
                }
                Ok(None) => {}
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

fn count(title: &str, text: &str) -> Checks {
    let lines = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
    let broken = text.lines().filter_map(|line| line.strip_prefix(BROKE));
    Checks {
        passed: lines(HELD),
        failed: lines(BROKE),
        skipped: lines(SKIPPED),
        broken: broken
            .map(|line| format!("{title}: {}", line.trim_end()))
            .collect(),
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
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn pack(place: &Place, kernel: &Kernel, story: &Story) -> Result<Vec<u8>, String> {
    let mut archive = Archive::new();
    for folder in ["proc", "sys", "tmp", "run", "etc", "root"] {
        archive.directory(folder);
    }
    archive.copy(&kernel.busybox, "bin/busybox")?;
    archive.link("bin/sh", "busybox");
    archive.copy(&place.root.join("tests/lab/guest/init"), "init")?;
    archive.copy(&place.root.join("tests/lab/guest/words"), "words")?;
    archive.copy(&story.script, "story")?;
    let ours = PROGRAMS.map(|program| place.binaries(false).join(program));
    let mut programs = ours.to_vec();
    let examples = place.binaries(false).join("examples");
    programs.extend(story.examples.iter().map(|name| examples.join(name)));
    for name in &story.programs {
        programs
            .push(on_path(name).ok_or_else(|| format!("the story needs {name}, which is not installed"))?);
    }
    for file in programs {
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        archive.copy(&file, &format!("bin/{name}"))?;
        for library in libraries(&file)? {
            let path = library.to_string_lossy().trim_start_matches('/').to_owned();
            archive.copy(&library, &path)?;
        }
    }
    pack_modules(&mut archive, kernel, story)?;
    Ok(archive.finish())
}

/// The modules, and the list by which `init` loads them: a file and its parameters a line.
fn pack_modules(archive: &mut Archive, kernel: &Kernel, story: &Story) -> Result<(), String> {
    let mut list = String::new();
    if !story.modules.is_empty() {
        let modules = Modules::of(&kernel.folder)?;
        let mut loaded = BTreeSet::new();
        for (name, words) in &story.modules {
            let all = modules.with_needs(name, &mut loaded)?;
            let last = all.len().saturating_sub(1);
            for (at, module) in all.into_iter().enumerate() {
                let path = format!("modules/{}.ko", module.name);
                archive.file(&path, &module.bytes);
                let words = if at == last { words.as_str() } else { "" };
                list.push_str(&format!("/{path} {words}\n"));
            }
        }
    }
    archive.file("modules/list", list.as_bytes());
    Ok(())
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
        let text =
            "boot\nCHECK ok one\nCHECK FAIL two: why\nCHECK ok three\r\nCHECK SKIP four: no\nSTORY END\n";
        let (passed, failed, skipped) = (2, 1, 1);
        assert_eq!(
            count("lab x", text),
            Checks {
                passed,
                failed,
                skipped,
                broken: vec!["lab x: two: why".to_owned()],
            }
        );
        assert_eq!(count("lab x", "CHECK okay"), Checks::default());
    }
}
