//! Which compression a client takes (RFC 9110 §12.5.3).

use axum::http::{HeaderMap, header};

/// The first of `offered` that the client takes, as our preference goes; `None` for the plain text.
pub(crate) fn choose(headers: &HeaderMap, offered: &[&'static str]) -> Option<&'static str> {
    let said: Vec<&str> = headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    let quality = |coding: &str| {
        let named = said.iter().find_map(|said| quality_of(said, coding));
        named.or_else(|| said.iter().find_map(|said| quality_of(said, "*"))).unwrap_or(0.0)
    };
    offered.iter().copied().find(|coding| quality(coding) > 0.0)
}

/// What `gzip;q=0.5` says of `gzip`.
fn quality_of(said: &str, coding: &str) -> Option<f32> {
    let (name, parameters) = said.split_once(';').unwrap_or((said, ""));
    if !name.trim().eq_ignore_ascii_case(coding) {
        return None;
    }
    match parameters.trim().to_ascii_lowercase().strip_prefix("q=") {
        Some(quality) => quality.trim().parse().ok(),
        None => Some(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(accept: &str) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, accept.parse().unwrap());
        choose(&headers, &["br", "gzip"])
    }

    #[test]
    fn a_client_gets_what_it_takes() {
        assert_eq!(chosen("gzip, deflate, br, zstd"), Some("br"));
        assert_eq!(chosen("GZIP;q=0.5"), Some("gzip"));
        assert_eq!(chosen("br;Q=0, *;q=0.1"), Some("gzip"));
        assert_eq!(chosen("identity"), None);
        assert_eq!(choose(&HeaderMap::new(), &["br", "gzip"]), None);
    }
}
