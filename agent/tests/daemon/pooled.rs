//! Pooled drives through a whole agent that acts on a made-up machine: orders, late ones too, restarts, pulls, a state that cannot be read.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use agent_api::v1::DriveOrder;

use crate::pooled_stand::{
    A, B, FOREIGN, NVMET, STRAY, admit, client, has, identity, machine, make, names, obeyed, plug, pull,
    refused, shut, start, view,
};
use crate::stand::{Agent, until, wait};

#[test]
fn a_drive_is_lent_to_one_host_by_one_grant_and_late_orders_change_nothing() {
    let machine = machine("enforce", "");
    let _agent = start(&machine);
    let seen = view(&machine);
    let shown: Vec<(Option<&str>, u64)> = seen
        .drives
        .iter()
        .map(|drive| (drive.identity.serial.as_deref(), drive.arrival))
        .collect();
    assert_eq!(shown, [(Some("S1"), 1), (Some("S2"), 2)]);
    assert_eq!(seen.target.unwrap().to_string(), "127.0.0.1:4420");

    let lent = obeyed(&machine, &admit(1, 1, A));
    assert_eq!((lent.access.hosts, lent.access.granted), (vec![A.to_owned()], 1));
    let nqn = lent.access.nqn.unwrap();
    assert_eq!(nqn, "nqn.2026-11.dev.busbar:drive:S1:1");
    assert!(has(&machine, &format!("ports/4420/subsystems/{nqn}")));
    assert_eq!(
        obeyed(&machine, &admit(1, 1, A)).access.hosts,
        [A],
        "it may come twice"
    );

    // Another host by the same grant, another stay, another drive, a name that is none.
    let (code, why) = refused(&machine, &admit(1, 1, B));
    assert!(code == "conflict" && why.contains("lets nqn"), "{why}");
    let (code, why) = refused(&machine, &admit(7, 2, B));
    assert!(code == "conflict" && why.contains("arrival 1"), "{why}");
    let unknown = DriveOrder::Shut {
        drive: identity("S7"),
        arrival: 1,
        generation: 1,
    };
    assert_eq!(refused(&machine, &unknown).0, "not_found");
    let (code, why) = refused(&machine, &admit(1, 2, &format!("nqn.{}", "x".repeat(10 << 10))));
    assert!(code == "bad_request" && why.len() < 400, "{why}");
    assert_eq!(obeyed(&machine, &admit(1, 1, A)).access.hosts, [A]);

    // The next grant takes the place of the first one, which then comes too late.
    let next = obeyed(&machine, &admit(1, 2, B)).access;
    assert_eq!(
        (next.hosts, next.granted, next.closed),
        (vec![B.to_owned()], 2, 1)
    );
    let (code, why) = refused(&machine, &admit(1, 1, A));
    assert!(code == "conflict" && why.contains("too late"), "{why}");
    // An order to shut the first one comes late too, and leaves the second one.
    assert_eq!(obeyed(&machine, &shut(1, 1)).access.hosts, [B]);
    let ended = obeyed(&machine, &shut(1, 2)).access;
    assert_eq!((ended.hosts.len(), ended.nqn, ended.closed), (0, None, 2));
    assert_eq!(names(&machine, "subsystems"), [FOREIGN]);
    assert!(refused(&machine, &admit(1, 2, B)).1.contains("closed"));
    until("hosts and port of ours to be removed", || {
        (names(&machine, "hosts").is_empty() && names(&machine, "ports").is_empty()).then_some(())
    });
}

#[test]
fn after_a_kill_what_is_granted_stands_again_and_nothing_else_of_ours() {
    let machine = machine("enforce", "");
    let mut agent = start(&machine);
    let nqn = obeyed(&machine, &admit(1, 1, A)).access.nqn.unwrap();
    let link = format!("ports/4420/subsystems/{nqn}");
    for _ in 0..2 {
        drop(agent);
        // Killed between two steps: the link was not made yet, and something stands that was never granted.
        fs::remove_file(machine.home.path("machine").join(NVMET).join(&link)).unwrap();
        make(&machine, &format!("{NVMET}/subsystems/{STRAY}/namespaces/1"));
        agent = start(&machine);
        until("the grant to stand and the stray to go", || {
            (has(&machine, &link) && names(&machine, "subsystems") == [FOREIGN.to_owned(), nqn.clone()])
                .then_some(())
        });
    }
    let drive = view(&machine).drives.remove(0);
    assert_eq!(
        (drive.arrival, drive.access.hosts.as_slice()),
        (1, [A.to_owned()].as_slice())
    );
    // Somebody lets everybody in: that does not last.
    machine.write(&format!("{NVMET}/subsystems/{nqn}/attr_allow_any_host"), "1\n");
    until("nobody else to be let in", || {
        let any = machine
            .home
            .path(&format!("machine/{NVMET}/subsystems/{nqn}/attr_allow_any_host"));
        (fs::read_to_string(any).unwrap_or_default().trim() == "0").then_some(())
    });
    drop(agent);
}

