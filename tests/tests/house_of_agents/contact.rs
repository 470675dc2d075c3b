//! A contact that bounces, and a BMC that starts anew while a supply is lost.

use std::time::Duration;

use anyhow::{Context, ensure};
use facts::Moment;
use house_tests::http;
use house_tests::wait;
use serde_json::Value;

use crate::house::{House, INSTALLED, SUPPLY, place};
use crate::stand::PATIENCE;

/// The bay whose contact is loose.
const LOOSE: usize = 5;
/// How often it bounces.
const BOUNCES: usize = 3;

/// A supply's contact bounces three times. That is one loss: what is revocable is taken once, and comes back when the supply has settled, each
/// time for twice as long, and has passed its trial.
pub fn a_contact_bounces(house: &House) -> anyhow::Result<()> {
    let from = house.mark()?;
    house.watch.begin();
    for bounce in 1..=BOUNCES {
        house.pull(LOOSE)?;
        house.told(from, "supply_lost", bounce)?;
        house.fleet.world.act(&["insert", &place(LOOSE)])?;
        house.told(from, "supply_inserted", bounce)?;
    }
    house.all_become(house.policy.firm, "what is firm")?;
    // Nobody is raised before the controller counts the supply again.
    wait::until("the supply to be in service", PATIENCE, || {
        let fell_only = house.watch.only_falls();
        let installed = house.shelf()?["installed_watts"].as_u64();
        if installed == Some(INSTALLED) {
            return Ok(Some(Ok(())));
        }
        Ok(fell_only.is_err().then_some(fell_only))
    })??;
    house.whole_again()?;
    let events = house.events(from)?;
    settles_longer_each_time(&events)?;
    is_one_loss(&events)
}

fn settles_longer_each_time(events: &[Value]) -> anyhow::Result<()> {
    let put_in = events.iter().filter(|event| event["kind"] == "supply_inserted");
    let moment = |text: &Value| -> anyhow::Result<Moment> { Ok(text.as_str().context("a moment")?.parse()?) };
    let settled: Vec<Duration> = put_in
        .map(|event| {
            let until = moment(&event["event"]["bay"]["life"]["until"])?;
            Ok(until.since(moment(&event["at"])?))
        })
        .collect::<anyhow::Result<_>>()?;
    let expected = [1, 2, 4].map(Duration::from_secs);
    ensure!(
        settled == expected,
        "it settled for {settled:?}, expected {expected:?}"
    );
    Ok(())
}

fn is_one_loss(events: &[Value]) -> anyhow::Result<()> {
    let at = |wanted: &dyn Fn(&Value) -> bool| -> Vec<u64> {
        let found = events.iter().filter(|event| wanted(event));
        found.filter_map(|event| event["sequence"].as_u64()).collect()
    };
    let watts = |event: &Value, name: &str| event["event"][name].as_f64().unwrap_or_default();
    let exposed = at(&|event| event["kind"] == "domain_exposed");
    let taken = at(&|event| watts(event, "taken") > 0.0);
    ensure!(
        exposed.len() == 1 && taken.len() == 1,
        "one loss: exposed at {exposed:?}, revocable taken at {taken:?}"
    );
    let back = at(&|event| event["kind"] == "supply_in_service");
    let given = at(&|event| watts(event, "given") > 0.0);
    let first = given.first().context("revocable watts were given back")?;
    ensure!(
        back.len() == 1 && back[0] < *first,
        "given back at {given:?}, and in service at {back:?}"
    );
    Ok(())
}

/// The shelf's BMC starts anew while a supply is lost: nobody is told of that, the session is not known any more, and so is the subscription.
/// The loss is found all the same, and the next event is heard again.
pub fn the_bmc_starts_anew(house: &House) -> anyhow::Result<()> {
    let world = &house.fleet.world;
    house.watch.begin();
    world.act(&["bmc", "shelf", "answer", "never"])?;
    world.act(&["bmc", "shelf", "reboot"])?;
    house.pull(6)?;
    world.act(&["bmc", "shelf", "answer", "ok"])?;
    house.installed_becomes(INSTALLED - SUPPLY)?;
    house.all_become(house.policy.firm, "what is firm")?;
    house.watch.only_falls()?;
    house.put_in(6)?;
    house.whole_again()?;
    let before = hints(house)?;
    house.pull(7)?;
    house.all_become(house.policy.firm, "what is firm")?;
    wait::until("an event of the BMC to be heard", PATIENCE, || {
        Ok((hints(house)? > before).then_some(()))
    })?;
    house.put_in(7)?;
    house.whole_again()
}

/// How many events of the shelf's BMC the controller has heard.
fn hints(house: &House) -> anyhow::Result<u64> {
    let page = http::get_text(house.fleet.url(), "/metrics")?;
    let line = page
        .lines()
        .find(|line| line.starts_with("busbar_rack_bmc_hints_total{") && line.contains("bmc=\"shelf\""));
    let (_, number) = line.and_then(|line| line.rsplit_once(' ')).context("hints")?;
    number.parse().context("a number")
}
