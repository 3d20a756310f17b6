//! Commands other than `serve`.

pub(crate) mod backup;
pub(crate) mod check;
pub(crate) mod cluster;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod migrate;
pub(crate) mod openapi;
mod pairs;
pub(crate) mod portable;
mod shop;
pub(crate) mod user;

use std::io::{IsTerminal, Write};

use holdfast_types::{Code, Error, Result};

/// Writes a result to standard output.
fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Error::internal)
}

/// Writes a remark to standard error.
fn remark(text: &str) {
    // Nobody may be reading; the work goes on.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A password from a prompt on a terminal, else the first line of standard input.
fn read_password(prompt: &str) -> Result<String> {
    let unreadable =
        |error| Error::new(Code::InvalidParameter, "cannot read the password").with_source(error);
    if std::io::stdin().is_terminal() {
        return rpassword::prompt_password(prompt).map_err(unreadable);
    }
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(unreadable)?;
    match line.trim_end_matches(['\r', '\n']) {
        "" => Err(Error::new(
            Code::InvalidParameter,
            "standard input has no password: send it as the first line",
        )),
        password => Ok(password.to_owned()),
    }
}
