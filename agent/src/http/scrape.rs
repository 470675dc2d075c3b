//! `GET /metrics`: one page for all who ask within a moment, compressed once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, VARY,
};
use axum::response::{IntoResponse, Response};
use facts::sheet::Sheet;
use tokio::sync::Mutex;

use super::House;
use super::answer::Failure;
use super::routes::Shared;
use crate::metrics::{Counts, Format, Own, Press, Selection, takes_gzip};

/// How long one page serves all who ask: a scraper every few seconds never sees an old one, and sixteen at once cost what one does.
const SHARED_FOR: Duration = Duration::from_millis(100);

/// A page of more bytes is given back once nobody shares it: the next scrape is seconds away, and the kernel takes and gives such
/// memory whole. A smaller one lies in the heap, where the next takes its place.
const LARGE: usize = 256 << 10;

/// One page, and its compressed form once somebody asked for it.
#[derive(Debug, Default)]
struct Printed {
    /// When its sources had answered; `None` before the first.
    at: Option<Instant>,
    plain: Bytes,
    packed: Option<Bytes>,
    /// The memory of the last compressed form, until the next takes it.
    spare: Vec<u8>,
}

/// The pages of one agent, for both of its faces.
#[derive(Debug)]
pub struct Pages {
    selection: Selection,
    counts: Counts,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    press: Press,
    text: Printed,
    open: Printed,
}

impl Pages {
    /// No page yet.
    pub fn new(selection: Selection, counts: Counts) -> Pages {
        let kept = Kept {
            press: Press::new(selection.clone(), counts.clone()),
            text: Printed::default(),
            open: Printed::default(),
        };
        Pages {
            selection,
            counts,
            kept: Mutex::new(kept),
        }
    }

    /// What the daemon counts of its answers.
    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The page as it is now, or was a moment ago, and whether it was made for this and is large. Who comes while it is made waits
    /// for it instead of making another.
    async fn page(&self, house: &House, format: Format, wants_gzip: bool) -> Result<(Bytes, bool), Failure> {
        let mut kept = self.kept.lock().await;
        let is_made = !kept.slot(format).is_new();
        if is_made {
            let fresh = house.fresh.sheets().await;
            // From here on, not from when the sources were asked: those who waited with us share what one that hangs left over.
            let at = Instant::now();
            let made = catch_unwind(AssertUnwindSafe(|| kept.print(house, fresh, format, at)));
            if made.is_err() {
                // What a half-made page left behind is not trusted.
                kept.press = Press::new(self.selection.clone(), self.counts.clone());
                *kept.slot(format) = Printed::default();
                return Err(broken("the page broke while it was written; the log has more"));
            }
        }
        let is_large = kept.slot(format).plain.len() > LARGE;
        Ok((kept.answer(format, wants_gzip)?, is_made && is_large))
    }

    /// Gives the page back that nobody shares any more.
    async fn give_back(&self, format: Format) {
        let mut kept = self.kept.lock().await;
        let slot = kept.slot(format);
        if !slot.is_new() {
            *slot = Printed::default();
        }
    }
}

impl Printed {
    fn is_new(&self) -> bool {
        self.at.is_some_and(|at| at.elapsed() < SHARED_FOR)
    }
}

impl Kept {
    fn slot(&mut self, format: Format) -> &mut Printed {
        match format {
            Format::Text => &mut self.text,
            Format::OpenMetrics => &mut self.open,
        }
    }

    /// Prints a page in the place of the last one of this format, and in its memory where nobody reads that any more.
    fn print(&mut self, house: &House, fresh: Vec<Arc<Sheet>>, format: Format, at: Instant) {
        let last = std::mem::take(self.slot(format));
        let mut page = memory_of(last.plain);
        let own = Own {
            events: Some(house.events.told()),
            listeners: Some(house.events.listeners()),
            ..Own::now()
        };
        let view = house.board.latest();
        self.press.print(&view, fresh, &own, format, &mut page);
        *self.slot(format) = Printed {
            at: Some(at),
            plain: Bytes::from(page),
            packed: None,
            spare: last.packed.map_or(last.spare, memory_of),
        };
    }

    fn answer(&mut self, format: Format, wants_gzip: bool) -> Result<Bytes, Failure> {
        let Kept { press, text, open } = self;
        let printed = match format {
            Format::Text => text,
            Format::OpenMetrics => open,
        };
        if printed.plain.is_empty() {
            return Err(broken(
                "the page is empty: [metrics] exclude of the configuration leaves nothing",
            ));
        }
        if !wants_gzip {
            return Ok(printed.plain.clone());
        }
        Ok(printed.packed(press, format))
    }
}

impl Printed {
    fn packed(&mut self, press: &mut Press, format: Format) -> Bytes {
        if let Some(packed) = &self.packed {
            return packed.clone();
        }
        let mut packed = std::mem::take(&mut self.spare);
        press.pack(format, &self.plain, &mut packed);
        let packed = Bytes::from(packed);
        self.packed = Some(packed.clone());
        packed
    }
}

/// The memory of bytes that nobody else holds, empty; other memory where somebody does.
fn memory_of(mut bytes: Bytes) -> Vec<u8> {
    let is_ours = bytes.is_unique();
    bytes.clear();
    if is_ours { Vec::from(bytes) } else { Vec::new() }
}

fn broken(message: &str) -> Failure {
    Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
}

/// The answer, with what caches between must know: it differs by what was asked for.
pub(super) async fn scrape(shared: &Arc<Shared>, headers: &HeaderMap) -> Response {
    let header = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let format = Format::wanted(header(ACCEPT));
    let wants_gzip = takes_gzip(header(ACCEPT_ENCODING));
    let house = &shared.house;
    let (page, is_given_back) = match house.pages.page(house, format, wants_gzip).await {
        Ok(page) => page,
        Err(failure) => return failure.into_response(),
    };
    if is_given_back {
        let shared = Arc::clone(shared);
        tokio::spawn(async move {
            tokio::time::sleep(SHARED_FOR).await;
            shared.house.pages.give_back(format).await;
        });
    }
    let mut answer = Response::new(page.into());
    let about = answer.headers_mut();
    about.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    about.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if wants_gzip {
        about.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    answer
}
