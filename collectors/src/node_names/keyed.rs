//! Families by the key of a line: looked up once, then remembered by the line's place, because the kernel writes its lines in one order.

use facts::Family;

/// The most lines of a file that are remembered; `/proc/meminfo` has about 60.
const MOST_LINES: usize = 1024;

/// What is remembered of a file's lines.
#[derive(Debug, Default)]
pub(crate) struct Keyed(Vec<(Box<[u8]>, Option<&'static Family>)>);

impl Keyed {
    /// The family of the line at this place with this key; `find` is asked where the line is another than last time.
    pub(crate) fn family(
        &mut self,
        at: usize,
        key: &[u8],
        find: impl FnOnce(&str) -> Option<&'static Family>,
    ) -> Option<&'static Family> {
        if let Some((known, family)) = self.0.get(at)
            && **known == *key
        {
            return *family;
        }
        let family = std::str::from_utf8(key).ok().and_then(find);
        let entry = (Box::from(key), family);
        let known = self.0.len();
        match self.0.get_mut(at) {
            Some(place) => *place = entry,
            None if at == known && at < MOST_LINES => self.0.push(entry),
            None => {}
        }
        family
    }
}

/// The family of this name in a table.
pub(crate) fn named(table: &'static [&'static Family], name: &str) -> Option<&'static Family> {
    table.iter().copied().find(|family| family.name == name)
}

#[cfg(test)]
mod tests {
    use super::super::netstat;
    use super::*;

    #[test]
    fn a_line_that_is_another_is_looked_up_anew() {
        let mut keyed = Keyed::default();
        let find = |key: &str| named(netstat::TABLE, &format!("node_vmstat_{key}"));
        for _ in 0..2 {
            assert!(keyed.family(0, b"pgfault", find).is_some());
            assert!(keyed.family(1, b"nr_free_pages", find).is_none());
            assert!(
                keyed
                    .family(0, b"pswpin", find)
                    .is_some_and(|family| family.name.ends_with("pswpin"))
            );
            assert!(keyed.family(9, b"\xff", find).is_none());
        }
        assert_eq!(keyed.0.len(), 2);
    }
}
