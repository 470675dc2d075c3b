//! Get Channel Cipher Suites (IPMI 2.0 section 22.15): which suites a BMC offers, asked outside of any session.

use std::fmt;
use std::sync::Arc;

use super::bytes::DecodeError;
use super::command::{GET_CHANNEL_CIPHER_SUITES, Request};
use super::counts::Counts;
use super::endpoint::Endpoint;
use super::error::IpmiError;
use super::message;
use super::peer::Peer;
use super::suite::Suite;
use super::wire::{self, Header};

/// The channel that the question comes over, and the payload that is asked about: IPMI messages.
const THIS_CHANNEL: u8 = 0x0E;
const MESSAGES: u8 = 0x00;
/// The suites are listed, not the algorithms; the list index stands in the other bits.
const BY_SUITE: u8 = 0x80;
/// The last list index: the field has six bits.
const LAST_INDEX: u8 = 0x3F;
/// A full answer; a shorter one is the last.
const CHUNK: usize = 16;
/// How a record begins (table 22-19): of the specification, or a maker's own with its number at IANA.
const STANDARD: u8 = 0xC0;
const MAKERS: u8 = 0xC1;
/// These bits of every byte behind the ids say which kind of algorithm it is; both set begin the next record.
const KIND: u8 = 0xC0;
/// The question is sent once in each header: a BMC that does not know it may stay silent, and what is missed costs only a
/// second offer.
const TRIES: u32 = 1;

/// One record of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// A suite of the specification, by its number.
    Standard(u8),
    /// A suite of a maker's own: its number, and the maker's.
    Makers(u8, u32),
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Offer::Standard(number) => write!(f, "{number}"),
            Offer::Makers(number, maker) => write!(f, "{number} of maker {maker}"),
        }
    }
}

/// What a BMC offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Offers {
    /// In the BMC's order.
    pub(super) offers: Vec<Offer>,
    /// Whether the list came to its end, and every byte of it is part of a record.
    pub(super) is_whole: bool,
}

/// Reads the records of all chunks together: a record may begin in one and end in the next.
pub(super) fn parse(bytes: &[u8]) -> Offers {
    let mut rest = bytes;
    let mut offers = Vec::new();
    loop {
        let after = match *rest {
            [] => {
                return Offers {
                    offers,
                    is_whole: true,
                };
            }
            [STANDARD, number, ref after @ ..] => {
                offers.push(Offer::Standard(number));
                after
            }
            [MAKERS, number, low, middle, high, ref after @ ..] => {
                let maker = u32::from_le_bytes([low, middle, high, 0]);
                offers.push(Offer::Makers(number, maker));
                after
            }
            _ => {
                return Offers {
                    offers,
                    is_whole: false,
                };
            }
        };
        let algorithms = after.iter().take_while(|byte| **byte & KIND != KIND).count();
        rest = after.get(algorithms..).unwrap_or_default();
    }
}

/// Which of the endpoint's suites are worth an offer, the strongest first: those that the BMC lists. All of them where it does
/// not say, or not in full.
///
/// # Errors
/// Where its list is whole and has none of ours, and where nothing can be sent.
pub(super) async fn worth_an_offer(
    endpoint: &Endpoint,
    counts: &Arc<Counts>,
) -> Result<Vec<Suite>, IpmiError> {
    let Offers { offers, is_whole } = ask(endpoint, counts).await?;
    let listed = |suite: &&Suite| offers.contains(&Offer::Standard(suite.number()));
    let ours: Vec<Suite> = endpoint.suites.iter().filter(listed).copied().collect();
    if offers.is_empty() || !is_whole {
        return Ok(endpoint.suites.clone());
    }
    if !ours.is_empty() {
        return Ok(ours);
    }
    let words = |all: Vec<String>| all.join(", ");
    Err(IpmiError::NoneOfOurs {
        address: endpoint.address.clone(),
        there: words(offers.iter().map(Offer::to_string).collect()),
        ours: words(
            endpoint
                .suites
                .iter()
                .map(|suite| suite.number().to_string())
                .collect(),
        ),
    })
}

/// The whole list, as far as the BMC tells it.
async fn ask(endpoint: &Endpoint, counts: &Arc<Counts>) -> Result<Offers, IpmiError> {
    // A socket of its own: an answer that comes too late is not in the way of the handshake.
    let peer = Peer::reach(endpoint, counts).await?;
    let mut header = Header::Plus;
    let mut bytes: Vec<u8> = Vec::new();
    for index in 0..=LAST_INDEX {
        let mut told = chunk(&peer, header, index).await?;
        if index == 0 && told == Told::Nothing {
            header = Header::Old;
            told = chunk(&peer, header, index).await?;
        }
        let Told::Records(records) = told else {
            break;
        };
        // A BMC that ignores the index gives its first chunk for ever.
        let is_repeated = records.len() == CHUNK && bytes.ends_with(&records);
        if !is_repeated {
            bytes.extend_from_slice(&records);
        }
        if is_repeated || records.len() < CHUNK {
            return Ok(parse(&bytes));
        }
    }
    Ok(Offers {
        is_whole: false,
        ..parse(&bytes)
    })
}

/// What came of asking for one chunk.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Records(Vec<u8>),
    Refused,
    Nothing,
}

/// One chunk of the list.
async fn chunk(peer: &Peer, header: Header, index: u8) -> Result<Told, IpmiError> {
    let request = Request::new(
        GET_CHANNEL_CIPHER_SUITES,
        [THIS_CHANNEL, MESSAGES, BY_SUITE | index],
    );
    let packet = wire::outside(header, &message::encode(&request, index));
    let answer = peer
        .exchange((request.command.name, TRIES), &packet, |came| {
            let answer = message::decode(wire::read_outside(came)?)?;
            match answer.answers(&request, index) {
                true => Ok(answer),
                false => {
                    Err(DecodeError::wrong("an answer", "to another request", "that to this one").into())
                }
            }
        })
        .await;
    match answer {
        // The first byte is the channel's number.
        Ok(Ok(answer)) if answer.completion == 0 => Ok(answer
            .data
            .get(1..)
            .map_or(Told::Refused, |records| Told::Records(records.to_vec()))),
        Ok(_) => Ok(Told::Refused),
        Err(IpmiError::Silent { .. }) => Ok(Told::Nothing),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
