//! Pages of drives for a recording: each drive asked in a thread of its own; and the same pages without what names a drive.

use std::ops::Range;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use facts::NoData;

use super::page::{self, Page, RECORDED};
use super::target::{self, Target};
use super::{ata, nvme};
use crate::attribute;
use crate::collector::CollectError;
use crate::root::Root;

/// How long drives that are asked together are waited for: some twenty pages each, and a busy disk takes a second for one.
const DEADLINE: Duration = Duration::from_secs(20);
/// How many drives are asked together.
const AT_ONCE: usize = 16;

/// Pages of all drives, and the drives of which there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DriveRecording {
    /// Where a page belongs below the recorded machine's root, and its bytes as the drive gave them.
    pub pages: Vec<(String, Vec<u8>)>,
    /// Where the pages of a drive would belong, and why it gave none.
    pub left_out: Vec<(String, String)>,
}

/// All pages that the collector would read, of a live machine or a recorded one. A drive that sleeps is not woken; one that hangs
/// is left out and holds one thread.
///
/// # Errors
/// When the block layer cannot be listed.
pub fn record(root: &Root) -> Result<DriveRecording, CollectError> {
    let mut all = DriveRecording::default();
    for some in target::all(root)?.chunks(AT_ONCE) {
        let (tell, told) = channel();
        for target in some {
            let (root, target, tell) = (root.clone(), target.clone(), tell.clone());
            // Without a thread nothing is told, and the drive has not answered.
            let _ = std::thread::Builder::new()
                .name(format!("ask {}", target.name))
                .spawn(move || {
                    let pages = pages(&root, &target);
                    // Fails only where nobody waits any more.
                    let _ = tell.send((target, pages));
                });
        }
        drop(tell);
        let until = Instant::now() + DEADLINE;
        let mut silent: Vec<&Target> = some.iter().collect();
        while let Ok((target, pages)) = told.recv_timeout(until.saturating_duration_since(Instant::now())) {
            silent.retain(|other| **other != target);
            let folder = format!("{RECORDED}/{}", target.name);
            match pages {
                Ok(pages) => {
                    let placed = pages.into_iter();
                    all.pages
                        .extend(placed.map(|(page, bytes)| (format!("{folder}/{}", page.file()), bytes)));
                }
                Err(error) => all.left_out.push((folder, error.explain())),
            }
        }
        for target in silent {
            let why = format!("no answer within {} s", DEADLINE.as_secs());
            all.left_out.push((format!("{RECORDED}/{}", target.name), why));
        }
    }
    Ok(all)
}

/// What was fetched, whatever it means. Where nothing was, the reason.
fn pages(root: &Root, target: &Target) -> Result<Vec<(Page, Vec<u8>)>, CollectError> {
    let mut fetched = Vec::new();
    let told = page::ask_aloud(root, target, &mut |page, bytes| {
        fetched.push((page, bytes.to_vec()))
    });
    match told {
        Err(error) if fetched.is_empty() => Err(error),
        Ok(_) if fetched.is_empty() => Err(CollectError::new(
            NoData::Off,
            "the drive sleeps, and is not woken",
        )),
        Ok(_) | Err(_) => Ok(fetched),
    }
}

/// The page that a path below a recorded machine's root holds.
fn page_at(path: &str) -> Option<Page> {
    let (_, file) = path.strip_prefix(RECORDED)?.rsplit_once('/')?;
    Page::of_file(file)
}

/// The serial number that a page names; `None` of what is no page, or names none.
pub fn serial(path: &str, bytes: &[u8]) -> Option<String> {
    let page = page_at(path)?;
    let text = bytes.get(page.serial()?)?;
    if page == Page::AtaIdentify {
        return attribute::cleaned(&exchanged(text));
    }
    attribute::cleaned(text)
}

