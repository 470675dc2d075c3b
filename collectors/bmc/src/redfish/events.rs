//! Events of a BMC as hints: an event never says what is, only what to read again.

use std::collections::{BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;

use futures_util::Stream;
use futures_util::stream;
use reqwest::header::{ACCEPT, HeaderValue};
use reqwest::{Method, Response};
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use super::bmc::{Bmc, Source};
use super::error::BmcError;
use super::schema::{Doubts, Fields};
use super::sse::Parser;

/// Where the event service is where the service root does not say.
const EVENT_SERVICE: &str = "/redfish/v1/EventService";
/// `EventService.ServerSentEventUri`.
const SERVER_SENT_EVENT_URI: &str = "ServerSentEventUri";

/// A reason to read something again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hint {
    /// The stream's own number for it, growing; a gap means that everything is to be read again.
    pub id: Option<String>,
    /// The resource (`OriginOfCondition`); `None` where the event names none: then everything may have changed.
    pub resource: Option<String>,
    /// `MessageId`, for the log.
    pub message_id: Option<String>,
    /// Which record of its event it is, from 0: one event may hold several.
    pub record: usize,
    /// A hash over the event's number and text: the same event that comes twice has the same one. Only for this process.
    pub event: u64,
}

/// Hints until the stream ends; an error is the last item. Connecting again, and reading everything then, is the caller's.
pub type Hints = Pin<Box<dyn Stream<Item = Result<Hint, BmcError>> + Send>>;

struct Open {
    /// Keeps the session while the stream lives.
    bmc: Bmc,
    url: String,
    response: Response,
    parser: Parser,
    ready: VecDeque<Hint>,
    _permit: OwnedSemaphorePermit,
}

/// Opens the BMC's event stream (SSE). It holds one of the four places for requests while it lives.
///
/// # Errors
/// Where the BMC offers no stream, or does not open it.
pub async fn events(bmc: &Bmc) -> Result<Hints, BmcError> {
    let path = bmc
        .root()
        .event_service
        .clone()
        .unwrap_or_else(|| EVENT_SERVICE.to_owned());
    let value = bmc.get_fresh(&path).await?;
    let doubts = Doubts::default();
    let name = bmc.name_of(&path);
    let uri = Fields::of(&value, &name, &doubts).text(SERVER_SENT_EVENT_URI);
    let refused = |why: &str| BmcError::Refused {
        resource: name.clone(),
        why: why.to_owned(),
    };
    let uri = uri.ok_or_else(|| refused("the BMC offers no event stream (ServerSentEventUri)"))?;
    let Source::Http(http) = bmc.source() else {
        return Err(refused("a recorded tree has no events"));
    };
    let url = http.url("GET", &uri)?;
    let dress = |request: reqwest::RequestBuilder| {
        request.header(ACCEPT, HeaderValue::from_static("text/event-stream"))
    };
    let answer = http.send(Method::GET, "GET", &url, &dress, false).await?;
    if answer.response.status().as_u16() != 200 {
        return Err(answer
            .exchange
            .unexpected(answer.response, "200 and text/event-stream")
            .await);
    }
    let open = Open {
        bmc: bmc.clone(),
        url: url.to_string(),
        response: answer.response,
        parser: Parser::default(),
        ready: VecDeque::new(),
        _permit: answer.permit,
    };
    Ok(Box::pin(stream::unfold(Some(open), |open| async move {
        let mut open = open?;
        match open.next().await {
            Ok(hint) => Some((Ok(hint), Some(open))),
            Err(error) => {
                tracing::debug!(bmc = open.bmc.name(), "event stream ended");
                Some((Err(error), None))
            }
        }
    })))
}

