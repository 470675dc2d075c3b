//! The event desk of a BMC: turns what happened in the world into Redfish events, numbers them, and hands
//! them to every open stream and subscriber.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::{broadcast, watch};

use crate::live::Listener;
use crate::world::{Event, Happening};

/// Events that a slow reader may lag behind before its stream is closed; it must then read everything anew.
const STREAM_DEPTH: usize = 256;
/// Subscriptions at one time; recorded BMCs allow about twenty.
pub const SUBSCRIPTION_LIMIT: usize = 20;

/// Whose events this desk tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beat {
    /// Those of the shelf and its bays.
    Shelf {
        /// The shelf's name.
        shelf: String,
    },
    /// Those of one node.
    Node {
        /// The node's name.
        node: String,
    },
}

/// One event as it goes out.
#[derive(Debug, Clone)]
pub struct Dispatch {
    /// Its number: grows by one with each event of this BMC.
    pub id: u64,
    /// The Redfish Event payload.
    pub payload: Value,
}

/// Where events are sent.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// Its Id.
    pub id: String,
    /// `SSE` for an open stream, `RedfishEvent` for a subscriber that is called.
    pub kind: &'static str,
    /// The subscriber's URL; `None` for a stream.
    pub destination: Option<String>,
    /// A text that the subscriber chose.
    pub context: String,
    /// Turns true when the subscription is deleted.
    pub gone: watch::Sender<bool>,
}

/// The desk.
pub struct Desk {
    beat: Beat,
    inner: Mutex<Inner>,
    out: broadcast::Sender<Dispatch>,
}

struct Inner {
    next_event: u64,
    next_subscription: u64,
    subscriptions: BTreeMap<String, Subscription>,
}

/// One message of an event: registry key, arguments, severity, text, path of its origin.
struct Message {
    id: &'static str,
    args: Vec<String>,
    severity: &'static str,
    text: String,
    origin: String,
}

