//! The secrets of services.

use holdfast_types::Result;
use rusqlite::OptionalExtension;

use super::Sqlite;

/// See [`crate::Database::secret`].
pub(crate) async fn make(db: &Sqlite, service: &'static str, fresh: [u8; 32]) -> Result<[u8; 32]> {
    db.write(move |db| {
        let insert = "INSERT OR IGNORE INTO holdfast_secrets (service, secret) VALUES (?1, ?2)";
        db.execute(insert, (service, fresh))?;
        let select = "SELECT secret FROM holdfast_secrets WHERE service = ?1";
        Ok(db.query_row(select, [service], |row| row.get(0))?)
    })
    .await
}

/// See [`crate::Database::put_secret`].
pub(crate) async fn put(db: &Sqlite, service: &'static str, secret: [u8; 32]) -> Result<()> {
    let sql = "UPDATE holdfast_secrets SET secret = ?2 WHERE service = ?1";
    db.write(move |db| Ok(db.execute(sql, (service, secret)).map(|_| ())?)).await
}

/// The secret that stands under that name, if any.
pub(crate) fn find(db: &Sqlite, name: &str) -> Result<Option<[u8; 32]>> {
    let sql = "SELECT secret FROM holdfast_secrets WHERE service = ?1";
    db.get(|db| Ok(db.prepare_cached(sql)?.query_row([name], |row| row.get(0)).optional()?))
}
