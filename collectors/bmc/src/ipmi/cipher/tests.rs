//! Lists of cipher suites: whole, cut short, makers' own; BMCs that offer ours, none of ours, or do not say.
#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use tokio::net::UdpSocket;

use super::super::endpoint::Limits;
use super::*;
use crate::redfish::endpoint::Credentials;

/// Suites 0, 3 and 17, and 128 of the maker 343, as IPMI 2.0 table 22-19 writes them.
const ALL: [&[u8]; 4] = [
    &[0xC0, 0, 0, 0x40, 0x80],
    &[0xC0, 3, 1, 0x41, 0x81],
    &[0xC0, 17, 3, 0x44, 0x81],
    &[0xC1, 128, 0x57, 0x01, 0x00, 1, 0x41, 0x42, 0x81, 0x82],
];

#[test]
fn records_are_read_whatever_their_length() {
    let Offers { offers, is_whole } = parse(&ALL.concat());
    assert!(is_whole);
    let standard = [0, 3, 17].map(Offer::Standard);
    assert_eq!(offers, [&standard[..], &[Offer::Makers(128, 343)]].concat());
    assert_eq!(offers[3].to_string(), "128 of maker 343");
    // A number of a maker's own is not ours, whatever it is.
    let own = [0xC1, 17, 0x57, 0x01, 0x00, 3, 0x44, 0x81];
    assert_eq!(parse(&own).offers, [Offer::Makers(17, 343)]);
    assert_eq!(
        parse(&[]),
        Offers {
            offers: Vec::new(),
            is_whole: true
        }
    );
}

#[test]
fn a_list_that_is_cut_short_says_so_and_keeps_what_came() {
    for (cut, left) in [(&[0xC0][..], 1), (&[0xC1, 5, 1], 1), (&[0x41, 0xC0, 3], 2)] {
        let bytes = [ALL[0], cut].concat();
        let seen = parse(&bytes);
        assert_eq!((seen.offers.len(), seen.is_whole), (left, left == 2), "{cut:?}");
    }
    // No record at all in front.
    assert_eq!(parse(&[0x03, 0xC0, 3]), Offers::default());
}

/// A BMC that answers this question alone; `None` stays silent.
async fn bmc(answer: impl Fn(u8) -> Option<(u8, Vec<u8>)> + Send + 'static) -> Endpoint {
    bmc_that_hears(&[Header::Plus, Header::Old], answer).await
}

/// The same, for these headers only.
async fn bmc_that_hears(
    headers: &'static [Header],
    answer: impl Fn(u8) -> Option<(u8, Vec<u8>)> + Send + 'static,
) -> Endpoint {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut buffer = [0; 256];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let header = if buffer[4] == 6 { Header::Plus } else { Header::Old };
            if !headers.contains(&header) {
                continue;
            }
            let request = wire::read_outside(&buffer[..length]).unwrap();
            assert_eq!(
                (request[1], request[5], &request[6..8]),
                (0x18, 0x54, &[0x0E, 0][..])
            );
            assert_eq!(request[8] & BY_SUITE, BY_SUITE);
            let Some((completion, data)) = answer(request[8] & LAST_INDEX) else {
                continue;
            };
            let mut head = vec![0x81, 0x1C];
            head.push(super::super::bytes::checksum(&head));
            let mut body = vec![0x20, request[4], 0x54, completion];
            body.extend(data);
            body.push(super::super::bytes::checksum(&body));
            let packet = wire::outside(header, &[head, body].concat());
            socket.send_to(&packet, from).await.unwrap();
        }
    });
    let limits = Limits {
        answer: std::time::Duration::from_millis(200),
        ..Limits::default()
    };
    Endpoint {
        limits,
        ..Endpoint::new(address, Credentials::new("ADMIN", "secret-word"))
    }
}

/// A BMC that lists these bytes, chunk by chunk.
async fn listing(bytes: Vec<u8>) -> Endpoint {
    bmc(move |index| {
        let records = bytes.chunks(CHUNK).nth(index.into()).unwrap_or_default();
        Some((0, [&[1], records].concat()))
    })
    .await
}

