//! What the document says of each route beside the schemas: in one line what it does, who may ask, what comes back.

mod drives;

use rack_api::client::{ASKED_BY, IDEMPOTENCY_KEY, REASON};
use rack_api::v1::{
    AckRequest, ClaimView, DoubtView, DrainAnswer, DrainRequest, ErrorBody, EventView, LocateAnswer,
    LocateRequest, PauseRequest, PauseView, PowerAsk, PowerOnAnswer, RackStatus, RackView, SwapAnswer,
    SwapRequest,
};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::http::discovery::Group;

/// Makes the schema of one type.
pub(super) type Shape = fn(&mut SchemaGenerator) -> Schema;

/// A body: its media type, and its schema where it is JSON.
pub(super) type Content = (&'static str, Option<Shape>);

/// A parameter of the query or a header.
#[derive(Clone, Copy)]
pub(super) struct Parameter {
    /// `query` or `header`.
    pub(super) place: &'static str,
    pub(super) name: &'static str,
    pub(super) required: bool,
    /// `boolean`, `integer` or `string`.
    pub(super) kind: &'static str,
    pub(super) text: &'static str,
}

/// One route as the document tells it.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) tag: &'static str,
    /// Whether it is answered without the token that the controller may ask for.
    pub(super) open: bool,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<Shape>,
    pub(super) answers: Vec<(u16, &'static str, Vec<Content>)>,
}

const JSON: &str = "application/json";

fn shape<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// What a status means, wherever it comes with an [`ErrorBody`].
fn refusal(status: u16) -> &'static str {
    match status {
        400 => "The request makes no sense; the message says what was expected.",
        401 => "The controller asks for a bearer token, and this request shows none or another one.",
        403 => "The request was sent to a name that is not this machine's, or by a web page from elsewhere.",
        404 => "There is no such thing.",
        409 => {
            "Refused as things are: a shortfall, the interlock, a conflict. The numbers stand beside the message."
        }
        413 => "The body is longer than any ask.",
        415 => "The body is not said to be application/json.",
        500 => "The controller failed.",
        503 => {
            "Not now: the journal cannot be written, too much was asked at once, or the controller is stopping. \
             Ask again; a claim with the same Idempotency-Key."
        }
        _ => "An error.",
    }
}

impl Operation {
    fn get(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
        let mut operation = Operation {
            method: "get",
            path,
            id,
            summary,
            tag: "look",
            open: false,
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
        };
        operation.refuse(&[401, 403]);
        operation
    }

    /// A change: it says who asks and why, and waits for the journal.
    fn change(
        method: &'static str,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
    ) -> Operation {
        let header = |name, text| Parameter {
            place: "header",
            name,
            required: false,
            kind: "string",
            text,
        };
        let mut operation = Operation {
            method,
            parameters: vec![
                header(
                    ASKED_BY,
                    "Who asks, as in anna@ws1; at most 400 bytes, journaled, not proven.",
                ),
                header(REASON, "Why; at most 400 bytes, journaled."),
            ],
            tag: "ask",
            ..Operation::get(path, id, summary)
        };
        operation.refuse(&[400, 404, 409, 503]);
        operation
    }

    fn refuse(&mut self, statuses: &[u16]) {
        for status in statuses {
            let error: Content = (JSON, Some(shape::<ErrorBody>));
            self.answers.push((*status, refusal(*status), vec![error]));
        }
    }

    fn may_refuse(mut self, statuses: &[u16]) -> Operation {
        self.refuse(statuses);
        self
    }

    fn takes<T: JsonSchema>(mut self) -> Operation {
        self.body = Some(shape::<T>);
        self.refuse(&[413, 415]);
        self
    }

    fn answers<T: JsonSchema>(self, status: u16, text: &'static str) -> Operation {
        self.gives(status, text, vec![(JSON, Some(shape::<T>))])
    }

    fn gives(mut self, status: u16, text: &'static str, content: Vec<Content>) -> Operation {
        self.answers.push((status, text, content));
        self
    }

    fn open(mut self) -> Operation {
        self.open = true;
        self.answers.retain(|(status, ..)| *status != 401);
        self
    }

    fn tagged(mut self, tag: &'static str) -> Operation {
        self.tag = tag;
        self
    }

    fn with(
        mut self,
        place: &'static str,
        name: &'static str,
        kind: &'static str,
        text: &'static str,
    ) -> Operation {
        self.parameters.push(Parameter {
            place,
            name,
            required: false,
            kind,
            text,
        });
        self
    }

    fn required(mut self) -> Operation {
        if let Some(last) = self.parameters.last_mut() {
            last.required = true;
        }
        self
    }

    fn may_be_dry(self) -> Operation {
        self.with(
            "query",
            "dry_run",
            "boolean",
            "Only say what would come of it; nothing is changed.",
        )
    }
}

/// Every operation, in the order of the routes.
pub(super) fn all() -> Vec<Operation> {
    let mut all = pages();
    all.extend(looks());
    all.extend(claims());
    all.extend(nodes());
    all.extend(hands());
    all.extend(drives::drives());
    all
}

