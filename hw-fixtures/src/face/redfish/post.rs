//! POST and DELETE: sessions, accounts, subscriptions and actions.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::accounts::{account_body, session_body};
use super::events::subscription_body;
use super::node::RESET_TYPES;
use super::patch::{checked_password, checked_user, json_object};
use super::service::link;
use super::{Bmc, Kind, ROOT, SESSIONS};
use crate::face::door::{ACCOUNT_LIMIT, Entrant, Privilege, Role};
use crate::face::reply::{self, X_AUTH_TOKEN};
use crate::face::trouble::Trouble;
use crate::world::Verb;

/// What can be posted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Sessions,
    Accounts,
    Subscriptions,
    TestEvent,
    Reset,
    /// Erase the drive in the bay of that index.
    Erase(usize),
}

impl Bmc {
    /// What a path takes a POST for; a collection's `Members` is the same as the collection.
    pub(super) fn post_target(&self, path: &str) -> Option<Target> {
        let path = path.strip_suffix("/Members").unwrap_or(path);
        Some(match path.strip_prefix(ROOT)? {
            "/SessionService/Sessions" => Target::Sessions,
            "/AccountService/Accounts" => Target::Accounts,
            "/EventService/Subscriptions" => Target::Subscriptions,
            "/EventService/Actions/EventService.SubmitTestEvent" => Target::TestEvent,
            "/Systems/node/Actions/ComputerSystem.Reset" if self.kind == Kind::Node => Target::Reset,
            path if self.kind == Kind::Jbof => Target::Erase(self.erase_target(path)?),
            _ => return None,
        })
    }

