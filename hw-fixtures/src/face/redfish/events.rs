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
use crate::face::desk::{Desk, Subscription};
use crate::face::reply;
use crate::face::trouble::Trouble;

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
            *response.body_mut() = Body::from_stream(frames(receiver, subscription, guard));
            response
        };
        let kind = HeaderValue::from_static("text/event-stream");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        reply::allow(response.headers_mut(), &[Method::GET, Method::HEAD]);
        Ok(response)
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
    receiver: tokio::sync::broadcast::Receiver<crate::face::desk::Dispatch>,
    subscription: Subscription,
    guard: Guard,
) -> Frames {
    let gone = subscription.gone.subscribe();
    let context = subscription.context;
    let start = (receiver, gone, false);
    let inner = futures_util::stream::unfold(start, move |(mut receiver, mut gone, greeted)| {
        let context = context.clone();
        async move {
            if !greeted {
                // The first bytes tell the client that the stream stands before anything happens.
                return Some((Ok(Bytes::from_static(b": connected\n\n")), (receiver, gone, true)));
            }
            let frame = tokio::select! {
                _ = gone.wait_for(|gone| *gone) => return None,
                () = tokio::time::sleep(HEARTBEAT) => Bytes::from_static(b": still here\n\n"),
                received = receiver.recv() => match received {
                    Ok(dispatch) => {
                        let mut payload = dispatch.payload;
                        payload["Context"] = json!(context);
                        Bytes::from(format!("id: {}\ndata: {payload}\n\n", dispatch.id))
                    }
                    // Too slow: the client must read everything anew, and a closed stream says so.
                    Err(RecvError::Lagged(_) | RecvError::Closed) => return None,
                },
            };
            Some((Ok(frame), (receiver, gone, true)))
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
