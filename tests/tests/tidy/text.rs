//! Rules about the text of single files: length, caption, unsafe code, unfinished work, gates, traces.

use crate::scan::{code_only, has_word, without_tests};
use crate::tree::{Leaf, Tree};

/// The most lines of a Rust file.
const MAX_FILE_LINES: usize = 400;

/// A caption shorter than this says nothing.
const MIN_CAPTION_LETTERS: usize = 12;

/// Files that may hold unsafe code, and what for.
const UNSAFE_ALLOWED: [(&str, &str); 15] = [
    (
        "agent/src/ballast.rs",
        "the kernel and the allocator take memory back by calls without a safe wrapper",
    ),
    (
        "agent/cli/src/bare.rs",
        "a child in its mother's memory: clone3(2) with a stack of its own, and system calls that leave errno alone",
    ),
    (
        "agent/cli/src/born.rs",
        "clone3(2) into a cgroup has no safe wrapper, and what it shares must stay until the child has left it",
    ),
    (
        "agent/tests/allocations.rs",
        "an allocator that counts, to show that there is nothing to count",
    ),
    (
        "agent/cli/src/will.rs",
        "a child is handed the address of what it is left, and execve(2) takes addresses",
    ),
    (
        "collectors/bmc/src/ipmi/in_band/ioctl.rs",
        "the kernel's IPMI device takes and gives messages by ioctl",
    ),
    (
        "collectors/src/drive_health/ioctl.rs",
        "drives give their own logs by ioctl alone",
    ),
    (
        "collectors/src/node_names/timex.rs",
        "adjtimex(2) fills a struct and has no safe wrapper",
    ),
    (
        "collectors/src/nvml/instance.rs",
        "which part of its GPU a MIG device is, which the wrapper does not ask",
    ),
    (
        "collectors/src/nvml/scoped.rs",
        "NVML's field values with a scope, which the wrapper does not ask for",
    ),
    (
        "collectors/src/classes.rs",
        "sysfs-class makes its objects from paths below a Root by an unsafe constructor",
    ),
    (
        "isolators/src/apply/drive/ioctl.rs",
        "drives take the order to erase themselves by ioctl alone",
    ),
    ("isolators/src/bpf.rs", "bpf(2) has no safe wrapper"),
    ("isolators/src/pidfd.rs", "pidfd_open(2) has no safe wrapper"),
    (
        "hw-fixtures/nvml/src/abi.rs",
        "a C library's symbols, and the pointers that its callers hand in",
    ),
];

/// What marks work as unfinished or a test as switched off.
const UNFINISHED: [&str; 4] = ["todo!", "unimplemented!", "dbg!", "#[ignore"];

/// The question that only the two hands that write may ask, and where it is asked or defined.
const GATE: &str = "may_act";

/// Whoever defines the gate, and the two places where it stands.
const GATE_PLACES: [&str; 2] = ["isolators/intent/src/mode.rs", "isolators/src/apply.rs"];

/// What would name the machine, the tools or the registries of whoever wrote a file. In two halves each, so that this file is clean.
const TRACES: [(&str, &str); 12] = [
    ("/wo", "rk/main"),
    ("/wo", "rk/shared"),
    ("/tmp/", "plan"),
    ("/ro", "ot/."),
    ("/ho", "me/"),
    ("cla", "ude"),
    ("anth", "ropic"),
    ("chat", "gpt"),
    ("open", "ai"),
    ("deb.deb", "ian.org"),
    ("py", "pi.org"),
    ("registry.", "npmjs"),
];

/// Files that cargo writes and that name the registry by themselves.
const WRITTEN_BY_CARGO: [&str; 1] = ["Cargo.lock"];

/// Rust files that are too long.
pub fn long_files(tree: &Tree) -> Vec<String> {
    tree.rust()
        .map(|leaf| (leaf, leaf.text.lines().count()))
        .filter(|(_, lines)| *lines > MAX_FILE_LINES)
        .map(|(leaf, lines)| format!("{}: {lines} lines", leaf.path))
        .collect()
}

/// Rust files whose first line is no caption.
pub fn without_caption(tree: &Tree) -> Vec<String> {
    let captioned = |leaf: &&Leaf| {
        let first = leaf.text.lines().next().unwrap_or_default();
        first
            .strip_prefix("//! ")
            .is_some_and(|caption| caption.trim().len() >= MIN_CAPTION_LETTERS)
    };
    tree.rust()
        .filter(|leaf| !captioned(leaf))
        .map(|leaf| leaf.path.clone())
        .collect()
}

