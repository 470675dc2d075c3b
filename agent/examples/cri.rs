//! Asks a container runtime for pods and containers, as a kubelet does (CRI v1, gRPC over a Unix socket). Made for stories in virtual
//! machines: `cri SOCKET pod NAME [KEY=VALUE...]`, `create POD ITS-NAME NAME IMAGE COMMAND...`, `start|stop|remove CONTAINER`,
//! `update CONTAINER CPUS`, `end POD`. Prints the id that it was given; ends with 1 and the runtime's words where it is refused.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::process::ExitCode;

use axum::body::Body;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::UnixStream;

/// Bytes before a message of gRPC: whether it is compressed, and its length.
const PREFIX: usize = 5;
/// `NamespaceMode.NODE`: the pod has the host's network.
const NODE: u64 = 2;
/// How long a container has to end by itself, in seconds.
const GRACE: u64 = 1;

type Done<T> = Result<T, Box<dyn Error>>;

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap_or_default());
    bytes
}

/// A field with a text or a message.
fn text(field: u64, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    let length = u64::try_from(value.len()).unwrap_or_default();
    [varint(field << 3 | 2), varint(length), value.to_vec()].concat()
}

/// A field with a number.
fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

/// `PodSandboxConfig`.
fn pod_config(name: &str, annotations: &[String]) -> Vec<u8> {
    let metadata = [text(1, name), text(2, name), text(3, "default")].concat();
    let network = text(2, text(1, number(1, NODE)));
    let linux = [text(1, format!("/kubepods/{name}")), network].concat();
    let annotations = annotations.iter().filter_map(|pair| pair.split_once('='));
    let annotations = annotations.map(|(key, value)| text(7, [text(1, key), text(2, value)].concat()));
    let annotations: Vec<Vec<u8>> = annotations.collect();
    [text(1, metadata), annotations.concat(), text(8, linux)].concat()
}

/// The method and its request.
fn request(words: &[String]) -> Done<(&'static str, Vec<u8>)> {
    let texts: Vec<&str> = words.iter().map(String::as_str).collect();
    let request = match texts.as_slice() {
        ["pod", name, ..] => {
            let annotations = words.get(2..).unwrap_or_default();
            ("RunPodSandbox", text(1, pod_config(name, annotations)))
        }
        ["create", pod, of, name, image, command @ ..] => {
            let command: Vec<Vec<u8>> = command.iter().map(|word| text(3, word)).collect();
            let config = [text(1, text(1, name)), text(2, text(1, image)), command.concat()].concat();
            let request = [text(1, pod), text(2, config), text(3, pod_config(of, &[]))];
            ("CreateContainer", request.concat())
        }
        ["start", container] => ("StartContainer", text(1, container)),
        ["stop", container] => ("StopContainer", [text(1, container), number(2, GRACE)].concat()),
        ["remove", container] => ("RemoveContainer", text(1, container)),
        ["update", container, cpus] => {
            let request = [text(1, container), text(2, text(6, cpus))];
            ("UpdateContainerResources", request.concat())
        }
        ["end", pod] => ("StopPodSandbox", text(1, pod)),
        other => return Err(format!("{other:?} is nothing to ask").into()),
    };
    Ok(request)
}

async fn call(socket: &str, method: &str, message: &[u8]) -> Done<Vec<u8>> {
    let stream = TokioIo::new(UnixStream::connect(socket).await?);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
    tokio::spawn(connection);
    let mut body = vec![0];
    body.extend_from_slice(&u32::try_from(message.len())?.to_be_bytes());
    body.extend_from_slice(message);
    let request = hyper::Request::post(format!("http://localhost/runtime.v1.RuntimeService/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::from(body))?;
    let response = sender.send_request(request).await?;
    let headers = response.headers().clone();
    let (answer, trailers) = whole(response.into_body()).await?;
    let said = |name: &str| {
        let value = trailers.get(name).or_else(|| headers.get(name));
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    if said("grpc-status") != "0" {
        return Err(format!("{method}: {} {}", said("grpc-status"), said("grpc-message")).into());
    }
    Ok(answer.get(PREFIX..).unwrap_or_default().to_vec())
}

async fn whole(mut body: Incoming) -> Done<(Vec<u8>, hyper::HeaderMap)> {
    let (mut data, mut trailers) = (Vec::new(), hyper::HeaderMap::new());
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        match frame?.into_data() {
            Ok(bytes) => data.extend_from_slice(&bytes),
            Err(frame) => trailers.extend(frame.into_trailers().unwrap_or_default()),
        }
    }
    Ok((data, trailers))
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let socket = words.next().unwrap_or_default();
    let words: Vec<String> = words.collect();
    let asked = || -> Done<Vec<u8>> {
        let (method, message) = request(&words)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(call(&socket, method, &message))
    };
    match asked() {
        // The only field of an answer that has one is an id: its tag, its length, itself.
        Ok(answer) => {
            println!("{}", String::from_utf8_lossy(answer.get(2..).unwrap_or_default()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
