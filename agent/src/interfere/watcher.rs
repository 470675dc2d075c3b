//! The loop in the agent: reads by the clock, tells, and holds antagonists back for a time where it may.

use std::collections::BTreeMap;

use agent_api::v1::{AgentEvent, Antagonist, Grade, Incident, Interference, InterferenceAct};
use collectors::Root;
use facts::Moment;
use intent::{Share, WorkloadId};
use tokio::sync::watch;

use super::read::Reader;
use super::{Deed, Finding, Judge, Ladder, News, Sample, Shelf, ShelfError, Standing, Thresholds, words};
use crate::clock::Clock;
use crate::config::Interference as Settings;
use crate::events::Events;
use crate::keeping::Desk;
use crate::reconcile::Restraint;
use crate::view::{Board, View};

/// How many windows are between two writings of the histories: a kill takes so many at most.
const WRITTEN_EVERY: u32 = 5;
/// How many acts of one incident are remembered.
const MOST_ACTS: usize = 16;

/// Watches, tells and acts.
pub struct Watcher {
    clock: Clock,
    board: Board,
    desk: Desk,
    events: Events,
    settings: Settings,
    /// Away while it reads, on a thread of its own.
    reader: Option<Reader>,
    judge: Judge,
    ladder: Ladder,
    shown: BTreeMap<WorkloadId, Interference>,
    /// Where histories lie while no agent runs; nothing is kept without.
    shelf: Option<Shelf>,
    /// Windows since they were last laid there.
    unwritten: u32,
}

impl Watcher {
    /// One that has seen nothing yet.
    pub fn new(
        root: Root,
        clock: Clock,
        board: Board,
        desk: Desk,
        events: Events,
        settings: Settings,
    ) -> Watcher {
        let thresholds = settings.thresholds;
        Watcher {
            clock,
            board,
            desk,
            events,
            reader: Some(Reader::new(root)),
            judge: Judge::new(thresholds),
            ladder: Ladder::new(settings.mode, settings.allowed.clone(), &thresholds),
            settings,
            shown: BTreeMap::new(),
            shelf: None,
            unwritten: 0,
        }
    }

    /// The same, and its histories outlive it there.
    #[must_use]
    pub fn remembering(mut self, shelf: Shelf) -> Watcher {
        self.shelf = Some(shelf);
        self
    }

    /// Takes up the histories of an earlier run, of the workloads that are still here.
    pub async fn recall(&mut self) {
        let Some(shelf) = self.shelf.clone() else {
            return;
        };
        match tokio::task::spawn_blocking(move || shelf.read()).await {
            Ok(Ok(pasts)) => self.judge.recall(pasts),
            Ok(Err(error)) => tracing::warn!("{}", told(&error)),
            Err(error) => tracing::warn!("histories of interference cannot be read: {error}"),
        }
        let view = self.board.latest();
        self.judge.await_only(|id, since| is_here(&view, id, since));
        let known = self.judge.pasts();
        if !known.is_empty() {
            tracing::info!(
                "interference: what is usual is known of {} workloads",
                known.len()
            );
        }
    }

    /// Lays the histories down for a later run.
    pub async fn lay_down(&mut self) {
        let Some(shelf) = self.shelf.clone().filter(|_| self.unwritten > 0) else {
            return;
        };
        self.unwritten = 0;
        let pasts = self.judge.pasts();
        // Many numbers take some milliseconds, and a disk may be slow: nobody else waits for that.
        match tokio::task::spawn_blocking(move || shelf.write(pasts)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("{}", told(&error)),
            Err(error) => tracing::warn!("histories of interference cannot be written: {error}"),
        }
    }

