//! Which processes hold locks on a file: those that read an old snapshot keep the log from starting over.

use std::{collections::BTreeSet, fs, os::linux::fs::MetadataExt, path::Path};

/// The processes that have a file locked, as far as the kernel tells (proc_locks(5)): number and command.
/// SQLite's readers lock its index of the log.
pub(super) fn readers(index: &Path) -> Vec<String> {
    let Ok(inode) = fs::metadata(index).map(|file| file.st_ino()) else { return Vec::new() };
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let holders: BTreeSet<u32> = locks.lines().filter_map(|line| holder(line, inode)).collect();
    let name = |pid: &u32| {
        let command = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        format!("{pid} ({})", command.trim())
    };
    holders.iter().map(name).collect()
}

/// `1: POSIX  ADVISORY  READ 1234 08:01:5678 124 124`: kind, mode, process, device and inode, range.
fn holder(line: &str, inode: u64) -> Option<u32> {
    let mut fields = line.split_whitespace().skip(4);
    let pid = fields.next()?.parse().ok()?;
    let file = fields.next()?.rsplit(':').next()?.parse::<u64>().ok()?;
    (file == inode).then_some(pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_are_read_from_the_table_of_locks() {
        let line = "12: POSIX  ADVISORY  READ 4711 fd:01:260123 124 124";
        assert_eq!(holder(line, 260_123), Some(4711));
        assert_eq!(holder(line, 1), None);
        assert_eq!(holder("3: -> POSIX", 1), None);
    }

    #[test]
    fn a_reader_of_an_old_snapshot_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let db = super::super::connection::writing(&path).unwrap();
        db.execute("CREATE TABLE a (b)", []).unwrap();
        let reader = super::super::connection::reading(&path).unwrap();
        reader.execute_batch("BEGIN; SELECT * FROM a").unwrap();
        let found = readers(&folder.path().join("a.db-shm"));
        let own = std::process::id().to_string();
        assert!(found.iter().any(|holder| holder.starts_with(&own)), "{found:?}");
    }
}
