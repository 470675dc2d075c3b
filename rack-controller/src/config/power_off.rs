//! What a `[[node]]` says of being switched off: whether it may be, how, and which machine it is.

use std::time::Duration;

use super::section::{Errors, Placed, Section};

/// What a node is. Only a server is ever switched off by us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// A server.
    #[default]
    Server,
    /// A switch: who loses it loses the rack.
    Switch,
    /// A JBOF: its drives belong to others. Which of them are claimed is not known yet, so it stays on.
    Jbof,
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Role, String> {
        match text {
            "server" => Ok(Role::Server),
            "switch" => Ok(Role::Switch),
            "jbof" => Ok(Role::Jbof),
            other => Err(format!(
                "found \"{other}\"; expected \"server\", \"switch\" or \"jbof\""
            )),
        }
    }
}

/// The keys of a `[[node]]`.
pub(super) struct RawPowerOff {
    pub role: Role,
    /// The line where it is allowed; `None` where it is not.
    pub allowed: Option<usize>,
    pub grace: Duration,
    pub uuid: Option<String>,
}

pub(super) fn read(section: &Section<'_>) -> RawPowerOff {
    let role = section.parsed::<Role>("role", "\"server\", \"switch\" or \"jbof\"");
    let allowed = section.flag("allow_power_off").unwrap_or(false);
    let uuid = section.parsed::<uuid::Uuid>(
        "uuid",
        "the SMBIOS UUID of its machine, as `dmidecode -s system-uuid` prints it",
    );
    RawPowerOff {
        role: role.map_or(Role::Server, |role| role.value),
        allowed: allowed.then_some(section.line),
        grace: section
            .duration("shutdown_grace", Duration::ZERO)
            .unwrap_or(Duration::ZERO),
        uuid: uuid.map(|uuid: Placed<uuid::Uuid>| uuid.value.to_string()),
    }
}

impl RawPowerOff {
    /// Whoever may be switched off is a server with a BMC, and it is known which machine it is.
    pub fn check(&self, errors: &Errors<'_>, name: &str, has_bmc: bool) {
        let Some(line) = self.allowed else { return };
        let wrong =
            |why: &str| errors.at_line(line, format!("allow_power_off in [[node]] \"{name}\": {why}"));
        match self.role {
            Role::Server => {}
            Role::Switch => wrong("a switch is never switched off; expected false"),
            Role::Jbof => wrong(
                "which drives of a JBOF are claimed is not known, so it is never switched off; expected false",
            ),
        }
        if !has_bmc {
            wrong("it has no BMC; expected bmc too, because nobody else can switch it");
        }
        if self.uuid.is_none() {
            wrong(
                "it has no uuid; expected the SMBIOS UUID of its machine, so that no other one is switched off",
            );
        }
    }
}
