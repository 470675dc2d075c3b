//! What can be asked and placed, and no isolator of this agent brings about yet: the one list of it. Such an ask is refused
//! before anything is written, because a promise that nobody keeps is worse than none. Who adds an isolator takes its line out.

use agent_api::v1::Ask;

/// A part of an ask: its name, whether it is asked, and what is missing.
type Part = (&'static str, fn(&Ask) -> bool, &'static str);

const UNENFORCED: &[Part] = &[(
    "watts",
    |ask| ask.watts.is_some(),
    "no isolator caps the power of one workload yet; busbar claim power holds watts of the rack",
)];

/// Why this ask cannot be brought about here although it can be placed; `None` where all of it can.
pub fn unenforced(ask: &Ask) -> Option<String> {
    let parts = UNENFORCED.iter().filter(|(_, is_asked, _)| is_asked(ask));
    let parts: Vec<String> = parts.map(|(name, _, why)| format!("{name} ({why})")).collect();
    (!parts.is_empty()).then(|| {
        format!(
            "this agent can place but not yet enforce {}; leave it out, or ask for an offer only (busbar run --dry-run)",
            parts.join(", ")
        )
    })
}
