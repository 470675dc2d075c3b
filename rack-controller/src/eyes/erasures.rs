//! What BMCs were asked to erase: on disk before a BMC is asked, so that nothing is asked twice, and a task is followed over our restarts.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use facts::{Identity, Moment};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

/// Beside the journal.
const FILE: &str = "bmc-erasures.json";
/// Longer than one order may take: who was asked then and named no task will not name one.
const NO_TASK_AFTER: Duration = Duration::from_secs(60);

/// One drive that a BMC was asked to erase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The BMC.
    pub bmc: String,
    /// The drive's resource.
    pub resource: String,
    /// Who it was.
    pub drive: Identity,
    /// The number of the try.
    pub generation: u64,
    /// When it was asked.
    pub began: Moment,
    /// How it stands.
    pub stands: Stands,
}

/// How an erasure stands, as far as we know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Stands {
    /// It is being asked.
    Asking,
    /// The BMC does it.
    Task {
        /// What was asked for, where one could choose.
        kind: Option<String>,
        /// The task.
        path: String,
    },
    /// The BMC says that it is done.
    Done {
        /// When we heard it.
        ended: Moment,
        /// The BMC's words for it.
        evidence: String,
    },
    /// It failed, or nobody can see how it ends.
    Failed {
        /// Why.
        why: String,
    },
}

/// All of them; the last one of each drive.
#[derive(Debug)]
pub struct Erasures {
    file: PathBuf,
    /// Why nothing is known; then nothing is asked.
    broken: Option<String>,
    all: Mutex<Vec<Asked>>,
}

impl Erasures {
    /// Those of the last run.
    pub fn open(state_dir: &Path) -> Erasures {
        let file = state_dir.join(FILE);
        let read = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| error.to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error.to_string()),
        };
        let broken = read.as_ref().err().map(|why| {
            format!(
                "{}: {why}; expected what BMCs were asked to erase. No BMC is asked for anything before it can be read: mend it, or \
                 remove it once no BMC erases anything",
                file.display()
            )
        });
        Erasures {
            file,
            broken,
            all: Mutex::new(read.unwrap_or_default()),
        }
    }

    /// Notes that a BMC is asked now. False where it was asked for this very try before.
    ///
    /// # Errors
    /// It cannot be written down: then nothing may be asked.
    pub async fn begin(&self, asked: Asked) -> Result<bool, String> {
        if let Some(why) = &self.broken {
            return Err(why.clone());
        }
        let mut all = self.all.lock().await;
        let is_same = |one: &Asked| one.bmc == asked.bmc && one.drive == asked.drive;
        if all
            .iter()
            .any(|one| is_same(one) && one.generation >= asked.generation)
        {
            return Ok(false);
        }
        let mut next: Vec<Asked> = all.iter().filter(|one| !is_same(one)).cloned().collect();
        next.push(asked);
        self.keep(&next).await?;
        *all = next;
        Ok(true)
    }

    /// Notes how one stands now.
    ///
    /// # Errors
    /// It cannot be written down; it is known while we run all the same.
    pub async fn stands(
        &self,
        bmc: &str,
        drive: &Identity,
        generation: u64,
        stands: Stands,
    ) -> Result<(), String> {
        let mut all = self.all.lock().await;
        let mut ours = all.iter_mut();
        let one = ours.find(|one| one.bmc == bmc && one.drive == *drive && one.generation == generation);
        if let Some(one) = one {
            one.stands = stands;
        }
        let next = all.clone();
        self.keep(&next).await
    }

    /// Those of one BMC. Who was asked long ago and named no task, perhaps because we ended meanwhile, has failed.
    pub async fn of(&self, bmc: &str, now: Moment) -> Vec<Asked> {
        let all = self.all.lock().await;
        let ours = all.iter().filter(|one| one.bmc == bmc).cloned();
        let told = ours.map(|one| match one.stands {
            Stands::Asking if now.since(one.began) > NO_TASK_AFTER => Asked {
                stands: Stands::Failed {
                    why: format!(
                        "the BMC {bmc} was asked to erase it and nobody heard of a task: nobody can see how that ends"
                    ),
                },
                ..one
            },
            Stands::Asking | Stands::Task { .. } | Stands::Done { .. } | Stands::Failed { .. } => one,
        });
        told.collect()
    }

    /// Whole and on the disk, or as it was before.
    async fn keep(&self, all: &[Asked]) -> Result<(), String> {
        let text = serde_json::to_vec_pretty(all).map_err(|error| error.to_string())?;
        let file = self.file.clone();
        let written = tokio::task::spawn_blocking(move || write(&file, &text));
        let wrong = |why: String| format!("cannot write {}: {why}", self.file.display());
        match written.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(wrong(error.to_string())),
            Err(error) => Err(wrong(error.to_string())),
        }
    }
}

fn write(file: &Path, text: &[u8]) -> std::io::Result<()> {
    let new = file.with_extension("json.new");
    let mut out = std::fs::File::create(&new)?;
    out.write_all(text)?;
    out.sync_all()?;
    std::fs::rename(&new, file)?;
    let Some(folder) = file.parent() else {
        return Ok(());
    };
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn asked(generation: u64) -> Asked {
        Asked {
            bmc: "jbof".to_owned(),
            resource: "/redfish/v1/Chassis/jbof/Drives/bay-1".to_owned(),
            drive: Identity {
                maker: None,
                model: Some("M".to_owned()),
                serial: Some("S1".to_owned()),
            },
            generation,
            began: Moment::from_millis(1_000),
            stands: Stands::Asking,
        }
    }

    #[tokio::test]
    async fn a_try_is_asked_once_also_after_a_restart_and_one_without_a_task_has_failed() {
        let folder = tempfile::tempdir().unwrap();
        let first = Erasures::open(folder.path());
        assert!(first.begin(asked(2)).await.unwrap());
        assert!(!first.begin(asked(2)).await.unwrap() && !first.begin(asked(1)).await.unwrap());
        let again = Erasures::open(folder.path());
        assert!(!again.begin(asked(2)).await.unwrap());
        let soon = again.of("jbof", Moment::from_millis(2_000)).await;
        assert_eq!(soon[0].stands, Stands::Asking);
        let late = again.of("jbof", Moment::from_millis(62_000)).await;
        assert!(matches!(&late[0].stands, Stands::Failed { why } if why.contains("heard of a task")));
        let task = Stands::Task {
            kind: None,
            path: "/t/1".to_owned(),
        };
        again
            .stands("jbof", &asked(2).drive, 2, task.clone())
            .await
            .unwrap();
        let third = Erasures::open(folder.path());
        assert_eq!(
            third.of("jbof", Moment::from_millis(99_000)).await[0].stands,
            task
        );
        assert!(third.begin(asked(3)).await.unwrap());
        assert_eq!(
            third.of("jbof", Moment::EPOCH).await.len(),
            1,
            "the last one of each drive"
        );
    }

    #[tokio::test]
    async fn where_nobody_knows_what_was_asked_nothing_is() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "{").unwrap();
        let broken = Erasures::open(folder.path());
        let why = broken.begin(asked(1)).await.unwrap_err();
        assert!(
            why.contains("bmc-erasures.json") && why.contains("No BMC is asked"),
            "{why}"
        );
        assert_eq!(std::fs::read_to_string(folder.path().join(FILE)).unwrap(), "{");
    }
}
