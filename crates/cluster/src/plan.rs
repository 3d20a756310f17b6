//! What a supervisor keeps running.

use std::{net::SocketAddr, path::PathBuf};

use crate::Places;

/// The processes of one machine.
#[derive(Debug)]
pub struct Plan {
    /// What is run.
    pub program: PathBuf,
    /// Variables that every process gets besides the supervisor's own.
    pub environment: Vec<(String, String)>,
    /// Where clients come to; slots with the listener inherit it.
    pub listen: SocketAddr,
    /// Where the supervisor writes down what it started.
    pub state: PathBuf,
    /// One process each, in the order in which they start; they end in the reverse order.
    pub slots: Vec<Slot>,
    /// Where the addresses of the slots are from: keeps them as long as the plan lives.
    pub places: Places,
}

/// One process that is there at all times.
#[derive(Clone, Debug)]
pub struct Slot {
    /// Names it, such as `products-2`.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Where it answers `/livez` and `/readyz`.
    pub address: SocketAddr,
    /// Whether it inherits the public listener, as file descriptor 3 with `LISTEN_FDS=1`.
    pub inherits_listener: bool,
}
