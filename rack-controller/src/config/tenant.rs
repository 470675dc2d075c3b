//! Tenants: whose claims count together, and how much each of them may hold.

use facts::Power;

use super::section::{Placed, Section};

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
}

/// `[[tenant]]`.
pub(super) fn tenant(section: Section<'_>) -> Option<Placed<TenantConfig>> {
    let line = section.line;
    let name = section.needed("name", "the tenant's name, as in \"research\"");
    let firm = section.watts("firm_watts", 0);
    let revocable = section.watts("revocable_watts", 0);
    let preempt = section.flag("preempt").unwrap_or(false);
    section.finish();
    Some(Placed {
        line,
        value: TenantConfig {
            name: name?.value,
            firm,
            revocable,
            preempt,
        },
    })
}