impl Desk {
    /// A desk with no subscribers.
    #[must_use]
    pub fn new(beat: Beat) -> Self {
        let inner = Inner {
            next_event: 1,
            next_subscription: 1,
            subscriptions: BTreeMap::new(),
        };
        Self {
            beat,
            inner: Mutex::new(inner),
            out: broadcast::channel(STREAM_DEPTH).0,
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that is told from now on.
    #[must_use]
    pub fn stream(&self) -> broadcast::Receiver<Dispatch> {
        self.out.subscribe()
    }

    /// Adds a subscription; `None` when all are taken.
    pub fn subscribe(
        &self,
        kind: &'static str,
        destination: Option<String>,
        context: Option<String>,
    ) -> Option<Subscription> {
        let mut inner = self.inner();
        if inner.subscriptions.len() >= SUBSCRIPTION_LIMIT {
            return None;
        }
        let id = inner.next_subscription.to_string();
        inner.next_subscription = inner.next_subscription.saturating_add(1);
        let context = context.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        let gone = watch::Sender::new(false);
        let subscription = Subscription {
            id: id.clone(),
            kind,
            destination,
            context,
            gone,
        };
        inner.subscriptions.insert(id, subscription.clone());
        Some(subscription)
    }

    /// Ends a subscription and closes its stream; answers whether there was one.
    pub fn unsubscribe(&self, id: &str) -> bool {
        let gone = self.inner().subscriptions.remove(id);
        gone.is_some_and(|subscription| {
            subscription.gone.send_replace(true);
            true
        })
    }

    /// Sets another context; answers whether there is such a subscription.
    pub fn set_context(&self, id: &str, context: &str) -> bool {
        let mut inner = self.inner();
        let found = inner.subscriptions.get_mut(id);
        found.is_some_and(|subscription| {
            context.clone_into(&mut subscription.context);
            true
        })
    }

    /// The subscriptions.
    #[must_use]
    pub fn subscriptions(&self) -> Vec<Subscription> {
        self.inner().subscriptions.values().cloned().collect()
    }

    /// The subscription of that Id.
    #[must_use]
    pub fn subscription(&self, id: &str) -> Option<Subscription> {
        self.inner().subscriptions.get(id).cloned()
    }

    /// Tells a test event, as `EventService.SubmitTestEvent` asks for.
    pub fn test(&self, at: &str, message_id: &str, origin: &str) {
        let message = json!({
            "EventTimestamp": at,
            "EventType": "Other",
            "MessageId": message_id,
            "Message": "This is a test event.",
            "MessageArgs": [],
            "MessageSeverity": "OK",
            "Severity": "OK",
            "OriginOfCondition": { "@odata.id": origin },
        });
        self.tell(vec![message]);
    }

    fn tell(&self, mut messages: Vec<Value>) {
        if messages.is_empty() {
            return;
        }
        let mut inner = self.inner();
        let id = inner.next_event;
        inner.next_event = inner.next_event.saturating_add(1);
        for (index, message) in messages.iter_mut().enumerate() {
            message["MemberId"] = json!(index.to_string());
            message["EventId"] = json!(format!("{id}.{index}"));
        }
        let payload = json!({
            "@odata.type": "#Event.v1_9_0.Event",
            "Id": id.to_string(),
            "Name": "Event",
            "Events": messages,
        });
        // No open stream is no error; sending under the lock keeps the numbers in order.
        let _ = self.out.send(Dispatch { id, payload });
    }

    fn messages(&self, happening: &Happening) -> Vec<Message> {
        match &self.beat {
            Beat::Shelf { shelf } => shelf_messages(shelf, happening),
            Beat::Node { node } => node_messages(node, happening),
        }
    }
}

impl Listener for Desk {
    fn hear(&self, event: &Event, at: &str) {
        let messages = self.messages(&event.happening).into_iter().map(|message| {
            json!({
                "EventTimestamp": at,
                "EventType": "Alert",
                "MessageId": message.id,
                "Message": message.text,
                "MessageArgs": message.args,
                "MessageSeverity": message.severity,
                "Severity": message.severity,
                "OriginOfCondition": { "@odata.id": message.origin },
            })
        });
        self.tell(messages.collect());
    }
}

fn shelf_messages(shelf: &str, happening: &Happening) -> Vec<Message> {
    let supply = |bay: &String, id: &'static str, severity, text: String| {
        let origin = format!("/redfish/v1/Chassis/{shelf}/PowerSubsystem/PowerSupplies/{bay}");
        vec![Message {
            id,
            args: vec![bay.clone()],
            severity,
            text,
            origin,
        }]
    };
    let whole = |id: &'static str, severity, text: String| {
        let origin = format!("/redfish/v1/Chassis/{shelf}/PowerSubsystem");
        vec![Message {
            id,
            args: vec![shelf.to_owned()],
            severity,
            text,
            origin,
        }]
    };
    match happening {
        Happening::Pulled { bay } => supply(
            bay,
            "Power.1.0.PowerSupplyRemoved",
            "OK",
            format!("Power supply '{bay}' was removed."),
        ),
        Happening::Inserted { bay, .. } => supply(
            bay,
            "Power.1.0.PowerSupplyInserted",
            "OK",
            format!("Power supply '{bay}' was inserted."),
        ),
        Happening::Failed { bay } | Happening::Tripped { bay, .. } => supply(
            bay,
            "Power.1.0.PowerSupplyFailed",
            "Warning",
            format!("Power supply '{bay}' has failed."),
        ),
        Happening::Repaired { bay } | Happening::Started { bay } => supply(
            bay,
            "Power.1.0.PowerSupplyRestored",
            "OK",
            format!("Power supply '{bay}' was restored."),
        ),
        Happening::InputLost { bay } => supply(
            bay,
            "Power.1.0.LossOfInputPower",
            "Warning",
            format!("Loss of input power at '{bay}'."),
        ),
        Happening::InputRestored { bay } => {
            let text = format!("Line input power at '{bay}' was restored.");
            supply(bay, "Power.1.0.LineInputPowerRestored", "OK", text)
        }
        Happening::Dark { .. } => {
            let text = format!("Power supply group '{shelf}' is in a critical state.");
            whole("Power.1.0.PowerSupplyGroupCritical", "Critical", text)
        }
        Happening::Lit => {
            let text = format!("Power supply group '{shelf}' is operating normally.");
            whole("Power.1.0.PowerSupplyGroupNormal", "OK", text)
        }
        Happening::ShelfLight { .. } => vec![changed(format!("/redfish/v1/Chassis/{shelf}"))],
        Happening::BayLight { bay, .. } => {
            vec![changed(format!(
                "/redfish/v1/Chassis/{shelf}/PowerSubsystem/PowerSupplies/{bay}"
            ))]
        }
        Happening::LimitSet { .. }
        | Happening::Power { .. }
        | Happening::NodeLight { .. }
        | Happening::Demand { .. }
        | Happening::Answers { .. } => Vec::new(),
    }
}

