//! Every parser of strangers' bytes, as the program calls it, for the targets in `fuzz/`. In no other build.

use std::{
    collections::BTreeMap,
    io::Cursor,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, HeaderValue},
};
use bytes::Bytes;
use holdfast_gateway::Gateway;
use holdfast_types::{Error, Result, Sources};
use holdfast_web::{Buffers, Envelope, Load, Trust};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::{
    commands::{self, import::rows::Rows},
    config::{Config, Flags, Layers},
    parts::{Parts, SERVICES},
    system::Metrics,
    wiring::Node,
};

/// What the administrator of a [`Shop`] signs in with.
pub const PASSWORD: &str = "any-long-password";
/// What peers of a [`Shop`] are believed for.
const SECRET: &str = "01234567890123456789012345678901";
/// The longest answer is a page of a list.
const ANSWER_BYTES: usize = 4 << 20;

/// A whole shop, called without a network.
#[derive(Debug)]
pub struct Shop {
    runtime: Runtime,
    public: Arc<Envelope<Gateway>>,
    for_peers: Arc<Envelope<Router>>,
}

/// What the shop answered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Shop {
    /// A shop whose database is in `folder`.
    pub fn open(folder: &Path) -> Result<Self> {
        let config = config_in(folder)?;
        // What is our fault stands in the log only.
        let log = tracing_subscriber::fmt().with_max_level(tracing::Level::ERROR);
        let _ = log.with_writer(std::io::stderr).try_init();
        let runtime = Runtime::new().expect("threads can be started");
        let (public, for_peers) = runtime.block_on(async {
            let node = Node::open(&config, &Parts::new(&[]), None).await?;
            let users = node.users().expect("all parts are here");
            users.ensure_administrator(config.admin_password.as_deref()).await?;
            let load = Arc::new(Load::default());
            let health = node.health(Metrics::begin()?, Arc::clone(&load));
            let buffers = Buffers::new(config.memory.body_bytes);
            let trust = || Trust { proxies: Vec::new(), secret: config.cluster_secret.clone() };
            let gateway = node.gateway(&config, health.clone());
            Ok::<_, Error>((
                Envelope::new(
                    gateway,
                    SERVICES,
                    Sources::system(),
                    trust(),
                    Arc::clone(&load),
                    buffers.clone(),
                ),
                Envelope::new(
                    node.services(health),
                    SERVICES,
                    Sources::system(),
                    trust(),
                    load,
                    buffers,
                ),
            ))
        })?;
        Ok(Self { runtime, public, for_peers })
    }

    /// Answers what a client sent.
    #[must_use]
    pub fn call(&self, request: Request) -> Reply {
        self.runtime.block_on(async {
            read(Arc::clone(&self.public).answer(request, STRANGER).await).await
        })
    }

    /// Answers what another process of the shop sent.
    #[must_use]
    pub fn call_as_peer(&self, mut request: Request) -> Reply {
        request.headers_mut().insert("x-internal-secret", HeaderValue::from_static(SECRET));
        self.runtime.block_on(async {
            read(Arc::clone(&self.for_peers).answer(request, STRANGER).await).await
        })
    }
}

const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

async fn read(response: axum::response::Response) -> Reply {
    let (head, body) = response.into_parts();
    let body = axum::body::to_bytes(body, ANSWER_BYTES).await.expect("answers are short");
    Reply { status: head.status.as_u16(), headers: head.headers, body }
}

fn config_in(folder: &Path) -> Result<Config> {
    let own = [
        ("data_dir", folder.display().to_string()),
        ("admin_password", PASSWORD.to_owned()),
        ("cluster_secret", SECRET.to_owned()),
        ("rate_limits", "off".to_owned()),
    ];
    let flags = Flags { settings: own.to_vec(), config_file: None };
    Config::load(&Layers::new(&flags, [], Vec::new(), BTreeMap::new())?)
}

/// Reads settings out of a configuration file and an environment. Returns them as people see them: secrets hidden.
pub fn settings(
    file: &Path,
    environment: Vec<(String, String)>,
) -> Result<Vec<(String, String, String)>> {
    let flags = Flags { settings: Vec::new(), config_file: Some(file.to_owned()) };
    let layers = Layers::new(&flags, environment, Vec::new(), BTreeMap::new())?;
    let _ = layers.readable_secrets();
    Config::load(&layers)?;
    Ok(layers.shown())
}

/// The line of a product in a CSV file, and the product or what is wrong with it.
pub type Row = Result<(u64, Value), (u64, String)>;

/// Reads products out of a CSV file.
pub fn products(file: Vec<u8>) -> Result<Vec<Row>> {
    let mut rows = Rows::read(Cursor::new(file), "the file", "http://127.0.0.1")?;
    let mut all = Vec::new();
    while let Some(row) = rows.next_row()? {
        all.push(row.map(|row| (row.line, row.product)));
    }
    Ok(all)
}

/// Writes the shop in `folder` to `file`.
pub fn export(folder: &Path, file: &Path) -> Result<ExitCode> {
    let runtime = Runtime::new().expect("threads can be started");
    runtime.block_on(commands::portable::export(&config_in(folder)?, file))
}

/// Brings a whole shop from `file` into `folder`, and audits it.
pub fn restore(folder: &Path, file: &Path) -> Result<ExitCode> {
    let runtime = Runtime::new().expect("threads can be started");
    runtime.block_on(commands::portable::import(&config_in(folder)?, file))
}
