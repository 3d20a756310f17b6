//! Two processes on one file, crashes while ids are being moved, transactions that are undone.

use std::{path::Path, sync::Barrier, thread};

use rusqlite::OpenFlags;

use super::*;
use crate::sqlite::connection;

const SCHEMA: &str = "CREATE TABLE things (seq INTEGER PRIMARY KEY, id BLOB NOT NULL);
    CREATE TABLE things_ids (id BLOB PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO holdfast_id_indexes (name) VALUES ('things');";

/// A process of the shop: a writer's connection, a reader's, and what both know.
struct Process {
    writer: Connection,
    reader: Connection,
    all: IdIndexes,
    index: IdIndex,
}

impl Process {
    fn start(path: &Path) -> Self {
        let all = IdIndexes { gathered: 100, ..IdIndexes::default() };
        let reader = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
        let (writer, reader) = (connection::writing(path).unwrap(), reader.unwrap());
        Self { writer, reader, index: all.keep("things", "things", "id"), all }
    }

    fn begin(&self) {
        self.writer.execute_batch("BEGIN IMMEDIATE").unwrap();
        self.all.begin(&self.writer).unwrap();
    }

    fn insert(&self, number: i64) {
        let id = id(number);
        assert_eq!(self.index.find(&self.writer, &id).unwrap(), None, "{number}");
        self.writer.execute("INSERT INTO things (id) VALUES (?1)", [id]).unwrap();
        self.index.add(&self.writer, &id).unwrap();
    }

    fn commit(&self) {
        self.all.merge(&self.writer).unwrap();
        self.writer.execute_batch("COMMIT").unwrap();
        self.all.commit();
    }

    fn roll_back(&self) {
        self.writer.execute_batch("ROLLBACK").unwrap();
        self.all.undo();
    }

    /// Finds the thing of that number as a reader.
    fn sees(&self, number: i64) -> bool {
        let sql = "SELECT id FROM things WHERE seq = ?1";
        self.index.find(&self.reader, &id(number)).unwrap().is_some_and(|seq| {
            let found = self.reader.query_row(sql, [seq], |row| row.get::<_, Id>(0)).optional();
            found.unwrap() == Some(id(number))
        })
    }

    /// All ids in their order, as a reader goes through them in pages.
    fn walk(&self) -> Vec<Id> {
        let (mut all, mut after) = (Vec::new(), [0; 16]);
        loop {
            let page = self.index.range(&self.reader, &after, &[0xff; 16], 64).unwrap();
            let Some((last, _)) = page.last() else { return all };
            after = *last;
            all.extend(page.into_iter().map(|(id, _)| id));
        }
    }

    fn in_table(&self) -> i64 {
        let count = "SELECT count(*) FROM things_ids";
        self.reader.query_row(count, [], |row| row.get(0)).unwrap()
    }
}

/// Ids in no order.
fn id(number: i64) -> Id {
    let scatter = u128::from(number.unsigned_abs() + 1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    scatter.to_be_bytes()
}

fn shop() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let db = connection::writing(&path).unwrap();
    db.execute_batch(MARKS).unwrap();
    db.execute_batch(SCHEMA).unwrap();
    (folder, path)
}

#[test]
fn every_id_is_found_by_everybody_at_every_moment() {
    let (_folder, path) = shop();
    let mut processes = [Process::start(&path), Process::start(&path)];
    let (mut next, mut interrupted) = (0, 0);
    for round in 0..150 {
        let turn = round % 3 / 2;
        processes[turn].begin();
        for _ in 0..7 {
            processes[turn].insert(next);
            next += 1;
        }
        processes[turn].commit();
        assert!(processes.iter().all(|process| process.sees(next - 1) && !process.sees(next)));
        if round % 10 == 9 {
            // As after a crash: what was in memory is gone.
            processes[0] = Process::start(&path);
            let marks = processes[0].index.marks(&processes[0].reader).unwrap();
            interrupted += u32::from(marks.merging > marks.merged);
            assert!((0..next).all(|number| processes.iter().all(|process| process.sees(number))));
            let mut ids: Vec<Id> = (0..next).map(id).collect();
            ids.sort_unstable();
            assert!(processes.iter().all(|process| process.walk() == ids));
        }
    }
    assert!(interrupted > 2, "the control: some met ids that were being moved");
    let in_memory = processes[1].index.memory().seqs.len();
    assert!(in_memory < 300, "{in_memory} ids are still in memory");
    assert!((next - 300..next).contains(&processes[0].in_table()));
}

/// Two columns are an id as well: in memory, in the table, read again by another process, and looked for by an audit.
#[test]
fn pairs_of_numbers_are_ids() {
    let (_folder, path) = shop();
    let db = connection::writing(&path).unwrap();
    db.execute_batch(
        "CREATE TABLE lines (seq INTEGER PRIMARY KEY, product INTEGER, sequence INTEGER);
         CREATE TABLE lines_ids (id BLOB PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
         INSERT INTO holdfast_id_indexes (name, key) VALUES ('lines', 'product, sequence');",
    )
    .unwrap();
    let (ours, theirs) = (Process::start(&path), Process::start(&path));
    let keep = |process: &Process| process.all.keep("lines", "lines", "product, sequence");
    let (written, read) = (keep(&ours), keep(&theirs));
    for sequence in 1..=200 {
        ours.begin();
        for product in 1..=3 {
            let insert = "INSERT INTO lines (product, sequence) VALUES (?1, ?2)";
            ours.writer.execute(insert, (product, sequence)).unwrap();
            written.add(&ours.writer, &pair(product, sequence)).unwrap();
        }
        ours.commit();
        let page = |index: &IdIndex, process: &Process, after| {
            let (after, last) = (pair(2, after), pair(2, i64::MAX));
            let page = index.range(&process.reader, &after, &last, 5).unwrap();
            page.into_iter().map(|(id, _)| id).collect::<Vec<_>>()
        };
        let after = (sequence - 7).max(0);
        let expected: Vec<_> =
            (after + 1..=sequence).take(5).map(|sequence| pair(2, sequence)).collect();
        assert_eq!(page(&written, &ours, after), expected);
        assert_eq!(page(&read, &theirs, after), expected);
        assert_eq!(page(&read, &theirs, -1), [[0; 16]; 0], "what is no place has nothing after it");
    }
    let in_table: i64 =
        db.query_row("SELECT count(*) FROM lines_ids", [], |row| row.get(0)).unwrap();
    assert!((300..600).contains(&in_table), "{in_table}: some are in memory only");
    assert_eq!(lost(&ours.reader, 50).unwrap(), [""; 0]);
    db.execute("DELETE FROM lines_ids WHERE seq = 7", []).unwrap();
    let found = lost(&ours.reader, 50).unwrap();
    assert!(found.len() == 1 && found[0].ends_with("in lines"), "{found:?}");
}

/// Letters, of which those with a text are in an index under another name.
struct Letters {
    ours: Process,
    theirs: Process,
    written: IdIndex,
    read: IdIndex,
    path: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

impl Letters {
    const KEY: &str = "holdfast_place(text,at,seq)";

    fn new() -> Self {
        let (folder, path) = shop();
        connection::writing(&path)
            .unwrap()
            .execute_batch(
                "CREATE TABLE letters (seq INTEGER PRIMARY KEY, text TEXT, at INTEGER NOT NULL);
                 CREATE TABLE texts_ids (id BLOB PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
                 INSERT INTO holdfast_id_indexes (name, source, key)
                     VALUES ('texts', 'letters', 'holdfast_place(text,at,seq)');",
            )
            .unwrap();
        let (ours, theirs) = (Process::start(&path), Process::start(&path));
        let (written, read) = (Self::keep(&ours), Self::keep(&theirs));
        Self { ours, theirs, written, read, path, _folder: folder }
    }

    fn keep(process: &Process) -> IdIndex {
        define(&process.reader).unwrap();
        process.all.keep("texts", "letters", Self::KEY)
    }

    /// Inserts a letter in the running transaction, and says its row.
    fn write(&self, text: Option<&str>, at: i64) -> i64 {
        let insert = "INSERT INTO letters (text, at) VALUES (?1, ?2)";
        self.ours.writer.execute(insert, (text, at)).unwrap();
        let seq = self.ours.writer.last_insert_rowid();
        match text {
            Some(text) => self.written.add(&self.ours.writer, &place(text, at, seq)).unwrap(),
            None => self.written.pass(&self.ours.writer),
        }
        seq
    }

    /// Moments in which there is a letter of each kind; every fifth transaction is undone.
    fn fill(&self) {
        for at in 0..300 {
            self.ours.begin();
            for text in [None, Some("a"), Some("b"), None] {
                self.write(text, at);
            }
            match at % 5 {
                4 => self.ours.roll_back(),
                _ => self.ours.commit(),
            }
        }
    }

    fn number(&self, sql: &str) -> i64 {
        self.ours.reader.query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

/// Rows of the text "a", the newest first.
fn rows(index: &IdIndex, process: &Process, limit: usize) -> Vec<i64> {
    let (first, last) = places_of("a", i64::MAX);
    let found = index.range(&process.reader, &first, &last, limit).unwrap();
    found.into_iter().map(|(_, seq)| seq).collect()
}

/// In memory, in the table, read again by another process, looked for by an audit.
#[test]
fn rows_without_a_text_are_in_no_place() {
    let letters = Letters::new();
    letters.fill();
    let sql = "SELECT seq FROM letters WHERE text = 'a' ORDER BY at DESC";
    let mut query = letters.ours.reader.prepare(sql).unwrap();
    let expected = query.query_map([], |row| row.get(0)).unwrap();
    let expected: Vec<i64> = expected.collect::<Result<_, _>>().unwrap();
    assert_eq!(expected.len(), 240);
    assert_eq!(rows(&letters.written, &letters.ours, 1000), expected);
    assert_eq!(rows(&letters.read, &letters.theirs, 3), expected[..3]);
    assert_eq!(lost(&letters.ours.reader, 50).unwrap(), [""; 0]);
    letters.ours.begin();
    letters.written.remove(&letters.ours.writer, &place("a", 0, expected[239])).unwrap();
    letters.ours.commit();
    let found = lost(&letters.ours.reader, 50).unwrap();
    assert!(found.len() == 1 && found[0].ends_with("in letters"), "{found:?}");
}

/// What is removed and undone is there again, in memory and in the table; what was added with it is not.
#[test]
fn what_is_removed_comes_back_when_it_is_undone() {
    let letters = Letters::new();
    letters.fill();
    for at in [0, 298] {
        let seq =
            letters.number(&format!("SELECT seq FROM letters WHERE text = 'a' AND at = {at}"));
        letters.ours.begin();
        let added = place("a", 300, letters.write(Some("a"), 300));
        for id in [place("a", at, seq), added] {
            letters.written.remove(&letters.ours.writer, &id).unwrap();
        }
        letters.ours.roll_back();
        assert_eq!(rows(&letters.written, &letters.ours, 1000).len(), 240);
    }
}

/// What one process removes does not come back from the memory of another, and rows that are passed are behind as well.
#[test]
fn what_is_removed_stays_away() {
    let letters = Letters::new();
    letters.fill();
    let Letters { ours, theirs, written, read, path, .. } = &letters;
    let seq = letters.number("SELECT max(seq) FROM letters WHERE text = 'a'");
    theirs.begin();
    theirs.writer.execute("UPDATE letters SET text = NULL WHERE seq = ?1", [seq]).unwrap();
    read.remove(&theirs.writer, &place("a", 298, seq)).unwrap();
    theirs.commit();
    assert!(
        rows(written, ours, 1000).contains(&seq),
        "it is remembered: its row says that it is gone"
    );
    for at in 300..600 {
        ours.begin();
        letters.write(None, at);
        ours.commit();
    }
    let merged = letters.number("SELECT merged FROM holdfast_id_indexes WHERE name = 'texts'");
    assert!(merged > 1100, "{merged}");
    let later = Process::start(path);
    for (index, process) in [(read, theirs), (&Letters::keep(&later), &later)] {
        assert_eq!(rows(index, process, 1000).len(), 239);
    }
}

#[test]
fn what_is_undone_is_forgotten() {
    let (_folder, path) = shop();
    let (ours, theirs) = (Process::start(&path), Process::start(&path));
    for number in 0..300 {
        ours.begin();
        ours.insert(3 * number);
        ours.roll_back();
        // The row of somebody else takes the place of the one that was undone.
        theirs.begin();
        theirs.insert(3 * number + 1);
        theirs.commit();
        assert!(ours.sees(3 * number + 1) && !ours.sees(3 * number));

        ours.begin();
        ours.writer.execute_batch("SAVEPOINT job").unwrap();
        let mark = ours.all.mark();
        ours.insert(3 * number);
        ours.writer.execute_batch("ROLLBACK TO job; RELEASE job").unwrap();
        ours.all.undo_to(&mark);
        ours.insert(3 * number + 2);
        ours.insert(3 * number);
        ours.commit();
    }
    assert!((0..900).all(|number| ours.sees(number) && theirs.sees(number)));
}

/// Every reader of a process misses the same new id at the same time, and each must find it.
#[test]
fn readers_that_miss_an_id_together_all_find_it() {
    const READERS: usize = 4;
    const ROUNDS: i64 = 1_000;
    let (_folder, path) = shop();
    let (ours, theirs) = (Process::start(&path), Process::start(&path));
    let index = &ours.index;
    let (start, end) = (Barrier::new(READERS + 1), Barrier::new(READERS + 1));
    let read = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let reader = Connection::open_with_flags(&path, flags).unwrap();
        let find = |number| {
            start.wait();
            let found = index.find(&reader, &id(number)).unwrap();
            end.wait();
            i64::from(found.is_none())
        };
        (0..ROUNDS).map(find).sum::<i64>()
    };
    let read = &read;
    let missed: i64 = thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(read)).collect();
        for number in 0..ROUNDS {
            theirs.begin();
            theirs.insert(number);
            theirs.commit();
            start.wait();
            end.wait();
        }
        readers.into_iter().map(|reader| reader.join().unwrap()).sum()
    });
    assert_eq!(missed, 0, "of {ROUNDS} ids by {READERS} readers");
}

#[test]
fn a_row_that_nobody_would_find_is_lost() {
    let (_folder, path) = shop();
    let mut process = Process::start(&path);
    for number in 0..250 {
        process.begin();
        process.insert(number);
        process.commit();
    }
    assert!((100..250).contains(&process.in_table()), "some are in memory only");
    assert_eq!(lost(&process.reader, 50).unwrap(), [""; 0]);
    let wrong = "UPDATE things_ids SET id = x'00' WHERE seq = 7; UPDATE things_ids SET seq = 8 WHERE seq = 9";
    process.writer.execute_batch(wrong).unwrap();
    let found = lost(&process.reader, 50).unwrap();
    assert!(found.len() == 2 && found[0].ends_with("in things"), "{found:?}");
    process = Process::start(&path);
    assert!(!process.sees(6), "the control");
}
