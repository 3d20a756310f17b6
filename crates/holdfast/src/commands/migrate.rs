//! `holdfast migrate`: brings the databases up to date and does nothing else.

use std::process::ExitCode;

use holdfast_types::Result;

use super::print;
use crate::{config::Config, parts::Part, wiring::Shop};

/// Makes or changes the tables of all services. Several processes may do it at once.
pub(crate) async fn migrate(config: &Config) -> Result<ExitCode> {
    Shop::open(config).await?;
    for part in Part::SERVICES {
        let (service, place) = (part.name(), config.location(part)?);
        print(&format!("{service:<9} up to date on {} {}\n", place.engine(), place.describe()))?;
    }
    Ok(ExitCode::SUCCESS)
}
