//! What a stranger on the open internet tries. Each test is an attack, and what the shop must do about it; the table in
//! `docs/threat-model.md` says which attack is tried where. In a cluster, the ports of the services are tried as well.

mod answers;
mod cunning;
mod guessing;
mod http2;
mod injection;
mod passwords;
mod rights;
mod secrets;
mod slow;
mod smuggling;
mod tokens;
mod transport;

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use crate::shop::Shop;

fn dial(shop: &Shop) -> TcpStream {
    let stream = TcpStream::connect(shop.url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    stream
}

/// Whether the shop takes a new client in.
fn assert_is_open(shop: &Shop, after: &str) {
    let request = b"GET /livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let (head, _) = say(shop, request);
    assert!(head.starts_with("http/1.1 200"), "after {after}: {head}");
}

/// Sends bytes and reads until the shop hangs up: the head and the body of what it said.
fn say(shop: &Shop, bytes: &[u8]) -> (String, String) {
    let mut stream = dial(shop);
    // The shop may hang up before it has read all.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer.as_str(), ""));
    (head.to_ascii_lowercase(), body.to_owned())
}
