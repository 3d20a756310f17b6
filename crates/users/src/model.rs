//! Rules about users: pure, without clock or I/O.

mod api_key;
mod credentials;
mod messages;
mod mfa;
mod role;

use holdfast_types::{
    Authority, Basis, Code, Error, Fingerprint, Result, Role, Timestamp, UserId, Version,
};
use serde::{Deserialize, Serialize};

pub use self::credentials::{Password, Username};
pub(crate) use self::{
    api_key::{
        ApiKey, KeyAct, KeyChange, KeySecret, KeyStanding, NewKey, parse_range, unknown_key,
    },
    mfa::{Mfa, MfaEnds, app_secret, recovery_codes},
    role::{CustomRole, RoleChange, Roles, Standing, require_cover},
};

/// What registration fixes.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The id.
    pub id: UserId,
    /// The name to sign in with.
    pub username: Username,
    /// The password, hashed.
    pub password_hash: String,
    /// What they may do.
    pub role: Role,
    /// Their e-mail address.
    pub email: Option<String>,
    /// Their real name.
    pub name: Option<String>,
    /// Tells a repeat of the registration from another one under the same key.
    pub fingerprint: Fingerprint,
    /// When.
    pub created_at: Timestamp,
}

/// What a guest's account becomes a registered one with.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) user: UserId,
    pub(crate) username: Username,
    pub(crate) password_hash: String,
    /// `None` keeps what the guest has said, as for the name.
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
}

/// A user, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The id.
    pub id: UserId,
    /// The name to sign in with; empty once deleted, and for a guest.
    pub username: String,
    /// Whether they have neither name nor password, only the session that they came with.
    #[serde(default)]
    pub guest: bool,
    /// The password, hashed; empty for a guest.
    pub password_hash: String,
    /// Whether the password is another one than at registration.
    pub password_changed: bool,
    /// The second factor that they sign in with, or have begun with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mfa: Option<Mfa>,
    /// What they may do.
    pub role: Role,
    /// Their e-mail address.
    pub email: Option<String>,
    /// The address of which they have shown that it is theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_email: Option<String>,
    /// Their real name.
    pub name: Option<String>,
    /// Whether an administrator has shut them out.
    pub disabled: bool,
    /// Whether they deleted their account.
    pub deleted: bool,
    /// When.
    #[serde(default)]
    pub deleted_at: Option<Timestamp>,
    /// Counts changes of the profile and of what an administrator sets.
    pub version: Version,
    /// The version at which e-mail or name last changed.
    pub profile_version: Version,
    /// The version at which role or disabled last changed.
    pub access_version: Version,
    /// Counts what ends all tokens.
    pub epoch: i64,
    /// See [`NewUser::fingerprint`].
    pub fingerprint: Fingerprint,
    /// When they registered.
    pub created_at: Timestamp,
}

/// A change of one group of members; the outer `Option` tells "leave it" from a value.
#[derive(Clone, Debug)]
pub(crate) enum UserChange {
    /// What users say about themselves.
    Profile { email: Option<Option<String>>, name: Option<Option<String>> },
    /// What administrators decide.
    Access { role: Option<Role>, disabled: Option<bool> },
}

impl UserChange {
    /// Whether a letter goes to a new address of that user.
    pub(crate) fn brings_letter(&self, user: &User) -> bool {
        matches!(self, Self::Profile { email: Some(Some(email)), .. } if user.email.as_ref() != Some(email))
    }
}

impl User {
    /// The user that registration makes.
    #[must_use]
    pub fn new(new: &NewUser) -> Self {
        Self {
            username: new.username.as_str().to_owned(),
            guest: false,
            password_hash: new.password_hash.clone(),
            role: new.role.clone(),
            fingerprint: new.fingerprint,
            ..Self::guest(new.id, new.email.clone(), new.name.clone(), new.created_at)
        }
    }

    /// Somebody who buys without a name to sign in with.
    #[must_use]
    pub(crate) fn guest(
        id: UserId,
        email: Option<String>,
        name: Option<String>,
        created_at: Timestamp,
    ) -> Self {
        Self {
            id,
            username: String::new(),
            guest: true,
            password_hash: String::new(),
            password_changed: false,
            mfa: None,
            role: Role::customer(),
            email,
            verified_email: None,
            name,
            disabled: false,
            deleted: false,
            deleted_at: None,
            version: Version::FIRST,
            profile_version: Version::FIRST,
            access_version: Version::FIRST,
            epoch: 0,
            fingerprint: Fingerprint([0; 16]),
            created_at,
        }
    }

    /// Makes a guest's account one that can be signed in to. Refuses with `forbidden` what is none.
    pub(crate) fn register(&mut self, claim: &Claim) -> Result<()> {
        if !self.guest || !self.is_active() {
            return Err(Error::new(Code::Forbidden, "the account is not a guest's"));
        }
        self.guest = false;
        claim.username.as_str().clone_into(&mut self.username);
        self.password_hash.clone_from(&claim.password_hash);
        claim.email.is_some().then(|| self.email.clone_from(&claim.email));
        claim.name.is_some().then(|| self.name.clone_from(&claim.name));
        self.version = self.version.next();
        self.profile_version = self.version;
        Ok(())
    }

    /// The strong entity tag, quotes included: every member that is shown moves the version.
    #[must_use]
    pub fn etag(&self) -> String {
        format!("\"{}\"", self.version)
    }

    /// Whether they may sign in and stay signed in.
    #[must_use]
    pub fn is_active(&self) -> bool {
        !self.disabled && !self.deleted
    }

