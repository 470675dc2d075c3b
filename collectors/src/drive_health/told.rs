//! What one drive told: its health, and who it says it is.

use facts::Doubt;
use facts::drive::DriveHealth;

use super::target::Target;

/// What one drive told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) health: DriveHealth,
    /// The serial number that the drive itself names, where it was asked.
    pub(super) serial: Option<String>,
}

impl Told {
    /// A drive that answers to another serial number than the kernel knows: it was exchanged, or its firmware is confused.
    pub(super) fn doubt(&self, target: &Target) -> Option<Doubt> {
        let (told, known) = (self.serial.as_deref()?, target.serial.as_deref()?);
        (told != known).then(|| {
            Doubt::new(
                "drive_identity",
                &target.device,
                format!(
                    "{} says that its serial number is {told:?}, sysfs says {known:?}",
                    target.name
                ),
            )
        })
    }
}
