//! Memory modules, as the board's firmware names them (SMBIOS, DSP0134, type 17).

use serde::{Deserialize, Serialize};

use crate::identity::Identity;
use crate::unit::Bytes;

/// One module that is installed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemoryModule {
    /// The board's word for its place (`Device Locator`), as in `DIMM_A1`.
    pub locator: String,
    /// The board's word for the bank (`Bank Locator`).
    pub bank: Option<String>,
    /// Maker, part number and serial number, as the firmware read them from the module.
    #[serde(flatten)]
    pub identity: Identity,
    /// How much it holds; `None` where the firmware does not know.
    pub size_bytes: Option<Bytes>,
    /// Its kind, as in `DDR5`; `None` for one that we have no word for.
    pub kind: Option<String>,
    /// Whether it keeps what it holds without power: not all of it need be memory of the kernel.
    pub is_persistent: bool,
    /// Transfers a second that it is capable of (`Speed`).
    pub rated_transfers_per_second: Option<u64>,
    /// Transfers a second at which it runs (`Configured Memory Speed`).
    pub transfers_per_second: Option<u64>,
    /// What EDAC calls it, as in `mc0/dimm3`: its errors are counted under `controller="0"` and `dimm="dimm3"`. `None` where
    /// EDAC has no label that is this place and no other.
    pub edac: Option<String>,
}
