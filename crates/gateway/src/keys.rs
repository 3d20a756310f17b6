//! API keys: each is changed for an access token at users, so that services know tokens only. A token that was given for a key is
//! used again for a minute, as long as it is not revoked; and longer while users cannot be asked.

use std::{net::IpAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{
    extract::Request,
    http::{HeaderValue, header},
};
use holdfast_types::{Code, Error, Result};
use holdfast_web::auth::{API_KEY, KeyGrant, KeyProof, Verifier, bearer};
use quick_cache::sync::Cache;
use tokio::time::Instant;

/// Keys that are remembered: at about 1 kB each, 4 MB when full, and as much again for their last tokens.
const KEYS: usize = 4096;
/// How long a token is used without a question.
const KEPT: Duration = Duration::from_secs(60);
/// How long one that is used since users cannot be asked.
const KEPT_IN_NEED: Duration = Duration::from_secs(5);

/// Where keys are changed for tokens.
#[async_trait]
pub trait KeyExchange: Send + Sync {
    /// A token for a key that is shown from `client`. Refuses with `invalid-token`, `token-expired`, `token-revoked` or `forbidden`.
    async fn exchange(&self, proof: &KeyProof, client: Option<IpAddr>) -> Result<KeyGrant>;
}

/// Keys that were good a short while ago.
pub(crate) struct Keys {
    known: Cache<[u8; 32], Arc<Known>>,
    /// The last token of each, for while users cannot be asked.
    last: Cache<[u8; 32], Arc<Known>>,
    exchange: Arc<dyn KeyExchange>,
    verifier: Arc<Verifier>,
}

/// A key that is good.
pub(crate) struct Known {
    grant: KeyGrant,
    /// The token, as services are shown it.
    header: HeaderValue,
    until: Instant,
}

impl Known {
    fn new(grant: KeyGrant, time: Duration) -> Result<Arc<Self>> {
        let header = HeaderValue::from_str(&format!("Bearer {}", grant.token));
        let mut header = header.map_err(Error::internal)?;
        header.set_sensitive(true);
        Ok(Arc::new(Self { grant, header, until: Instant::now() + time }))
    }

    /// Puts the token in the key's place. Refuses with `forbidden` where the key may not be used.
    pub(crate) fn replace(&self, request: &mut Request, client: Option<IpAddr>) -> Result<()> {
        self.grant.check_address(client)?;
        request.headers_mut().insert(header::AUTHORIZATION, self.header.clone());
        Ok(())
    }
}

impl Keys {
    pub(crate) fn new(exchange: Arc<dyn KeyExchange>, verifier: Arc<Verifier>) -> Self {
        Self { known: Cache::new(KEYS), last: Cache::new(KEYS), exchange, verifier }
    }

    /// What a request's key proves; `None` when it shows none. Refuses what only looks like a key.
    pub(crate) fn shown(request: &Request) -> Result<Option<KeyProof>> {
        let Ok(Some(token)) = bearer(request.headers()) else { return Ok(None) };
        if !token.starts_with(API_KEY) {
            return Ok(None);
        }
        let foreign = || Error::new(Code::InvalidToken, "the API key is mistyped or cut off");
        KeyProof::of(token).ok_or_else(foreign).map(Some)
    }

    /// The key, if users need not be asked about it.
    pub(crate) fn find(&self, proof: &KeyProof) -> Option<Arc<Known>> {
        self.known.get(&proof.hash).filter(|known| self.is_fresh(known))
    }

    /// Asks users about a key: those who ask at the same time share one question.
    pub(crate) async fn ask(&self, proof: &KeyProof, client: Option<IpAddr>) -> Result<Arc<Known>> {
        self.known.remove_if(&proof.hash, |known| !self.is_fresh(known));
        let ask = async {
            match self.exchange.exchange(proof, client).await {
                Ok(grant) => {
                    let known = Known::new(grant, KEPT)?;
                    self.last.insert(proof.hash, Arc::clone(&known));
                    Ok(known)
                }
                Err(error) => self.go_on(proof, error),
            }
        };
        self.known.get_or_insert_async(&proof.hash, ask).await
    }

    /// Asks users again at the next request: a service would not have this token.
    pub(crate) fn forget(&self, proof: &KeyProof, refused: &Arc<Known>) {
        self.known.remove_if(&proof.hash, |known| Arc::ptr_eq(known, refused));
    }

    fn is_fresh(&self, known: &Known) -> bool {
        known.until > Instant::now() && self.is_good(known)
    }

    fn is_good(&self, known: &Known) -> bool {
        self.verifier.verify(&known.grant.token).is_ok()
    }

    /// What is left when users cannot say: the token of before, which is good until it ends or is revoked.
    fn go_on(&self, proof: &KeyProof, error: Error) -> Result<Arc<Known>> {
        if !matches!(error.code(), Code::Unavailable | Code::Timeout | Code::Overloaded) {
            self.last.remove(&proof.hash);
            return Err(error);
        }
        match self.last.get(&proof.hash).filter(|known| self.is_good(known)) {
            Some(known) => Known::new(known.grant.clone(), KEPT_IN_NEED),
            None => Err(error),
        }
    }
}
