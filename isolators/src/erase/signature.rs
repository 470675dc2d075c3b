//! What lies on a drive, by the marks that its makers leave at its beginning and at its end. Pure.
//!
//! Whoever looks reads the first and the last MiB; nothing here trusts a length or a pointer that stands there. A plain file system is none
//! of these: whoever types a serial number to have a drive erased means what is on it. What is named here belongs to something larger than
//! the drive, or is sealed so that nobody can see whether it is needed.

/// How much is looked at, from either end, in bytes.
pub const LOOK: usize = 1 << 20;

/// Bytes at a fixed place from the beginning, and what they mean.
struct Mark {
    at: usize,
    bytes: &'static [u8],
    is: &'static str,
}

const LUKS: &str = "a LUKS header (encrypted)";
const SWAP: &str = "swap space";
const BCACHE: &str = "a bcache superblock";
const LVM: &str = "an LVM physical volume";
const MD: &str = "a superblock of a Linux array (md)";
const ZFS: &str = "a ZFS label";
const GPT: &str = "a partition table (GPT)";
const MBR: &str = "a partition table (MBR)";
const RAID: &str = "metadata of a RAID of the firmware";

/// Where a mark stands that never moves. Swap: `include/linux/swap.h`, the last ten bytes of the first page (4, 8, 16 or 64 KiB).
/// LUKS: on-disk format 1.2.3 and 2, 2.1: the second header of LUKS2 begins after the first, whose length is a power of two.
/// bcache: `include/uapi/linux/bcache.h`, sector 8, offset 24; bcachefs the same place. Ceph: `BlueStore::_write_bdev_label`.
/// Stratis: static header, sectors 1 and 9. DRBD keeps its mark at the end.
const MARKS: [Mark; 19] = [
    mark(0, b"LUKS\xba\xbe", LUKS),
    mark(16 << 10, b"SKUL\xba\xbe", LUKS),
    mark(32 << 10, b"SKUL\xba\xbe", LUKS),
    mark(64 << 10, b"SKUL\xba\xbe", LUKS),
    mark(128 << 10, b"SKUL\xba\xbe", LUKS),
    mark(256 << 10, b"SKUL\xba\xbe", LUKS),
    mark(512 << 10, b"SKUL\xba\xbe", LUKS),
    mark(4086, b"SWAPSPACE2", SWAP),
    mark(4086, b"SWAP-SPACE", SWAP),
    mark(8182, b"SWAPSPACE2", SWAP),
    mark(16374, b"SWAPSPACE2", SWAP),
    mark(65526, b"SWAPSPACE2", SWAP),
    mark(
        4120,
        b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81",
        BCACHE,
    ),
    mark(
        4120,
        b"\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef",
        "a bcachefs superblock",
    ),
    mark(0, b"bluestore block device\n", "an OSD of Ceph (BlueStore)"),
    mark(516, b"!Stra0tis\x86\xff\x02^\x41rh", "a member of a Stratis pool"),
    mark(
        4612,
        b"!Stra0tis\x86\xff\x02^\x41rh",
        "a member of a Stratis pool",
    ),
    mark(512, b"EFI PART", GPT),
    mark(4096, b"EFI PART", GPT),
];

const fn mark(at: usize, bytes: &'static [u8], is: &'static str) -> Mark {
    Mark { at, bytes, is }
}

/// LVM2 (`lib/format_text/layout.h`): a label in one of the first four sectors, with its type at offset 24.
const LVM_LABEL: &[u8] = b"LABELONE";
const LVM_TYPE: &[u8] = b"LVM2";
const LVM_TYPE_AT: usize = 24;
const SECTOR: usize = 512;
/// md (`include/uapi/linux/raid/md_p.h`), little-endian: at the beginning (1.1), at 4 KiB (1.2), and near the end (1.0, 0.90).
const MD_MAGIC: [u8; 4] = 0xa92b_4efc_u32.to_le_bytes();
/// 0.90 of a machine of the other byte order.
const MD_MAGIC_BIG: [u8; 4] = 0xa92b_4efc_u32.to_be_bytes();
/// ZFS (`uberblock_impl.h`): each of four labels of 256 KiB keeps a ring of uberblocks, at least 1 KiB each, in its second half.
const UBERBLOCK: [u8; 8] = 0x00ba_b10c_u64.to_le_bytes();
const UBERBLOCK_BIG: [u8; 8] = 0x00ba_b10c_u64.to_be_bytes();
const ZFS_LABEL: usize = 256 << 10;
const UBERBLOCK_STEP: usize = 1 << 10;
/// A master boot record (its last two bytes), where its four entries stand, and how long each is; the type is the fifth byte.
const MBR_MAGIC: &[u8] = b"\x55\xaa";
const MBR_MAGIC_AT: usize = 510;
const MBR_ENTRIES: usize = 446;
const MBR_ENTRY: usize = 16;
/// Intel's RAID (`super-intel.c` of mdadm): in the last but one sector; SNIA's DDF: in the last one.
const IMSM: &[u8] = b"Intel Raid ISM Cfg Sig. ";
const DDF: &[u8] = b"\xde\x11\xde\x11";

