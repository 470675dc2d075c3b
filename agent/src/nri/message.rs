//! The messages of NRI (`nri.pkg.api.v1alpha1`) and of ttrpc, with those of their fields that we read or write.
//!
//! The numbers are those of containerd/nri's `pkg/api/api.proto` and containerd/ttrpc's `request.proto`. Fields that are not here are
//! skipped when they come, so newer runtimes are read too.

use std::collections::BTreeMap;

use prost::Message;

/// The most fields that the top of one message has: a node's containers are some hundreds, and a field of two bytes becomes a structure
/// of some hundred in memory.
const MOST_FIELDS: usize = 20_000;

/// An answer without words.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Empty {}

/// ttrpc: a call.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Request {
    #[prost(string, tag = "1")]
    pub(crate) service: String,
    #[prost(string, tag = "2")]
    pub(crate) method: String,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) payload: Vec<u8>,
    /// How long the caller waits, in nanoseconds; 0 for as long as it likes.
    #[prost(int64, tag = "4")]
    pub(crate) timeout_nano: i64,
}

/// ttrpc: what came of a call.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Response {
    #[prost(message, optional, tag = "1")]
    pub(crate) status: Option<Status>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) payload: Vec<u8>,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Status {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct RegisterPluginRequest {
    #[prost(string, tag = "1")]
    pub(crate) plugin_name: String,
    #[prost(string, tag = "2")]
    pub(crate) plugin_idx: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ConfigureRequest {
    #[prost(string, tag = "2")]
    pub(crate) runtime_name: String,
    #[prost(string, tag = "3")]
    pub(crate) runtime_version: String,
    /// How long the runtime waits for an answer, in milliseconds. Runtimes before NRI 0.5 do not say.
    #[prost(int64, tag = "5")]
    pub(crate) request_timeout: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ConfigureResponse {
    #[prost(int32, tag = "2")]
    pub(crate) events: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SynchronizeRequest {
    #[prost(message, repeated, tag = "1")]
    pub(crate) pods: Vec<PodSandbox>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) containers: Vec<Container>,
    #[prost(bool, tag = "3")]
    pub(crate) more: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SynchronizeResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) update: Vec<ContainerUpdate>,
    #[prost(bool, tag = "2")]
    pub(crate) more: bool,
}

/// What CreateContainer, UpdateContainer, StopContainer and RemoveContainer begin with.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ContainerRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) pod: Option<PodSandbox>,
    #[prost(message, optional, tag = "2")]
    pub(crate) container: Option<Container>,
    /// Of UpdateContainer only.
    #[prost(message, optional, tag = "3")]
    pub(crate) resources: Option<LinuxResources>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct CreateContainerResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) adjust: Option<ContainerAdjustment>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) update: Vec<ContainerUpdate>,
}

