//! A shop of its own, for one measurement: on a file, or on a database server that is started for it.

use holdfast_client::Connection;
use holdfast_testkit::{Engine, Home};
use tempfile::TempDir;

use crate::{
    Result,
    accounts::{Account, sign_in},
    private::{PASSWORD, Plan, PrivateShop, program_beside},
};

/// A running shop and what it needs; all of it ends when dropped.
#[derive(Debug)]
pub struct Stand {
    /// The shop.
    pub shop: PrivateShop,
    /// The connection string of its database server.
    pub database: Option<String>,
    _folder: TempDir,
    _home: Option<Home>,
}

impl Stand {
    /// Starts the `holdfast` that lies beside this program, on a file or on a server of `engine` that is started for it:
    /// a shop in one process, unless the arguments say something else. Returns when it is ready.
    pub async fn start(engine: Engine, arguments: &[&str]) -> Result<Self> {
        let home = match engine {
            Engine::Sqlite => None,
            engine => Some(Home::of(engine).ok_or_else(|| {
                format!("{} is not installed: ./check installs it", engine.name())
            })?),
        };
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let database = home.as_ref().map(Home::url);
        let settings = database.iter().map(|url| ("DB_CONNECTION_STRING".to_owned(), url.clone()));
        let shop = PrivateShop::start(Plan {
            program: program_beside()?,
            folder: folder.path().to_owned(),
            data: folder.path().join("data"),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            settings: settings.collect(),
        })?;
        shop.ready().await?;
        Ok(Self { shop, database, _folder: folder, _home: home })
    }

    /// The administrator that every such shop has.
    pub async fn seller(&self) -> Result<Account> {
        sign_in(&mut Connection::new(&self.shop.url), "admin", PASSWORD).await
    }
}
