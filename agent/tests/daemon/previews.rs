//! Many asks at once and proposals of moves over the real socket: answers, refusals, and that nothing is held.

use agent_api::v1::{Ask, BatchRequest, DefragRequest};
use agent_api::{AgentClient, ClientError};

use crate::stand::{Home, wait};

fn ask(cpus: u32, exclusive: bool) -> Ask {
    Ask {
        cpus,
        exclusive,
        ..Ask::default()
    }
}

fn word(error: &ClientError) -> &str {
    error.code().unwrap_or_default()
}

#[test]
fn many_asks_are_answered_at_once_and_nothing_is_held() {
    let home = Home::new();
    let agent = home.start(&[]);
    let client: AgentClient = home.client();
    let request = |asks, all_or_nothing| BatchRequest { asks, all_or_nothing };
    let asks = vec![ask(1, false), ask(8_000, true), ask(1, false)];
    let offer = wait(client.offer_all(&request(asks.clone(), false))).unwrap();
    assert_eq!((offer.placed, offer.answers.len()), (2, 3));
    let refused = offer.answers[1].refused.as_ref().unwrap();
    assert!(refused.why.contains("asked 8000 exclusive CPUs"), "{refused:?}");
    assert_eq!(offer.answers[1].name.as_str(), "ask-2");
    let whole = wait(client.offer_all(&request(asks, true))).unwrap_err();
    assert_eq!(word(&whole), "shortfall", "{whole}");
    let none = wait(client.offer_all(&request(Vec::new(), false))).unwrap_err();
    assert_eq!(word(&none), "bad_request", "{none}");
    // As many as there may be go through the door, one more is told so.
    let most = wait(client.offer_all(&request(vec![ask(1, false); 1_000], false))).unwrap();
    assert_eq!(most.answers.len(), 1_000);
    let more = wait(client.offer_all(&request(vec![ask(1, false); 1_001], false))).unwrap_err();
    assert!(more.to_string().contains("1001 asks at once"), "{more}");
    assert!(wait(client.workloads()).unwrap().is_empty());

    let found = wait(client.defrag(&DefragRequest::default())).unwrap();
    assert!(found.largest_now.is_some() && found.moves.is_empty(), "{found:?}");
    let found = wait(client.defrag(&DefragRequest {
        ask: Some(ask(8_000, true)),
        bytes_per_second: None,
    }));
    assert!(found.unwrap().why.contains("no moves were found"));
    let (status, _, body) = agent.ask("POST", "/v1/defrag", "");
    assert_eq!(status, 405, "over TCP only questions: {body}");
    drop(agent);
}
