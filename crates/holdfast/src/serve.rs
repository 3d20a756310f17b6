//! Serving a shop, or some parts of it.

use std::{
    io::Write, net::SocketAddr, os::unix::fs::DirBuilderExt, path::PathBuf, process::ExitCode,
    sync::Arc, time::Duration,
};

use holdfast_types::{Code, Error, Result, Sources};
use holdfast_users::FirstAdministrator;
use holdfast_web::{
    Buffers, Endpoint, Envelope, Load, Server, ServerLimits, Tls, Trust, listen,
    raise_descriptor_limit,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinHandle,
};

use crate::{
    config::Config,
    parts::{Part, Parts, SERVICES},
    system::{Health, Metrics, open_routes},
    wiring::Node,
};

/// For other processes of the shop to notice that this one is about to end.
const NOTICE: Duration = Duration::from_millis(400);

/// Serves until SIGTERM or Ctrl-C, then lets what is in flight finish.
pub(crate) async fn serve(config: &Config, parts: &Parts) -> Result<ExitCode> {
    let parts = &parts.clone().completed(config);
    let listener = public_listener(config)?;
    let address = listener.local_addr().map_err(Error::internal)?;
    // All of them before the first is served: who ends for want of one has accepted nobody.
    let is_gateway = parts.has(Part::Gateway);
    let for_peers = config.internal_listen.filter(|_| is_gateway).map(bind).transpose()?;
    let for_metrics = config.metrics_listen.map(bind).transpose()?;
    prepare_data_dir(config)?;
    let metrics = Metrics::begin()?;
    let internal_tls = config.open_internal_tls()?;
    let node = Node::open(config, parts, internal_tls.as_ref()).await?;
    let administrator = match node.users() {
        Some(users) => users.ensure_administrator(config.admin_password.as_deref()).await?,
        None => None,
    };
    let load = Arc::new(Load::default());
    let health = node.health(metrics.clone(), Arc::clone(&load));
    node.begin_chores();

    // Nobody but clients sends requests to a process that serves only the gateway.
    let has_peers = config.cluster_secret.is_some() && parts != &Parts::new(&[Part::Gateway]);
    let process = Process {
        config,
        load,
        buffers: Buffers::new(config.memory.body_bytes),
        // A gateway needs one to a service for each of a client.
        connections: raise_descriptor_limit(if is_gateway { 2 } else { 1 }),
        stopped: stop_signal(health.clone(), has_peers)?,
    };
    let shown = internal_tls.map(|tls| tls.listener());
    let mut servers = Vec::new();
    if is_gateway {
        servers.push(process.run_public(node.gateway(config, health.clone()), listener)?);
        if let Some(listener) = for_peers {
            servers.push(process.run_for_peers(node.services(health.clone()), listener, shown));
        }
    } else {
        servers.push(process.run_for_peers(node.services(health.clone()), listener, shown));
    }
    if let Some(listener) = for_metrics {
        servers.push(process.run_for_peers(open_routes(health), listener, None));
    }
    greet(config, parts, address, administrator.as_ref());
    for server in servers {
        server.await.map_err(Error::internal)?;
    }
    node.flush().await;
    tracing::info!("drained: ending");
    Ok(ExitCode::SUCCESS)
}

/// What the listeners of a process share.
struct Process<'a> {
    config: &'a Config,
    load: Arc<Load>,
    buffers: Buffers,
    /// For so many there are file descriptors.
    connections: usize,
    stopped: watch::Receiver<bool>,
}

