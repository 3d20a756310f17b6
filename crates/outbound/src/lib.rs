//! Requests to addresses that other people name, guarded against server-side request forgery (CWE-918): they reach the world,
//! and nothing in the shop's own network. A name is resolved at each request, all its addresses are judged, and the connection
//! goes to one of those that were; nothing follows a redirect, and no proxy of the environment is asked.

mod address;
mod exchange;
mod target;

pub use address::is_global;
pub use exchange::{Answer, Failure, Outbound};
pub use target::{HostPort, Policy, Target};
