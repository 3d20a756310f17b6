//! `holdfast migrate`: brings the databases up to date and does nothing else.

use std::process::ExitCode;

use holdfast_storage::Location;
use holdfast_types::Result;

use super::print;
use crate::{config::Config, wiring::Shop};

/// Makes or changes the tables of all services. Several processes may do it at once.
pub(crate) async fn migrate(config: &Config) -> Result<ExitCode> {
    Shop::open(config).await?;
    let names = &config.databases;
    for (service, url) in
        [("users", &names.users), ("products", &names.products), ("orders", &names.orders)]
    {
        let place = Location::of(url.as_deref(), &config.data_dir)?;
        print(&format!("{service:<9} up to date on {} {}\n", place.engine(), place.describe()))?;
    }
    Ok(ExitCode::SUCCESS)
}
