//! The parts of a shop: the gateway, and the table of its services. Command line, settings, cluster, gateway and metrics follow
//! from it; `wiring.rs` says how a service is opened and whom it asks.

use std::collections::BTreeSet;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, ValueEnum};
use holdfast_web::{Service, Services};

use crate::config::Config;

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
    /// What has happened, for whoever follows
    Events,
    /// Payments and refunds
    #[value(skip)]
    Payments,
    /// Letters to customers
    #[value(skip)]
    Mail,
}

/// A flag of `holdfast cluster`.
struct CountFlag {
    name: &'static str,
    usual: &'static str,
}

/// All services, for whom requests may be.
pub(crate) const SERVICES: Services = &[
    &holdfast_users::SERVICE,
    &holdfast_products::SERVICE,
    &holdfast_orders::SERVICE,
    &holdfast_events::SERVICE,
    &holdfast_payments::SERVICE,
    &holdfast_mail::SERVICE,
];

impl Part {
    /// The services, each after those that it asks.
    pub(crate) const SERVICES: [Self; 6] =
        [Self::Users, Self::Products, Self::Orders, Self::Payments, Self::Mail, Self::Events];

    /// Those that tell of what they do.
    pub(crate) const TELLING: [Self; 5] =
        [Self::Users, Self::Products, Self::Orders, Self::Payments, Self::Mail];

    /// What is known of a service; nothing of the gateway.
    pub(crate) const fn service(self) -> Option<&'static Service> {
        match self {
            Self::Gateway => None,
            Self::Users => Some(&holdfast_users::SERVICE),
            Self::Products => Some(&holdfast_products::SERVICE),
            Self::Orders => Some(&holdfast_orders::SERVICE),
            Self::Events => Some(&holdfast_events::SERVICE),
            Self::Payments => Some(&holdfast_payments::SERVICE),
            Self::Mail => Some(&holdfast_mail::SERVICE),
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self.service() {
            None => "gateway",
            Some(service) => service.name,
        }
    }

    /// The services that it asks; all ask users whose tokens are good.
    pub(crate) const fn asks(self) -> &'static [Self] {
        match self {
            Self::Gateway => &Self::SERVICES,
            Self::Users => &[],
            Self::Products => &[Self::Users],
            Self::Orders | Self::Payments => &[Self::Users, Self::Products],
            Self::Mail => &[Self::Users, Self::Orders],
            Self::Events => &Self::TELLING,
        }
    }

    /// The part whose processes serve it: payments are served where orders are, and so are events, unless somebody says where
    /// else. Mail is served where events are, and keeps its letters there.
    pub(crate) fn place(self, config: &Config) -> Self {
        match self {
            Self::Payments => Self::Orders,
            Self::Mail => Self::Events.place(config),
            Self::Events if config.targets(Self::Events).is_empty() => Self::Orders,
            part => part,
        }
    }

    /// The flag that says how many processes serve it in a cluster, and how many do where nobody says.
    const fn count(self) -> CountFlag {
        match self {
            Self::Gateway => CountFlag { name: "gateways", usual: "2" },
            Self::Users => CountFlag { name: "users", usual: "1" },
            Self::Products => CountFlag { name: "products", usual: "2" },
            Self::Orders | Self::Payments => CountFlag { name: "orders", usual: "2" },
            Self::Events | Self::Mail => CountFlag { name: "events", usual: "1" },
        }
    }

    /// The setting of its own database.
    pub(crate) fn database_key(self) -> String {
        match self {
            // An order and what is paid for it change together.
            Self::Payments => Self::Orders.database_key(),
            Self::Mail => Self::Events.database_key(),
            part => format!("{}_db", part.name()),
        }
    }

    /// The settings that say where its database is, the first that says something: events are kept with orders, unless
    /// somebody says where else.
    pub(crate) fn database_keys(self) -> Vec<String> {
        let is_of_events = matches!(self, Self::Events | Self::Mail);
        let or = is_of_events.then(|| Self::Orders.database_key());
        let all = [Some(self.database_key()), or, Some("db_connection_string".to_owned())];
        all.into_iter().flatten().collect()
    }
}

/// The parts that one process serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parts(BTreeSet<Part>);

impl Parts {
    /// These parts, or all when there are none.
    pub(crate) fn new(parts: &[Part]) -> Self {
        match parts {
            [] => Self(Part::SERVICES.into_iter().chain([Part::Gateway]).collect()),
            some => Self(some.iter().copied().collect()),
        }
    }

    /// With those that are served in the same place.
    pub(crate) fn completed(mut self, config: &Config) -> Self {
        for part in Part::SERVICES {
            if self.has(part.place(config)) {
                self.0.insert(part);
            }
        }
        self
    }

    pub(crate) fn has(&self, part: Part) -> bool {
        self.0.contains(&part)
    }

    /// Whether one of them asks `part`.
    pub(crate) fn ask(&self, part: Part) -> bool {
        self.0.iter().any(|asking| asking.asks().contains(&part))
    }
}

impl std::fmt::Display for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|part| part.name()).collect();
        f.write_str(&names.join("+"))
    }
}

/// Where services are that other processes serve: a flag for each.
#[derive(Clone, Debug, Default)]
pub(crate) struct PeerFlags(pub(crate) Vec<(&'static str, String)>);

impl Args for PeerFlags {
    fn augment_args(command: Command) -> Command {
        command.args(Part::value_variants().iter().map(|part| {
            let help = match part {
                Part::Gateway => "Where all gateways are told how they are: http://HOST:PORT, with commas between them".to_owned(),
                part => format!(
                    "Where {} is, when other processes serve it: http://HOST:PORT, with commas between them",
                    part.name()
                ),
            };
            Arg::new(part.name()).long(part.name()).value_name("URLS").help(help)
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for PeerFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given =
            |part: Part| Some((part.name(), matches.get_one::<String>(part.name())?.clone()));
        Ok(Self(Part::value_variants().iter().copied().filter_map(given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        Self::from_arg_matches(matches).map(|flags| *self = flags)
    }
}

/// How many processes of each part a cluster has: a flag for each.
#[derive(Clone, Debug)]
pub(crate) struct Counts(Vec<(Part, u8)>);

impl Counts {
    /// Services first, so that a gateway finds them when it starts.
    pub(crate) fn services_first(&self) -> impl Iterator<Item = (Part, u8)> {
        let (gateway, services): (Vec<_>, Vec<_>) =
            self.0.iter().copied().partition(|(part, _)| *part == Part::Gateway);
        services.into_iter().chain(gateway)
    }
}

impl Args for Counts {
    fn augment_args(command: Command) -> Command {
        command.args(Part::value_variants().iter().map(|part| {
            let CountFlag { name, usual } = part.count();
            let help = format!("Processes that serve {}", part.name());
            let count = clap::value_parser!(u8).range(1..=16);
            Arg::new(name).long(name).value_parser(count).default_value(usual).help(help)
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Counts {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let count = |part: &Part| Some((*part, *matches.get_one(part.count().name)?));
        Ok(Self(Part::value_variants().iter().filter_map(count).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        Self::from_arg_matches(matches).map(|counts| *self = counts)
    }
}
