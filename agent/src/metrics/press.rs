//! The press: puts the view, the sources' sheets and the agent's own numbers on one page, laid out only when rows changed.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::BufMut;
use facts::Inventory;
use facts::sheet::{Pad, Sheet};
use page_gzip::Template;

use super::counts::Counts;
use super::draft::Draft;
use super::family as f;
use super::format::Format;
use super::layout::{Layout, Order};
use super::own::Own;
use super::profile::Selection;
use super::{families, interference, lease, machine, pooled, proofs, service};
use crate::view::{Seen, View};

/// What is kept between one page and the next.
#[derive(Debug)]
pub struct Press {
    order: Order,
    counts: Counts,
    layout: Layout,
    /// How pages of this layout are compressed, in each format once somebody asked for it.
    packed_text: Option<Template>,
    packed_open: Option<Template>,
    /// The view whose sheet this is; weak, so that an old view is not kept alive.
    view: Weak<View>,
    view_sheet: Arc<Sheet>,
    view_pad: Pad,
    own_pad: Pad,
    page_pad: Pad,
    took: Option<Duration>,
}

impl Press {
    /// A press for pages of these families.
    pub fn new(selection: Selection, counts: Counts) -> Press {
        Press {
            order: Order::new(families(), selection),
            counts,
            layout: Layout::default(),
            packed_text: None,
            packed_open: None,
            view: Weak::new(),
            view_sheet: Arc::default(),
            view_pad: Pad::default(),
            own_pad: Pad::default(),
            page_pad: Pad::default(),
            took: None,
        }
    }

    /// Writes a page of the view, of its sources' sheets, and of `fresh` ones that were asked for just now. Gives how many
    /// series it has.
    pub fn print(
        &mut self,
        view: &Arc<View>,
        fresh: Vec<Arc<Sheet>>,
        own: &Own,
        format: Format,
        page: &mut impl BufMut,
    ) -> usize {
        let started = Instant::now();
        if !std::ptr::eq(self.view.as_ptr(), Arc::as_ptr(view)) {
            self.view = Arc::downgrade(view);
            self.view_sheet = Arc::new(of_view(&mut self.view_pad, view));
        }
        let mut sheets = Vec::with_capacity(fresh.len() + view.seen.sheets.len() + 3);
        sheets.push(Arc::clone(&self.view_sheet));
        sheets.extend(view.seen.sheets.iter().cloned());
        sheets.extend(fresh);
        sheets.push(Arc::new(self.of_own(own)));
        // How many series there are is known once everything is laid out, and is a series itself.
        let of_others = sheets.len();
        sheets.push(Arc::new(self.of_page(0)));
        if !self.layout.fits(&sheets) {
            self.layout = Layout::of(&sheets, &self.order);
            (self.packed_text, self.packed_open) = (None, None);
        }
        let series = self.layout.series(&sheets);
        sheets.truncate(of_others);
        sheets.push(Arc::new(self.of_page(series)));
        self.layout.encode(&sheets, format, page);
        self.took = Some(started.elapsed());
        series
    }

    /// Appends a page, best the last one of this format, to `packed` as gzip.
    pub fn pack(&mut self, format: Format, page: &[u8], packed: &mut Vec<u8>) {
        let template = match format {
            Format::Text => &mut self.packed_text,
            Format::OpenMetrics => &mut self.packed_open,
        };
        let (words, pieces) = self.layout.pieces(format);
        let template = template.get_or_insert_with(|| Template::of(words, pieces));
        template.pack(words, page, packed);
    }

    fn of_own(&mut self, own: &Own) -> Sheet {
        let mut draft = Draft::new(self.own_pad.begin());
        draft.one(&f::PROCESS_CPU, own.cpu_time.map(|time| time.as_secs_f64()));
        draft.one(&f::PROCESS_MEMORY, own.resident_bytes);
        draft.one(&f::EVENTS, own.events);
        draft.one(&f::LISTENERS, own.listeners);
        self.counts.write(&mut draft);
        draft.finish()
    }

    fn of_page(&mut self, series: usize) -> Sheet {
        let mut draft = Draft::new(self.page_pad.begin());
        draft.one(&f::ENCODE, self.took.map(|took| took.as_secs_f64()));
        draft.one(&f::DUPLICATES, Some(self.layout.dropped()));
        draft.one(&f::SERIES, Some(series));
        draft.finish()
    }
}

/// Everything that the view alone tells.
fn of_view(pad: &mut Pad, view: &View) -> Sheet {
    let mut draft = Draft::new(pad.begin());
    service::write_agent(&mut draft, view);
    lease::write(&mut draft, view);
    pooled::write(&mut draft, view);
    machine::write(&mut draft, &view.seen);
    service::write_sources(&mut draft, &view.seen);
    service::write_workloads(&mut draft, view);
    proofs::write(&mut draft, view);
    interference::write(&mut draft, view);
    draft.finish()
}

/// The page of a machine alone, in the text format: what its sources said once, without what only a daemon has. The default
/// profile: such a page is read by node_exporter, which has the rest.
pub fn of_machine(inventory: Inventory, sheets: Vec<Arc<Sheet>>) -> Vec<u8> {
    let mut energy = BTreeMap::new();
    for zone in &inventory.power_zones {
        if let Some(counted) = zone.energy_microjoules.value() {
            energy.insert(zone.device.clone(), counted);
        }
    }
    let seen = Seen {
        inventory,
        energy,
        ..Seen::default()
    };
    let mut pad = Pad::default();
    let mut draft = Draft::new(pad.begin());
    machine::write(&mut draft, &seen);
    service::write_sources(&mut draft, &seen);
    let mut all = vec![Arc::new(draft.finish())];
    all.extend(sheets);
    let layout = Layout::of(&all, &Order::new(families(), Selection::default()));
    let mut page = Vec::new();
    layout.encode(&all, Format::Text, &mut page);
    page
}

/// How many series each family has on a page of text, in the order of the page; those of a histogram count for its family.
pub fn families_now(page: &str) -> Vec<(&str, usize)> {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            counts.push((rest.split(' ').next().unwrap_or(rest), 0));
        } else if !line.starts_with('#')
            && let Some((_, count)) = counts.last_mut()
        {
            *count += 1;
        }
    }
    counts
}
