//! `busbar swap` at a terminal: where a swap leaves the rack exposed, whoever sits there is asked.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Stdio};

use super::aisle::{Aisle, PLACE};
use super::house::ask;

/// A command that runs at a terminal of its own.
struct Terminal {
    child: Child,
    keyboard: File,
    screen: File,
    shown: String,
}

impl Terminal {
    fn of(aisle: &Aisle, words: &[&str]) -> Terminal {
        let pair = nix::pty::openpty(None, None).unwrap();
        let other = || Stdio::from(pair.slave.try_clone().unwrap());
        let child = aisle
            .command(words)
            .stdin(other())
            .stdout(other())
            .stderr(other())
            .spawn()
            .unwrap();
        let screen = File::from(pair.master);
        Terminal {
            child,
            keyboard: screen.try_clone().unwrap(),
            screen,
            shown: String::new(),
        }
    }

    /// Reads on until this stands there.
    fn until(&mut self, words: &str) {
        let mut bytes = [0_u8; 512];
        while !self.shown.contains(words) {
            // A terminal whose last program has ended is an error, and no end of file.
            let read = self.screen.read(&mut bytes).unwrap_or(0);
            assert!(read > 0, "it ended before {words:?}: {}", self.shown);
            self.shown += &String::from_utf8_lossy(&bytes[..read]);
        }
    }

    fn types(&mut self, line: &str) {
        self.keyboard.write_all(line.as_bytes()).unwrap();
        self.keyboard.write_all(b"\n").unwrap();
    }

    fn code(mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap()
    }

    fn leave(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sits_at_a_terminal_is_asked_before_a_rack_is_exposed() {
    let Some(aisle) = Aisle::enter().await else { return };
    aisle
        .client
        .claim(&ask("web", 12_400, None), None, false)
        .await
        .unwrap();
    for answer in ["no", ""] {
        let mut refuses = Terminal::of(&aisle, &["swap", PLACE]);
        refuses.until("Type yes: ");
        assert!(
            refuses.shown.contains("12.4 kW firm") && !refuses.shown.contains("--exposed"),
            "{}",
            refuses.shown
        );
        refuses.types(answer);
        assert_eq!(refuses.code(), 3, "{answer:?}");
    }
    assert!(aisle.events("swap_begun").await.is_empty());

    let mut agrees = Terminal::of(&aisle, &["swap", PLACE]);
    agrees.until("Type yes: ");
    agrees.types("yes");
    agrees.until("[2/5] pull PSU 4 now");
    agrees.leave();
    assert_eq!(aisle.events("swap_begun").await.len(), 1);
    assert_eq!(aisle.say(&["swap", PLACE, "--cancel"]).0, 0);
}
