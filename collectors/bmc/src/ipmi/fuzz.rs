//! Packets and the handshake for the fuzzer.

use zeroize::Zeroizing;

use super::rakp::Handshake;
use super::recorded::Recording;
use super::suite::{AES_BLOCK, Suite};
use super::{cipher, message, wire};

/// What a datagram of anybody may hold.
pub(crate) fn packet(data: &[u8]) {
    if let Ok(clear) = wire::read_clear(data) {
        let _ = message::decode(clear.payload);
    }
    let _ = message::decode(data);
    let _ = wire::read_outside(data).map(message::decode);
    for suite in [Suite::Three, Suite::Seventeen] {
        let keys = wire::Keys {
            suite,
            integrity: vec![7; 20],
            confidentiality: [7; AES_BLOCK],
        };
        let _ = keys.open(1, data);
    }
}

/// What the kernel's driver may hand us of the node's own BMC.
pub(crate) fn in_band(data: &[u8]) {
    super::in_band::fuzz_answer(data);
}

/// What a BMC may answer while a session is set up.
pub(crate) fn handshake(data: &[u8]) {
    let tag = data.first().copied().unwrap_or_default();
    for suite in [Suite::Three, Suite::Seventeen] {
        let mut ours = Handshake {
            suite,
            privilege: 4,
            username: b"admin".to_vec(),
            password: Zeroizing::new(b"secret".to_vec()),
            kg: None,
            console_session: 1,
            console_random: [1; 16],
            bmc_session: 2,
            bmc_random: [2; 16],
            guid: [3; 16],
        };
        let _ = ours.read_open(tag, data);
        assert!(
            ours.read_rakp_2(tag, data).is_err(),
            "nobody proves a password by chance"
        );
        assert!(
            ours.read_rakp_4(tag, data).is_err(),
            "nobody proves a session by chance"
        );
    }
}

/// A file of a recording; the first byte chooses which.
pub(crate) fn recording(data: &[u8]) {
    let Some((which, text)) = data.split_first() else {
        return;
    };
    let name = ["sdr", "sel", "answers", "fru-0"]
        .get(usize::from(which % 4))
        .unwrap_or(&"device");
    let files = [
        ("ipmi/device.hex".to_owned(), b"20".to_vec()),
        (format!("ipmi/{name}.hex"), text.to_vec()),
    ];
    let _ = Recording::of(&files.into()).map(Recording::masked);
}

/// An inventory, a sensor record and a log entry of any bytes, masked: as many, and each as long as before.
pub(crate) fn masked(data: &[u8]) {
    let all = Recording {
        device: data.to_vec(),
        records: vec![data.to_vec()],
        inventories: vec![(0, data.to_vec())],
        entries: vec![data.to_vec()],
        ..Recording::default()
    };
    let masked = all.masked();
    let lengths = [
        &masked.device,
        &masked.records[0],
        &masked.inventories[0].1,
        &masked.entries[0],
    ]
    .map(Vec::len);
    assert_eq!(lengths, [data.len(); 4]);
}

/// What a BMC may list as its cipher suites.
pub(crate) fn cipher_suites(data: &[u8]) {
    drop(cipher::parse(data));
}
