//! How quantities and moments are described in JSON Schema: what is written by hand in their serde is written by hand here too.
//! The types that serde derives derive their schema beside it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::moment::Moment;
use crate::unit::{Bytes, Power};

impl JsonSchema for Power {
    fn schema_name() -> Cow<'static, str> {
        "Watts".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "number",
            "minimum": 0,
            "description": "Electrical power in watts, with at most three decimals."
        })
    }
}

impl JsonSchema for Bytes {
    fn schema_name() -> Cow<'static, str> {
        "Bytes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "integer",
            "minimum": 0,
            "description": "An amount of memory or storage in bytes."
        })
    }
}

impl JsonSchema for Moment {
    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "date-time",
            "description": "RFC 3339 in UTC with milliseconds, as in 2026-11-22T01:40:18.123Z."
        })
    }
}
