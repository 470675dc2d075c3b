//! Somebody with the `busbar` command before a rack whose supplies all count.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use rack_api::RackClient;
use rack_api::v1::{BayLife, EventView};
use serde_json::Value;

use super::house::{House, Running, bay, until};

pub const PLACE: &str = "shelf/psu-3";

/// The command, where it was built beside this test.
fn busbar() -> Option<PathBuf> {
    let named = std::env::var_os("BUSBAR_COMMAND").map(PathBuf::from);
    let beside = std::env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.parent()?.join("busbar")));
    let found = named.or(beside).filter(|path| path.is_file());
    if found.is_none() {
        println!(
            "skipped: no busbar in $BUSBAR_COMMAND or beside this test; build it with cargo build -p busbar-cli"
        );
    }
    found
}

/// A rack whose supplies all count, and somebody with the command.
pub struct Aisle {
    pub house: House,
    running: Option<Running>,
    pub client: RackClient,
    busbar: PathBuf,
}

impl Aisle {
    pub async fn enter() -> Option<Aisle> {
        let busbar = busbar()?;
        let (house, running, client) = House::whole("enforce").await?;
        Some(Aisle {
            house,
            running: Some(running),
            client,
            busbar,
        })
    }

    /// Before a rack where each supply has a plug for itself.
    pub async fn with_plugs() -> Option<Aisle> {
        let busbar = busbar()?;
        let house = House::with_plugs()?;
        house.configure("enforce", "");
        let (running, client) = house.serve();
        let aisle = Aisle {
            house,
            running: Some(running),
            client,
            busbar,
        };
        for bay in 0..6 {
            aisle.is(&format!("shelf/psu-{bay}"), BayLife::InService).await;
        }
        Some(aisle)
    }

    /// Before a rack whose configuration lacks something.
    pub async fn without(part: &str) -> Option<Aisle> {
        let busbar = busbar()?;
        let house = House::raise()?;
        let config = house.configure("enforce", "");
        let text = std::fs::read_to_string(&config).unwrap();
        assert!(text.contains(part), "{text}");
        std::fs::write(&config, text.replace(part, "")).unwrap();
        let (running, client) = house.serve();
        Some(Aisle {
            house,
            running: Some(running),
            client,
            busbar,
        })
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.busbar);
        command
            .args(words)
            .args(["--rack", self.client.url()])
            .env("SUDO_USER", "anna")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    pub fn say(&self, words: &[&str]) -> (i32, String) {
        let said: Output = self.command(words).output().unwrap();
        let text =
            String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
        (said.status.code().unwrap(), text)
    }

    /// Begins `busbar swap` with a line of JSON a step, and leaves it running.
    pub fn swapping(&self, words: &[&str]) -> Steps {
        let mut words = words.to_vec();
        words.extend(["-o", "json"]);
        let mut child = self.command(&words).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Steps { child, out }
    }

    pub async fn events(&self, kind: &str) -> Vec<EventView> {
        let mut found = self.client.events(0).await.unwrap();
        found.retain(|event| event.kind == kind);
        found
    }

    /// kill -9, and a controller that starts from the journal.
    pub async fn restart(&mut self) {
        self.running.take().unwrap().kill();
        let (running, client) = self.house.serve();
        (self.running, self.client) = (Some(running), client);
        until(&self.client, "the shelf again", |rack| bay(rack, PLACE).seen).await;
    }

    pub async fn is(&self, place: &str, life: BayLife) {
        until(&self.client, &format!("{place} {}", life.word()), |rack| {
            bay(rack, place).life == life
        })
        .await;
    }
}

/// A `busbar swap` that runs.
pub struct Steps {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
}

impl Steps {
    /// Reads on until this step.
    pub fn until(&mut self, step: &str) -> Value {
        loop {
            let mut line = String::new();
            assert!(
                self.out.read_line(&mut line).unwrap() > 0,
                "it ended before {step}"
            );
            let said: Value = serde_json::from_str(&line).unwrap();
            if said["step"]["step"] == step {
                return said["step"].clone();
            }
        }
    }

    pub fn leave(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn code(mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap()
    }
}
