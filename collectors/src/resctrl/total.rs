//! Totals over groups that come and go: a group that was removed takes nothing of the sum with it.

use std::collections::BTreeMap;

/// One counter of one domain, over all groups.
#[derive(Debug, Default)]
pub(super) struct Total {
    /// What groups counted that are gone, or that began anew under their old name.
    before: u64,
    groups: BTreeMap<String, u64>,
}

impl Total {
    /// Takes what each group counts now. `None` where one has no number just now, or the sum does not fit: a sum without it would
    /// be too small, and the next one would look like a burst.
    pub(super) fn take(&mut self, now: &[(&str, Option<u64>)]) -> Option<u64> {
        let mut gone = Vec::new();
        self.groups.retain(|name, last| {
            let stays = now.iter().any(|(group, _)| group == name);
            if !stays {
                gone.push(*last);
            }
            stays
        });
        for last in gone {
            self.before = self.before.saturating_add(last);
        }
        for (group, number) in now {
            let Some(number) = number else { continue };
            match self.groups.get_mut(*group) {
                Some(last) => {
                    if number < last {
                        self.before = self.before.saturating_add(*last);
                    }
                    *last = *number;
                }
                None => {
                    self.groups.insert((*group).to_owned(), *number);
                }
            }
        }
        if now.iter().any(|(_, number)| number.is_none()) {
            return None;
        }
        self.groups
            .values()
            .try_fold(self.before, |sum, number| sum.checked_add(*number))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_group_that_goes_or_begins_anew_takes_nothing_with_it() {
        let mut total = Total::default();
        assert_eq!(total.take(&[("", Some(10)), ("a", Some(5))]), Some(15));
        assert_eq!(total.take(&[("", Some(12)), ("a", Some(1))]), Some(18));
        assert_eq!(total.take(&[("", Some(12)), ("a", None)]), None);
        assert_eq!(total.take(&[("", Some(13))]), Some(19));
        assert_eq!(total.take(&[("", Some(u64::MAX))]), None);
    }

    proptest! {
        #[test]
        fn totals_never_run_backwards(turns in proptest::collection::vec((0_u64..99, proptest::option::of(proptest::option::of(0_u64..99))), 1..20)) {
            let mut total = Total::default();
            let mut last = 0;
            for (root, other) in turns {
                let mut now = vec![("", Some(root))];
                now.extend(other.map(|number| ("a", number)));
                if let Some(sum) = total.take(&now) {
                    prop_assert!(sum >= last, "{last} {sum}");
                    last = sum;
                }
            }
        }
    }
}
