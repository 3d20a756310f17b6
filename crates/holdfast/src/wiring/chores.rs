//! What goes on beside requests, until the process ends.

use std::{sync::Arc, time::Duration};

use holdfast_products::Products;
use holdfast_types::Result;
use holdfast_users::Users;
use holdfast_web::{Peer, auth::Verifier};

use super::remote;

/// Between two looks at what was revoked.
const TRUST_POLL: Duration = Duration::from_secs(1);
/// The same, as long as no key is known.
const FIRST_TRUST_POLL: Duration = Duration::from_millis(20);
/// Between two rounds of forgetting.
const FORGETTING: Duration = Duration::from_secs(600);

/// Keeps this process's verifier up to date out of its own users service.
pub(super) fn refresh_revocations(users: Users) {
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(TRUST_POLL).await;
            if let Err(error) = users.refresh_revocations().await {
                tracing::warn!(%error, "cannot read what was revoked");
            }
        }
    });
}

/// Keeps this process's verifier up to date out of a users service elsewhere.
pub(super) fn poll_trusted(users: Peer, verifier: Arc<Verifier>) {
    tokio::spawn(async move {
        loop {
            if let Err(error) = learn_trusted(&users, &verifier).await {
                tracing::warn!(%error, "cannot ask users whose tokens are good");
            }
            let pause = if verifier.is_ready() { TRUST_POLL } else { FIRST_TRUST_POLL };
            tokio::time::sleep(pause).await;
        }
    });
}

async fn learn_trusted(users: &Peer, verifier: &Verifier) -> Result<()> {
    let trusted = remote::trusted(users).await?;
    verifier.set_revocations(trusted.revocations);
    verifier.set_keys(&trusted.keys)
}

/// Forgets kept answers that nobody can need any more.
pub(super) fn forget(users: Option<Users>, products: Option<Products>) {
    tokio::spawn(async move {
        loop {
            let mut forgotten = Ok(());
            if let Some(users) = &users {
                forgotten = users.forget().await;
            }
            if let Some(products) = &products {
                forgotten = forgotten.and(products.forget().await);
            }
            if let Err(error) = forgotten {
                tracing::warn!(%error, "cannot forget old answers");
            }
            tokio::time::sleep(FORGETTING).await;
        }
    });
}
