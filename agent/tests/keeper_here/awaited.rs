//! A workload whose first process is awaited: it is held in force though it is empty, taken over when its asker's child is there,
//! and undone when nobody comes, the asker is gone, or an agent was killed meanwhile.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agent::reconcile::{Keeper, KeeperError};
use agent_api::v1::{RunRequest, Workload};

use super::*;

/// Longer than a first process is awaited.
const TOO_LATE: Duration = Duration::from_secs(11);
/// Moments beside the steps at which the copy may be killed.
const MOMENTS: usize = 3;

fn entering() -> RunRequest {
    RunRequest {
        enters: true,
        ..request(Some(64 << 20))
    }
}

/// A line of a shell that puts itself into the cgroups of a workload, as a process with one thread may in v1 and v2.
fn enter(workload: &Workload) -> String {
    let dirs = workload.cgroups.join(" ");
    format!(
        "for d in {dirs}; do if [ -e $d/tasks ]; then echo 0 > $d/tasks; else echo 0 > $d/cgroup.procs; fi; done"
    )
}

/// Who is in the cgroup that `enter` comes to last.
fn procs(workload: &Workload) -> Vec<u32> {
    let text = fs::read_to_string(Path::new(workload.cgroups.last().unwrap()).join("cgroup.procs")).unwrap();
    text.lines().map(|line| line.parse().unwrap()).collect()
}

fn start(keeper: &mut Keeper, here: &Here, shell: &Shell) -> Workload {
    let workload = keeper.start(entering(), shell.pid(), 0, &here.inventory, NOW);
    let workload = workload.unwrap();
    assert!(workload.awaits);
    assert_eq!(procs(&workload), Vec::<u32>::new());
    workload
}

#[test]
fn a_child_that_is_born_there_is_its_first_process() {
    let _turn = turn();
    let Some(here) = Here::new("born") else { return };
    let mut shell = Shell::new();
    let (before, came_from) = (cpus(shell.pid()), cgroups(shell.pid()));
    let mut keeper = here.open();
    let workload = start(&mut keeper, &here, &shell);
    // Empty, and in force: nobody sees it yet, and no sweep takes it away.
    assert_eq!(keeper.workloads(), []);
    assert_eq!(keeper.plan().unwrap(), []);
    keeper.sweep(NOW);
    assert!(Path::new(&workload.cgroups[0]).is_dir());
    let refused = keeper
        .entered(&workload.id, true, std::process::id())
        .unwrap_err();
    assert!(
        matches!(&refused, KeeperError::Refused(why) if why.contains("only that one")),
        "{refused}"
    );
    shell.tell(&format!("( {}; exec sleep 1000 ) &", enter(&workload)));
    until("the child is there", || procs(&workload).len() == 1);
    let entered = keeper.entered(&workload.id, true, shell.pid()).unwrap();
    assert!(!entered.awaits);
    assert_eq!([entered.pid].as_slice(), procs(&workload));
    assert_eq!(cpus(entered.pid), entered.cpus);
    assert_eq!(
        (cpus(shell.pid()), cgroups(shell.pid())),
        (before.clone(), came_from.clone())
    );
    assert_eq!(keeper.workloads(), std::slice::from_ref(&entered));
    assert_eq!(keeper.plan().unwrap(), []);
    let again = keeper.entered(&workload.id, true, shell.pid()).unwrap_err();
    assert!(matches!(again, KeeperError::Conflict(_)), "{again}");
    keeper.end(&workload.id, NOW).unwrap();
    assert_eq!((cpus(entered.pid), cgroups(entered.pid)), (before, came_from));
    shell.tell("kill $!");
    assert_eq!(here.left(), Vec::<PathBuf>::new());
}

#[test]
fn an_asker_that_cannot_bear_it_there_is_moved() {
    let _turn = turn();
    let Some(here) = Here::new("moved") else { return };
    let shell = Shell::new();
    let mut keeper = here.open();
    let workload = start(&mut keeper, &here, &shell);
    let entered = keeper.entered(&workload.id, false, shell.pid()).unwrap();
    assert_eq!((entered.pid, cpus(shell.pid())), (shell.pid(), entered.cpus));
    keeper.end(&workload.id, NOW).unwrap();
    assert_eq!(here.left(), Vec::<PathBuf>::new());
}

