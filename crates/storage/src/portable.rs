//! What every service moves from one engine to another beside its own records: its secret, without which no fingerprint
//! would be known again, and the answers that it keeps.

use holdfast_types::{Answer, Code, Error, Fingerprint, Random, Result, Secret, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Database, Flow, mongo, postgres, sqlite};

/// Stands among the secrets of services: whether a restore was begun.
const RESTORE: &str = "restore";
const DONE: [u8; 32] = [0; 32];

/// A kept answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kept {
    /// The operation.
    pub id: Uuid,
    /// What its request was like.
    pub fingerprint: Fingerprint,
    /// What it was answered.
    pub answer: Answer,
    /// When.
    pub at: Timestamp,
}

impl Database {
    /// Makes what every service needs. Refuses a database in which the service keeps its records in an earlier way.
    pub async fn prepare(&self, service: &'static str) -> Result<()> {
        match self {
            Self::Sqlite(db) => db.migrate(service, &[]).await,
            Self::Postgres(db) => db.migrate(service, &[]).await,
            Self::Mongo(db) => db.migrate(service, &[]).await,
        }
    }

    /// The secret of `service`.
    pub async fn secret_of(&self, service: &'static str) -> Result<[u8; 32]> {
        let secret = self.find_secret(service).await?;
        secret.ok_or_else(|| Error::internal(format!("{service} has no secret")))
    }

    /// The answers in `table`.
    pub async fn answers(&self, table: &'static str) -> Result<Flow<Kept>> {
        match self {
            Self::Sqlite(db) => sqlite::operations::answers(db, table).await,
            Self::Postgres(db) => postgres::operations::answers(db, table).await,
            Self::Mongo(db) => mongo::operations::answers(db, table).await,
        }
    }

    /// Puts the secret of `service` in the place of the one that is there. Takes effect at the next start.
    pub async fn put_secret(&self, service: &'static str, secret: [u8; 32]) -> Result<()> {
        match self {
            Self::Sqlite(db) => sqlite::operations::put_secret(db, service, secret).await,
            Self::Postgres(db) => postgres::operations::put_secret(db, service, secret).await,
            Self::Mongo(db) => mongo::operations::put_secret(db, service, secret).await,
        }
    }

    /// Notes that a shop is being brought into the database: until that has ended, it is half a shop.
    pub async fn begin_restore(&self) -> Result<()> {
        let random = Random::system();
        self.secret(RESTORE, &random).await?;
        self.put_secret(RESTORE, [1; 32]).await
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

    /// The secret of `service`, made at the first call and kept in the database from then on.
    pub async fn secret(&self, service: &'static str, random: &Random) -> Result<Secret> {
        match self {
            Self::Sqlite(db) => db.secret(service, random).await,
            Self::Postgres(db) => db.secret(service, random).await,
            Self::Mongo(db) => db.secret(service, random).await,
        }
    }

    async fn find_secret(&self, name: &'static str) -> Result<Option<[u8; 32]>> {
        match self {
            Self::Sqlite(db) => sqlite::operations::find_secret(db, name),
            Self::Postgres(db) => postgres::operations::find_secret(db, name).await,
            Self::Mongo(db) => mongo::operations::find_secret(db, name).await,
        }
    }

    /// Puts answers into `table`, unless they are there.
    pub async fn put_kept(&self, table: &'static str, kept: &[Kept]) -> Result<()> {
        match self {
            Self::Sqlite(db) => sqlite::operations::put_kept(db, table, kept.to_vec()).await,
            Self::Postgres(db) => postgres::operations::put_kept(db, table, kept).await,
            Self::Mongo(db) => mongo::operations::put_kept(db, table, kept).await,
        }
    }
}
