//! Makes the document of what [`super::told`] says and of the types' own schemas.

use std::collections::BTreeMap;

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::told::{Content, Operation, Parameter};

/// Where schemas stand in an OpenAPI document.
const SCHEMAS: &str = "/components/schemas";

/// What the document says of the API as a whole.
const ABOUT: &str = "Watts of a rack as a claimed resource. Unknown fields in requests are refused; unknown fields in \
                     answers are to be ignored. On loopback without a token whoever is on this machine may ask; elsewhere \
                     each request shows the bearer token (docs/operate.md).";

/// The schemas of what is asked and of what is answered: a field that may be left out of an ask is always there in an answer.
struct Schemas {
    asked: SchemaGenerator,
    answered: SchemaGenerator,
}

impl Schemas {
    fn new() -> Schemas {
        let settings =
            || SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = SCHEMAS.into());
        Schemas {
            asked: settings().for_deserialize().into_generator(),
            answered: settings().for_serialize().into_generator(),
        }
    }

    /// All of them by name. One name with two meanings would be a lie to whoever makes a client of this.
    fn all(mut self) -> BTreeMap<String, Value> {
        let mut all: BTreeMap<String, Value> = self.asked.take_definitions(true).into_iter().collect();
        for (name, schema) in self.answered.take_definitions(true) {
            if let Some(other) = all.insert(name.clone(), schema.clone()) {
                assert_eq!(
                    other, schema,
                    "{name} is asked in another shape than it is answered"
                );
            }
        }
        all
    }
}

/// The whole document, made anew.
pub(super) fn of(operations: &[Operation]) -> Value {
    let mut schemas = Schemas::new();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for operation in operations {
        let told = operation_object(operation, &mut schemas);
        let before = paths
            .entry(operation.path)
            .or_default()
            .insert(operation.method.to_owned(), told);
        assert!(
            before.is_none(),
            "{} {} is told twice",
            operation.method,
            operation.path
        );
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "busbar-rack",
            "version": "v1",
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "http://127.0.0.1:9712", "description": "The default: loopback, this machine only."}],
        "tags": [
            {"name": "look", "description": "Answered from memory or the journal; changes nothing."},
            {"name": "ask", "description": "Asks for a change; answered after the journal has it."},
            {"name": "pages", "description": "For people and for Prometheus."},
        ],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "The line of token_file."},
            },
            "schemas": schemas.all(),
        },
    })
}

fn operation_object(operation: &Operation, schemas: &mut Schemas) -> Value {
    // Without a token_file nothing is shown, which the empty requirement says.
    let security = if operation.open {
        json!([])
    } else {
        json!([{"token": []}, {}])
    };
    let mut told = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [operation.tag],
        "security": security,
        "responses": responses(operation, schemas),
    });
    let mut parameters: Vec<Value> = in_path(operation.path).map(path_parameter).collect();
    parameters.extend(operation.parameters.iter().map(parameter));
    if !parameters.is_empty() {
        told["parameters"] = Value::Array(parameters);
    }
    if let Some(shape) = operation.body {
        let schema = shape(&mut schemas.asked);
        told["requestBody"] = json!({
            "required": true,
            "content": {"application/json": {"schema": schema}},
        });
    }
    told
}

fn responses(operation: &Operation, schemas: &mut Schemas) -> Value {
    let mut told = Map::new();
    for (status, text, content) in &operation.answers {
        let content: Map<String, Value> = content.iter().map(|content| media(content, schemas)).collect();
        let answer = json!({"description": text, "content": content});
        let before = told.insert(status.to_string(), answer);
        assert!(before.is_none(), "{status} of {} is told twice", operation.path);
    }
    Value::Object(told)
}

fn media((media, shape): &Content, schemas: &mut Schemas) -> (String, Value) {
    let schema = match shape {
        Some(shape) => Value::from(shape(&mut schemas.answered)),
        None => json!({"type": "string"}),
    };
    ((*media).to_owned(), json!({"schema": schema}))
}

/// The names in braces.
pub(super) fn in_path(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn path_parameter(name: &str) -> Value {
    let text = match name {
        "claim" => "The claim's id or its name.",
        "serial" => "The drive's serial number.",
        _ => "The node's name.",
    };
    json!({"in": "path", "name": name, "required": true, "description": text, "schema": {"type": "string"}})
}

fn parameter(told: &Parameter) -> Value {
    json!({
        "in": told.place,
        "name": told.name,
        "required": told.required,
        "description": told.text,
        "schema": {"type": told.kind},
    })
}
