//! Holdfast: a commerce backend that holds fast when everybody shows up at once.

mod cli;
mod commands;
mod config;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod parts;
mod serve;
mod system;
mod wiring;

use std::{
    collections::BTreeMap,
    io::{ErrorKind, Write},
    process::ExitCode,
};

use clap::Parser;
use holdfast_types::{Error, Result};

use cli::{Cli, Command, UserCommand};
use config::{Config, Layers};
use parts::Parts;

/// Does what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "holdfast: {}", error.cause());
            for field in error.fields() {
                let _ = writeln!(std::io::stderr(), "  {}: {}", field.pointer, field.detail);
            }
            ExitCode::from(2)
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    let layers = read_layers(&cli)?;
    let config = Config::load(&layers)?;
    start_log(&config)?;
    for file in layers.readable_secrets()? {
        let file = file.display();
        tracing::warn!(%file, "a group can read this file, and it holds a secret: chmod 600, unless that is meant");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Error::internal)?;
    runtime.block_on(dispatch(cli, &config, &layers))
}

async fn dispatch(cli: Cli, config: &Config, layers: &Layers) -> Result<ExitCode> {
    let everything = Command::Serve { parts: Vec::new(), flags: cli.serve };
    match cli.command.unwrap_or(everything) {
        Command::Serve { parts, .. } => serve::serve(config, &Parts::new(&parts)).await,
        Command::Cluster { counts, .. } => {
            let program = std::env::current_exe().map_err(Error::internal)?;
            let settings = cli.settings.to_arguments();
            commands::cluster::run(config, layers.clone(), &settings, &counts, program).await
        }
        Command::Status => commands::cluster::status(config, layers.cluster_secret()?).await,
        Command::Restart => commands::cluster::restart(config).await,
        Command::User(UserCommand::Add { name, role }) => {
            commands::user::add(config, &name, role).await
        }
        Command::Import { file, all: true, .. } | Command::Restore { file } => {
            commands::portable::import(config, &file).await
        }
        Command::Import { file, shop, overwrite, all: false } => {
            commands::import::import(config, &file, &shop, overwrite).await
        }
        Command::Export { file: Some(file), all: true, .. } => {
            commands::portable::export(config, &file).await
        }
        Command::Export { file, url, key, .. } => {
            let key = key.or_else(|| config.api_key.clone());
            commands::export::export(file.as_deref(), &url, key).await
        }
        Command::Check { repair } => commands::check::check(config, repair).await,
        Command::Migrate => commands::migrate::migrate(config).await,
        Command::Backup { file } => commands::backup::backup(config, &file).await,
        Command::Config { defaults } => commands::config::show(layers, defaults),
        Command::Openapi => commands::openapi::write(),
        Command::Completions { shell } => commands::completions::write(shell),
    }
}

/// The one place that reads the environment.
#[expect(clippy::disallowed_methods, reason = "only main reads the environment")]
fn read_layers(cli: &Cli) -> Result<Layers> {
    let mut flags = cli.flags();
    flags.config_file =
        flags.config_file.or_else(|| std::env::var("HOLDFAST_CONFIG").ok().map(Into::into));
    // The one in this folder: those further up may be anybody's.
    let dotenv = match dotenvy::from_path_iter(".env") {
        Ok(entries) => {
            entries.collect::<Result<Vec<_>, _>>().map_err(|error| refuse_dotenv(&error))?
        }
        Err(dotenvy::Error::Io(error)) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(refuse_dotenv(&error)),
    };
    let handed_over = std::env::var(holdfast_cluster::SECRETS)
        .map_or_else(|_| Ok(BTreeMap::new()), |number| read_secrets(&number))?;
    let mut environment = Vec::new();
    for (name, value) in std::env::vars_os() {
        // A name that is not Unicode is none of ours.
        let Ok(name) = name.into_string() else { continue };
        match value.into_string() {
            Ok(value) => environment.push((name, value)),
            Err(_) if Layers::is_ours(&name) => {
                let why = format!("environment ({name}): the value is not UTF-8");
                return Err(Error::new(holdfast_types::Code::InvalidParameter, why));
            }
            Err(_) => {}
        }
    }
    Layers::new(&flags, environment, dotenv, handed_over)
}

/// What the supervisor wrote into a pipe, whose descriptor it named.
fn read_secrets(number: &str) -> Result<BTreeMap<String, String>> {
    let path = format!("/proc/self/fd/{number}");
    let text = std::fs::read(&path).map_err(|error| Error::io(path, error))?;
    serde_json::from_slice(&text).map_err(Error::internal)
}

fn refuse_dotenv(error: &dotenvy::Error) -> Error {
    Error::new(holdfast_types::Code::InvalidParameter, format!(".env: {error}"))
}

/// The log goes to standard error, so that what a command prints stays clean.
fn start_log(config: &Config) -> Result<()> {
    // Its lines come at each attempt; what they say is said by whoever publishes, seldom.
    let directives = format!("async_nats=off,{}", config.log);
    let filter = tracing_subscriber::EnvFilter::try_new(directives).map_err(|error| {
        Error::new(
            holdfast_types::Code::InvalidParameter,
            format!("log = {:?}: {error}", config.log),
        )
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.log_json {
        true => log.json().init(),
        false => log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
    }
    Ok(())
}
