//! Settings: command line, environment, `.env`, configuration file, defaults, in this order of precedence.
//! The defaults are a commented file, embedded: the file is the documentation.

mod layers;
mod values;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use clap::ValueEnum;
use holdfast_events::WebhookSettings;
use holdfast_mail::SmtpServer;
use holdfast_outbound::Policy;
use holdfast_payments::{ProviderSettings, StripeSettings};
use holdfast_storage::Location;
use holdfast_types::{Code, Error, Result};
use holdfast_web::{ClusterSecret, InternalTls, rate::Quota};

use crate::parts::Part;
pub(crate) use layers::{DEFAULTS, Flags, Layers};
use values::{
    parse_addresses, parse_bytes, parse_count, parse_hold_time, parse_hosts, parse_listen,
    parse_optional_duration, parse_origins, parse_page, parse_quota, parse_roles, parse_schedule,
    parse_switch, parse_targets,
};

/// All settings, checked.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) data_dir: PathBuf,
    /// Where pictures are kept.
    pub(crate) media: holdfast_media::Location,
    /// Bytes of all pictures together.
    pub(crate) media_limit: usize,
    /// Connection strings; none for a file in the data directory.
    databases: BTreeMap<Part, String>,
    pub(crate) admin_password: Option<String>,
    pub(crate) issuer: String,
    pub(crate) mfa_roles: Vec<holdfast_types::Role>,
    /// What commands show to a running shop.
    pub(crate) api_key: Option<String>,
    pub(crate) products: holdfast_products::Settings,
    pub(crate) payment_window: Option<std::time::Duration>,
    /// Who takes the money.
    pub(crate) payments: holdfast_payments::Settings,
    /// Who takes letters, and what they look like.
    pub(crate) mail: holdfast_mail::Settings,
    /// Where events are delivered, and when.
    pub(crate) events: holdfast_events::Settings,
    pub(crate) limits: Limits,
    pub(crate) cors_origins: Vec<String>,
    pub(crate) trusted_proxies: Vec<std::net::IpAddr>,
    pub(crate) memory: Memory,
    pub(crate) metrics_listen: Option<SocketAddr>,
    pub(crate) internal_listen: Option<SocketAddr>,
    /// Where services in other processes are, each a `host:port`.
    peers: BTreeMap<Part, Vec<String>>,
    pub(crate) cluster_secret: Option<ClusterSecret>,
    /// Certificate chain and key.
    pub(crate) tls: Option<[PathBuf; 2]>,
    /// Certificate chain, key and authority.
    internal_tls: Option<[PathBuf; 3]>,
    pub(crate) log: String,
    pub(crate) log_json: bool,
}

/// What clients may make a process hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) connections: usize,
    pub(crate) connections_per_address: usize,
    pub(crate) unsent_bytes: usize,
    pub(crate) body_bytes: usize,
}

/// Rate limits; `None` for no limit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    pub(crate) reads: Option<Quota>,
    pub(crate) writes: Option<Quota>,
    pub(crate) registrations: Option<Quota>,
    pub(crate) guests: Option<Quota>,
    pub(crate) letters: Option<Quota>,
    pub(crate) login_failures_user: Option<Quota>,
    pub(crate) login_failures_address: Option<Quota>,
    pub(crate) login_failures_spread: Option<Quota>,
}

