//! What the mail service keeps. Each method is one atomic operation; its doc comment is its guarantee.

#[cfg(test)]
mod guarantees;
mod records;

use std::sync::Arc;

use holdfast_storage::{
    Database, Migrations, Outbox,
    record::{Fault, Scan, Stored, Tx},
};
use holdfast_types::{
    Answer, Error, IdempotentAnswer, Operation, OrderId, Page, PageRequest, Random, Result, Secret,
    Timestamp,
};

use self::records::MailOutbox;
pub use self::records::RECORDS;
use crate::model::{Letter, LetterId, LetterStatus, Outcome};

/// Names the service in what it keeps.
const SERVICE: &str = crate::SERVICE.name;

/// Shapes the answer about a letter.
pub(crate) type Render = fn(&Letter) -> Result<Answer>;

/// Letters, those that wait and those that were sent. Clones share the database.
#[derive(Clone)]
pub(crate) struct LetterStore {
    db: Database,
    outbox: Outbox<MailOutbox>,
}

impl LetterStore {
    /// Brings the tables up to date.
    pub(crate) async fn open(database: &Database, random: &Random) -> Result<(Self, Secret)> {
        let none = &Migrations::NONE;
        let (db, secret) = database.of_service(SERVICE, none, RECORDS, random).await?;
        let outbox = Outbox::new(&db, random);
        Ok((Self { db, outbox }, secret))
    }

    /// What the service has told and nobody has collected.
    pub(crate) const fn outbox(&self) -> &Outbox<MailOutbox> {
        &self.outbox
    }

    /// Keeps letters that are not there yet: of each event there is one, however often it is told.
    pub(crate) async fn add(&self, letters: Vec<Letter>) -> Result<()> {
        let letters = Arc::new(letters);
        let add = move |tx: Tx| {
            let letters = Arc::clone(&letters);
            async move { tx.insert_missing(&letters).await }
        };
        self.db.transact(add).await
    }

    /// Letters that are to be sent by `now`, the longest waiting first, and puts each off until `until`: of processes that ask at once,
    /// one gets a letter.
    pub(crate) async fn take_due(
        &self,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Letter>> {
        self.db.take_due("due", now, limit, move |letter: &mut Letter| letter.due = until).await
    }

    /// Puts those of these letters off until `until` that are still pending: somebody is at it.
    pub(crate) async fn renew(&self, ids: Vec<LetterId>, until: Timestamp) -> Result<()> {
        let renew = move |tx: Tx| {
            let ids = ids.clone();
            async move {
                for id in ids {
                    let found: Option<Stored<Letter>> = tx.get(id).await?;
                    put_off(&tx, found, until).await?;
                }
                Ok(())
            }
        };
        self.db.transact(renew).await
    }

    /// Notes how attempts went, all of them. Of one that was noted as sent, nothing else is.
    pub(crate) async fn settle(
        &self,
        settled: Arc<Vec<(LetterId, Outcome)>>,
        now: Timestamp,
        jitter: f64,
    ) -> Result<()> {
        let settle = move |tx: Tx| {
            let settled = Arc::clone(&settled);
            async move {
                for (id, outcome) in settled.iter() {
                    let found: Option<Stored<Letter>> = tx.get(*id).await?;
                    note(&tx, found, outcome, now, jitter).await?;
                }
                Ok(())
            }
        };
        self.db.transact(settle).await
    }

    /// A page of the letters of that order and in that state, newest first.
    pub(crate) async fn list(
        &self,
        order: Option<OrderId>,
        status: Option<LetterStatus>,
        request: &PageRequest,
    ) -> Result<Page<Letter>> {
        let keep = move |letter: &Letter| status.is_none_or(|status| letter.status == status);
        let scan = match (order, status) {
            (Some(order), _) => Scan::of("order", 0).equal(order),
            (None, Some(status)) => Scan::of("status", 0).equal(status.as_str()),
            (None, None) => Scan::of("age", 0),
        };
        let list = format!("letters {order:?} {status:?}");
        self.db.page_where(scan.descending(), &list, request, keep).await
    }

    /// Sends a letter once more, now; once per operation. Refuses with `not-found`.
    pub(crate) async fn retry(
        &self,
        id: LetterId,
        operation: &Operation,
        now: Timestamp,
        render: Render,
    ) -> Result<IdempotentAnswer> {
        let retry = move |tx: Tx| async move {
            let found: Option<Stored<Letter>> = tx.get(id).await?;
            let mut letter = found.ok_or_else(|| Error::not_found("letter"))?;
            letter.begin_again(now);
            tx.put(&letter).await??;
            Ok(render(&letter)?)
        };
        self.outbox.once(operation, now, retry).await
    }

    /// How many letters there are, and what is wrong with them, a sentence each: what was sent says when.
    pub(crate) async fn audit(&self) -> Result<(u64, Vec<String>)> {
        let (mut count, mut findings) = (0, Vec::new());
        let mut letters = self.db.records::<Letter>().await?;
        while let Some(letter) = letters.next().await? {
            // What cannot be read is found where all records are read.
            let Ok(letter) = letter else { continue };
            count += 1;
            if (letter.status == LetterStatus::Sent) != letter.sent_at.is_some() {
                let (id, status) = (letter.id, letter.status.as_str());
                findings.push(format!("letter {id} is {status}, but its time of sending differs"));
            }
        }
        Ok((count, findings))
    }

    /// Forgets letters about what happened before `before`.
    pub(crate) async fn forget(&self, before: Timestamp) -> Result<()> {
        self.db.forget::<Letter>("age", before).await
    }

    /// Forgets answers given before `before`.
    pub(crate) async fn forget_answers(&self, before: Timestamp) -> Result<()> {
        self.db.forget_answers(before).await
    }
}

/// Notes how an attempt went, where the letter is still there.
async fn note(
    tx: &Tx,
    found: Option<Stored<Letter>>,
    outcome: &Outcome,
    now: Timestamp,
    jitter: f64,
) -> Result<(), Fault> {
    let Some(mut letter) = found else { return Ok(()) };
    letter.note(outcome.clone(), now, jitter);
    Ok(tx.put(&letter).await??)
}

/// Puts a letter off that is still pending.
async fn put_off(tx: &Tx, found: Option<Stored<Letter>>, until: Timestamp) -> Result<(), Fault> {
    let pending = found.filter(|letter| letter.status == LetterStatus::Pending);
    let Some(mut letter) = pending else { return Ok(()) };
    letter.due = until;
    Ok(tx.put(&letter).await??)
}
