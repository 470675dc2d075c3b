//! A scanner that blanks comments and literals out of Rust code, so that the rules look at code only.

/// The code of `text`: every comment, string and character literal becomes blanks; lines stay where they are.
pub fn code_only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_end(&chars, at);
        if end == at {
            code.push(chars[at]);
            at += 1;
            continue;
        }
        code.extend(
            chars[at..end]
                .iter()
                .map(|seen| if *seen == '\n' { '\n' } else { ' ' }),
        );
        at = end;
    }
    code
}

/// The code without what stands below `#[cfg(test)]`; by habit of the house that is the end of a file.
pub fn without_tests(code: &str) -> &str {
    code.split("#[cfg(test)]").next().unwrap_or_default()
}

/// Whether `word` stands in `line` as a word of its own.
pub fn has_word(line: &str, word: &str) -> bool {
    let part_of_word = |seen: char| seen.is_alphanumeric() || seen == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(part_of_word) && !line[at + word.len()..].starts_with(part_of_word)
    })
}

/// Where the comment or literal that begins at `at` ends; `at` itself where none begins.
fn literal_end(chars: &[char], at: usize) -> usize {
    let next = chars.get(at + 1).copied();
    match chars[at] {
        '/' if next == Some('/') => find(chars, at, |rest| rest[0] == '\n'),
        '/' if next == Some('*') => block_comment_end(chars, at),
        '"' => string_end(chars, at + 1),
        'r' | 'b' | 'c' if !is_name(chars, at) => prefixed_end(chars, at),
        '\'' => char_end(chars, at),
        _ => at,
    }
}

/// Whether the character before `at` belongs to a name, so that a letter at `at` begins no literal.
fn is_name(chars: &[char], at: usize) -> bool {
    at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_')
}

fn find(chars: &[char], from: usize, stop: impl Fn(&[char]) -> bool) -> usize {
    (from..chars.len())
        .find(|at| stop(&chars[*at..]))
        .unwrap_or(chars.len())
}

fn block_comment_end(chars: &[char], from: usize) -> usize {
    let (mut depth, mut at) = (0_usize, from);
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

fn string_end(chars: &[char], from: usize) -> usize {
    let mut at = from;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// `r"…"`, `r#"…"#`, `b"…"`, `b'…'`, `c"…"` and their raw kin.
fn prefixed_end(chars: &[char], at: usize) -> usize {
    let letters = chars[at..]
        .iter()
        .take(2)
        .take_while(|seen| "rbc".contains(**seen))
        .count();
    let raw = chars[at..at + letters].contains(&'r');
    let hashes = chars[at + letters..]
        .iter()
        .take_while(|seen| **seen == '#')
        .count();
    let open = at + letters + hashes;
    match chars.get(open) {
        Some('"') if raw => {
            let close = |rest: &[char]| {
                rest[0] == '"' && rest[1..].iter().take_while(|seen| **seen == '#').count() >= hashes
            };
            (find(chars, open + 1, close) + 1 + hashes).min(chars.len())
        }
        Some('"') if hashes == 0 => string_end(chars, open + 1),
        Some('\'') if hashes == 0 && chars[at] == 'b' => char_end(chars, open),
        _ => at,
    }
}

/// The end of a character literal; a lifetime is none.
fn char_end(chars: &[char], at: usize) -> usize {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) => (find(chars, at + 3, |rest| rest[0] == '\'') + 1).min(chars.len()),
        (Some(_), Some('\'')) => at + 3,
        _ => at,
    }
}

#[test]
fn comments_and_literals_become_blanks() {
    let text = "let a = \"fn { \\\" }\"; // fn {\nlet b = r#\"\"{\"#; /* { /* { */ */ let c = '{'; let d = '\\''; fn e<'a>() {}";
    let code = code_only(text);
    assert_eq!(code.chars().count(), text.chars().count());
    assert_eq!(code.lines().count(), 2);
    assert_eq!(code.matches('{').count(), 1, "{code}");
    assert!(code.contains("fn e<'a>() {}"));
}

#[test]
fn bytes_and_names_that_end_in_a_prefix_letter_are_told_apart() {
    assert_eq!(
        code_only("b'{' b\"{\" br#\"{\"# attr"),
        format!("{}attr", " ".repeat(18))
    );
    assert_eq!(code_only("for x in r {}"), "for x in r {}");
}

#[test]
fn words_are_whole() {
    assert!(has_word("unsafe {", "unsafe"));
    assert!(!has_word("allow(unsafe_code)", "unsafe"));
}
