//! PATCH: what can be set, and how it acts on the world.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::accounts::{MAX_PASSWORD, MIN_PASSWORD};
use super::{Bmc, Page};
use crate::face::door::{Entrant, Privilege, Role};
use crate::face::reply::{self, header_text};
use crate::face::trouble::Trouble;
use crate::quantity::milliwatts_from_json;

/// A session's timeout can be set between these, in seconds, as the schema says.
const SESSION_TIMEOUT_SECONDS: std::ops::RangeInclusive<u64> = 30..=86_400;

/// One change that a PATCH asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    Light(bool),
    Limit(Option<u64>),
    SessionTimeout(u64),
    Context(String),
    Password(String),
    Enabled(bool),
    Role(Role),
    UserName(String),
    NewPasswordNeeded(bool),
}

impl Bmc {
    pub(super) fn patch(
        self: &Arc<Self>,
        path: &str,
        entrant: &Entrant,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Response, Trouble> {
        let asked = json_object(headers, body)?;
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let page = self.page(path).ok_or_else(|| Trouble::not_found(path))?;
        let named = header_text(headers, header::IF_MATCH);
        if named.is_some_and(|tags| !page.etag().settings_named_by(tags)) {
            return Err(Trouble::precondition_failed());
        }
        let (mut changes, mut troubles) = (Vec::new(), Vec::new());
        for (name, value) in asked.iter().filter(|(name, _)| !name.starts_with('@')) {
            match change(&page, name, value) {
                Ok(change) => changes.extend(change),
                Err(trouble) => troubles.push(trouble),
            }
        }
        permit(entrant, path, &changes)?;
        let fatal = changes.is_empty();
        if fatal {
            return Err(Trouble::all(troubles).unwrap_or_else(Trouble::no_operation));
        }
        for change in &changes {
            self.apply(path, change)?;
        }
        let fresh = self.page(path).ok_or_else(|| Trouble::not_found(path))?;
        let etag = fresh.etag();
        let mut body = super::tagged(&fresh.body, &etag);
        if !troubles.is_empty() {
            body["@Message.ExtendedInfo"] = troubles.iter().map(Trouble::info).collect();
        }
        let mut response = reply::json(StatusCode::OK, &body);
        reply::set(response.headers_mut(), header::ETAG, &etag.text());
        reply::allow(response.headers_mut(), &fresh.methods);
        Ok(response)
    }

    fn apply(self: &Arc<Self>, path: &str, change: &Change) -> Result<(), Trouble> {
        let missing = || Trouble::not_found(path);
        let last = path.rsplit('/').next().unwrap_or_default();
        match change {
            Change::Light(on) if self.kind == super::Kind::Jbof => {
                let set = self
                    .live
                    .change(|world| world.set_drive_locate(&self.name, last, *on));
                let refused = || Trouble::internal("the light of this bay takes no order");
                set.then_some(()).ok_or_else(refused)
            }
            Change::Light(on) => self.light(path, last, *on).then_some(()).ok_or_else(missing),
            Change::Limit(limit) => {
                let set = self.live.change(|world| {
                    // This place knows no exception action.
                    world.set_exception(&self.name, None);
                    world.set_limit(&self.name, *limit)
                });
                set.then_some(()).ok_or_else(missing)
            }
            Change::SessionTimeout(seconds) => {
                self.door.book().timeout = Duration::from_secs(*seconds);
                Ok(())
            }
            Change::Context(context) => self
                .desk
                .set_context(last, context)
                .then_some(())
                .ok_or_else(missing),
            Change::Password(_)
            | Change::Enabled(_)
            | Change::Role(_)
            | Change::UserName(_)
            | Change::NewPasswordNeeded(_) => self.change_account(last, change).ok_or_else(missing)?,
        }
    }

    fn light(&self, path: &str, last: &str, on: bool) -> bool {
        let name = self.name.as_str();
        match self.kind {
            super::Kind::Node => self.live.change(|world| world.set_node_locate(name, on)),
            super::Kind::Shelf if path == self.chassis_path() => {
                self.live.change(|world| world.set_shelf_locate(on));
                true
            }
            super::Kind::Shelf => self.live.change(|world| world.set_bay_locate(last, on)),
            super::Kind::Jbof => self.live.change(|world| world.set_drive_locate(name, last, on)),
        }
    }

    fn change_account(&self, id: &str, change: &Change) -> Option<Result<(), Trouble>> {
        let mut book = self.door.book();
        if let Change::UserName(user) = change
            && book
                .accounts
                .values()
                .any(|other| other.user == *user && other.id != id)
        {
            return Some(Err(Trouble::exists("ManagerAccount", "UserName", user)));
        }
        let account = book.accounts.get_mut(id)?;
        account.generation = account.generation.saturating_add(1);
        match change {
            Change::Password(password) => {
                account.set_password(password);
                account.change_required = false;
            }
            Change::Enabled(on) => account.enabled = *on,
            Change::Role(role) => account.role = *role,
            Change::UserName(user) => account.user.clone_from(user),
            Change::NewPasswordNeeded(required) => account.change_required = *required,
            Change::Light(_) | Change::Limit(_) | Change::SessionTimeout(_) | Change::Context(_) => {}
        }
        Some(Ok(()))
    }
}

/// Whether the role may do all of this.
fn permit(entrant: &Entrant, path: &str, changes: &[Change]) -> Result<(), Trouble> {
    let own = path.ends_with(&format!("/Accounts/{}", entrant.account));
    let allowed = changes.iter().all(|change| match change {
        Change::Light(_) | Change::Limit(_) => entrant.may(Privilege::ConfigureComponents),
        Change::SessionTimeout(_) | Change::Context(_) => entrant.may(Privilege::ConfigureManager),
        Change::Password(_) => own || entrant.may(Privilege::ConfigureUsers),
        Change::Enabled(_) | Change::Role(_) | Change::UserName(_) | Change::NewPasswordNeeded(_) => {
            entrant.may(Privilege::ConfigureUsers)
        }
    });
    // Who may change nothing at all learns nothing about what could be changed either.
    let reads_only = changes.is_empty() && !own && !entrant.may(Privilege::ConfigureComponents);
    if allowed && !reads_only {
        Ok(())
    } else {
        Err(Trouble::forbidden())
    }
}

/// What one property of a PATCH asks for; `None` when it asks for nothing, such as an empty object.
fn change(page: &Page, name: &str, value: &Value) -> Result<Option<Change>, Trouble> {
    let kind = page
        .body
        .get("@odata.type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let kind = kind.trim_start_matches('#').split('.').next().unwrap_or_default();
    let boolean = || {
        value
            .as_bool()
            .ok_or_else(|| Trouble::value_type(name, value, "true or false"))
    };
    let text = || {
        value
            .as_str()
            .ok_or_else(|| Trouble::value_type(name, value, "a string"))
            .map(str::to_owned)
    };
    Ok(Some(match (kind, name) {
        ("PowerSupply" | "Drive" | "Chassis" | "ComputerSystem", "LocationIndicatorActive")
            if page.body.get(name).is_some() =>
        {
            Change::Light(boolean()?)
        }
        ("EnvironmentMetrics", "PowerLimitWatts") if page.body.get(name).is_some() => {
            return limit(page, value);
        }
        ("SessionService", "SessionTimeout") => {
            let seconds = value
                .as_u64()
                .ok_or_else(|| Trouble::value_type(name, value, "whole seconds"))?;
            if !SESSION_TIMEOUT_SECONDS.contains(&seconds) {
                return Err(Trouble::out_of_range(name, value, "30 to 86400 seconds"));
            }
            Change::SessionTimeout(seconds)
        }
        ("EventDestination", "Context") => Change::Context(text()?),
        ("ManagerAccount", "Password") => Change::Password(checked_password(name, &text()?)?),
        ("ManagerAccount", "Enabled") => Change::Enabled(boolean()?),
        ("ManagerAccount", "PasswordChangeRequired") => Change::NewPasswordNeeded(boolean()?),
        ("ManagerAccount", "UserName") => Change::UserName(checked_user(name, &text()?)?),
        ("ManagerAccount", "RoleId") => {
            let role = Role::named(&text()?);
            let list = "Administrator, Operator, ReadOnly";
            Change::Role(role.ok_or_else(|| Trouble::not_in_list(name, value, list))?)
        }
        (_, known) if page.body.get(known).is_some() => return Err(Trouble::not_writable(known)),
        (_, unknown) => return Err(Trouble::property_unknown(unknown)),
    }))
}

/// A password that an account may get. Its text is never repeated in an answer.
pub(super) fn checked_password(name: &str, password: &str) -> Result<String, Trouble> {
    if (MIN_PASSWORD..=MAX_PASSWORD).contains(&password.len()) {
        return Ok(password.to_owned());
    }
    let expected = format!("{MIN_PASSWORD} to {MAX_PASSWORD} characters");
    Err(Trouble::out_of_range(name, &json!("(not shown)"), &expected))
}

/// A user name that an account may get.
pub(super) fn checked_user(name: &str, user: &str) -> Result<String, Trouble> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    if !user.is_empty() && user.len() <= MAX_PASSWORD && user.chars().all(plain) {
        return Ok(user.to_owned());
    }
    Err(Trouble::out_of_range(
        name,
        &json!(user),
        "1 to 64 letters, digits, '-', '_', '.' and '@'",
    ))
}

/// `PowerLimitWatts`: a number sets the limit; null, or the mode `Disabled`, takes it away.
fn limit(page: &Page, value: &Value) -> Result<Option<Change>, Trouble> {
    const NAME: &str = "PowerLimitWatts";
    let Value::Object(asked) = value else {
        return Err(Trouble::value_type(NAME, value, "an object"));
    };
    let now = &page.body[NAME];
    if let Some(other) = asked
        .keys()
        .find(|key| !["SetPoint", "ControlMode"].contains(&key.as_str()))
    {
        let name = format!("{NAME}/{other}");
        let known = now.get(other).is_some();
        return Err(if known {
            Trouble::not_writable(&name)
        } else {
            Trouble::property_unknown(&name)
        });
    }
    let set_point = match asked.get("SetPoint") {
        None => None,
        Some(Value::Null) => Some(None),
        Some(value) => Some(Some(set_point(now, value)?)),
    };
    let mode = asked.get("ControlMode");
    match mode.map(Value::as_str) {
        None => Ok(set_point.map(Change::Limit)),
        Some(Some("Disabled")) => Ok(Some(Change::Limit(None))),
        Some(Some("Automatic")) => match set_point {
            Some(Some(limit)) => Ok(Some(Change::Limit(Some(limit)))),
            Some(None) => Err(Trouble::missing("PowerLimitWatts/SetPoint")),
            None if now["SetPoint"].is_null() => Err(Trouble::missing("PowerLimitWatts/SetPoint")),
            None => Ok(milliwatts_from_json(&now["SetPoint"]).map(|limit| Change::Limit(Some(limit)))),
        },
        Some(_) => {
            let value = mode.unwrap_or(&Value::Null);
            Err(Trouble::not_in_list(
                "PowerLimitWatts/ControlMode",
                value,
                "Automatic, Disabled",
            ))
        }
    }
}

fn set_point(now: &Value, value: &Value) -> Result<u64, Trouble> {
    const NAME: &str = "PowerLimitWatts/SetPoint";
    if !value.is_number() {
        return Err(Trouble::value_type(NAME, value, "a number of watts"));
    }
    let (min, max) = (&now["AllowableMin"], &now["AllowableMax"]);
    let wrong = || Trouble::out_of_range(NAME, value, &format!("{min} to {max} W"));
    let limit = milliwatts_from_json(value).ok_or_else(wrong)?;
    let bounds = milliwatts_from_json(min).unwrap_or(0)..=milliwatts_from_json(max).unwrap_or(u64::MAX);
    if bounds.contains(&limit) {
        Ok(limit)
    } else {
        Err(wrong())
    }
}

/// The body of a request as a JSON object.
///
/// # Errors
/// [`Trouble`] when its media type is another, or it is no JSON object.
pub fn json_object(headers: &HeaderMap, body: &Bytes) -> Result<Map<String, Value>, Trouble> {
    let media = header_text(headers, header::CONTENT_TYPE).unwrap_or("application/json");
    if !media.trim().to_ascii_lowercase().starts_with("application/json") {
        return Err(Trouble::not_json());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) | Err(_) => Err(Trouble::malformed()),
    }
}
