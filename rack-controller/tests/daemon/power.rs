//! Watts are claimed until there are none, a supply is drained, pulled and put back, and all of it survives kill -9.

use rack_api::v1::{BayLife, DomainState, DrainRequest, Interlock};
use rack_api::{EventStream, RackClient};

use super::house::{House, ask, bay, shelf, until, watts};

fn drain(place: &str) -> DrainRequest {
    DrainRequest {
        place: place.to_owned(),
        dry_run: false,
        exposed: false,
        force: false,
        reason: None,
        cancel: false,
        ..DrainRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_stand_until_they_are_released_whatever_happens_to_the_daemon() {
    let Some((house, running, client)) = House::whole("enforce").await else {
        return;
    };
    let before = client.rack().await.unwrap();
    assert_eq!(shelf(&before).firm_watts, watts(15_000));

    let dry = client.claim(&ask("web", 4_000, None), None, true).await.unwrap();
    assert_eq!((dry.id.as_str(), dry.domain.as_str()), ("", "shelf"));
    assert_eq!(
        client.rack().await.unwrap().journal_sequence,
        before.journal_sequence,
        "a dry run is not journaled"
    );

    let web = client
        .claim(&ask("web", 4_000, None), Some("key-1"), false)
        .await
        .unwrap();
    assert_eq!(
        client
            .claim(&ask("web", 4_000, None), Some("key-1"), false)
            .await
            .unwrap(),
        web
    );
    client.claim(&ask("db", 8_400, None), None, false).await.unwrap();

    refuses_what_does_not_fit(&client).await;

    running.kill();
    assert!(client.rack().await.unwrap_err().is_unreachable());
    let (running, client) = house.serve();
    let claims = client.claims().await.unwrap();
    assert_eq!(
        claims
            .iter()
            .map(|claim| claim.purpose.as_str())
            .collect::<Vec<_>>(),
        ["web", "db"]
    );
    assert_eq!(
        client
            .claim(&ask("web", 4_000, None), Some("key-1"), false)
            .await
            .unwrap(),
        web
    );
    until(&client, "seen again with its promises", |rack| {
        shelf(rack).headroom_watts == watts(2_600) && rack.nodes.iter().all(|node| node.state == "discovered")
    })
    .await;
    assert_eq!(client.release("db").await.unwrap().watts, watts(8_400));
    assert_eq!(shelf(&client.rack().await.unwrap()).headroom_watts, watts(11_000));
    assert_eq!(running.stop(), Some(0));
}

async fn refuses_what_does_not_fit(client: &RackClient) {
    let refused = client
        .claim(&ask("more", 3_000, None), None, false)
        .await
        .unwrap_err();
    let shortfall = refused
        .detail()
        .and_then(|detail| detail.shortfall.clone())
        .unwrap();
    assert_eq!(
        (shortfall.headroom_watts, shortfall.short_watts),
        (watts(2_600), watts(400))
    );
    assert!(refused.to_string().contains("400 W"), "{refused}");
    for (bad, code) in [
        (ask("zero", 0, None), "bad_request"),
        (ask("web", 1, None), "conflict"),
        (ask("lost", 1, Some("n99")), "bad_request"),
    ] {
        let error = client.claim(&bad, None, false).await.unwrap_err();
        assert_eq!(
            error.detail().map(|detail| detail.code.as_str()),
            Some(code),
            "{error}"
        );
    }
}

/// Draining with 12.4 kW promised needs a confirmation; with 11.6 kW it does not.
async fn answers_before_it_acts(client: &RackClient, start: u64) {
    let dry = client
        .drain(&DrainRequest {
            dry_run: true,
            ..drain("shelf/psu-3")
        })
        .await
        .unwrap();
    assert_eq!(
        (dry.answer, dry.begun),
        (Interlock::YesExposed, false),
        "{}",
        dry.sentence
    );
    let unconfirmed = client.drain(&drain("shelf/psu-3")).await.unwrap();
    assert!(
        !unconfirmed.begun && unconfirmed.sentence.contains("12.4 kW"),
        "{}",
        unconfirmed.sentence
    );
    assert_eq!(
        client.rack().await.unwrap().journal_sequence,
        start,
        "a question changes nothing"
    );

    client.release("web").await.unwrap();
    client
        .claim(&ask("web", 11_600, None), None, false)
        .await
        .unwrap();
}

/// The whole way of the supply stands in the journal, and the stream tells exactly that.
async fn the_journal_tells_it(client: &RackClient, mut stream: EventStream, start: u64) {
    let events = client.events(start).await.unwrap();
    let about: Vec<&str> = events
        .iter()
        .filter(|event| event.subject == "shelf/psu-3" && !event.kind.starts_with("led"))
        .map(|event| event.kind.as_str())
        .collect();
    assert_eq!(about.first(), Some(&"drain_begun"), "{about:?}");
    assert!(
        about.contains(&"supply_pulled") && about.contains(&"supply_inserted"),
        "{about:?}"
    );
    for expected in &events {
        let told = stream.next().await.unwrap().unwrap();
        assert_eq!(&told, expected, "the stream is the journal");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supply_is_drained_pulled_noticed_and_comes_back_to_service() {
    let Some((house, _running, client)) = House::whole("enforce").await else {
        return;
    };
    client
        .claim(&ask("web", 12_400, None), None, false)
        .await
        .unwrap();
    let start = client.rack().await.unwrap().journal_sequence;
    let stream = client.event_stream(start).await.unwrap();

    answers_before_it_acts(&client, start).await;
    let yes = client.drain(&drain("shelf/psu-3")).await.unwrap();
    assert_eq!(
        (yes.answer, yes.begun, yes.led),
        (Interlock::Yes, true, Some(true)),
        "{}",
        yes.sentence
    );
    assert_eq!(yes.sentence, "yes: PSU 4, feed B, LED lit");

    house.world(&["pull", "shelf/psu-3"]);
    let pulled = until(&client, "an empty bay", |rack| {
        bay(rack, "shelf/psu-3").life == BayLife::Empty
    })
    .await;
    assert_eq!(shelf(&pulled).surviving_watts, watts(12_000));
    assert_eq!(shelf(&pulled).headroom_watts, watts(400));

    house.world(&["insert", "shelf/psu-3"]);
    let back = until(&client, "back in service", |rack| {
        bay(rack, "shelf/psu-3").life == BayLife::InService
    })
    .await;
    assert_eq!(
        (shelf(&back).state, shelf(&back).headroom_watts),
        (DomainState::Redundant, watts(3_400))
    );
    until(&client, "a dark LED", |rack| {
        bay(rack, "shelf/psu-3").led == Some(false)
    })
    .await;

    the_journal_tells_it(&client, stream, start).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supply_that_dies_is_told_with_what_it_costs() {
    let Some((house, _running, client)) = House::whole("enforce").await else {
        return;
    };
    client
        .claim(&ask("web", 14_000, None), None, false)
        .await
        .unwrap();
    house.world(&["pull", "shelf/psu-0"]);
    let lost = until(&client, "a lost supply", |rack| {
        bay(rack, "shelf/psu-0").life == BayLife::Empty
    })
    .await;
    assert_eq!(
        (shelf(&lost).state, shelf(&lost).installed_watts),
        (DomainState::Exposed, watts(15_000))
    );
    assert_eq!(shelf(&lost).held_watts, watts(14_000), "a promise stands");
    let events = client.events(0).await.unwrap();
    assert!(
        events
            .iter()
            .any(|event| event.kind == "supply_lost" && event.message.contains("18.0 → 15.0 kW"))
    );
    let refused = client
        .claim(&ask("more", 1, None), None, false)
        .await
        .unwrap_err();
    assert_eq!(
        refused.detail().map(|detail| detail.code.as_str()),
        Some("shortfall"),
        "{refused}"
    );
}
