//! Metrics of pooled drives.

use super::draft::Draft;
use super::family as f;
use crate::view::View;

pub(super) fn write(draft: &mut Draft<'_>, view: &View) {
    let Some(pooled) = &view.pooled else {
        return;
    };
    let mut samples = draft.family(&f::POOLED_DRIVES);
    if let (Some(lent), Some(shut)) = (pooled.lent, pooled.shut) {
        samples.add(&["lent"], Some(lent));
        samples.add(&["shut"], Some(shut));
    }
    draft.one(&f::POOLED_HUNG, pooled.hung);
    if pooled.answering > 0 || pooled.broken > 0 {
        let mut samples = draft.family(&f::ATTACHED_DRIVES);
        samples.add(&["answers"], Some(pooled.answering));
        samples.add(&["broken"], Some(pooled.broken));
    }
}
