//! Where a BMC listens for IPMI, who we are to it, which cipher suites we take, and how long we wait.

use std::fmt;
use std::time::Duration;

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::error::IpmiError;
use super::suite::Suite;
use crate::redfish::endpoint::Credentials;

/// RMCP's port.
const PORT: u16 = 623;
/// The longest password of RMCP+ (IPMI 2.0 section 22.30). A longer one would be cut by some BMCs and refused by others.
pub(super) const MAX_PASSWORD: usize = 20;
/// The longest user name.
const MAX_USERNAME: usize = 16;

/// What a session may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Privilege {
    /// Read sensors, inventory and events.
    User,
    /// Also identify, and power limits on most BMCs.
    Operator,
    /// Everything.
    Administrator,
}

impl Privilege {
    pub(super) const fn number(self) -> u8 {
        match self {
            Privilege::User => 2,
            Privilege::Operator => 3,
            Privilege::Administrator => 4,
        }
    }
}

/// The BMC's own key (Kg), where one was set: a second secret beside the password.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Kg([u8; MAX_PASSWORD]);

impl fmt::Debug for Kg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kg(..)")
    }
}

impl Kg {
    /// From up to 20 bytes; the rest is zero.
    ///
    /// # Errors
    /// Where there are more, with their number only.
    pub fn new(bytes: &[u8]) -> Result<Kg, IpmiError> {
        let mut key = [0; MAX_PASSWORD];
        if bytes.len() > MAX_PASSWORD {
            return Err(IpmiError::Unusable {
                address: "Kg".to_owned(),
                why: format!("has {} bytes; expected at most {MAX_PASSWORD}", bytes.len()),
            });
        }
        for (to, from) in key.iter_mut().zip(bytes) {
            *to = *from;
        }
        Ok(Kg(key))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// How long and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For one answer. 1 s: BMCs answer within 50 ms, and within some hundred while they are busy.
    pub answer: Duration,
    /// How often a command that only reads is sent before the BMC counts as silent. 3: one loss is common, two are rare.
    pub tries: u32,
    /// After which silence of ours a kept session is touched. 25 s: BMCs drop a session after 60 s.
    pub keep_alive: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            answer: Duration::from_secs(1),
            tries: 3,
            keep_alive: Duration::from_secs(25),
        }
    }
}

/// One BMC as we may reach it over IPMI.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// `HOST[:PORT]`; the port is 623 where none is given.
    pub address: String,
    /// Who we are.
    pub credentials: Credentials,
    /// The BMC's own key, where it has one.
    pub kg: Option<Kg>,
    /// Which suites are offered, the best first.
    pub suites: Vec<Suite>,
    /// What we need to be allowed.
    pub privilege: Privilege,
    /// Deadlines.
    pub limits: Limits,
}

impl Endpoint {
    /// With suites 17 and 3, the privilege of an operator, and the ordinary limits.
    pub fn new(address: impl Into<String>, credentials: Credentials) -> Endpoint {
        Endpoint {
            address: address.into(),
            credentials,
            kg: None,
            suites: vec![Suite::Seventeen, Suite::Three],
            privilege: Privilege::Operator,
            limits: Limits::default(),
        }
    }

    /// The same with exactly these suites, by number.
    ///
    /// # Errors
    /// Where suite 0 is named, or one that is not spoken.
    pub fn with_suites(mut self, numbers: &[u8]) -> Result<Endpoint, IpmiError> {
        let suites: Result<Vec<Suite>, _> = numbers.iter().map(|number| Suite::try_from(*number)).collect();
        self.suites = suites.map_err(|error| self.unusable(error.to_string()))?;
        Ok(self)
    }

    /// The host and the port to send to.
    pub(super) fn host_and_port(&self) -> Result<(String, u16), IpmiError> {
        let address = self.address.as_str();
        let expected = "expected HOST[:PORT]";
        // An IPv6 address has colons of its own; with a port it stands in brackets.
        let (host, port) = match address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, rest)) => (host, rest.strip_prefix(':')),
            None if address.matches(':').count() > 1 => (address, None),
            None => match address.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (address, None),
            },
        };
        let port = match port.map(str::parse) {
            None => PORT,
            Some(Ok(port)) if port != 0 => port,
            Some(_) => {
                return Err(self.unusable(format!("the port is no number from 1 to 65535; {expected}")));
            }
        };
        if host.is_empty() || host.contains(['/', '[', ']', ' ']) {
            return Err(self.unusable(format!("{host:?} is no host; {expected}")));
        }
        Ok((host.to_owned(), port))
    }

    /// Whether RMCP+ can carry who we are.
    pub(super) fn check(&self) -> Result<(), IpmiError> {
        let name = self.credentials.username().len();
        let password = self.credentials.password().len();
        if name > MAX_USERNAME {
            return Err(self.unusable(format!(
                "the user name has {name} bytes; expected at most {MAX_USERNAME}"
            )));
        }
        if password > MAX_PASSWORD {
            return Err(self.unusable(format!(
                "the password has {password} bytes; expected at most {MAX_PASSWORD}"
            )));
        }
        if self.suites.is_empty() {
            return Err(self.unusable("no cipher suite is offered; expected 17 or 3".to_owned()));
        }
        Ok(())
    }

    fn unusable(&self, why: String) -> IpmiError {
        IpmiError::Unusable {
            address: self.address.clone(),
            why,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(address: &str) -> Endpoint {
        Endpoint::new(address, Credentials::new("ADMIN", "secret-word"))
    }

    #[test]
    fn addresses_are_hosts_with_or_without_port() {
        for (address, host, port) in [
            ("192.0.2.1", "192.0.2.1", 623),
            ("bmc-7:9623", "bmc-7", 9623),
            ("2001:db8::1", "2001:db8::1", 623),
            ("[2001:db8::1]:9623", "2001:db8::1", 9623),
        ] {
            assert_eq!(at(address).host_and_port().unwrap(), (host.to_owned(), port));
        }
        for wrong in ["", ":623", "a:b", "a:0", "a:70000", "https://a"] {
            let words = at(wrong).host_and_port().unwrap_err().to_string();
            assert!(words.contains("HOST[:PORT]"), "{words}");
        }
    }

    #[test]
    fn what_rmcp_plus_cannot_carry_is_refused_before_anything_is_sent() {
        let long = Endpoint::new("a", Credentials::new("ADMIN", "a-password-of-21-bytes"));
        let words = long.check().unwrap_err().to_string();
        assert!(
            words.contains("22 bytes") && !words.contains("a-password"),
            "{words}"
        );
        assert!(
            Endpoint::new("a", Credentials::new("a-name-of-17-bytes", ""))
                .check()
                .is_err()
        );
        let zero = at("192.0.2.1").with_suites(&[0]).unwrap_err().to_string();
        assert!(
            zero.contains("192.0.2.1") && zero.contains("suite 0 is refused"),
            "{zero}"
        );
        assert!(at("a").with_suites(&[]).unwrap().check().is_err());
        assert!(Kg::new(&[0; 21]).is_err());
        assert!(!format!("{:?}", at("a")).contains("secret-word"));
    }
}
