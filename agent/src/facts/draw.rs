//! The machine as a tree that a person likes to read: alike things once, devices under the NUMA node that they are near.

use std::fmt::Write as _;
use std::path::Path;

use facts::Inventory;

use super::style::{Style, count, numbers};
use super::{near, parts, tree};

/// How wide the names of the sections below the tree are.
const SECTION_WIDTH: usize = 10;

/// One line and what hangs below it.
pub(super) struct Line {
    /// Itself.
    pub text: String,
    /// What hangs below it.
    pub below: Vec<Line>,
}

impl Line {
    /// A line with nothing below it.
    pub fn alone(text: String) -> Line {
        Line {
            text,
            below: Vec::new(),
        }
    }
}

/// The whole drawing. Paths are shown as seen from `root`.
pub fn text(inventory: &Inventory, root: &Path, style: Style) -> String {
    let painter = Painter { inventory, style };
    let mut out = painter.heading();
    let machine = tree::of(inventory);
    let parts = near::parts(inventory, style);
    let lines = painter.inside(&machine, parts.iter().collect());
    hang(&mut out, &lines, "");
    for (name, lines) in parts::sections(inventory, root, style) {
        let _ = writeln!(out);
        for (index, line) in lines.iter().enumerate() {
            let name = if index == 0 {
                format!("{name:SECTION_WIDTH$}")
            } else {
                " ".repeat(SECTION_WIDTH)
            };
            let _ = writeln!(out, "{}{line}", style.name(&name));
        }
    }
    out
}

fn hang(out: &mut String, lines: &[Line], before: &str) {
    for (index, line) in lines.iter().enumerate() {
        let is_last = index + 1 == lines.len();
        let _ = writeln!(
            out,
            "{before}{}{}",
            if is_last { "└─ " } else { "├─ " },
            line.text
        );
        hang(
            out,
            &line.below,
            &format!("{before}{}", if is_last { "   " } else { "│  " }),
        );
    }
}

/// Draws one inventory.
pub(super) struct Painter<'a> {
    /// What is drawn.
    pub inventory: &'a Inventory,
    /// How it is painted.
    pub style: Style,
}

impl<'a> Painter<'a> {
    /// Who the machine is, and how much of everything there is.
    fn heading(&self) -> String {
        let (machine, style) = (&self.inventory.machine, self.style);
        let name = machine.hostname.as_deref().unwrap_or("a machine without a name");
        let product = [machine.vendor.as_deref(), machine.product.as_deref()];
        let kernel = machine.kernel.as_deref().map(|kernel| format!("Linux {kernel}"));
        let product: Vec<&str> = product.into_iter().flatten().collect();
        let mut words = vec![style.name(name), product.join(" ")];
        words.extend(
            [machine.architecture.clone(), kernel]
                .into_iter()
                .flatten()
                .map(|word| style.aside(&word)),
        );
        words.retain(|word| !word.is_empty());
        let mut out = words.join("  ");
        let _ = writeln!(out);
        let _ = writeln!(out, "{}", self.sums());
        for (set, why) in [
            (&self.inventory.offline_cpus, "switched off"),
            (&self.inventory.disallowed_cpus, "kept away from us by a cpuset"),
        ] {
            if !set.is_empty() {
                let text = format!("not counted: {} {why}: {}", count(set.len(), "CPU"), numbers(set));
                let _ = writeln!(out, "{}", style.notice(&text));
            }
        }
        out
    }

    fn sums(&self) -> String {
        let seen = self.inventory;
        let amounts = [
            (seen.packages.len(), "package"),
            (seen.numa_nodes.len(), "NUMA node"),
            (seen.cores.len(), "core"),
            (seen.cpus.len(), "CPU"),
            (seen.gpus.len(), "GPU"),
            (seen.drives.len(), "drive"),
            (seen.nics.len(), "NIC"),
        ];
        let mut words: Vec<String> = amounts
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, one)| count(number, one))
            .collect();
        if let Some(memory) = seen.memory {
            let free = memory
                .available_bytes
                .map(|bytes| format!(" ({bytes} available)"));
            words.push(format!(
                "{} memory{}",
                memory.total_bytes,
                free.unwrap_or_default()
            ));
        }
        words.join(" · ")
    }
}

#[cfg(test)]
mod tests;
