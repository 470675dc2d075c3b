//! `busbar-agent leave` where drives are lent: who has one is asked for, and nothing of ours stays in the kernel's target.

use std::fs;

use agent::reconcile::{self, KeeperError, Left};
use collectors::Root;

use crate::pooled_stand::{
    A, B, FOREIGN, NVMET, STRAY, admit, has, machine, make, names, obeyed, refused, start, view,
};
use crate::rehearsal::Machine;
use crate::stand::until;

fn leave(machine: &Machine, state: &str) -> Result<Left, KeeperError> {
    let root = Root::at(&machine.home.path("machine")).unwrap();
    reconcile::leave(&root, &machine.home.path(state))
}

fn forced(machine: &Machine) -> Left {
    let root = Root::at(&machine.home.path("machine")).unwrap();
    reconcile::leave_leased(&root, &machine.home.path("state")).unwrap()
}

/// A machine whose first drive was lent by grant 1, and whose agent was killed.
fn lent() -> Machine {
    let machine = machine("enforce", "");
    let agent = start(&machine);
    obeyed(&machine, &admit(1, 1, A));
    let error = leave(&machine, "state").unwrap_err();
    assert!(
        matches!(&error, KeeperError::Conflict(why) if why.contains("stop that one first")),
        "{error}"
    );
    drop(agent);
    machine
}

#[test]
fn who_leaves_says_who_would_lose_a_drive_and_forced_leaves_nothing_of_ours() {
    let machine = lent();
    make(&machine, &format!("{NVMET}/subsystems/{STRAY}/namespaces/1"));
    let error = leave(&machine, "state").unwrap_err();
    let told = error.to_string();
    assert!(matches!(error, KeeperError::Refused(_)), "{told}");
    assert!(
        told.contains("drive S1 (M1)") && told.contains(A) && told.contains("--force"),
        "{told}"
    );
    assert_eq!(
        names(&machine, "subsystems").len(),
        3,
        "refused, and nothing was done"
    );
    let root = Root::at(&machine.home.path("machine")).unwrap();
    let placed = reconcile::footprint(&root, &machine.home.path("state")).unwrap();
    assert_eq!(placed.drives.len(), 2, "{:?}", placed.drives);
    assert!(
        placed.files.iter().any(|file| file.ends_with("drives.json")),
        "{:?}",
        placed.files
    );

    let left = forced(&machine);
    assert_eq!(
        (left.withdrawn, left.detached, left.kept.as_slice()),
        (2, 0, [].as_slice())
    );
    assert!(
        left.to_string()
            .contains("2 pooled drives withdrawn; nothing left"),
        "{left}"
    );
    assert_eq!(
        names(&machine, "subsystems"),
        [FOREIGN],
        "what somebody else made is left alone"
    );
    assert!(names(&machine, "hosts").is_empty() && names(&machine, "ports").is_empty());
    assert_eq!(
        leave(&machine, "state").unwrap().withdrawn,
        0,
        "a second time there is nothing to do"
    );

    // The next agent knows the same stay, offers nothing by itself, and obeys no order of before.
    let _agent = start(&machine);
    let drive = view(&machine).drives.remove(0);
    let access = &drive.access;
    assert_eq!(
        (drive.arrival, access.hosts.len(), access.granted, access.closed),
        (1, 0, 1, 1)
    );
    assert!(refused(&machine, &admit(1, 1, A)).1.contains("closed"));
    assert_eq!(obeyed(&machine, &admit(1, 2, B)).access.hosts, [B]);
}

#[test]
fn an_empty_port_goes_too_and_what_another_agent_lends_stays() {
    let machine = lent();
    let other = leave(&machine, "another").unwrap();
    assert_eq!((other.withdrawn, other.kept.len()), (0, 0));
    assert!(names(&machine, "subsystems").len() == 2, "it is not that agent's");
    // Shut by hand, all but the port.
    let nqn = names(&machine, "subsystems")
        .into_iter()
        .find(|nqn| nqn != FOREIGN)
        .unwrap();
    let target = machine.home.path("machine").join(NVMET);
    fs::remove_file(target.join(format!("ports/4420/subsystems/{nqn}"))).unwrap();
    fs::remove_dir_all(target.join("subsystems").join(&nqn)).unwrap();
    assert!(has(&machine, "ports/4420"));
    assert_eq!(forced(&machine).kept, Vec::<String>::new());
    assert!(names(&machine, "ports").is_empty());
}

#[test]
fn where_what_was_kept_cannot_be_read_access_ends_all_the_same_and_is_told() {
    let machine = lent();
    let file = machine.home.path("state/drives.json");
    fs::write(&file, "{").unwrap();
    let error = leave(&machine, "state").unwrap_err().to_string();
    assert!(
        error.contains("drives.json") && error.contains("--force"),
        "{error}"
    );
    let left = forced(&machine);
    assert_eq!((left.withdrawn, left.kept.len()), (1, 1));
    assert!(left.to_string().contains("drives.json"), "{left}");
    assert_eq!(names(&machine, "subsystems"), [FOREIGN]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "{", "it is not written over");
    until("the state to be free again", || leave(&machine, "state").err());
}
