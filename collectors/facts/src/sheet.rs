//! A sheet: what a source counts, as rows of metric families. Its rows stay the same until a part comes or goes.
//!
//! The rows (families and labels) are shared between one turn of a source and the next, so that a page made of them needs
//! to be laid out only when they change; the numbers are a flat list beside them.

use std::sync::Arc;

use crate::labels::Labels;
use crate::metric::Family;
use crate::unit::{Bytes, Energy, Power};

/// The most rows of one sheet: far above per-CPU counters of 8192 CPUs in ten modes. More are dropped and counted as invalid.
pub const MOST_ROWS: usize = 200_000;

/// A number of a sheet.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Number {
    /// There is none just now: the row is not shown. Absent is not zero.
    #[default]
    Nothing,
    /// A whole number.
    Whole(u64),
    /// A finite number.
    Float(f64),
}

impl From<u64> for Number {
    fn from(number: u64) -> Number {
        Number::Whole(number)
    }
}

impl From<u32> for Number {
    fn from(number: u32) -> Number {
        Number::Whole(u64::from(number))
    }
}

impl From<usize> for Number {
    fn from(number: usize) -> Number {
        Number::Whole(u64::try_from(number).unwrap_or(u64::MAX))
    }
}

impl From<bool> for Number {
    fn from(number: bool) -> Number {
        Number::Whole(u64::from(number))
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Number {
        Number::Float(number)
    }
}

impl From<Bytes> for Number {
    fn from(bytes: Bytes) -> Number {
        Number::Whole(bytes.get())
    }
}

impl From<Power> for Number {
    /// In watts.
    fn from(power: Power) -> Number {
        Number::Float(power.as_watts_f64())
    }
}

impl From<Energy> for Number {
    /// In joules.
    fn from(energy: Energy) -> Number {
        Number::Float(energy.as_joules_f64())
    }
}

/// One row: a family, and the values of its labels in their order; an empty value is no label.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The family.
    pub family: &'static Family,
    /// The values of its labels.
    pub labels: Labels,
}

impl Row {
    fn is(&self, family: &'static Family, labels: &[&str]) -> bool {
        std::ptr::eq(self.family, family) && self.labels.are(labels)
    }
}

/// What one turn of a source counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sheet {
    rows: Arc<Vec<Row>>,
    numbers: Vec<Number>,
    invalid: u64,
}

impl Sheet {
    /// The rows. Two sheets with the same `Arc` differ in their numbers only.
    pub fn rows(&self) -> &Arc<Vec<Row>> {
        &self.rows
    }

    /// A number for each row.
    pub fn numbers(&self) -> &[Number] {
        &self.numbers
    }

    /// How many values of this turn were none: blanks, sentinels, NaN, or what cannot be true.
    pub fn invalid(&self) -> u64 {
        self.invalid
    }

    /// Rows and their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (&Row, Number)> {
        self.rows.iter().zip(self.numbers.iter().copied())
    }
}

/// Remembers the rows of a source's last sheet. A source keeps one of these and writes each of its turns with it.
#[derive(Clone, Debug, Default)]
pub struct Pad {
    rows: Arc<Vec<Row>>,
}

impl Pad {
    /// Begins a sheet.
    pub fn begin(&mut self) -> Writing<'_> {
        let expected = self.rows.len();
        Writing {
            pad: self,
            fresh: None,
            numbers: Vec::with_capacity(expected),
            invalid: 0,
        }
    }
}

/// A sheet while it is written.
#[derive(Debug)]
pub struct Writing<'p> {
    pad: &'p mut Pad,
    /// The rows, once they differ from those of the last sheet.
    fresh: Option<Vec<Row>>,
    numbers: Vec<Number>,
    invalid: u64,
}

