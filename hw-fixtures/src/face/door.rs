//! Who may enter a BMC: accounts, roles, sessions with tokens, Basic authentication.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use sha2::{Digest, Sha256};

use super::reply::{X_AUTH_TOKEN, header_text};
use super::trouble::Trouble;
use crate::live::Listener;
use crate::world::{Event, Happening};

/// Sessions at one time; recorded BMCs give out eight and answer 503 after that.
pub const SESSION_LIMIT: usize = 8;
/// Accounts at one time, as on common BMCs.
pub const ACCOUNT_LIMIT: usize = 16;
/// A session that was not used for this long ends, unless the client sets another time.
const SESSION_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// The account that the credentials file names.
pub const FIRST_ACCOUNT: &str = "1";

/// What an account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Administrator,
    /// Everything but accounts and settings of the service.
    Operator,
    /// Looking.
    ReadOnly,
}

/// A privilege of the Redfish privilege model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    /// Read resources.
    Login,
    /// Change what is behind the service.
    ConfigureComponents,
    /// Change accounts.
    ConfigureUsers,
    /// Change the service.
    ConfigureManager,
    /// Change one's own password and end one's own session.
    ConfigureSelf,
}

impl Role {
    /// The standard roles.
    pub const ALL: [Self; 3] = [Self::Administrator, Self::Operator, Self::ReadOnly];

    /// Its name, which is its Id as well.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Administrator => "Administrator",
            Self::Operator => "Operator",
            Self::ReadOnly => "ReadOnly",
        }
    }

    /// The role of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// What the role may do.
    #[must_use]
    pub fn privileges(self) -> &'static [Privilege] {
        use Privilege::{ConfigureComponents, ConfigureManager, ConfigureSelf, ConfigureUsers, Login};
        match self {
            Self::Administrator => &[
                Login,
                ConfigureManager,
                ConfigureUsers,
                ConfigureSelf,
                ConfigureComponents,
            ],
            Self::Operator => &[Login, ConfigureSelf, ConfigureComponents],
            Self::ReadOnly => &[Login, ConfigureSelf],
        }
    }
}

impl Privilege {
    /// Its name in DMTF's privilege registry.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Login => "Login",
            Self::ConfigureComponents => "ConfigureComponents",
            Self::ConfigureUsers => "ConfigureUsers",
            Self::ConfigureManager => "ConfigureManager",
            Self::ConfigureSelf => "ConfigureSelf",
        }
    }
}

/// One account.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its Id.
    pub id: String,
    /// The user's name.
    pub user: String,
    /// What it may do.
    pub role: Role,
    /// Whether it may be used.
    pub enabled: bool,
    /// Whether its password must be changed first.
    pub change_required: bool,
    /// Counts its changes, those of the password too.
    pub generation: u64,
    password: [u8; 32],
}

impl Account {
    /// Sets another password.
    pub fn set_password(&mut self, password: &str) {
        self.password = digest(password);
    }
}

/// One session.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its Id.
    pub id: String,
    /// The account's Id.
    pub account: String,
    /// The user's name.
    pub user: String,
    token: String,
    used: Instant,
}

/// Someone who was let in.
#[derive(Debug, Clone)]
pub struct Entrant {
    /// The account's Id.
    pub account: String,
    /// What the account may do.
    pub role: Role,
    /// The session, unless this is Basic authentication.
    pub session: Option<String>,
    /// Whether the password must be changed first.
    pub change_required: bool,
}

impl Entrant {
    /// Whether the role has this privilege.
    #[must_use]
    pub fn may(&self, privilege: Privilege) -> bool {
        self.role.privileges().contains(&privilege)
    }
}

/// Accounts and sessions of one BMC.
pub struct Door {
    bmc: String,
    book: Mutex<Book>,
}

/// What the door knows.
pub struct Book {
    /// Accounts by Id.
    pub accounts: BTreeMap<String, Account>,
    /// How long a session lives without being used.
    pub timeout: Duration,
    sessions: Vec<Session>,
    next: u64,
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

impl Door {
    /// The door of this BMC with one administrator.
    #[must_use]
    pub fn new(bmc: &str, user: &str, password: &str) -> Self {
        let mut book = Book {
            accounts: BTreeMap::new(),
            timeout: SESSION_TIMEOUT,
            sessions: Vec::new(),
            next: 1,
        };
        book.add_account(user, password, Role::Administrator);
        Self {
            bmc: bmc.to_owned(),
            book: Mutex::new(book),
        }
    }

    /// What the door knows, without sessions that ended.
    pub fn book(&self) -> MutexGuard<'_, Book> {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let timeout = book.timeout;
        book.sessions.retain(|session| session.used.elapsed() < timeout);
        book
    }

