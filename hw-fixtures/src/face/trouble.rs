//! What a Redfish service says when it cannot do what was asked: DSP0266 error responses with messages of
//! the DMTF's Base registry.

use axum::http::StatusCode;
use serde_json::{Value, json};

/// The Base registry whose message identifiers are used.
const BASE: &str = "Base.1.18";

/// One message of the Base registry with its status code.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// The HTTP status.
    pub status: StatusCode,
    /// In a box: a trouble travels through many results and is rare.
    words: Box<Words>,
}

#[derive(Debug, Clone)]
struct Words {
    message_id: &'static str,
    message: String,
    args: Vec<String>,
    severity: &'static str,
    resolution: &'static str,
    /// Further messages of the same answer.
    more: Vec<Trouble>,
    /// The property it is about, as a JSON pointer.
    property: Option<String>,
}

impl Trouble {
    fn new(status: StatusCode, message_id: &'static str, message: String, args: &[&str]) -> Self {
        let words = Words {
            message_id,
            message,
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            severity: "Warning",
            resolution: "Correct the request and submit it again.",
            more: Vec::new(),
            property: None,
        };
        Self {
            status,
            words: Box::new(words),
        }
    }

    /// No resource stands at this path.
    #[must_use]
    pub fn not_found(path: &str) -> Self {
        let message = format!("The resource at the URI '{path}' was not found.");
        Self::new(StatusCode::NOT_FOUND, "ResourceMissingAtURI", message, &[path])
    }

    /// The request named nobody, or nobody who is known here.
    #[must_use]
    pub fn unauthorized() -> Self {
        let message = "There is no valid session established with the implementation.".to_owned();
        let mut trouble = Self::new(StatusCode::UNAUTHORIZED, "NoValidSession", message, &[]);
        trouble.words.severity = "Critical";
        trouble.words.resolution = "Establish a session before attempting any operations.";
        trouble
    }

    /// The user's role does not allow this.
    #[must_use]
    pub fn forbidden() -> Self {
        let message = "There are insufficient privileges for the account or credentials associated with the \
                       current session to perform the requested operation."
            .to_owned();
        let mut trouble = Self::new(StatusCode::FORBIDDEN, "InsufficientPrivilege", message, &[]);
        trouble.words.severity = "Critical";
        trouble
    }

    /// The password must be changed before anything else.
    #[must_use]
    pub fn password_change_required(account: &str) -> Self {
        let message = format!(
            "The password provided for this account must be changed before access is granted. PATCH the \
             Password property for this account located at the target URI '{account}' to complete this process."
        );
        Self::new(
            StatusCode::FORBIDDEN,
            "PasswordChangeRequired",
            message,
            &[account],
        )
    }