#[tokio::test]
async fn the_strongest_that_is_listed_is_offered_first_and_nothing_else() {
    for (bytes, expected) in [
        (ALL.concat(), &[Suite::Seventeen, Suite::Three][..]),
        ([ALL[0], ALL[1]].concat(), &[Suite::Three]),
        ([ALL[3], ALL[2]].concat(), &[Suite::Seventeen]),
        // Sixteen bytes to the last: the end is a chunk of nothing.
        (
            [ALL[1], ALL[0], &[0xC0, 1, 1, 0x40, 0x80, 0x81]].concat(),
            &[Suite::Three],
        ),
    ] {
        let counts = Arc::default();
        let endpoint = listing(bytes.clone()).await;
        assert_eq!(worth_an_offer(&endpoint, &counts).await.unwrap(), expected);
        let chunks = u64::try_from(bytes.len() / CHUNK + 1).unwrap();
        assert_eq!(counts.now().sent, chunks, "one packet a chunk");
    }
}

#[tokio::test]
async fn a_bmc_with_none_of_ours_is_refused_with_what_it_offers() {
    let zero = listing(ALL[0].to_vec()).await;
    let error = worth_an_offer(&zero, &Arc::default()).await.unwrap_err();
    let words = error.to_string();
    assert!(words.contains(&zero.address), "{words}");
    assert!(
        words.contains("offers cipher suites 0;") && words.contains("17, 3"),
        "{words}"
    );
    assert!(words.contains("suite 0 is never used"), "{words}");
    assert_eq!(error.no_data(), facts::NoData::Refused);
    let others = listing([ALL[0], &[0xC0, 8, 2, 0x42, 0x81], ALL[3]].concat()).await;
    let words = worth_an_offer(&others, &Arc::default())
        .await
        .unwrap_err()
        .to_string();
    assert!(words.contains("0, 8, 128 of maker 343"), "{words}");
}

#[tokio::test]
async fn a_bmc_that_does_not_say_is_offered_all_of_ours() {
    let both = [Suite::Seventeen, Suite::Three];
    let silent = bmc(|_| None).await;
    let unknown = bmc(|_| Some((0xC1, Vec::new()))).await;
    let empty = listing(Vec::new()).await;
    let nothing = bmc(|_| Some((0, Vec::new()))).await;
    let garbled = listing(vec![0x17; 7]).await;
    let cut = listing(ALL[0][..4].iter().chain(&[0xC0]).copied().collect()).await;
    // The second chunk never comes.
    let half = bmc(|index| (index == 0).then(|| (0, [&[1], &ALL.concat()[..CHUNK]].concat()))).await;
    for endpoint in [silent, unknown, empty, nothing, garbled, cut, half] {
        let counts = Arc::default();
        assert_eq!(worth_an_offer(&endpoint, &counts).await.unwrap(), both);
        assert!(counts.now().sent <= 2);
    }
}

#[tokio::test]
async fn a_bmc_that_hears_only_the_older_header_is_heard() {
    let counts = Arc::default();
    let old = bmc_that_hears(&[Header::Old], |index| {
        let records = ALL[0..2].concat();
        let records = records.chunks(CHUNK).nth(index.into()).unwrap_or_default();
        Some((0, [&[1], records].concat()))
    })
    .await;
    assert_eq!(worth_an_offer(&old, &counts).await.unwrap(), [Suite::Three]);
    assert_eq!(counts.now().sent, 2);
}

#[tokio::test]
async fn a_bmc_that_never_ends_its_list_is_asked_so_often_and_no_more() {
    let counts = Arc::default();
    let forgetful = bmc(|_| Some((0, [&[1], &ALL.concat()[..CHUNK]].concat()))).await;
    worth_an_offer(&forgetful, &counts).await.unwrap();
    assert_eq!(counts.now().sent, 2, "the same chunk again is the end");
    let counts = Arc::default();
    let endless = bmc(|index| {
        let records = (0..8).flat_map(|at| [0xC0, index.wrapping_mul(8) ^ at ^ 0x80]);
        Some((0, std::iter::once(1).chain(records).collect()))
    })
    .await;
    let offers = ask(&endless, &counts).await.unwrap();
    assert_eq!((counts.now().sent, offers.is_whole), (64, false));
    assert_eq!(offers.offers.len(), 512);
}

proptest! {
    #[test]
    fn any_bytes_are_a_list_of_bounded_length(bytes in proptest::collection::vec(any::<u8>(), 0..1100)) {
        let offers = parse(&bytes).offers;
        prop_assert!(offers.len() * 2 <= bytes.len());
    }

    #[test]
    fn what_stands_in_a_list_is_found(numbers in proptest::collection::vec(any::<u8>(), 0..60)) {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| [0xC0, *number, 1, 0x41, 0x81]).collect();
        let seen = parse(&bytes);
        prop_assert!(seen.is_whole);
        prop_assert_eq!(seen.offers, numbers.into_iter().map(Offer::Standard).collect::<Vec<_>>());
    }
}
