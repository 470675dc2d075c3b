//! What happens in the week, from a seed: a list of deeds by the second, and the causes that somebody must know of.

use std::collections::BTreeMap;

pub const MINUTE: u64 = 60;
pub const HOUR: u64 = 60 * MINUTE;
pub const DAY: u64 = 24 * HOUR;
pub const WEEK: u64 = 7 * DAY;

/// Something that is done to the rack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// The supply of a bay is gone; nobody asked.
    Pull(usize),
    /// A supply is in the bay, the one that was or another.
    Insert(usize),
    /// The supply of a bay breaks.
    Break(usize),
    /// The supplies of a feed lose their input, one after another.
    InputLost(usize),
    /// And have it again.
    InputBack(usize),
    /// Somebody swaps a bay's supply, by `busbar swap`.
    Swap(usize),
    /// Somebody drains a bay to pull it.
    Drain(usize),
    /// A BMC falls silent (0 is the shelf's), and is back.
    BmcSilent(usize),
    BmcBack(usize),
    /// An agent falls silent, and is back.
    AgentSilent(usize),
    AgentBack(usize),
    /// An agent tells facts and takes no orders, and takes them again.
    OrdersRefused(usize),
    OrdersTaken(usize),
    /// A node draws more than its cap, and is calibrated later.
    Overdraw(usize),
    Calibrated(usize),
    /// The shelf's BMC claims another redundancy; somebody acknowledges it.
    Claims,
    Acknowledge,
    /// The journal's disk is full, and is not.
    DiskFull,
    DiskFree,
    /// The controller is away, and is back.
    Away,
    Back,
    /// Somebody pauses a node (or the rack, 0) for an hour.
    Pause(usize),
    /// Claims grow or shrink: on the days when the shelf is sold out, a loss exposes.
    Sell(u64),
    /// An event comes twice: one more look.
    Look,
}

/// Whether a cause is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// By this alert, once.
    Alert(&'static str),
    /// Not at all: somebody does it on purpose.
    Silence,
}

/// Something that lasts.
#[derive(Clone, Copy, Debug)]
pub struct Cause {
    pub telling: Telling,
}

/// The week.
pub struct Script {
    pub deeds: BTreeMap<u64, Vec<Deed>>,
    pub causes: Vec<Cause>,
    dice: u64,
}

impl Script {
    pub fn new(seed: u64) -> Script {
        let mut script = Script {
            deeds: BTreeMap::new(),
            causes: Vec::new(),
            dice: seed,
        };
        script.causes();
        script.later_causes();
        script.on_purpose();
        script.noise();
        script
    }

    /// splitmix64: the same seed gives the same week everywhere.
    fn below(&mut self, bound: u64) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.dice;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn at(&mut self, second: u64, deed: Deed) {
        self.deeds.entry(second).or_default().push(deed);
    }

    fn cause(&mut self, telling: Telling, begins: u64, deeds: &[(u64, Deed)]) {
        self.causes.push(Cause { telling });
        let shift = self.below(20 * MINUTE);
        for (after, deed) in deeds {
            self.at(begins + shift + after, deed.clone());
        }
    }

    /// What goes wrong, each a while apart from the others.
    fn causes(&mut self) {
        use Deed::*;
        use Telling::Alert;
        self.at(MINUTE, Sell(2_750));
        self.cause(
            Alert("BusbarSupplyPulledUnasked"),
            2 * HOUR,
            &[(0, Pull(1)), (50 * MINUTE, Insert(1))],
        );
        self.cause(
            Alert("BusbarBmcSilent"),
            6 * HOUR,
            &[(0, BmcSilent(2)), (45 * MINUTE, BmcBack(2))],
        );
        self.cause(
            Alert("BusbarDomainBlind"),
            12 * HOUR,
            &[(0, BmcSilent(0)), (25 * MINUTE, BmcBack(0))],
        );
        self.cause(
            Alert("BusbarRackDown"),
            20 * HOUR,
            &[(0, Away), (12 * MINUTE, Back)],
        );
        self.cause(
            Alert("BusbarNodeUnreachable"),
            DAY + 2 * HOUR,
            &[(0, AgentSilent(4)), (30 * MINUTE, AgentBack(4))],
        );
        self.cause(
            Alert("BusbarOrdersUnanswered"),
            DAY + 8 * HOUR,
            &[(0, OrdersRefused(1)), (25 * MINUTE, OrdersTaken(1))],
        );
        self.cause(
            Alert("BusbarJournalStuck"),
            DAY + 14 * HOUR,
            &[(0, DiskFull), (10 * MINUTE, DiskFree)],
        );
    }

    /// What goes wrong with supplies and with what is said of them.
    fn later_causes(&mut self) {
        use Deed::*;
        use Telling::Alert;
        // A day on which the shelf is sold out: what was redundant without one supply is exposed.
        self.at(2 * DAY, Sell(3_250));
        self.cause(
            Alert("BusbarRedundancyLost"),
            2 * DAY + 2 * HOUR,
            &[(0, Pull(5)), (40 * MINUTE, Insert(5))],
        );
        self.at(2 * DAY + 20 * HOUR, Sell(2_750));
        let feed: Vec<(u64, Deed)> = [(0, 3), (3, 5), (8, 4)]
            .into_iter()
            .map(|(after, bay)| (after, InputLost(bay)))
            .collect();
        let back = [3, 4, 5].into_iter().map(|bay| (15 * MINUTE, InputBack(bay)));
        let feed: Vec<(u64, Deed)> = feed.into_iter().chain(back).collect();
        self.cause(Alert("BusbarDeficit"), 3 * DAY + 2 * HOUR, &feed);
        self.cause(
            Alert("BusbarSupplyFaulted"),
            3 * DAY + 9 * HOUR,
            &[
                (0, Break(2)),
                (3 * HOUR, Swap(2)),
                (3 * HOUR + 5 * MINUTE, Insert(2)),
            ],
        );
        self.cause(
            Alert("BusbarCapDoubted"),
            4 * DAY + 2 * HOUR,
            &[(0, Overdraw(3)), (2 * HOUR, Calibrated(3))],
        );
        self.cause(
            Alert("BusbarRedundancyClaimDiffers"),
            4 * DAY + 8 * HOUR,
            &[(0, Claims), (6 * HOUR, Acknowledge)],
        );
    }

