//! Which texts of a picture name one machine, part or place, and the picture without them.

use std::collections::{BTreeMap, BTreeSet};

use collectors::{drive_health, machine};
use facts::filler::{is_filler, is_filler_uuid};
use facts::mask::{Mask, Secret, secrets_in, shape};

use super::gather::Gathered;

/// Attributes whose whole text is a secret, and of which kind.
const KEYS: [(&str, &str); 20] = [
    ("product_serial", "serial"),
    ("board_serial", "serial"),
    ("chassis_serial", "serial"),
    ("serial", "serial"),
    ("serial_number", "serial"),
    ("product_sku", "tag"),
    ("chassis_asset_tag", "tag"),
    ("board_asset_tag", "tag"),
    ("product_uuid", "uuid"),
    ("uuid", "uuid"),
    ("wwid", "wwn"),
    ("nguid", "wwn"),
    ("eui", "wwn"),
    ("subsysnqn", "wwn"),
    ("cid", "serial"),
    ("csd", "serial"),
    ("node_guid", "guid"),
    ("sys_image_guid", "guid"),
    ("hostname", "name"),
    ("boot_id", "uuid"),
];
/// Lines of files with several, as in `HostName: n01`: what stands before the value, in lower case.
const LINES: [(&str, &str); 9] = [
    ("hostname", "name"),
    ("serial", "serial"),
    ("serial number", "serial"),
    ("sequence code", "serial"),
    ("lpar name", "name"),
    ("vm00 name", "name"),
    ("vm00 uuid", "uuid"),
    ("lpar uuid", "uuid"),
    ("identification", "serial"),
];
/// Files with such lines.
const WITH_LINES: [&str; 4] = [
    "proc/hwloc-nofile-info",
    "proc/cpuinfo",
    "proc/sysinfo",
    "information",
];
/// Parts of names: a version looks like an address, and is none.
const VERSIONS: [&str; 6] = ["version", "_ver", "firmware", "rev", "release", "fwrev"];
/// What stands before a world-wide name's own digits.
const WWN_PREFIXES: [&str; 5] = ["eui.", "naa.", "uuid.", "nvme.", "t10."];
/// What stands before a GPU's UUID.
const GPU: [&str; 2] = ["GPU-", "MIG-"];
/// How long a piece of a world-wide name is that names one drive.
const SHORTEST_PIECE: usize = 8;

/// All secrets of a picture.
pub fn secrets(got: &Gathered) -> BTreeSet<Secret> {
    let mut all = BTreeSet::new();
    for (path, bytes) in &got.files {
        if let Some(serial) = serial(path, bytes) {
            whole("serial", &serial, &mut all);
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            continue;
        };
        let name = path.rsplit('/').next().unwrap_or_default();
        if let Some((_, kind)) = KEYS.iter().find(|(key, _)| *key == name) {
            whole(kind, text, &mut all);
        }
        if WITH_LINES.iter().any(|file| path.ends_with(file)) {
            text.lines().for_each(|line| of_line(line, &mut all));
        }
        let mut addresses = BTreeSet::new();
        secrets_in(text, &mut addresses);
        let is_version = VERSIONS.iter().any(|word| name.contains(word));
        all.extend(
            addresses
                .into_iter()
                .filter(|(kind, _)| *kind != "ip" || !is_version),
        );
        for token in text.split_whitespace() {
            let bare = GPU.iter().find_map(|prefix| token.strip_prefix(prefix));
            if let Some(uuid) = bare.filter(|bare| shape(bare) == Some("uuid")) {
                all.insert(("uuid", uuid.to_ascii_lowercase()));
            }
        }
    }
    all
}

/// The serial number in bytes that are no text: a page of a drive, a memory module's structure.
fn serial(path: &str, bytes: &[u8]) -> Option<String> {
    drive_health::recording::serial(path, bytes).or_else(|| machine::recording::serial(path, bytes))
}

fn whole(kind: &'static str, text: &str, all: &mut BTreeSet<Secret>) {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    if is_filler(text) || is_filler_uuid(text) {
        return;
    }
    let low = text.to_ascii_lowercase();
    all.insert((shape(text).unwrap_or(kind), low.clone()));
    match kind {
        "wwn" => {
            let bare = WWN_PREFIXES.iter().find_map(|prefix| low.strip_prefix(prefix));
            let pieces = bare
                .unwrap_or(&low)
                .split(|c: char| c.is_whitespace() || "-:_".contains(c));
            // Of a maker's words those with digits name the drive; models stand in other files as they are.
            let names_it = |piece: &&str| {
                piece.len() >= SHORTEST_PIECE && piece.bytes().any(|byte| byte.is_ascii_digit())
            };
            let last = pieces.rev().find(names_it);
            all.extend(last.map(|piece| ("wwn", piece.to_owned())));
        }
        "name" => {
            let short = low.split('.').next().unwrap_or_default();
            all.insert(("name", short.to_owned()));
        }
        _ => {}
    }
}

