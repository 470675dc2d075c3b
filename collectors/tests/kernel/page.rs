//! The sheets of some sources as a map from series to numbers.

use std::collections::BTreeMap;

use collectors::roster::{Wishes, roster};
use collectors::{Collector, Root, TopologySource};
use facts::{NoData, Number, Sheet};

/// Name, labels that are not empty (sorted), number.
pub type Page = BTreeMap<(String, Vec<(String, String)>), f64>;

/// Some sources of a root, to be asked again and again.
pub struct Sources(Vec<Box<dyn Collector>>);

/// What a test asks for.
pub fn wishes(node_names: bool, per_cpu: bool) -> Wishes {
    Wishes {
        node_names,
        per_cpu,
        ..Wishes::default()
    }
}

impl Sources {
    /// Those of these names.
    pub fn of(root: &Root, wishes: &Wishes, names: &[&str]) -> Sources {
        let nowhere = std::path::PathBuf::from("/nonexistent/program");
        let topology = TopologySource::Xml {
            file: nowhere.clone(),
            reader: nowhere,
        };
        let mut all = roster(root, topology, wishes);
        all.retain(|source| names.contains(&source.name()));
        assert_eq!(all.len(), names.len(), "{names:?}");
        Sources(all)
    }

    /// Asks all of them; those that say nothing have no rows.
    pub fn page(&mut self) -> Page {
        let mut page = Page::new();
        for source in &mut self.0 {
            if let Ok(seen) = source.collect() {
                add(&mut page, &seen.sheet.unwrap());
            }
        }
        page
    }

    /// Asks the first: how many values were none, or why it said nothing.
    pub fn invalid(&mut self) -> Result<u64, (NoData, String)> {
        match self.0[0].collect() {
            Ok(seen) => Ok(seen.sheet.unwrap().invalid()),
            Err(error) => Err((error.reason, error.explain())),
        }
    }
}

fn add(page: &mut Page, sheet: &Sheet) {
    for (row, number) in sheet.iter() {
        let number = match number {
            Number::Nothing => continue,
            Number::Whole(number) => number as f64,
            Number::Float(number) => number,
        };
        let names = row.family.labels.iter().map(|name| (*name).to_owned());
        let values = row.labels.iter().map(String::from);
        let mut labels: Vec<(String, String)> =
            names.zip(values).filter(|(_, value)| !value.is_empty()).collect();
        labels.sort();
        let before = page.insert((row.family.name.to_owned(), labels.clone()), number);
        assert_eq!(before, None, "{} {labels:?} stands twice", row.family.name);
    }
}

/// One number of a page.
pub fn at(page: &Page, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let mut labels: Vec<(String, String)> = labels
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    labels.sort();
    page.get(&(name.to_owned(), labels)).copied()
}

/// How many rows a family has.
pub fn rows(page: &Page, name: &str) -> usize {
    page.keys().filter(|(family, _)| family == name).count()
}
