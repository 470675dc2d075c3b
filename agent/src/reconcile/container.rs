//! A container as its runtime tells of it, and what it was given.

use std::path::{Component, Path};

use agent_api::v1::Ask;
use facts::{Bytes, CpuSet, NumaSet};
use intent::WorkloadId;

use super::KeeperError;
use super::start::made_up;

/// How much of a container's id its workload's name has: as much as people are shown everywhere.
const ID_SHOWN: usize = 12;
/// How much of a pod's and a container's names it has.
const STEM: usize = 36;
/// What systemd's names of slices and scopes end in.
const SLICE: &str = ".slice";
const SCOPE: &str = ".scope";

/// A container, as its runtime tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// The runtime, as it calls itself.
    pub runtime: String,
    /// The container's id.
    pub id: String,
    /// The namespace and the name of its pod, and its own name.
    pub names: [String; 3],
    /// Where its cgroup will be, in the runtime's words: a path, or `SLICE:PREFIX:NAME` of systemd.
    pub cgroup: String,
    /// What it asks for; nothing where it asks for nothing, or why its ask makes no sense.
    pub ask: Result<Option<Ask>, String>,
}

/// What a container was given, for the runtime to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// Its workload.
    pub workload: WorkloadId,
    /// The container's id.
    pub container: String,
    /// The CPUs that it shall have.
    pub cpus: CpuSet,
    /// The NUMA nodes that its memory shall come from.
    pub numa_nodes: NumaSet,
    /// The most memory that it shall have.
    pub memory_max: Option<Bytes>,
    /// The CPU time of how many CPUs it shall have; `None` for no limit of ours.
    pub cpu_time_max: Option<u32>,
    /// What differs between this and its cgroup as the kernel shows it; empty where nothing does, or there is no cgroup yet.
    pub differs: String,
}

impl Container {
    /// `default/web app (3f1c0b9a7d2e)`.
    pub(super) fn shown(&self) -> String {
        let [namespace, pod, own] = &self.names;
        let id: String = self.id.chars().take(ID_SHOWN).collect();
        format!("{namespace}/{pod} {own} ({id})")
    }

    pub(super) fn workload(&self, number: u64) -> Result<WorkloadId, KeeperError> {
        let [_, pod, own] = &self.names;
        let stem: String = format!("{pod}-{own}").chars().take(STEM).collect();
        let id: String = self
            .id
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(ID_SHOWN)
            .collect();
        let id = id.to_ascii_lowercase();
        let stem = made_up(&stem.replace(char::is_whitespace, "-"), number)?;
        let stem = stem.as_str().trim_end_matches(|c: char| c.is_ascii_digit());
        format!("{stem}{id}")
            .parse()
            .map_err(|error| KeeperError::BadAsk(format!("container {}: {error}", self.shown())))
    }
}

/// The path below a hierarchy's top of a cgroup in a runtime's words: a path, or `SLICE:PREFIX:NAME` where systemd makes it.
pub(super) fn cgroup_path(told: &str) -> Result<String, String> {
    let parts: Vec<&str> = told.split(':').collect();
    let path = match parts.as_slice() {
        [slice, prefix, name] if slice.is_empty() || slice.ends_with(SLICE) => {
            let scope = if prefix.is_empty() {
                format!("{name}{SCOPE}")
            } else {
                format!("{prefix}-{name}{SCOPE}")
            };
            let slice = if slice.is_empty() { "system.slice" } else { slice };
            format!("{}/{scope}", nested(slice))
        }
        _ => told.trim_start_matches('/').to_owned(),
    };
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    if Path::new(&path).components().all(is_plain) && !path.contains('\0') {
        return Ok(path);
    }
    let told: String = told.chars().take(200).collect();
    Err(format!(
        "the runtime says that the container's cgroup is {told:?}; expected a path below the top, or SLICE:PREFIX:NAME"
    ))
}

/// systemd's slices stand in each other as their names say: `a-b.slice` is `a.slice/a-b.slice`.
fn nested(slice: &str) -> String {
    let stem = slice.trim_end_matches(SLICE);
    let ends = stem.match_indices('-').map(|(at, _)| at).chain([stem.len()]);
    let parts = ends.filter_map(|end| Some(format!("{}{SLICE}", stem.get(..end)?)));
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_cgroup_is_where_runtimes_put_it_and_nowhere_else() {
        for (told, path) in [
            ("/kubepods/burstable/pod1/3f1c", "kubepods/burstable/pod1/3f1c"),
            ("/k8s.io/3f1c", "k8s.io/3f1c"),
            (
                "kubepods-burstable-pod1.slice:cri-containerd:3f1c",
                "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-3f1c.scope",
            ),
            (":crio:3f1c", "system.slice/crio-3f1c.scope"),
            ("", ""),
        ] {
            assert_eq!(cgroup_path(told).unwrap(), path);
        }
        for told in ["/a/../../etc", "a.slice:../x:y", "./a", "/a\0b"] {
            let error = cgroup_path(told).unwrap_err();
            assert!(error.contains("SLICE:PREFIX:NAME"), "{error}");
        }
    }

    #[test]
    fn a_container_always_has_a_name() {
        let named = |pod: &str, own: &str, id: &str| {
            let container = Container {
                runtime: "containerd".to_owned(),
                id: id.to_owned(),
                names: ["default".to_owned(), pod.to_owned(), own.to_owned()],
                cgroup: String::new(),
                ask: Ok(None),
            };
            container.workload(7).map(|id| id.to_string())
        };
        assert_eq!(
            named("web-0", "app", "3f1c0b9a7d2e4f6a").unwrap(),
            "web-0-app-3f1c0b9a7d2e"
        );
        assert_eq!(named("Wéb pod/x", "a b", "3F").unwrap(), "x-a-b-3f");
        let long = named(&"x".repeat(300), "app", &"a".repeat(64)).unwrap();
        assert_eq!(long.len(), 36 + 1 + 12);
        assert!(named("web", "app", "").is_err());
    }
}