    /// The resource does not know this method.
    #[must_use]
    pub fn method_not_allowed(method: &str, path: &str) -> Self {
        let message = format!("The HTTP method {method} is not allowed on the resource '{path}'.");
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "OperationNotAllowed",
            message,
            &[],
        )
    }

    /// The method is none that this service knows.
    #[must_use]
    pub fn method_unknown(method: &str) -> Self {
        let message = format!("The HTTP method {method} is not implemented.");
        Self::new(StatusCode::NOT_IMPLEMENTED, "OperationNotAllowed", message, &[])
    }

    /// `If-Match` names another state of the resource.
    #[must_use]
    pub fn precondition_failed() -> Self {
        let message = "The ETag supplied did not match the ETag required to change this resource.".to_owned();
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "PreconditionFailed",
            message,
            &[],
        )
    }

    /// A header holds a value that this service does not support.
    #[must_use]
    pub fn header_invalid(header: &str) -> Self {
        let message = format!("The header '{header}' holds a value that is not supported.");
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "HeaderInvalid",
            message,
            &[header],
        )
    }

    /// The body's media type is not JSON.
    #[must_use]
    pub fn not_json() -> Self {
        let message = "The request body is not application/json.".to_owned();
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UnrecognizedRequestBody",
            message,
            &[],
        )
    }

    /// The body is no JSON object.
    #[must_use]
    pub fn malformed() -> Self {
        let message = "The request body submitted was malformed JSON and could not be parsed.".to_owned();
        let mut trouble = Self::new(StatusCode::BAD_REQUEST, "MalformedJSON", message, &[]);
        trouble.words.severity = "Critical";
        trouble
    }

    /// The body is larger than anything this service takes.
    #[must_use]
    pub fn too_large(limit: usize) -> Self {
        let message = format!("The request body is larger than {limit} bytes.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "GeneralError", message, &[])
    }

    /// The body holds nothing to do.
    #[must_use]
    pub fn no_operation() -> Self {
        let message = "The request body contains no data to act upon.".to_owned();
        Self::new(StatusCode::BAD_REQUEST, "NoOperation", message, &[])
    }

    /// A property is not one of this resource.
    #[must_use]
    pub fn property_unknown(name: &str) -> Self {
        let message = format!("The property {name} is not in the list of valid properties for the resource.");
        Self::new(StatusCode::BAD_REQUEST, "PropertyUnknown", message, &[name]).about(name)
    }

    /// A property cannot be written.
    #[must_use]
    pub fn not_writable(name: &str) -> Self {
        let message = format!("The property {name} is a read-only property and cannot be assigned a value.");
        Self::new(StatusCode::BAD_REQUEST, "PropertyNotWritable", message, &[name]).about(name)
    }

    /// A property was given a value of another type.
    #[must_use]
    pub fn value_type(name: &str, value: &Value, expected: &str) -> Self {
        let value = value.to_string();
        let message = format!(
            "The value '{value}' for the property {name} is not a type that the property can accept; expected {expected}."
        );
        Self::new(
            StatusCode::BAD_REQUEST,
            "PropertyValueTypeError",
            message,
            &[&value, name],
        )
        .about(name)
    }

    /// A property was given a value outside what it can be.
    #[must_use]
    pub fn out_of_range(name: &str, value: &Value, expected: &str) -> Self {
        let value = value.to_string();
        let message = format!(
            "The value '{value}' for the property {name} is not in the supported range of acceptable values: {expected}."
        );
        Self::new(
            StatusCode::BAD_REQUEST,
            "PropertyValueOutOfRange",
            message,
            &[&value, name],
        )
        .about(name)
    }

    /// A property was given a value that is not in its list.
    #[must_use]
    pub fn not_in_list(name: &str, value: &Value, expected: &str) -> Self {
        let value = value.to_string();
        let message = format!(
            "The value '{value}' for the property {name} is not in the list of acceptable values: {expected}."
        );
        Self::new(
            StatusCode::BAD_REQUEST,
            "PropertyValueNotInList",
            message,
            &[&value, name],
        )
        .about(name)
    }

    /// A property that must be given is not.
    #[must_use]
    pub fn missing(name: &str) -> Self {
        let message =
            format!("The property {name} is a required property and must be included in the request.");
        Self::new(StatusCode::BAD_REQUEST, "PropertyMissing", message, &[name]).about(name)
    }

    /// A resource with this name exists already.
    #[must_use]
    pub fn exists(kind: &str, property: &str, value: &str) -> Self {
        let message = format!(
            "The requested resource of type {kind} with the property {property} with the value '{value}' already exists."
        );
        Self::new(
            StatusCode::BAD_REQUEST,
            "ResourceAlreadyExists",
            message,
            &[kind, property, value],
        )
    }

    /// All sessions are taken.
    #[must_use]
    pub fn session_limit() -> Self {
        let message =
            "The session establishment failed due to the number of simultaneous sessions exceeding the \
                       limit of the implementation."
                .to_owned();
        let mut trouble = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "SessionLimitExceeded",
            message,
            &[],
        );
        trouble.words.severity = "Critical";
        trouble.words.resolution =
            "Reduce the number of other sessions before trying to establish the session.";
        trouble
    }

    /// A collection is full.
    #[must_use]
    pub fn create_limit() -> Self {
        let message =
            "The create operation failed because the resource has reached the limit of possible resources.";
        Self::new(
            StatusCode::BAD_REQUEST,
            "CreateLimitReachedForResource",
            message.to_owned(),
            &[],
        )
    }

    /// A query parameter that begins with `$` is not supported.
    #[must_use]
    pub fn query_unsupported(parameter: &str) -> Self {
        let message =
            format!("Querying with the parameter '{parameter}' is not supported by the implementation.");
        Self::new(StatusCode::NOT_IMPLEMENTED, "QueryNotSupported", message, &[])
    }

    /// A query parameter holds a value it cannot have.
    #[must_use]
    pub fn query_value(parameter: &str, value: &str) -> Self {
        let message =
            format!("The value '{value}' for the parameter {parameter} is not a value it can accept.");
        Self::new(
            StatusCode::BAD_REQUEST,
            "QueryParameterValueFormatError",
            message,
            &[value, parameter],
        )
    }

    /// An action was asked for that cannot be done in this state.
    #[must_use]
    pub fn conflict(what: &str) -> Self {
        let message = format!("The request failed due to the state of the resource: {what}.");
        Self::new(StatusCode::CONFLICT, "ResourceInUse", message, &[])
    }

    /// The service itself is at fault; the sentence says how.
    #[must_use]
    pub fn internal(what: &str) -> Self {
        let message = format!("The request failed due to an internal service error: {what}.");
        let mut trouble = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message, &[]);
        trouble.words.severity = "Critical";
        trouble.words.resolution =
            "Resubmit the request. If the problem persists, consider resetting the service.";
        trouble
    }

    fn about(mut self, property: &str) -> Self {
        self.words.property = Some(property.to_owned());
        self
    }

    /// Several troubles as one answer; `None` for an empty list.
    #[must_use]
    pub fn all(troubles: Vec<Self>) -> Option<Self> {
        let mut troubles = troubles.into_iter();
        let mut first = troubles.next()?;
        first.words.more = troubles.collect();
        Some(first)
    }

    /// The message as it stands in `@Message.ExtendedInfo`.
    #[must_use]
    pub fn info(&self) -> Value {
        let mut info = json!({
            "@odata.type": "#Message.v1_2_1.Message",
            "MessageId": format!("{BASE}.{}", self.words.message_id),
            "Message": self.words.message,
            "MessageArgs": self.words.args,
            "MessageSeverity": self.words.severity,
            "Resolution": self.words.resolution,
        });
        if let Some(property) = &self.words.property {
            info["RelatedProperties"] = json!([format!("#/{property}")]);
        }
        info
    }

    /// The body of the error response.
    #[must_use]
    pub fn body(&self) -> Value {
        let all: Vec<Value> = std::iter::once(self)
            .chain(&self.words.more)
            .map(Self::info)
            .collect();
        let code = format!("{BASE}.{}", self.words.message_id);
        json!({ "error": { "code": code, "message": self.words.message, "@Message.ExtendedInfo": all } })
    }
}
