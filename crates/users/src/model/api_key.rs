//! API keys: what a program may do in a user's name.

use std::{net::IpAddr, time::Duration};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use holdfast_types::{
    Authority, Basis, Code, Error, KeyId, Permissions, Result, SessionId, Timestamp, UserId,
    Version,
};
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

    /// What whoever shows a secret with this hash has. Refuses with `invalid-token` or `token-expired`.
    pub(crate) fn admit(&self, hash: &[u8; 32], now: Timestamp) -> Result<KeyStanding> {
        let is_known = |secret: &KeySecret| {
            verify_slices_are_equal(&secret.hash, hash).is_ok().then_some(secret.session)
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

    /// A key that who has `holder` makes for themselves, with the key `maker` if they show one: it goes no further than that. Refuses
    /// with `forbidden`, and an end that is over with `validation`.
    pub(crate) fn made_by(
        mut self,
        holder: &Authority,
        maker: Option<&Self>,
        now: Timestamp,
    ) -> Result<Self> {
        require_cover(holder, &Authority { permissions: self.permissions, ..*holder })?;
        require_future(self.expires_at, now)?;
        if let Some(maker) = maker {
            if self.addresses.is_empty() {
                self.addresses.clone_from(&maker.addresses);
            }
            self.expires_at = self.expires_at.or(maker.expires_at);
            self.require_within(maker)?;
        }
        Ok(self)
    }

    /// A key that acts on keys makes none that is good elsewhere, or for longer. Refuses with `forbidden`.
    pub(crate) fn require_within(&self, maker: &Self) -> Result<()> {
        let is_inside = |range: &IpNet| maker.addresses.iter().any(|wide| wide.contains(range));
        let is_near = maker.addresses.is_empty()
            || !self.addresses.is_empty() && self.addresses.iter().all(is_inside);
        let is_short =
            maker.expires_at.is_none_or(|end| self.expires_at.is_some_and(|own| own <= end));
        match is_near && is_short {
            true => Ok(()),
            false => {
                let why = "your API key is good in fewer places, or for less long";
                Err(Error::new(Code::Forbidden, why))
            }
        }
    }

    /// Makes a change that is based on `basis`. One that alters nothing leaves the version alone.
    /// Refuses with `precondition-failed` or `version-conflict`, and an end that is over with `validation`.
    pub(crate) fn change(
        &mut self,
        change: &KeyChange,
        basis: &Basis,
        now: Timestamp,
    ) -> Result<()> {
        basis.check_tag(&self.etag())?;
        basis.check_version(self.version, self.version)?;
        require_future(change.expires_at.flatten(), now)?;
        let before = self.clone();
        change.name.clone_into_option(&mut self.name);
        change.permissions.clone_into_option(&mut self.permissions);
        change.addresses.clone_into_option(&mut self.addresses);
        change.expires_at.clone_into_option(&mut self.expires_at);
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

    /// Lets tokens be given anew, under `session`, when it is good for something else now.
    pub(crate) fn renew_if_changed(&mut self, act: &KeyAct, session: SessionId) {
        let is_same = |before: &Self| {
            (before.permissions, before.expires_at, &before.addresses)
                == (self.permissions, self.expires_at, &self.addresses)
        };
        if act.before.as_ref().is_some_and(is_same) {
            return;
        }
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

    /// When the newest token was given for it, at the latest: the clock may have been set back since.
    pub(crate) fn last_issue(&self, now: Timestamp) -> Timestamp {
        self.last_used_at.map_or(now, |last| last.plus(NOTED).max(now))
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

/// What stands around an act on a key.
#[derive(Clone, Debug)]
pub(crate) struct KeyAct {
    /// What the user may do in whose name it acts.
    pub(crate) holder: Authority,
    /// As it was.
    pub(crate) before: Option<ApiKey>,
}

impl KeyAct {
    /// Nobody acts on a key that permits more than they hold. Refuses with `forbidden`.
    pub(crate) fn require_cover(&self, caller: &Authority, key: &ApiKey) -> Result<()> {
        let of_user = self.holder.own_products_only;
        // What its user lacks now, they may be given again.
        let authority = Authority { permissions: key.permissions, own_products_only: of_user };
        require_cover(caller, &authority)
    }
}

fn require_future(end: Option<Timestamp>, now: Timestamp) -> Result<()> {
    match end.is_some_and(|end| end <= now) {
        true => Err(Error::invalid("#/expiresAt", "expected a time to come")),
        false => Ok(()),
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
        Ok(IpNet::V6(net)) if net.addr().to_ipv4_mapped().is_some() => {
            Err("expected addresses of IPv4 in their own form, such as 192.0.2.0/24")
        }
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

    fn proof(number: u8) -> [u8; 32] {
        [number; 32]
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
        let act = KeyAct { holder, before: None };
        assert!(act.require_cover(&holder, &key()).is_err());
        let everything = Authority { permissions: Permissions::ALL, own_products_only: true };
        let of_all =
            KeyAct { holder: Authority { own_products_only: false, ..everything }, before: None };
        let products =
            ApiKey { permissions: Permissions::of(&[Permission::ProductsWrite]), ..key() };
        assert!(of_all.require_cover(&everything, &products).is_err(), "it reaches everybody's");
    }

    #[test]
    fn a_key_makes_none_that_goes_further() {
        let ranges = |list: &[&str]| list.iter().map(|range| parse_range(range).unwrap()).collect();
        let maker =
            ApiKey { addresses: ranges(&["10.0.0.0/8"]), expires_at: Some(at(50)), ..key() };
        let all = Authority { permissions: Permissions::ALL, own_products_only: false };
        let made = key().made_by(&all, Some(&maker), at(0)).unwrap();
        assert_eq!((&made.addresses, made.expires_at), (&maker.addresses, Some(at(50))));
        for (addresses, expires_at) in [
            (ranges(&["10.1.0.0/16", "192.0.2.7"]), Some(at(9))),
            (ranges(&["10.1.0.0/16"]), Some(at(51))),
        ] {
            let more = ApiKey { addresses, expires_at, ..key() };
            let refused = more.made_by(&all, Some(&maker), at(0)).unwrap_err();
            assert_eq!(refused.code(), Code::Forbidden);
        }
        assert!(ApiKey { addresses: Vec::new(), ..maker.clone() }.require_within(&maker).is_err());
        let over = ApiKey { expires_at: Some(at(1)), ..key() }.made_by(&all, None, at(1));
        assert_eq!(over.unwrap_err().code(), Code::Validation);
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
        for bad in
            ["192.0.2.7/24", "192.0.2", "example.com", "", "192.0.2.0/33", "::ffff:192.0.2.7"]
        {
            assert!(parse_range(bad).is_err(), "{bad}");
        }
    }
}
