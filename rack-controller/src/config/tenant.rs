//! Tenants: whose claims count together, and how much each of them may hold.

use facts::{Bytes, Power};

use super::section::{Placed, Section};

/// Drives of one tenant: more than any rack has.
const MOST_DRIVES: u32 = 10_000;

/// One tenant and its quotas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantConfig {
    /// Its name.
    pub name: String,
    /// Firm watts that it may hold; `None` for as many as fit.
    pub firm: Option<Power>,
    /// Revocable watts that it may ask for; `None` for as many as it likes.
    pub revocable: Option<Power>,
    /// Whether it may take the watts of claims of lower priority, its own ones too.
    pub preempt: bool,
    /// Pooled drives that it may hold; `None` for as many as there are.
    pub drives: Option<u32>,
    /// What they may hold together; `None` for as much as there is.
    pub drive_bytes: Option<Bytes>,
}

/// `[[tenant]]`.
pub(super) fn tenant(section: Section<'_>) -> Option<Placed<TenantConfig>> {
    let line = section.line;
    let name = section.needed("name", "the tenant's name, as in \"research\"");
    let firm = section.watts("firm_watts", 0);
    let revocable = section.watts("revocable_watts", 0);
    let preempt = section.flag("preempt").unwrap_or(false);
    let drives = section.number(
        "drives",
        0..MOST_DRIVES,
        "how many pooled drives it may hold, as in 8",
    );
    let drive_bytes = section.parsed::<Bytes>(
        "drive_bytes",
        "how much its pooled drives may hold, as in \"32T\"",
    );
    section.finish();
    Some(Placed {
        line,
        value: TenantConfig {
            name: name?.value,
            firm,
            revocable,
            preempt,
            drives,
            drive_bytes: drive_bytes.map(|bytes| bytes.value),
        },
    })
}
