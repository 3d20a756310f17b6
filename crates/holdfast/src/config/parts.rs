//! The parts of a shop.

use std::collections::BTreeSet;

use clap::ValueEnum;

/// A part of a shop that a process can serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Part {
    /// The router before the services
    Gateway,
    /// Users, sessions, tokens
    Users,
    /// Products and their stock
    Products,
    /// Orders
    Orders,
}

impl Part {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Users => "users",
            Self::Products => "products",
            Self::Orders => "orders",
        }
    }
}

/// The parts that one process serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parts(BTreeSet<Part>);

impl Parts {
    /// These parts, or all when there are none.
    pub(crate) fn new(parts: &[Part]) -> Self {
        match parts {
            [] => Self(Part::value_variants().iter().copied().collect()),
            some => Self(some.iter().copied().collect()),
        }
    }

    pub(crate) fn has(&self, part: Part) -> bool {
        self.0.contains(&part)
    }
}

impl std::fmt::Display for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|part| part.name()).collect();
        f.write_str(&names.join("+"))
    }
}
