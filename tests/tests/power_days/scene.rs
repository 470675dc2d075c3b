//! The racks that days are lived on, as their files say them: for the world and for the controller.

use std::path::Path;

use hw_fixtures::plan::Plan;
use rack_controller::config::RackConfig;

use crate::day::DETECT_MS;
use crate::dice::Dice;
use crate::lent::LEND_WINDOW_MS;

/// What kind of rack it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Twelve nodes on one shelf of six supplies; one of them may fail (`n+1`).
    Shelf,
    /// The same shelf on two feeds of which either may fail (`n+n`); both feeds are domains, and a budget stands over them.
    Feeds,
    /// The shelf at `n+1` with floors that nearly fill it: nodes go off as the last shed, and come on again one after the other.
    Floors,
    /// Forty ordinary servers with two supplies each, on two PDUs, below one budget.
    Servers,
}

/// One rack.
pub struct Scene {
    pub kind: Kind,
    /// Whether the operator accepts by name what silence and a loss at once can do.
    pub accepts: bool,
    pub margin_ppm: u64,
    /// The watts of the budget over everything, and the amperes and phases of each feed, where they are domains.
    above: Option<(u64, u64, u64)>,
    pub nodes: usize,
    /// The least that a node's caps can be, and the most that it draws.
    pub floor: u64,
    pub most: u64,
}

/// Tenants of the racks that have some: their quotas in firm and in revocable watts, and whether they may take the watts of others.
pub const TENANTS: [(&str, u64, u64, bool); 2] = [("red", 7_000, 1_500, true), ("blue", 5_000, 400, false)];

/// Of what a feed's breaker carries, the tenths that may be drawn for long.
const DERATED_TENTHS: u64 = 8;

impl Scene {
    pub fn new(kind: Kind, dice: &mut Dice) -> Scene {
        let accepts = dice.one_in(2);
        let margin_ppm = *dice.pick(&[0, 30_000]);
        let (nodes, floor, most) = match kind {
            Kind::Shelf => (12, 300, 2_400),
            Kind::Floors => (12, 1_200, 2_400),
            Kind::Feeds => (12, 300, 1_600),
            Kind::Servers => (40, 250, 1_000),
        };
        // Sometimes the budget is the tightest, and sometimes what hangs below it is.
        let above = match kind {
            Kind::Shelf | Kind::Floors => None,
            Kind::Feeds => Some((*dice.pick(&[7_500, 9_500, 30_000]), *dice.pick(&[50, 63, 160]), 1)),
            Kind::Servers => Some((*dice.pick(&[14_000, 20_000, 30_000]), *dice.pick(&[25, 63]), 3)),
        };
        Scene {
            kind,
            accepts,
            margin_ppm,
            above,
            nodes,
            floor,
            most,
        }
    }

    /// Who asks the nth time, where there are tenants.
    pub fn tenant(&self, number: u64) -> Option<String> {
        let (name, ..) = TENANTS[(number / 2 % 2) as usize];
        self.switches().then(|| name.to_owned())
    }

    /// The SMBIOS UUID of a node's machine.
    pub fn uuid(node: &str) -> String {
        format!("4c4c4544-0042-3510-8052-b4c04f5640{}", &node[1..])
    }

    /// What a node's load wants at the most. Where nodes are switched it is little: else a rack that is short of floors is dark before
    /// anybody is off.
    pub fn wants(&self) -> u64 {
        if self.switches() { 700 } else { self.most }
    }

    /// Whether the controller may switch nodes; then their BMCs tell whether they are on, and else what they draw.
    pub fn switches(&self) -> bool {
        self.kind == Kind::Floors
    }

    /// Whether the claims on a node lend, and its load wants little most of the time. Nobody there asks for revocable watts.
    pub fn lends(&self, node: usize) -> bool {
        !self.switches() && node.is_multiple_of(3)
    }

    /// Names of the domains that have supplies.
    pub fn sites(&self) -> Vec<String> {
        match self.kind {
            Kind::Shelf | Kind::Floors | Kind::Feeds => vec!["shelf".to_owned()],
            Kind::Servers => (1..=self.nodes).map(|number| format!("c{number:02}")).collect(),
        }
    }

    /// What all nodes together may have, in milliwatts: the budget, and each feed, because either has to carry them alone.
    pub fn limits_over_all(&self) -> Vec<(&'static str, u64)> {
        let Some((budget, amperes, phases)) = self.above else {
            return Vec::new();
        };
        let feed = 230 * amperes * phases * DERATED_TENTHS * 100;
        vec![("the budget", budget * 1_000), ("feed A", feed), ("feed B", feed)]
    }

    pub fn node_name(number: usize) -> String {
        format!("n{number:02}")
    }

    /// The supplies of one site: how many, and what each delivers.
    const fn supplies(&self) -> (usize, u64) {
        match self.kind {
            Kind::Shelf | Kind::Floors | Kind::Feeds => (6, 3_000),
            Kind::Servers => (2, 800),
        }
    }

