//! Functions are short: from the line of `fn` to the line of its closing brace.

use crate::scan::code_only;
use crate::tree::Tree;

/// The most lines of a function.
const MAX_FUNCTION_LINES: usize = 70;

/// Every function that is longer.
pub fn long_functions(tree: &Tree) -> Vec<String> {
    let mut offenders = Vec::new();
    for leaf in tree.rust() {
        for (name, first, lines) in functions(&code_only(&leaf.text)) {
            if lines > MAX_FUNCTION_LINES {
                offenders.push(format!("{}:{first}: fn {name} has {lines} lines", leaf.path));
            }
        }
    }
    offenders
}

/// Name, first line and number of lines of every function with a body.
fn functions(code: &str) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|seen| seen.is_alphanumeric() || seen == '_') {
            continue;
        }
        let rest = &code[at + 3..];
        let name: String = rest
            .chars()
            .take_while(|seen| seen.is_alphanumeric() || *seen == '_')
            .collect();
        if let Some(end) = body_end(rest).filter(|_| !name.is_empty()) {
            let first = code[..at].matches('\n').count() + 1;
            found.push((name, first, rest[..end].matches('\n').count() + 1));
        }
    }
    found
}

/// Where the body of the function whose signature begins `rest` ends; `None` for one without a body.
fn body_end(rest: &str) -> Option<usize> {
    let (mut brackets, mut braces) = (0_usize, 0_usize);
    for (at, seen) in rest.char_indices() {
        match seen {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets = brackets.saturating_sub(1),
            ';' if brackets == 0 && braces == 0 => return None,
            '{' => braces += 1,
            '}' => {
                braces = braces.checked_sub(1)?;
                if braces == 0 && brackets == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[test]
fn a_planted_long_function_is_found_and_a_short_one_is_not() {
    let long = format!(
        "//! Caption.\ntrait T {{ fn none(&self, a: [u8; 4]); }}\nfn short() {{}}\nfn long() {{\n{}}}\n",
        "    step(|| { \"}\" });\n".repeat(70)
    );
    let found = long_functions(&Tree::planted(&[("a/src/lib.rs", &long)]));
    assert_eq!(found, ["a/src/lib.rs:4: fn long has 72 lines"]);
}
