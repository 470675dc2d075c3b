//! Files that a kernel may be built without: found out before anything is written, and told with what would give them.

use std::path::Path;

use super::difference::read;
use super::mount::{Controller, Place, Version};
use crate::host::Host;
use crate::isolator::IsolateError;
use crate::step::CGROUP_SUBTREE_CONTROL;

/// The controllers that a v2 cgroup has.
const CGROUP_CONTROLLERS: &str = "cgroup.controllers";

/// A file that not every kernel has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Optional {
    /// Its controller.
    pub controller: Controller,
    /// Its name.
    pub file: &'static str,
    /// What would give it.
    pub gives: &'static str,
}

impl Optional {
    /// Refuses where this cgroup lacks the file, or, as long as the cgroup is not made, where its neighbours lack it.
    pub(super) fn in_group(
        self,
        host: &Host,
        place: &Place,
        group: &Path,
        what: &str,
    ) -> Result<(), IsolateError> {
        let lacks = if host.is_dir(group) {
            host.is_kernels(group) && self.is_on(host, place, group)? && !host.has(&group.join(self.file))
        } else {
            self.neighbours_lack_it(host, place)?
        };
        if lacks {
            return Err(self.refusal(group, what));
        }
        Ok(())
    }

    /// The refusal.
    pub(super) fn refusal(self, group: &Path, what: &str) -> IsolateError {
        IsolateError::Lacks {
            what: what.to_owned(),
            controller: self.controller.word(),
            file: group.join(self.file),
            gives: self.gives,
        }
    }

    /// Whether the controller is on in this cgroup, so that its files would be there.
    fn is_on(self, host: &Host, place: &Place, group: &Path) -> Result<bool, IsolateError> {
        let (Version::V2, Some(parent)) = (place.version, group.parent()) else {
            return Ok(true);
        };
        let on = read(host, &parent.join(CGROUP_SUBTREE_CONTROL))?.unwrap_or_default();
        Ok(on.split_whitespace().any(|name| name == self.controller.word()))
    }

    /// v2 has these files in no root cgroup, so the cgroups beside ours are looked at.
    fn neighbours_lack_it(self, host: &Host, place: &Place) -> Result<bool, IsolateError> {
        if place.version == Version::V1 {
            return Ok(false);
        }
        for name in host.directories(&place.mount).unwrap_or_default() {
            let beside = place.mount.join(name);
            let has = read(host, &beside.join(CGROUP_CONTROLLERS))?.unwrap_or_default();
            if has.split_whitespace().any(|name| name == self.controller.word()) {
                return Ok(!host.has(&beside.join(self.file)));
            }
        }
        Ok(false)
    }
}