impl Open {
    async fn next(&mut self) -> Result<Hint, BmcError> {
        loop {
            if let Some(hint) = self.ready.pop_front() {
                return Ok(hint);
            }
            let ended = |what: &str, source| BmcError::Unreachable {
                method: "GET",
                url: self.url.clone(),
                what: what.to_owned(),
                source,
            };
            let chunk = self.response.chunk().await;
            let bytes = match chunk {
                Ok(Some(bytes)) => bytes,
                Ok(None) => return Err(ended("the event stream was closed by the BMC", None)),
                Err(error) => {
                    return Err(ended(
                        "the event stream broke",
                        Some(Box::new(error.without_url())),
                    ));
                }
            };
            match self.parser.push(&bytes) {
                Ok(events) => {
                    let hints = events
                        .iter()
                        .flat_map(|event| hints(&event.data, event.id.as_deref()));
                    self.ready.extend(hints);
                }
                Err(_) => return Err(ended("the event stream holds a line that is too long", None)),
            }
        }
    }
}

/// The subscriptions that the BMC knows of, by resource: an open stream is one of them where the BMC counts it as such. `None` where it
/// has no list of them.
///
/// # Errors
/// Where it cannot be read; then nothing is known.
pub async fn subscriptions(bmc: &Bmc) -> Result<Option<BTreeSet<String>>, BmcError> {
    let path = bmc
        .root()
        .event_service
        .clone()
        .unwrap_or_else(|| EVENT_SERVICE.to_owned());
    let doubts = Doubts::default();
    let service = bmc.get_fresh(&path).await?;
    let list = Fields::of(&service, &bmc.name_of(&path), &doubts).link("Subscriptions");
    let Some(list) = list else { return Ok(None) };
    let members = match bmc.get_fresh(&list).await {
        Ok(members) => members,
        Err(error) if error.is_local() => return Ok(None),
        Err(error) => return Err(error),
    };
    let members = Fields::of(&members, &bmc.name_of(&list), &doubts).links("Members");
    Ok(Some(members.into_iter().collect()))
}

/// The hints in one payload: one for each record of a Redfish `Event`. What is no JSON still says that something happened.
pub(super) fn hints(data: &str, id: Option<&str>) -> Vec<Hint> {
    let mut hash = DefaultHasher::new();
    (id, data).hash(&mut hash);
    let whole = Hint {
        id: id.map(str::to_owned),
        event: hash.finish(),
        ..Hint::default()
    };
    let Ok(value) = serde_json::from_str::<Value>(data) else {
        return vec![whole];
    };
    let doubts = Doubts::default();
    let fields = Fields::of(&value, "event", &doubts);
    // Telemetry comes over the same stream and changes nothing that is read here.
    if fields.type_name().as_deref() == Some("MetricReport") {
        return Vec::new();
    }
    let records = fields.objects("Events");
    if records.is_empty() {
        return vec![whole];
    }
    let each = records.iter().enumerate().map(|(index, record)| Hint {
        resource: record.link("OriginOfCondition"),
        message_id: record.text("MessageId"),
        record: index,
        ..whole.clone()
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_record_is_a_hint_and_garbage_hints_at_everything() {
        let data = r##"{"@odata.type":"#Event.v1_7_0.Event","Events":[
            {"MessageId":"a","OriginOfCondition":{"@odata.id":"/redfish/v1/x"}},
            {"MessageId":"b","OriginOfCondition":"/redfish/v1/y"},{"MessageId":"c"}]}"##;
        let found = hints(data, Some("3"));
        let resources: Vec<Option<&str>> = found.iter().map(|hint| hint.resource.as_deref()).collect();
        assert_eq!(resources, [Some("/redfish/v1/x"), Some("/redfish/v1/y"), None]);
        assert_eq!(
            found.iter().map(|hint| hint.record).collect::<Vec<_>>(),
            [0, 1, 2]
        );
        assert!(found.iter().all(|hint| hint.event == found[0].event));
        assert_eq!(hints(data, Some("3")), found, "the same event again is the same");
        assert_ne!(hints(data, Some("4"))[0].event, found[0].event);
        let garbage = hints("not json", None);
        assert!(garbage.len() == 1 && garbage[0].resource.is_none(), "{garbage:?}");
        assert!(hints(r##"{"@odata.type":"#MetricReport.v1_0_0.MetricReport"}"##, None).is_empty());
    }
}
