//! What goes on beside requests, until the process ends.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use holdfast_orders::Orders;
use holdfast_types::{Clock, Result, Timestamp, UserId};
use holdfast_users::{DELETED_PAGE, Users};
use holdfast_web::{Peer, auth::Verifier};

use super::{remote, services::Served, users_at::UsersAt};
use crate::parts::Part;

/// Between two looks at what was revoked.
const TRUST_POLL: Duration = Duration::from_secs(1);
/// The same, as long as no key is known.
const FIRST_TRUST_POLL: Duration = Duration::from_millis(20);
/// Between two rounds of erasing what orders say about deleted users.
const ERASING: Duration = Duration::from_secs(2);
/// How long after a deletion an order of the user may still have come.
const ERASING_AGAIN: Duration = Duration::from_secs(20 * 60);
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

/// Erases what orders say about users who deleted their accounts: all of them once, then those of the last while, since
/// an order may have been on its way.
pub(super) fn erase_buyers(orders: Orders, users: UsersAt, clock: Clock) {
    tokio::spawn(async move {
        let mut since = Timestamp::from_millis(0);
        loop {
            match erase_page(&orders, &users, since).await {
                Ok(Some(last)) => {
                    since = if last > since { last } else { since.plus(Duration::from_millis(1)) };
                }
                Ok(None) => {
                    // Also when the clock was set back: deletions are dated by it.
                    since = clock.now().minus(ERASING_AGAIN);
                    tokio::time::sleep(ERASING).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot erase what orders say about deleted users");
                    tokio::time::sleep(ERASING).await;
                }
            }
        }
    });
}

/// Erases one page; says where it ended when there is more.
async fn erase_page(
    orders: &Orders,
    users: &UsersAt,
    since: Timestamp,
) -> Result<Option<Timestamp>> {
    let deleted = users.deleted(since).await?;
    let ids: Vec<UserId> = deleted.iter().map(|(_, id)| *id).collect();
    orders.erase_buyers(&ids).await?;
    Ok(deleted.last().filter(|_| deleted.len() >= DELETED_PAGE).map(|(at, _)| *at))
}

/// Forgets what nobody can need any more.
pub(super) fn forget(services: BTreeMap<Part, Arc<dyn Served>>) {
    tokio::spawn(async move {
        loop {
            for (part, service) in &services {
                if let Err(error) = service.forget().await {
                    tracing::warn!(%error, service = part.name(), "cannot forget what is old");
                }
            }
            tokio::time::sleep(FORGETTING).await;
        }
    });
}
