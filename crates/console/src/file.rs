//! The files of `dist/`, as they are sent: compressed when they were built, and known by their content, so that a browser
//! asks again and is told that nothing changed.

use std::{collections::HashMap, sync::LazyLock};

use aws_lc_rs::digest;
use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use holdfast_web::{not_modified, with_etag};

use crate::accept::choose;

/// What a page may do: load what lies beside it, talk to its own shop, and show pictures of products from wherever those are.
const POLICY: &str = "default-src 'self'; img-src 'self' data: http: https:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

/// The viewer of the API's description styles what it draws as it goes.
const VIEWER_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

/// A file of `dist/`.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) name: &'static str,
    media: &'static str,
    plain: &'static [u8],
    brotli: &'static [u8],
    gzip: &'static [u8],
}

macro_rules! file {
    ($name:literal, $media:literal) => {
        File {
            name: $name,
            media: $media,
            plain: include_bytes!(concat!("../dist/", $name)),
            brotli: include_bytes!(concat!("../dist/", $name, ".br")),
            gzip: include_bytes!(concat!("../dist/", $name, ".gz")),
        }
    };
}

pub(crate) const FILES: &[File] = &[
    file!("console.html", "text/html; charset=utf-8"),
    file!("console.css", "text/css; charset=utf-8"),
    file!("console.js", "text/javascript; charset=utf-8"),
    file!("shop.html", "text/html; charset=utf-8"),
    file!("shop.css", "text/css; charset=utf-8"),
    file!("shop.js", "text/javascript; charset=utf-8"),
    file!("docs.html", "text/html; charset=utf-8"),
    file!("docs.js", "text/javascript; charset=utf-8"),
    file!("scalar.js", "text/javascript; charset=utf-8"),
    file!("shared.css", "text/css; charset=utf-8"),
    file!("shared.js", "text/javascript; charset=utf-8"),
    file!("rolldown-runtime.js", "text/javascript; charset=utf-8"),
    file!("icon.svg", "image/svg+xml"),
    file!("teashop.csv", "text/csv; charset=utf-8"),
    file!("tea-1.svg", "image/svg+xml"),
    file!("tea-2.svg", "image/svg+xml"),
    file!("tea-3.svg", "image/svg+xml"),
    file!("tea-4.svg", "image/svg+xml"),
    file!("pot-1.svg", "image/svg+xml"),
    file!("pot-2.svg", "image/svg+xml"),
    file!("cup-1.svg", "image/svg+xml"),
    file!("cup-2.svg", "image/svg+xml"),
    file!("tin-1.svg", "image/svg+xml"),
    file!("box-1.svg", "image/svg+xml"),
];

/// Of each file: a hash of its content.
static HASHES: LazyLock<HashMap<&str, String>> = LazyLock::new(|| {
    let hash = |file: &File| {
        let hash = digest::digest(&digest::SHA256, file.plain);
        (file.name, URL_SAFE_NO_PAD.encode(&hash.as_ref()[..12]))
    };
    FILES.iter().map(hash).collect()
});

impl File {
    /// The file as the client takes it, or that it has it already.
    pub(crate) fn answer(&self, headers: &HeaderMap) -> Response {
        let coding = choose(headers, &["br", "gzip"]);
        let content = match coding {
            Some("br") => self.brotli,
            Some(_) => self.gzip,
            None => self.plain,
        };
        // A strong tag is of one representation.
        let etag = format!("\"{}{}\"", HASHES[self.name], coding.unwrap_or_default());
        let is_known = not_modified(headers, &etag);
        let mut response = match is_known {
            true => StatusCode::NOT_MODIFIED.into_response(),
            false => Body::from(Bytes::from_static(content)).into_response(),
        };
        let mut set = |name, value| {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        };
        set(header::CACHE_CONTROL, "no-cache");
        set(header::VARY, "accept-encoding");
        let policy = if self.name == "docs.html" { VIEWER_POLICY } else { POLICY };
        set(header::CONTENT_SECURITY_POLICY, policy);
        set(header::REFERRER_POLICY, "no-referrer");
        if !is_known {
            set(header::CONTENT_TYPE, self.media);
        }
        if let Some(coding) = coding.filter(|_| !is_known) {
            set(header::CONTENT_ENCODING, coding);
        }
        with_etag(response, &etag)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn all_that_was_built_is_sent() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist");
        let mut built: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.ends_with(".br") && !name.ends_with(".gz"))
            .collect();
        built.sort();
        let mut sent: Vec<&str> = FILES.iter().map(|file| file.name).collect();
        sent.sort_unstable();
        assert_eq!(built, sent);
    }
}