/// Unsafe code outside the files that need it, and unsafe blocks without their reason.
pub fn unsafe_code(tree: &Tree) -> Vec<String> {
    let mut offenders = Vec::new();
    for leaf in tree.rust() {
        let allowed = UNSAFE_ALLOWED.iter().any(|(path, _)| *path == leaf.path);
        let lines: Vec<&str> = leaf.text.lines().collect();
        for (index, code) in code_only(&leaf.text).lines().enumerate() {
            if !has_word(code, "unsafe") {
                continue;
            }
            let reasons = lines[index.saturating_sub(4)..=index].iter();
            if !allowed {
                offenders.push(format!("{}:{}: unsafe is not allowed here", leaf.path, index + 1));
            } else if !reasons.copied().any(|line| line.contains("SAFETY:")) {
                offenders.push(format!(
                    "{}:{}: unsafe without `// SAFETY:`",
                    leaf.path,
                    index + 1
                ));
            }
        }
    }
    offenders
}

/// Stubs, ignored tests and debugging left behind.
pub fn unfinished(tree: &Tree) -> Vec<String> {
    lines_with(tree, |code| UNFINISHED.iter().find(|mark| code.contains(**mark)))
}

/// Who asks whether they may act and is neither of the two hands that write.
pub fn gates(tree: &Tree) -> Vec<String> {
    let mut offenders = Vec::new();
    for leaf in tree.rust() {
        let act = leaf.path.starts_with("rack-controller/src/pools/") && leaf.path.ends_with("/act.rs");
        let test = leaf.path.contains("/tests/") || leaf.path.ends_with("/tests.rs");
        if act || test || GATE_PLACES.contains(&leaf.path.as_str()) {
            continue;
        }
        let code = code_only(&leaf.text);
        for (index, line) in without_tests(&code).lines().enumerate() {
            if has_word(line, GATE) {
                offenders.push(format!("{}:{}: asks {GATE}", leaf.path, index + 1));
            }
        }
    }
    offenders
}

/// Files that name a machine, a tool or a registry.
pub fn traces(tree: &Tree) -> Vec<String> {
    let mut offenders = Vec::new();
    for leaf in &tree.leaves {
        if WRITTEN_BY_CARGO.contains(&leaf.path.as_str()) {
            continue;
        }
        for (index, line) in leaf.text.lines().enumerate() {
            let line = line.to_lowercase();
            let hit = |(head, tail): &&(&str, &str)| line.contains(&format!("{head}{tail}"));
            if let Some((head, tail)) = TRACES.iter().find(hit) {
                offenders.push(format!("{}:{}: {head}{tail}", leaf.path, index + 1));
            }
        }
    }
    offenders
}

fn lines_with<'a>(tree: &Tree, hit: impl Fn(&str) -> Option<&'a &'a str>) -> Vec<String> {
    let mut offenders = Vec::new();
    for leaf in tree.rust() {
        for (index, code) in code_only(&leaf.text).lines().enumerate() {
            if let Some(mark) = hit(code) {
                offenders.push(format!("{}:{}: {mark}", leaf.path, index + 1));
            }
        }
    }
    offenders
}

#[test]
fn planted_offences_are_found() {
    let long = format!("//! A caption that says something.\n{}", "\n".repeat(400));
    let bad = "fn main() {\n    todo!();\n}\n";
    let tree = Tree::planted(&[("a/long.rs", &long), ("a/bad.rs", bad)]);
    assert_eq!(long_files(&tree), ["a/long.rs: 401 lines"]);
    assert_eq!(without_caption(&tree), ["a/bad.rs"]);
    assert_eq!(unfinished(&tree), ["a/bad.rs:2: todo!"]);
    let ignored = Tree::planted(&[("a/t.rs", "#[test]\n#[ignore = \"slow\"]\nfn t() {}\n")]);
    assert_eq!(unfinished(&ignored), ["a/t.rs:2: #[ignore"]);
}

#[test]
fn planted_unsafe_code_is_found_and_words_in_comments_are_not() {
    let text = "// unsafe in a comment\nlet word = \"unsafe\";\nunsafe { go() }\n";
    let found = unsafe_code(&Tree::planted(&[("a/src/x.rs", text)]));
    assert_eq!(found, ["a/src/x.rs:3: unsafe is not allowed here"]);
}

#[test]
fn a_planted_gate_is_found() {
    let ask = "//! Caption.\nif actuators.may_act(Actuator::Led) {}\n";
    let tree = Tree::planted(&[
        ("agent/src/http.rs", ask),
        ("isolators/src/apply.rs", ask),
        ("rack-controller/src/pools/power/act.rs", ask),
    ]);
    assert_eq!(gates(&tree), ["agent/src/http.rs:2: asks may_act"]);
}

#[test]
fn planted_traces_are_found() {
    let path = ["see /wo", "rk/main/x"].concat();
    let found = traces(&Tree::planted(&[("docs/a.md", &path), ("Cargo.lock", &path)]));
    assert_eq!(found.len(), 1, "{found:?}");
}
