//! What a story asks of its guest, in the lines of its file that begin with `#:`.

use std::fs;
use std::path::{Path, PathBuf};

/// What begins a line that asks for something.
const ASKS: &str = "#:";

/// What may be asked for.
const ASKED: [&str; 11] = [
    "modules",
    "module",
    "qemu",
    "ours",
    "programs",
    "examples",
    "packages",
    "file",
    "measured",
    "lasts",
    "one-thread",
];

/// A story file and what it asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Story {
    /// The script.
    pub script: PathBuf,
    /// Kernel modules with their parameters, in the order in which they are to be loaded.
    pub modules: Vec<(String, String)>,
    /// Further words for the emulator.
    pub devices: Vec<String>,
    /// Programs of ours, in the place of the agent and the command line.
    pub ours: Vec<String>,
    /// Programs of the host that the guest needs.
    pub programs: Vec<String>,
    /// Examples of our crates that the guest needs.
    pub examples: Vec<String>,
    /// Packages of the distribution that the guest needs, unpacked, with the libraries that they are linked with.
    pub packages: Vec<String>,
    /// Files of the workspace and where the guest has them.
    pub files: Vec<(String, String)>,
    /// Whether it measures: our programs are the optimised ones, and the house itself is in the guest, with its stop watch.
    pub is_measured: bool,
    /// Whether all CPUs of the guest share one thread of the emulator. It is slower, and loses no timer, which several threads do now
    /// and then when the host is busy: for what lasts long.
    pub has_one_thread: bool,
    /// How many seconds it may take, where that is more than any other needs.
    pub lasts: Option<u64>,
    /// The script that runs on the host beside the guest.
    pub companion: Option<PathBuf>,
}

impl Story {
    /// Reads a story. Its companion is the file of the same name that ends in `.host`.
    pub fn read(script: &Path) -> Result<Story, String> {
        let text =
            fs::read_to_string(script).map_err(|err| format!("cannot read {}: {err}", script.display()))?;
        let companion = script.with_extension("host");
        let mut story = Story::parse(&text).map_err(|why| format!("{}: {why}", script.display()))?;
        story.script = script.to_owned();
        story.companion = companion.is_file().then_some(companion);
        Ok(story)
    }

    /// The name of the file.
    pub fn name(&self) -> String {
        let stem = self.script.file_stem().unwrap_or_default();
        stem.to_string_lossy().into_owned()
    }

    fn parse(text: &str) -> Result<Story, String> {
        let mut story = Story::default();
        for (at, line) in text.lines().enumerate() {
            let Some(ask) = line.strip_prefix(ASKS) else {
                continue;
            };
            let mut words = ask.split_whitespace().map(str::to_owned);
            let kind = words.next().unwrap_or_default();
            match kind.as_str() {
                "modules" => story.modules.extend(words.map(|name| (name, String::new()))),
                "module" => {
                    let name = words.next().unwrap_or_default();
                    story.modules.push((name, words.collect::<Vec<_>>().join(" ")));
                }
                "qemu" => story.devices.extend(words),
                "ours" => story.ours.extend(words),
                "programs" => story.programs.extend(words),
                "examples" => story.examples.extend(words),
                "packages" => story.packages.extend(words),
                "file" => {
                    let (Some(from), Some(to)) = (words.next(), words.next()) else {
                        return Err(format!("line {}: expected: file FROM TO", at + 1));
                    };
                    story.files.push((from, to));
                }
                "measured" => story.is_measured = true,
                "one-thread" => story.has_one_thread = true,
                "lasts" => {
                    let seconds = words.next().and_then(|word| word.parse().ok());
                    let why = || format!("line {}: expected: lasts SECONDS", at + 1);
                    story.lasts = Some(seconds.ok_or_else(why)?);
                }
                other => {
                    return Err(format!(
                        "line {}: unknown ask {other:?}; expected {}",
                        at + 1,
                        ASKED.join(", ")
                    ));
                }
            }
        }
        Ok(story)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_story_asks_in_its_own_lines() {
        let text = "# a story\n#: modules a b\n#: module nvme_core admin_timeout=5 io_timeout=3\n\
                    #: qemu -device x,id=y -m slots=4\n#: programs nvme\n#: ours busbar busbar-rack\n#: packages crun dbus\n\
                    #: file a/b.service etc/b.service\n#: measured\n#: one-thread\n#: lasts 900\ncheck '#: no'\n";
        let story = Story::parse(text).unwrap();
        let module = |name: &str, words: &str| (name.to_owned(), words.to_owned());
        assert_eq!(
            story.modules,
            [
                module("a", ""),
                module("b", ""),
                module("nvme_core", "admin_timeout=5 io_timeout=3")
            ]
        );
        assert_eq!(story.devices, ["-device", "x,id=y", "-m", "slots=4"]);
        assert_eq!(story.programs, ["nvme"]);
        assert_eq!(story.ours, ["busbar", "busbar-rack"]);
        assert_eq!(story.packages, ["crun", "dbus"]);
        let file = ("a/b.service".to_owned(), "etc/b.service".to_owned());
        assert_eq!(
            (story.files.as_slice(), story.is_measured, story.lasts),
            ([file].as_slice(), true, Some(900))
        );
        assert!(story.has_one_thread && !Story::parse("").unwrap().has_one_thread);
        let half = Story::parse("#: file a\n").unwrap_err();
        assert!(half.contains("FROM TO"), "{half}");
        let soon = Story::parse("#: lasts long\n").unwrap_err();
        assert!(
            soon.contains("line 1") && soon.contains("lasts SECONDS"),
            "{soon}"
        );
        let wrong = Story::parse("\n#: modlues a\n").unwrap_err();
        assert!(wrong.contains("line 2") && wrong.contains("modlues"), "{wrong}");
    }
}