impl Writing<'_> {
    /// Adds a row with the values of the family's labels, in their order. `None` keeps its place and is not shown; a number that
    /// is not finite is the same, and is counted as invalid.
    pub fn add(&mut self, family: &'static Family, labels: &[&str], number: Option<impl Into<Number>>) {
        let at = self.numbers.len();
        if at >= MOST_ROWS {
            self.invalid();
            return;
        }
        let number = match number.map(Into::into) {
            None => Number::Nothing,
            Some(Number::Float(float)) if !float.is_finite() => {
                self.invalid();
                Number::Nothing
            }
            Some(number) => number,
        };
        self.numbers.push(number);
        if let Some(fresh) = &mut self.fresh {
            fresh.push(row(family, labels));
        } else if !self
            .pad
            .rows
            .get(at)
            .is_some_and(|known| known.is(family, labels))
        {
            let mut fresh = self.pad.rows.get(..at).unwrap_or_default().to_vec();
            fresh.push(row(family, labels));
            self.fresh = Some(fresh);
        }
    }

    /// Counts a value that was none: a blank, a sentinel, or what cannot be true. Its row is left out or has `None`.
    pub fn invalid(&mut self) {
        self.invalid = self.invalid.saturating_add(1);
    }

    /// The sheet.
    pub fn finish(self) -> Sheet {
        let shorter = self.numbers.len() < self.pad.rows.len();
        if let Some(fresh) = self.fresh {
            self.pad.rows = Arc::new(fresh);
        } else if shorter {
            let kept = self.pad.rows.get(..self.numbers.len()).unwrap_or_default();
            self.pad.rows = Arc::new(kept.to_vec());
        }
        Sheet {
            rows: Arc::clone(&self.pad.rows),
            numbers: self.numbers,
            invalid: self.invalid,
        }
    }
}

fn row(family: &'static Family, labels: &[&str]) -> Row {
    Row {
        family,
        labels: Labels::of(labels),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    crate::families! {
        FAN Gauge "busbar_test_fan_rpm" ["chip"] "A fan." from "a test";
        HEAT Gauge "busbar_test_heat_celsius" ["chip"] "Heat." from "a test";
    }

    #[test]
    fn the_table_holds_every_family_in_its_order() {
        assert_eq!(
            TABLE.iter().map(|family| family.name).collect::<Vec<_>>(),
            [FAN.name, HEAT.name]
        );
    }

    fn turn(pad: &mut Pad, chips: &[(&str, Option<f64>)]) -> Sheet {
        let mut sheet = pad.begin();
        for (chip, number) in chips {
            sheet.add(&FAN, &[chip], *number);
        }
        sheet.finish()
    }

    #[test]
    fn rows_are_shared_until_a_part_comes_or_goes() {
        let mut pad = Pad::default();
        let first = turn(&mut pad, &[("a", Some(1.0)), ("b", Some(2.0))]);
        let second = turn(&mut pad, &[("a", None), ("b", Some(3.0))]);
        assert!(Arc::ptr_eq(first.rows(), second.rows()));
        assert_eq!(second.numbers(), [Number::Nothing, Number::Float(3.0)]);
        let third = turn(&mut pad, &[("a", Some(1.0))]);
        assert!(!Arc::ptr_eq(first.rows(), third.rows()));
        assert_eq!(third.rows().len(), 1);
        let fourth = turn(&mut pad, &[("c", Some(1.0)), ("a", Some(1.0))]);
        assert_eq!(fourth.rows().first().unwrap().labels.get(0), Some("c"));
        assert_eq!(fourth.rows().len(), 2);
    }

    #[test]
    fn what_is_no_number_is_counted_and_not_shown() {
        let mut pad = Pad::default();
        let mut sheet = pad.begin();
        sheet.add(&HEAT, &["a"], Some(f64::NAN));
        sheet.add(&HEAT, &["b"], Some(f64::INFINITY));
        sheet.invalid();
        let sheet = sheet.finish();
        assert_eq!(sheet.invalid(), 3);
        assert!(sheet.iter().all(|(_, number)| number == Number::Nothing));
    }
}
