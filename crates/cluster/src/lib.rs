//! The supervisor of one machine's processes: it hands the public listener to gateways, starts what dies, ends what
//! goes silent, and restarts one process after the other when told to.
//!
//! Its children do not need it: they go on when it is gone, and the next supervisor takes them over.

mod keeper;
mod plan;
mod ports;
mod process;
mod state;
mod supervisor;

/// The variable that names the descriptor in which a process finds its [`Slot::secrets`].
pub const SECRETS: &str = "HOLDFAST_SECRETS";

pub use plan::{Plan, Slot};
pub use ports::PortAllocator;
pub use process::connect;
pub use state::{SlotState, State};
pub use supervisor::{restart, supervise};
