//! API keys: each is changed for an access token at users, so that services know tokens only. A token that was given for a key is
//! used again for a minute, as long as it is not revoked.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{
    extract::Request,
    http::{HeaderValue, header},
};
use holdfast_types::{Code, Error, Result};
use holdfast_web::{
    Context,
    auth::{API_KEY, KeyGrant, KeyProof, Verifier, bearer},
};
use quick_cache::sync::Cache;
use tokio::time::Instant;

/// Keys that are remembered: at about 1 kB each, 4 MB when full.
const KEYS: usize = 4096;
/// For how long.
const KEPT: Duration = Duration::from_secs(60);

/// Where keys are changed for tokens.
#[async_trait]
pub trait KeyExchange: Send + Sync {
    /// Refuses with `invalid-token`, `token-expired` or `token-revoked`.
    async fn exchange(&self, proof: &KeyProof) -> Result<KeyGrant>;
}

/// Keys that were good a short while ago.
pub(crate) struct Keys {
    known: Cache<[u8; 32], Arc<Known>>,
    exchange: Arc<dyn KeyExchange>,
    verifier: Arc<Verifier>,
}

struct Known {
    grant: KeyGrant,
    /// The token, as services are shown it.
    header: HeaderValue,
    since: Instant,
}

impl Keys {
    pub(crate) fn new(exchange: Arc<dyn KeyExchange>, verifier: Arc<Verifier>) -> Self {
        Self { known: Cache::new(KEYS), exchange, verifier }
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

    /// Whether users need not be asked about a key.
    pub(crate) fn knows(&self, proof: &KeyProof) -> bool {
        self.find(proof).is_some()
    }

    /// Puts the token in the key's place. Refuses with `forbidden` where the key may not be used.
    pub(crate) async fn change(&self, request: &mut Request, proof: &KeyProof) -> Result<()> {
        let known = match self.find(proof) {
            Some(known) => known,
            None => self.ask(proof).await?,
        };
        let client = request.extensions().get::<Context>().map(|context| context.client);
        let ranges = &known.grant.addresses;
        let is_within = |client: &std::net::IpAddr| {
            ranges.iter().any(|range| range.contains(&client.to_canonical()))
        };
        if !ranges.is_empty() && !client.as_ref().is_some_and(is_within) {
            let why = "the API key may not be used from this address";
            return Err(Error::new(Code::Forbidden, why));
        }
        request.headers_mut().insert(header::AUTHORIZATION, known.header.clone());
        Ok(())
    }

    /// Asks users again at the next request: a service would not have the token.
    pub(crate) fn forget(&self, proof: &KeyProof) {
        self.known.remove(&proof.hash);
    }

    fn find(&self, proof: &KeyProof) -> Option<Arc<Known>> {
        let known = self.known.get(&proof.hash)?;
        let is_good =
            known.since.elapsed() < KEPT && self.verifier.verify(&known.grant.token).is_ok();
        is_good.then_some(known)
    }

    async fn ask(&self, proof: &KeyProof) -> Result<Arc<Known>> {
        let grant = self.exchange.exchange(proof).await?;
        let header = HeaderValue::from_str(&format!("Bearer {}", grant.token));
        let mut header = header.map_err(Error::internal)?;
        header.set_sensitive(true);
        let known = Arc::new(Known { grant, header, since: Instant::now() });
        self.known.insert(proof.hash, Arc::clone(&known));
        Ok(known)
    }
}
