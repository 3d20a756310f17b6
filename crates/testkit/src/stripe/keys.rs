//! Idempotency keys: the answer to the first request of a key is the answer to all of them.

use std::collections::HashMap;

use super::{exchange::Reply, params::Params, refusal::Refusal};

/// Characters of a key.
const KEY_CHARS: usize = 255;

/// What a request asks for: a key means one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    path: String,
    params: Vec<(String, String)>,
}

impl Wanted {
    /// What a request for `path` asks for.
    pub(super) fn new(path: &str, params: &Params) -> Self {
        Self { path: path.to_owned(), params: params.sorted() }
    }
}

/// What is known of a key. Without a reply its first request still runs.
#[derive(Debug)]
struct Record {
    wanted: Wanted,
    reply: Option<Reply>,
}

/// The keys of an account.
#[derive(Debug, Default)]
pub(super) struct Keys(HashMap<String, Record>);

impl Keys {
    /// Claims a key: `None` means go ahead and [`settle`](Self::settle) it; a reply was stored before.
    /// Refuses a key in use, and one that was used for something else.
    pub(super) fn claim(&mut self, key: &str, wanted: &Wanted) -> Result<Option<Reply>, Refusal> {
        if key.chars().count() > KEY_CHARS {
            let message = "Idempotency keys can be up to 255 characters long.";
            return Err(Refusal::new(400, "idempotency_error", message));
        }
        let Some(record) = self.0.get(key) else {
            let record = Record { wanted: wanted.clone(), reply: None };
            self.0.insert(key.to_owned(), record);
            return Ok(None);
        };
        if record.wanted != *wanted {
            return Err(mismatch(key, &record.wanted, wanted));
        }
        let Some(reply) = &record.reply else {
            let message = format!(
                "There is currently another in-progress request using this Idempotent Key (that probably means you \
                 submitted twice, and the other request is still going through): {key}. Please try again later."
            );
            let refusal = Refusal::new(409, "idempotency_error", message);
            return Err(refusal.code("idempotency_key_in_use"));
        };
        Ok(Some(Reply { is_replay: true, ..reply.clone() }))
    }

    /// Stores the reply to the request that claimed the key, or frees the key when nothing had begun.
    pub(super) fn settle(&mut self, key: &str, reply: &Reply) {
        if !reply.has_begun {
            self.0.remove(key);
        } else if let Some(record) = self.0.get_mut(key) {
            record.reply = Some(reply.clone());
        }
    }

    /// Whether the first request of a key still runs.
    #[cfg(test)]
    pub(super) fn is_running(&self, key: &str) -> bool {
        self.0.get(key).is_some_and(|record| record.reply.is_none())
    }

    /// Forgets those that are settled, as Stripe does after a day or more.
    pub(super) fn forget(&mut self) {
        self.0.retain(|_, record| record.reply.is_none());
    }
}

fn mismatch(key: &str, first: &Wanted, now: &Wanted) -> Refusal {
    let (what, detail) = if first.path == now.path {
        ("with the same parameters they were first used with", String::new())
    } else {
        (
            "for the same endpoint they were first used for",
            format!(" ('{}' vs '{}')", now.path, first.path),
        )
    };
    let message = format!(
        "Keys for idempotent requests can only be used {what}{detail}. Try using a key other than '{key}' if you \
         meant to execute a different request."
    );
    Refusal::new(400, "idempotency_error", message)
}