fn pages() -> Vec<Operation> {
    let page = |path, id, summary, media| {
        Operation::get(path, id, summary)
            .tagged("pages")
            .gives(200, "The page.", vec![(media, None)])
    };
    vec![
        page("/", "page", "The rack as a picture, for people.", "text/html").open(),
        page("/ui/rack.css", "style", "The picture's style.", "text/css").open(),
        page(
            "/ui/rack.js",
            "script",
            "The picture's script.",
            "text/javascript",
        )
        .open(),
        page(
            "/healthz",
            "healthz",
            "Whether the controller can do its work.",
            "text/plain",
        )
        .open()
        .gives(503, "It cannot; the text says why.", vec![("text/plain", None)]),
        Operation::get("/metrics", "metrics", "Metrics, from memory.")
            .tagged("pages")
            .gives(
                200,
                "The page, in the format that Accept prefers.",
                vec![("text/plain", None), ("application/openmetrics-text", None)],
            )
            .may_refuse(&[500]),
        page(
            "/ipmi",
            "ipmi",
            "One BMC as prometheus-ipmi-exporter would show it, from memory.",
            "text/plain",
        )
        .with("query", "target", "string", "The BMC's name.")
        .required()
        .may_refuse(&[400, 404]),
        Operation::get(
            "/sd/prometheus",
            "discovery",
            "Targets, in Prometheus' HTTP service discovery.",
        )
        .tagged("pages")
        .with("query", "role", "string", "agent, bmc or rack.")
        .required()
        .answers::<Vec<Group>>(200, "The targets.")
        .may_refuse(&[400, 503]),
    ]
}

fn looks() -> Vec<Operation> {
    let stream: Content = ("text/event-stream", None);
    vec![
        Operation::get("/v1/openapi.json", "openapi", "This document.").gives(
            200,
            "This document.",
            vec![(JSON, Some(shape::<serde_json::Value>))],
        ),
        Operation::get("/v1/status", "status", "Which rack this is, and how it is set.")
            .answers::<RackStatus>(200, "The head of the rack's view."),
        Operation::get("/v1/rack", "rack", "The rack as one machine.").answers::<RackView>(200, "The whole view."),
        Operation::get(
            "/v1/events",
            "events",
            "The journal after an event: a page of it, or with Accept: text/event-stream what happens from there on.",
        )
        .with("query", "after", "integer", "The number of the last event that is known; 0 is the beginning.")
        .with("header", "Last-Event-ID", "integer", "The same, as browsers say it; only for a stream.")
        .gives(
            200,
            "Events, the oldest first. A stream has one event of the same shape in each `data`, and its number in `id`.",
            vec![(JSON, Some(shape::<Vec<EventView>>)), stream],
        )
        .may_refuse(&[400, 500, 503]),
    ]
}

fn claims() -> Vec<Operation> {
    vec![
        Operation::get("/v1/claims", "claims", "The claims in force.")
            .answers::<Vec<ClaimView>>(200, "All of them."),
        Operation::change("post", "/v1/claims", "claim", "Asks for watts.")
            .with(
                "header",
                IDEMPOTENCY_KEY,
                "string",
                "A UUID, say: the same key again is the same claim and gives the same answer.",
            )
            .may_be_dry()
            .takes::<PowerAsk>()
            .answers::<ClaimView>(201, "The claim, in the journal.")
            .answers::<ClaimView>(200, "In a dry run: the claim as it would be, without an id."),
        Operation::change("delete", "/v1/claims/{claim}", "release", "Gives a claim back.")
            .answers::<ClaimView>(200, "The claim as it was."),
        Operation::change(
            "post",
            "/v1/claims/{claim}/apply",
            "apply",
            "Makes a reservation a claim.",
        )
        .may_be_dry()
        .answers::<ClaimView>(200, "The claim."),
        Operation::change(
            "post",
            "/v1/claims/{claim}/renew",
            "renew",
            "Lets a claim with a time to live stand for that time again.",
        )
        .may_be_dry()
        .answers::<ClaimView>(200, "The claim."),
    ]
}

fn nodes() -> Vec<Operation> {
    vec![
        Operation::change(
            "post",
            "/v1/nodes/{node}/calibrate",
            "calibrate",
            "Begins a drill of a node's cap; its end is an event (cap_proven, cap_doubted or drill_showed_nothing).",
        )
        .may_be_dry()
        .answers::<()>(202, "Begun."),
        Operation::change(
            "post",
            "/v1/nodes/{node}/power-on",
            "power_on",
            "Switches a node on as soon as all that it can draw fits and those before it are up.",
        )
        .may_be_dry()
        .answers::<PowerOnAnswer>(202, "Whether it is being switched on, or waits and for what."),
    ]
}

fn hands() -> Vec<Operation> {
    vec![
        Operation::change(
            "post",
            "/v1/drain",
            "drain",
            "Asks the interlock whether a bay may be emptied, and begins it.",
        )
        .takes::<DrainRequest>()
        .answers::<DrainAnswer>(200, "What the interlock says; `begun` where draining began."),
        Operation::change("post", "/v1/locate", "locate", "Lights or darkens a bay's LED.")
            .takes::<LocateRequest>()
            .answers::<LocateAnswer>(200, "The LED as it was read back."),
        Operation::change(
            "post",
            "/v1/swap",
            "swap",
            "Begins the swap of a bay's part, goes on with it, or gives it up.",
        )
        .takes::<SwapRequest>()
        .answers::<SwapAnswer>(200, "The swap as it stands."),
        Operation::change(
            "post",
            "/v1/doubts/ack",
            "acknowledge",
            "Says that somebody knows of a doubt.",
        )
        .takes::<AckRequest>()
        .answers::<DoubtView>(200, "The doubt."),
        Operation::change(
            "post",
            "/v1/pause",
            "pause",
            "Holds the controller back for a while, or lets it act again.",
        )
        .takes::<PauseRequest>()
        .answers::<Vec<PauseView>>(200, "What is paused now."),
    ]
}
