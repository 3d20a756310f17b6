//! `holdfast user`: managing users beside a running shop.

use std::process::ExitCode;

use holdfast_types::{Result, Role};

use super::{print, read_password};
use crate::{config::Config, serve::prepare_data_dir, wiring::Shop};

/// Adds a user of any role.
pub(crate) async fn add(config: &Config, name: &str, role: Role) -> Result<ExitCode> {
    let password = read_password(&format!("Password for {name}: "))?;
    prepare_data_dir(config)?;
    let shop = Shop::open(config).await?;
    let id = shop.users.add(name, &password, role.clone()).await?;
    print(&format!("Added {name} ({}) as {id}\n", role.as_str()))?;
    Ok(ExitCode::SUCCESS)
}
