//! `holdfast backup`: a consistent copy while the shop goes on.

use std::{path::Path, process::ExitCode};

use holdfast_storage::{Database, Location};
use holdfast_types::{Code, Error, Result};

use super::print;
use crate::config::Config;

/// Copies the database into `target`, which must not exist yet.
pub(crate) async fn backup(config: &Config, target: &Path) -> Result<ExitCode> {
    let names = &config.databases;
    if names.users != names.products || names.products != names.orders {
        let why = "the services have databases of their own: back each up with its own tools, or run `check` on the copies";
        return Err(Error::new(Code::InvalidParameter, why));
    }
    require_existing(config)?;
    let database =
        Database::open(&Location::of(names.orders.as_deref(), &config.data_dir)?).await?;
    database.backup(target).await?;
    let size = std::fs::metadata(target).map_err(Error::internal)?.len();
    print(&format!("Wrote {} ({size} bytes)\n", target.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Refuses to make a shop where there should be one.
pub(super) fn require_existing(config: &Config) -> Result<()> {
    let location = Location::of(config.databases.orders.as_deref(), &config.data_dir);
    match location.is_ok_and(|location| location.may_exist()) {
        true => Ok(()),
        false => {
            let why = format!("there is no shop in {}: give --data-dir", config.data_dir.display());
            Err(Error::new(Code::InvalidParameter, why))
        }
    }
}
