//! Argon2id in a bounded pool of its own, at a low priority: a flood of logins must not slow orders, and a flood from one
//! address must not keep others from signing in.

use std::{sync::Arc, thread::Builder, time::Duration};

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};
use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use holdfast_types::{Code, Error, Random, Result};
use holdfast_web::FairQueue;
use tokio::sync::oneshot;

/// OWASP's second choice for Argon2id: 19 MiB, two passes, one lane. About 26 ms of CPU.
const MEMORY_KIB: u32 = 19 * 1024;
const BLOCKS: usize = MEMORY_KIB as usize;
/// The stack of a thread that hashes: the memory of one hash, and as much as other threads have.
const STACK: usize = BLOCKS * Block::SIZE + (2 << 20);
const PASSES: u32 = 2;
/// Hashes that may wait: at 26 ms each on one core, the last waits about three seconds.
const WAITING: usize = 128;
/// How long a hash may wait for its turn.
const WAIT: Duration = Duration::from_secs(10);
/// The nice value of a thread that hashes: when all processors are busy, it gets a third of what others get.
const NICE: i32 = 5;

/// Hashes and verifies passwords, a few at a time, for one source after the other.
#[derive(Clone, Debug)]
pub(crate) struct Passwords {
    queue: FairQueue,
    random: Random,
    /// Verified against when there is no such user, so that both answers take the same time.
    decoy: Arc<str>,
}

impl Passwords {
    /// A pool that uses half of the cores.
    pub(crate) fn new(random: Random) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            queue: FairQueue::new((cores / 2).max(1), WAITING),
            decoy: decoy(&random).into(),
            random,
        }
    }

    /// The hash of a password, in PHC format. Like everything here, it is worth a turn of `source`.
    pub(crate) async fn hash(&self, source: &str, password: &str) -> Result<String> {
        self.hash_under(source, self.random.bytes(), password).await
    }

    /// The hash of a password under a salt that is given.
    pub(crate) async fn hash_under(
        &self,
        source: &str,
        salt: [u8; 16],
        password: &str,
    ) -> Result<String> {
        let password = password.to_owned();
        self.run(source, move || hash(&salt, &password)).await
    }

    /// Whether the password is the one that was hashed. Without a hash it takes as long and says no.
    pub(crate) async fn verify(
        &self,
        source: &str,
        password: &str,
        hash: Option<&str>,
    ) -> Result<bool> {
        let known = hash.is_some();
        let hash: Arc<str> = hash.map_or_else(|| Arc::clone(&self.decoy), Arc::from);
        let password = password.to_owned();
        let matches = self.run(source, move || verify(&password, &hash)).await?;
        Ok(known && matches)
    }

    async fn run<T: Send + 'static>(
        &self,
        source: &str,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let turn = self.queue.turn(source, WAIT).await.ok_or_else(|| {
            Error::new(Code::Overloaded, "too many passwords are being checked at once: repeat")
        })?;
        let (sender, receiver) = oneshot::channel();
        // A thread of its own: the memory of a hash is on its stack, and goes back to the system when it ends.
        let thread = Builder::new().name("password".into()).stack_size(STACK).spawn(move || {
            // Linux gives each thread a priority of its own. Lowering it needs no right.
            let _ = rustix::process::setpriority_process(None, NICE);
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

fn hash(salt: &[u8; 16], password: &str) -> Result<String> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, Some(32)).map_err(Error::internal)?;
    Ok(compute(params, salt, password)?.to_string())
}

fn verify(password: &str, hash: &str) -> Result<bool> {
    let expected = PasswordHash::new(hash).map_err(Error::internal)?;
    let salt = expected.salt.ok_or_else(|| Error::internal("a hash without its salt"))?;
    let computed = compute(Params::try_from(&expected).map_err(Error::internal)?, &salt, password)?;
    // Outputs are compared in constant time.
    Ok(computed == expected)
}

fn compute(params: Params, salt: &[u8], password: &str) -> Result<PasswordHash> {
    let mut memory = [Block::new(); BLOCKS];
    let blocks = memory
        .get_mut(..params.block_count())
        .ok_or_else(|| Error::internal("a hash that takes more memory than ours"))?;
    let mut output = [0; 32];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2
        .hash_password_into_with_memory(password.as_bytes(), salt, &mut output, blocks)
        .map_err(Error::internal)?;
    Ok(PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(argon2.params()).map_err(Error::internal)?,
        salt: Some(Salt::new(salt).map_err(Error::internal)?),
        hash: Some(Output::new(&output).map_err(Error::internal)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_matches_its_own_hash_only() {
        let passwords = Passwords::new(Random::system());
        let made = passwords.hash_under("a", [7; 16], "correct horse").await.unwrap();
        assert!(passwords.verify("a", "correct horse", Some(&made)).await.unwrap());
        assert!(!passwords.verify("a", "correct horsf", Some(&made)).await.unwrap());
        assert_ne!(made, passwords.hash_under("a", [8; 16], "correct horse").await.unwrap());
        assert!(!passwords.verify("a", "", None).await.unwrap());
        assert!(
            passwords.verify("a", "correct horse", Some("secret")).await.is_err(),
            "no hash at all"
        );
    }

    /// Made by the reference implementation: `printf password | argon2 somesaltsomesalt -id -t 2 -k 19456 -p 1 -l 32 -e`.
    #[tokio::test]
    async fn hashes_are_those_of_everybody_else() {
        let theirs = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$K13EBUiG7JV+9ZxztmHFTdb7J0WQsnj2V8bZaqyPptE";
        let passwords = Passwords::new(Random::system());
        assert!(passwords.verify("a", "password", Some(theirs)).await.unwrap());
    }
}
