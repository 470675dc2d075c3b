//! A host that must prove who it is before it is let in to a drive: where the kernel can, where it cannot, and where nobody shall.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use agent_api::v1::DriveOrder;
use intent::DriveKey;

use crate::pooled_stand::{
    A, FOREIGN, NVMET, admit, has, machine_with, make, names, obeyed, refused, start, view,
};
use crate::rehearsal::Machine;
use crate::stand::until;

const HOSTS: &str = "sys/kernel/config/nvmet/hosts";

fn key() -> DriveKey {
    DriveKey::of(&[7; 32])
}

fn admit_keyed(generation: u64) -> DriveOrder {
    let mut order = admit(1, generation, A);
    if let DriveOrder::Admit { key: is, .. } = &mut order {
        *is = Some(key());
    }
    order
}

/// A kernel whose target knows keys has such a file of every host.
fn knows_keys(machine: &Machine) {
    machine.write(&format!("{HOSTS}/{A}/dhchap_key"), "\n");
}

fn policy(policy: &str) -> Machine {
    machine_with("enforce", "", &format!("authentication = {policy:?}\n"))
}

#[test]
fn a_host_with_a_key_must_prove_it_and_the_key_stands_nowhere_else() {
    let machine = policy("require");
    knows_keys(&machine);
    let agent = start(&machine);
    let (code, why) = refused(&machine, &admit(1, 1, A));
    assert!(code == "conflict" && why.contains("brings no key"), "{why}");
    let lent = obeyed(&machine, &admit_keyed(1)).access;
    assert_eq!(lent.authentication.as_deref(), Some("DH-HMAC-CHAP"));
    let nqn = lent.nqn.unwrap();
    assert_eq!(machine.read(&format!("{HOSTS}/{A}/dhchap_key")), key().as_str());

    // An agent that starts again makes good what somebody did meanwhile.
    drop(agent);
    machine.write(&format!("{HOSTS}/{A}/dhchap_key"), "DHHC-1:00:AAAA:\n");
    let link = machine
        .home
        .path("machine")
        .join(NVMET)
        .join(format!("ports/4420/subsystems/{nqn}"));
    fs::remove_file(&link).unwrap();
    let _agent = start(&machine);
    until("the grant to stand with its key", || {
        let said = machine.read(&format!("{HOSTS}/{A}/dhchap_key"));
        (link.symlink_metadata().is_ok() && said == key().as_str()).then_some(())
    });
    let file = machine.home.path("state/drives.json");
    assert!(fs::read_to_string(&file).unwrap().contains(key().as_str()));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let shown = format!("{:?} {}", view(&machine), machine.home.log());
    assert!(
        shown.contains("DH-HMAC-CHAP") && !shown.contains(key().as_str()),
        "{shown}"
    );
}

#[test]
fn a_kernel_that_knows_no_keys_is_told_and_lets_nobody_in_where_one_is_required() {
    let machine = policy("require");
    let agent = start(&machine);
    let (code, why) = refused(&machine, &admit_keyed(1));
    assert!(
        code == "conflict" && why.contains("NVME_TARGET_AUTH") && why.contains("require"),
        "{why}"
    );
    assert_eq!(
        (names(&machine, "subsystems"), names(&machine, "hosts")),
        (vec![FOREIGN.to_owned()], Vec::new())
    );
    drop(agent);
    let machine = policy("where_possible");
    let _agent = start(&machine);
    let lent = obeyed(&machine, &admit_keyed(1)).access;
    let told = "none: the kernel of this node has no NVME_TARGET_AUTH";
    assert_eq!(lent.authentication.as_deref(), Some(told));
    assert!(!has(&machine, &format!("hosts/{A}/dhchap_key")));
}

#[test]
fn nobody_is_shut_out_elsewhere_by_a_key_and_none_is_set_where_it_is_switched_off() {
    let machine = policy("where_possible");
    knows_keys(&machine);
    make(
        &machine,
        &format!("{NVMET}/subsystems/{FOREIGN}/allowed_hosts/{A}"),
    );
    let _agent = start(&machine);
    let lent = obeyed(&machine, &admit_keyed(1)).access;
    assert!(lent.authentication.unwrap().starts_with("none"));
    assert_eq!(machine.read(&format!("{HOSTS}/{A}/dhchap_key")), "");
    let off = policy("off");
    knows_keys(&off);
    let _other = start(&off);
    let lent = obeyed(&off, &admit_keyed(1)).access;
    assert!(lent.authentication.unwrap().contains("authentication = \"off\""));
    assert_eq!(off.read(&format!("{HOSTS}/{A}/dhchap_key")), "");
}
