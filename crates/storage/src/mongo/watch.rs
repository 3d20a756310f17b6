//! What a server must be able to do, and how long a transaction may hold others up.

use std::time::Duration;

use holdfast_types::{Code, Error, Result};
use mongodb::{Client, Database, bson::doc};

use super::{Fault, fields};

/// A client that is killed or stopped inside a transaction leaves its documents blocked until the server ends the
/// transaction. The server looks for old ones every second when the limit is this, so that takes three seconds at most.
const LIFETIME_SECONDS: i64 = 2;
/// Between two looks: another member may have become the primary.
const LOOK: Duration = Duration::from_secs(5);
const PARAMETER: &str = "transactionLifetimeLimitSeconds";

/// Refuses a server that has no transactions.
pub(super) async fn require_transactions(database: &Database) -> Result<()> {
    let hello = database.run_command(doc! {"hello": 1}).await.map_err(Fault::from)?;
    let is_router = hello.get_str("msg").is_ok_and(|message| message == "isdbgrid");
    match is_router || hello.contains_key("setName") {
        true => Ok(()),
        false => {
            let why = "DB_CONNECTION_STRING: this MongoDB server stands alone and has no transactions: start it with --replSet and run rs.initiate() once; one member is enough";
            Err(Error::new(Code::InvalidParameter, why))
        }
    }
}

/// Sees to it, as long as the program runs, that the primary ends transactions that nobody drives.
pub(super) fn keep_transactions_short(client: Client) {
    tokio::spawn(async move {
        let mut told = None;
        loop {
            let state = shorten(&client).await.map_err(|fault| Error::from(fault).to_string());
            if told.as_ref() != Some(&state) {
                match &state {
                    Ok(true) => tracing::info!(
                        "MongoDB ends transactions after {LIFETIME_SECONDS} s now: {PARAMETER} was longer"
                    ),
                    Ok(false) => {}
                    Err(error) => tracing::warn!(
                        error,
                        "cannot set {PARAMETER} to {LIFETIME_SECONDS}: a killed process may block orders for longer; set it on every member"
                    ),
                }
                told = Some(state);
            }
            tokio::time::sleep(LOOK).await;
        }
    });
}

/// Says whether there was something to do.
async fn shorten(client: &Client) -> Result<bool, Fault> {
    let admin = client.database("admin");
    let found = admin.run_command(doc! {"getParameter": 1, PARAMETER: 1}).await?;
    if fields::number(&found, PARAMETER)? <= LIFETIME_SECONDS {
        return Ok(false);
    }
    admin.run_command(doc! {"setParameter": 1, PARAMETER: LIFETIME_SECONDS}).await?;
    Ok(true)
}
