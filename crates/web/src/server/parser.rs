//! What hyper answers by itself when it cannot read a request is a status line and little else. Its place takes a problem
//! like every other.

use std::sync::Arc;

use holdfast_types::{Code, Error};

use super::connection::TLS_ONLY;
use super::stream::Replace;
use crate::{Endpoint, Envelope, envelope::FRAMES};

/// What stands in the place of an answer that begins with these bytes, if it is hyper's own.
pub(super) fn explain<E: Endpoint>(envelope: Arc<Envelope<E>>, is_tls_only: bool) -> Replace {
    Box::new(move |bytes| {
        let refusal = refusal(bytes)?;
        let (id, document) = envelope.document(&refusal);
        let status_line = bytes.split(|byte| *byte == b'\r').next()?;
        let mut text = status_line.to_vec();
        text.extend_from_slice(b"\r\n");
        text.extend_from_slice(line(bytes, b"date:").unwrap_or_default());
        if is_tls_only {
            let always = format!("strict-transport-security: {TLS_ONLY}\r\n");
            text.extend_from_slice(always.as_bytes());
        }
        let rest = format!(
            "content-type: application/problem+json\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\n\
             content-security-policy: {FRAMES}\r\nconnection: close\r\nx-request-id: {}\r\ncontent-length: {}\r\n\r\n",
            id.as_str(),
            document.len()
        );
        text.extend_from_slice(rest.as_bytes());
        text.extend_from_slice(&document);
        Some(text.into())
    })
}

/// Every answer of ours has a request id.
fn refusal(bytes: &[u8]) -> Option<Error> {
    let status = bytes.strip_prefix(b"HTTP/1.1 4")?.first_chunk::<2>()?;
    let (code, why) = match status {
        b"00" => (Code::Malformed, "the request is not HTTP/1.1 (RFC 9112)"),
        b"14" => (Code::UriTooLong, "path and query may have 8 KiB"),
        b"31" => (Code::HeadersTooLarge, "a request may have 100 headers and 32 KiB of them"),
        _ => return None,
    };
    line(bytes, b"x-request-id:").is_none().then(|| Error::new(code, why))
}

/// The header line that begins like that, with its end.
fn line<'a>(bytes: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    let head = bytes.split_inclusive(|byte| *byte == b'\n');
    let head = head.take_while(|line| *line != b"\r\n".as_slice());
    head.into_iter()
        .find(|line| line.get(..start.len()).is_some_and(|name| name.eq_ignore_ascii_case(start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_parser_says_is_replaced() {
        let theirs = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(refusal(theirs).unwrap().code(), Code::HeadersTooLarge);
        let ours = b"HTTP/1.1 400 Bad Request\r\nX-Request-Id: 1\r\ncontent-length: 0\r\n\r\n";
        assert!(refusal(ours).is_none());
        assert!(refusal(b"HTTP/1.1 200 OK\r\n\r\n").is_none());
        assert!(refusal(b"x-request-id: 7").is_none());
        let date = b"HTTP/1.1 400 Bad Request\r\ndate: today\r\n\r\nbody";
        assert_eq!(line(date, b"date:"), Some(&b"date: today\r\n"[..]));
        assert!(line(date, b"body").is_none());
    }
}
