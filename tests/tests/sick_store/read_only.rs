//! The journal's disk has an error, and its file system is read-only from then on.

use anyhow::Context;
use house_tests::raise::Fleet;

use crate::disk;
use crate::stand::{
    LARGE, a_loss_is_lowered_for, claim, claimed, installed, is_told, is_well, leases_go_on, limit_becomes,
    may_run, plan, refused, says, stands,
};

#[test]
fn a_read_only_disk_is_told_and_lowered_on_and_mended_by_an_admin() -> anyhow::Result<()> {
    if !may_run()? {
        return Ok(());
    }
    let mut fleet = Fleet::raise("read-only", &plan())?;
    disk::make(&fleet)?;
    disk::start_rack(&mut fleet, "errors=remount-ro")?;
    let mut had = claimed(&fleet)?;
    disk::fault(&fleet)?;
    let path = fleet.state_dir().join("rack.sqlite").display().to_string();
    let words = [
        "the journal cannot be written",
        &path,
        "its file system is read-only",
    ];
    let said = refused(
        &fleet,
        &[
            "claim", "power", "--for", "tardy", "--domain", "shelf", "--watts", "1",
        ],
    )?;
    says(&said, &["nothing was done"])?;
    says(&said, &words)?;
    let metrics = [
        ("busbar_rack_journal_writable", 0.0),
        ("busbar_rack_doubts{kind=\"journal\"}", 1.0),
    ];
    is_told(&fleet, &words, &metrics)?;
    leases_go_on(&fleet)?;
    a_loss_is_lowered_for(&fleet)?;

    // What an admin does, as the words say: stop it, check the disk, mount it writable, start it.
    fleet.kill_rack();
    disk::mend(&fleet)?;
    let started = disk::start_rack(&mut fleet, "ro");
    let said = started
        .err()
        .context("it starts on a disk that cannot be written")?;
    says(&format!("{said:#}"), &["rack.lock", "Read-only file system"])?;
    disk::mend(&fleet)?;
    disk::start_rack(&mut fleet, "errors=remount-ro")?;
    stands(&fleet, &had)?;
    installed(&fleet, 18_000)?;
    limit_becomes(&fleet, 3, LARGE, "its claim again")?;
    is_well(&fleet)?;
    claim(&fleet, &mut had, "tardy", &["--domain", "shelf", "--watts", "1"])?;
    stands(&fleet, &had)
}
