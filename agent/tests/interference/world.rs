//! A made-up node: a victim with days and noise of its own, antagonists that come and go, and neighbours that are innocent.

use std::collections::BTreeMap;
use std::f64::consts::TAU;

use agent::interfere::{Sample, Standing};
use agent_api::v1::{Grade, Signal};
use facts::Moment;
use intent::{Priority, WorkloadId};

/// Minutes of a day.
pub const DAY: usize = 1_440;

/// One time in which an antagonist really hurt.
pub struct Episode {
    pub antagonist: WorkloadId,
    pub from: usize,
    pub to: usize,
}

/// What happened on one node, a minute a window, and the truth about it.
pub struct Trace {
    pub windows: Vec<Vec<Sample>>,
    pub episodes: Vec<Episode>,
    /// What makes the victim suffer, minute by minute; nothing where nobody wrote it down.
    pub causes: Vec<Cause>,
    /// The first window that counts; those before only make the history that everybody is judged by.
    pub from: usize,
}

/// One minute of a victim: its signal without anybody's harm, and who adds how many times that.
pub struct Cause {
    pub signal: Signal,
    pub calm: f64,
    pub hurts: Vec<(WorkloadId, f64)>,
}

/// By what an antagonist hurts, which decides which grade helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// It fills caches and memory bandwidth: little CPU time is enough for that.
    Memory,
    /// It takes CPU time, or the clock and the units of the core beside it.
    Time,
    /// It does what no part of a machine can be kept from: storms of interrupts, of translations thrown away.
    Stubborn,
}

impl Harm {
    /// Of an antagonist of a trace, decided by its name and the seed: a third each.
    pub fn of(seed: u64, antagonist: &WorkloadId) -> Harm {
        let number = antagonist.as_str().bytes().last().map_or(0, u64::from);
        match (seed / 4 + number) % 3 {
            0 => Harm::Memory,
            1 => Harm::Time,
            _ => Harm::Stubborn,
        }
    }

    /// Which part of the harm is left while it is held by this grade. Made up, as all of this world is: that a tenth of the CPU
    /// time keeps four fifths of the harm of a stream through memory is the case that the ladder is for.
    pub fn left(self, grade: Grade) -> f64 {
        match (self, grade) {
            (_, Grade::Freeze) => 0.0,
            (Harm::Memory, Grade::Cache) => 0.1,
            (Harm::Memory, Grade::CpuMax) => 0.8,
            (Harm::Memory, Grade::Move) => 0.2,
            (Harm::Time, Grade::Cache) => 1.0,
            (Harm::Time, Grade::CpuMax) => 0.1,
            (Harm::Time, Grade::Move) => 0.3,
            (Harm::Stubborn, _) => 0.9,
        }
    }
}

impl Trace {
    pub fn days(&self) -> f64 {
        (self.windows.len() - self.from) as f64 / DAY as f64
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same on every machine.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn between(&mut self, least: f64, most: f64) -> f64 {
        least + (most - least) * self.next()
    }

    fn windows(&mut self, least: usize, most: usize) -> usize {
        self.between(least as f64, most as f64) as usize
    }

    /// About normal, with variance 1: the sum of twelve even ones.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }
}

/// What a neighbour does with its time.
#[derive(Clone, Copy)]
enum Habit {
    /// Works in bursts, and hurts the victim by this much of its usual signal.
    Antagonist(f64),
    /// Works in bursts, and hurts nobody.
    Bursts,
    /// Works evenly.
    Steady,
    /// Works when the victim does.
    Daily,
    /// Works a minute here and there.
    Restless,
}

struct Neighbour {
    id: WorkloadId,
    habit: Habit,
    most: f64,
    is_on: bool,
    left: usize,
}

impl Neighbour {
    fn new(dice: &mut Dice, id: &str, habit: Habit) -> Neighbour {
        Neighbour {
            id: id.parse().unwrap(),
            habit,
            most: dice.between(2.0, 6.0),
            is_on: false,
            left: dice.windows(60, 400),
        }
    }

    /// CPUs in this minute.
    fn cpu(&mut self, dice: &mut Dice, load: f64) -> f64 {
        if self.left == 0 {
            self.is_on = !self.is_on;
            self.left = if self.is_on {
                dice.windows(8, 40)
            } else {
                dice.windows(120, 480)
            };
        }
        self.left -= 1;
        let noise = 1.0 + 0.1 * dice.normal();
        let part = match self.habit {
            Habit::Antagonist(_) | Habit::Bursts => f64::from(u8::from(self.is_on)) + 0.02,
            Habit::Steady => 0.5,
            Habit::Daily => 0.5 * load,
            Habit::Restless => dice.next().powi(3),
        };
        (self.most * part * noise).max(0.0)
    }
}

/// The victim's own: its day, its noise, and times in which it is slow by its own fault.
struct Victim {
    base: f64,
    daily: f64,
    phase: f64,
    noise: f64,
    drift: f64,
    own_fault: usize,
    own_factor: f64,
}

impl Victim {
    fn new(dice: &mut Dice, signal: Signal) -> Victim {
        let is_cpi = signal == Signal::CyclesPerInstruction;
        Victim {
            base: if is_cpi {
                dice.between(0.7, 2.0)
            } else {
                dice.between(0.03, 0.12)
            },
            daily: if is_cpi {
                dice.between(0.02, 0.12)
            } else {
                dice.between(0.1, 0.4)
            },
            phase: dice.between(0.0, TAU),
            noise: if is_cpi {
                dice.between(0.03, 0.08)
            } else {
                dice.between(0.1, 0.3)
            },
            drift: 0.0,
            own_fault: 0,
            own_factor: 1.0,
        }
    }

