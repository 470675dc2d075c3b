//! An enclosure of drives as resources: chassis, drives, and the tasks that erase them.

use axum::http::{Method, StatusCode, header};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::post::text;
use super::service::{collection, fine, link, resource_with};
use super::{Bmc, Page, ROOT, types};
use crate::face::reply;
use crate::face::trouble::Trouble;
use crate::world::{DriveBay, DriveManner, Erase, EraseState, Jbof};

/// Where the tasks are.
pub(super) const TASKS: &str = "/redfish/v1/TaskService";
/// What follows the path of a drive in the target of its erasure.
const ACTION: &str = "Actions/Drive.SecureErase";
/// The parameter of the action, and what it may be.
const KIND: &str = "SanitizationType";
const KINDS: [&str; 2] = ["BlockErase", "CryptographicErase"];

impl Bmc {
    pub(super) fn jbof_page(&self, segments: &[&str]) -> Option<Page> {
        let path = format!("{ROOT}/{}", segments.join("/"));
        let world = self.live.world();
        let jbof = world.jbof(&self.name)?;
        let below = match segments {
            ["Chassis"] => {
                let ids = [jbof.name()];
                return Some(Page::new(collection(
                    &path,
                    types::CHASSIS_COLLECTION,
                    "Chassis",
                    &ids,
                )));
            }
            ["Chassis", found, below @ ..] if *found == jbof.name() => below,
            [..] => return None,
        };
        Some(match below {
            [] => {
                let plan = world.plan().jbofs.iter();
                let plan = plan.into_iter().find(|plan| plan.name.get_ref() == jbof.name())?;
                let make = [&plan.maker, &plan.model, &plan.serial];
                Page::new(chassis(jbof, make, &path))
            }
            ["Drives"] => {
                let ids: Vec<&str> = jbof.bays().iter().map(DriveBay::name).collect();
                Page::new(collection(&path, types::DRIVE_COLLECTION, "Drives", &ids))
            }
            ["Drives", bay] => {
                let index = jbof.bays().iter().position(|known| known.name() == *bay)?;
                Page::new(drive(&jbof.bays()[index], index, &path)).with(&[Method::PATCH])
            }
            [..] => return None,
        })
    }

    pub(super) fn task_page(&self, segments: &[&str]) -> Option<Page> {
        let path = format!("{ROOT}/{}", segments.join("/"));
        let world = self.live.world();
        let jbof = world.jbof(&self.name)?;
        Some(Page::new(match segments {
            ["TaskService"] => resource_with(
                &path,
                types::TASK_SERVICE,
                "TaskService",
                "Task Service",
                json!({
                    "ServiceEnabled": true,
                    "CompletedTaskOverWritePolicy": "Oldest",
                    "LifeCycleEventOnTaskStateChange": false,
                    "Status": fine(),
                    "Tasks": link(&format!("{path}/Tasks")),
                }),
            ),
            ["TaskService", "Tasks"] => {
                let ids: Vec<String> = jbof.erases().iter().map(|one| one.id.to_string()).collect();
                collection(&path, types::TASK_COLLECTION, "Tasks", &ids)
            }
            ["TaskService", "Tasks", id] => {
                let one = jbof.erases().iter().find(|one| one.id.to_string() == **id)?;
                self.task(one, &path)
            }
            [..] => return None,
        }))
    }

    fn task(&self, one: &Erase, path: &str) -> Value {
        let (state, status) = match one.state {
            EraseState::Running => ("Running", "OK"),
            EraseState::Done => ("Completed", "OK"),
            EraseState::Failed(_) => ("Exception", "Critical"),
        };
        let mut body = resource_with(
            path,
            types::TASK,
            &one.id.to_string(),
            &format!("Secure erase of the drive in {}", one.bay),
            json!({
                "TaskState": state,
                "TaskStatus": status,
                "PercentComplete": one.percent,
                "StartTime": self.live.wall(one.began_ms),
                "HidePayload": true,
                "Messages": [],
            }),
        );
        if let Some(ended) = one.ended_ms {
            body["EndTime"] = json!(self.live.wall(ended));
        }
        if let EraseState::Failed(why) = one.state {
            let message = json!({
                "MessageId": "Base.1.18.OperationFailed",
                "Message": why,
                "MessageSeverity": "Critical",
            });
            body["Messages"] = json!([message]);
        }
        body
    }

