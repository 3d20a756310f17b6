//! Floods of frames (RFC 9113 §10.5): the shop says goodbye, and holds no memory for them.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use tokio::time::Instant;

use super::{assert_is_open, dial};
use crate::shop::Shop;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `GET /livez` of `shop`, in HPACK with the static table.
const GET: &[u8] = b"\x82\x86\x04\x06/livez\x41\x04shop";
/// `POST /api/users/login`, the same way.
const POST: &[u8] = b"\x83\x86\x04\x10/api/users/login\x41\x04shop";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A connection that has said hello.
fn connect(shop: &Shop) -> TcpStream {
    let mut stream = dial(shop);
    stream.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
    let hello = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(SETTINGS, 0, 0, b"")];
    stream.write_all(&hello.concat()).unwrap();
    stream
}

/// The types and payloads of all whole frames in what the shop said.
fn frames(mut said: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (head, after) = said.split_at_checked(9)?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let (payload, rest) = after.split_at_checked(length)?;
        said = rest;
        Some((head[3], payload))
    })
}

/// Whether the shop says goodbye or hangs up within ten seconds.
fn is_sent_away(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let (began, mut said) = (Instant::now(), Vec::new());
    while began.elapsed() < Duration::from_secs(10) {
        let mut some = [0; 16 << 10];
        match stream.read(&mut some) {
            Ok(0) => return true,
            Ok(count) => said.extend_from_slice(&some[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return true,
            Err(_) => {}
        }
        if frames(&said).any(|(kind, _)| kind == GOAWAY) {
            return true;
        }
    }
    false
}

/// Resident memory of the shop's process.
fn kilobytes(shop: &Shop) -> u64 {
    let status = format!("/proc/{}/status", shop.child.as_ref().unwrap().id());
    let status = std::fs::read_to_string(status).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A request that is taken back at once, as in CVE-2023-44487.
fn rapid_reset(number: u32) -> Vec<u8> {
    let stream = 2 * number + 1;
    [frame(HEADERS, END_STREAM | END_HEADERS, stream, GET), frame(RESET, 0, stream, &[0, 0, 0, 8])]
        .concat()
}

/// Headers that do not end, as in CVE-2024-27316.
fn endless_headers(number: u32) -> Vec<u8> {
    let field = [b"\x00\x01x\x7f\x81\x07".as_slice(), &[b'y'; 1_000]].concat();
    match number {
        0 => frame(HEADERS, 0, 1, POST),
        _ => frame(CONTINUATION, 0, 1, &field[..field.len().min(1_000)]),
    }
}

fn empty_data(number: u32) -> Vec<u8> {
    match number {
        0 => frame(HEADERS, END_HEADERS, 1, POST),
        _ => frame(DATA, 0, 1, b""),
    }
}

/// More requests at once than were offered.
fn many_streams(number: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, 2 * number + 1, POST)
}

#[test]
fn floods_are_sent_away() {
    let shop = Shop::start();
    type Flood = fn(u32) -> Vec<u8>;
    let floods: [(&str, Flood); 4] = [
        ("rapid reset", rapid_reset),
        ("CONTINUATION", endless_headers),
        ("empty DATA", empty_data),
        ("streams", many_streams),
    ];
    let before = kilobytes(&shop);
    for (name, flood) in floods {
        for _ in 0..5 {
            let mut stream = connect(&shop);
            for number in 0..10_000 {
                // The shop may have hung up.
                if stream.write_all(&flood(number)).is_err() {
                    break;
                }
            }
            assert!(is_sent_away(&mut stream), "{name}");
        }
        let now = kilobytes(&shop);
        assert!(now < before + 32 * 1024, "{name}: {before} and {now} KiB");
        assert_is_open(&shop, name);
    }
}

/// Frames that must be answered: answers that nobody reads are bounded.
#[test]
fn frames_that_want_answers_cost_no_memory() {
    let shop = Shop::start();
    let before = kilobytes(&shop);
    let mut streams = Vec::new();
    for frame in [frame(SETTINGS, 0, 0, b""), frame(PING, 0, 0, &[7; 8])] {
        let mut stream = connect(&shop);
        let flood = frame.repeat(1_000);
        stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
        for _ in 0..200 {
            if stream.write_all(&flood).is_err() {
                break;
            }
        }
        streams.push(stream);
    }
    let now = kilobytes(&shop);
    assert!(now < before + 32 * 1024, "{before} and {now} KiB");
    assert_is_open(&shop, "settings and pings");
}

/// HTTP/2 has as many headers as HTTP/1.
#[test]
fn headers_are_counted() {
    let shop = Shop::start();
    for (count, status) in [(90, 200), (400, 431)] {
        let fields: Vec<u8> = (0..count).flat_map(|_| *b"\x00\x01x\x01y").collect();
        let mut stream = connect(&shop);
        let headers = [GET, &fields].concat();
        stream.write_all(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &headers)).unwrap();
        assert_eq!(first_status(&mut stream), Some(status), "{count} headers");
    }
}

/// The status of the first answer, if there is one within ten seconds.
fn first_status(stream: &mut TcpStream) -> Option<u16> {
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut said = Vec::new();
    loop {
        let mut some = [0; 16 << 10];
        let count = stream.read(&mut some).ok().filter(|count| *count > 0)?;
        said.extend_from_slice(&some[..count]);
        if let Some(status) = status_of(&said) {
            return Some(status);
        }
    }
}

/// The status of the first answer: `:status` is first in its block, in the static table or spelled out.
fn status_of(said: &[u8]) -> Option<u16> {
    let (_, payload) = frames(said).find(|(kind, _)| *kind == HEADERS)?;
    match payload {
        [0x88, ..] => Some(200),
        // In Huffman's code.
        [0x48, 0x83, 0x69, 0x90, 0xff, ..] => Some(431),
        [0x48, 0x03, a, b, c, ..] => std::str::from_utf8(&[*a, *b, *c]).ok()?.parse().ok(),
        other => panic!("{other:?}"),
    }
}
