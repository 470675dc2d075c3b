//! What a shelf's BMC tells, tells twice, or does not tell: events are hints, polling is the net under them, and what was missed is
//! read again.

use std::time::Duration;

use rack_api::RackClient;
use rack_api::v1::BayLife;

use super::house::{House, PATIENCE, Running, bay, shelf, until, watts};

/// So long that no story here is saved by it.
const NEVER: &str = "5m";
/// As often as may be asked for.
const SOON: &str = "1s";

/// A controller that looks at its shelf in a beat of the story's choice, and asks in another whether its subscription stands.
struct Eyes {
    house: House,
    _running: Running,
    client: RackClient,
}

impl Eyes {
    async fn open(poll: &str, reconcile: &str) -> Option<Eyes> {
        let house = House::raise()?;
        let path = house.configure("observe", "");
        let text = std::fs::read_to_string(&path).unwrap();
        let usual = "shelf.cred\"\npoll_interval = \"500ms\"\n";
        assert!(text.contains(usual), "{text}");
        let wanted =
            format!("shelf.cred\"\npoll_interval = \"{poll}\"\nreconcile_interval = \"{reconcile}\"\n");
        std::fs::write(&path, text.replace(usual, &wanted)).unwrap();
        let (running, client) = house.serve();
        until(&client, "six supplies in service", |rack| {
            shelf(rack).bays.iter().all(|bay| bay.life == BayLife::InService)
        })
        .await;
        Some(Eyes {
            house,
            _running: running,
            client,
        })
    }

    /// A counter of the shelf's BMC, with this much of its labels.
    async fn count(&self, family: &str, labels: &str) -> u64 {
        let page = super::closed::get(self.client.url(), "/metrics", "127.0.0.1")
            .await
            .1;
        let line = page.lines().find(|line| {
            line.starts_with(&format!("{family}{{"))
                && line.contains("bmc=\"shelf\"")
                && line.contains(labels)
        });
        let value = line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        value.map_or(0, |value| value as u64)
    }

    async fn hints(&self) -> u64 {
        self.count("busbar_rack_bmc_hints_total", "").await
    }

    async fn made_anew(&self, reason: &str) -> u64 {
        let reason = format!("reason=\"{reason}\"");
        self.count("busbar_rack_bmc_resubscriptions_total", &reason).await
    }

    async fn is(&self, place: &str, life: BayLife) {
        until(&self.client, &format!("{place} {}", life.word()), |rack| {
            bay(rack, place).life == life
        })
        .await;
    }

    /// Waits until a counter is past a mark.
    async fn passes(&self, what: &str, mark: u64, count: impl AsyncFn() -> u64) {
        let began = std::time::Instant::now();
        while count().await <= mark {
            assert!(began.elapsed() < PATIENCE, "never {what}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// That one supply was lost stands in the journal, which may come a moment after the view, and no second one does.
    async fn one_loss_is_told(&self) {
        let losses = async || {
            let events = self.client.events(0).await.unwrap();
            let lost = events.iter().filter(|event| event.kind == "supply_lost");
            u64::try_from(lost.count()).unwrap()
        };
        self.passes("journaled", 0, losses).await;
        assert_eq!(losses().await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_come_twice_and_once_more_later_are_one() {
    let Some(eyes) = Eyes::open(NEVER, NEVER).await else {
        return;
    };
    eyes.house.world(&["bmc", "shelf", "answer", "doubled"]);
    let folded = || eyes.count("busbar_rack_bmc_hints_folded_total", "");
    eyes.house.world(&["pull", "shelf/psu-3"]);
    eyes.is("shelf/psu-3", BayLife::Empty).await;
    eyes.passes("folded: the same event at once", 0, folded).await;
    let before = folded().await;
    // With the next event comes the one before it again: the loss is told late, when the supply is back.
    eyes.house.world(&["insert", "shelf/psu-3"]);
    eyes.is("shelf/psu-3", BayLife::InService).await;
    eyes.passes("folded: the loss, told once more", before + 1, folded)
        .await;
    let view = eyes.client.rack().await.unwrap();
    assert_eq!(shelf(&view).installed_watts, watts(18_000));
    eyes.one_loss_is_told().await;
    assert_eq!(eyes.made_anew("gap").await, 0, "nothing was missed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loss_whose_event_was_lost_is_found_with_the_next_one() {
    let Some(eyes) = Eyes::open(NEVER, NEVER).await else {
        return;
    };
    eyes.house.world(&["bmc", "shelf", "answer", "lossy"]);
    let mut pulled = Vec::new();
    for place in ["shelf/psu-0", "shelf/psu-1", "shelf/psu-2", "shelf/psu-4"] {
        let heard = eyes.hints().await;
        eyes.house.world(&["pull", place]);
        pulled.push(place);
        // Every second event never comes; which one, their numbers say.
        tokio::time::sleep(Duration::from_secs(1)).await;
        if eyes.hints().await > heard && eyes.made_anew("gap").await > 0 {
            break;
        }
    }
    assert!(eyes.made_anew("gap").await > 0, "of {pulled:?} none was lost");
    for place in pulled {
        eyes.is(place, BayLife::Empty).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loss_that_nobody_tells_is_found_by_polling() {
    let Some(eyes) = Eyes::open("2s", NEVER).await else {
        return;
    };
    // The next look makes the BMC forget the stream, and the stream stays open.
    eyes.house.world(&["bmc", "shelf", "answer", "forgetful"]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let heard = eyes.hints().await;
    eyes.house.world(&["pull", "shelf/psu-3"]);
    eyes.is("shelf/psu-3", BayLife::Empty).await;
    assert_eq!(eyes.hints().await, heard, "an event told it");
    assert_eq!(eyes.made_anew("dropped").await, 0, "nobody asked the BMC");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_the_bmc_forgot_is_made_anew_and_what_it_missed_is_read() {
    let Some(eyes) = Eyes::open(NEVER, SOON).await else {
        return;
    };
    eyes.house.world(&["bmc", "shelf", "answer", "forgetful"]);
    eyes.passes("dropped", 0, || eyes.made_anew("dropped")).await;
    // It forgets each stream that is made, too: nothing tells this loss, and nobody polls.
    let heard = eyes.hints().await;
    eyes.house.world(&["pull", "shelf/psu-3"]);
    eyes.is("shelf/psu-3", BayLife::Empty).await;
    assert_eq!(eyes.hints().await, heard, "an event told it");
    // Once it remembers again, one more time is enough, and events come as before.
    eyes.house.world(&["bmc", "shelf", "answer", "ok"]);
    let anew = eyes.made_anew("dropped").await;
    eyes.passes("dropped for the last time", anew, || eyes.made_anew("dropped"))
        .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    eyes.house.world(&["pull", "shelf/psu-4"]);
    eyes.passes("heard", heard, || eyes.hints()).await;
    eyes.is("shelf/psu-4", BayLife::Empty).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_while_a_bmc_starts_anew_is_read_when_it_is_back() {
    let Some(eyes) = Eyes::open(NEVER, NEVER).await else {
        return;
    };
    eyes.house.world(&["bmc", "shelf", "answer", "never"]);
    eyes.house.world(&["bmc", "shelf", "reboot"]);
    eyes.house.world(&["pull", "shelf/psu-3"]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    eyes.house.world(&["bmc", "shelf", "answer", "ok"]);
    eyes.is("shelf/psu-3", BayLife::Empty).await;
    eyes.one_loss_is_told().await;
}
