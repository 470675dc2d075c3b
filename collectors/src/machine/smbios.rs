//! Memory modules in the firmware's own tables: SMBIOS (DSP0134 3.7), type 17, from `/sys/firmware/dmi`
//! (Documentation/ABI/testing/sysfs-firmware-dmi-tables, -entries).

use facts::memory_module::MemoryModule;
use facts::{Bytes, Identity, filler};

use crate::attribute;
use crate::collector::CollectError;
use crate::root::Root;

/// All structures one behind another; root alone may read it.
pub(super) const TABLE: &str = "sys/firmware/dmi/tables/DMI";
/// One folder a structure, where the driver dmi-sysfs is loaded: `17-3/raw`.
pub(super) const ENTRIES: &str = "sys/firmware/dmi/entries";
pub(super) const ENTRY_OF_MODULE: &str = "17-";
const EDAC: &str = "sys/devices/system/edac/mc";

/// Types: a memory device, and the end of the table.
pub(super) const MEMORY_DEVICE: u8 = 17;
const END_OF_TABLE: u8 = 127;
/// Type, length and handle of a structure.
const HEADER: usize = 4;
/// More structures than any table has; boards have some two hundred.
const MOST_STRUCTURES: usize = 16_384;

/// Offsets in a memory device (7.18).
const SIZE: usize = 0x0C;
const LOCATOR: usize = 0x10;
const BANK: usize = 0x11;
const KIND: usize = 0x12;
const SPEED: usize = 0x15;
const MANUFACTURER: usize = 0x17;
pub(super) const SERIAL: usize = 0x18;
pub(super) const ASSET: usize = 0x19;
const PART: usize = 0x1A;
const EXTENDED_SIZE: usize = 0x1C;
const CONFIGURED_SPEED: usize = 0x20;
const TECHNOLOGY: usize = 0x28;
const EXTENDED_SPEED: usize = 0x54;
const EXTENDED_CONFIGURED_SPEED: usize = 0x58;

/// Size: not known; look at the extended one; in KiB and not in MiB.
const UNKNOWN_SIZE: u16 = 0xFFFF;
const SIZE_IS_EXTENDED: u16 = 0x7FFF;
const IN_KIBIBYTES: u16 = 0x8000;
/// Speed: look at the extended one.
const SPEED_IS_EXTENDED: u16 = 0xFFFF;
const MILLION: u64 = 1_000_000;

/// Kinds of memory (table 78).
const KINDS: [(u8, &str); 21] = [
    (0x03, "DRAM"),
    (0x0F, "SDRAM"),
    (0x11, "RDRAM"),
    (0x12, "DDR"),
    (0x13, "DDR2"),
    (0x14, "DDR2 FB-DIMM"),
    (0x18, "DDR3"),
    (0x19, "FBD2"),
    (0x1A, "DDR4"),
    (0x1B, "LPDDR"),
    (0x1C, "LPDDR2"),
    (0x1D, "LPDDR3"),
    (0x1E, "LPDDR4"),
    (LOGICAL_NON_VOLATILE, "logical non-volatile device"),
    (0x20, "HBM"),
    (0x21, "HBM2"),
    (0x22, "DDR5"),
    (0x23, "LPDDR5"),
    (0x24, "HBM3"),
    (0x25, "MRDIMM"),
    (0x07, "RAM"),
];
const LOGICAL_NON_VOLATILE: u8 = 0x1F;
/// Kinds that are no main memory: VRAM, SRAM, ROM, flash, EEPROM, FEPROM, EPROM. Boards list the chip of their firmware here.
const NOT_MAIN: [u8; 7] = [0x05, 0x06, 0x08, 0x09, 0x0A, 0x0B, 0x0C];
/// Technologies that keep their contents: NVDIMM-N, -F, -P, Optane.
const PERSISTENT: std::ops::RangeInclusive<u8> = 0x04..=0x07;

/// One structure: its formatted part, and its strings.
pub(super) struct Structure<'t> {
    pub(super) formatted: &'t [u8],
    pub(super) strings: &'t [u8],
}

impl<'t> Structure<'t> {
    /// The first structure of a table, and what is behind it. `None` where it is cut short.
    pub(super) fn first(table: &'t [u8]) -> Option<(Structure<'t>, &'t [u8])> {
        let length = usize::from(*table.get(1)?);
        if length < HEADER {
            return None;
        }
        let (formatted, rest) = table.split_at_checked(length)?;
        // Two zeros end the strings, also where there are none.
        let end = rest.windows(2).position(|pair| pair == [0, 0])?;
        let (strings, rest) = rest.split_at_checked(end + 2)?;
        Some((Structure { formatted, strings }, rest))
    }

    /// All of it.
    pub(super) fn bytes(&self) -> Vec<u8> {
        [self.formatted, self.strings].concat()
    }

    pub(super) fn kind(&self) -> u8 {
        self.formatted.first().copied().unwrap_or(END_OF_TABLE)
    }

    pub(super) fn byte(&self, at: usize) -> Option<u8> {
        self.formatted.get(at).copied()
    }

    fn word(&self, at: usize) -> Option<u16> {
        let bytes = self.formatted.get(at..at + 2)?;
        Some(u16::from_le_bytes(bytes.try_into().ok()?))
    }

