//! Adoption through the owner, on recorded v2 hosts: what is decided, written down and read back while systemd is asked.

use agent::ledger::Had;
use agent::owners::Asked;
use agent::reconcile::Keeper;
use agent_api::v1::{AdoptRequest, Adoptee, Ask, Exclusivity};
use intent::Mode;

use crate::fixture::{Fixture, NOW, machine, request, start};

const SCOPE: &str = "sys/fs/cgroup/system.slice/build.scope";

/// Process 7 is in a scope of systemd's.
fn host() -> Fixture {
    let fixture = Fixture::v2();
    fixture.write("proc/7/cgroup", "0::/system.slice/build.scope\n");
    fixture.write("sys/devices/system/cpu/online", "0-7\n");
    fixture.write("sys/devices/system/node/online", "0\n");
    fixture.write(&format!("{SCOPE}/cgroup.procs"), "7\n");
    shows(&fixture, "0-7");
    fixture
}

/// What the kernel shows of the scope once systemd has written.
fn shows(fixture: &Fixture, cpus: &str) {
    fixture.write(&format!("{SCOPE}/cpuset.cpus.effective"), &format!("{cpus}\n"));
    fixture.write(&format!("{SCOPE}/cpuset.mems.effective"), "0\n");
}

fn wish(through_owner: bool) -> AdoptRequest {
    AdoptRequest {
        adoptee: Adoptee::Unit("build.scope".to_owned()),
        ask: Ask {
            memory_bytes: None,
            ..request("db", 2, true).ask
        },
        dry_run: false,
        through_owner,
    }
}

fn had() -> Had {
    Had {
        cpus: "0-5".parse().unwrap(),
        run: "0f".to_owned(),
        ..Had::default()
    }
}

fn ask(keeper: &mut Keeper) -> Asked {
    keeper.ask_owner(&wish(true), 0, had(), &machine(8), NOW).unwrap()
}

/// Adopted, and shown by the kernel.
fn adopted(fixture: &Fixture, keeper: &mut Keeper) -> Asked {
    let asked = ask(keeper);
    shows(fixture, &asked.values.cpus.to_string());
    keeper.owner_did(&asked.workload).unwrap();
    asked
}

#[test]
fn it_is_written_down_before_the_owner_hears_of_it_and_confirmed_by_the_kernel() {
    let fixture = host();
    let before = fixture.all("sys");
    let mut keeper = fixture.open();
    let refused = keeper
        .adopt(&wish(false), 0, &machine(8), NOW)
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("systemctl set-property --runtime build.scope")
            && refused.contains("--through-owner"),
        "{refused}"
    );
    let dry = AdoptRequest {
        dry_run: true,
        ..wish(true)
    };
    let meant = keeper.meant(&dry, 0, &machine(8)).unwrap();
    assert_eq!(
        (meant.owner.to_string().as_str(), meant.cgroup.as_str()),
        ("systemd (build.scope)", "system.slice/build.scope")
    );
    let would = meant.adopted.would.last().unwrap();
    assert!(
        would.text.starts_with("have systemd (build.scope) write CPUs "),
        "{would:?}"
    );
    assert!(!fixture.path("state/ledger.json").exists());

    let asked = ask(&mut keeper);
    assert!(
        fixture.read("state/ledger.json").contains("\"0-5\""),
        "what it had is on disk"
    );
    assert_eq!(keeper.asked(), [], "whoever asks now is asking already");
    let mut twice = wish(true);
    twice.ask.name = Some("again".parse().unwrap());
    let said = keeper.meant(&twice, 0, &machine(8)).unwrap_err().to_string();
    assert!(said.contains("asked for workload db already"), "{said}");
    let said = keeper.owner_did(&asked.workload).unwrap_err().to_string();
    assert!(said.contains("cpuset.cpus.effective is \"0-7\""), "{said}");
    shows(&fixture, &asked.values.cpus.to_string());
    let workload = keeper.owner_did(&asked.workload).unwrap();
    assert_eq!(workload.container.as_deref(), Some("systemd build.scope"));
    assert_eq!(
        (workload.exclusivity, workload.adopted),
        (Exclusivity::AmongBusbar, true)
    );
    assert_eq!(keeper.asked()[0].differs, "");
    shows(&fixture, "0-7");
    assert_eq!(fixture.all("sys"), before, "nothing was written by us");
}

#[test]
fn its_cpus_are_its_own_through_sweeps_and_the_agents_death() {
    let fixture = host();
    let mut keeper = fixture.open();
    let asked = adopted(&fixture, &mut keeper);
    drop(keeper);
    let mut keeper = fixture.open();
    keeper.look(&machine(8));
    keeper.sweep(NOW);
    // A runtime that speaks NRI knows nothing of it.
    keeper.meet_containers(&[], &machine(8), NOW);
    let now = keeper.asked();
    assert_eq!(
        (now.len(), now[0].ends, &now[0].values),
        (1, false, &asked.values)
    );
    let other = start(&mut keeper, "web", 2, true, 8);
    assert!(
        other.cpus.is_disjoint(&asked.values.cpus),
        "{} and {}",
        other.cpus,
        asked.values.cpus
    );
    // Drift is seen by its owner's asker and by the proof.
    shows(&fixture, "0-7");
    assert!(
        keeper.asked()[0].differs.contains("expected"),
        "{:?}",
        keeper.asked()
    );
    assert!(keeper.check(&asked.workload).unwrap().outstanding[0].contains("cpuset.cpus.effective"));
    for said in [
        keeper.freeze(&asked.workload, true).err(),
        keeper.migrate(&asked.workload, false, &machine(8)).err(),
    ] {
        let said = said.unwrap().to_string();
        assert!(
            said.contains("busbar unadopt db") && said.contains("systemctl stop build.scope"),
            "{said}"
        );
    }
}

