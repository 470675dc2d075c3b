//! The walk along the chain. Rows are read in their order; hashes and events are checked on other CPUs meanwhile, and handed on in their
//! order again: what a long journal takes is what the slowest of the three takes, and not all of it.

use std::num::NonZero;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Builder, Scope};

use rusqlite::{Connection, Row, Rows};

use super::chain::Link;
use super::number;
use crate::rack::event::Event;

/// Events that go to another CPU together: some hundred microseconds of work there.
const PAGE: usize = 512;
/// Pages that may lie before one helper, and behind it: a few megabytes in all.
const DEPTH: usize = 4;
/// More helpers than this only wait for the one thread that reads.
const MOST_HELPERS: usize = 4;

/// Who checks hashes and events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// Every CPU: somebody waits for the journal.
    Quick,
    /// This thread alone: the rack's work goes on beside it.
    Beside,
}

/// Walks the chain after a link as long as it is good: link, moment, JSON and event of each. What is wrong where it ends early.
///
/// Each row is held against the hash that stands in the row before it; so rows can be checked apart, and yet all of them make one chain.
pub(super) fn walk(
    connection: &Connection,
    after: Link,
    pace: Pace,
    mut each: impl FnMut(Link, u64, &str, Event),
) -> Option<String> {
    let mut statement = match connection
        .prepare("SELECT sequence, at, event, chain FROM events WHERE sequence > ?1 ORDER BY sequence")
    {
        Ok(statement) => statement,
        Err(cause) => return Some(cause.to_string()),
    };
    let rows = match statement.query([number(after.sequence)]) {
        Ok(rows) => rows,
        Err(cause) => return Some(cause.to_string()),
    };
    let mut pages = Pages {
        rows,
        last: after,
        has_ended: false,
        why: None,
    };
    let first = pages.next();
    if pace == Pace::Beside || pages.has_ended {
        return alone(&mut pages, first, &mut each);
    }
    thread::scope(|scope| {
        let helpers = Helper::start(scope);
        if helpers.is_empty() {
            return alone(&mut pages, first, &mut each);
        }
        together(&mut pages, first, &helpers, &mut each)
    })
}

fn alone(
    pages: &mut Pages<'_>,
    first: Option<Page>,
    each: &mut impl FnMut(Link, u64, &str, Event),
) -> Option<String> {
    let mut next = first;
    while let Some(page) = next {
        if let Some(why) = check(page).hand_on(each) {
            return Some(why);
        }
        next = pages.next();
    }
    pages.why.take()
}

fn together(
    pages: &mut Pages<'_>,
    first: Option<Page>,
    helpers: &[Helper],
    each: &mut impl FnMut(Link, u64, &str, Event),
) -> Option<String> {
    // Pages go round, and come back in the same order.
    let (mut to, mut from) = (helpers.iter().cycle(), helpers.iter().cycle());
    let most = helpers.len().saturating_mul(DEPTH);
    let mut under_way = 0_usize;
    let mut next = first;
    loop {
        while under_way < most
            && let Some(page) = next.take()
        {
            if to.next().is_none_or(|helper| helper.give.send(page).is_err()) {
                return Some("a thread that checks events is gone".to_owned());
            }
            under_way = under_way.saturating_add(1);
            next = pages.next();
        }
        if under_way == 0 {
            return pages.why.take();
        }
        under_way = under_way.saturating_sub(1);
        match from.next().map(|helper| helper.told.recv()) {
            Some(Ok(checked)) => {
                if let Some(why) = checked.hand_on(each) {
                    return Some(why);
                }
            }
            Some(Err(_)) | None => return Some("a thread that checks events is gone".to_owned()),
        }
    }
}

/// A thread that checks pages. It ends when nobody gives it any more, or takes what it says.
struct Helper {
    give: SyncSender<Page>,
    told: Receiver<Checked>,
}

