//! The one page: the rack as a picture. Static, embedded, nothing from elsewhere.

use axum::http::{HeaderName, header};
use axum::response::IntoResponse;

const PAGE: &str = include_str!("../../ui/rack.html");
const STYLE: &str = include_str!("../../ui/rack.css");
const SCRIPT: &str = include_str!("../../ui/rack.js");

/// Scripts, styles and requests from this controller only; nobody may frame the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

fn shown(kind: &'static str, text: &'static str) -> impl IntoResponse {
    let headers: [(HeaderName, &str); 5] = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, text)
}

pub(super) async fn page() -> impl IntoResponse {
    shown("text/html; charset=utf-8", PAGE)
}

pub(super) async fn style() -> impl IntoResponse {
    shown("text/css; charset=utf-8", STYLE)
}

pub(super) async fn script() -> impl IntoResponse {
    shown("text/javascript; charset=utf-8", SCRIPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_takes_nothing_from_elsewhere() {
        for text in [PAGE, STYLE, SCRIPT] {
            // The one address is the name of the language that pictures are written in; nobody fetches it.
            let text = text.replace("http://www.w3.org/2000/svg", "");
            for foreign in ["http://", "https://", "src=\"//", "@import", "innerHTML", "eval("] {
                assert!(!text.contains(foreign), "{foreign}");
            }
        }
    }
}
