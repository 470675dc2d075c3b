//! A walk over a Redfish service: what `inspect` reads first, then every link that leads to hardware, with an end.

use std::collections::{BTreeSet, VecDeque};

use bmc::Bmc;
use serde_json::Value;

use crate::inspect::Report;

/// More resources than the largest recorded BMC has below chassis, systems and managers.
const MOST_RESOURCES: usize = 2_000;
/// What names people, keeps secrets, has no end, or says nothing of the hardware.
const LEFT_OUT: [&str; 12] = [
    "/AccountService",
    "/SessionService",
    "/EventService",
    "/JsonSchemas",
    "/Registries",
    "/CertificateService",
    "/LogServices",
    "/TaskService",
    "/KeyService",
    "/NetworkProtocol",
    "/Certificates",
    "/UpdateService",
];

/// The resource of a link: without its fragment; `None` for what is left out.
fn wanted(link: &str) -> Option<String> {
    let path = link.split('#').next().unwrap_or_default().trim_end_matches('/');
    let in_tree = path == "/redfish/v1" || path.starts_with("/redfish/v1/");
    let left_out = LEFT_OUT.iter().any(|part| path.contains(part));
    let plain = !path.contains(['?', '$']) && !path.contains("..");
    (in_tree && plain && !left_out).then(|| path.to_owned())
}

fn links(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value.as_str() {
                    Some(link) if key == "@odata.id" => found.extend(wanted(link)),
                    Some(_) | None => links(value, found),
                }
            }
        }
        Value::Array(members) => members.iter().for_each(|member| links(member, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Reads all of it; what cannot be read is left out. `bmc` keeps what was read.
pub(super) async fn all(bmc: &Bmc) {
    // What an inspection needs comes first, so that the recording gives the same one.
    if let Err(error) = Report::read(bmc).await {
        eprintln!(
            "busbar-rack record: not all of it could be read: {}",
            error.whole()
        );
    }
    let mut seen = BTreeSet::from(["/redfish/v1".to_owned()]);
    let mut next = VecDeque::from(["/redfish/v1".to_owned()]);
    while let Some(path) = next.pop_front() {
        let Ok(resource) = bmc.get(&path).await else {
            continue;
        };
        let mut found = Vec::new();
        links(&resource, &mut found);
        for link in found {
            if seen.len() < MOST_RESOURCES && seen.insert(link.clone()) {
                next.push_back(link);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hardware_is_walked() {
        assert_eq!(
            wanted("/redfish/v1/Chassis/1/#/A"),
            Some("/redfish/v1/Chassis/1".to_owned())
        );
        for left_out in [
            "/redfish/v1/AccountService/Accounts/1",
            "/redfish/v1/Systems/1/LogServices/SEL/Entries",
            "/redfish/v1/Chassis?$skip=50",
            "/redfish/v1/../../etc",
            "https://elsewhere/redfish/v1",
        ] {
            assert_eq!(wanted(left_out), None, "{left_out}");
        }
    }
}
