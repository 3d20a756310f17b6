//! The secrets of services.

use holdfast_types::Result;

use super::{Postgres, fault};

/// See [`crate::Database::secret`].
pub(crate) async fn make(db: &Postgres, service: &str, fresh: [u8; 32]) -> Result<[u8; 32]> {
    db.transaction(|tx| async move {
        let insert =
            "INSERT INTO holdfast_secrets (service, secret) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        tx.execute(insert, &[&service, &fresh.as_slice()]).await?;
        let select = "SELECT secret FROM holdfast_secrets WHERE service = $1";
        fault::bytes(tx.query_one(select, &[&service]).await?.get(0))
    })
    .await
}

/// See [`crate::Database::put_secret`].
pub(crate) async fn put(db: &Postgres, service: &str, secret: [u8; 32]) -> Result<()> {
    db.transaction(|tx| async move {
        let sql = "UPDATE holdfast_secrets SET secret = $2 WHERE service = $1";
        tx.execute(sql, &[&service, &secret.as_slice()]).await.map(|_| ())
    })
    .await
}

/// The secret that stands under that name, if any.
pub(crate) async fn find(db: &Postgres, name: &str) -> Result<Option<[u8; 32]>> {
    let sql = "SELECT secret FROM holdfast_secrets WHERE service = $1";
    let found = db.query_opt(sql, &[&name]).await?;
    Ok(found.map(|row| fault::bytes(row.get(0))).transpose()?)
}
