//! The event desk of a BMC: turns what happened in the world into Redfish events, numbers them, and hands
//! them to every open stream and subscriber.

mod messages;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::{broadcast, watch};

use crate::live::Listener;
use crate::world::{Event, Happening};
use messages::{Message, jbof_messages, node_messages, shelf_messages};

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
    /// Those of one enclosure of drives.
    Jbof {
        /// The enclosure's name.
        jbof: String,
    },
    /// Those of one node.
    Node {
        /// The node's name.
        node: String,
    },
}

impl Beat {
    /// The BMC's name.
    fn name(&self) -> &str {
        match self {
            Self::Shelf { shelf } => shelf,
            Self::Jbof { jbof } => jbof,
            Self::Node { node } => node,
        }
    }
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

    /// Forgets the open streams and tells them nothing of it, as a BMC does that starts its event service anew.
    pub fn forget_streams(&self) {
        let mut inner = self.inner();
        inner.subscriptions.retain(|_, one| one.destination.is_some());
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
            Beat::Jbof { jbof } => jbof_messages(jbof, happening),
            Beat::Node { node } => node_messages(node, happening),
        }
    }
}

impl Listener for Desk {
    fn hear(&self, event: &Event, at: &str) {
        if matches!(&event.happening, Happening::Rebooted { bmc } if bmc == self.beat.name()) {
            for subscription in self.subscriptions() {
                self.unsubscribe(&subscription.id);
            }
        }
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