    pub(super) fn post(
        self: &Arc<Self>,
        target: Target,
        entrant: Option<&Entrant>,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Response, Trouble> {
        if target == Target::Sessions {
            return self.login(&json_object(headers, body)?);
        }
        let entrant = entrant.ok_or_else(Trouble::unauthorized)?;
        let needed = match target {
            Target::Sessions => Privilege::Login,
            Target::Accounts => Privilege::ConfigureUsers,
            Target::Subscriptions | Target::TestEvent => Privilege::ConfigureManager,
            Target::Reset | Target::Erase(_) => Privilege::ConfigureComponents,
        };
        if !entrant.may(needed) {
            return Err(Trouble::forbidden());
        }
        let asked = json_object(headers, body)?;
        match target {
            Target::Sessions => self.login(&asked),
            Target::Accounts => self.add_account(&asked),
            Target::Subscriptions => self.add_subscription(&asked),
            Target::TestEvent => self.test_event(&asked),
            Target::Reset => self.reset(&asked),
            Target::Erase(bay) => self.erase(bay, &asked),
        }
    }

    fn login(&self, asked: &Map<String, Value>) -> Result<Response, Trouble> {
        let (user, password) = (text(asked, "UserName")?, text(asked, "Password")?);
        let mut book = self.door.book();
        let (session, token) = book.open(&user, &password)?;
        let mut body = session_body(&session);
        if let Some(account) = book
            .accounts
            .get(&session.account)
            .filter(|account| account.change_required)
        {
            let path = format!("{ROOT}/AccountService/Accounts/{}", account.id);
            body["@Message.ExtendedInfo"] = json!([Trouble::password_change_required(&path).info()]);
        }
        let mut response = created(&format!("{SESSIONS}/{}", session.id), &body);
        reply::set(response.headers_mut(), X_AUTH_TOKEN, &token);
        Ok(response)
    }

    fn add_account(&self, asked: &Map<String, Value>) -> Result<Response, Trouble> {
        let user = checked_user("UserName", &text(asked, "UserName")?)?;
        let password = checked_password("Password", &text(asked, "Password")?)?;
        let role = text(asked, "RoleId")?;
        let list = "Administrator, Operator, ReadOnly";
        let role = Role::named(&role).ok_or_else(|| Trouble::not_in_list("RoleId", &json!(role), list))?;
        let mut book = self.door.book();
        if book.accounts.values().any(|account| account.user == user) {
            return Err(Trouble::exists("ManagerAccount", "UserName", &user));
        }
        if book.accounts.len() >= ACCOUNT_LIMIT {
            return Err(Trouble::create_limit());
        }
        let id = book.add_account(&user, &password, role);
        if let Some(account) = book.accounts.get_mut(&id) {
            account.enabled = asked.get("Enabled").and_then(Value::as_bool).unwrap_or(true);
            account.change_required = asked
                .get("PasswordChangeRequired")
                .and_then(Value::as_bool)
                .unwrap_or(false);
        }
        let body = book.accounts.get(&id).map(account_body).unwrap_or_default();
        Ok(created(&format!("{ROOT}/AccountService/Accounts/{id}"), &body))
    }

    fn add_subscription(&self, asked: &Map<String, Value>) -> Result<Response, Trouble> {
        let destination = text(asked, "Destination")?;
        let protocol = text(asked, "Protocol")?;
        if protocol != "Redfish" {
            return Err(Trouble::not_in_list("Protocol", &json!(protocol), "Redfish"));
        }
        let schemes = ["http://", "https://"];
        let rest = schemes.iter().find_map(|scheme| destination.strip_prefix(scheme));
        if rest.is_none_or(str::is_empty) || destination.parse::<axum::http::Uri>().is_err() {
            return Err(Trouble::out_of_range(
                "Destination",
                &json!(destination),
                "an http:// or https:// URL",
            ));
        }
        for (name, only) in [("SubscriptionType", "RedfishEvent"), ("EventFormatType", "Event")] {
            if let Some(value) = asked.get(name).filter(|value| value.as_str() != Some(only)) {
                return Err(Trouble::not_in_list(name, value, only));
            }
        }
        let context = asked
            .get("Context")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let made = self
            .desk
            .subscribe("RedfishEvent", Some(destination), Some(context));
        let made = made.ok_or_else(Trouble::create_limit)?;
        crate::face::desk::deliver(&self.desk, &made);
        let path = format!("{ROOT}/EventService/Subscriptions/{}", made.id);
        Ok(created(&path, &subscription_body(&made)))
    }

    fn test_event(&self, asked: &Map<String, Value>) -> Result<Response, Trouble> {
        let message_id = text(asked, "MessageId")?;
        let origin = asked.get("OriginOfCondition").and_then(Value::as_str);
        let origin = origin.unwrap_or("/redfish/v1/EventService");
        let origin = link(origin)["@odata.id"].as_str().unwrap_or_default().to_owned();
        self.desk.test(&self.live.now(), &message_id, &origin);
        Ok(reply::empty(StatusCode::NO_CONTENT))
    }

    fn reset(&self, asked: &Map<String, Value>) -> Result<Response, Trouble> {
        let kind = text(asked, "ResetType")?;
        let on = match kind.as_str() {
            "On" | "ForceOn" => true,
            "ForceOff" | "GracefulShutdown" => false,
            _ => {
                return Err(Trouble::not_in_list(
                    "ResetType",
                    &json!(kind),
                    &RESET_TYPES.join(", "),
                ));
            }
        };
        let verb = Verb::Power {
            node: self.name.clone(),
            on,
        };
        self.live
            .act(&verb)
            .map_err(|refusal| Trouble::conflict(&refusal.to_string()))?;
        Ok(reply::empty(StatusCode::NO_CONTENT))
    }

    pub(super) fn delete(&self, path: &str, entrant: &Entrant) -> Result<Response, Trouble> {
        let last = path.rsplit('/').next().unwrap_or_default();
        let allowed = |needed| entrant.may(needed).then_some(()).ok_or_else(Trouble::forbidden);
        if path.starts_with(SESSIONS) {
            let mut book = self.door.book();
            let own = book
                .session(last)
                .is_some_and(|session| session.account == entrant.account);
            allowed(if own {
                Privilege::ConfigureSelf
            } else {
                Privilege::ConfigureManager
            })?;
            book.close(last);
        } else if path.starts_with(&format!("{ROOT}/AccountService")) {
            allowed(Privilege::ConfigureUsers)?;
            if last == crate::face::door::FIRST_ACCOUNT {
                return Err(Trouble::conflict("the first account cannot be removed"));
            }
            self.door.book().remove_account(last);
        } else {
            allowed(Privilege::ConfigureManager)?;
            self.desk.unsubscribe(last);
        }
        Ok(reply::empty(StatusCode::NO_CONTENT))
    }
}

/// A property that must be there and must be a string.
pub(super) fn text(asked: &Map<String, Value>, name: &str) -> Result<String, Trouble> {
    match asked.get(name) {
        None => Err(Trouble::missing(name)),
        Some(Value::String(text)) => Ok(text.clone()),
        // A password given as a number must not be repeated either.
        Some(_) if name == "Password" => Err(Trouble::value_type(name, &json!("(not shown)"), "a string")),
        Some(value) => Err(Trouble::value_type(name, value, "a string")),
    }
}

fn created(path: &str, body: &Value) -> Response {
    let mut response = reply::json(StatusCode::CREATED, body);
    reply::set(response.headers_mut(), header::LOCATION, path);
    response
}
