//! Who asks, as the rack's journal shall have it. It is what this machine says of its user, not a proof.

use nix::unistd::{Uid, User, gethostname};
use rack_api::v1::Asked;

use crate::args::{Change, Verb};
use crate::power::Resource;

/// Who runs this command and where: `anna@ws1`; behind sudo whoever called it.
pub fn asked(reason: Option<&str>) -> Asked {
    let sudo = std::env::var("SUDO_USER").ok().filter(|name| !name.is_empty());
    let user = sudo.unwrap_or_else(|| {
        let uid = Uid::current();
        let known = User::from_uid(uid).ok().flatten();
        known.map_or_else(|| format!("uid {uid}"), |user| user.name)
    });
    let host = gethostname().ok().and_then(|name| name.into_string().ok());
    Asked {
        by: Some(match host {
            Some(host) => format!("{user}@{host}"),
            None => user,
        }),
        reason: reason.map(str::to_owned),
    }
}

impl Verb {
    /// Why, as `--reason` says.
    pub fn reason(&self) -> Option<&str> {
        if let Verb::Apply { change, .. }
        | Verb::Renew { change, .. }
        | Verb::Calibrate { change, .. }
        | Verb::Release { change, .. }
        | Verb::Drain { change, .. }
        | Verb::Undrain { change, .. } = self
        {
            return change.reason.as_deref();
        }
        if let Verb::Claim { resource } = self {
            return match resource.as_ref() {
                Resource::Power(args) => args.reason.as_deref(),
                Resource::Drives(args) => args.change.reason.as_deref(),
            };
        }
        if let Verb::Power { verb } = self {
            return verb.reason();
        }
        if let Verb::Drives { verb } = self {
            return verb.reason();
        }
        if let Verb::Swap(args) = self {
            return args.reason.as_deref();
        }
        if let Verb::Doubts { verb } = self {
            return verb.as_ref().and_then(crate::doubts::DoubtVerb::reason);
        }
        if let Verb::Pause { place, .. } | Verb::Resume { place } = self {
            return place.reason.as_deref();
        }
        None
    }
}

impl Change {
    /// What was done, or would be.
    pub fn said(&self, done: &str) -> String {
        if self.dry_run {
            format!("would be {done}")
        } else {
            done.to_owned()
        }
    }
}
