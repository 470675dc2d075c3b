//! Colours, where a terminal shows them, and the words of numbers.

use facts::CpuSet;

/// The longest list of CPUs that is written out.
const LONGEST_LIST: usize = 32;
/// The fewest numbers at equal steps that are written as first, second … last.
const FEWEST_STEPS: usize = 4;

/// How text is painted.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Whether escape codes are written at all.
    pub colours: bool,
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        if self.colours && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// The name of a thing.
    pub fn name(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// A quantity.
    pub fn quantity(self, text: &str) -> String {
        self.paint("36", text)
    }

    /// What only matters at a second look.
    pub fn aside(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// What deserves attention.
    pub fn notice(self, text: &str) -> String {
        self.paint("33", text)
    }
}

/// `1 core`, `2 cores`.
pub fn count(number: usize, one: &str) -> String {
    let plural = if one.ends_with('y') {
        format!("{}ies", one.trim_end_matches('y'))
    } else {
        format!("{one}s")
    };
    if number == 1 {
        format!("1 {one}")
    } else {
        format!("{number} {plural}")
    }
}

/// Numbers as a list of bounded length: `0-15`, `0,2…38`, `0-3,8-11… (24)`.
pub fn numbers(set: &CpuSet) -> String {
    let text = set.to_string();
    let members: Vec<u32> = set.iter().map(|cpu| cpu.0).collect();
    if let [first, second, .., last] = members.as_slice()
        && second - first > 1
        && members.len() >= FEWEST_STEPS
        && members
            .windows(2)
            .all(|pair| matches!(pair, [one, next] if next - one == second - first))
    {
        return format!("{first},{second}…{last}");
    }
    if text.len() <= LONGEST_LIST {
        return text;
    }
    let cut = text.get(..LONGEST_LIST).and_then(|start| start.rfind(','));
    let start = cut.and_then(|cut| text.get(..cut)).unwrap_or_default();
    format!("{start}… ({})", members.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn long_lists_stay_short() {
        let every_second: CpuSet = (0..20).map(|number| facts::CpuId(number * 2)).collect();
        assert_eq!(numbers(&every_second), "0,2…38");
        assert_eq!(numbers(&"0-15,64-79".parse().unwrap()), "0-15,64-79");
        let ragged: CpuSet = (0..40).map(|number| facts::CpuId(number * number)).collect();
        assert!(numbers(&ragged).ends_with("… (40)"), "{}", numbers(&ragged));
        assert_eq!(numbers(&CpuSet::new()), "");
    }
}
