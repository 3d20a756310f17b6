//! Addresses for the processes: each drawn once, and kept free for them.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    ops::Range,
};

use holdfast_types::{Code, Error, Random, Result};
use tokio::net::TcpSocket;

use crate::{State, process::Process};

/// Ports to draw from: below those that kernels give to outgoing connections.
const PORTS: Range<u16> = 20_000..32_000;
/// Draws before giving up.
const DRAWS: usize = 1000;

/// Draws addresses, and keeps them from everybody who would take them before or between two lives of a process.
///
/// A socket that is bound and does not listen keeps a port from those who ask for a port of their own. It does not
/// keep it from who listens there with `SO_REUSEADDR` (socket(7)), as our processes do; until one does, connections
/// are refused.
#[derive(Debug)]
pub struct PortAllocator {
    ports: Range<u16>,
    random: Random,
    before: State,
    reserved: Vec<TcpSocket>,
}

impl PortAllocator {
    /// Knows the addresses of the cluster that ran `before`.
    #[must_use]
    pub fn new(before: State) -> Self {
        Self { ports: PORTS, random: Random::system(), before, reserved: Vec::new() }
    }

    /// The address that the slot had before, or a new one when it had none or a stranger has it now.
    /// Fails with `unavailable` when no port is free.
    pub fn of(&mut self, slot: &str) -> Result<SocketAddr> {
        if let Some(known) = self.before.slot(slot) {
            if let Ok(socket) = reserve(known.address, true) {
                self.reserved.push(socket);
                return Ok(known.address);
            }
            if Process::adopt(known).is_some() {
                return Ok(known.address);
            }
        }
        self.draw()
    }

    fn draw(&mut self) -> Result<SocketAddr> {
        for _ in 0..DRAWS {
            let number = u16::from_be_bytes(self.random.bytes());
            let port = self.ports.start + number % (self.ports.end - self.ports.start);
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let is_known = self.before.slots.iter().any(|slot| slot.address == address);
            if !is_known && let Ok(socket) = reserve(address, false) {
                self.reserved.push(socket);
                return Ok(address);
            }
        }
        let Range { start, end } = self.ports;
        Err(Error::new(
            Code::Unavailable,
            format!("there is no free port from {start} to {}", end - 1),
        ))
    }
}

/// An address that was ours may have connections that are still closing; a new one must have nothing at all.
fn reserve(address: SocketAddr, was_ours: bool) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(was_ours)?;
    socket.bind(address)?;
    socket.set_reuseaddr(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SlotState;

    fn places(port: u16, before: State) -> PortAllocator {
        PortAllocator { ports: port..port + 1, ..PortAllocator::new(before) }
    }

    fn free_port() -> u16 {
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    #[tokio::test]
    async fn nobody_else_draws_an_address_and_its_process_listens_there_again_and_again() {
        let port = free_port();
        let mut ours = places(port, State::default());
        let address = ours.of("users-1").unwrap();
        assert!(places(port, State::default()).of("users-1").is_err(), "drawn twice");
        assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens yet");
        for _ in 0..2 {
            let listener = holdfast_web::listen(address).unwrap();
            let (_client, served) =
                tokio::join!(tokio::net::TcpStream::connect(address), listener.accept());
            drop(served.unwrap());
        }
        drop(ours);
        assert!(places(free_port(), State::default()).of("users-1").is_ok());
    }

    #[tokio::test]
    async fn a_slot_keeps_its_address_unless_a_stranger_has_it() {
        let known = |port| SlotState {
            name: "users-1".to_owned(),
            address: (Ipv4Addr::LOCALHOST, port).into(),
            pid: 0,
            started: 0,
            restarts: 0,
            has_listener: false,
        };
        let port = free_port();
        let before = State { slots: vec![known(port)], ..State::default() };
        assert_eq!(places(free_port(), before.clone()).of("users-1").unwrap().port(), port);
        let _stranger = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
        assert_ne!(places(free_port(), before).of("users-1").unwrap().port(), port);
    }
}
