//! The pure core: the worked example's sums, and how long a decision takes.

use std::time::Duration;

use anyhow::{Context, ensure};
use facts::supply::{Supplies, Supply, SupplyDomain, SupplyState};
use facts::{Identity, Moment, Power, Reading};
use nix::time::{ClockId, clock_gettime};
use rack_api::v1::PowerAsk;
use rack_controller::config::RackConfig;
use rack_controller::decide::{Input, Refusal, decide};
use rack_controller::pools::power::plan;
use rack_controller::rack::{Event, LeaseSight, Proof, Rack, What, evolve};

use crate::sample::{Sample, told};

/// Nodes of the rack, and claims that stand while others ask.
const NODES: u64 = 64;
const CLAIMS: u64 = 512;
/// Decisions that are timed.
const ASKS: u64 = 4_000;

fn watts(watts: u64) -> Power {
    Power::from_watts(watts).unwrap_or(Power::ZERO)
}

fn config(policy: &str, margin: &str) -> anyhow::Result<RackConfig> {
    let mut text = format!(
        "[rack]\nname = \"r\"\nmode = \"enforce\"\nstate_dir = \"/nowhere\"\n[[feed]]\nname = \"A\"\nvolts = 230\nphases = 3\n\
         breaker_amperes = 63\nderating = 0.8\n[[feed]]\nname = \"B\"\nvolts = 230\nphases = 3\nbreaker_amperes = 63\nderating = 0.8\n\
         [[domain]]\nname = \"shelf\"\nsource = \"shelf\"\nredundancy = \"{policy}\"\nmargin = {margin}\nfixed_load_watts = 0\n\
         overload_factor = 1.2\noverload_for = \"1s\"\nsell_revocable = true\ndetect_within = \"300ms\"\naccept_silence = true\n\
         [[bmc]]\nname = \"shelf\"\nurl = \"https://127.0.0.1:1\"\n"
    );
    for bay in 0..6 {
        let feed = if bay < 3 { "A" } else { "B" };
        text.push_str(&format!(
            "[[bay]]\nplace = \"shelf/psu-{bay}\"\nlabel = \"PSU {bay}\"\nfeed = \"{feed}\"\n"
        ));
    }
    for node in 1..=NODES {
        text.push_str(&format!(
            "[[node]]\nname = \"n{node:02}\"\ndomain = \"shelf\"\nmax_draw_watts = 400\nfloor_watts = 60\nrest_watts = 40\n\
             agent = \"http://127.0.0.1:1\"\n"
        ));
    }
    RackConfig::from_text(&text, std::path::Path::new("/nowhere")).map_err(anyhow::Error::from)
}

/// A rack whose supplies are in service.
struct Bench {
    rack: Rack,
    now: Moment,
}

impl Bench {
    fn raise(config: &RackConfig, supplies: usize) -> anyhow::Result<Bench> {
        let mut bench = Bench {
            rack: Rack::new(config),
            now: Moment::from_millis(1_000),
        };
        let version = "0".to_owned();
        bench.take(&Input::Started { version })?;
        for _ in 0..8 {
            bench.now = bench.now.after(std::time::Duration::from_secs(1));
            let input = Input::SuppliesSeen {
                bmc: "shelf".to_owned(),
                supplies: shelf(supplies),
                read_at: bench.now,
            };
            bench.take(&input)?;
        }
        bench.proven();
        Ok(bench)
    }

    /// Caps were seen to bite, and to be lowered soon: else nothing revocable is granted, and decisions have less to do.
    fn proven(&mut self) {
        let proof = Proof {
            cap: watts(60),
            before: watts(400),
            under: watts(60),
            at: self.now,
        };
        let mut happened = vec![What::LoweringTimed {
            node: "n01".to_owned(),
            took_millis: 20,
        }];
        happened.extend((1..=NODES).map(|node| What::CapProven {
            node: format!("n{node:02}"),
            proof: proof.clone(),
        }));
        for what in happened {
            evolve(&mut self.rack, &Event::new(self.now, what));
        }
    }

    /// Every agent has answered its order.
    fn obeyed(&mut self) -> Result<(), Refusal> {
        for _ in 0..4 {
            let orders = self.rack.kept.orders.clone();
            for (node, order) in orders.iter() {
                let seen = LeaseSight {
                    answered: order.number,
                    in_force: Some(order.cap),
                    applied: true,
                    ..LeaseSight::default()
                };
                let node = node.clone();
                self.take(&Input::LeaseSeen { node, seen })?;
            }
        }
        Ok(())
    }

