//! Each BMC of the list asked once for its supplies and its node.

use bmc::{Bmc, NodeFacts};
use facts::supply::Supplies;
use futures_util::StreamExt as _;
use futures_util::stream;

use super::list::Line;

/// BMCs that are asked at the same time: a whole rack in seconds, and one silent BMC delays no other.
const MAX_AT_ONCE: usize = 16;

/// What one BMC said, or why it said nothing.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The line of the list.
    pub line: Line,
    /// The supplies and the node; or the reason in a sentence.
    pub found: Result<(Supplies, Option<NodeFacts>), String>,
    /// The certificate that was shown, where the list trusts it without naming it.
    pub fingerprint: Option<String>,
    /// Requests that could change something; measured, and always 0.
    pub writes_made: u64,
}

/// All BMCs, in the list's order.
pub(super) async fn all(lines: &[Line]) -> Vec<Survey> {
    stream::iter(lines.to_vec())
        .map(one)
        .buffered(MAX_AT_ONCE)
        .collect()
        .await
}

async fn one(line: Line) -> Survey {
    let mut survey = Survey {
        found: Err(String::new()),
        fingerprint: None,
        writes_made: 0,
        line,
    };
    let endpoint = match survey.line.access.endpoint(&survey.line.url) {
        Ok(endpoint) => endpoint,
        Err(error) => {
            survey.found = Err(error.to_string());
            return survey;
        }
    };
    let bmc = match Bmc::connect(endpoint).await {
        Ok(bmc) => bmc,
        Err(error) => {
            survey.found = Err(error.whole());
            return survey;
        }
    };
    survey.found = match bmc::supplies(&bmc).await {
        Ok(supplies) => Ok((supplies, bmc::node(&bmc).await.ok())),
        Err(error) => Err(error.whole()),
    };
    bmc.close().await;
    survey.fingerprint = bmc.fingerprint().map(|print| print.to_string());
    survey.writes_made = bmc.writes_made();
    survey
}
