//! The event service: subscriptions as resources, and the stream of server-sent events.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use futures_util::Stream;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::service::{collection, fine, link, resource_with};
use super::{Bmc, Page, ROOT, SSE, types};
use crate::face::desk::{Desk, Dispatch, Subscription};
use crate::face::reply;
use crate::face::trouble::Trouble;
use crate::world::Answer;

/// A comment is sent after this long without an event, so that a dead connection is noticed.
const HEARTBEAT: Duration = Duration::from_secs(30);

impl Bmc {
    pub(super) fn event_page(&self, segments: &[&str]) -> Option<Page> {
        let path = format!("{ROOT}/{}", segments.join("/"));
        Some(match segments {
            ["EventService"] => Page::new(event_service(&path)),
            ["EventService", "Subscriptions"] => {
                let ids: Vec<String> = self.desk.subscriptions().into_iter().map(|one| one.id).collect();
                let body = collection(&path, types::SUBSCRIPTION_COLLECTION, "Event Subscriptions", &ids);
                Page::new(body).with(&[Method::POST])
            }
            ["EventService", "Subscriptions", id] => {
                let body = subscription_body(&self.desk.subscription(id)?);
                Page::new(body).with(&[Method::PATCH, Method::DELETE])
            }
            [..] => return None,
        })
    }

    /// Opens a stream of events and the subscription that stands for it.
    pub(super) fn open_stream(self: &Arc<Self>, method: &Method) -> Result<Response, Trouble> {
        let mut response = if *method == Method::HEAD {
            reply::empty(StatusCode::OK)
        } else {
            let receiver = self.desk.stream();
            let subscription = self
                .desk
                .subscribe("SSE", None, None)
                .ok_or_else(Trouble::create_limit)?;
            let guard = Guard {
                desk: Arc::clone(&self.desk),
                id: subscription.id.clone(),
            };
            let mut response = reply::empty(StatusCode::OK);
            let mood = {
                let bmc = Arc::clone(self);
                move |id: &str| bmc.mood(id)
            };
            *response.body_mut() = Body::from_stream(frames(receiver, subscription, guard, mood));
            response
        };
        let kind = HeaderValue::from_static("text/event-stream");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        reply::allow(response.headers_mut(), &[Method::GET, Method::HEAD]);
        Ok(response)
    }
}

/// How events reach a stream now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    /// Each once.
    Proper,
    /// Each twice, and the one before it again.
    Doubled,
    /// Those with odd numbers only.
    Lossy,
    /// Not at all: the stream is forgotten.
    Deaf,
}

impl Bmc {
    fn mood(&self, subscription: &str) -> Mood {
        if self.desk.subscription(subscription).is_none() {
            return Mood::Deaf;
        }
        match self.live.answer(&self.name) {
            Answer::Doubled => Mood::Doubled,
            Answer::Lossy => Mood::Lossy,
            Answer::Ok
            | Answer::Unauthorized
            | Answer::NotFound
            | Answer::Half
            | Answer::Never
            | Answer::Forgetful => Mood::Proper,
        }
    }
}

/// Ends the subscription when the client goes away.
struct Guard {
    desk: Arc<Desk>,
    id: String,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.desk.unsubscribe(&self.id);
    }
}

type Frame = Result<Bytes, std::convert::Infallible>;

/// Keeps the guard alive for as long as hyper holds the stream.
struct Frames {
    inner: Pin<Box<dyn Stream<Item = Frame> + Send>>,
    _guard: Guard,
}

impl Stream for Frames {
    type Item = Frame;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Frame>> {
        self.inner.as_mut().poll_next(context)
    }
}

fn frames(
    receiver: tokio::sync::broadcast::Receiver<Dispatch>,
    subscription: Subscription,
    guard: Guard,
    mood: impl Fn(&str) -> Mood + Clone + Send + Sync + 'static,
) -> Frames {
    let gone = subscription.gone.subscribe();
    // The first bytes tell the client that the stream stands before anything happens.
    let greeting = Bytes::from_static(b": connected\n\n");
    let start = (receiver, gone, Some(greeting), Bytes::new());
    let inner = futures_util::stream::unfold(start, move |(mut receiver, mut gone, greeting, before)| {
        let (subscription, mood) = (subscription.clone(), mood.clone());
        async move {
            if let Some(greeting) = greeting {
                return Some((Ok(greeting), (receiver, gone, None, before)));
            }
            loop {
                let received = tokio::select! {
                    _ = gone.wait_for(|gone| *gone) => return None,
                    () = tokio::time::sleep(HEARTBEAT) => None,
                    received = receiver.recv() => Some(received),
                };
                let dispatch = match received {
                    None => {
                        let frame = Bytes::from_static(b": still here\n\n");
                        return Some((Ok(frame), (receiver, gone, None, before)));
                    }
                    Some(Ok(dispatch)) => dispatch,
                    // Too slow: the client must read everything anew, and a closed stream says so.
                    Some(Err(RecvError::Lagged(_) | RecvError::Closed)) => return None,
                };
                let now = mood(&subscription.id);
                if now == Mood::Deaf || (now == Mood::Lossy && dispatch.id.is_multiple_of(2)) {
                    continue;
                }
                let frame = framed(dispatch, &subscription.context);
                let told = match now {
                    Mood::Doubled => [&frame[..], &frame[..], &before[..]].concat().into(),
                    Mood::Proper | Mood::Lossy | Mood::Deaf => frame.clone(),
                };
                return Some((Ok(told), (receiver, gone, None, frame)));
            }
        }
    });
    Frames {
        inner: Box::pin(inner),
        _guard: guard,
    }
}

fn event_service(path: &str) -> Value {
    resource_with(
        path,
        types::EVENT_SERVICE,
        "EventService",
        "Event Service",
        json!({
            "ServiceEnabled": true,
            "DeliveryRetryAttempts": 1,
            "DeliveryRetryIntervalSeconds": 1,
            "EventFormatTypes": ["Event"],
            "RegistryPrefixes": ["Power", "ResourceEvent"],
            "ResourceTypes": ["Chassis", "ComputerSystem", "EnvironmentMetrics", "PowerSubsystem", "PowerSupply"],
            "ServerSentEventUri": SSE,
            "SSEFilterPropertiesSupported": {
                "EventFormatType": false,
                "MessageId": false,
                "MetricReportDefinition": false,
                "OriginResource": false,
                "RegistryPrefix": false,
                "ResourceType": false,
            },
            "Subscriptions": link(&format!("{path}/Subscriptions")),
            "Status": fine(),
            "Actions": {
                "#EventService.SubmitTestEvent": {
                    "target": format!("{path}/Actions/EventService.SubmitTestEvent"),
                },
            },
        }),
    )
}

/// A subscription as a resource.
pub(super) fn subscription_body(subscription: &Subscription) -> Value {
    let path = format!("{ROOT}/EventService/Subscriptions/{}", subscription.id);
    resource_with(
        &path,
        types::SUBSCRIPTION,
        &subscription.id,
        "Event Subscription",
        json!({
            "Destination": subscription.destination,
            "SubscriptionType": subscription.kind,
            "Protocol": "Redfish",
            "Context": subscription.context,
            "EventFormatType": "Event",
            "DeliveryRetryPolicy": "TerminateAfterRetries",
            "Status": fine(),
        }),
    )
}

fn framed(dispatch: Dispatch, context: &str) -> Bytes {
    let mut payload = dispatch.payload;
    payload["Context"] = json!(context);
    Bytes::from(format!("id: {}\ndata: {payload}\n\n", dispatch.id))
}
