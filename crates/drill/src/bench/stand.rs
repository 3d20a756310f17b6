//! A shop on a database server of its own, for one measurement.

use holdfast_testkit::{Engine, Home};
use tempfile::TempDir;

use crate::{
    Result,
    private::{Plan, PrivateShop, program_beside},
};

/// A running shop and its database server; both end when dropped.
#[derive(Debug)]
pub struct Stand {
    /// The shop.
    pub shop: PrivateShop,
    /// The database's connection string.
    pub database: String,
    _folder: TempDir,
    _home: Home,
}

impl Stand {
    /// Starts the `holdfast` that lies beside this program, on a server of `engine` that is started for it.
    pub fn start(engine: &str) -> Result<Self> {
        let home = Home::of(Engine::named(engine))
            .ok_or_else(|| format!("{engine} is not installed: ./check installs it"))?;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let database = home.url();
        let shop = PrivateShop::start(Plan {
            program: program_beside()?,
            folder: folder.path().to_owned(),
            data: folder.path().join("data"),
            arguments: Vec::new(),
            settings: vec![("DB_CONNECTION_STRING".to_owned(), database.clone())],
        })?;
        Ok(Self { shop, database, _folder: folder, _home: home })
    }
}