    /// Whether the address that they have is known to be theirs.
    #[must_use]
    pub fn has_verified_email(&self) -> bool {
        self.email.is_some() && self.email == self.verified_email
    }

    /// Notes that the address that they have is theirs. Doing so again changes nothing.
    pub(crate) fn verify_email(&mut self) {
        if !self.has_verified_email() {
            self.verified_email.clone_from(&self.email);
            self.version = self.version.next();
        }
    }

    /// Where a letter goes that lets its reader set a new password: nowhere for who has none, and for who is shut out.
    pub(crate) fn reset_address(&self) -> Option<&str> {
        self.email.as_deref().filter(|_| self.is_active() && !self.guest)
    }

    /// Whether they are an administrator who can act.
    pub(crate) fn is_in_charge(&self) -> bool {
        self.is_active() && self.role.as_str() == Role::ADMIN
    }

    /// Sets another password than at registration.
    pub(crate) fn set_password(&mut self, hash: String) {
        (self.password_hash, self.password_changed) = (hash, true);
    }

    /// Forgets what is personal.
    pub(crate) fn erase(&mut self, now: Timestamp) {
        self.username.clear();
        self.set_password(String::new());
        (self.email, self.name, self.guest, self.mfa) = (None, None, false, None);
        self.verified_email = None;
        (self.deleted, self.deleted_at) = (true, Some(now));
        self.version = self.version.next();
    }

    /// When a deleted user left. One of whom that was not noted counts as gone from the first, so that orders forget the buyer
    /// for sure.
    pub(crate) fn left_at(&self) -> Option<Timestamp> {
        self.deleted.then(|| self.deleted_at.unwrap_or(self.created_at))
    }

    /// Whether who has `holder` may change what this user may do, to `role` if it is given. Refuses with `forbidden`.
    pub(crate) fn may_be_changed_by(
        &self,
        holder: &Authority,
        role: Option<&Role>,
        roles: &Roles,
    ) -> Result<()> {
        require_cover(holder, &roles.standing(&self.role).authority)?;
        role.map_or(Ok(()), |role| require_cover(holder, &roles.require(role)?.authority))
    }

    /// Makes a change that is based on `basis`. A change that alters nothing leaves the version alone.
    /// Refuses with `precondition-failed` or `version-conflict`.
    pub(crate) fn change(&mut self, change: &UserChange, basis: &Basis) -> Result<()> {
        basis.check_tag(&self.etag())?;
        let before = self.clone();
        match change {
            UserChange::Profile { email, name } => {
                basis.check_version(self.version, self.profile_version)?;
                email.clone_into_option(&mut self.email);
                name.clone_into_option(&mut self.name);
            }
            UserChange::Access { role, disabled } => {
                basis.check_version(self.version, self.access_version)?;
                if self.guest && role.as_ref().is_some_and(|role| *role != self.role) {
                    return Err(Error::invalid("#/role", "a guest is a customer"));
                }
                role.clone_into_option(&mut self.role);
                self.disabled = disabled.unwrap_or(self.disabled);
            }
        }
        if *self == before {
            return Ok(());
        }
        self.version = self.version.next();
        match change {
            UserChange::Profile { .. } => self.profile_version = self.version,
            UserChange::Access { .. } => {
                self.access_version = self.version;
                self.epoch += 1;
            }
        }
        Ok(())
    }
}

/// Sets a member when the change names it.
trait CloneIntoOption<T> {
    fn clone_into_option(&self, target: &mut T);
}

impl<T: Clone> CloneIntoOption<T> for Option<T> {
    fn clone_into_option(&self, target: &mut T) {
        if let Some(value) = self {
            target.clone_from(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_registers_once_and_stays_a_customer_until_then() {
        let now = Timestamp::from_millis(0);
        let mut user = User::guest(UserId::from_bytes([1; 16]), Some("a@b.c".into()), None, now);
        let first = Basis { if_match: None, version: Some(Version(1)) };
        let promote = UserChange::Access { role: Some(Role::admin()), disabled: None };
        assert!(user.change(&promote, &first).is_err());
        let claim = Claim {
            user: user.id,
            username: Username::parse("ada").unwrap(),
            password_hash: "hash".to_owned(),
            email: None,
            name: Some("Ada".to_owned()),
        };
        user.register(&claim).unwrap();
        assert_eq!((user.username.as_str(), user.version), ("ada", Version(2)));
        assert_eq!((user.email.as_deref(), user.name.as_deref()), (Some("a@b.c"), Some("Ada")));
        assert_eq!(user.register(&claim).unwrap_err().code(), Code::Forbidden);
    }

    #[test]
    fn groups_do_not_conflict_with_each_other() {
        let new = NewUser {
            id: UserId::from_bytes([1; 16]),
            username: Username::parse("ada").unwrap(),
            password_hash: String::new(),
            role: Role::customer(),
            email: None,
            name: None,
            fingerprint: Fingerprint([0; 16]),
            created_at: Timestamp::from_millis(0),
        };
        let mut user = User::new(&new);
        let first = Basis { if_match: None, version: Some(Version(1)) };
        let rename = UserChange::Profile { email: None, name: Some(Some("Ada".into())) };
        let promote = UserChange::Access { role: Some(Role::seller()), disabled: None };
        user.change(&rename, &first).unwrap();
        user.change(&promote, &first).unwrap();
        assert_eq!((user.version, user.epoch), (Version(3), 1));
        assert!(user.change(&rename, &first).is_err(), "the name changed after version 1");
        let future = Basis { if_match: None, version: Some(Version(4)) };
        assert!(user.change(&rename, &future).is_err(), "version 4 does not exist yet");
    }
}
