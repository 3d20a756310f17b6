//! Fresh isolated databases for tests, the servers that they are on, and a double of Stripe.

mod mongo;
mod postgres;
mod process;
pub mod smtp;
pub mod stripe;

use std::io::Write;

use holdfast_storage::{Database, Location, mongo::doc};
use holdfast_types::{Audit, AuditTrail, Clock, Fingerprint, Operation, Random, Timestamp, UserId};
use tempfile::TempDir;

pub use mongo::MongoServer;
pub use postgres::{PostgresServer, postgres_program};

/// Engines that a test may run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Embedded; always there.
    Sqlite,
    /// A private cluster.
    Postgres,
    /// A private replica set of one.
    Mongo,
}

impl Engine {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sqlite, Self::Postgres, Self::Mongo];

    /// The engine of that name.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name {
            "sqlite" => Self::Sqlite,
            "postgres" => Self::Postgres,
            "mongo" => Self::Mongo,
            _ => panic!("there is no engine {name}"),
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mongo => "mongo",
        }
    }
}

/// What a database lives in; gone when dropped.
#[derive(Debug)]
pub enum Home {
    /// A folder.
    Folder(TempDir),
    /// A PostgreSQL server.
    Postgres(PostgresServer),
    /// A MongoDB server.
    Mongo(MongoServer),
}

impl Home {
    /// A home for a new database. `None`, said aloud, when the engine is not installed; where `CI` is set that is a
    /// failure.
    ///
    /// # Panics
    /// When the engine is not installed and `CI` is set, or does not start.
    #[must_use]
    pub fn of(engine: Engine) -> Option<Self> {
        let home = match engine {
            Engine::Sqlite => tempfile::tempdir().ok().map(Self::Folder),
            Engine::Postgres => PostgresServer::start().map(Self::Postgres),
            Engine::Mongo => MongoServer::start().map(Self::Mongo),
        };
        if home.is_none() {
            assert!(std::env::var_os("CI").is_none(), "{} is not installed", engine.name());
            let _ = writeln!(
                std::io::stderr(),
                "!!! NOT TESTED: {} is not installed !!!",
                engine.name()
            );
        }
        home
    }

    /// What to set `DB_CONNECTION_STRING` to.
    #[must_use]
    pub fn url(&self) -> String {
        match self {
            Self::Folder(folder) => {
                format!("sqlite:{}", folder.path().join("holdfast.db").display())
            }
            Self::Postgres(server) => server.url(),
            Self::Mongo(server) => server.url(),
        }
    }
}

/// A database that nobody else uses; gone when dropped.
#[derive(Debug)]
pub struct Fresh {
    /// The database.
    pub database: Database,
    /// A clock that stands still until it is moved.
    pub clock: Clock,
    /// Randomness that repeats.
    pub random: Random,
    _home: Home,
}

impl Fresh {
    async fn new(home: Home) -> Self {
        let location = Location::of(Some(&home.url()), "".as_ref()).expect("the home is there");
        let database = Database::open(&location).await.expect("a new home can hold a database");
        let clock = Clock::manual(Timestamp::from_millis(1_800_000_000_000));
        Self { database, clock, random: Random::seeded(7), _home: home }
    }
}

/// Runs a test of one guarantee on every engine.
pub async fn on_every_engine<F>(test: impl Fn(Fresh) -> F)
where
    F: Future<Output = ()>,
{
    for engine in Engine::ALL {
        let Some(home) = Home::of(engine) else { continue };
        // Dropped quietly when the test passes; a failure says where it happened.
        let _told = Told(engine.name());
        test(Fresh::new(home).await).await;
    }
}

/// How often, or for how long: the first in an ordinary run, the second where `HOLDFAST_TEST_LONG` is set.
#[must_use]
pub fn ordinary_or_long<T>(ordinary: T, long: T) -> T {
    if std::env::var_os("HOLDFAST_TEST_LONG").is_some() { long } else { ordinary }
}

/// An operation of its own.
#[must_use]
pub fn operation(random: &Random) -> Operation {
    let id = random.uuid_v7(Timestamp::from_millis(0));
    Operation { id, fingerprint: Fingerprint([1; 16]), audit: None }
}

/// An operation of its own that somebody answers for.
#[must_use]
pub fn audited(random: &Random) -> Operation {
    let operation = operation(random);
    let trail = AuditTrail {
        resource_id: operation.id,
        actor_id: UserId::from_bytes([7; 16]),
        key_id: None,
        address: [192, 0, 2, 7].into(),
        request_id: "checkout-7".to_owned(),
        request: "POST /api/things".to_owned(),
    };
    let audit = Audit { action: "make_thing", operation: operation.id, trail };
    Operation { audit: Some(audit.into()), ..operation }
}

/// Says which engine a test failed on.
struct Told(&'static str);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "failed on engine {}", self.0);
        }
    }
}

/// Writes into a column of every row what nobody can read, behind the shop's back.
///
/// # Panics
/// When the database does not take it.
pub async fn damage(database: &Database, table: &'static str, column: &'static str) {
    // JSON too, for columns that take nothing else.
    let sql = format!("UPDATE {table} SET {column} = '\"damaged\"'");
    let done = match database {
        Database::Sqlite(db) => db.write(move |db| Ok(db.execute(&sql, []).map(|_| ())?)).await,
        Database::Postgres(db) => db.query(&sql, &[]).await.map(|_| ()),
        Database::Mongo(db) => {
            let change = doc! {"$set": {column: "damaged"}};
            db.transaction(|tx| {
                let change = change.clone();
                async move { tx.update_all(table, doc! {}, change).await.map(|_| ()) }
            })
            .await
        }
    };
    done.expect("the database takes it");
}

/// Deletes every row of a table, behind the shop's back.
///
/// # Panics
/// When the database does not take it.
pub async fn empty(database: &Database, table: &'static str) {
    let sql = format!("DELETE FROM {table}");
    let done = match database {
        Database::Sqlite(db) => db.write(move |db| Ok(db.execute(&sql, []).map(|_| ())?)).await,
        Database::Postgres(db) => db.query(&sql, &[]).await.map(|_| ()),
        Database::Mongo(db) => {
            db.transaction(|tx| async move { tx.delete(table, doc! {}).await.map(|_| ()) }).await
        }
    };
    done.expect("the database takes it");
}
