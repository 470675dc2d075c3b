//! Whether a path with `*` in it is there, on this machine or on a recorded one.

use collectors::Root;

/// The most paths that one pattern is followed to: a server has some hundred of anything.
const MOST_FOUND: usize = 1_024;

/// The paths below `root` that fit `pattern`, as in `/sys/class/hwmon/hwmon*`; a `*` stands for any text in one name.
pub fn found(root: &Root, pattern: &str) -> Vec<String> {
    let mut paths = vec![String::new()];
    for name in pattern.split('/').filter(|name| !name.is_empty()) {
        let mut below = Vec::new();
        for path in paths {
            let join = |name: &str| {
                if path.is_empty() {
                    name.to_owned()
                } else {
                    format!("{path}/{name}")
                }
            };
            if name.contains('*') {
                let names = root.list(&path).unwrap_or_default();
                below.extend(
                    names
                        .iter()
                        .filter(|entry| fits(entry, name))
                        .map(|entry| join(entry)),
                );
            } else {
                below.push(join(name));
            }
            if below.len() > MOST_FOUND {
                break;
            }
        }
        paths = below;
    }
    paths.retain(|path| root.has(path));
    paths
}

/// Whether something fits.
pub fn is_there(root: &Root, pattern: &str) -> bool {
    !found(root, pattern).is_empty()
}

/// Whether a name fits a pattern with stars.
pub fn fits(name: &str, pattern: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let mut last = None;
    for piece in pieces {
        last = Some(piece);
        match rest.find(piece) {
            Some(at) => rest = rest.get(at + piece.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    match last {
        None => rest.is_empty(),
        Some("") => true,
        // The last piece stands at the end: it may have been found too early.
        Some(last) => rest.is_empty() || name.len() >= first.len() + last.len() && name.ends_with(last),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn stars_stand_for_any_text_in_one_name() {
        for (name, pattern, expected) in [
            ("hwmon3", "hwmon*", true),
            ("hwmon", "hwmon*", true),
            ("hwmo", "hwmon*", false),
            ("gpu0_mig", "gpu*mig", true),
            ("migmig", "mig*mig", true),
            ("mig", "mig*mig", false),
            ("a", "a", true),
            ("ab", "a", false),
        ] {
            assert_eq!(fits(name, pattern), expected, "{name} {pattern}");
        }
    }

    #[test]
    fn a_pattern_is_followed_below_the_root() {
        let dir = tempfile::tempdir().unwrap();
        for path in [
            "sys/class/hwmon/hwmon0",
            "sys/class/hwmon/hwmon10",
            "sys/class/net",
        ] {
            std::fs::create_dir_all(dir.path().join(path)).unwrap();
        }
        let root = Root::at(dir.path()).unwrap();
        assert_eq!(
            found(&root, "/sys/class/hwmon/hwmon*"),
            ["sys/class/hwmon/hwmon0", "sys/class/hwmon/hwmon10"]
        );
        assert!(is_there(&root, "/sys/class/net") && !is_there(&root, "/sys/class/net/*/device"));
    }
}
