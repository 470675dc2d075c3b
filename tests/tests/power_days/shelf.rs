//! The rack's files, and what the shelf's BMC says of the world.

use std::path::Path;

use facts::supply::{Supplies, Supply, SupplyDomain, SupplyState};
use facts::{Identity, NoData, Power, Reading};
use hw_fixtures::plan::Plan;
use hw_fixtures::world::{Phase, World};
use rack_controller::config::RackConfig;

use crate::day::{DETECT_MS, FLOOR_WATTS, MAX_WATTS, NODES};

/// What the shelf's BMC says of the world.
pub fn supplies(world: &World) -> Supplies {
    let one = |supply: &hw_fixtures::world::Supply| Supply {
        bay: supply.bay().to_owned(),
        resource: String::new(),
        label: None,
        identity: Identity {
            maker: supply.part().map(|part| part.maker.clone()),
            model: supply.part().map(|part| part.model.clone()),
            serial: supply.part().map(|part| part.serial.clone()),
        },
        state: match supply.phase() {
            Phase::Absent => SupplyState::Absent,
            Phase::Running => SupplyState::Ok,
            Phase::Starting => SupplyState::Off,
            Phase::HoldUp | Phase::NoInput => SupplyState::InputLost,
            Phase::Tripped | Phase::Failed => SupplyState::Faulted,
        },
        is_filler: false,
        rated_watts: match supply.part() {
            Some(part) => Reading::Value(Power::from_milliwatts(part.rated_milliwatts)),
            None => Reading::none(NoData::Absent),
        },
        output_watts: Reading::none(NoData::Unsupported),
        input_watts: Reading::none(NoData::Unsupported),
        hot_pluggable: Some(true),
        led: None,
    };
    Supplies {
        domains: vec![SupplyDomain {
            name: "shelf".to_owned(),
            supplies: world.supplies().iter().map(one).collect(),
            ..SupplyDomain::default()
        }],
        doubts: Vec::new(),
    }
}

/// The world's rack.
pub fn plan(seed: u64) -> Plan {
    let mut text = format!(
        "name = \"r\"\nseed = {seed}\n[[feed]]\nname = \"A\"\n[[feed]]\nname = \"B\"\n[shelf]\nname = \"shelf\"\nmaker = \"M\"\nmodel = \"S\"\n\
serial = \"1\"\noverload_time = \"1 s\"\noverload_factor = \"120 %\"\n"
    );
    for bay in 0..6 {
        let feed = if bay < 3 { "A" } else { "B" };
        text.push_str(&format!(
            "[[shelf.supply]]\nbay = \"psu-{bay}\"\nfeed = \"{feed}\"\nrated = \"3 kW\"\nmaker = \"M\"\nmodel = \"P\"\nserial = \"S{bay}\"\n"
        ));
    }
    for node in 1..=NODES {
        text.push_str(&format!(
            "[[node]]\nname = \"n{node:02}\"\nmaker = \"M\"\nmodel = \"N\"\nserial = \"N{node}\"\nidle = \"150 W\"\nmax_draw = \"{MAX_WATTS} W\"\n\
packages = 1\ncores_per_package = 8\nthreads_per_core = 2\nmemory = \"64 GiB\"\nlimit_lag = \"200 ms\"\n"
        ));
    }
    Plan::parse(&text, Path::new("rack.toml")).unwrap()
}

/// The controller's.
pub fn config(accepts: bool, margin: &str) -> RackConfig {
    let mut text = format!(
        "[rack]\nname = \"r\"\nmode = \"enforce\"\n[[feed]]\nname = \"A\"\nvolts = 230\nbreaker_amperes = 63\n[[feed]]\nname = \"B\"\nvolts = 230\n\
breaker_amperes = 63\n[[bmc]]\nname = \"shelf\"\nurl = \"https://192.0.2.5\"\n[[domain]]\nname = \"shelf\"\nsource = \"shelf\"\n\
redundancy = \"n+1\"\nmargin = {margin}\nsell_revocable = true\ndetect_within = \"{DETECT_MS}ms\"\naccept_silence = {accepts}\n"
    );
    for bay in 0..6 {
        let feed = if bay < 3 { "A" } else { "B" };
        text.push_str(&format!(
            "[[bay]]\nplace = \"shelf/psu-{bay}\"\nfeed = \"{feed}\"\n"
        ));
    }
    for node in 1..=NODES {
        text.push_str(&format!(
            "[[node]]\nname = \"n{node:02}\"\ndomain = \"shelf\"\nmax_draw_watts = {MAX_WATTS}\nfloor_watts = {FLOOR_WATTS}\n\
rest_watts = 40\nagent = \"https://192.0.2.9:9711\"\n"
        ));
    }
    RackConfig::from_text(&text, Path::new("rack.toml")).unwrap()
}