/// A page without what names its drive: the serial number is `word`, world-wide names and makers' own bytes are zeros. Its check
/// sum is right again where it was. `None` of what is no page.
pub fn without_names(path: &str, bytes: &[u8], word: &str) -> Option<Vec<u8>> {
    let page = page_at(path)?;
    let mut clean = bytes.to_vec();
    for place in names(page) {
        // Of a page that was cut short, what there is.
        let end = place.end.min(clean.len());
        if let Some(bytes) = clean.get_mut(place.start.min(end)..end) {
            bytes.fill(0);
        }
    }
    if let Some(place) = page.serial() {
        let end = place.end.min(clean.len());
        if let Some(bytes) = clean.get_mut(place.start.min(end)..end) {
            let padded = word.bytes().chain(std::iter::repeat(b' '));
            let text: Vec<u8> = padded.take(bytes.len()).collect();
            bytes.copy_from_slice(&text);
            if page == Page::AtaIdentify {
                bytes.copy_from_slice(&exchanged(&text));
            }
        }
    }
    let is_summed = match page {
        Page::AtaIdentify => ata::has_sum(bytes),
        Page::AtaSmart => ata::sums_up(bytes),
        Page::NvmeHealth
        | Page::NvmeIdentify
        | Page::AtaPower
        | Page::AtaStatus
        | Page::AtaStatistics(_)
        | Page::ScsiSense
        | Page::ScsiLog(_) => false,
    };
    if is_summed && let Some((sum, rest)) = clean.split_last_mut() {
        *sum = rest.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte));
    }
    Some(clean)
}

/// Text of ATA: the two bytes of each word are exchanged.
fn exchanged(text: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    text.chunks_exact_mut(2).for_each(<[u8]>::reverse);
    text
}

/// What names a drive beside its serial number, or may: world-wide names, and what only its maker can read.
fn names(page: Page) -> &'static [Range<usize>] {
    match page {
        Page::NvmeIdentify => &nvme::NAMES,
        Page::AtaIdentify => &ata::NAMES,
        Page::AtaSmart => std::slice::from_ref(&ata::OWN_BYTES),
        // Registers, counters and temperatures.
        Page::NvmeHealth
        | Page::AtaPower
        | Page::AtaStatus
        | Page::AtaStatistics(_)
        | Page::ScsiSense
        | Page::ScsiLog(_) => &[],
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use proptest::prelude::*;

    use super::*;

    const IDENTIFY: &str = "busbar/drives/sda/identify_device";

    #[test]
    fn a_page_of_ata_keeps_its_check_sum_and_loses_its_names() {
        let mut page = vec![0x11_u8; ata::SECTOR];
        page[ata::SERIAL].copy_from_slice(&exchanged(b"WD-WX12345678       "));
        page[510] = 0xa5;
        page[511] = 0;
        page[511] = page.iter().fold(0, |sum, byte| sum.wrapping_sub(*byte));
        assert_eq!(serial(IDENTIFY, &page).as_deref(), Some("WD-WX12345678"));
        let clean = without_names(IDENTIFY, &page, "MASKED-SERIAL-1").unwrap();
        assert_eq!(serial(IDENTIFY, &clean).as_deref(), Some("MASKED-SERIAL-1"));
        assert!(ata::has_sum(&clean));
        for place in &ata::NAMES {
            assert!(clean[place.clone()].iter().all(|byte| *byte == 0));
        }
        assert_eq!(clean[54..94], page[54..94], "the model stays");
    }

    #[test]
    fn what_is_no_page_stays_as_it_is() {
        for path in ["sys/block/sda/size", "busbar/drives/sda/other", "busbar/drives"] {
            assert_eq!(without_names(path, b"text", "WORD"), None, "{path}");
            assert_eq!(serial(path, b"text"), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_page_can_be_masked(bytes in prop::collection::vec(any::<u8>(), 0..600), word in "[A-Z-]{0,30}") {
            for file in ["identify_controller", "identify_device", "smart_data", "health_log", "statistics_07", "log_0d"] {
                let path = format!("busbar/drives/x/{file}");
                let clean = without_names(&path, &bytes, &word);
                prop_assert_eq!(clean.unwrap().len(), bytes.len());
                let _ = serial(&path, &bytes);
            }
        }
    }
}
