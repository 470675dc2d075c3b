//! Totals: what the test runner printed, added up over all its binaries.

/// How a test says that it could not run here, and why.
const SKIPPED: &str = "skipped: ";

/// Sums over every test binary.
#[derive(Default, Debug)]
pub struct Totals {
    /// Tests that ran and passed.
    pub passed: usize,
    /// Tests that failed.
    pub failed: usize,
    /// Tests that did not run, and tests that said that they could not.
    pub skipped: usize,
    /// Names of tests that failed, with their binary.
    pub failures: Vec<String>,
    /// Reasons of those that were skipped.
    pub reasons: Vec<String>,
    binary: String,
    part: Part,
    /// Tests of this binary that said that they could not run; its own sum counts them as passed.
    unearned: usize,
}

/// Which part of a binary's output is being read.
#[derive(Default, Debug, PartialEq)]
enum Part {
    /// The list of tests as they end.
    #[default]
    Tests,
    /// What passing tests printed; whether the present one already said that it was skipped.
    Successes { said: bool },
    /// What failing tests printed.
    Failures,
}

impl Totals {
    /// Takes one more line; says whether a reader wants to see it.
    pub fn take(&mut self, line: &str) -> bool {
        let trimmed = line.trim_start();
        if let Some(binary) = trimmed
            .strip_prefix("Running ")
            .or_else(|| trimmed.strip_prefix("Doc-tests "))
        {
            self.binary = binary.split(" (").next().unwrap_or(binary).to_owned();
            self.part = Part::Tests;
        } else if let Some(result) = line.strip_prefix("test result: ") {
            self.add(result);
            self.part = Part::Tests;
        } else if line == "successes:" {
            self.part = Part::Successes { said: false };
            return false;
        } else if line == "failures:" {
            self.part = Part::Failures;
        } else if self.part == Part::Tests && line.starts_with("test ") && line.ends_with(" FAILED") {
            let name = line["test ".len()..].split(" ... ").next().unwrap_or(line);
            self.failures.push(format!("{}: {name}", self.binary));
        } else if let Part::Successes { said } = &mut self.part {
            return read_success(line, said, &mut self.unearned, &mut self.reasons);
        }
        !line.is_empty()
    }

    /// What another reader has summed up.
    pub fn join(&mut self, mut other: Totals) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.failures.append(&mut other.failures);
        self.reasons.append(&mut other.reasons);
    }

    /// `ok. 3 passed; 0 failed; 1 ignored; 0 measured; …`
    fn add(&mut self, result: &str) {
        let counts = result.split_once(". ").map_or(result, |(_, counts)| counts);
        for count in counts.split("; ") {
            let mut words = count.split(' ');
            let number = words
                .next()
                .and_then(|word| word.parse::<usize>().ok())
                .unwrap_or(0);
            match words.next() {
                Some("passed") => self.passed += number,
                Some("failed") => self.failed += number,
                Some("ignored") => self.skipped += number,
                _ => {}
            }
        }
        let unearned = std::mem::take(&mut self.unearned).min(self.passed);
        self.passed -= unearned;
        self.skipped += unearned;
    }
}

/// A line that a passing test printed: only its reason to skip is wanted, and it counts once.
fn read_success(line: &str, said: &mut bool, unearned: &mut usize, reasons: &mut Vec<String>) -> bool {
    if line.starts_with("---- ") {
        *said = false;
    }
    let Some(reason) = line.strip_prefix(SKIPPED) else {
        return false;
    };
    if !*said {
        *said = true;
        *unearned += 1;
    }
    reasons.push(reason.to_owned());
    true
}

/// The last line of everything.
pub fn closing_line(passed: usize, failed: usize, skipped: usize) -> String {
    format!("{passed} passed, {failed} failed, {skipped} skipped")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
     Running unittests src/lib.rs (target/debug/deps/facts-1)
running 3 tests
test a ... ok
test b ... FAILED
test c ... ignored, slow

successes:

---- a stdout ----
hello

successes:
    a

failures:

---- b stdout ----
thread 'b' panicked

failures:
    b

test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
     Running tests/story.rs (target/debug/deps/story-1)
running 2 tests
test d ... ok
test e ... ok

successes:

---- d stdout ----
skipped: no shared folder at ../shared
skipped: a second reason of the same test

---- e stdout ----
all well

successes:
    d
    e

test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    #[test]
    fn binaries_are_added_up_and_a_skipping_test_is_not_a_passed_one() {
        let mut totals = Totals::default();
        let shown: Vec<&str> = OUTPUT.lines().filter(|line| totals.take(line)).collect();
        assert_eq!((totals.passed, totals.failed, totals.skipped), (2, 1, 2));
        assert_eq!(totals.failures, ["unittests src/lib.rs: b"]);
        assert_eq!(totals.reasons.len(), 2);
        assert!(
            !shown.contains(&"hello"),
            "what passing tests print is kept in the log"
        );
        assert!(shown.contains(&"thread 'b' panicked"));
    }

    #[test]
    fn a_skip_in_the_very_first_test_does_not_upset_the_sum() {
        let mut totals = Totals::default();
        for line in [
            "successes:",
            "---- d stdout ----",
            "skipped: nothing here",
            "test result: ok. 1 passed; 0 failed; 0 ignored",
        ] {
            totals.take(line);
        }
        assert_eq!((totals.passed, totals.failed, totals.skipped), (0, 0, 1));
    }

    #[test]
    fn the_closing_line_is_plain() {
        assert_eq!(closing_line(3, 0, 1), "3 passed, 0 failed, 1 skipped");
    }
}