    /// A window after the other, until the agent stops; what is known then is laid down.
    pub async fn beat(mut self, mut stopping: watch::Receiver<bool>) {
        self.recall().await;
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.settings.thresholds.window) => {}
                _ = stopping.wait_for(|stop| *stop) => break,
            }
            let now = self.clock.now();
            self.turn(now).await;
        }
        self.lay_down().await;
    }

    /// Reads and judges the window that ends now, tells what is new, acts where it may, and hangs all of it up.
    pub async fn turn(&mut self, at: Moment) {
        let Some(mut reader) = self.reader.take() else {
            return;
        };
        let (view, thresholds) = (self.board.latest(), self.settings.thresholds);
        // Files of many threads may take a while: nobody else waits for that.
        self.judge.await_only(|id, since| is_here(&view, id, since));
        let reading = tokio::task::spawn_blocking(move || {
            let samples = reader.turn(at, &view, &thresholds);
            (reader, samples)
        });
        let Ok((reader, samples)) = reading.await else {
            tracing::warn!("the interference loop has ended: reading broke off");
            return;
        };
        self.reader = Some(reader);
        let findings = self.judge.take(at, &samples);
        self.refresh(at, &samples);
        for news in self.ladder.step(at, &findings, &samples) {
            self.follow(at, news).await;
        }
        self.board.post_interference(self.shown.clone());
        self.unwritten = self.unwritten.saturating_add(1);
        if self.unwritten >= WRITTEN_EVERY {
            self.lay_down().await;
        }
    }

    /// What is shown of each workload follows the last window.
    fn refresh(&mut self, at: Moment, samples: &[Sample]) {
        let there = |id: &WorkloadId| samples.iter().any(|sample| sample.id == *id);
        self.shown.retain(|id, _| there(id));
        let thresholds = &self.settings.thresholds;
        for sample in samples {
            let before = self.shown.remove(&sample.id);
            let signals = self.judge.states(&sample.id);
            let (incidents, last) = before.map_or((0, None), |before| (before.incidents, before.last));
            let shown = Interference {
                id: sample.id.clone(),
                mode: self.settings.mode,
                at,
                window_seconds: thresholds.window.as_secs(),
                protected: sample.standing == Standing::Protected,
                because: words::because(sample, &signals, thresholds),
                signals,
                incidents,
                last,
            };
            self.shown.insert(sample.id.clone(), shown);
        }
    }

    async fn follow(&mut self, at: Moment, news: News) {
        match news {
            News::Named(finding) => self.named(at, &finding),
            News::Over(victim) => {
                if let Some(incident) = self.incident(&victim) {
                    incident.over = Some(at);
                }
                self.tell(at, "interference_over", format!("{victim} suffers no more"));
            }
            News::Act(deed) => self.act(at, deed).await,
            News::Undo(deed, helped) => self.undo(at, &deed, helped).await,
        }
    }

    async fn undo(&mut self, at: Moment, deed: &Deed, helped: bool) {
        // The keeper lets go by itself at the end; this is earlier where somebody is gone.
        if let Err(error) = self.desk.let_go(deed.antagonist.clone()).await {
            tracing::debug!(workload = %deed.antagonist, %error, "nothing to let go");
        }
        if let Some(incident) = self.incident(&deed.victim) {
            let mut acts = incident.acts.iter_mut().rev();
            let same =
                acts.find(|act| act.done && act.antagonist == deed.antagonist && act.since == deed.since);
            if let Some(act) = same {
                (act.undone, act.helped) = (Some(at), Some(helped));
            }
        }
        self.tell(at, "antagonist_act_over", words::over(deed, helped));
    }

    fn named(&mut self, at: Moment, finding: &Finding) {
        let antagonists = finding.suspects.iter().map(|suspect| Antagonist {
            id: suspect.id.clone(),
            resource: suspect.resource,
            score: suspect.score,
            priority: suspect.priority,
            untouchable: words::untouchable(&suspect.standing),
            evidence: suspect.evidence.clone(),
        });
        let incident = Incident {
            at,
            signal: finding.signal,
            value: finding.value,
            threshold: finding.threshold,
            antagonists: antagonists.collect(),
            over: None,
            acts: Vec::new(),
        };
        self.tell(at, "antagonist", words::named(&finding.victim, &incident));
        if let Some(shown) = self.shown.get_mut(&finding.victim) {
            shown.incidents = shown.incidents.saturating_add(1);
            shown.last = Some(incident);
        }
    }

    async fn act(&mut self, at: Moment, deed: Deed) {
        let thresholds = self.settings.thresholds;
        let lasts = deed.until.since(deed.since);
        let (kind, done, message) = match restraint(&deed, &thresholds).filter(|_| deed.is_done) {
            None => ("antagonist_advice", false, words::advice(&deed, &thresholds)),
            Some(restraint) => match self.desk.hold(deed.antagonist.clone(), restraint, lasts).await {
                Ok(_) => ("antagonist_held_back", true, words::held(&deed, &thresholds)),
                Err(error) => {
                    self.ladder.refused(&deed);
                    let message = format!(
                        "{} cannot be held back ({}): {error}",
                        deed.antagonist,
                        deed.grade.word()
                    );
                    ("antagonist_advice", false, message)
                }
            },
        };
        self.tell(at, kind, message.clone());
        if let Some(incident) = self.incident(&deed.victim) {
            if incident.acts.len() >= MOST_ACTS {
                incident.acts.remove(0);
            }
            incident.acts.push(InterferenceAct {
                grade: deed.grade,
                antagonist: deed.antagonist,
                since: deed.since,
                until: deed.until,
                done,
                undone: None,
                helped: None,
                message,
            });
        }
    }

    fn incident(&mut self, victim: &WorkloadId) -> Option<&mut Incident> {
        self.shown.get_mut(victim)?.last.as_mut()
    }

    fn tell(&self, at: Moment, kind: &str, message: String) {
        self.events.pass_on(AgentEvent {
            at,
            kind: kind.to_owned(),
            message,
        });
    }
}

/// Whether this very workload is here: a later one of its name is another one.
fn is_here(view: &View, id: &WorkloadId, since: Moment) -> bool {
    let mut workloads = view.kept.workloads.iter();
    workloads.any(|workload| workload.id == *id && workload.since == since)
}

/// An error with its cause.
fn told(error: &ShelfError) -> String {
    match error {
        ShelfError::Damaged { .. } => error.to_string(),
        ShelfError::Io { cause, .. } => format!("{error}: {cause}; histories of interference are not kept"),
    }
}

/// What a grade is to the keeper.
fn restraint(deed: &Deed, thresholds: &Thresholds) -> Option<Restraint> {
    let share = |thousandths: u16| Share::new(u64::from(thousandths)).ok();
    Some(match deed.grade {
        Grade::Cache => Restraint::Cache(
            share(thresholds.cache_thousandths)?,
            share(thresholds.bandwidth_thousandths)?,
        ),
        Grade::CpuMax => Restraint::CpuTime(thresholds.cap_millicpus),
        Grade::Move => Restraint::AwayFrom(deed.victim.clone()),
        Grade::Freeze => Restraint::Still,
    })
}