#[test]
fn a_drive_that_was_pulled_is_fenced_by_nobodys_order_and_comes_back_as_another_stay() {
    let machine = machine("enforce", "");
    let agent = start(&machine);
    obeyed(&machine, &admit(1, 1, A));
    pull(&machine, "nvme0n1");
    until("the export of the drive that left to be withdrawn", || {
        (names(&machine, "subsystems") == [FOREIGN]).then_some(())
    });
    assert_eq!(view(&machine).drives.len(), 1);
    assert_eq!(refused(&machine, &admit(1, 2, B)).0, "not_found");
    assert!(
        machine.home.log().contains("drive S1 (M1) left bay"),
        "{}",
        machine.home.log()
    );
    // The same drive again: nothing of its first stay holds, and no order about it is obeyed.
    plug(&machine, "nvme0n1", "S1", 13);
    let (code, why) = refused(&machine, &admit(1, 1, A));
    assert!(code == "conflict" && why.contains("arrival 3"), "{why}");
    let again = view(&machine).drives.remove(0);
    assert_eq!(
        (again.arrival, again.access.granted, again.access.closed),
        (3, 0, 0)
    );
    // Out and in again while no agent looked.
    drop(agent);
    pull(&machine, "nvme0n1");
    plug(&machine, "nvme0n1", "S1", 14);
    let _agent = start(&machine);
    assert_eq!(view(&machine).drives.first().unwrap().arrival, 4);
    // Two that say the same: neither.
    plug(&machine, "nvme2n1", "S1", 15);
    let (code, why) = refused(&machine, &admit(4, 1, A));
    assert!(code == "conflict" && why.contains("neither is lent"), "{why}");
}

#[test]
fn where_what_was_kept_cannot_be_read_nothing_is_lent_and_nothing_lost() {
    let machine = machine("enforce", "");
    let agent = start(&machine);
    obeyed(&machine, &admit(1, 1, A));
    drop(agent);
    let file = machine.home.path("state/drives.json");
    let kept = fs::read_to_string(&file).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let broken = kept.get(..kept.len() / 2).unwrap();
    fs::write(&file, broken).unwrap();
    let agent = start(&machine);
    let (code, why) = refused(&machine, &admit(1, 2, B));
    assert!(
        code == "internal" && why.contains("drives.json") && why.contains("Ways out"),
        "{why}"
    );
    assert!(
        wait(client(&machine).drives()).is_err(),
        "a drive that cannot be told is not one that has gone"
    );
    drop(agent);
    assert_eq!(fs::read_to_string(&file).unwrap(), broken);
    fs::write(&file, kept).unwrap();
    let _agent = start(&machine);
    assert_eq!(view(&machine).drives.first().unwrap().access.hosts, [A]);
}

#[test]
fn an_agent_that_observes_says_what_it_would_do_and_one_without_drives_lends_none() {
    let machine = machine("observe", "");
    let agent = start(&machine);
    let (code, why) = refused(&machine, &admit(1, 1, A));
    assert!(
        code == "refused" && why.contains("mode observe") && why.contains("would let"),
        "{why}"
    );
    assert_eq!(names(&machine, "subsystems"), [FOREIGN]);
    drop(agent);
    machine.home.write("agent.toml", "[agent]\nmode = \"enforce\"\n");
    let _agent = start(&machine);
    assert_eq!((view(&machine).drives.len(), view(&machine).target), (0, None));
    let (code, why) = refused(&machine, &admit(1, 1, A));
    assert!(code == "unsupported" && why.contains("[pooled_drives]"), "{why}");
}

#[test]
fn over_tcp_a_rack_orders_with_its_own_token() {
    let ask = |agent: &Agent, headers: &str| {
        let (status, _, body) = agent.ask(
            "POST",
            "/v1/drives/orders",
            &format!("{headers}Content-Length: 2\r\n"),
        );
        (status, body)
    };
    let plain = machine("observe", "");
    let agent = start(&plain);
    assert_eq!(ask(&agent, "").0, 403);
    drop(agent);
    let guarded = machine("observe", "rack_token_file = \"rack.token\"\n");
    let token = "t".repeat(40);
    let file = guarded.home.write("rack.token", &format!("{token}\n"));
    fs::set_permissions(Path::new(&file), fs::Permissions::from_mode(0o600)).unwrap();
    let agent = start(&guarded);
    assert_eq!(ask(&agent, "").0, 401);
    assert_eq!(ask(&agent, &format!("Authorization: Bearer {token}x\r\n")).0, 401);
}
