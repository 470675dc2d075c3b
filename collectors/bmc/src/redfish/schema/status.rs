//! `Status`: state and health of anything.

use super::Fields;

/// `Status.State` and `Status.Health`, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// `State`.
    pub state: Option<String>,
    /// `Health`.
    pub health: Option<String>,
}

impl Status {
    /// Of a resource or of one of its objects.
    pub fn read(fields: &Fields<'_>) -> Status {
        match fields.object("Status") {
            Some(status) => Status {
                state: status.text("State"),
                health: status.text("Health"),
            },
            None => Status::default(),
        }
    }

    /// Whether the state is this one.
    pub fn is(&self, state: &str) -> bool {
        self.state.as_deref() == Some(state)
    }
}