    fn double(&self, at: usize) -> Option<u32> {
        let bytes = self.formatted.get(at..at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    }

    /// The string whose number stands at this offset; `None` for none, and for what makers write who have nothing to write.
    pub(super) fn text(&self, at: usize) -> Option<String> {
        let number = usize::from(self.byte(at)?).checked_sub(1)?;
        let text = self.strings.split(|byte| *byte == 0).nth(number)?;
        attribute::cleaned(text).filter(|text| !filler::is_filler(text))
    }

    /// How much a memory device holds: the outer `None` where nothing is installed, the inner one where nobody knows how much.
    fn size(&self) -> Option<Option<Bytes>> {
        let bytes = |count: u64, unit: u32| (count > 0).then(|| Bytes::new(count << unit));
        match self.word(SIZE)? {
            0 => None,
            UNKNOWN_SIZE => Some(None),
            SIZE_IS_EXTENDED => {
                // The highest bit is reserved.
                let mebibytes = self.double(EXTENDED_SIZE).map(|size| size & 0x7FFF_FFFF);
                Some(mebibytes.and_then(|size| bytes(size.into(), 20)))
            }
            size if size & IN_KIBIBYTES != 0 => Some(bytes((size & !IN_KIBIBYTES).into(), 10)),
            size => Some(bytes(size.into(), 20)),
        }
    }

    /// Megatransfers a second; 0 is not known.
    fn speed(&self, at: usize, extended: usize) -> Option<u64> {
        let speed = match self.word(at)? {
            SPEED_IS_EXTENDED => u64::from(self.double(extended)? & 0x7FFF_FFFF),
            speed => speed.into(),
        };
        (speed > 0).then(|| speed * MILLION)
    }

    /// The module that a memory device is; `None` for an empty place, and for what is no main memory.
    fn module(&self) -> Option<MemoryModule> {
        let kind = self.byte(KIND)?;
        if self.kind() != MEMORY_DEVICE || NOT_MAIN.contains(&kind) {
            return None;
        }
        let technology = self.byte(TECHNOLOGY).unwrap_or_default();
        Some(MemoryModule {
            size_bytes: self.size()?,
            locator: self.text(LOCATOR).unwrap_or_default(),
            bank: self.text(BANK),
            identity: Identity {
                maker: self.text(MANUFACTURER),
                model: self.text(PART),
                serial: self.text(SERIAL),
            },
            kind: KINDS
                .iter()
                .find(|(number, _)| *number == kind)
                .map(|(_, word)| (*word).to_owned()),
            is_persistent: kind == LOGICAL_NON_VOLATILE || PERSISTENT.contains(&technology),
            rated_transfers_per_second: self.speed(SPEED, EXTENDED_SPEED),
            transfers_per_second: self.speed(CONFIGURED_SPEED, EXTENDED_CONFIGURED_SPEED),
            edac: None,
        })
    }
}

/// The structures of a whole table, and whether all of them are whole.
pub(super) fn structures(mut table: &[u8]) -> (Vec<Structure<'_>>, bool) {
    let mut found = Vec::new();
    // Some firmware leaves out the end.
    while !table.is_empty() && found.len() < MOST_STRUCTURES {
        let Some((structure, rest)) = Structure::first(table) else {
            return (found, false);
        };
        if structure.kind() == END_OF_TABLE {
            break;
        }
        found.push(structure);
        table = rest;
    }
    (found, true)
}

/// The modules of a whole table; `None` where a structure is cut short.
fn modules_of(table: &[u8]) -> Option<Vec<MemoryModule>> {
    let (found, is_whole) = structures(table);
    is_whole.then(|| found.iter().filter_map(Structure::module).collect())
}

/// The installed modules; `None` on a machine without SMBIOS.
///
/// # Errors
/// When the tables may not be read, or are cut short.
pub(super) fn modules(root: &Root) -> Result<Option<Vec<MemoryModule>>, CollectError> {
    let mut modules = match root.read_bytes(TABLE) {
        Ok(table) => of_table(root, TABLE, &table)?,
        Err(error) if error.is_absent() => {
            let Ok(names) = root.list(ENTRIES) else {
                return Ok(None);
            };
            let mut modules = Vec::new();
            for name in names.iter().filter(|name| name.starts_with(ENTRY_OF_MODULE)) {
                let path = format!("{ENTRIES}/{name}/raw");
                modules.extend(of_table(root, &path, &root.read_bytes(&path)?)?);
            }
            modules
        }
        Err(error) => return Err(error.into()),
    };
    link(root, &mut modules);
    Ok(Some(modules))
}

fn of_table(root: &Root, path: &str, table: &[u8]) -> Result<Vec<MemoryModule>, CollectError> {
    modules_of(table).ok_or_else(|| {
        let shown = root.shown(path);
        CollectError::garbled(
            &shown,
            "SMBIOS structures, each whole",
            &format!("{} bytes", table.len()),
        )
    })
}

/// Names the DIMM of EDAC whose label is the place of one module and of no other. Drivers write the board's words where the
/// firmware told them (ghes_edac writes bank and place), and places of their own elsewhere.
fn link(root: &Root, modules: &mut [MemoryModule]) {
    if modules.is_empty() {
        return;
    }
    for controller in root.list(EDAC).unwrap_or_default() {
        for dimm in root.list(&format!("{EDAC}/{controller}")).unwrap_or_default() {
            if !dimm.starts_with("dimm") && !dimm.starts_with("rank") {
                continue;
            }
            let Some(label) = attribute::name_if_any(root, &format!("{EDAC}/{controller}/{dimm}/dimm_label"))
            else {
                continue;
            };
            let mut named = modules.iter_mut().filter(|module| is_label_of(&label, module));
            if let (Some(module), None) = (named.next(), named.next()) {
                module.edac = Some(format!("{controller}/{dimm}"));
            }
        }
    }
}

fn is_label_of(label: &str, module: &MemoryModule) -> bool {
    if module.locator.is_empty() {
        return false;
    }
    let with_bank = module
        .bank
        .as_ref()
        .is_some_and(|bank| label == format!("{bank} {}", module.locator));
    label == module.locator || with_bank
}

#[cfg(test)]
#[path = "smbios_tests.rs"]
mod tests;
