//! Argon2id in a bounded pool of its own: a flood of logins must not slow orders.

use std::{sync::Arc, time::Duration};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use holdfast_types::{Code, Error, Random, Result};
use tokio::sync::{Semaphore, oneshot};

/// OWASP's second choice for Argon2id: 19 MiB, two passes, one lane. About 26 ms of CPU.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
/// Hashes that may wait: at 26 ms each on one core, the last waits about three seconds.
const WAITING: usize = 128;
/// How long a hash may wait for its turn.
const WAIT: Duration = Duration::from_secs(10);

/// Hashes and verifies passwords, a few at a time.
#[derive(Clone, Debug)]
pub(crate) struct Passwords {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
    random: Random,
    /// Verified against when there is no such user, so that both answers take the same time.
    decoy: Arc<str>,
}

impl Passwords {
    /// A pool that uses half of the cores.
    pub(crate) fn new(random: Random) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            turns: Arc::new(Semaphore::new((cores / 2).max(1))),
            places: Arc::new(Semaphore::new(WAITING)),
            decoy: decoy(&random).into(),
            random,
        }
    }

    /// The hash of a password, in PHC format.
    pub(crate) async fn hash(&self, password: &str) -> Result<String> {
        self.hash_under(self.random.bytes(), password).await
    }

    /// The hash of a password under a salt that is given.
    pub(crate) async fn hash_under(&self, salt: [u8; 16], password: &str) -> Result<String> {
        let password = password.to_owned();
        self.run(move || hash(&salt, &password)).await
    }

    /// Whether the password is the one that was hashed. Without a hash it takes as long and says no.
    pub(crate) async fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool> {
        let known = hash.is_some();
        let hash: Arc<str> = hash.map_or_else(|| Arc::clone(&self.decoy), Arc::from);
        let password = password.to_owned();
        let matches = self.run(move || verify(&password, &hash)).await?;
        Ok(known && matches)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let overloaded =
            || Error::new(Code::Overloaded, "too many passwords are being checked at once: repeat");
        let _place = self.places.try_acquire().map_err(|_| overloaded())?;
        let turn = tokio::time::timeout(WAIT, Arc::clone(&self.turns).acquire_owned())
            .await
            .map_err(|_| overloaded())?;
        let turn = turn.map_err(Error::internal)?;
        let (sender, receiver) = oneshot::channel();
        // A thread of its own, since it gives the hash's 19 MiB back when it ends; one of a pool would keep them.
        let thread = std::thread::Builder::new().name("password".into()).spawn(move || {
            let result = work();
            drop(turn);
            // Nobody listens when the client has gone.
            let _ = sender.send(result);
        });
        thread.map_err(Error::internal)?;
        receiver.await.map_err(Error::internal)?
    }
}

/// A hash of no password at all: making it costs nothing, verifying against it costs what any other does.
fn decoy(random: &Random) -> String {
    let (salt, hash) = (
        BASE64_STANDARD_NO_PAD.encode(random.bytes::<16>()),
        BASE64_STANDARD_NO_PAD.encode(random.bytes::<32>()),
    );
    format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p=1${salt}${hash}")
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None)
        .expect("the parameters are within Argon2's limits");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash(salt: &[u8; 16], password: &str) -> Result<String> {
    let hash = argon2().hash_password_with_salt(password.as_bytes(), salt).map_err(failed)?;
    Ok(hash.to_string())
}

fn verify(password: &str, hash: &str) -> Result<bool> {
    let hash = PasswordHash::new(hash).map_err(|error| Error::internal(error.to_string()))?;
    match argon2().verify_password(password.as_bytes(), &hash) {
        Ok(()) => Ok(true),
        Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

fn failed(error: argon2::password_hash::Error) -> Error {
    Error::internal(error.to_string())
}
