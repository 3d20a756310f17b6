//! `drill`: load a shop, write down what it says, and judge.

use std::{
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use holdfast_client::Connection;
use holdfast_drill::{
    Result,
    accounts::{Account, sign_in, with_key},
    bench::{self, Stand, serve_bare},
    damage::damage,
    generate,
    load::{Behaviour, Repeat},
    private,
    replay::{Report, replay},
    sale::sale,
    torture::{self, Nemesis, Topology, torture, watch},
};
use holdfast_testkit::Engine;
use holdfast_types::Random;
use serde::Serialize;

/// Load with an external ledger: every order that the shop acknowledges is written down and compared with the shop.
///
/// The shop must run with HOLDFAST_RATE_LIMITS=off. Exits with 1 when the shop did not keep its word.
#[derive(Debug, Parser)]
#[command(name = "drill", version)]
struct Cli {
    #[command(subcommand)]
    drill: Drill,
}

#[derive(Debug, Subcommand)]
enum Drill {
    /// Place each basket of a file as one order
    Replay {
        /// Newline-delimited JSON: {"basket", "buyer", "items": [[sku, quantity]]}; gzip is recognized
        baskets: PathBuf,
        #[command(flatten)]
        load: LoadFlags,
    },
    /// Put one product up for sale and let everybody buy one unit
    Sale {
        /// Units
        #[arg(long, default_value_t = 500)]
        stock: usize,
        /// Orders of one unit
        #[arg(long, default_value_t = 5000)]
        buyers: usize,
        #[command(flatten)]
        load: LoadFlags,
        #[command(flatten)]
        seller: SellerFlags,
    },
    /// Measure a shop beside its limits; without --url, shops that are started for it
    Bench(BenchFlags),
    /// Make a catalogue and baskets that need exactly its stock
    Generate {
        /// Where products.csv and baskets.ndjson go
        folder: PathBuf,
        /// Products
        #[arg(long, default_value_t = 10_000)]
        products: usize,
        /// Baskets
        #[arg(long, default_value_t = 10_000)]
        baskets: usize,
    },
    /// Copy a CSV file of products with a part of the stock, rounded down
    ScaleStock {
        /// The file; gzip is recognized
        from: PathBuf,
        /// The copy
        to: PathBuf,
        /// How much of the stock to keep
        #[arg(long, default_value_t = 50)]
        percent: i64,
    },
    /// Let faults strike again and again while customers buy, each at a shop that is started for it, and judge
    Torture {
        /// What strikes; everything that can
        #[arg(value_enum)]
        nemeses: Vec<Nemesis>,
        #[command(flatten)]
        torture: TortureFlags,
    },
    /// Mutate copies of a data directory, start the program on each, and list what it refuses and what it serves
    Damage {
        /// Copies that are mutated by chance, beside the usual ones
        #[arg(long, default_value_t = 40)]
        count: usize,
        /// Makes the same choices again [default: a new one]
        #[arg(long)]
        seed: Option<u64>,
        /// The program [default: the `holdfast` beside this one]
        #[arg(long)]
        program: Option<PathBuf>,
        /// Where a report goes, as JSON
        #[arg(long)]
        report: Option<PathBuf>,
    },
    /// Serve the same bytes, read from standard input, to every request: the limit that `bench` compares with
    #[command(hide = true)]
    Bare { address: SocketAddr },
}

#[derive(Debug, Args)]
struct BenchFlags {
    /// The shop [default: one on a file, and a cluster, both started for this]
    #[arg(long)]
    url: Option<String>,
    /// Another shop, such as a build before, to measure in the same rounds
    #[arg(long, value_name = "URL", requires = "url")]
    beside: Option<String>,
    /// Start a database server and a shop on it, and measure that beside the server
    #[arg(long, conflicts_with = "url", value_parser = ["postgres", "mongo"])]
    engine: Option<String>,
    /// Fill the shop up to so many orders, and measure again
    #[arg(long, value_name = "ORDERS", conflicts_with_all = ["url", "engine"], value_parser = bench::above_young)]
    grow: Option<usize>,
    /// Fill another shop with so many products, and compare what is read there
    #[arg(long, value_name = "PRODUCTS", conflicts_with_all = ["url", "engine"], value_parser = bench::above_few)]
    catalogue: Option<usize>,
    /// Products that orders are spread over
    #[arg(long, default_value_t = 1000, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(20..))]
    products: usize,
    /// Clients that read at once; four times as many order
    #[arg(long, default_value_t = 64, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    clients: usize,
    /// Seconds of each round of each measurement
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Rounds of each measurement, of which the median counts; even beside another shop, since they take turns at who is first
    #[arg(long, default_value_t = 3, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=100))]
    rounds: usize,
    #[command(flatten)]
    seller: SellerFlags,
    /// Where the figures go, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where a picture of the shares goes, as SVG
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct TortureFlags {
    /// Makes the same choices again [default: a new one]
    #[arg(long)]
    seed: Option<u64>,
    /// Faults of each kind
    #[arg(long, default_value_t = 5)]
    count: usize,
    /// Seconds between two faults, about
    #[arg(long, default_value_t = 2.0)]
    interval: f64,
    /// Seconds that a fault lasts, where it lasts
    #[arg(long, default_value_t = 2.0)]
    hold: f64,
    /// Customers at once
    #[arg(long, default_value_t = 8)]
    clients: usize,
    /// The engine [default: each fault has one of its own]
    #[arg(long, value_parser = ["sqlite", "postgres", "mongo"])]
    engine: Option<String>,
    /// One process or several [default: each fault has one of its own]
    #[arg(long)]
    topology: Option<Topology>,
    /// Leave orders of unknown fate to the shop's sweep, instead of repeating them in the end
    #[arg(long)]
    abandon: bool,
    /// Leave out the controls, which show that the judgement can fail
    #[arg(long)]
    no_controls: bool,
    /// Fail when something cannot run here
    #[arg(long)]
    no_skips: bool,
    /// Buy from this shop and read, without faults of our own: http://HOST:PORT
    #[arg(long, value_name = "URL")]
    against: Option<String>,
    /// The program [default: the `holdfast` beside this one]
    #[arg(long)]
    program: Option<PathBuf>,
    /// Where a report goes, as JSON
    #[arg(long)]
    report: Option<PathBuf>,
}

impl TortureFlags {
    fn plan(&self, nemeses: Vec<Nemesis>) -> Result<torture::Plan> {
        let seconds =
            |seconds: f64| Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string());
        Ok(torture::Plan {
            program: program(self.program.as_deref())?,
            nemeses: if nemeses.is_empty() { Nemesis::value_variants().to_vec() } else { nemeses },
            engine: self.engine.as_deref().map(Engine::named),
            topology: self.topology,
            seed: self.seed.unwrap_or_else(fresh_seed),
            count: self.count,
            interval: seconds(self.interval)?,
            hold: seconds(self.hold)?,
            clients: self.clients,
            abandon: self.abandon,
            controls: !self.no_controls,
        })
    }
}

fn program(named: Option<&Path>) -> Result<PathBuf> {
    match named {
        Some(path) => path.canonicalize().map_err(|error| format!("{}: {error}", path.display())),
        None => private::program_beside(),
    }
}

fn fresh_seed() -> u64 {
    u64::from_le_bytes(Random::system().bytes())
}

#[derive(Debug, Args)]
struct LoadFlags {
    /// The shop
    #[arg(long, default_value = "http://127.0.0.1:3000")]
    url: String,
    /// Clients at once
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// Accounts that buyers share
    #[arg(long, default_value_t = 64)]
    accounts: usize,
    /// Give up what has no answer instead of repeating it: shows every failure
    #[arg(long)]
    never_repeat: bool,
}

#[derive(Debug, Args)]
struct SellerFlags {
    /// A seller or an administrator
    #[arg(long, default_value = "admin")]
    user: String,
    /// Their password
    #[arg(long)]
    password: Option<String>,
    /// An API key in their place
    #[arg(long, conflicts_with_all = ["user", "password"])]
    key: Option<String>,
}

impl LoadFlags {
    fn behaviour(&self) -> Behaviour {
        let run = uuid::Uuid::new_v4().simple().to_string();
        Behaviour {
            url: self.url.clone(),
            clients: self.clients,
            run,
            repeat: if self.never_repeat { Repeat::Never } else { Repeat::SameKey },
            stop: Arc::default(),
            is_quiet: false,
        }
    }
}

impl SellerFlags {
    async fn sign_in(&self, url: &str) -> Result<Account> {
        let mut connection = Connection::new(url);
        match (&self.key, &self.password) {
            (Some(key), _) => with_key(&mut connection, key).await,
            (None, Some(password)) => sign_in(&mut connection, &self.user, password).await,
            (None, None) => Err("say who we are to the shop: --password, or --key".into()),
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse().drill).await {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "drill: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run(drill: Drill) -> Result<ExitCode> {
    match drill {
        Drill::Replay { baskets, load } => {
            Ok(tell_report(&replay(&baskets, load.accounts, &load.behaviour()).await?))
        }
        Drill::Sale { stock, buyers, load, seller } => {
            let seller = seller.sign_in(&load.url).await?;
            Ok(tell_report(&sale(&seller, stock, buyers, load.accounts, &load.behaviour()).await?))
        }
        Drill::Bench(flags) => run_bench(&flags).await,
        Drill::Generate { folder, products, baskets } => {
            generate::generate(&folder, products, baskets)?;
            tell(&format!(
                "Wrote {} products and {} baskets into {}\n",
                products,
                baskets,
                folder.display()
            ));
            Ok(ExitCode::SUCCESS)
        }
        Drill::Torture { nemeses, torture } => run_torture(nemeses, &torture).await,
        Drill::Damage { count, seed, program, report } => {
            run_damage(count, seed.unwrap_or_else(fresh_seed), program, report).await
        }
        Drill::ScaleStock { from, to, percent } => {
            generate::scale_stock(&from, &to, percent)?;
            Ok(ExitCode::SUCCESS)
        }
        Drill::Bare { address } => {
            let body =
                std::io::read_to_string(std::io::stdin()).map_err(|error| error.to_string())?;
            serve_bare(address, body).await.map(|()| ExitCode::SUCCESS)
        }
    }
}

async fn run_torture(nemeses: Vec<Nemesis>, flags: &TortureFlags) -> Result<ExitCode> {
    let plan = flags.plan(nemeses)?;
    tell(&format!("seed {}\n", plan.seed));
    if let Some(url) = &flags.against {
        let trial = watch(&plan, url).await?;
        tell(&trial.to_text());
        write_report(flags.report.as_deref(), &trial)?;
        return Ok(exit_code(trial.is_clean()));
    }
    let report = torture(&plan, tell).await?;
    tell(&format!("\n{}", report.to_table()));
    write_report(flags.report.as_deref(), &report)?;
    Ok(exit_code(report.is_clean() && (!flags.no_skips || report.skipped.is_empty())))
}

async fn run_damage(
    count: usize,
    seed: u64,
    program: Option<PathBuf>,
    report: Option<PathBuf>,
) -> Result<ExitCode> {
    tell(&format!("seed {seed}\n\n| mutation | what became of it |\n|---|---|\n"));
    let program = crate::program(program.as_deref())?;
    let cases = damage(&program, seed, count, tell).await?;
    write_report(report.as_deref(), &cases)?;
    let silent = cases.iter().filter(|case| case.is_silent_loss()).count();
    tell(&format!("\n{} cases, {silent} with a loss that nobody tells\n", cases.len()));
    Ok(exit_code(silent == 0))
}

fn write_report(file: Option<&Path>, report: &impl Serialize) -> Result<()> {
    let Some(file) = file else { return Ok(()) };
    let text = serde_json::to_vec_pretty(report).map_err(|error| error.to_string())?;
    std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}

fn exit_code(is_clean: bool) -> ExitCode {
    if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run_bench(flags: &BenchFlags) -> Result<ExitCode> {
    let plan = bench::Plan {
        run: uuid::Uuid::new_v4().simple().to_string(),
        clients: flags.clients,
        time: Duration::from_secs(flags.seconds),
        rounds: flags.rounds,
        products: flags.products,
    };
    let figures = match (&flags.engine, &flags.url) {
        (Some(engine), _) => {
            let stand = Stand::start(Engine::named(engine), &[]).await?;
            let (seller, url) = (stand.seller().await?, &stand.shop.url);
            bench::beside_limits((&seller, url), stand.database.as_deref(), None, &plan).await?
        }
        (None, Some(url)) => {
            let seller = async |url: &str| flags.seller.sign_in(url).await;
            let other = match &flags.beside {
                Some(other) => Some((seller(other).await?, other.as_str())),
                None => None,
            };
            let other = other.as_ref().map(|(seller, url)| (seller, *url));
            bench::beside_limits((&seller(url).await?, url), None, other, &plan).await?
        }
        (None, None) => {
            let growth = bench::Growth { orders: flags.grow, products: flags.catalogue };
            bench::whole(&plan, growth, tell).await?
        }
    };
    tell(&figures.to_table());
    write_report(flags.json.as_deref(), &figures)?;
    if let Some(file) = &flags.svg {
        let wrong = |error| format!("{}: {error}", file.display());
        std::fs::write(file, figures.to_svg()).map_err(wrong)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn tell_report(report: &Report) -> ExitCode {
    tell(&report.outcome.to_text());
    tell(&report.verdict.to_text());
    exit_code(report.verdict.is_clean())
}

fn tell(text: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody may be reading; the exit status still tells.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