fn changed(origin: String) -> Message {
    let text = "One or more resource properties have changed.".to_owned();
    Message {
        id: "ResourceEvent.1.3.ResourceChanged",
        args: Vec::new(),
        severity: "OK",
        text,
        origin,
    }
}

fn node_messages(name: &str, happening: &Happening) -> Vec<Message> {
    match happening {
        Happening::LimitSet { node, .. } if node == name => {
            vec![changed("/redfish/v1/Chassis/node/EnvironmentMetrics".to_owned())]
        }
        Happening::NodeLight { node, .. } if node == name => {
            vec![changed("/redfish/v1/Chassis/node".to_owned())]
        }
        Happening::Power { node, on } if node == name => {
            let origin = "/redfish/v1/Systems/node".to_owned();
            let state = if *on { "On" } else { "Off" }.to_owned();
            let text = format!("The state of resource `{origin}` has changed to {state}.");
            let args = vec![origin.clone(), state];
            vec![Message {
                id: "ResourceEvent.1.3.ResourceStateChanged",
                args,
                severity: "OK",
                text,
                origin,
            }]
        }
        Happening::LimitSet { .. }
        | Happening::NodeLight { .. }
        | Happening::BayLight { .. }
        | Happening::ShelfLight { .. }
        | Happening::Power { .. }
        | Happening::Pulled { .. }
        | Happening::Inserted { .. }
        | Happening::Started { .. }
        | Happening::Failed { .. }
        | Happening::Repaired { .. }
        | Happening::InputLost { .. }
        | Happening::InputRestored { .. }
        | Happening::Tripped { .. }
        | Happening::Dark { .. }
        | Happening::Lit
        | Happening::Demand { .. }
        | Happening::Answers { .. } => Vec::new(),
    }
}

/// Calls a subscriber with every event from now on, until the subscription is deleted or cannot be reached.
pub fn deliver(desk: &std::sync::Arc<Desk>, subscription: &Subscription) {
    let Some(url) = subscription.destination.clone() else {
        return;
    };
    let (mut events, mut gone) = (desk.stream(), subscription.gone.subscribe());
    let (desk, id) = (std::sync::Arc::clone(desk), subscription.id.clone());
    tokio::spawn(async move {
        loop {
            let event = tokio::select! {
                _ = gone.wait_for(|gone| *gone) => return,
                event = events.recv() => event,
            };
            let Ok(mut event) = event else { continue };
            event.payload["Context"] = json!(desk.subscription(&id).map(|known| known.context));
            let mut sent = crate::call::call(axum::http::Method::POST, &url, Some(&event.payload)).await;
            if sent.is_err() {
                tokio::time::sleep(RETRY).await;
                sent = crate::call::call(axum::http::Method::POST, &url, Some(&event.payload)).await;
            }
            if let Err(e) = sent {
                tracing::warn!("subscription {id} ends: {e}");
                desk.unsubscribe(&id);
                return;
            }
        }
    });
}

/// One retry after this long, as `EventService` says.
const RETRY: std::time::Duration = std::time::Duration::from_secs(1);
