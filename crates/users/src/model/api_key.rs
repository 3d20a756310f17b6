//! API keys: what a program may do in a user's name.

use std::{net::IpAddr, time::Duration};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use holdfast_types::{
    Authority, Basis, Code, Error, KeyId, Permissions, Result, SessionId, Timestamp, UserId,
    Version,
};
use holdfast_web::auth::KeyProof;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{CloneIntoOption, require_cover};

/// An API key, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ApiKey {
    /// The id.
    pub(crate) id: KeyId,
    /// In whose name it acts.
    pub(crate) user: UserId,
    /// What it is for.
    pub(crate) name: String,
    /// What it permits, as far as the user may do it too.
    pub(crate) permissions: Permissions,
    /// Where it may be used from; everywhere, when there is none.
    pub(crate) addresses: Vec<IpNet>,
    /// When it ends.
    pub(crate) expires_at: Option<Timestamp>,
    /// What it is known by.
    pub(crate) secret: KeySecret,
    /// The one before, while it is good too.
    pub(crate) previous: Option<PreviousSecret>,
    /// When it was last used, to the minute.
    pub(crate) last_used_at: Option<Timestamp>,
    /// Counts changes.
    pub(crate) version: Version,
    /// When.
    pub(crate) created_at: Timestamp,
}

/// What a key is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeySecret {
    /// The SHA-256 of its text.
    pub(crate) hash: [u8; 32],
    /// Stands for the tokens that are given for it: they are revoked by it.
    pub(crate) session: SessionId,
}

/// A secret that another one has taken the place of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PreviousSecret {
    /// What it was known by.
    pub(crate) secret: KeySecret,
    /// Until when it is good.
    pub(crate) until: Timestamp,
}

/// What a new key is made of.
#[derive(Clone, Debug)]
pub(crate) struct NewKey {
    pub(crate) name: String,
    pub(crate) permissions: Permissions,
    pub(crate) addresses: Vec<IpNet>,
    pub(crate) expires_at: Option<Timestamp>,
}

/// A change of a key; `None` leaves a member alone.
#[derive(Clone, Debug)]
pub(crate) struct KeyChange {
    pub(crate) name: Option<String>,
    pub(crate) permissions: Option<Permissions>,
    pub(crate) addresses: Option<Vec<IpNet>>,
    pub(crate) expires_at: Option<Option<Timestamp>>,
}

/// What tokens that are given for a secret are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyStanding {
    pub(crate) session: SessionId,
    /// Until when the secret is good, if it ends.
    pub(crate) until: Option<Timestamp>,
}

/// How often the use of a key is noted.
const NOTED: Duration = Duration::from_secs(60);

impl ApiKey {
    /// The strong entity tag, quotes included.
    pub(crate) fn etag(&self) -> String {
        format!("\"{}\"", self.version)
    }

    /// What whoever shows `proof` has. Refuses with `invalid-token` or `token-expired`.
    pub(crate) fn admit(&self, proof: &KeyProof, now: Timestamp) -> Result<KeyStanding> {
        let is_known = |secret: &KeySecret| {
            verify_slices_are_equal(&secret.hash, &proof.hash).is_ok().then_some(secret.session)
        };
        let previous = self.previous.filter(|previous| previous.until > now);
        let (session, until) = match (is_known(&self.secret), previous) {
            (Some(session), _) => (session, None),
            (None, Some(PreviousSecret { secret, until })) => {
                (is_known(&secret).ok_or_else(unknown_key)?, Some(until))
            }
            (None, None) => return Err(unknown_key()),
        };
        if self.expires_at.is_some_and(|end| end <= now) {
            return Err(Error::new(Code::TokenExpired, "the API key has expired"));
        }
        let until = [self.expires_at, until].into_iter().flatten().min();
        Ok(KeyStanding { session, until })
    }

    /// What the key permits to who has no more than `holder`.
    pub(crate) fn authority(&self, holder: &Authority) -> Authority {
        Authority { permissions: self.permissions.and(holder.permissions), ..*holder }
    }

    /// Nobody acts on a key that permits more than they hold. Refuses with `forbidden`.
    pub(crate) fn require_cover(&self, holder: &Authority) -> Result<()> {
        let own_products_only = holder.own_products_only;
        require_cover(holder, &Authority { permissions: self.permissions, own_products_only })
    }

    /// Makes a change that is based on `basis`, by who has `holder`. One that alters nothing leaves the version alone.
    /// Refuses with `forbidden`, `precondition-failed` or `version-conflict`.
    pub(crate) fn change(
        &mut self,
        change: &KeyChange,
        basis: &Basis,
        holder: &Authority,
    ) -> Result<()> {
        basis.check_tag(&self.etag())?;
        basis.check_version(self.version, self.version)?;
        self.require_cover(holder)?;
        let before = self.clone();
        change.name.clone_into_option(&mut self.name);
        change.permissions.clone_into_option(&mut self.permissions);
        change.addresses.clone_into_option(&mut self.addresses);
        change.expires_at.clone_into_option(&mut self.expires_at);
        self.require_cover(holder)?;
        if *self != before {
            self.version = self.version.next();
        }
        Ok(())
    }

