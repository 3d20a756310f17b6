//! What an update says it is based on: optimistic locking by version, by entity tag, or by both.

use crate::{Code, Error, Result, Version};

/// What `If-Match` asks for (RFC 9110 §13.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// `*`: it exists.
    Exists,
    /// One of these strong tags, quotes included.
    Tags(Vec<String>),
}

impl IfMatch {
    /// Strong comparison: a weak tag never matches.
    #[must_use]
    pub fn allows(&self, current: &str) -> bool {
        match self {
            Self::Exists => true,
            Self::Tags(tags) => tags.iter().any(|tag| tag == current),
        }
    }
}

/// The state that an update was made for; both parts must hold where both are given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Basis {
    /// Strict: any change of the representation since is a conflict.
    pub if_match: Option<IfMatch>,
    /// Lenient: only a change since of what the update sets is a conflict.
    pub version: Option<Version>,
}

impl Basis {
    /// Refuses with `precondition-failed` when the entity tag is not current.
    pub fn check_tag(&self, current: &str) -> Result<()> {
        match &self.if_match {
            Some(if_match) if !if_match.allows(current) => Err(Error::new(
                Code::PreconditionFailed,
                format!("If-Match: the current entity tag is {current}"),
            )),
            _ => Ok(()),
        }
    }

    /// Refuses with `version-conflict` when the version is not one yet, or what is being set changed after it.
    pub fn check_version(&self, current: Version, changed: Version) -> Result<()> {
        match self.version {
            Some(version) if version < changed || version > current => {
                let why = format!(
                    "the update is based on version {version}, the current version is {current}"
                );
                Err(Error::new(Code::VersionConflict, why))
            }
            _ => Ok(()),
        }
    }
}
