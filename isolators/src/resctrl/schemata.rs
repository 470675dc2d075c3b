//! The file `schemata`: a line a resource, a value a domain, `L3:0=fff;1=fff`.

use std::collections::BTreeMap;

/// Values by resource and domain. Masks are hexadecimal, bandwidth is decimal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Schemata(pub BTreeMap<String, BTreeMap<u32, u64>>);

/// Memory bandwidth: the one resource whose values are decimal.
pub(super) const MB: &str = "MB";

impl Schemata {
    /// Reads it; `None` where it is not understood.
    pub fn parse(text: &str) -> Option<Schemata> {
        let mut all = BTreeMap::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let (resource, domains) = line.trim().split_once(':')?;
            let radix = if resource.starts_with(MB) { 10 } else { 16 };
            let mut values = BTreeMap::new();
            for domain in domains.split(';') {
                let (id, value) = domain.split_once('=')?;
                let value = u64::from_str_radix(value.trim(), radix).ok()?;
                values.insert(id.trim().parse().ok()?, value);
            }
            all.insert(resource.to_owned(), values);
        }
        Some(Schemata(all))
    }

    /// The value of a domain.
    pub fn get(&self, resource: &str, domain: u32) -> Option<u64> {
        self.0.get(resource)?.get(&domain).copied()
    }

    /// The domains of a resource.
    pub fn domains(&self, resource: &str) -> Vec<u32> {
        self.0
            .get(resource)
            .map(|values| values.keys().copied().collect())
            .unwrap_or_default()
    }
}

/// One line, as it is written.
pub(super) fn line(resource: &str, values: &BTreeMap<u32, u64>) -> String {
    let texts = values.iter().map(|(domain, value)| {
        if resource.starts_with(MB) {
            format!("{domain}={value}")
        } else {
            format!("{domain}={value:x}")
        }
    });
    format!("{resource}:{}", texts.collect::<Vec<_>>().join(";"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_read_is_written_again() {
        let read = Schemata::parse("    MB:0=100;1=90\n    L3:0=00fff;1=00ff0\n").unwrap();
        assert_eq!(read.get("L3", 1), Some(0xff0));
        assert_eq!(line("L3", &read.0["L3"]), "L3:0=fff;1=ff0");
        assert_eq!(line(MB, &read.0[MB]), "MB:0=100;1=90");
        for bad in ["L3", "L3:0", "L3:0=xyz", "L3:a=1", "MB:0=-1"] {
            assert_eq!(Schemata::parse(bad), None, "{bad}");
        }
    }
}