#[test]
fn what_is_said_and_not_so_is_undone() {
    let _turn = turn();
    let Some(here) = Here::new("untrue") else { return };
    let mut shell = Shell::new();
    let mut keeper = here.open();
    let workload = start(&mut keeper, &here, &shell);
    let nobody = keeper.entered(&workload.id, true, shell.pid()).unwrap_err();
    assert!(nobody.to_string().contains("there are 0"), "{nobody}");
    assert_eq!(here.left(), Vec::<PathBuf>::new());
    // Somebody is there who is no child of who asked.
    let workload = start(&mut keeper, &here, &shell);
    let mut other = Command::new("sh")
        .args(["-c", &format!("{}; exec sleep 1000", enter(&workload))])
        .spawn()
        .unwrap();
    until("somebody is there", || procs(&workload).len() == 1);
    let stranger = keeper.entered(&workload.id, true, shell.pid()).unwrap_err();
    assert!(stranger.to_string().contains("is no child of"), "{stranger}");
    assert_eq!(here.left(), Vec::<PathBuf>::new());
    other.kill().unwrap();
    other.wait().unwrap();
    shell.tell("exit");
}

#[test]
fn nobody_is_awaited_for_ever() {
    let _turn = turn();
    let Some(here) = Here::new("late") else { return };
    let mut shell = Shell::new();
    let mut keeper = here.open();
    let workload = start(&mut keeper, &here, &shell);
    keeper.sweep(NOW.after(TOO_LATE));
    assert_eq!(here.left(), Vec::<PathBuf>::new());
    let late = keeper.entered(&workload.id, true, shell.pid()).unwrap_err();
    assert!(matches!(late, KeeperError::Conflict(_)), "{late}");
    // One whose asker is killed goes at the next sweep.
    start(&mut keeper, &here, &shell);
    shell.0.kill().unwrap();
    shell.0.wait().unwrap();
    keeper.sweep(NOW);
    assert_eq!(here.left(), Vec::<PathBuf>::new());
    // So does one that an agent of before awaited: who was to say what became of it has nobody to say it to.
    let shell = Shell::new();
    start(&mut keeper, &here, &shell);
    drop(keeper);
    let keeper = here.open();
    assert!(
        keeper.found()[0].contains("never confirmed"),
        "{:?}",
        keeper.found()
    );
    assert_eq!(here.left(), Vec::<PathBuf>::new());
}

#[test]
fn killed_at_any_moment_of_a_birth_the_next_agent_converges() {
    let _turn = turn();
    let Some(here) = Here::new("births") else { return };
    let mut point = 0;
    while run_and_kill(&here, std::process::id(), "birth", point) {
        let mut keeper = here.open();
        // The child ends by itself when its mother dies, at once or a moment later.
        until("converged", || {
            keeper.sweep(NOW);
            keeper.workloads().is_empty() && here.left().is_empty()
        });
        assert_eq!(keeper.plan().unwrap(), [], "point {point}: {:?}", keeper.found());
        point += 1;
    }
    println!("killed at each of {point} points");
    assert!(point >= 6 + MOMENTS, "only {point} points");
    assert_eq!(here.left(), Vec::<PathBuf>::new());
}

/// What the copy does that is killed: it asks for itself, bears a child that ends with it, has it confirmed, ends it.
pub fn be_killed_in_a_birth(config: agent::reconcile::KeeperConfig, at: usize) {
    let points = Arc::new(AtomicUsize::new(0));
    let pass = move || {
        if points.fetch_add(1, Ordering::Relaxed) == at {
            kill_myself();
        }
    };
    let each = pass.clone();
    let mut keeper = Keeper::open_watched(config, Box::new(move |_: &isolators::Step| each())).unwrap();
    let inventory = facts_now(&Root::host(), TopologySource::Live);
    let me = std::process::id();
    let workload = keeper.start(entering(), me, 0, &inventory, NOW).unwrap();
    pass();
    let mut child = bear(&workload);
    until("the child is there", || procs(&workload) == [child.id()]);
    pass();
    keeper.entered(&workload.id, true, me).unwrap();
    pass();
    drop(child.stdin.take());
    child.wait().unwrap();
    keeper.end(&workload.id, NOW).unwrap();
}

fn bear(workload: &Workload) -> Child {
    Command::new("sh")
        .args(["-c", &format!("{}; read line", enter(workload))])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap()
}
