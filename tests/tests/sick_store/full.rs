//! The journal's disk is full.

use house_tests::http;
use house_tests::raise::Fleet;

use crate::disk;
use crate::stand::{
    LARGE, a_loss_is_lowered_for, claim, claimed, is_told, is_well, leases_go_on, limit_becomes, may_run,
    plan, refused, says, stands,
};

/// How the words of the refusal begin.
const WHY: &str = "the journal cannot be written";
/// More than fit into what a full disk has left in its last blocks.
const TRIES: usize = 200;

#[test]
fn a_full_disk_is_told_and_lowered_on_and_goes_on_by_itself() -> anyhow::Result<()> {
    if !may_run()? {
        return Ok(());
    }
    let mut fleet = Fleet::raise("full-disk", &plan())?;
    disk::make(&fleet)?;
    disk::start_rack(&mut fleet, "rw")?;
    let mut had = claimed(&fleet)?;
    disk::fill(&fleet)?;
    // The blocks that the journal has already still take a few.
    let mut said = String::new();
    for number in 0..TRIES {
        let name = format!("small-{number}");
        match claim(&fleet, &mut had, &name, &["--domain", "shelf", "--watts", "1"]) {
            Ok(()) => {}
            Err(error) => {
                said = format!("{error:#}");
                break;
            }
        }
    }
    let path = fleet.state_dir().join("rack.sqlite").display().to_string();
    says(&said, &["nothing was done", WHY, &path, "full"])?;
    let metrics = [
        ("busbar_rack_journal_writable", 0.0),
        ("busbar_rack_doubts{kind=\"journal\"}", 1.0),
    ];
    is_told(&fleet, &[WHY, &path, "full"], &metrics)?;
    // Nobody loses a claim to our disk.
    let until = |fleet: &Fleet| -> anyhow::Result<String> {
        let claims = http::get(fleet.url(), "/v1/claims")?;
        let brief = claims
            .as_array()
            .and_then(|all| all.iter().find(|one| one["for"] == "brief"));
        Ok(brief.map(|claim| claim["until"].to_string()).unwrap_or_default())
    };
    let before = until(&fleet)?;
    says(
        &refused(&fleet, &["renew", "brief"])?,
        &["it is done and not in the journal yet"],
    )?;
    anyhow::ensure!(until(&fleet)? > before, "not renewed: {before}");
    leases_go_on(&fleet)?;
    a_loss_is_lowered_for(&fleet)?;

    disk::empty(&fleet)?;
    limit_becomes(&fleet, 3, LARGE, "its claim again, now that the journal has why")?;
    is_well(&fleet)?;
    claim(&fleet, &mut had, "late", &["--domain", "shelf", "--watts", "1"])?;
    stands(&fleet, &had)?;
    fleet.kill_rack();
    disk::mend(&fleet)?;
    disk::start_rack(&mut fleet, "rw")?;
    stands(&fleet, &had)
}