impl Process<'_> {
    /// Serves what clients come to.
    fn run_public(&self, endpoint: impl Endpoint, listener: TcpListener) -> Result<JoinHandle<()>> {
        let open = |[certificate, key]: &[PathBuf; 2]| Tls::open(certificate, key);
        let tls = self.config.tls.as_ref().map(open).transpose()?;
        let memory = self.config.memory;
        let limits = ServerLimits {
            connections: memory.connections.min(self.connections),
            connections_per_address: memory.connections_per_address,
            unsent_bytes: memory.unsent_bytes,
            ..ServerLimits::default()
        };
        Ok(self.run(endpoint, listener, limits, tls))
    }

    /// Serves what only peers come to.
    fn run_for_peers(
        &self,
        endpoint: impl Endpoint,
        listener: TcpListener,
        tls: Option<Tls>,
    ) -> JoinHandle<()> {
        let limits = ServerLimits::for_peers();
        let connections = limits.connections.min(self.connections);
        self.run(endpoint, listener, ServerLimits { connections, ..limits }, tls)
    }

    fn run(
        &self,
        endpoint: impl Endpoint,
        listener: TcpListener,
        limits: ServerLimits,
        tls: Option<Tls>,
    ) -> JoinHandle<()> {
        let trust = Trust {
            proxies: self.config.trusted_proxies.clone(),
            secret: self.config.cluster_secret.clone(),
        };
        let (load, buffers) = (Arc::clone(&self.load), self.buffers.clone());
        let envelope = Envelope::new(endpoint, SERVICES, Sources::system(), trust, load, buffers);
        let server = Server::new(limits, envelope, tls);
        let mut stopped = self.stopped.clone();
        tokio::spawn(async move {
            let told = async move {
                // An error says that the sender is gone, which also means to stop.
                let _ = stopped.wait_for(|stopped| *stopped).await;
            };
            server.run(listener, told).await;
        })
    }
}

/// The listener that was handed over at the start (`LISTEN_FDS`, as systemd does it), or a new one.
fn public_listener(config: &Config) -> Result<TcpListener> {
    let handed_over =
        listenfd::ListenFd::from_env().take_tcp_listener(0).map_err(Error::internal)?;
    match handed_over {
        Some(listener) => {
            listener.set_nonblocking(true).map_err(Error::internal)?;
            TcpListener::from_std(listener).map_err(Error::internal)
        }
        None => bind(config.listen),
    }
}

pub(crate) fn bind(address: SocketAddr) -> Result<TcpListener> {
    listen(address).map_err(|error| {
        let why = format!("cannot listen on {address}: another program may be there; choose another PORT or --listen");
        Error::new(Code::Unavailable, why).with_source(error)
    })
}

pub(crate) fn prepare_data_dir(config: &Config) -> Result<()> {
    // What lies there is nobody else's business: keys, password hashes, addresses.
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&config.data_dir);
    made.map_err(|error| {
        Error::new(
            Code::Unavailable,
            format!("cannot make the data directory {}", config.data_dir.display()),
        )
        .with_source(error)
    })
}

/// Becomes true at SIGTERM or SIGINT; from then on the process counts as draining.
fn stop_signal(health: Health, has_peers: bool) -> Result<watch::Receiver<bool>> {
    let (sender, receiver) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::internal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::internal)?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("draining: what is in flight finishes");
        health.drain();
        if has_peers {
            tokio::time::sleep(NOTICE).await;
        }
        let _ = sender.send(true);
    });
    Ok(receiver)
}

/// A few lines for whoever started it.
fn greet(
    config: &Config,
    parts: &Parts,
    address: SocketAddr,
    administrator: Option<&FirstAdministrator>,
) {
    if parts != &Parts::new(&[]) {
        tracing::info!(%parts, %address, "serving");
        if let Some(administrator) = administrator {
            print(&introduce(administrator));
        }
        return;
    }
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{address}");
    let mut text = format!("Holdfast {} holds fast on {url}\n", env!("CARGO_PKG_VERSION"));
    let screens = [
        ("Console", holdfast_console::CONSOLE),
        ("Shop", holdfast_console::STOREFRONT),
        ("Docs", holdfast_console::DOCS),
    ];
    for (name, path) in screens {
        text.push_str(&format!("  {name:8} {url}{path}\n"));
    }
    let place = config.location(Part::Orders);
    let place = place.map_or_else(|_| String::new(), |place| place.describe());
    text.push_str(&format!("  Data     {place}\n"));
    if let Some(administrator) = administrator {
        text.push_str(&introduce(administrator));
    }
    text.push_str(&format!("  Next     curl {url}/api/products\n"));
    print(&text);
}

fn introduce(FirstAdministrator { username, made_up_password }: &FirstAdministrator) -> String {
    match made_up_password {
        Some(password) => {
            format!("  Admin    {username} / {password}   (shown once: keep it)\n")
        }
        None => format!("  Admin    {username}, with the configured password\n"),
    }
}

fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody may be reading; serving goes on.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