    /// The feed that a bay hangs on.
    pub fn feed_of(&self, bay: usize) -> &'static str {
        if bay * 2 < self.supplies().0 { "A" } else { "B" }
    }

    /// The world of one site. Each of its inlets is a feed of its own there, because a feed fails supply by supply over seconds.
    pub fn plan(&self, site: &str, seed: u64) -> Plan {
        let (count, watts) = self.supplies();
        let mut text = format!("name = \"r\"\nseed = {seed}\n");
        for bay in 0..count {
            text.push_str(&format!("[[feed]]\nname = \"inlet-{bay}\"\n"));
        }
        text.push_str(&format!(
            "[shelf]\nname = \"{site}\"\nmaker = \"M\"\nmodel = \"S\"\nserial = \"1\"\noverload_time = \"1 s\"\noverload_factor = \"120 %\"\n"
        ));
        for bay in 0..count {
            text.push_str(&format!(
                "[[shelf.supply]]\nbay = \"psu-{bay}\"\nfeed = \"inlet-{bay}\"\nrated = \"{watts} W\"\nmaker = \"M\"\nmodel = \"P\"\n\
serial = \"S{site}{bay}\"\n"
            ));
        }
        let numbers = match self.kind {
            Kind::Shelf | Kind::Floors | Kind::Feeds => 1..=self.nodes,
            Kind::Servers => {
                let number = site.trim_start_matches('c').parse().expect("a server's number");
                number..=number
            }
        };
        for number in numbers {
            text.push_str(&format!(
                "[[node]]\nname = \"{}\"\nmaker = \"M\"\nmodel = \"N\"\nserial = \"N{number}\"\nidle = \"150 W\"\nmax_draw = \"{} W\"\n\
packages = 1\ncores_per_package = 8\nthreads_per_core = 2\nmemory = \"64 GiB\"\nlimit_lag = \"200 ms\"\n",
                Scene::node_name(number),
                self.most
            ));
        }
        Plan::parse(&text, Path::new("world.toml")).unwrap()
    }

    /// The controller's own tables: its host and its tenants, where nodes are switched.
    fn rack(&self) -> String {
        let mut text = "[rack]\nname = \"r\"\nmode = \"enforce\"\n".to_owned();
        if self.switches() {
            text.push_str(&format!(
                "controller_host = \"{}\"\n",
                Scene::node_name(self.nodes)
            ));
            for (name, firm, revocable, preempts) in TENANTS {
                text.push_str(&format!(
                    "[[tenant]]\nname = \"{name}\"\nfirm_watts = {firm}\nrevocable_watts = {revocable}\npreempt = {preempts}\n"
                ));
            }
        }
        text
    }

    /// The controller's file.
    pub fn config(&self) -> RackConfig {
        let margin = format!("{}.{:02}", self.margin_ppm / 1_000_000, self.margin_ppm / 10_000);
        let (_, amperes, phases) = self.above.unwrap_or((0, 63, 3));
        let mut text = self.rack();
        for feed in ["A", "B"] {
            text.push_str(&format!(
                "[[feed]]\nname = \"{feed}\"\nvolts = 230\nbreaker_amperes = {amperes}\nphases = {phases}\nderating = 0.{DERATED_TENTHS}\n"
            ));
        }
        let mut within = "";
        if let Some((watts, ..)) = self.above {
            within = "within = [\"pdu-a\", \"pdu-b\"]\n";
            text.push_str(&format!(
                "[[domain]]\nname = \"contract\"\nsource = \"budget\"\nbudget_watts = {watts}\nmargin = {margin}\n"
            ));
            for (name, feed) in [("pdu-a", "A"), ("pdu-b", "B")] {
                text.push_str(&format!(
                    "[[domain]]\nname = \"{name}\"\nsource = \"feed\"\nfeed = \"{feed}\"\nmargin = {margin}\nwithin = [\"contract\"]\n"
                ));
            }
        }
        let (source, policy) = match self.kind {
            Kind::Shelf | Kind::Floors => ("shelf", "n+1"),
            Kind::Feeds => ("shelf", "n+n"),
            Kind::Servers => ("chassis", "n+1"),
        };
        for (index, site) in self.sites().iter().enumerate() {
            text.push_str(&format!(
                "[[bmc]]\nname = \"{site}\"\nurl = \"https://192.0.2.{}\"\n[[domain]]\nname = \"{site}\"\nsource = \"{source}\"\n\
redundancy = \"{policy}\"\nmargin = {margin}\nsell_revocable = true\ndetect_within = \"{DETECT_MS}ms\"\naccept_silence = {}\npreempt = true\nlend_window = \"{LEND_WINDOW_MS}ms\"\n{within}",
                index + 10,
                self.accepts
            ));
            for bay in 0..self.supplies().0 {
                let feed = self.feed_of(bay);
                text.push_str(&format!(
                    "[[bay]]\nplace = \"{site}/psu-{bay}\"\nfeed = \"{feed}\"\n"
                ));
            }
        }
        let sites = self.sites();
        for number in 1..=self.nodes {
            let domain = sites.get(number - 1).unwrap_or(&sites[0]);
            let domain = if sites.len() == 1 { &sites[0] } else { domain };
            text.push_str(&format!(
                "[[node]]\nname = \"{}\"\ndomain = \"{domain}\"\nmax_draw_watts = {}\nfloor_watts = {}\nrest_watts = 40\n\
agent = \"https://192.0.2.9:9711\"\n",
                Scene::node_name(number),
                self.most,
                self.floor
            ));
            if self.switches() {
                let may = number < self.nodes;
                text.push_str(&format!(
                    "bmc = \"https://192.0.2.{}\"\nallow_power_off = {may}\nuuid = \"{}\"\n",
                    100 + number,
                    Scene::uuid(&Scene::node_name(number))
                ));
            } else {
                text.push_str(&format!("bmc = \"https://192.0.3.{number}\"\n"));
            }
        }
        let mut config = RackConfig::from_text(&text, Path::new("rack.toml")).unwrap();
        if let Some(host) = config.nodes.last_mut().filter(|_| self.switches()) {
            // No rack.toml may say that of the controller's host; whoever plans has that rule once more.
            host.allow_power_off = true;
        }
        config
    }
}