/// The answer to UpdateContainer and to StopContainer.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct UpdateResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) update: Vec<ContainerUpdate>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct StateChangeEvent {
    #[prost(int32, tag = "1")]
    pub(crate) event: i32,
    #[prost(message, optional, tag = "3")]
    pub(crate) container: Option<Container>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct UpdateContainersRequest {
    #[prost(message, repeated, tag = "1")]
    pub(crate) update: Vec<ContainerUpdate>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct UpdateContainersResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) failed: Vec<ContainerUpdate>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct PodSandbox {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(string, tag = "2")]
    pub(crate) name: String,
    #[prost(string, tag = "4")]
    pub(crate) namespace: String,
    #[prost(btree_map = "string, string", tag = "6")]
    pub(crate) annotations: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Container {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(string, tag = "2")]
    pub(crate) pod_sandbox_id: String,
    #[prost(string, tag = "3")]
    pub(crate) name: String,
    #[prost(int32, tag = "4")]
    pub(crate) state: i32,
    #[prost(btree_map = "string, string", tag = "6")]
    pub(crate) annotations: BTreeMap<String, String>,
    #[prost(message, optional, boxed, tag = "11")]
    pub(crate) linux: Option<Box<LinuxContainer>>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct LinuxContainer {
    #[prost(message, optional, tag = "3")]
    pub(crate) resources: Option<LinuxResources>,
    #[prost(string, tag = "5")]
    pub(crate) cgroups_path: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct LinuxResources {
    #[prost(message, optional, tag = "1")]
    pub(crate) memory: Option<LinuxMemory>,
    #[prost(message, optional, tag = "2")]
    pub(crate) cpu: Option<LinuxCpu>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct LinuxMemory {
    #[prost(message, optional, tag = "1")]
    pub(crate) limit: Option<OptionalInt64>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct LinuxCpu {
    #[prost(message, optional, tag = "2")]
    pub(crate) quota: Option<OptionalInt64>,
    #[prost(message, optional, tag = "3")]
    pub(crate) period: Option<OptionalUInt64>,
    #[prost(string, tag = "6")]
    pub(crate) cpus: String,
    #[prost(string, tag = "7")]
    pub(crate) mems: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct OptionalInt64 {
    #[prost(int64, tag = "1")]
    pub(crate) value: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct OptionalUInt64 {
    #[prost(uint64, tag = "1")]
    pub(crate) value: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ContainerAdjustment {
    #[prost(message, optional, tag = "6")]
    pub(crate) linux: Option<LinuxContainerAdjustment>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct LinuxContainerAdjustment {
    #[prost(message, optional, tag = "2")]
    pub(crate) resources: Option<LinuxResources>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ContainerUpdate {
    #[prost(string, tag = "1")]
    pub(crate) container_id: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) linux: Option<LinuxContainerUpdate>,
    #[prost(bool, tag = "3")]
    pub(crate) ignore_failure: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct LinuxContainerUpdate {
    #[prost(message, optional, tag = "1")]
    pub(crate) resources: Option<LinuxResources>,
}

/// Reads a message, where it is one and has no more fields than any real one.
pub(crate) fn read<M: Message + Default>(what: &'static str, bytes: &[u8]) -> Result<M, NoMessage> {
    let bad = |why: String| NoMessage { what, why };
    let fields = fields(bytes).ok_or_else(|| bad("its fields do not end where it ends".to_owned()))?;
    if fields > MOST_FIELDS {
        return Err(bad(format!(
            "it has {fields} fields; expected at most {MOST_FIELDS}"
        )));
    }
    M::decode(bytes).map_err(|error| bad(error.to_string()))
}

/// Bytes that are no message of the kind that was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what came is no {what}: {why}")]
pub(crate) struct NoMessage {
    what: &'static str,
    why: String,
}

/// How many fields the top of a message has; nothing where that cannot be said. Makes nothing of them.
fn fields(bytes: &[u8]) -> Option<usize> {
    let (mut rest, mut count) = (bytes, 0);
    while !rest.is_empty() {
        let (key, after) = number(rest)?;
        let skip = match key & 7 {
            0 => after.len() - number(after)?.1.len(),
            1 => 8,
            2 => {
                let (length, behind) = number(after)?;
                usize::try_from(length)
                    .ok()?
                    .checked_add(after.len() - behind.len())?
            }
            5 => 4,
            _ => return None,
        };
        rest = after.get(skip..)?;
        count += 1;
    }
    Some(count)
}

/// A number as protobuf writes it: seven bits a byte, the lowest first.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        let shift = u32::try_from(at * 7).ok()?;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(at + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bytes_of_the_protocol_are_read_as_they_are_meant() {
        // Written by hand after the rules of protobuf's encoding: a pod with two annotations and a field that is not known here (2000).
        let bytes = b"\x0a\x02p1\x12\x03web\x22\x07default\x32\x0a\x0a\x01a\x12\x05\xc3\xa4bcd\x32\x04\x0a\x02bb\x82\x7d\x01x";
        let pod: PodSandbox = read("PodSandbox", bytes).unwrap();
        assert_eq!((pod.id.as_str(), pod.name.as_str()), ("p1", "web"));
        let annotations: Vec<(&str, &str)> = pod
            .annotations
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        assert_eq!(annotations, [("a", "äbcd"), ("bb", "")]);
    }

    #[test]
    fn a_small_message_that_would_become_a_large_one_is_refused() {
        let many = [0x12, 0].repeat(MOST_FIELDS + 1);
        let error = read::<SynchronizeRequest>("SynchronizeRequest", &many).unwrap_err();
        assert!(error.to_string().contains("20001 fields"), "{error}");
        let some = [0x12, 0].repeat(100);
        let all: SynchronizeRequest = read("SynchronizeRequest", &some).unwrap();
        assert_eq!(all.containers.len(), 100);
        for cut in [
            &b"\x12"[..],
            b"\x12\x05ab",
            b"\x0f",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        ] {
            let error = read::<SynchronizeRequest>("SynchronizeRequest", cut).unwrap_err();
            assert!(error.to_string().contains("no SynchronizeRequest"), "{error}");
        }
    }
}
