//! Any datagram, in any mood, is answered or thrown away; nothing makes the face fall over.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::plan::Plan;
use crate::state_dir::StateDir;
use crate::world::World;

fn face(kind: Kind, name: &str) -> (Face, tempfile::TempDir) {
    let text = include_str!("../../../racks/demo.toml");
    let plan = Plan::parse(text, Path::new("demo.toml")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let dir = StateDir::find(Some(folder.path().to_owned())).unwrap();
    let live = Arc::new(Live::new(
        World::new(plan),
        dir,
        crate::powercap::Powercaps::default(),
    ));
    let account = Account {
        user: "operator".to_owned(),
        password: "a-password".to_owned(),
    };
    let uuid = "11111111-2222-4333-8444-555555555555";
    (Face::new(name, kind, uuid, live, account), folder)
}

#[test]
fn a_ping_is_answered_with_a_pong_of_its_tag() {
    let (mut face, _folder) = face(Kind::Shelf, "shelf");
    let ping = [6, 0, 0xFF, 6, 0, 0, 0x11, 0xBE, 0x80, 0x77, 0, 0];
    let pong = face.answer(&ping).unwrap();
    assert_eq!((pong[8], pong[9], pong.len()), (0x40, 0x77, 28));
}

#[test]
fn what_needs_no_session_is_told_and_nothing_else() {
    let (mut face, _folder) = face(Kind::Shelf, "shelf");
    let ask = |face: &mut Face, netfn: u8, command: u8, data: &[u8]| {
        let mut message = vec![0x20, netfn << 2, 0];
        message[2] = 0_u8.wrapping_sub(message[0]).wrapping_sub(message[1]);
        let mut body = vec![0x81, 0x04, command];
        body.extend_from_slice(data);
        let sum = body.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte));
        body.push(sum);
        message.extend_from_slice(&body);
        let answer = face.answer(&packet::clear(0, &message)).unwrap();
        answer[16 + 6..answer.len() - 1].to_vec()
    };
    assert_eq!(
        ask(&mut face, 6, 0x54, &[0x0E, 0, 0x80]),
        [0, 1, 0xC0, 3, 1, 0x41, 0x81, 0xC0, 17, 3, 0x44, 0x81]
    );
    assert_eq!(ask(&mut face, 6, 0x54, &[0x0E, 0, 0x81]), [0, 1]);
    assert_eq!(ask(&mut face, 6, 0x38, &[0x8E, 4])[..3], [0, 1, 0x80]);
    assert_eq!(ask(&mut face, 0, 0x01, &[]), [0xD4]);
}

#[test]
fn suite_0_is_refused() {
    let (mut face, _folder) = face(Kind::Node, "n01");
    let mut offer = vec![9, 4, 0, 0, 1, 2, 3, 4];
    for kind in 0..3 {
        offer.extend_from_slice(&[kind, 0, 0, 8, 0, 0, 0, 0]);
    }
    let answer = face.answer(&packet::clear(0x10, &offer)).unwrap();
    assert_eq!(answer[16..], [9, 0x11, 0, 0, 1, 2, 3, 4]);
}

proptest! {
    #[test]
    fn any_datagram_is_answered_or_thrown_away(
        shape in 0..5_u8,
        kind in any::<u8>(),
        bytes in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let (mut face, _folder) = face(Kind::Shelf, "shelf");
        let datagram = match shape {
            0 => bytes.clone(),
            1 => packet::old(&bytes),
            2 => packet::clear(kind, &bytes),
            3 => packet::clear(0x10 + (kind % 3) * 2, &bytes),
            _ => [&[6, 0, 0xFF, kind % 9], bytes.as_slice()].concat(),
        };
        let _ = face.answer(&datagram);
    }

    #[test]
    fn any_command_with_any_data_has_an_answer(
        is_shelf in any::<bool>(),
        netfn in prop_oneof![Just(0_u8), Just(4), Just(6), Just(0x0A), Just(0x2C), any::<u8>()],
        command in any::<u8>(),
        data in proptest::collection::vec(any::<u8>(), 0..24),
    ) {
        let (kind, name) = if is_shelf { (Kind::Shelf, "shelf") } else { (Kind::Node, "n01") };
        let (mut face, _folder) = face(kind, name);
        let who = (1, session::Entrant { privilege: 4 });
        let answer = face.machine.answer(&mut face.sessions, who, (netfn, command), &data);
        prop_assert!(answer.data.len() <= 80);
    }
}
