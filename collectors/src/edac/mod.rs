//! EDAC: memory errors of each controller and DIMM (Documentation/ABI/testing/sysfs-devices-edac).
//!
//! A newer kernel shows `dimmN` (or `rankN`), an older one `csrowN/chM`. Each error is told once: a DIMM's own count, and for the
//! controller only what no DIMM was named for (`ce_noinfo_count`, `ue_noinfo_count`). Where DIMMs have no counts of their own,
//! the controller's sum stands alone.

pub mod families;

use std::time::Duration;

use facts::NoData;
use facts::observation::Observation;
use facts::sheet::{Pad, Writing};

use crate::collector::{CollectError, Collector};
use crate::node_names::edac as n;
use crate::root::Root;
use crate::roster::Wishes;
use crate::{attribute, columns};
use families as f;

const CONTROLLERS: &str = "sys/devices/system/edac/mc";

/// Severities: ours, and the prefix of the files.
const SEVERITIES: [(&str, &str); 2] = [("corrected", "ce"), ("uncorrected", "ue")];

/// Reads EDAC.
pub struct EdacCollector {
    root: Root,
    wishes: Wishes,
    pad: Pad,
}

/// A count in a file: `None` where there is no such file, and inside it where the file holds no count.
fn count(root: &Root, file: &str, sheet: &mut Writing<'_>) -> Option<Option<u64>> {
    let bytes = root.read_bytes(file);
    if bytes.as_ref().is_err_and(|error| error.is_absent()) {
        return None;
    }
    let number = bytes.ok().and_then(|bytes| columns::whole(bytes.trim_ascii()));
    if number.is_none() {
        sheet.invalid();
    }
    Some(number)
}

/// What stands behind a prefix, where it is a number: `12` of `csrow12`.
fn numbered<'n>(name: &'n str, prefix: &str) -> Option<&'n str> {
    let digits = name.strip_prefix(prefix)?;
    columns::whole(digits.as_bytes()).map(|_| digits)
}

impl EdacCollector {
    /// Of this root.
    pub fn new(root: Root, wishes: &Wishes) -> EdacCollector {
        EdacCollector {
            root,
            wishes: wishes.clone(),
            pad: Pad::default(),
        }
    }

    fn write_controller(&self, controller: &str, sheet: &mut Writing<'_>) {
        let directory = format!("{CONTROLLERS}/mc{controller}");
        let names = self.root.list(&directory).unwrap_or_default();
        let mut has_places = false;
        for name in &names {
            if numbered(name, "dimm")
                .or_else(|| numbered(name, "rank"))
                .is_some()
            {
                has_places |= self.write_dimm(controller, &format!("{directory}/{name}"), name, sheet);
            }
        }
        let rows = names
            .iter()
            .filter_map(|name| Some((name, numbered(name, "csrow")?)));
        if !has_places {
            for (name, row) in rows.clone() {
                has_places |= self.write_row(controller, &format!("{directory}/{name}"), row, sheet);
            }
        }
        for (severity, prefix) in SEVERITIES {
            let file = if has_places { "noinfo_count" } else { "count" };
            if let Some(count) = count(&self.root, &format!("{directory}/{prefix}_{file}"), sheet) {
                sheet.add(&f::ERRORS, &[controller, "", "", "", severity], count);
            }
        }
        if self.wishes.node_names {
            let rows: Vec<&str> = rows.map(|(_, row)| row).collect();
            n::write(&self.root, &directory, controller, &rows, sheet);
        }
    }

    /// A DIMM with counts of its own.
    fn write_dimm(&self, controller: &str, directory: &str, name: &str, sheet: &mut Writing<'_>) -> bool {
        let label = attribute::name_if_any(&self.root, &format!("{directory}/dimm_label"));
        let location = attribute::name_if_any(&self.root, &format!("{directory}/dimm_location"));
        // `channel 1 slot 0` or `csrow 2 channel 1`: what is called a channel there is one.
        let mut words = location.as_deref().unwrap_or_default().split_whitespace();
        let channel = words.find(|word| *word == "channel").and_then(|_| words.next());
        let mut is_told = false;
        for (severity, prefix) in SEVERITIES {
            if let Some(count) = count(&self.root, &format!("{directory}/dimm_{prefix}_count"), sheet) {
                is_told = true;
                let (channel, label) = (channel.unwrap_or_default(), label.as_deref().unwrap_or_default());
                let labels = [controller, channel, name, label, severity];
                sheet.add(&f::ERRORS, &labels, count);
            }
        }
        is_told
    }

    /// A row of chip selects, the older view: corrected errors by channel, uncorrected ones of the whole row.
    fn write_row(&self, controller: &str, directory: &str, row: &str, sheet: &mut Writing<'_>) -> bool {
        let mut is_told = false;
        for name in self.root.list(directory).unwrap_or_default() {
            let Some(channel) = name
                .strip_suffix("_ce_count")
                .and_then(|name| numbered(name, "ch"))
            else {
                continue;
            };
            let label = attribute::name_if_any(&self.root, &format!("{directory}/ch{channel}_dimm_label"));
            let (dimm, label) = (format!("csrow{row}"), label.unwrap_or_default());
            if let Some(count) = count(&self.root, &format!("{directory}/{name}"), sheet) {
                is_told = true;
                let labels = [controller, channel, &dimm, &label, "corrected"];
                sheet.add(&f::ERRORS, &labels, count);
            }
        }
        if let Some(count) = count(&self.root, &format!("{directory}/ue_count"), sheet) {
            is_told = true;
            let dimm = format!("csrow{row}");
            sheet.add(&f::ERRORS, &[controller, "", &dimm, "", "uncorrected"], count);
        }
        is_told
    }
}

impl Collector for EdacCollector {
    fn name(&self) -> &'static str {
        "edac"
    }

    fn beat(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn subsystems(&self) -> &'static [&'static str] {
        &["edac"]
    }

    fn collect(&mut self) -> Result<Observation, CollectError> {
        let names = self.root.list(CONTROLLERS)?;
        let controllers: Vec<&str> = names.iter().filter_map(|name| numbered(name, "mc")).collect();
        if controllers.is_empty() {
            let message = format!(
                "{} has no controller: no EDAC driver knows this machine's",
                self.root.shown(CONTROLLERS).display()
            );
            return Err(CollectError::new(NoData::Absent, message));
        }
        let mut pad = std::mem::take(&mut self.pad);
        let mut sheet = pad.begin();
        for controller in controllers {
            self.write_controller(controller, &mut sheet);
        }
        let sheet = sheet.finish();
        self.pad = pad;
        Ok(Observation {
            sheet: Some(sheet),
            ..Observation::default()
        })
    }
}
