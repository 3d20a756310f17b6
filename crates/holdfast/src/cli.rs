//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use holdfast_types::Role;

use crate::{
    config::Flags,
    parts::{Counts, Part, PeerFlags},
};

/// A commerce backend that holds fast when everybody shows up at once.
///
/// Without a command it serves a whole shop: users, products, orders and events on an embedded database.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version, propagate_version = true, arg_required_else_help = false)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) settings: SettingFlags,
    #[command(flatten)]
    pub(crate) serve: ServeFlags,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Settings that every command knows. All others: `holdfast config --defaults`.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SettingFlags {
    /// Where data lives [default: holdfast-data]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// A configuration file [default: holdfast.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl SettingFlags {
    /// The same flags for another process.
    pub(crate) fn to_arguments(&self) -> Vec<String> {
        [("--data-dir", &self.data_dir), ("--config", &self.config)]
            .into_iter()
            .filter_map(|(name, path)| {
                Some([name.to_owned(), path.as_ref()?.to_string_lossy().into_owned()])
            })
            .flatten()
            .collect()
    }
}

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ServeFlags {
    /// Where to listen, such as 127.0.0.1:3000 [default: 127.0.0.1 and PORT]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// Where other processes of the shop reach this one, when it serves the gateway
    #[arg(long, value_name = "ADDRESS")]
    internal_listen: Option<String>,
    #[command(flatten)]
    peers: PeerFlags,
}

impl ServeFlags {
    fn settings(&self) -> Vec<(&'static str, Option<String>)> {
        let listen =
            [("listen", self.listen.clone()), ("internal_listen", self.internal_listen.clone())];
        let peers = self.peers.0.iter().map(|(part, urls)| (*part, Some(urls.clone())));
        listen.into_iter().chain(peers).collect()
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the shop, or some parts of it, until SIGTERM or Ctrl-C
    Serve {
        /// What this process serves [default: everything]
        parts: Vec<Part>,
        #[command(flatten)]
        flags: ServeFlags,
    },
    /// Serve the shop with several processes on this machine: any of them may die
    ///
    /// SIGHUP restarts them one by one, SIGTERM and Ctrl-C end them all. When this supervisor is killed, they go on;
    /// the next one takes them over.
    Cluster {
        #[command(flatten)]
        counts: Counts,
        /// Where to listen, such as 127.0.0.1:3000 [default: 127.0.0.1 and PORT]
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<String>,
    },
    /// Show how every process of the cluster is getting on
    Status,
    /// Restart every process of the cluster, one after the other
    Restart,
    /// Manage users
    #[command(subcommand)]
    User(UserCommand),
    /// Bring products from a CSV file into a running shop
    ///
    /// Columns: sku, name, description, category, price (minor units), currency, quantity. Gzip is recognized.
    /// Importing the same file again changes nothing: each chunk has a key made of the file's content and its place.
    Import {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        shop: ShopFlags,
        /// Update products whose sku exists already
        #[arg(long)]
        overwrite: bool,
        /// Bring a whole shop, written with `export --all`, into the configured databases instead
        #[arg(long, conflicts_with = "overwrite")]
        all: bool,
    },
    /// Write the products of a running shop to a CSV file that `import` reads
    Export {
        /// The file [default: standard output]
        file: Option<PathBuf>,
        /// The shop
        #[arg(long, default_value = "http://127.0.0.1:3000")]
        url: String,
        /// An API key: requests then count against it and not against the address [default: HOLDFAST_API_KEY]
        #[arg(long, conflicts_with = "all")]
        key: Option<String>,
        /// Write the whole shop from the configured databases instead: a portable dump for any engine
        #[arg(long, requires = "file")]
        all: bool,
    },
    /// Bring a whole shop from a file that `export --all` wrote into the configured databases; as `import --all`
    Restore {
        /// The file
        file: PathBuf,
    },
    /// Audit the database: nothing oversold, no order lost or doubled. Exits with 1 when a promise is broken
    Check {
        /// Make stock follow the orders first: after restoring copies that were not taken at the same moment. The shop
        /// must not be running
        #[arg(long)]
        repair: bool,
    },
    /// Bring the databases up to date, and nothing else; `serve` does it too. Ten may do it at once
    Migrate,
    /// Write a consistent copy of the database while the shop goes on
    Backup {
        /// The copy; must not exist yet
        file: PathBuf,
    },
    /// Show the effective settings and where each comes from
    Config {
        /// Show the commented defaults instead
        #[arg(long)]
        defaults: bool,
    },
    /// Write the OpenAPI document
    Openapi,
    /// Write completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user; the password comes from a prompt, or from standard input
    Add {
        /// The name to sign in with
        name: String,
        /// customer, seller, admin, or a role that was made
        #[arg(long, default_value = "customer")]
        role: Role,
    },
}

/// A running shop, and who we are to it.
#[derive(Clone, Debug, Args)]
pub(crate) struct ShopFlags {
    /// The shop
    #[arg(long, default_value = "http://127.0.0.1:3000")]
    pub(crate) url: String,
    /// A seller or an administrator [default: admin]
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// Their password [default: a prompt, or standard input]
    #[arg(long)]
    pub(crate) password: Option<String>,
    /// An API key in their place [default: HOLDFAST_API_KEY, unless there is a user or a password]
    #[arg(long, conflicts_with_all = ["user", "password"])]
    pub(crate) key: Option<String>,
}

impl Cli {
    /// What the command line says about settings.
    pub(crate) fn flags(&self) -> Flags {
        let data_dir =
            self.settings.data_dir.as_ref().map(|path| path.to_string_lossy().into_owned());
        let mut settings = vec![("data_dir", data_dir)];
        settings.extend(self.serve.settings());
        match &self.command {
            Some(Command::Serve { flags, .. }) => settings.extend(flags.settings()),
            Some(Command::Cluster { listen, .. }) => settings.push(("listen", listen.clone())),
            _ => {}
        }
        Flags {
            settings: settings.into_iter().filter_map(|(key, value)| Some((key, value?))).collect(),
            config_file: self.settings.config.clone(),
        }
    }
}