    /// Gives it another secret; the one before is good for `overlap` as well. Tokens that were given for that one do not know that it
    /// ends, so they are given anew, under the session `meanwhile`.
    pub(crate) fn rotate(
        &mut self,
        secret: KeySecret,
        meanwhile: SessionId,
        overlap: Duration,
        now: Timestamp,
    ) {
        let before = KeySecret { session: meanwhile, ..self.secret };
        let previous = PreviousSecret { secret: before, until: now.plus(overlap) };
        self.previous = (!overlap.is_zero()).then_some(previous);
        self.secret = secret;
        self.version = self.version.next();
    }

    /// Lets tokens be given anew, under `session`: what it permits is another thing now.
    pub(crate) fn renew(&mut self, session: SessionId) {
        self.secret.session = session;
        // Two secrets that were good before are good after; their tokens are told apart by nobody.
        if let Some(previous) = &mut self.previous {
            previous.secret.session = session;
        }
    }

    /// The sessions of tokens that may be alive.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = SessionId> {
        let previous = self.previous.map(|previous| previous.secret.session);
        [Some(self.secret.session), previous].into_iter().flatten()
    }

    /// Notes that it is used, unless that was noted a short while ago; says whether it did.
    pub(crate) fn note_use(&mut self, now: Timestamp) -> bool {
        let is_due = self.last_used_at.is_none_or(|last| last.plus(NOTED) <= now || last > now);
        if is_due {
            self.last_used_at = Some(now);
        }
        is_due
    }
}

/// The refusal of a key that is none.
pub(crate) fn unknown_key() -> Error {
    Error::new(Code::InvalidToken, "the API key is not one of ours, or not any more")
}

/// A network, or one address of one.
pub(crate) fn parse_range(text: &str) -> Result<IpNet, &'static str> {
    let parsed = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    match parsed {
        Ok(net) if net.trunc() == net => Ok(net),
        Ok(_) => Err(
            "expected a network whose address ends in zeros after the prefix, such as 192.0.2.0/24",
        ),
        Err(_) => Err("expected an IP address or a network such as 192.0.2.0/24 or 2001:db8::/32"),
    }
}

#[cfg(test)]
mod tests {
    use holdfast_types::Permission;
    use uuid::Uuid;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn secret(number: u8) -> KeySecret {
        KeySecret { hash: [number; 32], session: SessionId::from_bytes([number; 16]) }
    }

    fn proof(number: u8) -> KeyProof {
        KeyProof { id: KeyId::new(Uuid::nil()), hash: [number; 32] }
    }

    fn key() -> ApiKey {
        ApiKey {
            id: KeyId::new(Uuid::nil()),
            user: UserId::from_bytes([1; 16]),
            name: "Warehouse".to_owned(),
            permissions: Permissions::of(&[Permission::OrdersWrite]),
            addresses: Vec::new(),
            expires_at: None,
            secret: secret(1),
            previous: None,
            last_used_at: None,
            version: Version::FIRST,
            created_at: at(0),
        }
    }

    #[test]
    fn a_rotation_overlaps() {
        let mut key = key();
        assert!(key.admit(&proof(2), at(0)).is_err());
        let meanwhile = SessionId::from_bytes([9; 16]);
        key.rotate(secret(2), meanwhile, Duration::from_secs(60), at(100));
        let until = Some(at(160));
        let standing = KeyStanding { session: meanwhile, until };
        assert_eq!(key.admit(&proof(1), at(159)).unwrap(), standing);
        assert_eq!(key.admit(&proof(1), at(160)).unwrap_err().code(), Code::InvalidToken);
        assert_eq!(key.admit(&proof(2), at(160)).unwrap().until, None);
        key.rotate(secret(3), meanwhile, Duration::ZERO, at(200));
        assert!(key.admit(&proof(2), at(200)).is_err() && key.previous.is_none());
    }

    #[test]
    fn a_key_ends_when_it_says() {
        let key = ApiKey { expires_at: Some(at(50)), ..key() };
        assert_eq!(key.admit(&proof(1), at(49)).unwrap().until, Some(at(50)));
        assert_eq!(key.admit(&proof(1), at(50)).unwrap_err().code(), Code::TokenExpired);
    }

    #[test]
    fn a_key_permits_no_more_than_its_user_may() {
        let holder = Authority {
            permissions: Permissions::of(&[Permission::OrdersRead]),
            own_products_only: true,
        };
        let authority = key().authority(&holder);
        assert!(!authority.permissions.has(Permission::OrdersWrite));
        assert!(authority.permissions.has(Permission::OrdersRead) && authority.own_products_only);
        assert!(key().require_cover(&holder).is_err());
    }

    #[test]
    fn its_use_is_noted_once_a_minute() {
        let mut key = key();
        assert!(key.note_use(at(0)) && !key.note_use(at(59)) && key.note_use(at(60)));
        assert!(key.note_use(at(5)), "the clock was set back");
    }

    #[test]
    fn ranges() {
        for good in ["192.0.2.7", "192.0.2.0/24", "2001:db8::/32", "::1", "0.0.0.0/0"] {
            assert!(parse_range(good).is_ok(), "{good}");
        }
        for bad in ["192.0.2.7/24", "192.0.2", "example.com", "", "192.0.2.0/33"] {
            assert!(parse_range(bad).is_err(), "{bad}");
        }
    }
}
