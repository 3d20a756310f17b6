//! File descriptors: how many there are decides how many connections there can be.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are for everything but connections: databases, logs, listeners.
const RESERVED: u64 = 256;
/// More than any process needs: some systems allow a billion, and some libraries walk over all that are allowed.
const MOST: u64 = 1 << 20;

/// Raises the soft limit of descriptors as far as the hard one allows; returns for how many connections that is.
/// A gateway needs two for each: one of the client, one to a service.
pub fn raise_descriptor_limit(per_connection: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(MOST).min(MOST);
    let raised = Rlimit { current: Some(wanted), maximum };
    let is_raised = current.is_some_and(|current| current < wanted)
        && setrlimit(Resource::Nofile, raised).is_ok();
    let descriptors = if is_raised { wanted } else { current.unwrap_or(MOST) };
    let connections = usize::try_from(descriptors.saturating_sub(RESERVED)).unwrap_or(usize::MAX);
    (connections / per_connection.max(1)).max(16)
}
