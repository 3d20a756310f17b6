//! What is known of a service before it is opened: its name, where its paths are, and what may come there. Gateway, metrics
//! and limits follow from it.

use crate::EVENT_STREAM;

/// Bytes of a body.
pub const BODY_BYTES: usize = 64 << 10;
/// Bytes of the largest body that any path takes.
pub const LARGEST_BODY: usize = 4 << 20;

/// A service of the program.
#[derive(Debug, PartialEq, Eq)]
pub struct Service {
    /// Names it in settings, metrics and logs.
    pub name: &'static str,
    /// Where its paths are.
    pub paths: &'static [Paths],
    /// Paths to which more than [`BODY_BYTES`] may be sent.
    pub large_bodies: &'static [LargeBody],
    /// Paths at which something else than JSON may be answered.
    pub types: &'static [Types],
}

/// A path to which large bodies may be sent.
#[derive(Debug, PartialEq, Eq)]
pub struct LargeBody {
    /// The whole path.
    pub path: &'static str,
    /// How many bytes: [`LARGEST_BODY`] at most.
    pub bytes: usize,
    /// Whether anybody may send them, and not only sellers and administrators.
    pub is_for_strangers: bool,
}

/// What may be answered at a path.
#[derive(Debug, PartialEq, Eq)]
pub struct Types {
    /// The whole path.
    pub path: &'static str,
    /// What an `Accept` may name, the usual type first.
    pub accepted: &'static [&'static str],
}

/// What a client may say who takes JSON.
pub(crate) const JSON: &[&str] =
    &["application/json", "application/problem+json", "application/*", "*/*"];

/// All paths of one beginning.
#[derive(Debug, PartialEq, Eq)]
pub struct Paths {
    /// Whole segments, such as `/api/users`.
    pub beginning: &'static str,
    /// Whether what is answered there is somebody's own, so that no cache keeps it.
    pub is_personal: bool,
}

/// All services that requests may be for.
pub type Services = &'static [&'static Service];

impl Service {
    /// The paths among which `path` is, if they are this service's.
    #[must_use]
    pub fn paths_of(&self, path: &str) -> Option<&'static Paths> {
        let is_among = |paths: &&Paths| {
            let rest = path.strip_prefix(paths.beginning);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.paths.iter().find(is_among)
    }

    /// What an `Accept` may name at `path`, the usual type first.
    #[must_use]
    pub fn types_at(&self, path: &str) -> &'static [&'static str] {
        let other = self.types.iter().find(|types| types.path == path);
        other.map_or(JSON, |types| types.accepted)
    }

    /// Whether what is answered at `path` goes on for as long as the client listens.
    #[must_use]
    pub fn streams(&self, path: &str) -> bool {
        self.types_at(path).first() == Some(&EVENT_STREAM)
    }

    /// How many bytes a body may have at most that is sent to `path`; `is_seller` is asked only where it matters.
    #[must_use]
    pub fn largest_body(&self, path: &str, is_seller: impl FnOnce() -> bool) -> usize {
        match self.large_bodies.iter().find(|large| large.path == path) {
            Some(large) if large.is_for_strangers || is_seller() => large.bytes,
            _ => BODY_BYTES,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_apart_by_whole_segments() {
        const TEA: Service = Service {
            name: "tea",
            paths: &[Paths { beginning: "/api/tea", is_personal: false }],
            large_bodies: &[LargeBody {
                path: "/api/tea/batch",
                bytes: 7,
                is_for_strangers: false,
            }],
            types: &[Types { path: "/api/tea/pour", accepted: &[EVENT_STREAM, "*/*"] }],
        };
        for ours in ["/api/tea", "/api/tea/", "/api/tea/1"] {
            assert!(TEA.paths_of(ours).is_some(), "{ours}");
        }
        for other in ["/api/teapots", "/api", "/tea", ""] {
            assert!(TEA.paths_of(other).is_none(), "{other}");
        }
        assert!(TEA.streams("/api/tea/pour") && !TEA.streams("/api/tea"));
        assert_eq!((TEA.types_at("/api/tea"), TEA.types_at("/api/tea/pour").len()), (JSON, 2));
        assert_eq!(TEA.largest_body("/api/tea/batch", || true), 7);
        assert_eq!(TEA.largest_body("/api/tea/batch", || false), BODY_BYTES);
        assert_eq!(TEA.largest_body("/api/tea/batch/1", || true), BODY_BYTES);
    }
}
