//! Rules about users: pure, without clock or I/O.

mod api_key;
mod messages;
mod role;

use std::fmt;

use holdfast_types::{
    Authority, Basis, Code, Error, Fingerprint, Result, Role, Timestamp, UserId, Version, fold,
};
use serde::{Deserialize, Serialize};
use unicode_security::{GeneralSecurityProfile, MixedScript, skeleton};

pub(crate) use self::{
    api_key::{ApiKey, KeyChange, KeySecret, KeyStanding, NewKey, parse_range, unknown_key},
    role::{CustomRole, RoleChange, Roles, Standing, require_cover},
};

/// The 3,000 commonest passwords of eight characters and more in what was breached (the list of Django 5, by Royce Williams
/// out of Pwned Passwords), and some more; folded, one per line.
const COMMON_PASSWORDS: &str = include_str!("common-passwords.txt");

/// A name to sign in with: 3 to 64 letters and digits of one script and `._-@`; unique without regard to case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username(String);

impl Username {
    /// Accepts what fits.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let fits = |c: char| c.is_alphanumeric() || "._-@".contains(c);
        if !(3..=64).contains(&text.chars().count()) || !text.chars().all(fits) {
            return Err("expected 3 to 64 letters, digits or any of . _ - @");
        }
        // Unicode Technical Standard #39: what passes for another name to the eye.
        let is_usual = |c: char| c.is_ascii() || c.identifier_allowed();
        match text.is_single_script() && text.chars().all(is_usual) {
            true => Ok(Self(text.to_owned())),
            false => Err("expected letters of one script that is in use today"),
        }
    }

    /// As the user wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the eye may take it for one of `others`, in either case.
    #[must_use]
    pub fn looks_like_any(&self, others: &[String]) -> bool {
        let skeletons =
            |name: &str| spellings(name).map(|name| skeleton(&name).collect::<String>());
        let own = skeletons(&self.0);
        others.iter().any(|other| skeletons(other).iter().any(|other| own.contains(other)))
    }

    /// As it is compared.
    #[must_use]
    pub fn folded(&self) -> String {
        fold(&self.0)
    }
}

/// A name as it stands, in small letters, in capitals, and with one capital: signs that look alike are others in each.
fn spellings(name: &str) -> [String; 4] {
    let small = name.to_lowercase();
    let mut rest = small.chars();
    let first = rest.next().map(char::to_uppercase).into_iter().flatten();
    let title = first.chain(rest.as_str().chars()).collect();
    [name.to_owned(), name.to_uppercase(), title, small]
}

/// A password that may be set: 8 to 256 characters, not among the commonest, not the username.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Accepts what fits; the username is the one it must not be.
    pub fn parse(text: &str, username: &str) -> Result<Self, &'static str> {
        let folded = fold(text);
        if !(8..=256).contains(&text.chars().count()) {
            return Err("expected 8 to 256 characters");
        }
        if text.chars().any(char::is_control) {
            return Err("expected no control characters");
        }
        if folded == fold(username) {
            return Err("the password must not be the username");
        }
        if COMMON_PASSWORDS.lines().any(|common| common == folded) {
            return Err("the password is among the commonest: choose another one");
        }
        Ok(Self(text.to_owned()))
    }

    /// The secret itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(hidden)")
    }
}

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
    /// What they may do.
    pub role: Role,
    /// Their e-mail address.
    pub email: Option<String>,
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
            role: Role::customer(),
            email,
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
        (self.email, self.name, self.guest) = (None, None, false);
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
    fn usernames() {
        for good in
            ["ada", "Ada.Lovelace_1815", "a-b@example.com", "żółć", "администратор", "山田太郎"]
        {
            assert!(Username::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "ab", "a b c", "x\u{0}yz", "a/b/c", &"a".repeat(65), "аdmin", "𐌀𐌁𐌂"]
        {
            assert!(Username::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Username::parse("ADA").unwrap().folded(), "ada");
        for (name, like) in
            [("adrnin", "admin"), ("Admin", "admin"), ("paypaI", "paypal"), ("асе", "ace")]
        {
            assert!(Username::parse(name).unwrap().looks_like_any(&[like.to_owned()]), "{name}");
        }
        assert!(!Username::parse("edmin").unwrap().looks_like_any(&["admin".to_owned()]));
    }

    #[test]
    fn passwords() {
        for bad in ["short", "password", "PassWord", "12345678", "ada.lovelace", &"x".repeat(257)] {
            assert!(Password::parse(bad, "Ada.Lovelace").is_err(), "{bad}");
        }
        assert!(Password::parse("correct horse battery", "ada").is_ok());
        assert!(Password::parse("pässwörter", "ada").is_ok());
    }

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
