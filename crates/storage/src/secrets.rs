//! What every service has beside its own records: a secret, without which no fingerprint would be known again.

use holdfast_types::{Code, Error, Random, Result, Secret};

use crate::{
    Database, Migrations, mongo, postgres,
    record::{IdempotencyRecord, RecordType},
    sqlite,
};

/// Stands among the secrets of services: whether a restore was begun.
const RESTORE: &str = "restore";
const DONE: [u8; 32] = [0; 32];
/// Stands among them as well: the mark by which processes tell whether they have one database.
const MARK: &str = "mark";

impl Database {
    /// The database as `service` has it, with connections of its own for lists, its tables up to date, and its secret.
    pub async fn of_service(
        &self,
        service: &'static str,
        steps: &'static Migrations,
        records: &[RecordType],
        random: &Random,
    ) -> Result<(Self, Secret)> {
        let db = self.with_own_lists();
        db.prepare(service, steps).await?;
        db.define_all(records).await?;
        let secret = db.secret(service, random).await?;
        Ok((db, secret))
    }

    /// Makes what every service needs, and the tables of its own that `steps` make on this engine: SQLite, PostgreSQL,
    /// MongoDB. Refuses a database in which the service keeps its records in an earlier way.
    pub async fn prepare(&self, service: &'static str, steps: &'static Migrations) -> Result<()> {
        match self {
            Self::Sqlite(db) => db.migrate(steps.of(service, steps.sqlite)).await?,
            Self::Postgres(db) => db.migrate(steps.of(service, steps.postgres)).await?,
            Self::Mongo(db) => db.migrate(steps.of(service, steps.mongo)).await?,
        }
        self.define_tallies().await?;
        self.define::<IdempotencyRecord>().await
    }

    /// The secret of `service`.
    pub async fn secret_of(&self, service: &'static str) -> Result<[u8; 32]> {
        let secret = self.find_secret(service).await?;
        secret.ok_or_else(|| Error::internal(format!("{service} has no secret")))
    }

    /// Puts the secret of `service` in the place of the one that is there. Takes effect at the next start.
    pub async fn put_secret(&self, service: &'static str, secret: [u8; 32]) -> Result<()> {
        match self {
            Self::Sqlite(db) => sqlite::secrets::put(db, service, secret).await,
            Self::Postgres(db) => postgres::secrets::put(db, service, secret).await,
            Self::Mongo(db) => mongo::secrets::put(db, service, secret).await,
        }
    }

    /// Notes that a shop is being brought into the database: until that has ended, it is half a shop.
    pub async fn begin_restore(&self) -> Result<()> {
        self.set(RESTORE, [1; 32]).await
    }

    /// Notes that the shop is whole.
    pub async fn end_restore(&self) -> Result<()> {
        self.put_secret(RESTORE, DONE).await
    }

    /// Refuses a database into which a shop was brought in part only.
    pub async fn refuse_half(&self) -> Result<()> {
        match self.find_secret(RESTORE).await? {
            None | Some(DONE) => Ok(()),
            Some(_) => {
                let why = "a restore into this database was begun and not finished, so it holds half a shop: run the same `holdfast restore FILE` again, which finishes it";
                Err(Error::new(Code::InvalidParameter, why))
            }
        }
    }

    /// Puts a fresh mark into the database: a process that reads the same has the same database, and no copy made before.
    pub async fn put_mark(&self, random: &Random) -> Result<()> {
        self.set(MARK, random.bytes()).await
    }

    /// The mark that was put last, if there is one.
    pub async fn mark(&self) -> Result<Option<[u8; 32]>> {
        self.find_secret(MARK).await
    }

    /// The secret of `service`, made at the first call and kept in the database from then on.
    pub async fn secret(&self, service: &'static str, random: &Random) -> Result<Secret> {
        Ok(Secret::new(&self.make(service, random.bytes()).await?))
    }

    /// What stands under the name; `fresh` where nothing did.
    async fn make(&self, name: &'static str, fresh: [u8; 32]) -> Result<[u8; 32]> {
        match self {
            Self::Sqlite(db) => sqlite::secrets::make(db, name, fresh).await,
            Self::Postgres(db) => postgres::secrets::make(db, name, fresh).await,
            Self::Mongo(db) => mongo::secrets::make(db, name, fresh).await,
        }
    }

    /// Puts `bytes` under the name, whatever stands there.
    async fn set(&self, name: &'static str, bytes: [u8; 32]) -> Result<()> {
        match self.make(name, bytes).await? == bytes {
            true => Ok(()),
            false => self.put_secret(name, bytes).await,
        }
    }

    async fn find_secret(&self, name: &'static str) -> Result<Option<[u8; 32]>> {
        match self {
            Self::Sqlite(db) => sqlite::secrets::find(db, name),
            Self::Postgres(db) => postgres::secrets::find(db, name).await,
            Self::Mongo(db) => mongo::secrets::find(db, name).await,
        }
    }
}