    /// The index of the bay whose erasure a path below the service root is.
    pub(super) fn erase_target(&self, path: &str) -> Option<usize> {
        let drives = format!("/Chassis/{}/Drives/", self.name);
        let (bay, action) = path.strip_prefix(&drives)?.split_once('/')?;
        let world = self.live.world();
        let mut bays = world.jbof(&self.name)?.bays().iter();
        let index = bays.position(|known| known.name() == bay && known.part().is_some())?;
        (action == ACTION).then_some(index)
    }

    pub(super) fn erase(&self, index: usize, asked: &Map<String, Value>) -> Result<Response, Trouble> {
        if asked.contains_key(KIND) {
            let kind = text(asked, KIND)?;
            if !KINDS.contains(&kind.as_str()) {
                return Err(Trouble::not_in_list(KIND, &json!(kind), &KINDS.join(", ")));
            }
        }
        let bay = self.live.world().jbof(&self.name).and_then(|jbof| {
            let bay = jbof.bays().get(index)?;
            Some((bay.name().to_owned(), bay.is(DriveManner::EraseWithoutTask)))
        });
        let (bay, is_silent) = bay.ok_or_else(|| Trouble::not_found(&self.name))?;
        let begun = self.live.change(|world| world.erase_drive(&self.name, &bay));
        let id = begun.map_err(|why| Trouble::conflict(&why))?;
        if is_silent {
            return Ok(reply::empty(StatusCode::NO_CONTENT));
        }
        let path = format!("{TASKS}/Tasks/{id}");
        let page = self.page(&path).ok_or_else(|| Trouble::not_found(&path))?;
        let mut response = reply::json(StatusCode::ACCEPTED, &page.body);
        reply::set(response.headers_mut(), header::LOCATION, &path);
        Ok(response)
    }
}

fn chassis(jbof: &Jbof, [maker, model, serial]: [&String; 3], path: &str) -> Value {
    resource_with(
        path,
        types::CHASSIS,
        jbof.name(),
        jbof.name(),
        json!({
            "ChassisType": "StorageEnclosure",
            "Manufacturer": maker,
            "Model": model,
            "SerialNumber": serial,
            "PowerState": "On",
            "Status": fine(),
            "Drives": link(&format!("{path}/Drives")),
            "Links": {
                "ManagedBy": [link("/redfish/v1/Managers/bmc")],
                "ManagedBy@odata.count": 1,
            },
        }),
    )
}

/// A bay as the drive in it; an empty one has a place, a light and no more.
fn drive(bay: &DriveBay, index: usize, path: &str) -> Value {
    let mut body = resource_with(
        path,
        types::DRIVE,
        bay.name(),
        &format!("Drive Bay {}", index + 1),
        json!({
            "Status": { "State": "Absent" },
            "LocationIndicatorActive": bay.locate(),
            "PhysicalLocation": {
                "PartLocation": {
                    "ServiceLabel": bay.name(),
                    "LocationType": "Bay",
                    "LocationOrdinalValue": index,
                },
            },
        }),
    );
    let (Some(part), Value::Object(map)) = (bay.part(), &mut body) else {
        return body;
    };
    let health = if part.predicts_failure { "Warning" } else { "OK" };
    let known = json!({
        "Status": { "State": "Enabled", "Health": health },
        "Manufacturer": part.maker,
        "Model": part.model,
        "SerialNumber": part.serial,
        "CapacityBytes": part.bytes,
        "FailurePredicted": part.predicts_failure,
        "PredictedMediaLifeLeftPercent": part.life_left_percent,
        "Protocol": "NVMe",
        "MediaType": "SSD",
        "HotspareType": "None",
        "Actions": {
            "#Drive.SecureErase": {
                "target": format!("{path}/{ACTION}"),
                "SanitizationType@Redfish.AllowableValues": KINDS,
            },
        },
    });
    if let Value::Object(known) = known {
        map.extend(known);
    }
    body
}