impl Config {
    /// Reads every layer. Refuses unknown settings and invalid values with the place that they stand in.
    pub(crate) fn load(layers: &Layers) -> Result<Self> {
        let port: u16 = layers.parse("port", |text| {
            text.parse().map_err(|_| "expected a port, 0 to 65535".to_owned())
        })?;
        let listen = layers.parse("listen", |text| match text {
            "" => Ok(SocketAddr::from(([127, 0, 0, 1], port))),
            text => text
                .parse()
                .map_err(|_| "expected an address and a port, such as 127.0.0.1:3000".to_owned()),
        })?;
        let internal = ["internal_tls_certificate", "internal_tls_key", "internal_tls_authority"];
        let internal_tls = all_or_none(layers, internal)?;
        let targets = |text: &str| parse_targets(text, internal_tls.is_some());
        let mut peers = BTreeMap::new();
        for part in Part::value_variants() {
            peers.insert(*part, layers.parse(part.name(), targets)?);
        }
        let limits = Limits::load(layers)?;
        let data_dir = layers.parse("data_dir", |text| Ok(PathBuf::from(text)))?;
        Ok(Self {
            listen,
            media_limit: layers.parse("media_limit", parse_bytes)?,
            media: holdfast_media::Location::of(bucket(layers)?, &data_dir)?,
            tls: all_or_none(layers, ["tls_certificate", "tls_key"])?,
            data_dir,
            databases: databases(layers)?,
            admin_password: layers.optional("admin_password")?,
            mfa_roles: layers.parse("mfa_roles", parse_roles)?,
            api_key: layers.optional("api_key")?,
            issuer: layers.parse("issuer", |text| match text.trim() {
                "" => Err("expected a name".to_owned()),
                text => Ok(text.to_owned()),
            })?,
            products: products(layers)?,
            payment_window: layers.parse("payment_window", parse_optional_duration)?,
            payments: payments(layers)?,
            mail: mail(layers, port, limits.letters)?,
            events: events(layers)?,
            limits,
            cors_origins: layers.parse("cors_origins", parse_origins)?,
            trusted_proxies: layers.parse("trusted_proxies", parse_addresses)?,
            memory: Memory {
                connections: layers.parse("connections_limit", parse_count)?,
                connections_per_address: layers.parse("connections_address_limit", parse_count)?,
                unsent_bytes: layers.parse("unsent_answers_limit", parse_bytes)?,
                body_bytes: layers.parse("bodies_limit", parse_bytes)?,
            },
            metrics_listen: layers.parse("metrics_listen", parse_listen)?,
            internal_listen: layers.parse("internal_listen", parse_listen)?,
            peers,
            internal_tls,
            cluster_secret: layers.parse("cluster_secret", |text| match text {
                "" => Ok(None),
                text => {
                    ClusterSecret::new(text).map(Some).map_err(|error| error.message().to_owned())
                }
            })?,
            log: layers.parse("log", |text| Ok(text.to_owned()))?,
            log_json: layers.parse("log_format", |text| match text {
                "text" => Ok(false),
                "json" => Ok(true),
                _ => Err("expected text or json".to_owned()),
            })?,
        })
    }
}

impl Config {
    /// TLS to other processes of the shop, if that is wanted. Must be called within a runtime.
    pub(crate) fn open_internal_tls(&self) -> Result<Option<InternalTls>> {
        let open = |[certificate, key, authority]: &[PathBuf; 3]| {
            InternalTls::open(certificate, key, authority)
        };
        self.internal_tls.as_ref().map(open).transpose()
    }

    /// Where a part is served by other processes.
    pub(crate) fn targets(&self, part: Part) -> &[String] {
        self.peers.get(&part).map_or(&[], Vec::as_slice)
    }

    /// Where a service keeps what it keeps.
    pub(crate) fn location(&self, part: Part) -> Result<Location> {
        Location::of(self.databases.get(&part).map(String::as_str), &self.data_dir)
    }
}

impl Limits {
    fn load(layers: &Layers) -> Result<Self> {
        let on = layers.parse("rate_limits", parse_switch)?;
        let quota = |key| Ok::<_, Error>(Some(layers.parse(key, parse_quota)?).filter(|_| on));
        Ok(Self {
            reads: quota("reads_limit")?,
            writes: quota("writes_limit")?,
            registrations: quota("registrations_limit")?,
            guests: quota("guests_limit")?,
            letters: quota("letters_limit")?,
            login_failures_user: quota("login_failures_user_limit")?,
            login_failures_address: quota("login_failures_address_limit")?,
            login_failures_spread: quota("login_failures_spread_limit")?,
        })
    }
}

