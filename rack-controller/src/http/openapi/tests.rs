//! File, types and routes say the same.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::Path;

use axum::routing::MethodFilter;
use serde_json::Value;

use super::{DOCUMENT, document, told};
use crate::http::{guard, routes};

/// In which environment variable whoever wants the file written anew says so.
const BLESS: &str = "BUSBAR_BLESS";

fn word(method: MethodFilter) -> &'static str {
    [
        (MethodFilter::GET, "get"),
        (MethodFilter::POST, "post"),
        (MethodFilter::DELETE, "delete"),
    ]
    .into_iter()
    .find_map(|(known, word)| (known == method).then_some(word))
    .unwrap_or_else(|| panic!("{method:?} has no word here yet"))
}

#[test]
fn the_document_is_what_the_types_and_the_routes_say() {
    let made = document::of(&told::all());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("api/openapi.json");
    if std::env::var_os(BLESS).is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(&made).unwrap() + "\n").unwrap();
        return;
    }
    let stands: Value = serde_json::from_str(DOCUMENT).unwrap();
    assert!(
        stands == made,
        "{} is not what the types say any more: look at what changed for whoever asks, then write it anew with {BLESS}=1 \
         cargo test -p rack-controller --lib openapi",
        path.display()
    );
}

#[test]
fn every_route_stands_in_the_document_and_nothing_else_does() {
    let served: BTreeSet<(&str, &str)> = routes::ALL
        .iter()
        .map(|route| (route.path, word(route.method)))
        .collect();
    assert_eq!(
        served.len(),
        routes::ALL.len(),
        "a route stands twice in the list"
    );
    let stands: Value = serde_json::from_str(DOCUMENT).unwrap();
    let paths = stands["paths"].as_object().unwrap();
    let written: BTreeSet<(&str, &str)> = paths
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap();
            methods.keys().map(|method| (path.as_str(), method.as_str()))
        })
        .collect();
    assert_eq!(written, served, "left the document, right the routes");
    // A route that goes past the list would not be seen here.
    let router = include_str!("../../http.rs");
    assert_eq!(
        router.matches(".route(").count(),
        1,
        "routes stand in http/routes.rs"
    );
}

#[test]
fn what_needs_no_token_is_what_the_guard_lets_pass() {
    let open: BTreeSet<&str> = told::all()
        .iter()
        .filter(|operation| operation.open)
        .map(|operation| operation.path)
        .collect();
    assert_eq!(open, guard::OPEN.into_iter().collect());
}

#[test]
fn every_operation_has_a_name_of_its_own_and_says_what_refuses_it() {
    let all = told::all();
    let names: BTreeSet<&str> = all.iter().map(|operation| operation.id).collect();
    assert_eq!(names.len(), all.len());
    for operation in &all {
        let statuses: BTreeSet<u16> = operation.answers.iter().map(|(status, ..)| *status).collect();
        assert!(
            statuses.contains(&403),
            "{}: the guard may refuse it",
            operation.path
        );
        assert_eq!(statuses.contains(&401), !operation.open, "{}", operation.path);
        assert!(
            statuses.iter().any(|status| (200..300).contains(status)),
            "{}",
            operation.path
        );
    }
}
