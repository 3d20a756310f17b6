//! Secrets that an answer shows once and that a repeat shows again. They follow from a random number that only the kept answer has:
//! as long as it is kept, whoever has the database can tell them, and nobody after that.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use holdfast_types::{Answer, Error, IdempotentAnswer, Random, Result, Secret};
use serde_json::{Map, Value};

/// The member of a kept answer that is never shown.
const MEMBER: &str = "nonce";

/// The number that secrets follow from.
#[derive(Clone, Copy)]
pub(crate) struct Nonce([u8; 32]);

impl Nonce {
    pub(crate) fn new(random: &Random) -> Self {
        Self(random.bytes())
    }

    /// The secret that is called `what`.
    pub(crate) fn derive(&self, secret: &Secret, what: &str) -> [u8; 32] {
        secret.hash(&[what.as_bytes(), b" of ", &self.0].concat())
    }

    /// An answer as it is kept.
    pub(crate) fn keep(&self, answer: Answer) -> Result<Answer> {
        let mut body = members(&answer)?;
        body.insert(MEMBER.to_owned(), BASE64_URL_SAFE_NO_PAD.encode(self.0).into());
        written(answer, &body)
    }
}

/// An answer as it is shown: with what follows from its number, and without that.
pub(crate) fn reveal<const N: usize>(
    given: IdempotentAnswer,
    show: impl FnOnce(&Nonce, &Map<String, Value>) -> Result<[(&'static str, Value); N]>,
) -> Result<IdempotentAnswer> {
    let mut body = members(&given.answer)?;
    let kept =
        body.remove(MEMBER).ok_or_else(|| Error::internal("a kept answer without number"))?;
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(kept.as_str().unwrap_or_default());
    let bytes: Option<[u8; 32]> = bytes.ok().and_then(|bytes| bytes.try_into().ok());
    let nonce = Nonce(bytes.ok_or_else(|| Error::internal("a kept answer with another number"))?);
    body.extend(show(&nonce, &body)?.map(|(name, value)| (name.to_owned(), value)));
    Ok(IdempotentAnswer { answer: written(given.answer, &body)?, ..given })
}

fn members(answer: &Answer) -> Result<Map<String, Value>> {
    serde_json::from_slice(&answer.body).map_err(Error::internal)
}

fn written(answer: Answer, body: &Map<String, Value>) -> Result<Answer> {
    let body = serde_json::to_vec(body).map_err(Error::internal)?;
    Ok(Answer { body, ..answer })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_repeat_shows_the_same_and_never_the_number() {
        let (secret, random) = (Secret::new(&[7; 32]), Random::seeded(1));
        let nonce = Nonce::new(&random);
        let answer = Answer::ok("\"1\"".to_owned(), &json!({"id": 5})).unwrap();
        let kept = nonce.keep(answer).unwrap();
        let show = || {
            let given = IdempotentAnswer { answer: kept.clone(), replayed: true };
            let key = |nonce: &Nonce, body: &Map<String, Value>| {
                assert_eq!(body["id"], 5);
                Ok([("key", json!(nonce.derive(&secret, "key")))])
            };
            members(&reveal(given, key).unwrap().answer).unwrap()
        };
        let shown = show();
        assert_eq!(shown, show());
        assert_eq!(shown["key"], json!(nonce.derive(&secret, "key")));
        assert!(shown.get(MEMBER).is_none());
        assert_ne!(nonce.derive(&secret, "key"), Nonce::new(&random).derive(&secret, "key"));
    }
}