fn events(layers: &Layers) -> Result<holdfast_events::Settings> {
    let policy = Policy {
        allows_http: layers.parse("webhooks_http", parse_switch)?,
        allowed_hosts: layers.parse("webhooks_allowed_hosts", parse_hosts)?,
    };
    let schedule = layers.parse("webhooks_schedule", parse_schedule)?;
    let webhooks = WebhookSettings { policy, schedule };
    let nats = layers.parse("nats_url", |text| match text {
        "" => Ok(None),
        text => text.parse().map(Some),
    })?;
    Ok(holdfast_events::Settings { webhooks, nats })
}

fn mail(layers: &Layers, port: u16, per_address: Option<Quota>) -> Result<holdfast_mail::Settings> {
    let from = layers.parse("mail_from", |text| match text {
        "" => Ok(None),
        text => SmtpServer::parse_from(text).map(Some),
    })?;
    let server = layers.parse("smtp_url", |text| match (text, from) {
        ("", _) => Ok(None),
        (_, None) => {
            Err("a mail server wants HOLDFAST_MAIL_FROM, from whom letters are".to_owned())
        }
        (url, Some(from)) => SmtpServer::parse(url, from).map(Some),
    })?;
    let shop_url = layers.parse("shop_url", |text| match text {
        "" => Ok(None),
        text => parse_page(text).map(Some),
    })?;
    let is_shop_url_said = shop_url.is_some();
    let scheme = if layers.optional("tls_certificate")?.is_some() { "https" } else { "http" };
    let here = || format!("{scheme}://localhost:{port}{}", holdfast_console::STOREFRONT);
    let shop_url = shop_url.unwrap_or_else(here);
    let templates = layers.optional("mail_templates")?.map(PathBuf::from);
    Ok(holdfast_mail::Settings { server, templates, shop_url, is_shop_url_said, per_address })
}

/// Where each service keeps what it keeps, as far as that is said.
fn databases(layers: &Layers) -> Result<BTreeMap<Part, String>> {
    let mut databases = BTreeMap::new();
    for part in Part::SERVICES {
        let mut said = Vec::new();
        for key in part.database_keys() {
            said.extend(layers.optional(&key)?);
        }
        databases.extend(said.into_iter().next().map(|url| (part, url)));
    }
    Ok(databases)
}

fn products(layers: &Layers) -> Result<holdfast_products::Settings> {
    Ok(holdfast_products::Settings { hold_time: layers.parse("hold_time", parse_hold_time)? })
}

fn payments(layers: &Layers) -> Result<holdfast_payments::Settings> {
    // Processes that do not serve orders are not told the key.
    let secret_key = layers.optional("stripe_secret_key")?.unwrap_or_default();
    let webhook_secret = layers.optional("stripe_webhook_secret")?;
    let api_base = layers.parse("stripe_api_base", StripeSettings::parse_base)?;
    let publishable_key = layers.optional("stripe_publishable_key")?;
    let stripe = StripeSettings { secret_key, publishable_key, webhook_secret, api_base };
    let provider = layers.parse("payments", |text| match text {
        "" => Ok(None),
        "test" => Ok(Some(ProviderSettings::Test)),
        "stripe" => Ok(Some(ProviderSettings::Stripe(stripe))),
        _ => Err("expected stripe, test or nothing".to_owned()),
    })?;
    Ok(holdfast_payments::Settings { provider })
}

fn bucket(layers: &Layers) -> Result<holdfast_media::Bucket> {
    Ok(holdfast_media::Bucket {
        url: layers.optional("media")?.unwrap_or_default(),
        access_key: layers.optional("media_access_key")?,
        secret_key: layers.optional("media_secret_key")?,
        region: layers.optional("media_region")?,
        endpoint: layers.optional("media_endpoint")?,
    })
}

/// Files of which each needs the others.
fn all_or_none<const N: usize>(layers: &Layers, keys: [&str; N]) -> Result<Option<[PathBuf; N]>> {
    let mut files = Vec::new();
    for key in keys {
        files.extend(layers.optional(key)?.map(PathBuf::from));
    }
    if files.is_empty() {
        return Ok(None);
    }
    let half = |_| refuse(format!("{} go together", keys.join(" and ")));
    files.try_into().map(Some).map_err(half)
}

/// A setting that cannot be used; the message names its place.
fn refuse(message: String) -> Error {
    Error::new(Code::InvalidParameter, message)
}
