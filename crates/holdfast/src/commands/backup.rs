//! `holdfast backup`: a consistent copy while the shop goes on.

use std::{path::Path, process::ExitCode};

use holdfast_storage::Database;
use holdfast_types::{Code, Error, Result};

use super::print;
use crate::{config::Config, parts::Part};

/// Copies the database into `target`, which must not exist yet.
pub(crate) async fn backup(config: &Config, target: &Path) -> Result<ExitCode> {
    let location = config.location(Part::Orders)?;
    let elsewhere = |part| config.location(part).map_or(true, |other| other != location);
    if Part::SERVICES.into_iter().any(elsewhere) {
        let why = "the services have databases of their own: back each up with its own tools, or run `check` on the copies";
        return Err(Error::new(Code::InvalidParameter, why));
    }
    require_existing(config)?;
    let database = Database::open(&location).await?;
    database.backup(target).await?;
    let size = std::fs::metadata(target).map_err(Error::internal)?.len();
    print(&format!("Wrote {} ({size} bytes)\n", target.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Refuses to make a shop where there should be one.
pub(super) fn require_existing(config: &Config) -> Result<()> {
    match config.location(Part::Orders).is_ok_and(|location| location.may_exist()) {
        true => Ok(()),
        false => {
            let why = format!("there is no shop in {}: give --data-dir", config.data_dir.display());
            Err(Error::new(Code::InvalidParameter, why))
        }
    }
}
