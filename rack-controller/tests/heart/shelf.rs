//! A shelf as the test holds it in its hands, and dice.

use facts::supply::{Supplies, Supply, SupplyDomain, SupplyState};
use facts::{Identity, NoData, Power, Reading};

/// A small generator (splitmix64): the same seed gives the same day everywhere.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }
}

/// What is in one bay.
#[derive(Clone, Debug)]
pub struct Part {
    pub serial: u64,
    pub watts: u64,
    pub state: SupplyState,
    /// Whether it delivers its share, where outputs are told.
    pub works: bool,
}

/// One BMC's bays.
pub struct Shelf {
    pub name: &'static str,
    pub bays: Vec<Option<Part>>,
    pub leds: Vec<bool>,
    pub silent: bool,
    pub tells_output: bool,
    /// A bay of which the BMC says too little to tell.
    pub unclear: Option<usize>,
    /// What the last answered look showed; `None` before the first.
    pub looked: Option<Vec<Option<Part>>>,
}

impl Shelf {
    pub fn new(name: &'static str, bays: usize, tells_output: bool) -> Shelf {
        let part = |bay: usize| Part {
            serial: bay as u64,
            watts: 3_000,
            state: SupplyState::Ok,
            works: true,
        };
        Shelf {
            name,
            bays: (0..bays).map(|bay| Some(part(bay))).collect(),
            leds: vec![false; bays],
            silent: false,
            tells_output,
            unclear: None,
            looked: None,
        }
    }

    /// What its BMC says. A pulled supply is listed as absent, or not at all.
    pub fn say(&self, dice: &mut Dice) -> Supplies {
        let omits = dice.one_in(2) && self.bays.iter().any(Option::is_some);
        let supplies = self
            .bays
            .iter()
            .enumerate()
            .filter(|(bay, part)| part.is_some() || !omits || self.unclear == Some(*bay))
            .map(|(bay, part)| self.one(bay, part.as_ref()))
            .collect();
        Supplies {
            domains: vec![SupplyDomain {
                name: self.name.to_owned(),
                supplies,
                ..SupplyDomain::default()
            }],
            doubts: Vec::new(),
        }
    }

    fn one(&self, bay: usize, part: Option<&Part>) -> Supply {
        let output = |part: &Part| {
            if !self.tells_output {
                return Reading::none(NoData::Unsupported);
            }
            let share = if part.works && part.state == SupplyState::Ok {
                1_000
            } else {
                0
            };
            Reading::Value(Power::from_watts(share).unwrap())
        };
        Supply {
            bay: format!("psu-{bay}"),
            resource: format!(
                "/redfish/v1/Chassis/{}/PowerSubsystem/PowerSupplies/psu-{bay}",
                self.name
            ),
            label: None,
            identity: Identity {
                maker: part.map(|_| "Maker".to_owned()),
                model: part.map(|_| "M".to_owned()),
                serial: part.map(|part| format!("S{}", part.serial)),
            },
            state: if self.unclear == Some(bay) {
                SupplyState::Unknown
            } else {
                part.map_or(SupplyState::Absent, |part| part.state)
            },
            is_filler: false,
            rated_watts: part.map_or(Reading::none(NoData::Absent), |part| {
                Reading::Value(Power::from_watts(part.watts).unwrap())
            }),
            output_watts: part.map_or(Reading::none(NoData::Absent), output),
            input_watts: Reading::none(NoData::Unsupported),
            hot_pluggable: None,
            led: Some(self.leds[bay]),
        }
    }
}