#[test]
fn an_agent_that_was_killed_while_it_asked_has_it_given_back() {
    let fixture = host();
    let mut keeper = fixture.open();
    let asked = ask(&mut keeper);
    drop(keeper);
    let mut keeper = fixture.open();
    keeper.look(&machine(8));
    keeper.sweep(NOW);
    let now = keeper.asked();
    assert_eq!((now.len(), now[0].ends, &now[0].had), (1, true, &had()));
    assert!(keeper.workloads().is_empty());
    // Until then nobody else gets its CPUs.
    let all = |keeper: &mut Keeper| keeper.start(request("all", 7, true), 8, 0, &machine(8), NOW);
    assert!(all(&mut keeper).is_err());
    keeper.owner_gave_back(&asked.workload).unwrap();
    assert_eq!(keeper.asked(), []);
    assert_eq!(all(&mut keeper).unwrap().cpus.len(), 7);
}

#[test]
fn it_ends_with_its_last_process_or_by_order_and_is_given_back_before_it_is_forgotten() {
    let fixture = host();
    let mut keeper = fixture.open();
    let asked = adopted(&fixture, &mut keeper);
    fixture.write(&format!("{SCOPE}/cgroup.procs"), "");
    keeper.sweep(NOW);
    assert!(keeper.asked()[0].ends, "{:?}", keeper.asked());
    keeper.owner_gave_back(&asked.workload).unwrap();
    assert!(!fixture.read("state/ledger.json").contains("build.scope"));

    fixture.write(&format!("{SCOPE}/cgroup.procs"), "7\n");
    shows(&fixture, "0-7");
    let asked = adopted(&fixture, &mut keeper);
    let given = keeper.owner_is_to_give_back(&asked.workload).unwrap().unwrap();
    assert_eq!((given.had, given.ends), (had(), true));
    drop(keeper);
    let mut keeper = fixture.open();
    assert!(keeper.asked()[0].ends, "an order that was begun is finished");
    keeper.owner_gave_back(&asked.workload).unwrap();
    // Others are ended as ever.
    let other = start(&mut keeper, "web", 1, true, 8);
    assert_eq!(keeper.owner_is_to_give_back(&other.id).unwrap(), None);
}

#[test]
fn who_may_not_be_asked_is_not() {
    let meant = |fixture: &Fixture, request: &AdoptRequest, uid: u32| {
        let mut keeper = fixture.open();
        let came = keeper.meant(request, uid, &machine(8));
        came.map(|_| ()).unwrap_err().to_string()
    };
    assert!(meant(&host(), &wish(true), 7).contains("expected user 0"));
    let shared = AdoptRequest {
        ask: request("db", 2, false).ask,
        ..wish(true)
    };
    assert!(meant(&host(), &shared, 0).contains("shared CPUs cannot be had there"));
    let one = AdoptRequest {
        adoptee: Adoptee::Process { pid: 7, started: 477 },
        ..wish(true)
    };
    assert!(meant(&host(), &one, 0).contains("in the hands of systemd (build.scope)"));
    let nobodys = host();
    nobodys.write("proc/7/cgroup", "0::/user.slice/session-3.scope\n");
    let session = AdoptRequest {
        adoptee: Adoptee::Unit("session-3.scope".to_owned()),
        ..wish(true)
    };
    assert!(meant(&nobodys, &session, 0).contains("without --through-owner"));
    let pod = host();
    pod.write("proc/7/cgroup", "0::/kubepods.slice/build.scope\n");
    assert!(meant(&pod, &wish(true), 0).contains("kubelet"));
    // In observe nothing is asked, neither now nor for what an earlier agent asked.
    let fixture = host();
    adopted(&fixture, &mut fixture.open());
    shows(&fixture, "0-7");
    let mut keeper = Keeper::open(fixture.config(Mode::Observe)).unwrap();
    let second = AdoptRequest {
        ask: request("two", 1, true).ask,
        ..wish(true)
    };
    let said = keeper.meant(&second, 0, &machine(8)).unwrap_err().to_string();
    assert!(said.contains("asked for workload db already"), "{said}");
    shows(&fixture, "0-7");
    let other = host();
    let mut idle = Keeper::open(other.config(Mode::Observe)).unwrap();
    let said = idle.meant(&wish(true), 0, &machine(8)).unwrap_err().to_string();
    assert!(
        said.contains("in observe") && said.contains("have systemd (build.scope) write CPUs"),
        "{said}"
    );
    assert!(!other.path("state/ledger.json").exists());
    assert_eq!(keeper.asked(), []);
    assert!(keeper.owner_is_to_give_back(&"db".parse().unwrap()).is_err());
}
