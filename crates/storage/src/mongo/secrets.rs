//! The secrets of services.

use holdfast_types::Result;
use mongodb::bson::doc;

use super::{Mongo, fields};

const SECRETS: &str = "holdfast_secrets";

/// See [`crate::Database::secret`].
pub(crate) async fn make(db: &Mongo, service: &str, fresh: [u8; 32]) -> Result<[u8; 32]> {
    db.transaction(|tx| async move {
        if let Some(found) = tx.get(SECRETS, service).await? {
            return Ok(fields::bytes(&found, "secret")?);
        }
        let secret = fields::binary(&fresh);
        tx.insert(SECRETS, vec![doc! {"_id": service, "secret": secret}]).await?;
        Ok(fresh)
    })
    .await
}

/// See [`crate::Database::put_secret`].
pub(crate) async fn put(db: &Mongo, service: &str, secret: [u8; 32]) -> Result<()> {
    db.transaction(|tx| async move {
        let secret = doc! {"$set": {"secret": fields::binary(&secret)}};
        tx.update(SECRETS, vec![(doc! {"_id": service}, secret)]).await
    })
    .await
}

/// The secret that stands under that name, if any.
pub(crate) async fn find(db: &Mongo, name: &str) -> Result<Option<[u8; 32]>> {
    let found = db.get(SECRETS, name).await?;
    found.map(|found| fields::bytes(&found, "secret")).transpose()
}
