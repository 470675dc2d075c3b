//! Sessions, accounts and roles as resources.

use axum::http::Method;
use serde_json::{Value, json};

use super::service::{collection, fine, link, resource_with};
use super::{Bmc, Page, ROOT, SESSIONS, types};
use crate::face::door::{Account, Role, Session};

/// The shortest password an account may get.
pub const MIN_PASSWORD: usize = 8;
/// The longest password an account may get.
pub const MAX_PASSWORD: usize = 64;

impl Bmc {
    pub(super) fn account_page(&self, segments: &[&str]) -> Option<Page> {
        let path = format!("{ROOT}/{}", segments.join("/"));
        let book = self.door.book();
        Some(match segments {
            ["SessionService"] => {
                Page::new(session_service(&path, book.timeout.as_secs())).with(&[Method::PATCH])
            }
            ["SessionService", "Sessions"] => {
                let ids: Vec<&str> = book
                    .sessions()
                    .iter()
                    .map(|session| session.id.as_str())
                    .collect();
                let body = collection(&path, types::SESSION_COLLECTION, "Sessions", &ids);
                Page::new(body).with(&[Method::POST])
            }
            ["SessionService", "Sessions", id] => {
                Page::new(session_body(book.session(id)?)).with(&[Method::DELETE])
            }
            ["AccountService"] => Page::new(account_service(&path)),
            ["AccountService", "Accounts"] => {
                let ids: Vec<&String> = book.accounts.keys().collect();
                let body = collection(&path, types::ACCOUNT_COLLECTION, "Accounts", &ids);
                Page::new(body).with(&[Method::POST])
            }
            ["AccountService", "Accounts", id] => {
                let account = book.accounts.get(*id)?;
                let mut page = Page::new(account_body(account)).with(&[Method::PATCH, Method::DELETE]);
                page.salt = account.generation;
                page
            }
            ["AccountService", "Roles"] => {
                let ids = Role::ALL.map(Role::name);
                Page::new(collection(&path, types::ROLE_COLLECTION, "Roles", &ids))
            }
            ["AccountService", "Roles", id] => Page::new(role_body(&path, Role::named(id)?)),
            [..] => return None,
        })
    }
}

fn session_service(path: &str, timeout: u64) -> Value {
    resource_with(
        path,
        types::SESSION_SERVICE,
        "SessionService",
        "Session Service",
        json!({
            "ServiceEnabled": true,
            "SessionTimeout": timeout,
            "Sessions": link(SESSIONS),
            "Status": fine(),
        }),
    )
}

/// A session as a resource; its password is never shown.
pub(super) fn session_body(session: &Session) -> Value {
    let path = format!("{SESSIONS}/{}", session.id);
    let more = json!({ "UserName": session.user, "Password": null, "SessionType": "Redfish" });
    resource_with(&path, types::SESSION, &session.id, "User Session", more)
}

fn account_service(path: &str) -> Value {
    resource_with(
        path,
        types::ACCOUNT_SERVICE,
        "AccountService",
        "Account Service",
        json!({
            "ServiceEnabled": true,
            "MinPasswordLength": MIN_PASSWORD,
            "MaxPasswordLength": MAX_PASSWORD,
            "Accounts": link(&format!("{path}/Accounts")),
            "Roles": link(&format!("{path}/Roles")),
            "Status": fine(),
        }),
    )
}

/// An account as a resource; its password is never shown.
pub(super) fn account_body(account: &Account) -> Value {
    let path = format!("{ROOT}/AccountService/Accounts/{}", account.id);
    let role = format!("{ROOT}/AccountService/Roles/{}", account.role.name());
    resource_with(
        &path,
        types::ACCOUNT,
        &account.id,
        "User Account",
        json!({
            "UserName": account.user,
            "Password": null,
            "RoleId": account.role.name(),
            "Enabled": account.enabled,
            "Locked": false,
            "PasswordChangeRequired": account.change_required,
            "AccountTypes": ["Redfish"],
            "Links": { "Role": link(&role) },
        }),
    )
}

fn role_body(path: &str, role: Role) -> Value {
    let privileges: Vec<&str> = role
        .privileges()
        .iter()
        .map(|privilege| privilege.name())
        .collect();
    resource_with(
        path,
        types::ROLE,
        role.name(),
        "User Role",
        json!({ "RoleId": role.name(), "IsPredefined": true, "AssignedPrivileges": privileges }),
    )
}
