//! The connections of a listener: who gives way when there are too many of them, or when they leave too much unsent.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use super::pulse::Pulse;
use crate::origin::source;

/// All open connections.
#[derive(Debug)]
pub(super) struct Connections {
    /// Connections of one address that do not have to give way to each other.
    per_address: usize,
    /// Bytes of answers that may wait to be sent.
    unsent_limit: usize,
    unsent: Arc<AtomicUsize>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    by_source: HashMap<Box<str>, HashMap<u64, Arc<Pulse>>>,
}

/// A connection, until dropped.
#[derive(Debug)]
pub(super) struct Registered<'a> {
    connections: &'a Connections,
    source: Box<str>,
    number: u64,
    pub(super) pulse: Arc<Pulse>,
}

impl Connections {
    pub(super) fn new(per_address: usize, unsent_limit: usize) -> Self {
        Self { per_address, unsent_limit, unsent: Arc::default(), open: Mutex::default() }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connection in. When its address has many, the one of them that rests longest gives way.
    pub(super) fn register(&self, peer: IpAddr) -> Registered<'_> {
        let (source, pulse) = (Box::<str>::from(source(peer)), Pulse::new(&self.unsent));
        let mut open = self.open();
        open.next += 1;
        let number = open.next;
        let of_source = open.by_source.entry(source.clone()).or_default();
        if of_source.len() >= self.per_address {
            end_idlest(of_source.values());
        }
        of_source.insert(number, Arc::clone(&pulse));
        drop(open);
        Registered { connections: self, source, number, pulse }
    }

    /// Ends the connection that rests longest of the address that has most of them. Says whether there was one.
    pub(super) fn make_room(&self) -> bool {
        let open = self.open();
        let most = open.by_source.values().max_by_key(|of_source| of_source.len());
        most.is_some_and(|of_source| end_idlest(of_source.values()))
            || end_idlest(open.by_source.values().flat_map(HashMap::values))
    }

    /// Ends connections that leave most unsent for longest until the rest is within the limit.
    pub(super) fn stay_within_limit(&self) {
        while self.unsent.load(Relaxed) > self.unsent_limit {
            let open = self.open();
            let all = open.by_source.values().flat_map(HashMap::values);
            let heaviest = all
                .filter_map(|pulse| Some((pulse.burden()?, pulse)))
                .max_by_key(|(burden, _)| *burden);
            let Some((_, pulse)) = heaviest else { return };
            tracing::warn!("answers that are not read take too much memory: ending a connection");
            pulse.end();
            pulse.settle(usize::MAX);
        }
    }
}

fn end_idlest<'a>(pulses: impl Iterator<Item = &'a Arc<Pulse>>) -> bool {
    let resting = pulses.filter_map(|pulse| Some((pulse.rests_for()?, pulse)));
    match resting.max_by_key(|(time, _)| *time) {
        Some((_, pulse)) => {
            pulse.end();
            true
        }
        None => false,
    }
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        let mut open = self.connections.open();
        if let Some(of_source) = open.by_source.get_mut(&self.source) {
            of_source.remove(&self.number);
            if of_source.is_empty() {
                open.by_source.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const AWAY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn is_open(registered: &Registered<'_>) -> bool {
        registered.pulse.rests_for().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_most_and_rests_longest_gives_way() {
        let connections = Connections::new(3, 1000);
        let mut of_home = Vec::new();
        for _ in 0..3 {
            of_home.push(connections.register(HOME));
            tokio::time::advance(std::time::Duration::from_secs(1)).await;
        }
        let of_away = connections.register(AWAY);
        let serving = of_home[0].pulse.serve();
        of_home.push(connections.register(HOME));
        let open: Vec<bool> = of_home[1..].iter().map(is_open).collect();
        assert_eq!(open, [false, true, true], "the first works, the second rested longest");
        drop(of_home.remove(1));
        assert!(connections.make_room());
        assert!(!is_open(&of_home[1]) && is_open(&of_home[2]) && is_open(&of_away));
        drop(serving);
        drop(of_home);
        assert!(connections.make_room() && !connections.make_room(), "away had the last");
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_most_unsent_for_longest_is_ended() {
        let connections = Connections::new(3, 1000);
        let (hog, busy) = (connections.register(HOME), connections.register(AWAY));
        hog.pulse.owe(900);
        connections.stay_within_limit();
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        busy.pulse.owe(950);
        connections.stay_within_limit();
        assert!(hog.pulse.burden().is_none() && busy.pulse.burden().is_some());
        drop(busy);
        assert_eq!(connections.unsent.load(Relaxed), 0, "what ends owes nothing");
    }
}
