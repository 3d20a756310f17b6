//! What a supervisor keeps running.

use std::{net::SocketAddr, path::PathBuf};

use holdfast_web::InternalTls;

use crate::PortAllocator;

/// The processes of one machine.
#[derive(Debug)]
pub struct Plan {
    /// What is run.
    pub program: PathBuf,
    /// Variables that every process gets besides the supervisor's own.
    pub environment: Vec<(String, String)>,
    /// Variables of the supervisor's own that no process gets.
    pub hidden: Vec<String>,
    /// Where clients come to; slots with the listener inherit it.
    pub listen: SocketAddr,
    /// Where the supervisor writes down what it started.
    pub state: PathBuf,
    /// How it asks processes how they are.
    pub tls: Option<InternalTls>,
    /// One process each, in the order in which they start; they end in the reverse order.
    pub slots: Vec<Slot>,
    /// Where the addresses of the slots are from: keeps them as long as the plan lives.
    pub places: PortAllocator,
}

/// One process that is there at all times.
#[derive(Clone)]
pub struct Slot {
    /// Names it, such as `products-2`.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// What it finds in the descriptor that the variable [`crate::SECRETS`] names: not in its environment, which others
    /// may read, and not longer than a pipe is deep.
    pub secrets: Vec<u8>,
    /// Where it answers `/livez` and `/readyz`.
    pub address: SocketAddr,
    /// Whether it inherits the public listener, as file descriptor 3 with `LISTEN_FDS=1`.
    pub inherits_listener: bool,
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot").field("name", &self.name).finish_non_exhaustive()
    }
}
