//! Locate LEDs of bays through a whole agent: by order, by their time, after a restart, and where they do not do as they are told.

use std::fs;
use std::os::unix::fs::symlink;

use agent_api::v1::{BayLed, DriveAnswer, DriveOrder};
use serde_json::{Value, json};

use crate::pooled_stand::{client, machine, refused, start, view};
use crate::rehearsal::Machine;
use crate::stand::{until, wait};

const LED: &str = "sys/bus/pci/slots/12/attention";
/// Half an hour.
const LONGEST_MS: u64 = 1_800_000;

/// A machine with an empty bay whose LED is out.
fn bay() -> Machine {
    let machine = machine("enforce", "");
    machine.write("sys/bus/pci/slots/12/address", "0000:3c:00\n");
    machine.write(LED, "0\n");
    machine
}

fn locate(slot: &str, lit: bool) -> DriveOrder {
    DriveOrder::Locate {
        slot: slot.to_owned(),
        lit,
    }
}

fn leds(machine: &Machine) -> Vec<BayLed> {
    view(machine).leds.unwrap()
}

fn light(machine: &Machine) {
    let answer = wait(client(machine).order_drive(&locate("12", true))).unwrap();
    let slot = "12".to_owned();
    assert_eq!(answer, DriveAnswer::Located { slot, lit: true });
}

/// What is kept says that the time of the LED was over long ago.
fn out_of_time(machine: &Machine) {
    let file = machine.home.path("state/drives.json");
    let mut kept: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let lit = kept.pointer_mut("/lit/0/until").unwrap();
    assert!(lit.is_string(), "{lit}");
    *lit = json!("2026-01-01T00:00:00.000Z");
    fs::write(&file, kept.to_string()).unwrap();
}

/// In the place of the LED a file of the kernel's own that nobody can write, and that says this.
fn replaced_by(machine: &Machine, file: &str, says: &str) {
    assert_eq!(fs::read_to_string(file).unwrap().trim(), says, "{file}");
    let led = machine.home.path("machine").join(LED);
    fs::remove_file(&led).unwrap();
    symlink(file, led).unwrap();
}

#[test]
fn the_led_of_a_bay_is_lit_by_order_also_of_an_empty_one() {
    let machine = bay();
    let agent = start(&machine);
    for (lit, said) in [(true, "2"), (true, "2"), (false, "0")] {
        let answer = wait(client(&machine).order_drive(&locate("12", lit))).unwrap();
        let slot = "12".to_owned();
        assert_eq!(answer, DriveAnswer::Located { slot, lit });
        assert_eq!(machine.read(LED), said);
    }
    let (code, why) = refused(&machine, &locate("13", true));
    assert!(code == "conflict" && why.contains("13"), "{why}");
    drop(agent);
    let config = "[agent]\nmode = \"enforce\"\n[actuators]\nled = \"observe\"\n";
    machine.home.write("agent.toml", config);
    let _agent = start(&machine);
    let (code, why) = refused(&machine, &locate("12", true));
    assert!(
        code == "refused" && why.contains("actuator led") && why.contains("would light"),
        "{why}"
    );
    assert_eq!(machine.read(LED), "0");
}

#[test]
fn an_led_goes_out_by_itself_when_its_time_is_over_also_after_a_restart() {
    let machine = bay();
    let agent = start(&machine);
    assert_eq!(leds(&machine), []);
    light(&machine);
    let shown = leds(&machine).remove(0);
    assert_eq!(
        (shown.slot.as_str(), shown.lit, shown.trouble),
        ("12", Some(true), None)
    );
    // Somebody puts it out by hand: it is told as it is.
    machine.write(LED, "0\n");
    until("the LED to be told as it is", || {
        leds(&machine).is_empty().then_some(())
    });
    light(&machine);
    let before = leds(&machine).remove(0).until;
    drop(agent);
    assert_eq!(machine.read(LED), "2");

    // Its time goes on over the restart, and is never more than half an hour, whatever became of the clock.
    let agent = start(&machine);
    assert_eq!(leds(&machine).remove(0).until, before);
    assert!(before.millis() > LONGEST_MS);
    drop(agent);
    out_of_time(&machine);
    let _agent = start(&machine);
    until("the LED to go out", || (machine.read(LED) == "0").then_some(()));
    until("the LED to be told as out", || {
        leds(&machine).is_empty().then_some(())
    });
    assert!(
        machine.home.log().contains("bay 12 is put out"),
        "{}",
        machine.home.log()
    );
}

#[test]
fn an_led_that_does_not_do_as_it_is_told_is_an_error_and_stays_told() {
    let machine = bay();
    let agent = start(&machine);
    light(&machine);
    replaced_by(&machine, "/proc/sys/kernel/ngroups_max", "65536");
    let (code, why) = refused(&machine, &locate("12", false));
    assert!(code == "conflict" && why.contains("attention"), "{why}");
    drop(agent);
    out_of_time(&machine);
    let agent = start(&machine);
    let trouble = until("the LED that does not go out to be told", || {
        let led = leds(&machine).pop()?;
        (led.lit == Some(true)).then_some(led.trouble).flatten()
    });
    assert!(trouble.contains("attention"), "{trouble}");
    drop(agent);
    // One that cannot be lit.
    fs::remove_file(machine.home.path("machine").join(LED)).unwrap();
    machine.write(LED, "0\n");
    replaced_by(&machine, "/proc/sys/fs/aio-nr", "0");
    let _agent = start(&machine);
    let (code, why) = refused(&machine, &locate("12", true));
    assert!(code == "conflict" && why.contains("attention"), "{why}");
    assert_eq!(leds(&machine), [], "it is not told as lit");
}
