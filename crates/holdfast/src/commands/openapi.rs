//! `holdfast openapi`.

use std::process::ExitCode;

use holdfast_types::{Error, Result};

use super::print;

/// Writes the OpenAPI document.
pub(crate) fn write() -> Result<ExitCode> {
    let json = crate::wiring::document().to_pretty_json().map_err(Error::internal)?;
    print(&format!("{json}\n"))?;
    Ok(ExitCode::SUCCESS)
}
