//! `holdfast config`.

use std::process::ExitCode;

use holdfast_types::Result;

use super::print;
use crate::config::Layers;

/// Shows the effective settings, or the commented defaults.
pub(crate) fn show(layers: &Layers, defaults: bool) -> Result<ExitCode> {
    if defaults {
        print(crate::config::DEFAULTS)?;
        return Ok(ExitCode::SUCCESS);
    }
    let lines = layers
        .shown()
        .into_iter()
        .map(|(key, value, place)| format!("{:<50} # {place}\n", format!("{key} = {value}")));
    print(&lines.collect::<String>())?;
    Ok(ExitCode::SUCCESS)
}
