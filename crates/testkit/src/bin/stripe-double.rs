//! Runs the double of Stripe until it is stopped, and says where.

use std::io;

use clap::Parser;
use holdfast_testkit::stripe::{Options, StripeDouble, Webhook};

/// A double of Stripe for tests.
#[derive(Parser)]
struct Flags {
    /// The port on 127.0.0.1; 0 takes any.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The secret key that requests must bear; without one they need none.
    #[arg(long)]
    key: Option<String>,
    /// Where events go.
    #[arg(long, requires = "webhook_secret")]
    webhook_url: Option<String>,
    /// What events are signed with.
    #[arg(long, requires = "webhook_url")]
    webhook_secret: Option<String>,
    /// Decides chance and ids.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let Flags { port, key, webhook_url, webhook_secret, seed } = Flags::parse();
    let webhook = webhook_url.zip(webhook_secret).map(|(url, secret)| Webhook { url, secret });
    let options = Options { port, key, webhook, seed, ..Options::default() };
    let double = StripeDouble::start(options).await?;
    announce(double.base_url());
    tokio::signal::ctrl_c().await
}

#[expect(clippy::print_stdout, reason = "the address is what the program is asked for")]
fn announce(address: &str) {
    println!("{address}");
}
