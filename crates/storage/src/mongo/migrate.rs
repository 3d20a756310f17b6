//! Migrations: each service numbers its own steps. MongoDB has no transactions for collections and indexes, so every
//! command of a step may be run twice, and several processes may be at it at once.

use mongodb::{
    Database,
    bson::{Document, doc},
};

use super::{Fault, fault, fields};
use crate::migrations::Steps;

/// What is to be dropped is not there (26, 27), or what is to be made is (48).
const DONE_BEFORE: [i32; 3] = [26, 27, 48];
pub(super) const MIGRATIONS: &str = "holdfast_migrations";

/// Runs the steps that this database has not seen.
pub(super) async fn run(database: &Database, steps: Steps) -> Result<(), Fault> {
    for collection in [MIGRATIONS, "holdfast_secrets"] {
        run_once(database, doc! {"create": collection}).await?;
    }
    let migrations = database.collection::<Document>(MIGRATIONS);
    let found = migrations.find_one(doc! {"_id": steps.service}).await?;
    let found = found.map(|found| fields::number(&found, "step")).transpose()?;
    for step in steps.unseen(found)? {
        let commands: Vec<Document> = serde_json::from_str(step)?;
        for command in commands {
            run_once(database, command).await?;
        }
    }
    let newest = doc! {"$max": {"step": steps.last()}, "$setOnInsert": {"turn": 0_i64}};
    migrations.update_one(doc! {"_id": steps.service}, newest).upsert(true).await?;
    Ok(())
}

/// Runs a command that makes or drops something, unless that has been done.
pub(super) async fn run_once(database: &Database, command: Document) -> Result<(), Fault> {
    match database.run_command(command).await {
        Err(error) if fault::code(&error).is_some_and(|code| DONE_BEFORE.contains(&code)) => Ok(()),
        done => Ok(done.map(|_| ())?),
    }
}
