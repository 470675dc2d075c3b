//! Vendors' oddities as a table: one row an oddity, each with the evidence for it. An unknown vendor has no row, and gets doubts instead.

/// Who speaks: the service's vendor and product, and the chassis' maker and model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Speaker {
    /// `Vendor` and `Product` of the service root, `Manufacturer` and `Model` of the chassis, joined.
    words: String,
}

impl Speaker {
    /// From whatever of these is known.
    pub fn of<'a>(words: impl IntoIterator<Item = &'a Option<String>>) -> Speaker {
        let known: Vec<String> = words
            .into_iter()
            .flatten()
            .map(|word| word.to_ascii_lowercase())
            .collect();
        Speaker {
            words: known.join(" | "),
        }
    }
}

/// What `MinNumNeeded` and `MinNeededInGroup` mean to a vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MinNeeded {
    /// As the schema has it: as many members must be there for the group to be *still fault tolerant*.
    ToTolerate,
    /// As many members must be there for the load to be carried at all.
    ToRun,
}

/// What is odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// The model is no supply, but fills a bay for the air.
    Filler,
    /// `LastPowerOutputWatts` of each supply is the chassis' total.
    LastOutputIsTotal,
    /// `CapacityWatts` is more than the supplies can deliver.
    CapacityInflated,
    /// What the smallest number needed means.
    Means(MinNeeded),
    /// The recorded limit's exception is a hard power-off, also where no limit is in force.
    LimitPowersOff,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// A lower-case word that the speaker's names contain.
    pub speaker: &'static str,
    /// What the supply's model begins with; `None` for any.
    pub model: Option<&'static str>,
    /// What is odd.
    pub oddity: Oddity,
    /// Where it was seen.
    pub evidence: &'static str,
}

/// The table.
pub const TABLE: [Row; 12] = [
    Row {
        speaker: "supermicro",
        model: Some("PWS-DF"),
        oddity: Oddity::Filler,
        evidence: "8U GPU server: bays 6 and 7 hold PWS-DF009-2F, shown Enabled and OK, no watts at all; its SEL never logged them as installed",
    },
    Row {
        speaker: "supermicro",
        model: None,
        oddity: Oddity::Means(MinNeeded::ToRun),
        evidence: "8U GPU server: MinNumNeeded 1 of 8; a group of one tolerates no fault, so the schema's meaning is impossible",
    },
    Row {
        speaker: "hpe",
        model: None,
        oddity: Oddity::LastOutputIsTotal,
        evidence: "ProLiant XL675d: 779 W at each of four supplies, 779 W consumed by the chassis",
    },
    Row {
        speaker: "hpe",
        model: None,
        oddity: Oddity::Means(MinNeeded::ToTolerate),
        evidence: "iLO 5, DL385: MinNumNeeded 2 of 2 supplies of which one carries the load",
    },
    Row {
        speaker: "lenovo",
        model: None,
        oddity: Oddity::LastOutputIsTotal,
        evidence: "ThinkSystem SR670 V2: LastPowerOutputWatts 635 at each of four supplies that deliver 150 W each",
    },
    Row {
        speaker: "lenovo",
        model: None,
        oddity: Oddity::Means(MinNeeded::ToRun),
        evidence: "ThinkSystem SR670 V2: MinNumNeeded 2 of 4 beside PowerFailureLimit 2",
    },
    Row {
        speaker: "dell",
        model: None,
        oddity: Oddity::CapacityInflated,
        evidence: "iDRAC 9: CapacityWatts 6720 over two supplies of 2400 W, 1.4 times what they deliver",
    },
    Row {
        speaker: "dell",
        model: None,
        oddity: Oddity::LimitPowersOff,
        evidence: "iDRAC 9: LimitException HardPowerOff at 1205 W although capping is off",
    },
    Row {
        speaker: "dgxh100",
        model: None,
        oddity: Oddity::Means(MinNeeded::ToRun),
        evidence: "DGX H100: MinNeededInGroup 1 of 6; a group of one tolerates no fault",
    },
    Row {
        speaker: "dgxh100",
        model: None,
        oddity: Oddity::LimitPowersOff,
        evidence: "DGX H100: LimitException HardPowerOff at 500 W in a machine that draws kilowatts",
    },
    Row {
        speaker: "gigabyte",
        model: None,
        oddity: Oddity::LimitPowersOff,
        evidence: "H262-Z63: LimitException HardPowerOff at 500 W, control Disabled",
    },
    Row {
        speaker: "contoso",
        model: None,
        oddity: Oddity::Means(MinNeeded::ToRun),
        evidence: "DMTF's power-shelf mock-up: MinNeededInGroup 2 of 6 supplies of 2000 W beside CapacityWatts 12000",
    },
];

/// The row that says this of this speaker, and of this model where the row names one.
pub fn row(speaker: &Speaker, model: Option<&str>, odd: impl Fn(Oddity) -> bool) -> Option<&'static Row> {
    TABLE.iter().find(|row| {
        odd(row.oddity)
            && speaker.words.contains(row.speaker)
            && row
                .model
                .is_none_or(|begins| model.is_some_and(|model| model.starts_with(begins)))
    })
}

/// What the smallest number needed means to this speaker, where that is known.
pub fn min_needed(speaker: &Speaker) -> Option<MinNeeded> {
    TABLE.iter().find_map(|row| match row.oddity {
        Oddity::Means(meaning) if speaker.words.contains(row.speaker) => Some(meaning),
        Oddity::Means(_)
        | Oddity::Filler
        | Oddity::LastOutputIsTotal
        | Oddity::CapacityInflated
        | Oddity::LimitPowersOff => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_match_whom_they_name_and_nobody_else() {
        let supermicro = Speaker::of([&None, &Some("Supermicro".to_owned())]);
        let other = Speaker::of([&Some("Example".to_owned())]);
        let filler = |oddity| oddity == Oddity::Filler;
        assert!(row(&supermicro, Some("PWS-DF009-2F"), filler).is_some());
        assert!(row(&supermicro, Some("PWS-3K06G-2R"), filler).is_none());
        assert!(row(&supermicro, None, filler).is_none());
        assert!(row(&other, Some("PWS-DF009-2F"), filler).is_none());
        assert_eq!(min_needed(&supermicro), Some(MinNeeded::ToRun));
        assert_eq!(min_needed(&other), None);
    }

    #[test]
    fn every_row_has_evidence_and_can_match() {
        for row in TABLE {
            assert!(row.evidence.len() > 20, "{row:?}");
            assert_eq!(row.speaker, row.speaker.to_ascii_lowercase(), "{row:?}");
        }
    }
}
