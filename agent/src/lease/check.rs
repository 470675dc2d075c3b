//! What makes sense on any node.

use agent_api::v1::{Head, Lease};
use facts::Power;

use super::Refusal;

/// The most contingency caps of one lease: a rack of eight losses has no power left to share.
pub const MOST_LEVELS: usize = 8;
/// The longest that a lease is valid, in milliseconds.
pub const MOST_VALID_MILLIS: u64 = 60_000;
/// The highest cap of one node: more than a whole rack draws.
pub const MOST_WATTS: Power = Power::from_milliwatts(1_000_000_000);
/// The longest name of a rack, in characters.
const LONGEST_RACK: usize = 64;
/// The longest hash chain: 512 bits in hex.
const LONGEST_CHAIN: usize = 128;
/// How much of something too long is shown.
const SHOWN: usize = 80;

/// Whether a lease makes sense on any node.
pub(super) fn check(lease: &Lease) -> Result<(), Refusal> {
    rack(&lease.rack)?;
    head(&lease.head)?;
    if !(1..=MOST_VALID_MILLIS).contains(&lease.valid_millis) {
        return Err(Refusal::Senseless(format!(
            "valid_millis is {}; expected 1 to {MOST_VALID_MILLIS}",
            lease.valid_millis
        )));
    }
    if !(1..=MOST_LEVELS).contains(&lease.levels.len()) {
        return Err(Refusal::Senseless(format!(
            "levels has {} caps; expected 1 to {MOST_LEVELS}",
            lease.levels.len()
        )));
    }
    cap("cap_watts", lease.cap_watts, MOST_WATTS)?;
    let mut above = lease.cap_watts;
    for (at, watts) in lease.levels.iter().enumerate() {
        cap(&format!("the cap of level {}", at + 1), *watts, above)?;
        above = *watts;
    }
    let most = lease.levels.len();
    if usize::try_from(lease.level).is_ok_and(|level| level <= most) {
        return Ok(());
    }
    Err(Refusal::Senseless(format!(
        "level is {}; expected 0 to {most}, as many as levels has",
        lease.level
    )))
}

fn cap(what: &str, watts: Power, most: Power) -> Result<(), Refusal> {
    if watts.is_zero() || watts > most {
        let expected = format!("more than 0 W, and at most {most}");
        return Err(Refusal::watts(what, watts, &expected));
    }
    Ok(())
}

/// Whether that can be a rack's name.
pub(super) fn rack(name: &str) -> Result<(), Refusal> {
    let length = name.chars().count();
    if (1..=LONGEST_RACK).contains(&length) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    let shown: String = name.chars().take(SHOWN).collect();
    Err(Refusal::Senseless(format!(
        "rack is {shown:?}; expected a name of 1 to {LONGEST_RACK} characters, none of them a control character"
    )))
}

fn head(head: &Head) -> Result<(), Refusal> {
    let is_hex = head.chain.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex && (1..=LONGEST_CHAIN).contains(&head.chain.len()) {
        return Ok(());
    }
    let shown: String = head.chain.chars().take(SHOWN).collect();
    Err(Refusal::Senseless(format!(
        "head.chain is {shown:?}; expected 1 to {LONGEST_CHAIN} digits in hex"
    )))
}