    fn load(&self, minute: usize) -> f64 {
        1.0 + 0.5 * (TAU * minute as f64 / DAY as f64 + self.phase).sin()
    }

    /// Its signal where nobody else makes it larger.
    fn signal(&mut self, dice: &mut Dice, minute: usize) -> f64 {
        if self.own_fault > 0 {
            self.own_fault -= 1;
        } else if dice.next() < 1.0 / DAY as f64 {
            self.own_fault = dice.windows(5, 20);
            self.own_factor = dice.between(1.3, 1.8);
        }
        let own = if self.own_fault > 0 { self.own_factor } else { 1.0 };
        self.drift = 0.5 * self.drift + self.noise * 0.87 * dice.normal();
        let day = 1.0 + self.daily * 2.0 * (self.load(minute) - 1.0);
        self.base * day * (1.0 + self.drift).max(0.2) * own
    }
}

/// The signal, where others make it this many times as large.
pub fn suffered(signal: Signal, calm: f64, hurt: f64) -> f64 {
    let value = calm * hurt;
    if signal == Signal::CyclesPerInstruction {
        value
    } else {
        value.min(1.0)
    }
}

fn habits(dice: &mut Dice, is_cpi: bool) -> Vec<Habit> {
    let hurt = |dice: &mut Dice| {
        if is_cpi {
            dice.between(0.5, 2.0)
        } else {
            dice.between(2.0, 8.0)
        }
    };
    let mut habits = Vec::new();
    // A quarter of all nodes have no antagonist, a quarter have two.
    let antagonists = match dice.windows(0, 4) {
        0 => 0,
        1 => 2,
        _ => 1,
    };
    for _ in 0..antagonists {
        habits.push(Habit::Antagonist(hurt(dice)));
    }
    habits.extend([
        Habit::Bursts,
        Habit::Bursts,
        Habit::Daily,
        Habit::Steady,
        Habit::Restless,
    ]);
    habits
}

/// Some days of one node, from this seed. Seeds are even for calibration and odd for judging, so that both halves have every
/// sort of node.
pub fn trace(seed: u64, days: usize) -> Trace {
    let mut dice = Dice(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let signal = if (seed / 2).is_multiple_of(2) {
        Signal::CyclesPerInstruction
    } else {
        Signal::Pressure
    };
    let mut victim = Victim::new(&mut dice, signal);
    let habits = habits(&mut dice, signal == Signal::CyclesPerInstruction);
    let mut neighbours: Vec<Neighbour> = Vec::new();
    for (number, habit) in habits.into_iter().enumerate() {
        neighbours.push(Neighbour::new(&mut dice, &format!("n{number}"), habit));
    }
    let mut trace = Trace {
        windows: Vec::new(),
        episodes: Vec::new(),
        causes: Vec::new(),
        from: 0,
    };
    for minute in 0..days * DAY {
        let load = victim.load(minute);
        let mut hurts = Vec::new();
        let mut window = Vec::new();
        for neighbour in &mut neighbours {
            let cpu = neighbour.cpu(&mut dice, load);
            if let (Habit::Antagonist(factor), true) = (neighbour.habit, neighbour.is_on) {
                hurts.push((neighbour.id.clone(), factor));
                note(&mut trace.episodes, &neighbour.id, minute);
            }
            window.push(sample(&neighbour.id, Standing::Actable, cpu, BTreeMap::new()));
        }
        let hurt = 1.0 + hurts.iter().map(|(_, factor)| factor).sum::<f64>();
        let calm = victim.signal(&mut dice, minute);
        trace.causes.push(Cause { signal, calm, hurts });
        let value = suffered(signal, calm, hurt);
        let cpu = 2.0 * load * (1.0 + 0.05 * dice.normal());
        let id = "victim".parse().unwrap();
        window.push(sample(
            &id,
            Standing::Protected,
            cpu,
            BTreeMap::from([(signal, value)]),
        ));
        trace.windows.push(window);
    }
    trace
}

fn note(episodes: &mut Vec<Episode>, antagonist: &WorkloadId, minute: usize) {
    let last = episodes
        .iter_mut()
        .rev()
        .find(|one| one.antagonist == *antagonist);
    match last {
        Some(last) if last.to + 1 == minute => last.to = minute,
        _ => episodes.push(Episode {
            antagonist: antagonist.clone(),
            from: minute,
            to: minute,
        }),
    }
}

fn sample(id: &WorkloadId, standing: Standing, cpu: f64, signals: BTreeMap<Signal, f64>) -> Sample {
    Sample {
        id: id.clone(),
        since: Moment::EPOCH,
        standing,
        priority: Priority::default(),
        cpu,
        bandwidth: None,
        signals,
    }
}
