//! Watts: promised once, of what the node is capped at.

use agent_api::v1::Ask;
use facts::Power;

use super::books::Books;
use super::machine::Machine;
use super::{Refusal, Taken, reason};

/// Power that is promised.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Watts {
    /// How much; `None` where none was asked.
    pub promised: Option<Power>,
    /// Of what, where that is known.
    pub because: Option<String>,
}

/// The power that is promised, where it is asked.
pub(super) fn promised(
    ask: &Ask,
    machine: &Machine,
    books: &Books,
    taken: &[Taken],
) -> Result<Watts, Refusal> {
    let Some(wanted) = ask.watts else {
        return Ok(Watts::default());
    };
    let (Some(whole), Some(free)) = (machine.watts, books.milliwatts.map(Power::from_milliwatts)) else {
        return Err(Refusal::NotHere(format!(
            "asked {wanted}; nothing that can be read caps the power of this node, so none can be promised: leave watts out, or \
             claim them from the rack (busbar claim power)"
        )));
    };
    let from = &machine.watts_from;
    let of = if from.is_empty() {
        String::new()
    } else {
        format!(" of {whole} ({from})")
    };
    if wanted > whole {
        return Err(Refusal::NotHere(format!(
            "asked {wanted}; this node has {whole} in all{}; ask for at most {whole}",
            if from.is_empty() {
                String::new()
            } else {
                format!(" ({from})")
            }
        )));
    }
    if wanted > free {
        let holders = reason::holders(taken, |one| one.watts.map(|watts| watts.to_string()));
        return Err(Refusal::Shortfall(format!(
            "asked {wanted}; {free}{of} is promised to nobody: {holders}; ask for at most {free}"
        )));
    }
    Ok(Watts {
        promised: Some(wanted),
        because: (!from.is_empty()).then(|| format!("{wanted}{of}")),
    })
}
