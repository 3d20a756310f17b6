//! Transactions written as async functions, run to their end on the one thread that has the connection.
//!
//! The function asks, and the thread answers: each question is left in a cell, the thread finds it there when the
//! function waits, runs it on the connection, and lets the function go on (a coroutine driven by a trampoline). So one
//! function serves all engines, and nothing here needs `unsafe`, a runtime, or a connection that can move. A function that
//! waits for anything but its transaction would hold up everybody who writes: it is refused at once.

use std::{
    fmt,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use holdfast_types::Error;
use rusqlite::Connection;

use super::Fault;

type Question = Box<dyn FnOnce(&Connection) + Send>;

/// A handle on a running transaction.
#[derive(Clone)]
pub struct Tx(Arc<Mutex<State>>);

enum State {
    /// What is to be run next, in this order.
    Running(Vec<Question>),
    Over,
}

impl fmt::Debug for Tx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tx")
    }
}

impl Tx {
    /// Runs `query` on the connection.
    pub async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let answer = Arc::new(Mutex::new(None));
        let reply = Arc::clone(&answer);
        match &mut *self.state() {
            State::Running(questions) => questions.push(Box::new(move |db| {
                let done = query(db);
                *reply.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
            })),
            State::Over => return Err(Error::internal("the transaction is over").into()),
        }
        std::future::poll_fn(|_| {
            match answer.lock().unwrap_or_else(PoisonError::into_inner).take() {
                Some(done) => Poll::Ready(done),
                None => Poll::Pending,
            }
        })
        .await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Vec<Question> {
        match &mut *self.state() {
            State::Running(questions) => std::mem::take(questions),
            State::Over => Vec::new(),
        }
    }
}

/// Runs `job` to its end, with `db` for its transaction.
pub(super) fn drive<T, F>(db: &Connection, job: impl FnOnce(Tx) -> F) -> Result<T, Fault>
where
    F: Future<Output = Result<T, Fault>>,
{
    let tx = Tx(Arc::new(Mutex::new(State::Running(Vec::new()))));
    let mut running = pin!(job(tx.clone()));
    let mut context = Context::from_waker(Waker::noop());
    let done = loop {
        if let Poll::Ready(done) = running.as_mut().poll(&mut context) {
            break done;
        }
        let questions = tx.take();
        if questions.is_empty() {
            let why = "a transaction waits for something else than its database";
            break Err(Error::internal(why).into());
        }
        questions.into_iter().for_each(|question| question(db));
    };
    *tx.state() = State::Over;
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(db: &Connection) -> Result<i64, Fault> {
        Ok(db.query_row("SELECT count(*) FROM t", [], |row| row.get(0))?)
    }

    fn insert(db: &Connection, number: i64) -> Result<usize, Fault> {
        Ok(db.execute("INSERT INTO t VALUES (?1)", [number])?)
    }

    #[test]
    fn a_function_runs_to_its_end_on_one_connection() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE t (n INTEGER)").unwrap();
        let mut kept = None;
        let done = drive(&db, |tx| {
            kept = Some(tx.clone());
            async move {
                for number in 0..3 {
                    tx.run(move |db| insert(db, number)).await?;
                }
                let both = (tx.run(count), tx.run(count));
                Ok((both.0.await?, both.1.await?))
            }
        });
        assert_eq!(done.unwrap(), (3, 3));
        let kept = kept.unwrap();
        let late = drive(&db, |_| async move { kept.run(count).await });
        assert!(Error::from(late.unwrap_err()).cause().contains("is over"));
    }

    #[test]
    fn waiting_for_anything_else_is_refused() {
        let db = Connection::open_in_memory().unwrap();
        let waits = drive(&db, |_| async {
            std::future::pending::<()>().await;
            Ok(())
        });
        let why = Error::from(waits.unwrap_err()).cause();
        assert!(why.contains("waits for something else"), "{why}");
    }
}
