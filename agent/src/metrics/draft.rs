//! A draft: the sheet that the agent writes from its view, family by family.

use facts::sheet::{Number, Sheet, Writing};

use super::family::Family;

/// A sheet while the view is written on it.
pub(super) struct Draft<'p>(Writing<'p>);

/// The rows of one family.
pub(super) struct Rows<'d, 'p> {
    draft: &'d mut Draft<'p>,
    family: &'static Family,
}

impl<'p> Draft<'p> {
    pub(super) fn new(sheet: Writing<'p>) -> Draft<'p> {
        Draft(sheet)
    }

    pub(super) fn family(&mut self, family: &'static Family) -> Rows<'_, 'p> {
        Rows { draft: self, family }
    }

    /// A family without labels: one row.
    pub(super) fn one(&mut self, family: &'static Family, number: Option<impl Into<Number>>) {
        self.0.add(family, &[], number);
    }

    pub(super) fn finish(self) -> Sheet {
        self.0.finish()
    }
}

impl Rows<'_, '_> {
    /// Adds a row with the values of the family's labels, in their order; an empty value is no label.
    pub(super) fn add(&mut self, labels: &[&str], number: Option<impl Into<Number>>) {
        self.draft.0.add(self.family, labels, number);
    }
}
