//! Which stay is which: through restarts of the agent the same one, through a pull and a reboot another one.

#![allow(clippy::unwrap_used)]
use facts::Bytes;

use super::*;

fn drive(serial: &str, slot: &str, disk: u64) -> Here {
    Here {
        identity: Identity {
            maker: None,
            model: Some("M".to_owned()),
            serial: Some(serial.to_owned()),
        },
        nguid: None,
        device: "nvme0n1".to_owned(),
        slot: slot.to_owned(),
        size: Bytes::new(1 << 30),
        disk,
        controllers: Vec::new(),
    }
}

fn arrivals(state: &State) -> Vec<u64> {
    state.stays.iter().map(|stay| stay.arrival).collect()
}

#[test]
fn each_arrival_has_a_number_of_its_own_and_a_drive_that_stayed_keeps_its() {
    let (state, left, came) = after(
        &State::default(),
        &[drive("S1", "1", 10), drive("S2", "2", 11)],
        "b1",
    );
    assert_eq!((arrivals(&state), left.len(), came.len()), (vec![1, 2], 0, 2));
    // Nothing happened; and a slot has a name only since its driver was loaded.
    let (state, left, came) = after(&state, &[drive("S1", "bay-1", 10), drive("S2", "2", 11)], "b1");
    assert_eq!((arrivals(&state), left.len(), came.len()), (vec![1, 2], 0, 0));
    assert_eq!(state.stays.first().unwrap().slot, "bay-1");
    // Pulled and put back between two looks: the kernel's number gives it away.
    let (state, left, came) = after(&state, &[drive("S1", "bay-1", 12), drive("S2", "2", 11)], "b1");
    assert_eq!((arrivals(&state), left.len(), came.len()), (vec![3, 2], 1, 1));
    // The other drive came into its place, by the same name.
    let (state, left, _) = after(&state, &[drive("S9", "2", 13)], "b1");
    assert_eq!((arrivals(&state), left.len()), (vec![4], 2));
    let (state, _, _) = after(&state, &[], "b1");
    // The last number is kept though nobody is here: none is given twice.
    let (state, _, _) = after(&state, &[drive("S1", "1", 14)], "b1");
    assert_eq!(arrivals(&state), vec![5]);
    // The same numbers of another boot say nothing.
    let (state, left, came) = after(&state, &[drive("S1", "1", 14)], "b2");
    assert_eq!((arrivals(&state), left.len(), came.len()), (vec![6], 1, 1));
    assert_eq!(state.last_arrival, 6);
}

#[test]
fn a_grant_goes_with_its_stay() {
    let (mut state, _, _) = after(&State::default(), &[drive("S1", "1", 10)], "b1");
    let stay = state.stays.first_mut().unwrap();
    stay.granted = 3;
    stay.closed = 2;
    stay.open = Some(Open {
        key: None,
        generation: 3,
        host: "nqn.h".parse().unwrap(),
        nqn: "nqn.s".parse().unwrap(),
    });
    let (same, _, _) = after(&state, &[drive("S1", "1", 10)], "b1");
    assert_eq!(same, state);
    let (next, left, _) = after(&state, &[drive("S1", "1", 11)], "b1");
    assert_eq!(left.first().unwrap().open, state.stays.first().unwrap().open);
    let stay = next.stays.first().unwrap();
    assert_eq!((stay.granted, stay.closed, &stay.open), (0, 0, &None));
}
