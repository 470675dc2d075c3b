//! `busbar commission --trace`: a feed is proven by the plug that is pulled at its PDU, behind the interlock; what nobody proved is a doubt.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStderr, Stdio};

use rack_api::v1::BayLife;

use super::aisle::Aisle;
use super::house::{ask, bay, shelf, until};

/// A `busbar commission` that runs, with what it says to whoever reads along.
struct Walk {
    child: Child,
    said: BufReader<ChildStderr>,
}

impl Walk {
    /// Begins it; each bay gets its label, a height unit, and this feed.
    fn begin(aisle: &Aisle, feeds: [&str; 6]) -> Walk {
        let mut child = aisle
            .command(&["commission", "shelf", "--trace"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut answers = child.stdin.take().unwrap();
        for (number, feed) in feeds.into_iter().enumerate() {
            writeln!(answers, "PS {}\n{}\n{feed}", number + 1, 40 - number).unwrap();
        }
        let said = BufReader::new(child.stderr.take().unwrap());
        Walk { child, said }
    }

    /// Reads on until a line says this.
    fn until(&mut self, words: &str) {
        let mut all = String::new();
        loop {
            let before = all.len();
            assert!(
                self.said.read_line(&mut all).unwrap() > 0,
                "it ended before {words:?}: {all}"
            );
            if all[before..].contains(words) {
                return;
            }
        }
    }

    fn proposal(self) -> String {
        let Walk { child, mut said } = self;
        // Whoever writes must not wait for us.
        std::io::copy(&mut said, &mut std::io::sink()).unwrap();
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success());
        String::from_utf8(done.stdout).unwrap()
    }
}

async fn has_input(aisle: &Aisle, place: &str, input: bool) {
    until(&aisle.client, &format!("{place} with input {input}"), |rack| {
        bay(rack, place).input == Some(input)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_is_proven_by_the_plug_that_is_pulled_at_its_pdu() {
    let Some(aisle) = Aisle::with_plugs().await else {
        return;
    };
    // Whoever pulls finds that the second supply hangs on the other feed than rack.toml says.
    let mut walk = Walk::begin(&aisle, ["", "B", "", "", "", ""]);
    for number in 0..6 {
        let (place, plug) = (format!("shelf/psu-{number}"), format!("plug-{number}"));
        walk.until("pull its plug at the PDU");
        aisle.is(&place, BayLife::ReadyToPull).await;
        let view = aisle.client.rack().await.unwrap();
        let out = shelf(&view)
            .bays
            .iter()
            .filter(|bay| bay.life != BayLife::InService);
        assert_eq!(out.count(), 1, "one supply at a time");
        if number == 2 {
            aisle.house.world(&["feed-loss", "plug-1"]);
            walk.until("that took the input of PSU 2, and PSU 3 is meant");
            aisle.house.world(&["feed-restore", "plug-1"]);
            aisle.is("shelf/psu-1", BayLife::InService).await;
        }
        aisle.house.world(&["feed-loss", &plug]);
        has_input(&aisle, &place, false).await;
        walk.until("put the plug back in");
        aisle.house.world(&["feed-restore", &plug]);
        has_input(&aisle, &place, true).await;
    }
    let text = walk.proposal();
    for (number, feed) in ["A", "B", "A", "B", "B", "B"].into_iter().enumerate() {
        let label = number + 1;
        let proven = format!("label = \"PS {label}\"\nfeed = \"{feed}\" # proven");
        assert!(text.contains(&proven), "{proven} in {text}");
    }
    let read: toml::Table = text.parse().unwrap();
    assert_eq!(read["bay"].as_array().unwrap().len(), 6);
    until(&aisle.client, "everything as before", |rack| {
        shelf(rack).bays.iter().all(|bay| bay.life == BayLife::InService)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_plug_is_asked_for_where_the_interlock_says_no_and_what_is_assumed_is_a_doubt() {
    let Some(mut aisle) = Aisle::with_plugs().await else {
        return;
    };
    let all = ask("web", 15_000, None);
    aisle.client.claim(&all, None, false).await.unwrap();
    let mut walk = Walk::begin(&aisle, ["", "B", "-", "", "", ""]);
    walk.until("its feed stays assumed");
    let text = walk.proposal();
    assert!(
        text.contains("label = \"PS 1\"\nfeed = \"A\"\nfeed_assumed = true")
            && text.contains("label = \"PS 2\"\nfeed = \"B\"\n# height unit")
            && text.contains("label = \"PS 3\"\n# unknown: feed?"),
        "{text}"
    );
    assert!(
        aisle.events("drain_begun").await.is_empty(),
        "no supply was taken out"
    );

    let path = aisle.house.path("rack.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let known = "label = \"PSU 1\"\nfeed = \"A\"\n";
    assert!(config.contains(known), "{config}");
    std::fs::write(
        &path,
        config.replace(known, &format!("{known}feed_assumed = true\n")),
    )
    .unwrap();
    aisle.restart().await;
    let view = until(&aisle.client, "the doubt", |rack| {
        rack.doubts.iter().any(|doubt| doubt.doubt.kind == "feed")
    })
    .await;
    let doubt = view
        .doubts
        .iter()
        .find(|doubt| doubt.doubt.kind == "feed")
        .unwrap();
    assert!(
        doubt.doubt.message.contains("PSU 1 on A") && !doubt.doubt.message.contains("PSU 2"),
        "{}",
        doubt.doubt.message
    );
}
