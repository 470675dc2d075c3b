//! What the document says of the routes of pooled drives.

use rack_api::client::IDEMPOTENCY_KEY;
use rack_api::v1::{DriveClaim, DriveClaimAsk, DriveView, DrivesView, EraseDrive, ProofView, VouchDrive};

use super::Operation;

const CLAIM: &str = "/v1/drives/claims/{claim}";

pub(super) fn drives() -> Vec<Operation> {
    let mut all = claims();
    all.extend(one());
    all
}

fn claims() -> Vec<Operation> {
    vec![
        Operation::get(
            "/v1/drives",
            "drives",
            "Pooled drives: enclosures, their bays, whose each drive is, and the claims of drives.",
        )
        .answers::<DrivesView>(200, "All of them."),
        Operation::change(
            "post",
            "/v1/drives/claims",
            "claim_drives",
            "Asks for drives, and for watts with them: all of it or nothing.",
        )
        .with(
            "header",
            IDEMPOTENCY_KEY,
            "string",
            "A UUID, say: the same key again is the same claim and gives the same answer.",
        )
        .may_be_dry()
        .takes::<DriveClaimAsk>()
        .answers::<DriveClaim>(201, "The claim, in the journal. Its drives are attached as their stages say.")
        .answers::<DriveClaim>(200, "In a dry run: the claim as it would be, without an id."),
        Operation::change(
            "delete",
            CLAIM,
            "release_drives",
            "Gives drives back, and the watts that were claimed with them. Each is fenced, held, and then erased.",
        )
        .with(
            "query",
            "erase_after_seconds",
            "integer",
            "How long they are held before they are erased; what the claim says where nothing is said.",
        )
        .answers::<DriveClaim>(200, "The claim as it was."),
        Operation::change(
            "post",
            "/v1/drives/claims/{claim}/renew",
            "renew_drives",
            "Lets a claim of drives with a time to live stand for that time again.",
        )
        .may_be_dry()
        .answers::<DriveClaim>(200, "The claim."),
    ]
}

fn one() -> Vec<Operation> {
    vec![
        Operation::change(
            "post",
            "/v1/drives/{serial}/enrol",
            "enrol_drive",
            "Has a foreign drive erased, so that it joins the pool. Its serial number is typed again in the body.",
        )
        .may_be_dry()
        .takes::<EraseDrive>()
        .answers::<DriveView>(200, "The drive; it is free when its erasure is proven."),
        Operation::change(
            "post",
            "/v1/drives/{serial}/erase",
            "erase_drive",
            "Has a held drive erased now, with what is on it. Its serial number is typed again in the body.",
        )
        .may_be_dry()
        .takes::<EraseDrive>()
        .answers::<DriveView>(200, "The drive."),
        Operation::change(
            "post",
            "/v1/drives/{serial}/vouch",
            "vouch_for_drive",
            "Says that what is on a held drive that was away is what its holder left.",
        )
        .may_be_dry()
        .takes::<VouchDrive>()
        .answers::<DriveView>(200, "The drive."),
        Operation::get(
            "/v1/drives/{serial}/proof",
            "drive_proof",
            "The last proof that a drive was erased.",
        )
        .with("query", "model", "string", "Its model; needed only where two drives have one serial number.")
        .answers::<ProofView>(200, "The proof, as the journal has it.")
        .may_refuse(&[400, 404, 409, 503]),
    ]
}
