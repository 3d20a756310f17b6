//! `holdfast openapi`.

use std::process::ExitCode;

use holdfast_types::{Error, Result};

use super::print;

/// Writes the OpenAPI document.
pub(crate) fn write() -> Result<ExitCode> {
    let document = crate::wiring::document();
    let json = serde_json::to_string_pretty(&document).map_err(Error::internal)?;
    print(&format!("{json}\n"))?;
    Ok(ExitCode::SUCCESS)
}
