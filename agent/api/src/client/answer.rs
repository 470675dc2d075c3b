//! Answers as they come: read whole within a bound, or shown as the error that they are.

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::Response;
use hyper::body::Incoming;

use super::ClientError;
use crate::v1::ErrorBody;

/// The largest answer that is read: the facts of the largest machine known are below 2 MiB.
const LARGEST_ANSWER: usize = 32 << 20;
/// How much of an answer that is no JSON an error shows.
const SHOWN_CHARACTERS: usize = 200;

/// The error in an answer that is no success.
pub(super) async fn refusal(sent: &str, answer: Response<Incoming>) -> ClientError {
    let status = answer.status().as_u16();
    let sent = sent.to_owned();
    let bytes = match whole(&sent, answer).await {
        Ok(bytes) => bytes,
        Err(error) => return error,
    };
    match serde_json::from_slice::<ErrorBody>(&bytes) {
        Ok(ErrorBody { error }) => ClientError::Refused {
            sent,
            status,
            code: error.code,
            message: error.message,
        },
        Err(_) => ClientError::Unexpected {
            sent,
            status,
            came: shown(&bytes),
        },
    }
}

pub(super) async fn whole(sent: &str, answer: Response<Incoming>) -> Result<Bytes, ClientError> {
    match Limited::new(answer.into_body(), LARGEST_ANSWER).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(source) if source.is::<LengthLimitError>() => Err(ClientError::TooLong {
            sent: sent.to_owned(),
            limit: LARGEST_ANSWER,
        }),
        Err(source) => Err(ClientError::Broken {
            sent: sent.to_owned(),
            source,
        }),
    }
}

pub(super) fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .take(SHOWN_CHARACTERS)
        .collect()
}
