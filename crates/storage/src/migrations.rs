//! Migrations: each service numbers its own steps, and a database remembers which of them it has seen.

use holdfast_types::{Code, Error, Result};

/// What makes the tables of a service that are no records, on each engine, one step after the other.
#[derive(Debug)]
pub struct Migrations {
    /// How many steps came before these and are not known any more: a database that stands at one of them is refused.
    pub after: usize,
    /// Statements for SQLite.
    pub sqlite: &'static [&'static str],
    /// Statements for PostgreSQL.
    pub postgres: &'static [&'static str],
    /// Commands for MongoDB, in Extended JSON.
    pub mongo: &'static [&'static str],
}

/// Those of one service on one engine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps {
    pub(crate) service: &'static str,
    after: usize,
    steps: &'static [&'static str],
}

impl Migrations {
    /// For a service that keeps records only.
    pub const NONE: Self = Self { after: 0, sqlite: &[], postgres: &[], mongo: &[] };

    pub(crate) const fn of(&self, service: &'static str, steps: &'static [&'static str]) -> Steps {
        Steps { service, after: self.after, steps }
    }
}

impl Steps {
    /// The number of the last.
    pub(crate) fn last(self) -> i64 {
        i64::try_from(self.after + self.steps.len()).unwrap_or(i64::MAX)
    }

    /// Those that a database at step `found` has not seen. Refuses one that this program does not know.
    pub(crate) fn unseen(self, found: Option<i64>) -> Result<&'static [&'static str]> {
        let found = found.unwrap_or(0);
        let done = usize::try_from(found).map_err(Error::internal)?;
        let is_known = done == 0 || done > self.after;
        let unseen = self.steps.get(done.saturating_sub(self.after)..).filter(|_| is_known);
        unseen.ok_or_else(|| {
            let (service, known) = (self.service, self.last());
            let why = format!(
                "the database was written by another Holdfast ({service} is at step {found}, this program knows {known}): start that one, or move the shop with its `export --all` and this one's `import --all`"
            );
            Error::new(Code::Internal, why)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_program_wrote_is_refused() {
        let steps = Steps { service: "orders", after: 2, steps: &["three", "four"] };
        assert_eq!(steps.unseen(None).unwrap(), ["three", "four"]);
        assert_eq!(steps.unseen(Some(3)).unwrap(), ["four"]);
        assert_eq!(steps.unseen(Some(4)).unwrap(), [""; 0]);
        for other in [1, 2, 5] {
            let refused = steps.unseen(Some(other)).unwrap_err().to_string();
            assert!(refused.contains(&format!("orders is at step {other}")), "{refused}");
        }
    }
}