fn has(bytes: &[u8], at: usize, wanted: &[u8]) -> bool {
    let end = at.checked_add(wanted.len());
    end.and_then(|end| bytes.get(at..end)) == Some(wanted)
}

/// What lies on a drive of `size` bytes whose first and last bytes are these (both the whole drive where it is smaller): a noun each, none
/// twice.
pub fn found(first: &[u8], last: &[u8], size: u64) -> Vec<&'static str> {
    let mut found: Vec<&'static str> = Vec::new();
    let mut note = |is: &'static str, there: bool| {
        if there && !found.contains(&is) {
            found.push(is);
        }
    };
    for Mark { at, bytes, is } in &MARKS {
        note(is, has(first, *at, bytes));
    }
    // The copy of a GPT stands in the last sector, and is found by whoever repairs the first one.
    let from_end = |back: usize| last.len().checked_sub(back);
    let backup = [SECTOR, 4096].into_iter().filter_map(from_end);
    note(GPT, backup.into_iter().any(|at| has(last, at, b"EFI PART")));
    note(
        MBR,
        is_mbr(first) && !has(first, SECTOR, b"EFI PART") && !has(first, 4096, b"EFI PART"),
    );
    note(LVM, is_lvm(first));
    note(MD, is_md(first, last, size));
    note(ZFS, is_zfs(first) || is_zfs(last_labels(last, size)));
    let firmwares = [(2 * SECTOR, IMSM), (SECTOR, DDF)];
    note(
        RAID,
        firmwares
            .iter()
            .any(|(back, magic)| from_end(*back).is_some_and(|at| has(last, at, magic))),
    );
    found
}

/// A boot sector of a file system ends with the same two bytes and has text where a table has types: a table has at least one entry, and
/// each entry begins with one of two bytes.
fn is_mbr(first: &[u8]) -> bool {
    if !has(first, MBR_MAGIC_AT, MBR_MAGIC) {
        return false;
    }
    let entries = first.get(MBR_ENTRIES..MBR_MAGIC_AT).unwrap_or_default();
    let mut entries = entries.chunks_exact(MBR_ENTRY);
    let is_plain = |entry: &[u8]| matches!(entry.first(), Some(0 | 0x80));
    let is_used = |entry: &[u8]| entry.get(4).is_some_and(|kind| *kind != 0);
    let all: Vec<&[u8]> = entries.by_ref().collect();
    all.iter().all(|entry| is_plain(entry)) && all.iter().any(|entry| is_used(entry))
}

fn is_lvm(first: &[u8]) -> bool {
    (0..4)
        .map(|sector| sector * SECTOR)
        .any(|at| has(first, at, LVM_LABEL) && has(first, at.saturating_add(LVM_TYPE_AT), LVM_TYPE))
}

fn is_md(first: &[u8], last: &[u8], size: u64) -> bool {
    // Places near the end count from the beginning of the drive, rounded down: 1.0 to 4 KiB, at least 8 KiB from it; 0.90 to 64 KiB.
    let sectors = size / 512;
    let newer = (sectors.saturating_sub(16) & !7).saturating_mul(512);
    let older = (size & !0xffff).saturating_sub(0x1_0000);
    let begins = size.saturating_sub(u64::try_from(last.len()).unwrap_or(u64::MAX));
    let near_end = [newer, older].into_iter().filter_map(|place| {
        let at = place.checked_sub(begins)?;
        usize::try_from(at).ok()
    });
    let is_there = |bytes: &[u8], at: usize| has(bytes, at, &MD_MAGIC) || has(bytes, at, &MD_MAGIC_BIG);
    [0, 4096].into_iter().any(|at| is_there(first, at)) || near_end.into_iter().any(|at| is_there(last, at))
}