    fn take(&mut self, input: &Input) -> Result<(), Refusal> {
        for event in decide(&self.rack, input, self.now)? {
            evolve(&mut self.rack, &event);
        }
        Ok(())
    }
}

fn shelf(supplies: usize) -> Supplies {
    let one = |bay: usize| Supply {
        bay: format!("psu-{bay}"),
        resource: String::new(),
        label: None,
        identity: Identity {
            maker: None,
            model: None,
            serial: Some(format!("S{bay}")),
        },
        state: if bay < supplies {
            SupplyState::Ok
        } else {
            SupplyState::Absent
        },
        is_filler: false,
        rated_watts: Reading::Value(watts(3_000)),
        output_watts: Reading::none(facts::NoData::Unsupported),
        input_watts: Reading::none(facts::NoData::Unsupported),
        hot_pluggable: Some(true),
        led: None,
    };
    Supplies {
        domains: vec![SupplyDomain {
            name: "shelf".to_owned(),
            supplies: (0..6).map(one).collect(),
            ..SupplyDomain::default()
        }],
        doubts: Vec::new(),
    }
}

/// What six supplies sell, in thousandths of what is installed.
pub fn yields() -> anyhow::Result<()> {
    for (key, supplies, policy, margin) in [
        ("yield.6.n+1.0", 6, "n+1", "0.0"),
        ("yield.6.n+1.0.03", 6, "n+1", "0.03"),
        ("yield.4.n+1.0", 4, "n+1", "0.0"),
        ("yield.6.n+n.0", 6, "n+n", "0.0"),
    ] {
        let config = config(policy, margin)?;
        let bench = Bench::raise(&config, supplies)?;
        let sums = plan::standing(&bench.rack, "shelf").context("the shelf's sums")?;
        let domain = config.domain("shelf").context("the shelf")?;
        let ride = plan::ride_limit(&sums, domain.overload_factor_ppm);
        let total = ride.share(1_000_000 - domain.margin_ppm);
        let percent = |part: Power| part.milliwatts() as f64 * 100.0 / sums.installed.milliwatts() as f64;
        told(key, percent(sums.firm), &format!("{:.1}", percent(total)));
    }
    Ok(())
}

/// CPU time of this thread: what else runs on this machine is no part of a decision.
fn cpu_time() -> anyhow::Result<Duration> {
    Ok(Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?))
}

/// An ask for watts, decided: 64 nodes, hundreds of claims, admissions and refusals alike.
pub fn timed() -> anyhow::Result<()> {
    let config = config("n+1", "0.0")?;
    let mut bench = Bench::raise(&config, 6)?;
    let ask = |number: u64, firm: u64, revocable: u64| PowerAsk {
        watts: watts(firm),
        revocable_watts: watts(revocable),
        purpose: format!("w{number}"),
        node: Some(format!("n{:02}", 1 + number % NODES)),
        priority: Some(u8::try_from(1 + number % 9).unwrap_or(5)),
        ..PowerAsk::default()
    };
    for number in 0..CLAIMS {
        let input = Input::ClaimPower {
            ask: ask(number, 25, 5),
            key: None,
        };
        bench.take(&input)?;
    }
    bench.obeyed()?;
    ensure!(
        bench.rack.kept.claims.len() as u64 == CLAIMS,
        "claims are missing"
    );
    ensure!(
        bench.rack.kept.granted.len() as u64 == CLAIMS,
        "nothing revocable is granted"
    );
    let (mut admitted, mut refused) = (Sample::default(), Sample::default());
    for number in 0..ASKS {
        let is_large = number % 4 == 3;
        let input = Input::ClaimPower {
            ask: ask(CLAIMS + number, if is_large { 390 } else { 3 }, 0),
            key: None,
        };
        let began = cpu_time()?;
        let decided = decide(&bench.rack, &input, bench.now);
        match decided {
            Ok(events) => {
                for event in &events {
                    evolve(&mut bench.rack, event);
                }
                admitted.add(cpu_time()? - began);
            }
            Err(_) => {
                refused.add(cpu_time()? - began);
                continue;
            }
        }
        bench.take(&Input::ReleaseClaim {
            claim: format!("w{}", CLAIMS + number),
        })?;
    }
    admitted.tell("decide.admitted");
    refused.tell("decide.refused");
    Ok(())
}