impl Helper {
    /// One for each CPU; fewer, or none, where no thread can be had.
    fn start<'scope>(scope: &'scope Scope<'scope, '_>) -> Vec<Helper> {
        let count = thread::available_parallelism().map_or(1, NonZero::get);
        let one = |_| {
            let (give, given) = sync_channel(DEPTH);
            let (tell, told) = sync_channel(DEPTH);
            let work = move || {
                for page in given {
                    if tell.send(check(page)).is_err() {
                        return;
                    }
                }
            };
            let started = Builder::new()
                .name("journal-walk".to_owned())
                .spawn_scoped(scope, work);
            started.ok().map(|_| Helper { give, told })
        };
        (0..count.min(MOST_HELPERS)).map_while(one).collect()
    }
}

/// Some rows that follow one another.
struct Page {
    /// The link before the first of them, as the row before it says.
    after: Link,
    /// Their JSON, one behind the other.
    text: String,
    rows: Vec<Written>,
}

/// A row: its moment, where its JSON ends, and its link as it says.
struct Written {
    at: u64,
    end: usize,
    link: Link,
}

/// What is read of the chain, a page at a time.
struct Pages<'a> {
    rows: Rows<'a>,
    /// The last row that was read.
    last: Link,
    has_ended: bool,
    /// What is wrong with the row after it.
    why: Option<String>,
}

impl Pages<'_> {
    /// The next page; `None` behind the last one.
    fn next(&mut self) -> Option<Page> {
        let mut page = Page {
            after: self.last,
            text: String::new(),
            rows: Vec::with_capacity(PAGE),
        };
        while !self.has_ended && page.rows.len() < PAGE {
            if let Err(why) = self.read(&mut page) {
                self.has_ended = true;
                self.why = Some(why);
            }
        }
        (!page.rows.is_empty()).then_some(page)
    }

    /// One row more, or the end.
    fn read(&mut self, page: &mut Page) -> Result<(), String> {
        let next = self.last.sequence.saturating_add(1);
        let unreadable = |cause: rusqlite::Error| format!("event {next} cannot be read ({cause})");
        let Some(row) = self.rows.next().map_err(unreadable)? else {
            self.has_ended = true;
            return Ok(());
        };
        let (sequence, at, json, hash) = columns(row).map_err(unreadable)?;
        let (Ok(sequence), Ok(at)) = (u64::try_from(sequence), u64::try_from(at)) else {
            return Err(format!("event {next} has a negative number or moment"));
        };
        if sequence != next {
            return Err(format!("event {next} is missing"));
        }
        let hash = hash.try_into().map_err(|_| changed(next))?;
        self.last = Link { sequence, hash };
        page.text.push_str(json);
        page.rows.push(Written {
            at,
            end: page.text.len(),
            link: self.last,
        });
        Ok(())
    }
}

fn columns<'a>(row: &'a Row<'_>) -> rusqlite::Result<(i64, i64, &'a str, &'a [u8])> {
    let column = |index| row.get_ref(index);
    Ok((
        row.get(0)?,
        row.get(1)?,
        column(2)?.as_str()?,
        column(3)?.as_blob()?,
    ))
}

fn changed(sequence: u64) -> String {
    format!("event {sequence} was changed: its hash does not fit")
}

/// A page, and the events of its good start.
struct Checked {
    page: Page,
    events: Vec<Event>,
    /// What is wrong with the event after those.
    why: Option<String>,
}

fn check(page: Page) -> Checked {
    let mut events = Vec::with_capacity(page.rows.len());
    let (mut last, mut begin, mut why) = (page.after, 0, None);
    for row in &page.rows {
        let json = page.text.get(begin..row.end).unwrap_or_default();
        if last.next(row.at, json) != row.link {
            why = Some(changed(row.link.sequence));
            break;
        }
        match serde_json::from_str(json) {
            Ok(event) => events.push(event),
            Err(cause) => {
                why = Some(format!(
                    "event {} says something that this busbar-rack does not know ({cause})",
                    row.link.sequence
                ));
                break;
            }
        }
        (last, begin) = (row.link, row.end);
    }
    Checked { page, events, why }
}

impl Checked {
    fn hand_on(self, each: &mut impl FnMut(Link, u64, &str, Event)) -> Option<String> {
        let mut begin = 0;
        for (row, event) in self.page.rows.iter().zip(self.events) {
            let json = self.page.text.get(begin..row.end).unwrap_or_default();
            each(row.link, row.at, json, event);
            begin = row.end;
        }
        self.why
    }
}
