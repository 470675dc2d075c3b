//! A feed is proven by its plug: somebody pulls it at the PDU of a feed, and the BMC shows whose input is gone. The supply is out of the sums
//! meanwhile, behind the same interlock as everything that takes one away.

use std::collections::BTreeSet;
use std::time::Duration;

use rack_api::client::{ClientError, RackClient};
use rack_api::v1::{BayLife, BayView, DrainFor, DrainRequest, RackView};
use tokio::time::Instant;

/// How often it is looked whether a plug is out or in.
const LOOK: Duration = Duration::from_millis(300);
/// For a plug to be found and pulled, in seconds: as long as a supply may stay out of the sums for this.
const PLUG_SECONDS: u32 = 1_800;
/// For a plug to be put back and its supply to be in service again; then the next bay comes, and this one is told.
const BACK: Duration = Duration::from_secs(600);

/// Takes a supply out of the sums and waits until its plug is pulled. False, with the reason said, where that may not be now, where its BMC
/// does not tell, or where nobody pulled it in time.
pub(super) async fn unplugged(rack: &RackClient, domain: &str, bay: &BayView) -> anyhow::Result<bool> {
    if bay.input != Some(true) {
        eprintln!("  its BMC does not say that it has input; its feed stays assumed");
        return Ok(false);
    }
    all_settled(rack, domain).await?;
    let request = DrainRequest {
        place: bay.place.clone(),
        purpose: DrainFor::SwitchOff,
        for_seconds: Some(PLUG_SECONDS),
        ..DrainRequest::default()
    };
    let sentence = match rack.drain(&request).await {
        Ok(answer) if answer.begun => {
            eprintln!("  pull its plug at the PDU; its BMC is watched for up to {PLUG_SECONDS} s");
            return pulled(rack, domain, bay).await;
        }
        Ok(answer) => answer.sentence,
        Err(ClientError::Refused { error, .. }) => error.message,
        Err(error) => return Err(error.into()),
    };
    eprintln!("  {sentence}; its feed stays assumed");
    Ok(false)
}

/// Waits until no supply is on its way back: only one at a time may leave.
async fn all_settled(rack: &RackClient, domain: &str) -> anyhow::Result<()> {
    let began = Instant::now();
    while began.elapsed() < BACK {
        let view = rack.rack().await?;
        let domain = view.domains.iter().find(|other| other.name == domain);
        let mut bays = domain.into_iter().flat_map(|domain| &domain.bays);
        if !bays.any(|bay| matches!(bay.life, BayLife::Settling | BayLife::Probation)) {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Waits until this supply and no other has lost its input.
async fn pulled(rack: &RackClient, domain: &str, bay: &BayView) -> anyhow::Result<bool> {
    let without = |view: &RackView| -> BTreeSet<String> {
        let domain = view.domains.iter().find(|other| other.name == domain);
        let bays = domain.into_iter().flat_map(|domain| &domain.bays);
        let lost = bays.filter(|bay| bay.input == Some(false));
        lost.map(|bay| bay.label.clone()).collect()
    };
    let before = without(&rack.rack().await?);
    let mut told = BTreeSet::new();
    loop {
        let view = rack.rack().await?;
        let lost: BTreeSet<String> = without(&view).difference(&before).cloned().collect();
        let others: BTreeSet<String> = lost
            .iter()
            .filter(|label| **label != bay.label)
            .cloned()
            .collect();
        if others.is_empty() && lost.contains(&bay.label) {
            return Ok(true);
        }
        if !others.is_empty() && others != told {
            let names: Vec<&str> = others.iter().map(String::as_str).collect();
            eprintln!(
                "  that took the input of {}, and {} is meant: put it back in",
                names.join(", "),
                bay.label
            );
            told = others;
        }
        let life = life_of(&view, &bay.place);
        if !matches!(life, Some(BayLife::Draining | BayLife::ReadyToPull)) {
            eprintln!("  nobody pulled it in time; its feed stays assumed");
            return Ok(false);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until the plug is in again and the supply in service.
pub(super) async fn plugged(rack: &RackClient, bay: &BayView) -> anyhow::Result<()> {
    eprintln!("  put the plug back in");
    let began = Instant::now();
    let mut given_back = false;
    while began.elapsed() < BACK {
        let view = rack.rack().await?;
        let seen = bay_of(&view, &bay.place);
        if seen.is_some_and(|seen| seen.input == Some(true)) && !given_back {
            let request = DrainRequest {
                place: bay.place.clone(),
                cancel: true,
                ..DrainRequest::default()
            };
            match rack.drain(&request).await {
                // Its time was over, and it is on its way by itself.
                Ok(_) | Err(ClientError::Refused { .. }) => given_back = true,
                Err(error) => return Err(error.into()),
            }
        }
        if given_back && life_of(&view, &bay.place) == Some(BayLife::InService) {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
    eprintln!(
        "  {} is not back in service after {} s; see: busbar show power",
        bay.label,
        BACK.as_secs()
    );
    Ok(())
}

fn bay_of<'a>(view: &'a RackView, place: &str) -> Option<&'a BayView> {
    let mut bays = view.domains.iter().flat_map(|domain| &domain.bays);
    bays.find(|bay| bay.place == place)
}

fn life_of(view: &RackView, place: &str) -> Option<BayLife> {
    bay_of(view, place).map(|bay| bay.life)
}