    /// Lets someone in by the headers of a request; `Ok(None)` when they name nobody.
    ///
    /// # Errors
    /// [`Trouble`] 401 when they name somebody who is not known here, or with the wrong password.
    pub fn enter(&self, headers: &HeaderMap) -> Result<Option<Entrant>, Trouble> {
        let mut book = self.book();
        if let Some(token) = header_text(headers, X_AUTH_TOKEN) {
            return book.by_token(token).map(Some).ok_or_else(Trouble::unauthorized);
        }
        let Some(authorization) = header_text(headers, header::AUTHORIZATION) else {
            return Ok(None);
        };
        let pair = authorization
            .strip_prefix("Basic ")
            .and_then(base64)
            .and_then(|b| String::from_utf8(b).ok());
        let entrant = pair.and_then(|pair| {
            let (user, password) = pair.split_once(':')?;
            book.by_password(user, password)
        });
        entrant.map(Some).ok_or_else(Trouble::unauthorized)
    }
}

impl Listener for Door {
    fn hear(&self, event: &Event, _at: &str) {
        // Sessions live in a BMC's memory only.
        if matches!(&event.happening, Happening::Rebooted { bmc } if *bmc == self.bmc) {
            self.book().sessions.clear();
        }
    }
}

impl Book {
    /// Adds an account and answers its Id.
    pub fn add_account(&mut self, user: &str, password: &str, role: Role) -> String {
        let free = (1_u64..)
            .map(|id| id.to_string())
            .find(|id| !self.accounts.contains_key(id));
        let id = free.unwrap_or_default();
        let account = Account {
            id: id.clone(),
            user: user.to_owned(),
            role,
            enabled: true,
            change_required: false,
            generation: 0,
            password: digest(password),
        };
        self.accounts.insert(id.clone(), account);
        id
    }

    /// Removes an account and its sessions.
    pub fn remove_account(&mut self, id: &str) {
        self.accounts.remove(id);
        self.sessions.retain(|session| session.account != id);
    }

    /// The sessions.
    #[must_use]
    pub fn sessions(&self) -> &[Session] {
        &self.sessions
    }

    /// The session of that Id.
    #[must_use]
    pub fn session(&self, id: &str) -> Option<&Session> {
        self.sessions.iter().find(|session| session.id == id)
    }

    /// Ends a session.
    pub fn close(&mut self, id: &str) {
        self.sessions.retain(|session| session.id != id);
    }

    /// Opens a session and answers it with its token.
    ///
    /// # Errors
    /// [`Trouble`] 401 for a wrong password, 503 when all sessions are taken.
    pub fn open(&mut self, user: &str, password: &str) -> Result<(Session, String), Trouble> {
        let entrant = self
            .by_password(user, password)
            .ok_or_else(Trouble::unauthorized)?;
        if self.sessions.len() >= SESSION_LIMIT {
            return Err(Trouble::session_limit());
        }
        let token = format!(
            "{}{}",
            uuid::Uuid::new_v4().simple(),
            uuid::Uuid::new_v4().simple()
        );
        let session = Session {
            id: self.next.to_string(),
            account: entrant.account,
            user: user.to_owned(),
            token: token.clone(),
            used: Instant::now(),
        };
        self.next = self.next.saturating_add(1);
        self.sessions.push(session.clone());
        Ok((session, token))
    }

    fn by_password(&self, user: &str, password: &str) -> Option<Entrant> {
        let wanted = digest(password);
        let account = self
            .accounts
            .values()
            .find(|account| account.user == user && account.enabled)?;
        (account.password == wanted).then(|| Self::entrant(account, None))
    }

    fn by_token(&mut self, token: &str) -> Option<Entrant> {
        let session = self.sessions.iter_mut().find(|session| session.token == token)?;
        session.used = Instant::now();
        let account = self
            .accounts
            .get(&session.account)
            .filter(|account| account.enabled)?;
        Some(Self::entrant(account, Some(session.id.clone())))
    }

    fn entrant(account: &Account, session: Option<String>) -> Entrant {
        Entrant {
            account: account.id.clone(),
            role: account.role,
            session,
            change_required: account.change_required,
        }
    }
}

/// Decodes standard base64; `None` for anything else.
fn base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim().trim_end_matches('=');
    let mut bytes = Vec::with_capacity(text.len());
    let (mut held, mut bits) = (0_u32, 0_u32);
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        held = (held << 6) | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((held >> bits) & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn base64_is_read_and_rubbish_is_not() {
        assert_eq!(base64("YWRtaW46c2VjcmV0").unwrap(), b"admin:secret");
        assert_eq!(base64("YTpi").unwrap(), b"a:b");
        assert_eq!(base64("YTo=").unwrap(), b"a:");
        assert!(base64("a:b").is_none());
    }

    #[test]
    fn eight_sessions_and_no_ninth() {
        let door = Door::new("shelf", "admin", "secret");
        for _ in 0..SESSION_LIMIT {
            door.book().open("admin", "secret").unwrap();
        }
        let refused = door.book().open("admin", "secret").unwrap_err();
        assert_eq!(refused.status, axum::http::StatusCode::SERVICE_UNAVAILABLE);
        let id = door.book().sessions()[0].id.clone();
        door.book().close(&id);
        assert!(door.book().open("admin", "secret").is_ok());
        assert!(door.book().open("admin", "wrong").is_err());
    }
}
