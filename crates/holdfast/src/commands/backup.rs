//! `holdfast backup`: a consistent copy while the shop goes on.

use std::{path::Path, process::ExitCode};

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
    if target.exists() {
        return Err(Error::new(
            Code::InvalidParameter,
            format!("{} exists already", target.display()),
        ));
    }
    let database = open_existing(config, names.orders.as_deref())?;
    database.backup(target).await?;
    let size = std::fs::metadata(target).map_err(Error::internal)?.len();
    print(&format!("Wrote {} ({size} bytes)\n", target.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Opens a database that must be there already.
pub(super) fn open_existing(
    config: &Config,
    url: Option<&str>,
) -> Result<holdfast_storage::Database> {
    if url.is_none() && !config.data_dir.join("holdfast.db").exists() {
        let why = format!("there is no shop in {}: give --data-dir", config.data_dir.display());
        return Err(Error::new(Code::InvalidParameter, why));
    }
    holdfast_storage::open(url, &config.data_dir)
}
