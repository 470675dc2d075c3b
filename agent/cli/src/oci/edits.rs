//! What a container needs to use the workload's devices (CDI): read from the agent's specification, put into the copy of its configuration.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::sys::stat::{major, minor};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::bundle::{look, put};

/// The longest that is read: sixty-four GPUs take some kilobytes.
const LONGEST: u64 = 1 << 20;
/// What a container may do with a device: no `m`, as nobody makes device files there.
const ACCESS: &str = "rw";

/// The part of a specification that is used: ours has one device.
#[derive(Debug, Deserialize)]
struct Specification {
    devices: Vec<Device>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Device {
    container_edits: Edits,
}

/// Changes of a container's configuration.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Edits {
    device_nodes: Vec<Node>,
    env: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Node {
    path: PathBuf,
}

impl Edits {
    /// Reads a specification of the agent.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub fn read(file: &Path) -> io::Result<Edits> {
        let mut text = String::new();
        File::open(file)?.take(LONGEST).read_to_string(&mut text)?;
        let specification: Specification = serde_json::from_str(&text).map_err(io::Error::other)?;
        let all = specification
            .devices
            .into_iter()
            .map(|device| device.container_edits);
        Ok(all.fold(Edits::default(), |mut sum, one| {
            sum.device_nodes.extend(one.device_nodes);
            sum.env.extend(one.env);
            sum
        }))
    }

    /// Puts them into a configuration. What it says of the same device itself stands.
    ///
    /// # Errors
    /// With the device file that is none, or is not there.
    pub fn merge(&self, config: &mut Map<String, Value>) -> Result<(), (PathBuf, io::Error)> {
        for node in &self.device_nodes {
            let (kind, major, minor) = number(&node.path).map_err(|error| (node.path.clone(), error))?;
            let (path, devices) = (json!(node.path), ["linux", "devices"]);
            let known = look(config, &devices).as_array();
            if !known.is_some_and(|known| known.iter().any(|device| device.get("path") == Some(&path))) {
                let device = json!({"path": path, "type": kind, "major": major, "minor": minor, "fileMode": 0o666, "uid": 0, "gid": 0});
                append(config, &devices, device);
            }
            let rule = json!({"allow": true, "type": kind, "major": major, "minor": minor, "access": ACCESS});
            append(config, &["linux", "resources", "devices"], rule);
        }
        for word in &self.env {
            let name = word.split('=').next().unwrap_or_default();
            let is_set = |set: &Value| {
                set.as_str()
                    .is_some_and(|set| set.split('=').next() == Some(name))
            };
            let all = look(config, &["process", "env"])
                .as_array()
                .cloned()
                .unwrap_or_default();
            let others: Vec<Value> = all.into_iter().filter(|set| !is_set(set)).collect();
            put(config, &["process", "env"], json!(others));
            append(config, &["process", "env"], json!(word));
        }
        Ok(())
    }
}

fn append(config: &mut Map<String, Value>, pointer: &[&str], value: Value) {
    let mut list = look(config, pointer).as_array().cloned().unwrap_or_default();
    list.push(value);
    put(config, pointer, Value::Array(list));
}

/// What kind of device file this is, and its number.
fn number(path: &Path) -> io::Result<(&'static str, u64, u64)> {
    let about = fs::metadata(path)?;
    let kind = match (
        about.file_type().is_char_device(),
        about.file_type().is_block_device(),
    ) {
        (true, _) => "c",
        (_, true) => "b",
        (false, false) => return Err(io::Error::other("it is no device file")),
    };
    Ok((kind, major(about.rdev()), minor(about.rdev())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn devices_and_words_of_a_specification_are_in_the_configuration_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("busbar-web.json");
        let spec = |path: &str| {
            json!({"cdiVersion": "0.6.0", "kind": "busbar/workload", "devices": [{"name": "web", "containerEdits": {
                "deviceNodes": [{"path": path, "permissions": "rw"}], "env": ["NVIDIA_VISIBLE_DEVICES=void"]}}]})
        };
        fs::write(&file, spec("/dev/null").to_string()).unwrap();
        let edits = Edits::read(&file).unwrap();
        let text = json!({"process": {"env": ["A=1", "NVIDIA_VISIBLE_DEVICES=all"]},
            "linux": {"resources": {"devices": [{"allow": false, "access": "rwm"}]}}});
        let Value::Object(mut config) = text else {
            unreachable!()
        };
        edits.merge(&mut config).unwrap();
        let device = &config["linux"]["devices"][0];
        assert_eq!(
            (&device["path"], &device["major"], &device["minor"]),
            (&json!("/dev/null"), &json!(1), &json!(3))
        );
        let rules = &config["linux"]["resources"]["devices"];
        assert_eq!(rules[0]["allow"], json!(false), "what was there stays first");
        assert_eq!(
            rules[1],
            json!({"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rw"})
        );
        assert_eq!(
            config["process"]["env"],
            json!(["A=1", "NVIDIA_VISIBLE_DEVICES=void"])
        );
        fs::write(&file, spec("/proc/self/stat").to_string()).unwrap();
        let (path, error) = Edits::read(&file).unwrap().merge(&mut config).unwrap_err();
        assert!(
            path.ends_with("stat") && error.to_string().contains("no device file"),
            "{error}"
        );
        fs::write(&file, "[]").unwrap();
        assert!(Edits::read(&file).is_err());
    }
}
