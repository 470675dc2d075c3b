//! A BMC beside an agent: it lights the bays and says which drives will fail, and nothing else.

use std::sync::Arc;

use agent_api::v1::{DriveOrder, DrivesView};
use rack_api::v1::LocateRequest;
use rack_controller::decide::{DrivesInput, Input, want};
use rack_controller::pools::drives::plan;

use crate::bench::{Bench, CONFIG};

fn bench() -> Bench {
    let bmc = "[[bmc]]\nname = \"jbof\"\nurl = \"https://127.0.0.1:1\"\ninsecure = true\n";
    let config = CONFIG.replace("agent = \"box\"\n", "agent = \"box\"\nbmc = \"jbof\"\n");
    Bench::configured(&format!("{config}\n{bmc}"), &["S1", "S2"])
}

/// What the BMC says: the same drives under names of its own, of which one may say that it will fail.
fn says(bench: &mut Bench, failing: Option<&str>) {
    let mut drives = bench.world.view("box").drives;
    for drive in &mut drives {
        drive.identity.maker = Some("as the BMC writes it".to_owned());
        drive.slot = format!("bay-{}", drive.slot);
        drive.predicts_failure = drive.identity.serial.as_deref() == failing;
    }
    let view = Arc::new(DrivesView {
        boot_id: "bmc jbof".to_owned(),
        node: None,
        host: None,
        target: None,
        drives,
        attached: Vec::new(),
        leds: None,
    });
    let node = "bmc jbof".to_owned();
    bench
        .run(&Input::Drives(DrivesInput::Seen { node, view }))
        .unwrap();
}

#[test]
fn a_bmc_beside_an_agent_says_which_drive_will_fail_and_its_silence_makes_none_whole() {
    let mut bench = bench();
    says(&mut bench, None);
    assert!(!bench.drive("S1").wear.predicts_failure);
    assert_eq!(
        bench.rack.kept.drives.drives.len(),
        2,
        "the BMC's names make no more drives"
    );
    says(&mut bench, Some("S1"));
    bench.look();
    assert!(bench.drive("S1").wear.predicts_failure && !bench.drive("S2").wear.predicts_failure);
    let events = bench.events.len();
    let (node, reason) = ("bmc jbof".to_owned(), "it hangs".to_owned());
    bench
        .run(&Input::Drives(DrivesInput::Silent { node, reason }))
        .unwrap();
    bench.pass(3);
    assert!(bench.drive("S1").wear.predicts_failure);
    // Nor does a restart, before the BMC was heard.
    bench.rack.sight.drives.nodes = Arc::default();
    bench.look();
    assert!(bench.drive("S1").wear.predicts_failure);
    assert!(!bench.kinds(events).contains(&"drive_will_not_fail"));
    says(&mut bench, None);
    bench.look();
    assert!(!bench.drive("S1").wear.predicts_failure);
    bench.replays();
}

#[test]
fn bays_are_lit_by_the_bmc_by_their_labels_and_not_while_it_is_silent() {
    let mut bench = bench();
    let locate = |bench: &mut Bench| {
        let request = LocateRequest {
            place: "jbof/bay-2".to_owned(),
            on: true,
            for_seconds: None,
        };
        bench.run(&Input::Locate(request)).unwrap();
        let orders = want(&bench.rack, bench.now);
        let orders = orders
            .iter()
            .filter_map(|action| plan::order(&bench.rack, action));
        let lights = orders.filter(|(_, order)| matches!(order, DriveOrder::Locate { .. }));
        lights.collect::<Vec<(String, DriveOrder)>>()
    };
    assert!(locate(&mut bench).is_empty(), "it was not heard yet");
    says(&mut bench, None);
    let (slot, lit) = ("bay-2".to_owned(), true);
    let expected = ("bmc jbof".to_owned(), DriveOrder::Locate { slot, lit });
    assert_eq!(locate(&mut bench), [expected]);
}
