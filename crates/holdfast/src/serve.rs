//! Serving a whole shop in one process.

use std::{io::Write, net::SocketAddr, process::ExitCode, sync::Arc};

use holdfast_types::{Clock, Code, Error, Random, Result};
use holdfast_users::FirstAdministrator;
use holdfast_web::{Endpoint, Envelope, Server, ServerLimits, listen};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use crate::{
    config::Config,
    system::{Health, Metrics, open_metrics_routes},
    wiring::Shop,
};

/// Serves until SIGTERM or Ctrl-C, then lets what is in flight finish.
pub(crate) async fn serve(config: &Config) -> Result<ExitCode> {
    let listener = bind(config.listen)?;
    let address = listener.local_addr().map_err(Error::internal)?;
    prepare_data_dir(config)?;
    let metrics = Metrics::begin()?;
    let shop = Shop::open(config).await?;
    let administrator = shop.users.ensure_administrator(config.admin_password.as_deref()).await?;
    let health = Health::new(shop.databases.clone(), metrics.clone());
    let gateway = shop.gateway(config, health.clone());
    shop.begin_chores();

    let stopped = stop_signal(health)?;
    let mut servers = vec![run(config, gateway, listener, stopped.clone())];
    if let Some(address) = config.metrics_listen {
        servers.push(run(config, open_metrics_routes(metrics), bind(address)?, stopped));
    }
    greet(config, address, administrator.as_ref());
    for server in servers {
        server.await.map_err(Error::internal)?;
    }
    tracing::info!("drained: ending");
    Ok(ExitCode::SUCCESS)
}

fn run(
    config: &Config,
    endpoint: impl Endpoint,
    listener: TcpListener,
    mut stopped: watch::Receiver<bool>,
) -> tokio::task::JoinHandle<()> {
    let envelope =
        Envelope::new(endpoint, Clock::System, Random::system(), config.trusted_proxies.clone());
    let server = Server::new(ServerLimits::default(), Arc::clone(&envelope));
    tokio::spawn(async move {
        server
            .run(listener, async move {
                // An error says that the sender is gone, which also means to stop.
                let _ = stopped.wait_for(|stopped| *stopped).await;
            })
            .await;
    })
}

fn bind(address: SocketAddr) -> Result<TcpListener> {
    listen(address).map_err(|error| {
        let why = format!("cannot listen on {address}: another program may be there; choose another PORT or --listen");
        Error::new(Code::Unavailable, why).with_source(error)
    })
}

pub(crate) fn prepare_data_dir(config: &Config) -> Result<()> {
    std::fs::create_dir_all(&config.data_dir).map_err(|error| {
        Error::new(
            Code::Unavailable,
            format!("cannot make the data directory {}", config.data_dir.display()),
        )
        .with_source(error)
    })
}

/// Becomes true at SIGTERM or SIGINT; from then on the process counts as draining.
fn stop_signal(health: Health) -> Result<watch::Receiver<bool>> {
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
        let _ = sender.send(true);
    });
    Ok(receiver)
}

/// A few lines for whoever started it.
fn greet(config: &Config, address: SocketAddr, administrator: Option<&FirstAdministrator>) {
    let mut text =
        format!("Holdfast {} holds fast on http://{address}\n", env!("CARGO_PKG_VERSION"));
    text.push_str(&format!("  Docs   http://{address}/docs\n"));
    let place = config.databases.orders.clone();
    let place = place.unwrap_or_else(|| config.data_dir.join("holdfast.db").display().to_string());
    text.push_str(&format!("  Data   {place}\n"));
    match administrator {
        Some(FirstAdministrator { username, made_up_password: Some(password) }) => {
            text.push_str(&format!("  Admin  {username} / {password}   (shown once: keep it)\n"));
        }
        Some(FirstAdministrator { username, .. }) => {
            text.push_str(&format!("  Admin  {username}, with the configured password\n"));
        }
        None => {}
    }
    text.push_str(&format!("  Next   curl http://{address}/api/products\n"));
    let mut out = std::io::stdout().lock();
    // Nobody may be reading; serving goes on.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