    /// What somebody does on purpose.
    fn on_purpose(&mut self) {
        use Deed::*;
        use Telling::Silence;
        // Swaps on days with room, and one on the day when it leaves the shelf exposed for twelve minutes.
        for (day, bay) in [(0, 0), (1, 3), (4, 4), (5, 1), (6, 2)] {
            self.cause(
                Silence,
                day * DAY + 16 * HOUR,
                &[
                    (0, Swap(bay)),
                    (3 * MINUTE, Pull(bay)),
                    (12 * MINUTE, Insert(bay)),
                ],
            );
        }
        self.cause(
            Silence,
            2 * DAY + 12 * HOUR,
            &[(0, Swap(3)), (2 * MINUTE, Pull(3)), (14 * MINUTE, Insert(3))],
        );
        self.cause(
            Silence,
            2 * DAY + 16 * HOUR,
            &[(0, Drain(0)), (2 * MINUTE, Pull(0)), (25 * MINUTE, Insert(0))],
        );
        // Work on a node, and on the rack: what falls silent there is known.
        self.cause(
            Silence,
            5 * DAY + 2 * HOUR,
            &[
                (0, Pause(3)),
                (MINUTE, AgentSilent(3)),
                (35 * MINUTE, AgentBack(3)),
            ],
        );
        self.cause(
            Silence,
            5 * DAY + 8 * HOUR,
            &[(0, Pause(0)), (MINUTE, BmcSilent(1)), (30 * MINUTE, BmcBack(1))],
        );
    }

    /// What comes and goes, at any time of the week but within other things that last.
    fn noise(&mut self) {
        use Deed::*;
        for _ in 0..60 {
            let node = 1 + self.below(4) as usize;
            self.brief(AgentSilent(node), AgentBack(node), 2, 40);
        }
        for _ in 0..25 {
            let node = 1 + self.below(4) as usize;
            self.brief(BmcSilent(node), BmcBack(node), 20, 100);
        }
        for _ in 0..8 {
            self.brief(BmcSilent(0), BmcBack(0), 10, 80);
        }
        for _ in 0..4 {
            self.brief(Away, Back, 15, 60);
        }
        for _ in 0..12 {
            let bay = self.below(6) as usize;
            self.brief(Pull(bay), Insert(bay), 1, 12);
        }
        for _ in 0..100 {
            let second = self.below(WEEK - HOUR);
            self.at(second, Look);
        }
    }

    /// From a quarter to each hour on, where nothing else begins, and over within two minutes.
    fn brief(&mut self, begins: Deed, ends: Deed, least: u64, most: u64) {
        loop {
            let hour = self.below(7 * 24 - 1);
            let begin = hour * HOUR + 30 * MINUTE + self.below(25 * MINUTE);
            let lasts = least + self.below(most - least);
            let near = self
                .deeds
                .range(begin.saturating_sub(10 * MINUTE)..begin + 10 * MINUTE);
            let is_free = near
                .flat_map(|(_, deeds)| deeds)
                .all(|deed| matches!(deed, Deed::Look));
            if is_free && !self.lasts_something(begin) {
                self.at(begin, begins);
                self.at(begin + lasts, ends);
                return;
            }
        }
    }

    /// Whether something that lasts has begun within the last four hours and is not over: noise upon it would be a second cause.
    fn lasts_something(&self, second: u64) -> bool {
        use Deed::*;
        let before: Vec<&Deed> = self
            .deeds
            .range(second.saturating_sub(4 * HOUR)..second)
            .flat_map(|(_, deeds)| deeds)
            .collect();
        let open = |begin: &dyn Fn(&Deed) -> bool, end: &dyn Fn(&Deed) -> bool| {
            let begun = before.iter().filter(|deed| begin(deed)).count();
            begun > before.iter().filter(|deed| end(deed)).count()
        };
        open(
            &|deed| matches!(deed, Pull(_) | Break(_) | InputLost(_)),
            &|deed| matches!(deed, Insert(_) | InputBack(_)),
        ) || open(&|deed| matches!(deed, Away), &|deed| matches!(deed, Back))
            || open(&|deed| matches!(deed, BmcSilent(_)), &|deed| {
                matches!(deed, BmcBack(_))
            })
            || open(
                &|deed| matches!(deed, AgentSilent(_) | OrdersRefused(_)),
                &|deed| matches!(deed, AgentBack(_) | OrdersTaken(_)),
            )
            || open(&|deed| matches!(deed, DiskFull), &|deed| matches!(deed, DiskFree))
            || open(&|deed| matches!(deed, Overdraw(_)), &|deed| {
                matches!(deed, Calibrated(_))
            })
    }
}
