//! Has a BMC erase one of its drives (`Drive.SecureErase`, DSP0268), and follows the task that does it.
//!
//! What a BMC says of its own erasure is evidence and no proof: samples are read back by a node that can reach the drive.

use std::time::Duration;

use facts::{Identity, Moment};
use serde_json::{Value, json};

use crate::redfish::bmc::Bmc;
use crate::redfish::error::BmcError;
use crate::redfish::observe::DriveFacts;
use crate::redfish::schema::{Doubts, Fields};

/// The action's parameter.
const KIND: &str = "SanitizationType";
/// Its words, the best first; overwriting only where it was allowed.
const TYPES: [&str; 3] = ["CryptographicErase", "BlockErase", "Overwrite"];
const OVERWRITE: &str = "Overwrite";
/// A task that has not come further for so long has stopped: tasks tell no estimate, and a BMC counts whole percents. The largest disks
/// take half an hour for one percent of an overwriting.
const STALLS_AFTER: Duration = Duration::from_secs(2 * 3_600);
/// `TaskState` of a task that goes on (DSP0268, Task 1.7).
const GOES_ON: [&str; 5] = ["New", "Starting", "Running", "Pending", "Stopping"];

/// An erasure that a BMC does.
#[derive(Clone, Debug)]
pub struct SecureErase {
    /// The drive's resource.
    pub resource: String,
    /// What was asked for: `CryptographicErase`, `BlockErase` or `Overwrite`; `None` where the BMC lets nobody choose.
    pub kind: Option<String>,
    /// The task that does it.
    pub task: String,
    percent: Option<u32>,
    moved: Moment,
}

/// How it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EraseStands {
    /// It runs; so far in percent, where the task tells.
    Running(Option<u32>),
    /// The BMC says that it is done.
    Done,
    /// It failed: the BMC's words.
    Failed(String),
}

/// Has the BMC erase a drive. Sent once, after the drive was read again; `is_it` is asked with who it says it is, immediately before.
///
/// # Errors
/// It is another drive, none is there, it offers no erase (of a kind that is allowed), or the BMC names no task by which anybody could see
/// how it ends.
pub async fn secure_erase(
    bmc: &Bmc,
    resource: &str,
    overwrite: bool,
    now: Moment,
    is_it: impl Fn(&Identity) -> bool,
) -> Result<SecureErase, BmcError> {
    let value = bmc.get_fresh(resource).await?;
    let name = bmc.name_of(resource);
    let refused = |why: String| BmcError::Refused {
        resource: name.clone(),
        why,
    };
    let doubts = Doubts::default();
    let drive = DriveFacts::read(&Fields::of(&value, &name, &doubts), resource);
    if !is_it(&drive.identity) {
        let serial = drive
            .identity
            .serial
            .unwrap_or_else(|| "no serial number".to_owned());
        return Err(refused(format!(
            "it holds another drive ({serial}) than the one that is to be erased; nothing was asked of it"
        )));
    }
    let action = value.get("Actions").and_then(|all| all.get("#Drive.SecureErase"));
    let target = action.and_then(|action| action.get("target")?.as_str());
    let Some(target) = target else {
        return Err(refused("it offers no Drive.SecureErase".to_owned()));
    };
    let kind = match allowed(bmc, action).await? {
        // Whoever lists nothing takes no such word: the parameter came with version 1.13 of the schema.
        None => None,
        Some(allowed) => {
            let mut words = TYPES.into_iter().filter(|word| overwrite || *word != OVERWRITE);
            let word = words.find(|word| allowed.iter().any(|value| value == word));
            Some(word.ok_or_else(|| {
                let (allowed, expected) = (allowed.join(", "), TYPES.join(", "));
                refused(format!("its {KIND} allows {allowed}; expected one of {expected}"))
            })?)
        }
    };
    let body = kind.map_or_else(|| json!({}), |kind| json!({KIND: kind}));
    let task = bmc.post_for_task(target, &body).await?;
    let task = task.ok_or_else(|| {
        refused("it took Drive.SecureErase and names no task: nobody can see how that ends".to_owned())
    })?;
    Ok(SecureErase {
        resource: resource.to_owned(),
        kind: kind.map(str::to_owned),
        task,
        percent: None,
        moved: now,
    })
}

/// The kinds that an action takes, listed beside it or in its ActionInfo; `None` where neither lists any.
async fn allowed(bmc: &Bmc, action: Option<&Value>) -> Result<Option<Vec<String>>, BmcError> {
    let words = |list: &Value| -> Option<Vec<String>> {
        let words = list.as_array()?.iter().filter_map(Value::as_str);
        Some(words.map(str::to_owned).collect())
    };
    let beside = action.and_then(|action| action.get(format!("{KIND}@Redfish.AllowableValues")));
    if let Some(words) = beside.and_then(words) {
        return Ok(Some(words));
    }
    let info = action.and_then(|action| action.get("@Redfish.ActionInfo")?.as_str());
    let Some(info) = info else { return Ok(None) };
    let info = bmc.get_fresh(info).await?;
    let all = info.get("Parameters").and_then(Value::as_array);
    let ours = all.and_then(|all| {
        let mut all = all.iter();
        all.find(|parameter| parameter.get("Name").and_then(Value::as_str) == Some(KIND))
    });
    Ok(ours.and_then(|parameter| words(parameter.get("AllowableValues")?)))
}

impl SecureErase {
    /// One that was begun earlier, by its task: from now on it has to come further.
    pub fn followed(resource: &str, kind: Option<String>, task: &str, now: Moment) -> SecureErase {
        SecureErase {
            resource: resource.to_owned(),
            kind,
            task: task.to_owned(),
            percent: None,
            moved: now,
        }
    }

    /// Asks the task how it stands. A task that does not come on for two hours has failed, and says so.
    ///
    /// # Errors
    /// The task cannot be read: then nothing is known, and it is asked again.
    pub async fn poll(&mut self, bmc: &Bmc, now: Moment) -> Result<EraseStands, BmcError> {
        let value = bmc.get_fresh(&self.task).await?;
        let doubts = Doubts::default();
        let name = bmc.name_of(&self.task);
        let fields = Fields::of(&value, &name, &doubts);
        let state = fields.text("TaskState").unwrap_or_default();
        let percent = fields.count("PercentComplete");
        if state == "Completed" {
            // A completed task may have completed badly.
            return Ok(match fields.text("TaskStatus").as_deref() {
                None | Some("OK") => EraseStands::Done,
                Some(status) => {
                    EraseStands::Failed(format!("{name} is completed with {status}{}", words(&fields)))
                }
            });
        }
        if !GOES_ON.contains(&state.as_str()) {
            return Ok(EraseStands::Failed(format!(
                "{name} is {state:?}{}",
                words(&fields)
            )));
        }
        if percent > self.percent {
            (self.percent, self.moved) = (percent, now);
        }
        let still = now.since(self.moved);
        if still <= STALLS_AFTER {
            return Ok(EraseStands::Running(percent));
        }
        let at = percent.map_or_else(
            || "it tells no percent".to_owned(),
            |percent| format!("it is at {percent} %"),
        );
        let hours = still.as_secs() / 3_600;
        Ok(EraseStands::Failed(format!(
            "{name} is {state} and has not come further for {hours} h; {at}"
        )))
    }
}

/// What the task says beside its state.
fn words(fields: &Fields<'_>) -> String {
    let all = fields.objects("Messages").into_iter();
    let all: Vec<String> = all
        .filter_map(|message| message.text("Message"))
        .take(4)
        .collect();
    if all.is_empty() {
        String::new()
    } else {
        format!(": {}", all.join(" "))
    }
}
