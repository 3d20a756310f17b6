//! Names to sign in with, and passwords.

use std::fmt;

use holdfast_types::fold;
use unicode_security::{GeneralSecurityProfile, MixedScript, skeleton};

/// The 3,000 commonest passwords of eight characters and more in what was breached (the list of Django 5, by Royce Williams
/// out of Pwned Passwords), and some more; folded, one per line.
const COMMON_PASSWORDS: &str = include_str!("../common-passwords.txt");

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
}
