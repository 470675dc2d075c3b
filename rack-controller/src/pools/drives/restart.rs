//! A drive whose enclosure's node started anew: the same drive, in the same bay, in another stay.
//!
//! The start itself has fenced it: what the node's kernel offered to others is gone with that kernel. So whoever had the drive may keep it
//! under the same grant, where nobody can have written to it meanwhile. Only the drive's own counter tells that.

use facts::Moment;

use super::{Denied, Drive, Grant, Seat, Stage, Tenancy};

impl Drive {
    /// It is where it was, in another boot of its enclosure's node. A claim of it stands, and is let in again where its counter shows that
    /// nothing was written meanwhile; else nobody is let in before somebody vouches for it. `believed`: somebody said beforehand that nobody
    /// touches the drives of this enclosure while it is dark, so that a counter that went further tells of the holder's last writes only.
    /// All else is as for a drive that was away.
    #[must_use]
    pub fn restarted(
        &self,
        seat: Seat,
        boot: Option<String>,
        written: Option<u64>,
        believed: bool,
        now: Moment,
    ) -> Drive {
        let before = self.written;
        let back = Drive {
            boot,
            ..self.returned(seat.clone(), written, now)
        };
        let Tenancy::Claimed(grant) = &self.tenancy else {
            return back;
        };
        let grant = Grant {
            arrival: seat.arrival,
            stage: Stage::Admitting,
            ..grant.clone()
        };
        // A counter never goes back: one that does is another drive's, or a drive that lies.
        let went_on = believed && written.is_none_or(|now| before.is_none_or(|before| now >= before));
        let is_same = before.is_some() && before == written;
        let unsealed = (!is_same && !went_on)
            .then(|| doubt(before, written))
            .or_else(|| self.unsealed.clone());
        Drive {
            tenancy: Tenancy::Claimed(grant),
            since: now,
            unsealed,
            ..back
        }
    }

    /// Nobody is let in to what is doubted.
    ///
    /// # Errors
    /// It is doubted: why.
    pub(super) fn sealed(&self) -> Result<(), Denied> {
        match &self.unsealed {
            Some(why) => Err(Denied::Unsealed {
                drive: self.id.clone(),
                why: why.clone(),
            }),
            None => Ok(()),
        }
    }
}

fn doubt(before: Option<u64>, now: Option<u64>) -> String {
    let known = |written: Option<u64>| written.map_or("none".to_owned(), |written| written.to_string());
    format!(
        "its enclosure's node started anew, and what was written to it meanwhile is not known: its counter was {} when it was read last, and \
         is {}",
        known(before),
        known(now)
    )
}
