//! Lines that lose and delay, BMCs that restart, peers that are silent or talk nonsense.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions
)]
#![allow(clippy::wildcard_enum_match_arm)]

mod ipmi_lab;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bmc::ipmi::act::{self, Identify};
use bmc::ipmi::{Ipmi, IpmiError, observe};
use ipmi_lab::{Fate, Sim, hasty, proxy};
use tokio::net::UdpSocket;

#[tokio::test]
async fn late_answers_are_dropped_and_every_value_stays_its_own() {
    let Some(sim) = Sim::start().await else { return };
    let straight = sim.client();
    let right = observe::refresh(&straight).await.unwrap();
    // Every seventh answer comes after its time, in the midst of the next ones.
    let port = proxy(sim.port, |to_bmc, number| match !to_bmc && number % 7 == 6 {
        true => Fate::Hold(Duration::from_millis(170)),
        false => Fate::Pass,
    })
    .await;
    let ipmi = Ipmi::new(hasty(port, 4));
    for _ in 0..2 {
        let seen = observe::refresh(&ipmi).await.unwrap();
        assert_eq!(seen.readings, right.readings);
    }
    let packets = ipmi.packets();
    println!("{packets:?}");
    assert!(
        packets.resent > 5 && packets.late + packets.stray > 5,
        "{packets:?}"
    );
}

#[tokio::test]
async fn lost_packets_are_sent_again_where_nothing_is_changed_by_it() {
    let Some(sim) = Sim::start().await else { return };
    let port = proxy(sim.port, |to_bmc, number| match (to_bmc, number % 9) {
        (true, 4) | (false, 7) => Fate::Lose,
        _ => Fate::Pass,
    })
    .await;
    let ipmi = Ipmi::new(hasty(port, 4));
    let refresh = observe::refresh(&ipmi).await.unwrap();
    assert!(
        refresh
            .readings
            .iter()
            .all(|reading| reading.states.value().is_some())
    );
    assert!(ipmi.packets().resent > 5);
}

#[tokio::test]
async fn what_acts_is_sent_once_even_when_nobody_answers() {
    let Some(sim) = Sim::start().await else { return };
    let deaf = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&deaf);
    let port = proxy(sim.port, move |to_bmc, _| {
        match !to_bmc && seen.load(Ordering::SeqCst) {
            true => Fate::Lose,
            false => Fate::Pass,
        }
    })
    .await;
    let ipmi = Ipmi::new(hasty(port, 4));
    observe::device(&ipmi).await.unwrap();
    deaf.store(true, Ordering::SeqCst);
    let error = act::identify(&ipmi, Identify::For(9)).await.unwrap_err();
    assert!(matches!(error, IpmiError::Silent { sent: 1, .. }), "{error}");
    deaf.store(false, Ordering::SeqCst);
    observe::device(&ipmi).await.unwrap();
    assert_eq!(ipmi.packets().sessions, 2);
    assert_eq!(sim.read("chassis.log").matches("identify").count(), 1);
}

#[tokio::test]
async fn a_restarted_bmc_is_met_in_a_new_session() {
    let Some(mut sim) = Sim::start().await else { return };
    let port = proxy(sim.port, |_, _| Fate::Pass).await;
    let ipmi = Ipmi::new(hasty(port, 3));
    observe::device(&ipmi).await.unwrap();
    sim.end();
    assert!(observe::device(&ipmi).await.unwrap_err().is_unreachable());
    sim.run().await;
    observe::device(&ipmi).await.unwrap();
    assert_eq!(ipmi.packets().sessions, 2);
    sim.end();
    sim.run().await;
    observe::device(&ipmi)
        .await
        .expect("the old session is unknown there, and a new one is opened");
    assert_eq!(ipmi.packets().sessions, 3);
}

#[tokio::test]
async fn a_silent_peer_is_named_with_what_was_sent() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let ipmi = Ipmi::new(hasty(port, 2));
    let error = observe::device(&ipmi).await.unwrap_err();
    assert!(error.is_unreachable());
    let words = error.to_string();
    assert!(words.contains(&format!("127.0.0.1:{port}")), "{words}");
    assert!(
        words.contains("no answer to Open Session Request (sent 2 times"),
        "{words}"
    );
    assert_eq!(
        ipmi.packets().sent,
        4,
        "and its cipher suites were asked for in both headers"
    );
    drop(silent);
    let nobody = observe::device(&ipmi).await.unwrap_err();
    assert!(nobody.is_unreachable(), "{nobody}");
}

#[tokio::test]
async fn a_peer_that_talks_nonsense_is_a_silent_one_that_is_described() {
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = peer.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut buffer = vec![0; 2048];
        while let Ok((length, from)) = peer.recv_from(&mut buffer).await {
            let echo = buffer[..length].to_vec();
            let mut answers = vec![
                Vec::new(),
                vec![0; 1400],
                b"HTTP/1.1 400 Bad Request".to_vec(),
                echo.clone(),
            ];
            // The right frame around every length of nothing, and an answer for another message.
            for size in 0..40 {
                let mut packet = vec![6, 0, 0xFF, 7, 6, 0x11, 0, 0, 0, 0, 0, 0, 0, 0, size, 0];
                packet.extend(std::iter::repeat_n(0xA5, size as usize));
                answers.push(packet);
            }
            for answer in answers {
                let _ = peer.send_to(&answer, from).await;
            }
        }
    });
    let error = observe::device(&Ipmi::new(hasty(port, 2))).await.unwrap_err();
    let words = error.to_string();
    assert!(matches!(error, IpmiError::Silent { sent: 2, .. }), "{words}");
    assert!(words.contains("packets were of no use, the last:"), "{words}");
}