/// `Key: value` or `key = value`, of which a line of s390's cpuinfo has several.
fn of_line(line: &str, all: &mut BTreeSet<Secret>) {
    for piece in line.split(',') {
        let Some((key, value)) = piece.split_once(['=', ':']) else {
            continue;
        };
        // `processor 0: version = FF`: the key may itself follow a colon.
        let (key, value) = match value.split_once('=') {
            Some((inner, value)) if !key.contains('=') => (inner, value),
            _ => (key, value),
        };
        let key = key.trim().to_ascii_lowercase();
        if let Some((_, kind)) = LINES.iter().find(|(name, _)| *name == key) {
            whole(kind, value, all);
        }
    }
}

/// A picture without its secrets, names of folders and links included, and how often each word was put in.
pub fn masked(got: &Gathered, mask: &Mask) -> (Gathered, BTreeMap<String, usize>) {
    let mut clean = Gathered {
        left_out: got
            .left_out
            .iter()
            .map(|(path, why)| (mask.text(path), why.clone()))
            .collect(),
        ..Gathered::default()
    };
    clean.folders = got.folders.iter().map(|path| mask.text(path)).collect();
    let both = |(path, target): (&String, &String)| (mask.text(path), mask.text(target));
    clean.links = got.links.iter().map(both).collect();
    let mut changed = BTreeMap::new();
    for (path, bytes) in &got.files {
        let new = contents(path, bytes, mask);
        if new != *bytes {
            *changed.entry(mask.text(path)).or_insert(0) += 1;
        }
        clean.bytes += new.len();
        clean.files.insert(mask.text(path), new);
    }
    (clean, changed)
}

fn contents(path: &str, bytes: &[u8], mask: &Mask) -> Vec<u8> {
    let word = mask.text(&serial(path, bytes).unwrap_or_default());
    let page = drive_health::recording::without_names(path, bytes, &word);
    if let Some(clean) = page.or_else(|| machine::recording::without_names(path, bytes, &word)) {
        return clean;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => {
            let has_lines = WITH_LINES.iter().any(|file| path.ends_with(file));
            if has_lines {
                let lines: Vec<String> = text.split('\n').map(|line| line_without(line, mask)).collect();
                return lines.join("\n").into_bytes();
            }
            mask.text(text).into_bytes()
        }
        Ok(_) | Err(_) => mask.bytes(bytes).unwrap_or_else(|| bytes.to_vec()),
    }
}

/// A short name is replaced only where it is a whole text: here that is the value behind a colon.
fn line_without(line: &str, mask: &Mask) -> String {
    match line.split_once(':') {
        Some((key, value)) => format!("{key}:{}", mask.text(&mask_all(value, mask))),
        None => mask.text(line),
    }
}

fn mask_all(value: &str, mask: &Mask) -> String {
    value
        .split(' ')
        .map(|word| mask.text(word))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn picture(files: &[(&str, &str)]) -> Gathered {
        Gathered {
            files: files
                .iter()
                .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
                .collect(),
            ..Gathered::default()
        }
    }

    #[test]
    fn secrets_are_replaced_wherever_they_stand() {
        let got = picture(&[
            ("proc/sys/kernel/hostname", "n01.example.org\n"),
            ("proc/hwloc-nofile-info", "OSName: Linux\nHostName: n01\n"),
            (
                "proc/sysinfo",
                "Manufacturer: IBM\nSequence Code: 00000000000ABCD1\nLPAR Name: PROD1\n",
            ),
            ("sys/class/dmi/id/product_serial", "CZ1234ABCD\n"),
            ("sys/class/dmi/id/board_serial", "Default string\n"),
            ("sys/block/nvme0n1/wwid", "eui.0025385991b1e6ee\n"),
            (
                "sys/devices/x/nvme.144d-cz1234abcd/serial",
                "S4EWNX0M900123      \n",
            ),
            ("sys/class/net/eth0/address", "3c:ec:ef:01:02:03\n"),
            (
                "sys/x/note",
                "host of S4EWNX0M900123 at 10.1.2.3, eui 0025385991B1E6EE\n",
            ),
            ("sys/x/firmware_rev", "10.2.3.4\n"),
            (
                "proc/driver/nvidia/gpus/0/information",
                "GPU UUID: \t GPU-38334c44-4735-534a-3035-4e5031303732\n",
            ),
        ]);
        let mask = Mask::of(secrets(&got));
        let (clean, changed) = masked(&got, &mask);
        let all: String = clean
            .files
            .iter()
            .map(|(path, bytes)| format!("{path}\n{}", String::from_utf8_lossy(bytes)))
            .collect();
        let low = all.to_ascii_lowercase();
        for secret in [
            "n01",
            "example.org",
            "abcd1",
            "prod1",
            "cz1234abcd",
            "0025385991b1e6ee",
            "s4ewnx0m900123",
            "3c:ec:ef",
            "10.1.2.3",
            "38334c44",
        ] {
            assert!(!low.contains(secret), "{secret} is left:\n{all}");
        }
        for kept in ["Default string", "10.2.3.4", "OSName: Linux", "Manufacturer: IBM"] {
            assert!(all.contains(kept), "{kept} is gone:\n{all}");
        }
        assert_eq!(changed.len(), 9, "{changed:?}");
    }

    #[test]
    fn the_same_picture_gives_the_same_words() {
        let got = picture(&[("sys/a/serial", "AAAA1111"), ("sys/b/serial", "BBBB2222")]);
        let words = |got: &Gathered| masked(got, &Mask::of(secrets(got))).0.files;
        assert_eq!(words(&got), words(&got));
    }
}
