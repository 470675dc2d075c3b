//! The command that `busbar run` runs: born in the workload's cgroups, or an ordinary child of this process, which was moved there.

use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};

use agent_api::client::{AgentClient, ClientError};
use agent_api::v1::{EnteredRequest, Workload};
use anyhow::Context;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use crate::born::{self, Born, Cradle, Waiting};
use crate::signals::{self, Ear};

/// A shell answers 128 + the signal's number for a command that a signal ended.
const SIGNALLED: i32 = 128;

/// A command whose place is ready.
#[derive(Debug)]
pub enum Ready {
    /// It is there already, and waits.
    Born(Waiting),
    /// This process is there.
    Moved(Box<Command>),
}

/// A command that runs.
#[derive(Debug)]
pub enum Child {
    /// Born in its cgroups.
    Born(Born),
    /// An ordinary child of this process.
    Ours(tokio::process::Child),
}

impl Ready {
    /// Brings the command, or this process, into the workload's cgroups where the agent awaits that, and has it confirmed.
    ///
    /// # Errors
    /// When the agent does not confirm it. Nothing has run then.
    pub async fn of(
        agent: &AgentClient,
        workload: &mut Workload,
        mut command: Command,
        log: Option<(File, File)>,
    ) -> Result<Ready, ClientError> {
        let mut waiting = None;
        if workload.awaits {
            let cradle = Cradle::open(&workload.cgroups);
            // An older kernel, another mount namespace, whatever it is: the agent can move us.
            waiting = cradle
                .and_then(|cradle| born::bear(command.as_std(), log.as_ref(), &cradle))
                .ok();
            let born = waiting.is_some();
            *workload = agent.entered(&workload.id, EnteredRequest { born }).await?;
        }
        if let Some(waiting) = waiting {
            return Ok(Ready::Born(waiting));
        }
        if let Some((output, errors)) = log {
            command.stdout(output).stderr(errors);
        }
        Ok(Ready::Moved(Box::new(command)))
    }

    /// Lets it begin. From here on this process hears what is to be passed on: a signal that came before the command was watched must
    /// not end who watches it, because the command would go on and hold its place. A signal before this ends both.
    ///
    /// # Errors
    /// When the command cannot be executed.
    pub fn go(self) -> io::Result<(Child, Option<Ear>)> {
        match self {
            // It was born with the signals of before.
            Ready::Born(waiting) => {
                let ear = Ear::open()?;
                Ok((Child::Born(waiting.go()?), Some(ear)))
            }
            // What is blocked here would be blocked there too.
            Ready::Moved(mut command) => Ok((Child::Ours(command.spawn()?), None)),
        }
    }
}

impl Child {
    fn id(&self) -> Option<Pid> {
        match self {
            Child::Born(born) => born.id(),
            Child::Ours(child) => child
                .id()
                .and_then(|id| i32::try_from(id).ok())
                .map(Pid::from_raw),
        }
    }

    /// How it ended, where it has.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        match self {
            Child::Born(born) => born.try_wait(),
            Child::Ours(child) => child.try_wait(),
        }
    }

    async fn wait(&mut self) -> io::Result<ExitStatus> {
        match self {
            Child::Born(born) => born.wait().await,
            Child::Ours(child) => child.wait().await,
        }
    }

    /// Kills it and waits for its end.
    ///
    /// # Errors
    /// When the kernel does not let us.
    pub async fn kill(&mut self) -> io::Result<()> {
        match self {
            Child::Born(born) => born.kill().await,
            Child::Ours(child) => child.kill().await,
        }
    }

    /// Waits for the command and passes signals on to it meanwhile; where it stops, this process stops with it.
    ///
    /// # Errors
    /// When the kernel does not say how it ended.
    pub async fn watch(mut self, ear: Option<Ear>) -> anyhow::Result<ExitStatus> {
        let ear = ear.map_or_else(Ear::open, Ok).context("cannot hear signals")?;
        let mut changes = signal(SignalKind::child()).context("cannot hear of stops")?;
        loop {
            let heard = tokio::select! {
                status = self.wait() => return status.context("cannot wait for the command"),
                heard = ear.next() => Some(heard.context("cannot hear signals")?),
                _ = changes.recv() => None,
            };
            let Some(pid) = self.id() else {
                continue;
            };
            match heard {
                // A command that has just ended needs no signal any more.
                Some(heard) if !heard.is_of_key => drop(kill(pid, heard.signal)),
                Some(_) => {}
                None => {
                    if let Some(by) = signals::stopped(pid) {
                        signals::stop_too(by).context("cannot stop as the command did")?;
                    }
                }
            }
        }
    }
}

/// The exit status as a shell passes it on.
pub fn code(status: ExitStatus) -> ExitCode {
    let number = status
        .code()
        .or_else(|| status.signal().map(|signal| SIGNALLED + signal))
        .unwrap_or(1);
    ExitCode::from(u8::try_from(number).unwrap_or(1))
}
