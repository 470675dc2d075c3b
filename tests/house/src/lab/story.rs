//! What a story asks of its guest, in the lines of its file that begin with `#:`.

use std::fs;
use std::path::{Path, PathBuf};

/// What begins a line that asks for something.
const ASKS: &str = "#:";

/// A story file and what it asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Story {
    /// The script.
    pub script: PathBuf,
    /// Kernel modules with their parameters, in the order in which they are to be loaded.
    pub modules: Vec<(String, String)>,
    /// Further words for the emulator.
    pub devices: Vec<String>,
    /// Programs of the host that the guest needs.
    pub programs: Vec<String>,
    /// Examples of our crates that the guest needs.
    pub examples: Vec<String>,
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
                "programs" => story.programs.extend(words),
                "examples" => story.examples.extend(words),
                other => {
                    return Err(format!(
                        "line {}: unknown ask {other:?}; expected modules, module, qemu, programs or examples",
                        at + 1
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
                    #: qemu -device x,id=y -m slots=4\n#: programs nvme\ncheck '#: no'\n";
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
        let wrong = Story::parse("\n#: modlues a\n").unwrap_err();
        assert!(wrong.contains("line 2") && wrong.contains("modlues"), "{wrong}");
    }
}
