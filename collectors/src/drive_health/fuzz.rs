//! A drive that answers whatever it likes, for the fuzzer.

use facts::{NoData, Pad};

use super::page::{self, Page};
use super::rows;
use super::target::{Target, Tongue};
use crate::collector::CollectError;

/// What brings the next page; `None` where the drive does not offer it.
type Next<'n> = dyn FnMut() -> Option<Vec<u8>> + 'n;

/// An NVMe controller.
pub(crate) fn nvme(next: &mut Next<'_>) {
    ask(Tongue::Nvme, next);
}

/// A SATA drive. The fuzzer cannot guess check sums: SMART data as long as they must be are given the right one.
pub(crate) fn ata(next: &mut Next<'_>) {
    ask(Tongue::Ata, next);
}

/// A SAS drive.
pub(crate) fn scsi(next: &mut Next<'_>) {
    ask(Tongue::Scsi, next);
}

fn ask(tongue: Tongue, next: &mut Next<'_>) {
    let target = Target {
        name: "drive0".to_owned(),
        device: "drive0".to_owned(),
        tongue,
        turns: true,
        number: None,
        serial: Some("A1".to_owned()),
    };
    let told = page::understand(&target, &mut |page| {
        let not_offered = || CollectError::new(NoData::Unsupported, "drive0: not offered");
        let mut bytes = next().ok_or_else(not_offered)?;
        if page == Page::AtaSmart
            && let Some((last, before)) = bytes.split_last_mut()
        {
            *last = before.iter().fold(0, |sum, byte| sum.wrapping_sub(*byte));
        }
        Ok(bytes)
    });
    match told {
        Ok(told) => {
            let percent = told.health.spare_percent.value();
            assert!(
                percent.is_none_or(|percent| percent <= 100),
                "{percent:?} % spare"
            );
            let _ = told.doubt(&target);
            let _ = rows::sheet(&mut Pad::default(), &[(target, told)], 0);
        }
        Err(error) => assert!(error.to_string().contains("drive0"), "{error} names no drive"),
    }
}
