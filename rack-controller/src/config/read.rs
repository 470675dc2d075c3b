//! The file as a whole: its tables in their turn, then what they say of each other.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::enclosure;
use super::error::ConfigErrors;
use super::section::{Errors, Section};
use super::sections;
use super::tenant;
use super::words;
use super::{RackConfig, cross};

/// Tables that stand once, and tables that stand once for each part.
const SINGLE: [&str; 2] = ["rack", "actuators"];
const REPEATED: [&str; 7] = ["feed", "domain", "bmc", "bay", "node", "tenant", "enclosure"];

pub(super) fn read(text: &str, file: &Path) -> Result<RackConfig, ConfigErrors> {
    let errors = Errors::new(text);
    let (document, broken) = DeTable::parse_recoverable(text);
    if !broken.is_empty() {
        for error in &broken {
            let message = format!("{}; expected TOML", error.message());
            match error.span() {
                Some(span) => errors.at(&span, message),
                None => errors.whole(message),
            }
        }
        return Err(ConfigErrors::new(file, errors.into_found()));
    }
    let config = whole(&errors, document.get_ref(), file);
    let found = errors.into_found();
    match config {
        Some(config) if found.is_empty() => Ok(config),
        Some(_) | None => Err(ConfigErrors::new(file, found)),
    }
}

fn whole<'a>(errors: &'a Errors<'a>, document: &'a DeTable<'a>, file: &'a Path) -> Option<RackConfig> {
    let folder = file.parent().unwrap_or_else(|| Path::new(""));
    for (key, value) in document.iter() {
        shape(errors, key, value);
    }
    let single = |name: &'static str, title: &'static str| {
        document
            .get(name)
            .filter(|value| value.get_ref().is_table())
            .and_then(|table| Section::new(errors, title, table, folder))
    };
    let rack = single("rack", "[rack]");
    if rack.is_none() {
        errors.whole("there is no table [rack]; expected one with the rack's name".to_owned());
    }
    let actuators = single("actuators", "[actuators]");
    let all = |name: &'static str, title: &'static str| -> Vec<Section<'a>> {
        document
            .get(name)
            .and_then(|value| value.get_ref().as_array())
            .into_iter()
            .flat_map(|list| list.iter())
            .filter_map(|table| Section::new(errors, title, table, folder))
            .collect()
    };
    let parts = cross::Parts {
        feeds: all("feed", "[[feed]]")
            .into_iter()
            .filter_map(sections::feed)
            .collect(),
        bmcs: all("bmc", "[[bmc]]")
            .into_iter()
            .filter_map(sections::bmc)
            .collect(),
        domains: all("domain", "[[domain]]")
            .into_iter()
            .filter_map(sections::domain)
            .collect(),
        bays: all("bay", "[[bay]]")
            .into_iter()
            .filter_map(sections::bay)
            .collect(),
        nodes: all("node", "[[node]]")
            .into_iter()
            .filter_map(sections::node)
            .collect(),
        tenants: all("tenant", "[[tenant]]")
            .into_iter()
            .filter_map(tenant::tenant)
            .collect(),
        enclosures: all("enclosure", "[[enclosure]]")
            .into_iter()
            .filter_map(enclosure::enclosure)
            .collect(),
    };
    let whole = sections::rack(rack?, actuators)?;
    cross::put_together(errors, whole, parts, file)
}

fn shape(errors: &Errors<'_>, key: &Spanned<std::borrow::Cow<'_, str>>, value: &Spanned<DeValue<'_>>) {
    let name: &str = key.get_ref();
    let found = words::shown(value.get_ref());
    if SINGLE.contains(&name) {
        if !value.get_ref().is_table() {
            errors.at(
                &key.span(),
                format!("{name}: found {found}; expected one table [{name}]"),
            );
        }
    } else if REPEATED.contains(&name) {
        if !value.get_ref().is_array() {
            errors.at(
                &key.span(),
                format!("{name}: found {found}; expected [[{name}]], once for each"),
            );
        }
    } else {
        let known: Vec<&'static str> = SINGLE.into_iter().chain(REPEATED).collect();
        errors.at(&key.span(), words::unknown(name, &known, "the file"));
    }
}