/// The two labels at the end stand where the size is rounded down to whole labels.
fn last_labels(last: &[u8], size: u64) -> &[u8] {
    let label = u64::try_from(ZFS_LABEL).unwrap_or(u64::MAX);
    let rest = usize::try_from(size % label).unwrap_or(0);
    let end = last.len().saturating_sub(rest);
    let begin = end.saturating_sub(2 * ZFS_LABEL);
    last.get(begin..end).unwrap_or_default()
}

fn is_zfs(bytes: &[u8]) -> bool {
    bytes.chunks(ZFS_LABEL).take(2).any(|label| {
        let ring = label.get(ZFS_LABEL / 2..).unwrap_or_default();
        let mut blocks = ring.chunks(UBERBLOCK_STEP);
        blocks.any(|block| block.starts_with(&UBERBLOCK) || block.starts_with(&UBERBLOCK_BIG))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    const SIZE: usize = (8 << 20) + 3 * 512;

    /// A drive with these bytes at these places; a place below zero counts from its end.
    fn drive(marks: &[(i64, &[u8])]) -> Vec<u8> {
        let mut all = vec![0; SIZE];
        for (at, bytes) in marks {
            let end = i64::try_from(SIZE).unwrap();
            let at = usize::try_from(if *at < 0 { end + at } else { *at }).unwrap();
            all[at..at + bytes.len()].copy_from_slice(bytes);
        }
        all
    }

    fn on(all: &[u8]) -> Vec<&'static str> {
        found(
            &all[..LOOK],
            &all[all.len() - LOOK..],
            u64::try_from(all.len()).unwrap(),
        )
    }

    #[test]
    fn each_mark_is_found_where_it_stands_and_not_beside_it() {
        let size = i64::try_from(SIZE).unwrap();
        let newer = ((size / 512 - 16) & !7) * 512;
        let older = (size & !0xffff) - 0x1_0000;
        let end_label = size - size % (256 << 10) - (128 << 10);
        let table = b"\x00\x02\x03\x00\x83\x00\x00\x00";
        let cases: [(&str, i64, &[u8]); 16] = [
            (LUKS, 0, b"LUKS\xba\xbe"),
            (LUKS, 16 << 10, b"SKUL\xba\xbe"),
            (SWAP, 4086, b"SWAPSPACE2"),
            (SWAP, 65526, b"SWAPSPACE2"),
            (
                BCACHE,
                4120,
                b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81",
            ),
            (GPT, 512, b"EFI PART"),
            (GPT, 4096, b"EFI PART"),
            (GPT, -512, b"EFI PART"),
            (MD, 0, &MD_MAGIC),
            (MD, 4096, &MD_MAGIC),
            (MD, newer, &MD_MAGIC),
            (MD, older, &MD_MAGIC),
            (ZFS, (128 << 10) + (5 << 10), &UBERBLOCK),
            (ZFS, end_label, &UBERBLOCK_BIG),
            (RAID, -1024, IMSM),
            (RAID, -512, DDF),
        ];
        for (is, at, bytes) in cases {
            assert_eq!(on(&drive(&[(at, bytes)])), [is], "{is} at {at}");
            assert_eq!(on(&drive(&[(at + 1, bytes)])), [""; 0], "{is} beside {at}");
        }
        assert_eq!(on(&drive(&[(510, MBR_MAGIC), (446, table)])), [MBR]);
        assert_eq!(on(&drive(&[(512, LVM_LABEL), (536, b"LVM2 001")])), [LVM]);
        assert_eq!(
            on(&drive(&[(512, LVM_LABEL)])),
            [""; 0],
            "another program's label"
        );
        // A file system alone is what whoever types the serial number means.
        assert_eq!(
            on(&drive(&[(510, MBR_MAGIC), (3, b"NTFS    "), (446, b"text")])),
            [""; 0]
        );
        assert_eq!(on(&drive(&[(1080, b"\x53\xef")])), [""; 0]);
        assert_eq!(on(&vec![0xff; SIZE]), [""; 0], "blank");
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at(
            first in proptest::collection::vec(any::<u8>(), 0..6000),
            last in proptest::collection::vec(any::<u8>(), 0..6000),
            size in any::<u64>(),
        ) {
            let _ = found(&first, &last, size);
        }
    }
}
