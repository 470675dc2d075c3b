//! What a scraper takes: the format of the page and its compression, by the headers of its request.

/// The format of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The `Content-Type` of a page.
    pub const fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The format that an `Accept` header likes best; text where it likes nothing that we have.
    pub fn wanted(accept: Option<&str>) -> Format {
        let mut best = (Format::Text, 0.0);
        for wish in accept.unwrap_or_default().split(',') {
            let mut parts = wish.split(';').map(str::trim);
            let format = match parts.next() {
                Some("application/openmetrics-text") => Format::OpenMetrics,
                Some("text/plain" | "text/*" | "*/*") => Format::Text,
                _ => continue,
            };
            let mut weight: f64 = 1.0;
            let mut is_ours = true;
            for part in parts {
                if let Some(q) = part.strip_prefix("q=") {
                    weight = q.parse().unwrap_or(0.0);
                } else if let Some(version) = part.strip_prefix("version=") {
                    is_ours = matches!(
                        (format, version),
                        (Format::OpenMetrics, "1.0.0") | (Format::Text, "0.0.4")
                    );
                }
            }
            if is_ours && weight > best.1 {
                best = (format, weight);
            }
        }
        best.0
    }
}

/// Whether an `Accept-Encoding` header takes gzip, and likes it no less than the plain page (RFC 9110, 12.5.3).
pub fn takes_gzip(accept_encoding: Option<&str>) -> bool {
    let (mut gzip, mut plain, mut other) = (None, None, None);
    for wish in accept_encoding.unwrap_or_default().split(',') {
        let mut parts = wish.split(';').map(str::trim);
        let coding = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts
            .find_map(|part| part.strip_prefix("q="))
            .map_or(1.0, |q| q.parse::<f64>().unwrap_or(0.0));
        match coding.as_str() {
            "gzip" | "x-gzip" => gzip = Some(weight),
            "identity" => plain = Some(weight),
            "*" => other = Some(weight),
            _ => {}
        }
    }
    let gzip = gzip.or(other).unwrap_or(0.0);
    gzip > 0.0 && gzip >= plain.unwrap_or(0.0)
}
